package sigstore

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Client is a user of a Sigstore: it knows the addresses of the services and what to trust of them.
// All its methods run cosign.
type Client struct {
	cosign   string
	dir      string
	issuer   *Issuer
	services map[Service]service
	files    func() (signingFiles, error)
}

// Service is a part of a Sigstore, by cosign's name for it.
type Service string

// The services.
const (
	Fulcio    Service = "fulcio"
	CTLog     Service = "ctfe"
	Rekor     Service = "rekor"
	Timestamp Service = "tsa"
)

// service is an argument that describes a service to cosign: "key=value,…".
type service struct{ trusted, signing string }

// since is the start of the validity of everything in trusted roots.
const since = "start-time=2020-01-01T00:00:00Z"

func newClient(dir string, issuer *Issuer, services map[Service]service) (*Client, error) {
	cosign, err := cluster.Tool("cosign3")
	c := &Client{cosign: cosign, dir: dir, issuer: issuer, services: services}
	c.files = sync.OnceValues(c.writeFiles)
	return c, err
}

// With is a client that takes some services from another Sigstore.
func (c *Client) With(other *Client, services ...Service) *Client {
	all := maps.Clone(c.services)
	for _, name := range services {
		all[name] = other.services[name]
	}
	return c.of(all)
}

// Without is a client that knows nothing of some services.
func (c *Client) Without(services ...Service) *Client {
	all := maps.Clone(c.services)
	for _, name := range services {
		delete(all, name)
	}
	return c.of(all)
}

func (c *Client) of(services map[Service]service) *Client {
	other := &Client{cosign: c.cosign, dir: c.dir, issuer: c.issuer, services: services}
	other.files = sync.OnceValues(other.writeFiles)
	return other
}

// TrustedRoot is a trusted_root.json.
func (c *Client) TrustedRoot(ctx context.Context) ([]byte, error) {
	args := []string{"trusted-root", "create"}
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		args = append(args, "--"+string(name)+"="+c.services[name].trusted)
	}
	out, err := c.run(ctx, args...)
	return []byte(strings.TrimSpace(out.Stdout)), err
}

// Sign signs what the reference names (HOST/REPOSITORY@DIGEST, over HTTP), and attaches the bundle.
func (c *Client) Sign(ctx context.Context, by Signer, reference string) error {
	return c.sign(ctx, "sign", by, reference)
}

// Bundle is the bundle that Sign would attach.
func (c *Client) Bundle(ctx context.Context, by Signer, reference string) ([]byte, error) {
	file, err := c.file("bundle.json", nil)
	if err != nil {
		return nil, err
	}
	if err := c.sign(ctx, "sign", by, reference, "--upload=false", "--bundle="+file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// Attest attests a predicate of what the reference names, with the signer and services of Sign. The
// predicate is JSON; its type is a URI, or a name that cosign knows.
func (c *Client) Attest(ctx context.Context, by Signer, reference, predicateType, predicate string) error {
	file, err := c.file("predicate.json", []byte(predicate))
	if err != nil {
		return err
	}
	return c.sign(ctx, "attest", by, reference, "--type="+predicateType, "--predicate="+file)
}

func (c *Client) sign(ctx context.Context, act string, by Signer, reference string, more ...string) error {
	flags, err := c.Flags(by)
	if err != nil {
		return err
	}
	args := append([]string{act, "--yes", "--allow-http-registry"}, flags...)
	_, err = c.run(ctx, append(append(args, more...), reference)...)
	return err
}

// Flags make cosign sign as the signer with this Sigstore: for a program that runs cosign itself.
func (c *Client) Flags(by Signer) ([]string, error) {
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	signer, err := by.flag(c.issuer)
	return []string{signer, "--signing-config=" + files.signingConfig, "--trusted-root=" + files.trustedRoot}, err
}

// Verify asks cosign, as a user would, whether the identity has signed what the reference names.
func (c *Client) Verify(ctx context.Context, by Identity, reference string) error {
	files, err := c.files()
	if err != nil {
		return err
	}
	_, err = c.run(ctx, "verify", "--allow-http-registry", "--trusted-root="+files.trustedRoot,
		"--certificate-oidc-issuer="+by.Issuer, "--certificate-identity="+by.Subject, reference)
	return err
}

// signingFiles are what cosign signs with.
type signingFiles struct{ trustedRoot, signingConfig string }

// writeFiles does not take a test's context: other tests use the files too.
func (c *Client) writeFiles() (signingFiles, error) {
	ctx := context.Background()
	root, err := c.TrustedRoot(ctx)
	if err != nil {
		return signingFiles{}, err
	}
	var files signingFiles
	if files.trustedRoot, err = c.file("trusted_root.json", root); err != nil {
		return files, err
	}
	if files.signingConfig, err = c.file("signing_config.json", nil); err != nil {
		return files, err
	}
	args := []string{"signing-config", "create", "--out=" + files.signingConfig}
	for name, service := range c.services {
		if service.signing == "" {
			continue
		}
		args = append(args, fmt.Sprintf("--%s=%s,%s,operator=chartgate.test", name, service.signing, since))
		if name == Rekor || name == Timestamp {
			args = append(args, fmt.Sprintf("--%s-config=ANY", name))
		}
	}
	_, err = c.run(ctx, args...)
	return files, err
}

// run keeps cosign away from the user's files.
func (c *Client) run(ctx context.Context, args ...string) (cluster.Output, error) {
	return cluster.Command{Name: c.cosign, Args: args, Env: []string{
		"HOME=" + c.dir, "TUF_ROOT=" + filepath.Join(c.dir, "tuf"), "DOCKER_CONFIG=" + c.dir, "COSIGN_PASSWORD=",
	}}.Run(ctx)
}

// file is a new file with that content.
func (c *Client) file(name string, content []byte) (string, error) {
	dir, err := os.MkdirTemp(c.dir, "client-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, content, 0o600)
}

// Desk is a directory in which the signer can run cosign commands as chartgate prints them: with
// signing_config.json and trusted_root.json of this Sigstore, the private key of a Key as
// cosign.key, and the environment.
func (c *Client) Desk(by Signer) (dir string, env []string, err error) {
	files, err := c.files()
	if err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(c.dir, "desk-"); err != nil {
		return "", nil, err
	}
	links := map[string]string{"signing_config.json": files.signingConfig, "trusted_root.json": files.trustedRoot}
	env = []string{"HOME=" + dir, "TUF_ROOT=" + filepath.Join(dir, "tuf"), "DOCKER_CONFIG=" + dir, "COSIGN_PASSWORD="}
	switch by := by.(type) {
	case Key:
		links["cosign.key"] = by.private
	case Identity:
		token, err := c.issuer.token(by)
		if err != nil {
			return "", nil, err
		}
		env = append(env, "SIGSTORE_ID_TOKEN="+token)
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return "", nil, err
		}
	}
	return dir, env, nil
}
