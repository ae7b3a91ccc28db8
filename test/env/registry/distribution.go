// Package registryserver runs the real registry server, distribution 3, as a process, with a token
// service beside it and every way to log in.
package registryserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/crypto/bcrypt"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// DistributionOptions say how the real registry server, distribution 3, is set up. It has no
// referrers API.
type DistributionOptions struct {
	// Server is its certificate; without it the server speaks plain HTTP.
	Server registrytest.Pair
	// Clients is the CA that must have issued the certificates of clients.
	Clients *registrytest.Authority
	// Username and Password are for basic authentication (htpasswd).
	Username, Password string
	// Tokens is the token service to which it sends clients, instead of a password.
	Tokens *TokenService
}

// Distribution is a running registry server on 127.0.0.1.
type Distribution struct {
	server *process.Server
	host   string
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// StartDistribution starts bin/registry with its files in dir, and waits until it listens.
func StartDistribution(ctx context.Context, dir string, o DistributionOptions) (*Distribution, error) {
	binary, err := cluster.Tool("registry")
	if err != nil {
		return nil, err
	}
	config, err := o.write(dir)
	if err != nil {
		return nil, err
	}
	server, err := process.Program{Binary: binary, Args: []string{"serve", config}, Dir: dir}.Start()
	if err != nil {
		return nil, err
	}
	address, err := server.WaitLog(ctx, listening)
	if err != nil {
		return nil, errors.Join(err, server.Kill())
	}
	return &Distribution{server: server, host: address[1]}, nil
}

// Host is "127.0.0.1:PORT".
func (d *Distribution) Host() string { return d.host }

// Log is what the server has written so far, requests included.
func (d *Distribution) Log() string { return d.server.Log() }

// Stop ends the server and waits for it.
func (d *Distribution) Stop() error { return d.server.Kill() }

// write writes the server's files to dir, and returns its configuration, in JSON, which is YAML.
func (o DistributionOptions) write(dir string) (config string, err error) {
	type object = map[string]any
	files := map[string][]byte{}
	http := object{"addr": "127.0.0.1:0", "secret": rand.Text()}
	if len(o.Server.Certificate) > 0 {
		files["server.crt"], files["server.key"] = o.Server.Certificate, o.Server.Key
		tls := object{"certificate": filepath.Join(dir, "server.crt"), "key": filepath.Join(dir, "server.key")}
		if o.Clients != nil {
			files["clients.crt"] = o.Clients.PEM()
			tls["clientcas"] = []string{filepath.Join(dir, "clients.crt")}
		}
		http["tls"] = tls
	}
	settings := object{
		"version": "0.1", "http": http,
		"log":     object{"level": "info", "accesslog": object{"disabled": false}},
		"storage": object{"filesystem": object{"rootdirectory": filepath.Join(dir, "storage")}, "delete": object{"enabled": true}},
	}
	switch {
	case o.Tokens != nil:
		files["jwks.json"] = o.Tokens.keys()
		settings["auth"] = object{"token": object{
			"realm": o.Tokens.URL(), "service": tokenAudience, "issuer": tokenIssuer, "jwks": filepath.Join(dir, "jwks.json"),
		}}
	case o.Username != "":
		hash, err := bcrypt.GenerateFromPassword([]byte(o.Password), bcrypt.MinCost)
		if err != nil {
			return "", err
		}
		files["htpasswd"] = []byte(o.Username + ":" + string(hash) + "\n")
		settings["auth"] = object{"htpasswd": object{"realm": "registry", "path": filepath.Join(dir, "htpasswd")}}
	}
	if files["config.yml"], err = json.Marshal(settings); err != nil {
		return "", err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "config.yml"), nil
}
