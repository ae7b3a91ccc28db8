package registries_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/env/cluster"
	registryserver "github.com/chartgate/chartgate/test/env/registry"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

const (
	repository = "acme/charts/podinfo"
	username   = "user"
	password   = "hunter2"
)

// setup is how one registry is set up, and what a client needs to reach it.
type setup struct {
	tls, clients, basic, tokens bool
}

// site is a registry with the tools of a user who may do everything in it.
type site struct {
	host       string
	authority  *registrytest.Authority
	clients    *registrytest.Authority
	pair       registrytest.Pair // of clients
	tokens     *registryserver.TokenService
	server     *registryserver.Distribution
	dir        string
	plain, may bool // over plain HTTP; a login is wanted
}

func newSite(t *testing.T, s setup) *site {
	t.Helper()
	w := &site{authority: registrytest.NewAuthority(), clients: registrytest.NewAuthority(), dir: t.TempDir(), plain: !s.tls, may: s.basic || s.tokens}
	w.pair = w.clients.Client()
	options := registryserver.DistributionOptions{}
	if s.tls {
		options.Server = w.authority.Server("127.0.0.1", acme)
	}
	if s.clients {
		options.Clients = w.clients
	}
	if s.basic {
		options.Username, options.Password = username, password
	}
	if s.tokens {
		w.tokens = registryserver.NewTokenService(w.authority.Server("localhost"), username, password)
		t.Cleanup(w.tokens.Close)
		options.Tokens = w.tokens
	}
	server, err := registryserver.StartDistribution(t.Context(), t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.server, w.host = server, server.Host()
	for name, content := range map[string][]byte{"ca.crt": w.authority.PEM(), "client.crt": w.pair.Certificate, "client.key": w.pair.Key} {
		w.write(t, name, content)
	}
	return w
}

func (w *site) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a tool in the site's directory, without the user's files, and returns its output.
func (w *site) run(t *testing.T, environment []string, tool string, args ...string) string {
	t.Helper()
	path, err := cluster.Tool(tool)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = w.dir
	cmd.Env = append([]string{"HOME=" + w.dir, "DOCKER_CONFIG=" + w.dir, "HELM_REGISTRY_CONFIG=" + w.dockerConfig(), "COSIGN_PASSWORD="}, environment...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		log := ""
		if w.server != nil {
			lines := strings.Split(w.server.Log(), "\n")
			log = strings.Join(lines[max(0, len(lines)-5):], "\n")
		}
		t.Fatalf("%s %s: %v\n%s\n%s", tool, strings.Join(args, " "), err, out, log)
	}
	return string(out)
}

// dockerConfig is where helm registry login writes to, and where cosign reads.
func (w *site) dockerConfig() string { return filepath.Join(w.dir, "config.json") }

// push pushes podinfo 1.0.0 with helm, after a login if one is wanted.
func (w *site) push(t *testing.T) (digest chart.Digest, archive []byte) {
	t.Helper()
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "podinfo-1.0.0.tgz", archive)
	flags := []string{"--plain-http"}
	if !w.plain {
		flags = []string{"--ca-file=ca.crt", "--cert-file=client.crt", "--key-file=client.key"}
	}
	if w.may {
		w.run(t, nil, "helm", slices.Concat([]string{"registry", "login", w.host, "--username=" + username, "--password=" + password}, flags)...)
	}
	out := w.run(t, nil, "helm", slices.Concat([]string{"push", "podinfo-1.0.0.tgz", "oci://" + w.host + "/acme/charts"}, flags)...)
	printed, err := harness.PushedDigest(out)
	if err != nil {
		t.Fatal(err)
	}
	if digest, err = chart.ParseDigest(printed); err != nil {
		t.Fatal(err)
	}
	return digest, archive
}

// cosign runs a cosign of the version given with a key, and what it needs for the registry.
func (w *site) cosign(t *testing.T, environment []string, version, act string, digest chart.Digest, args ...string) {
	t.Helper()
	private, _ := keyPair(t)
	w.write(t, "cosign.key", private)
	flags := []string{act, "--key=cosign.key", "--tlog-upload=false", "-y"}
	if version == "cosign3" {
		flags = append(flags, "--use-signing-config=false")
	}
	if w.plain {
		flags = append(flags, "--allow-http-registry")
	} else {
		flags = append(flags, "--registry-cacert=ca.crt", "--registry-client-cert=client.crt", "--registry-client-key=client.key")
	}
	w.run(t, environment, version, slices.Concat(flags, args, []string{w.host + "/" + repository + "@" + digest.String()})...)
}

// keyPair is cosign's own, made once.
var keyPair = func() func(*testing.T) (private, public []byte) {
	type pair struct{ private, public []byte }
	generate := sync.OnceValues(func() (pair, error) {
		dir, err := os.MkdirTemp("", "chartgate-registries")
		if err != nil {
			return pair{}, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path, err := cluster.Tool("cosign2")
		if err != nil {
			return pair{}, err
		}
		cmd := exec.CommandContext(context.Background(), path, "generate-key-pair")
		cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "COSIGN_PASSWORD="}
		if out, err := cmd.CombinedOutput(); err != nil {
			return pair{}, errors.Join(err, errors.New(string(out)))
		}
		private, err := os.ReadFile(filepath.Join(dir, "cosign.key"))
		if err != nil {
			return pair{}, err
		}
		public, err := os.ReadFile(filepath.Join(dir, "cosign.pub"))
		return pair{private, public}, err
	})
	return func(t *testing.T) (private, public []byte) {
		t.Helper()
		made, err := generate()
		if err != nil {
			t.Fatal(err)
		}
		return made.private, made.public
	}
}()

// client reaches the registry with a connection; without one, it has no credentials.
func (w *site) client(connection registry.Connection) *registry.Client {
	options := registry.Options{Connect: func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error) {
		return connection, nil
	}}
	if w.plain {
		options.PlainHTTP = []string{w.host}
	}
	return registry.New(options)
}

func (w *site) reference(t *testing.T) chart.Reference {
	t.Helper()
	ref, err := chart.ParseReference("oci://" + w.host + "/" + repository + ":1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (w *site) place(t *testing.T, path string) chart.Location {
	t.Helper()
	location, err := chart.ParseLocation("oci://" + w.host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// regcred is a consumer that has a connection.
var regcred = sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "regcred"}

// formats are those of all material that a search finds, in order.
func formats(t *testing.T, c *registry.Client, resolved artifact.Resolved, where attachment.Search) (found []string, contents []string) {
	t.Helper()
	where.Access = regcred
	for material, err := range c.Signatures(t.Context(), resolved, where) {
		if err != nil {
			t.Error(err)
			continue
		}
		found = append(found, material.Format.String())
		contents = append(contents, string(material.Content))
	}
	return found, contents
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
