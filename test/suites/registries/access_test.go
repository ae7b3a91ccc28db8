package registries_test

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestAccess: what helm pushed and both cosigns signed is found in every kind of registry,
// with a consumer's connection and with chartgate's own.
func TestAccess(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]setup{
		"plain HTTP":                         {},
		"a private CA":                       {tls: true},
		"basic authentication":               {tls: true, basic: true},
		"token authentication":               {tls: true, tokens: true},
		"client certificates":                {tls: true, clients: true},
		"client certificates and a password": {tls: true, clients: true, basic: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSite(t, how)
			digest, archive := w.push(t)
			w.cosign(t, nil, "cosign2", "sign", digest)
			w.cosign(t, nil, "cosign3", "sign", digest)
			t.Run("by a connection", func(t *testing.T) {
				w.examine(t, w.client(w.connection(how)), digest, archive)
			})
			if !how.clients {
				t.Run("by chartgate's own way", func(t *testing.T) { w.examine(t, w.own(), digest, archive) })
			}
			if how.tokens && strings.Contains(strings.Join(w.tokens.Scopes()[len(w.tokens.Scopes())-2:], " "), "push") {
				t.Errorf("chartgate asks for the right to push: %v", w.tokens.Scopes())
			}
		})
	}
}

// connection is what a consumer needs to reach the registry.
func (w *site) connection(how setup) registry.Connection {
	c := registry.Connection{ID: "1", Origin: "Secret apps/regcred"}
	if how.tls {
		c.CAs = w.authority.PEM()
	}
	if how.clients {
		c.ClientCertificate, c.ClientKey = w.pair.Certificate, w.pair.Key
	}
	if how.basic || how.tokens {
		c.Login = func(context.Context) (string, string, error) { return username, password, nil }
	}
	return c
}

// own uses what the admin configures: a CA, and the file that helm registry login has written.
func (w *site) own() *registry.Client {
	options := registry.Options{RootCAs: x509.NewCertPool(), Credentials: registry.DockerConfig(w.dockerConfig())}
	options.RootCAs.AppendCertsFromPEM(w.authority.PEM())
	if w.plain {
		options.PlainHTTP = []string{w.host}
	}
	return registry.New(options)
}

func (w *site) examine(t *testing.T, c *registry.Client, digest chart.Digest, archive []byte) {
	t.Helper()
	resolved, err := c.Resolve(t.Context(), w.reference(t), regcred)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, digest.String(), resolved.Digest.String())
	found, contents := formats(t, c, resolved, attachment.Search{})
	equal(t, []string{"bundle", "legacy signature"}, found)
	if len(contents) != 2 || !strings.Contains(contents[0], "dsseEnvelope") || !strings.Contains(contents[1], digest.String()) {
		t.Errorf("found %q", contents)
	}
	got, err := c.Archive(t.Context(), resolved, regcred)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, archive, got)
}

// TestNoAccess: the error names the cause, the host and the owner of the credentials.
func TestNoAccess(t *testing.T) {
	t.Parallel()
	const (
		public      = "; if it should be public, check the name: registries give the same answer for repositories that do not exist"
		does        = "HOST does not let chartgate read acme/charts/podinfo"
		credentials = "let Secret apps/regcred hold credentials that can pull acme/charts/podinfo from HOST" + public
		certificate = "in the chart's source, name a Secret with a client certificate that HOST accepts" + public
		foreign     = "in the chart's source, name a Secret with credentials that can pull acme/charts/podinfo from HOST: chartgate's own are not sent " +
			"where the source brings its own CA, client certificate or proxy" + public
		untrusted = "oci://HOST/acme/charts/podinfo:1.0.0 could not be read: the TLS certificate is signed by a CA that chartgate does not trust"
	)
	wrong := func(context.Context) (string, string, error) { return username, "hunter3", nil }
	stranger := registrytest.NewAuthority()
	type outcome struct {
		kind         problem.Kind
		detail, next string
	}
	for name, tc := range map[string]struct {
		how    setup
		change func(*registry.Connection)
		want   outcome
	}{
		"basic, wrong password": {setup{tls: true, basic: true}, func(c *registry.Connection) { c.Login = wrong }, outcome{problem.KindUnauthorized, does + " with the credentials of Secret apps/regcred: the registry answered 401 Unauthorized", credentials}},
		"token, wrong password": {setup{tls: true, tokens: true}, func(c *registry.Connection) { c.Login = wrong }, outcome{problem.KindUnauthorized, does + " with the credentials of Secret apps/regcred: its token service answered 401 Unauthorized", credentials}},
		"basic, nothing":        {setup{tls: true, basic: true}, func(c *registry.Connection) { c.Login = nil }, outcome{problem.KindUnauthorized, does + ": it requires credentials, and chartgate has no credentials for it", foreign}},
		"token, nothing":        {setup{tls: true, tokens: true}, func(c *registry.Connection) { c.Login = nil }, outcome{problem.KindUnauthorized, does + ": its token service answered 401 Unauthorized", foreign}},
		"another CA":            {setup{tls: true}, func(c *registry.Connection) { c.CAs = stranger.PEM() }, outcome{problem.KindUnavailable, untrusted, "put the CA's certificate (PEM) into Secret apps/regcred, or ask the cluster's admin to trust it (--registry-ca, chart value registry.caBundle)"}},
		"no CA": {setup{tls: true}, func(c *registry.Connection) { c.CAs = nil }, outcome{problem.KindUnavailable, untrusted,
			"ask the cluster's admin to trust the CA of HOST: --registry-ca FILE, or registry.caBundle among the values of chartgate's chart; or name it in the chart's source (certSecretRef)"}},
		"no client certificate": {setup{tls: true, clients: true}, func(c *registry.Connection) { c.ClientCertificate, c.ClientKey = nil, nil }, outcome{problem.KindUnauthorized, does + ": it requires a client certificate, and chartgate has no certificate for it", certificate}},
		"another's client certificate": {setup{tls: true, clients: true}, func(c *registry.Connection) {
			pair := stranger.Client()
			c.ClientCertificate, c.ClientKey = pair.Certificate, pair.Key
		}, outcome{problem.KindUnauthorized, does + ": it refuses the client certificate", certificate}},
		"a Secret that is lacking": {setup{tls: true, basic: true}, func(c *registry.Connection) {
			c.Login, c.CredentialError = nil, &problem.Error{Kind: problem.KindUnauthorized, Detail: "Secret apps/regcred could not be read: chartgate may not read Secrets in apps", Next: "grant it"}
		}, outcome{problem.KindUnauthorized, does + " (it requires credentials, and chartgate has no credentials for it), and Secret apps/regcred could not be read: chartgate may not read Secrets in apps", "grant it"}},
		"plain HTTP where HTTPS is spoken": {setup{}, func(*registry.Connection) {}, outcome{problem.KindUnavailable, "oci://HOST/acme/charts/podinfo:1.0.0 could not be read: the port does not speak HTTPS",
			"correct the port; if HOST has no TLS on purpose, ask the cluster's admin to allow that: --plain-http HOST, or plainHTTP among the values of chartgate's chart"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSite(t, tc.how)
			w.plain = false
			connection := w.connection(tc.how)
			tc.change(&connection)
			_, err := w.client(connection).Resolve(t.Context(), w.reference(t), regcred)
			var p *problem.Error
			if !errors.As(err, &p) {
				t.Fatalf("no problem: %v", err)
			}
			fill := func(text string) string { return strings.ReplaceAll(text, "HOST", w.host) }
			equal(t, []string{fill(tc.want.detail), fill(tc.want.next)}, []string{p.Detail, p.Next})
			equal(t, tc.want.kind, p.Kind)
			if strings.Contains(err.Error(), "hunter") {
				t.Errorf("the log learns the password: %v", err)
			}
		})
	}
}
