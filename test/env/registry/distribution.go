// Package registryserver runs the real registry server, distribution 3, as a process, with a token
// service beside it and every way to log in.
package registryserver

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/chartgate/chartgate/test/env/cluster"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// DistributionOptions say how the real registry server, distribution 3, is set up. It has no referrers API.
type DistributionOptions struct {
	// Server is its certificate; none is plain HTTP.
	Server registrytest.Pair
	// Clients is the CA that clients need a certificate of.
	Clients *registrytest.Authority
	// Username and Password are for basic authentication (htpasswd).
	Username, Password string
	// Tokens is the token service that it sends clients to, in place of a password.
	Tokens *TokenService
}

// Distribution is a running registry server on 127.0.0.1.
type Distribution struct {
	host   string
	cmd    *exec.Cmd
	exited chan struct{}

	mu  sync.Mutex
	log []byte
}

const startingTakes = time.Minute // at most

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
	d := &Distribution{cmd: exec.Command(binary, "serve", config), exited: make(chan struct{})}
	d.cmd.Dir, d.cmd.Env = dir, []string{"HOME=" + dir}
	output, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	found := make(chan string, 1)
	go d.read(output, found)
	ctx, cancel := context.WithTimeout(ctx, startingTakes)
	defer cancel()
	select {
	case d.host = <-found:
		return d, nil
	case <-d.exited:
		return nil, fmt.Errorf("the registry ended:\n%s", d.Log())
	case <-ctx.Done():
		d.Stop()
		return nil, fmt.Errorf("the registry does not listen: %w\n%s", ctx.Err(), d.Log())
	}
}

func (d *Distribution) read(output io.Reader, found chan<- string) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		d.mu.Lock()
		d.log = append(append(d.log, lines.Bytes()...), '\n')
		d.mu.Unlock()
		if at := listening.FindSubmatch(lines.Bytes()); at != nil {
			select {
			case found <- string(at[1]):
			default:
			}
		}
	}
	_ = d.cmd.Wait()
	close(d.exited)
}

// Host is "127.0.0.1:PORT".
func (d *Distribution) Host() string { return d.host }

// Log is what the server has said so far, requests included.
func (d *Distribution) Log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.log)
}

// Stop ends the server and waits for it.
func (d *Distribution) Stop() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// write fills dir with the server's files, and answers with its configuration, in JSON, which is YAML.
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
