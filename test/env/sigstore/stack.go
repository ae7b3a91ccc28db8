// Package sigstore runs a private Sigstore on 127.0.0.1, of the real servers that `make tools`
// builds: Fulcio issues certificates for OIDC tokens, Rekor v2 keeps the transparency log, and the
// timestamp authority signs the time. The real cosign signs with it, from a signing config and a
// trusted root that cosign itself wrote.
//
// Two parts are ours. The OIDC issuer gives a token to every test without a login (issuer.go). The
// certificate transparency log promises inclusion and keeps nothing (ctlog.go): the one that
// Sigstore runs, TesseraCT, is not available from the module proxy with a checksum, and its
// predecessor needs Trillian. Fulcio verifies what either of them signs.
//
// test/fixtures/sigstore makes the same signatures in process, and forgeries that an honest server
// would refuse.
package sigstore

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chartgate/chartgate/test/env/process"
)

// Stack is a running Sigstore, and its client.
type Stack struct {
	*Client
	dir    string
	issuer *Issuer
	ctlog  *ctlog

	fulcio, rekor, timestamp *server
}

// Start starts a Sigstore that accepts the issuer's tokens. Several can share one issuer. Stop
// stops it, also after an error.
func Start(ctx context.Context, issuer *Issuer) (*Stack, error) {
	s := &Stack{issuer: issuer}
	var err error
	if s.dir, err = os.MkdirTemp("", "chartgate-sigstore-"); err != nil {
		return s, err
	}
	if s.ctlog, err = newCTLog(); err != nil {
		return s, err
	}
	for _, start := range []func() error{s.startTimestamp, s.startRekor, s.startFulcio} {
		if err := start(); err != nil {
			return s, err
		}
	}
	for _, started := range []*server{s.timestamp, s.rekor, s.fulcio} {
		if err := started.WaitReady(ctx); err != nil {
			return s, err
		}
	}
	services, err := s.services(ctx)
	if err != nil {
		return s, err
	}
	s.Client, err = newClient(s.dir, issuer, services)
	return s, err
}

// Stop stops what Start started. The issuer goes on.
func (s *Stack) Stop() error {
	var errs []error
	for _, started := range []*server{s.fulcio, s.rekor, s.timestamp} {
		if started != nil {
			errs = append(errs, started.Kill())
		}
	}
	if s.ctlog != nil {
		s.ctlog.close()
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// Log is what the servers have written, for a test that failed.
func (s *Stack) Log() string {
	if s == nil {
		return "" // not started
	}
	var text string
	for _, started := range []*server{s.fulcio, s.rekor, s.timestamp} {
		if started != nil {
			text += fmt.Sprintf("== %s\n%s", started.name, started.Log())
		}
	}
	return text
}

// startTimestamp needs no files: the authority generates its key and certificates.
func (s *Stack) startTimestamp() error {
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	s.timestamp, err = launch("timestamp-server", at(port), "/ping", s.dir, fmt.Sprintf("--port=%d", port))
	return err
}

// rekorHost is the log's name in its checkpoints. Verifiers compare it with the host in
// the log's URL in the trusted root.
const rekorHost = "127.0.0.1"

func (s *Stack) startRekor() error {
	private, public, err := newKeyFiles()
	if err != nil {
		return err
	}
	if err := errors.Join(s.write("rekor.key", private), s.write("rekor.pub", public)); err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	s.rekor, err = launch("rekor", at(ports[0]), "/healthz", s.dir, "serve",
		"--hostname="+rekorHost, fmt.Sprintf("--http-port=%d", ports[0]),
		fmt.Sprintf("--grpc-port=%d", ports[1]), fmt.Sprintf("--http-metrics-port=%d", ports[2]),
		"--storage-dir="+s.file("log"), "--signer-filepath="+s.file("rekor.key"),
		// A signer waits for the next checkpoint.
		"--checkpoint-interval=200ms", "--batch-max-age=50ms")
	return err
}

func (s *Stack) startFulcio() error {
	config, err := fulcioConfig(s.issuer)
	if err != nil {
		return err
	}
	if err := errors.Join(s.write("fulcio.json", config), s.write("ctlog.pub", s.ctlog.pem)); err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	s.fulcio, err = launch("fulcio", at(ports[0]), "/healthz", s.dir, "serve",
		"--ca=ephemeralca", "--config-path="+s.file("fulcio.json"),
		"--ct-log-url="+s.ctlog.url(), "--ct-log-public-key-path="+s.file("ctlog.pub"),
		"--host=127.0.0.1", fmt.Sprintf("--port=%d", ports[0]),
		"--grpc-host=127.0.0.1", fmt.Sprintf("--grpc-port=%d", ports[1]),
		// By default every Fulcio opens the same socket. This name is relative, because the paths
		// of sockets must be short.
		"--legacy-unix-domain-socket=legacy.sock",
		// Fulcio serves metrics on every address; no flag changes that. 0 is any free port.
		"--metrics-port=0")
	return err
}

// services reads from the servers what clients must know, except the keys of the logs.
func (s *Stack) services(ctx context.Context) (map[Service]service, error) {
	fulcio, err := s.fulcioChain(ctx)
	if err != nil {
		return nil, err
	}
	timestamp, err := process.Get(ctx, s.timestamp.url+"/api/v1/timestamp/certchain")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.write("fulcio.pem", fulcio), s.write("timestamp.pem", timestamp)); err != nil {
		return nil, err
	}
	return map[Service]service{
		Fulcio: {
			trusted: "url=" + s.fulcio.url + ",certificate-chain=" + s.file("fulcio.pem"),
			signing: "url=" + s.fulcio.url + ",api-version=1",
		},
		CTLog: { // Fulcio asks it, clients do not.
			trusted: "url=" + s.ctlog.url() + "," + since + ",public-key=" + s.file("ctlog.pub"),
		},
		Rekor: {
			trusted: "url=" + s.rekor.url + "," + since + ",public-key=" + s.file("rekor.pub") + ",origin=" + rekorHost,
			signing: "url=" + s.rekor.url + ",api-version=2",
		},
		Timestamp: {
			trusted: "url=" + s.timestamp.url + ",certificate-chain=" + s.file("timestamp.pem"),
			signing: "url=" + s.timestamp.url + "/api/v1/timestamp,api-version=1",
		},
	}, nil
}

// newKeyFiles writes a new key pair as PEM.
func newKeyFiles() (private, public []byte, err error) {
	publicKey, privateKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(privateKey)
	if err != nil {
		return nil, nil, err
	}
	public, err = publicPEM(publicKey)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), public, err
}

func publicPEM(key any) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

func (s *Stack) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Stack) write(name string, content []byte) error {
	return os.WriteFile(s.file(name), content, 0o600)
}
