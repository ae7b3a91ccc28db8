package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// shop is a registry on 127.0.0.1 over plain HTTP, with the charts podinfo (signed by the release
// workflow), stranger (signed by another signer), keyed (signed by a key, in no log) and unsigned.
type shop struct {
	host    string
	server  *registrytest.Registry
	root    []byte            // trusted_root.json
	key     []byte            // the public key that has signed keyed
	digests map[string]string // by chart
}

var openShop = sync.OnceValues(func() (*shop, error) {
	return newShop(map[string]string{
		"podinfo": "release@acme.example", "stranger": "mallory@evil.example", "keyed": "by a key", "unsigned": "", "attested": "",
	})
})

// newShop sells version 1.0.0 of charts below acme/, by the subject that signed each; "" is nobody.
// The chart "attested" has an attestation; "keyed" and "logged" are signed by a key, in no log and in one. The shop is open until
// the process ends.
func newShop(subjects map[string]string) (*shop, error) {
	trust, err := sigstore.New(time.Now)
	if err != nil {
		return nil, err
	}
	registry := registrytest.New(registrytest.Options{})
	s := &shop{host: registry.Host(), server: registry, digests: map[string]string{}}
	if s.root, err = trust.TrustedRoot(); err != nil {
		return nil, err
	}
	key, err := sigstore.NewKey()
	if err != nil {
		return nil, err
	}
	if s.key, err = key.PEM(); err != nil {
		return nil, err
	}
	for name, subject := range subjects {
		archive, err := charts.Archive(path.Base(name), "1.0.0")
		if err != nil {
			return nil, err
		}
		if s.digests[name], _, err = registry.PushChart("acme/"+name, "1.0.0", archive); err != nil {
			return nil, err
		}
		if name == "attested" {
			if err := registry.AttachLegacyAttestation("acme/"+name, s.digests[name], []byte("{}"), nil); err != nil {
				return nil, err
			}
		}
		if subject == "" {
			continue
		}
		identity := sigstore.Identity{Issuer: "https://issuer.example", Subject: subject}
		if repository, _, ok := strings.Cut(subject, "/.github/"); ok {
			identity.Claims = map[string]string{"sourceRepositoryURI": repository}
		}
		signer, options := sigstore.Signer(identity), []sigstore.Option(nil)
		switch name {
		case "keyed":
			signer, options = key, []sigstore.Option{sigstore.WithoutLog()}
		case "logged":
			signer = key
		}
		bundle, err := trust.Bundle(signer, s.digests[name], sigstore.SignPredicateType, nil, options...)
		if err != nil {
			return nil, err
		}
		if _, err := registry.AttachBundle("acme/"+name, s.digests[name], bundle, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func theShop(t *testing.T) *shop {
	t.Helper()
	s, err := openShop()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// requests is how many the registry has been sent.
func (s *shop) requests() int { return len(s.server.Requests()) }

// local translates the host of the tests to the one on this machine, public back.
func (s *shop) local(text string) string { return strings.ReplaceAll(text, "ghcr.io", s.host) }

func (s *shop) public(text string) string {
	pairs := []string{s.host, "ghcr.io"}
	for name, digest := range s.digests {
		pairs = append(pairs, digest, "sha256:<"+name+">")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

const (
	acmePolicy = `
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: acme}
spec: {match: {charts: ["oci://ghcr.io/acme/**"]}, require: [{anyOf: [release]}]}
`
	releaseIdentity = `
apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: release}
spec: {keyless: {issuer: "https://issuer.example", subject: release@acme.example}}
`
	identityList = `
apiVersion: v1
kind: ConfigMap
metadata: {name: chartgate-identities}
data: {identities.yaml: '[{name: release, charts: ["oci://ghcr.io/acme/**"], keyless: {issuer: "https://issuer.example", subject: release@acme.example}}]'}
`
	acmeRepository = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: acme, namespace: apps}
spec: {type: oci, url: "oci://ghcr.io/acme"}
`
)

func release(chart, more string) string {
	return fmt.Sprintf(`
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %[1]s, namespace: apps}
spec: {%[2]schart: {spec: {chart: %[1]s, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}}}
`, chart, more)
}

// documentsOf joins YAML documents.
func documentsOf(texts ...string) string { return strings.Join(texts, "---\n") }

// files writes files into a new directory, and returns it.
func (s *shop) files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s.local(content)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ran is what a command leaves behind.
type ran struct {
	Code   int
	Stdout string
	Stderr string // what the command says beside its answer
	Error  string
}

// command runs chartgate in this process.
func (s *shop) command(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(s.local(stdin)))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err := cmd.ExecuteContext(t.Context())
	result := ran{Code: exitCode(err), Stdout: s.public(stdout.String()), Stderr: s.public(stderr.String())}
	if err != nil {
		result.Error = s.public(err.Error())
	}
	return result
}

// verify asks about manifests with the usual policies and flags.
func (s *shop) verify(t *testing.T, manifests string, more ...string) ran {
	t.Helper()
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root), "objects.yaml": manifests})
	return s.command(t, "", append([]string{"verify", "-f", dir + "/objects.yaml", "--policy", dir + "/policy.yaml", "--trusted-root", dir + "/root.json", "--plain-http", s.host}, more...)...)
}
