// Package cosign_test signs and attests with the command lines of cosign 2 and 3, with every kind
// of key and predicate that they take, and reads it all with chartgate's own registry client and
// verifier. `make tools` makes the programs.
package cosign_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// desk is the workplace of a signer: the tools, a registry, and a directory for keys and
// predicates.
type desk struct {
	registry *registrytest.Registry
	dir      string
	env      []string // of commands that are pasted, and of chartgate
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{registry: registrytest.New(registrytest.Options{}), dir: t.TempDir()}
	t.Cleanup(d.registry.Close)
	return d
}

// run runs a tool without the user's files. Keys have no password.
func (d *desk) run(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := d.try(t, name, args...); err != nil {
		t.Fatal(err)
	}
}

// try runs a tool that may fail.
func (d *desk) try(t *testing.T, name string, args ...string) (stdout string, err error) {
	t.Helper()
	tool, err := cluster.Tool(name)
	if err != nil {
		t.Fatal(err)
	}
	command := cluster.Command{Name: tool, Args: args, Env: []string{"DOCKER_CONFIG=" + d.dir, "COSIGN_PASSWORD="}}
	if slices.Contains(args, referrersMode) {
		command.Env = append(command.Env, "COSIGN_EXPERIMENTAL=1")
	}
	out, err := command.Run(t.Context())
	return out.Stdout, err
}

// file writes a file for the tools.
func (d *desk) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// keyPair is a key as cosign keeps it, and its public half.
type keyPair struct {
	path   string
	public evidence.PublicKey
}

// take imports a private key, as a user does who already has one.
func (d *desk) take(t *testing.T, name string, private crypto.Signer) keyPair {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	from := d.file(t, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	d.run(t, "cosign2", "import-key-pair", "--key", from, "--output-key-prefix", filepath.Join(d.dir, name), "-y")
	text, err := os.ReadFile(filepath.Join(d.dir, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := evidence.ParsePublicKeys(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{path: filepath.Join(d.dir, name+".key"), public: keys[0]}
}

// push stores a chart and returns what it resolves to.
func (d *desk) push(t *testing.T, name string) artifact.Resolved {
	t.Helper()
	archive, err := charts.Archive(name, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.registry.PushChart("acme/charts/"+name, "1.0.0", archive); err != nil {
		t.Fatal(err)
	}
	reference, err := chart.ParseReference("oci://" + d.registry.Host() + "/acme/charts/" + name + ":1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := d.client().Resolve(t.Context(), reference, sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func (d *desk) client() *registry.Client {
	return registry.New(registry.Options{PlainHTTP: []string{d.registry.Host()}})
}

// way is how a tool signs: in which form, and without the services of the Internet.
type way struct {
	tool  string
	flags []string
}

const referrersMode = "--registry-referrers-mode=oci-1-1"

func legacyWay() way { return way{"cosign2", []string{"--tlog-upload=false"}} }

// referrerWay is cosign 2's, without bundles and without tags.
func referrerWay() way {
	return way{"cosign2", []string{"--tlog-upload=false", referrersMode}}
}

func bundleWay() way {
	return way{"cosign3", []string{"--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=true"}}
}

func (d *desk) sign(t *testing.T, w way, key keyPair, what artifact.Resolved) {
	t.Helper()
	d.cosign(t, w, key, what, "sign")
}

func (d *desk) attest(t *testing.T, w way, key keyPair, what artifact.Resolved, kind, predicate string) {
	t.Helper()
	file := d.file(t, w.tool+"-"+strings.NewReplacer("/", "-", ":", "-").Replace(kind)+".json", predicate)
	d.cosign(t, w, key, what, "attest", "--type", kind, "--predicate", file)
}

func (d *desk) cosign(t *testing.T, w way, key keyPair, what artifact.Resolved, verb string, args ...string) {
	t.Helper()
	args = append([]string{verb, "--key", key.path, "--allow-http-registry", "-y"}, args...)
	image := what.Location.Host() + "/" + what.Location.Path() + "@" + what.Digest.String()
	d.run(t, w.tool, append(append(args, w.flags...), image)...)
}

// evidence is what chartgate finds beside the chart by the key, and of the attestations the
// content.
func (d *desk) evidence(t *testing.T, what artifact.Resolved, key keyPair, predicates ...string) []evidence.Evidence {
	t.Helper()
	roots, err := signature.Fixed(nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := evidence.Wanted{Predicates: predicates, Keys: []evidence.WantedKey{{PublicKey: key.public, AllowUnlogged: true}}}
	var found []evidence.Evidence
	for material, err := range d.client().Signatures(context.Background(), what, attachment.Search{Predicates: predicates}) {
		if err != nil {
			t.Fatal(err)
		}
		proven, err := signature.New(roots).Verify(context.Background(), what.Digest, material, wanted)
		if err != nil {
			t.Errorf("%s: %v", material.Format, err)
		}
		found = append(found, proven...)
	}
	return found
}
