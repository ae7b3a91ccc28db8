package registry_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// someone is a consumer with its own credentials.
var someone = sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "regcred"}

// always returns the same connection to every consumer.
func always(c registry.Connection) func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error) {
	return func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error) { return c, nil }
}

func login(username, password string) func(context.Context) (string, string, error) {
	return func(context.Context) (string, string, error) { return username, password, nil }
}

// TestConsumersLogin: the consumer's credentials are used instead of chartgate's own, and errors
// name them.
func TestConsumersLogin(t *testing.T) {
	t.Parallel()
	const public = "; if it should be public, check the name: registries give the same answer for repositories that do not exist"
	missing := &problem.Error{Kind: problem.KindUnauthorized, Detail: "Secret apps/regcred does not exist", Next: "create it"}
	refused := func(answered string) *outcome {
		return &outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo with the credentials of Secret apps/regcred: " + answered,
			"let Secret apps/regcred hold credentials that can pull acme/charts/podinfo from HOST" + public}
	}
	for name, tc := range map[string]struct {
		auth       registrytest.Auth
		own        string // chartgate's own password, "" if absent
		connection registry.Connection
		want       *outcome
	}{
		"basic":                           {auth: registrytest.Basic, connection: registry.Connection{ID: "1", Login: login("user", "hunter2")}},
		"bearer":                          {auth: registrytest.Bearer, connection: registry.Connection{ID: "1", Login: login("user", "hunter2")}},
		"nobody asks":                     {auth: registrytest.Open, connection: registry.Connection{ID: "1", Login: login("user", "hunter3")}},
		"basic, wrong":                    {auth: registrytest.Basic, own: "hunter2", connection: registry.Connection{ID: "1", Login: login("user", "hunter3"), Origin: "Secret apps/regcred"}, want: refused("the registry answered 401 Unauthorized")},
		"bearer, wrong":                   {auth: registrytest.Bearer, own: "hunter2", connection: registry.Connection{ID: "1", Login: login("user", "hunter3"), Origin: "Secret apps/regcred"}, want: refused("its token service answered 401 Unauthorized")},
		"wrong, from nobody knows where":  {auth: registrytest.Basic, connection: registry.Connection{ID: "1", Login: login("user", "hunter3")}, want: &outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo with the credentials of the chart's source: the registry answered 401 Unauthorized", "let the chart's source hold credentials that can pull acme/charts/podinfo from HOST" + public}},
		"none of the consumer's":          {auth: registrytest.Basic, own: "hunter2"},
		"none at all":                     {auth: registrytest.Basic, want: &outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: it requires credentials, and chartgate has no credentials for it", nextCredentials}},
		"lacking, and chartgate's own do": {auth: registrytest.Basic, own: "hunter2", connection: registry.Connection{CredentialError: missing}},
		"lacking, and nobody asks":        {auth: registrytest.Open, connection: registry.Connection{CredentialError: missing}},
		"lacking": {auth: registrytest.Basic, connection: registry.Connection{CredentialError: missing}, want: &outcome{problem.KindUnauthorized,
			"HOST does not let chartgate read acme/charts/podinfo (it requires credentials, and chartgate has no credentials for it), and Secret apps/regcred does not exist", "create it"}},
		"lacking, of another kind": {auth: registrytest.Bearer, connection: registry.Connection{CredentialError: &problem.Error{Kind: problem.KindSourceNotFound, Detail: "no Secret", Next: "x"}}, want: &outcome{problem.KindSourceNotFound,
			"HOST does not let chartgate read acme/charts/podinfo (its token service answered 401 Unauthorized), and no Secret", "x"}},
		"the login fails": {auth: registrytest.Basic, connection: registry.Connection{ID: "1", Origin: "Secret apps/regcred", Login: func(context.Context) (string, string, error) { return "", "", errors.New("hunter2") }},
			want: refused("they could not be read")},
		"the login has a problem": {auth: registrytest.Bearer, connection: registry.Connection{ID: "1", Login: func(context.Context) (string, string, error) { return "", "", missing }}, want: &outcome{missing.Kind, missing.Detail, missing.Next}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{Auth: tc.auth, Username: "user", Password: "hunter2"})
			options := s.options(t, "user", tc.own)
			if tc.own == "" {
				options.Credentials = nil
			}
			options.Connect = always(tc.connection)
			c := registry.New(options)
			resolved, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone)
			if tc.want != nil {
				got := outcomeOf(t, err)
				equal(t, outcome{tc.want.Kind, s.text(tc.want.Detail), s.text(tc.want.Next)}, got)
				if strings.Contains(got.Detail+got.Next, "hunter") {
					t.Error("the password is told")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Archive(t.Context(), resolved, someone); err != nil {
				t.Error(err)
			}
			_, problems := collectFor(t.Context(), t, c, resolved, attachment.Search{Access: someone})
			equal(t, 0, len(problems))
		})
	}
}

// TestConnectFails: if the consumer's credentials cannot be read, that is the error, and no packet
// is sent.
func TestConnectFails(t *testing.T) {
	t.Parallel()
	missing := &problem.Error{Kind: problem.KindUnauthorized, Detail: "Secret apps/regcred does not exist", Next: "create it"}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	pair := registrytest.NewAuthority().Client()
	for name, tc := range map[string]struct {
		ctx        context.Context
		connection registry.Connection
		err        error
		want       outcome
	}{
		"a problem":      {err: fmt.Errorf("wrapped: %w", missing), want: outcome{missing.Kind, missing.Detail, missing.Next}},
		"another error":  {err: errors.New("hunter2"), want: outcome{Kind: problem.KindInternal, Detail: "chartgate could not find out how to reach HOST"}},
		"in time":        {ctx: over, err: context.Canceled, want: outcome{problem.KindTimeout, "the credentials for HOST, to read CHART, were not there in time", "try again"}},
		"no ID":          {connection: registry.Connection{Login: login("user", "hunter2")}, want: outcome{Kind: problem.KindInternal, Detail: "chartgate could not find out how to reach HOST"}},
		"no ID, with CA": {connection: registry.Connection{CAs: []byte{}}, want: outcome{Kind: problem.KindInternal, Detail: "chartgate could not find out how to reach HOST"}},
		"CAs that are none": {connection: registry.Connection{ID: "1", CAs: []byte("hunter2"), Origin: "Secret apps/ca"},
			want: outcome{problem.KindUnauthorized, "HOST cannot be asked: the CA certificates of Secret apps/ca are not certificates in PEM", "correct the Secret or ConfigMap that holds them"}},
		"no CAs": {connection: registry.Connection{ID: "1", CAs: []byte{}},
			want: outcome{problem.KindUnauthorized, "HOST cannot be asked: the CA certificates of the chart's source are not certificates in PEM", "correct the Secret or ConfigMap that holds them"}},
		"a certificate without key": {connection: registry.Connection{ID: "1", ClientCertificate: pair.Certificate},
			want: outcome{problem.KindUnauthorized, "HOST cannot be asked: the client certificate and key of the chart's source are not a pair in PEM", "correct the Secret or ConfigMap that holds them"}},
		"a key without certificate": {connection: registry.Connection{ID: "1", ClientKey: pair.Key},
			want: outcome{problem.KindUnauthorized, "HOST cannot be asked: the client certificate and key of the chart's source are not a pair in PEM", "correct the Secret or ConfigMap that holds them"}},
		"a certificate with another key": {connection: registry.Connection{ID: "1", ClientCertificate: pair.Certificate, ClientKey: registrytest.NewAuthority().Client().Key},
			want: outcome{problem.KindUnauthorized, "HOST cannot be asked: the client certificate and key of the chart's source are not a pair in PEM", "correct the Secret or ConfigMap that holds them"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			options := s.options(t, "", "")
			options.Connect = func(_ context.Context, access sourceauth.Auth, at chart.Location) (registry.Connection, error) {
				equal(t, someone, access)
				equal(t, s.location(t).String(), at.String())
				return tc.connection, tc.err
			}
			c, ctx := registry.New(options), tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			want := outcome{tc.want.Kind, s.text(tc.want.Detail), tc.want.Next}
			_, err := c.Resolve(ctx, reference(t, s, "CHART:1.0.0"), someone)
			equal(t, want, outcomeOf(t, err))
			_, err = c.Archive(ctx, s.resolved(t), someone)
			equal(t, want, outcomeOf(t, err))
			_, problems := collectFor(ctx, t, c, s.resolved(t), attachment.Search{Access: someone})
			equal(t, []outcome{want}, problems)
			equal(t, 0, len(s.Requests()))
		})
	}
}

// TestOwnConnection: for chartgate's own connection Connect is not called.
func TestOwnConnection(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	options := s.options(t, "", "")
	options.Connect = func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error) {
		return registry.Connection{}, errors.New("asked")
	}
	if _, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
		t.Error(err)
	}
}

// TestTokensAreNotShared: what one consumer can read, another consumer cannot read.
func TestTokensAreNotShared(t *testing.T) {
	t.Parallel()
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		s := newShelf(t, registrytest.Options{Auth: auth, Username: "user", Password: "hunter2"})
		var asked atomic.Int32
		options := s.options(t, "user", "hunter3")
		options.Connect = func(_ context.Context, access sourceauth.Auth, _ chart.Location) (registry.Connection, error) {
			return registry.Connection{ID: access.Secret, Login: func(context.Context) (string, string, error) {
				asked.Add(1)
				return "user", access.Secret, nil
			}}, nil
		}
		c := registry.New(options)
		may := func(access sourceauth.Auth) bool {
			_, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), access)
			return err == nil
		}
		good, bad := sourceauth.Auth{Consumer: sourceauth.Flux, Secret: "hunter2"}, sourceauth.Auth{Consumer: sourceauth.Flux, Secret: "other"}
		equal(t, []bool{true, true, false, false, true}, []bool{may(good), may(good), may(bad), may(sourceauth.Auth{}), may(good)})
		equal(t, int32(2), asked.Load()) // once each: the good one is remembered
	}
}

// TestLoginOfOneHost: Connect is called for each host, so that no login goes to the host of another
// repository with signatures.
func TestLoginOfOneHost(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{Auth: registrytest.Basic, Username: "user", Password: "hunter2"})
	thief := newElsewhere(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(401)
	})
	place := parseLocation(t, "oci://"+thief.host()+"/signatures")
	options := s.options(t, "", "")
	options.Credentials = nil
	options.PlainHTTP = append(options.PlainHTTP, thief.host())
	options.Connect = func(_ context.Context, _ sourceauth.Auth, at chart.Location) (registry.Connection, error) {
		if at.Host() != s.Host() {
			return registry.Connection{}, nil
		}
		return registry.Connection{ID: "1", Login: login("user", "hunter2")}, nil
	}
	c := registry.New(options)
	if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone); err != nil {
		t.Fatal(err)
	}
	_, problems := collectFor(t.Context(), t, c, s.resolved(t), attachment.Search{Access: someone, Repositories: []chart.Location{place}})
	equal(t, problem.KindUnauthorized, problems[0].Kind)
	equal(t, strings.Repeat(",", len(thief.seen)-1), strings.Join(thief.seen, ","))
}

// TestOwnCredentialsAreNotSentToTenants is the attack in which a tenant configures a CA, a proxy or
// a certificate to read chartgate's own login.
func TestOwnCredentialsAreNotSentToTenants(t *testing.T) {
	t.Parallel()
	pair := registrytest.NewAuthority().Client()
	for name, tc := range map[string]struct {
		change func(*registry.Connection, *registry.Options, shelf)
		kept   bool // the credentials are not asked for
	}{
		"nothing of its own": {func(*registry.Connection, *registry.Options, shelf) {}, false},
		"an ID":              {func(c *registry.Connection, _ *registry.Options, _ shelf) { c.ID = "1" }, false},
		"a CA":               {func(c *registry.Connection, _ *registry.Options, s shelf) { c.CAs = s.CA() }, true},
		"a client certificate": {func(c *registry.Connection, _ *registry.Options, _ shelf) {
			c.ClientCertificate, c.ClientKey = pair.Certificate, pair.Key
		}, true},
		"a proxy": {func(c *registry.Connection, _ *registry.Options, _ shelf) { c.Proxy = tunnel(t, nil) }, true},
		"a CA and a lacking login": {func(c *registry.Connection, _ *registry.Options, s shelf) {
			c.CAs, c.CredentialError = s.CA(), &problem.Error{Kind: problem.KindUnauthorized, Detail: "no Secret"}
		}, true},
	} {
		for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
			t.Run(fmt.Sprint(name, auth), func(t *testing.T) {
				t.Parallel()
				s := newShelf(t, registrytest.Options{TLS: true, Auth: auth, Username: "user", Password: "hunter2"})
				options := s.options(t, "user", "hunter2")
				connection, asked := registry.Connection{ID: "1"}, 0
				tc.change(&connection, &options, s)
				own := options.Credentials
				options.Credentials = func(ctx context.Context, at chart.Location) (string, string, error) {
					asked++
					return own(ctx, at)
				}
				options.Connect = always(connection)
				_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone)
				equal(t, tc.kept, err != nil)
				equal(t, tc.kept, asked == 0)
				if tc.kept && connection.CredentialError == nil {
					equal(t, s.text("in the chart's source, name a Secret with credentials that can pull acme/charts/podinfo from HOST: chartgate's own are not sent where "+
						"the source brings its own CA, client certificate or proxy; if it should be public, check the name: registries give the same answer for repositories that do not exist"), outcomeOf(t, err).Next)
				}
			})
		}
	}
}

// tunnel is an HTTP proxy for HTTPS, which records the hosts. It stops with the test.
func tunnel(t *testing.T, login *url.Userinfo, to ...*[]string) *url.URL {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewServer(registrytest.Tunnel(login, func(host string) string {
		mu.Lock()
		defer mu.Unlock()
		for _, list := range to {
			*list = append(*list, host)
		}
		return host
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	at.User = login
	return at
}

// TestCertificates: a connection trusts its own CAs only, and its client certificate is shown to a
// server that asks for one.
func TestCertificates(t *testing.T) {
	t.Parallel()
	clients := registrytest.NewAuthority()
	pair, stranger := clients.Client(), registrytest.NewAuthority().Client()
	missing := &problem.Error{Kind: problem.KindUnauthorized, Detail: "Secret apps/ca does not exist"}
	const nextCertificate = "in the chart's source, name a Secret with a client certificate that HOST accepts; if it should be public, check the name: registries give the same answer for repositories that do not exist"
	for name, tc := range map[string]struct {
		clients    *registrytest.Authority
		connection func(s shelf) registry.Connection
		want       *outcome
	}{
		"the admin's CA": {nil, func(shelf) registry.Connection { return registry.Connection{ID: "1", Login: login("a", "b")} }, nil},
		"its CA":         {nil, func(s shelf) registry.Connection { return registry.Connection{ID: "1", CAs: s.CA()} }, nil},
		"two CAs, with words around them": {nil, func(s shelf) registry.Connection {
			return registry.Connection{ID: "1", CAs: []byte("ours:\n" + string(clients.PEM()) + "theirs:\n" + string(s.CA()))}
		}, nil},
		"another CA beside the admin's": {nil, func(shelf) registry.Connection {
			return registry.Connection{ID: "1", CAs: clients.PEM(), AddCAs: true}
		}, nil},
		"words beside the admin's CA": {nil, func(shelf) registry.Connection {
			return registry.Connection{ID: "1", CAs: []byte("hunter2"), AddCAs: true}
		}, &outcome{problem.KindUnauthorized, "HOST cannot be asked: the CA certificates of the chart's source are not certificates in PEM", "correct the Secret or ConfigMap that holds them"}},
		"another CA": {nil, func(shelf) registry.Connection { return registry.Connection{ID: "1", CAs: clients.PEM()} },
			&outcome{Kind: problem.KindUnavailable, Detail: "CHART:1.0.0 could not be read: the TLS certificate is signed by a CA that chartgate does not trust"}},
		"another CA, since its own is lacking": {nil, func(shelf) registry.Connection {
			return registry.Connection{ID: "1", CAs: clients.PEM(), CredentialError: missing}
		}, &outcome{Kind: problem.KindUnauthorized, Detail: "HOST does not let chartgate read acme/charts/podinfo (the TLS certificate is signed by a CA that chartgate does not trust), and Secret apps/ca does not exist"}},
		"a certificate": {clients, func(shelf) registry.Connection {
			return registry.Connection{ID: "1", ClientCertificate: pair.Certificate, ClientKey: pair.Key}
		}, nil},
		"no certificate": {clients, func(shelf) registry.Connection { return registry.Connection{} },
			&outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: it requires a client certificate, and chartgate has no certificate for it", nextCertificate}},
		"no certificate, since it is lacking": {clients, func(shelf) registry.Connection { return registry.Connection{CredentialError: missing} },
			&outcome{Kind: problem.KindUnauthorized, Detail: "HOST does not let chartgate read acme/charts/podinfo (it requires a client certificate, and chartgate has no certificate for it), and Secret apps/ca does not exist"}},
		"a stranger's certificate": {clients, func(shelf) registry.Connection {
			return registry.Connection{ID: "1", ClientCertificate: stranger.Certificate, ClientKey: stranger.Key}
		}, &outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: it refuses the client certificate", nextCertificate}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{TLS: true, Clients: tc.clients})
			options := s.options(t, "", "")
			options.Connect = always(tc.connection(s))
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone)
			if tc.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			equal(t, outcome{tc.want.Kind, s.text(tc.want.Detail), s.text(tc.want.Next)}, outcomeOf(t, err))
		})
	}
}

// TestCAsBesideTheSystems: if the admin has configured no CAs, those of a connection add to the
// system's. No other connection trusts them.
func TestCAsBesideTheSystems(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{TLS: true})
	for _, admins := range []*x509.CertPool{nil, x509.NewCertPool()} {
		c := registry.New(registry.Options{RootCAs: admins, Connect: always(registry.Connection{ID: "1", CAs: s.CA(), AddCAs: true})})
		if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone); err != nil {
			t.Error(err)
		}
		_, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
		equal(t, problem.KindUnavailable, outcomeOf(t, err).Kind)
	}
}

// TestCertificateForOneHost: a storage does not see the client certificate.
func TestCertificateForOneHost(t *testing.T) {
	t.Parallel()
	clients := registrytest.NewAuthority()
	pair := clients.Client()
	s := newShelf(t, registrytest.Options{TLS: true, Clients: clients})
	s.bundle(t, "bundle", nil)
	storage := newShelf(t, registrytest.Options{TLS: true, Clients: clients}) // it would take the certificate
	s.Fail("/blobs/", answer(307, "Location: https://"+storage.Host()+"/v2/"))
	options := s.options(t, "", "")
	options.Connect = always(registry.Connection{ID: "1", ClientCertificate: pair.Certificate, ClientKey: pair.Key})
	c := registry.New(options)
	if _, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone); err != nil {
		t.Fatal(err)
	}
	found, problems := collectFor(t.Context(), t, c, s.resolved(t), attachment.Search{Access: someone})
	equal(t, 0, len(found))
	equal(t, 1, len(problems))
	equal(t, 0, len(storage.Requests()))
}

// TestProxyOfAConnection: all requests go through it, with its login.
func TestProxyOfAConnection(t *testing.T) {
	t.Parallel()
	unavailable := func(why string) *outcome {
		return &outcome{Kind: problem.KindUnavailable, Detail: "CHART:1.0.0 could not be read: " + why}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tc := range map[string]struct {
		login, wants *url.Userinfo
		gone         bool
		want         *outcome
	}{
		"open":                 {},
		"with a login":         {login: url.UserPassword("user", "hunter2"), wants: url.UserPassword("user", "hunter2")},
		"with a wrong login":   {login: url.UserPassword("user", "hunter3"), wants: url.UserPassword("user", "hunter2"), want: unavailable(`the proxy "PROXY" answered 407 Proxy Authentication Required`)},
		"without a login":      {wants: url.UserPassword("user", "hunter2"), want: unavailable(`the proxy "PROXY" answered 407 Proxy Authentication Required`)},
		"nobody listens there": {gone: true, want: unavailable("connection refused (at the proxy)")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{TLS: true})
			var reached []string
			proxy := tunnel(t, tc.wants, &reached)
			proxy.User = tc.login
			if tc.gone {
				proxy.Host = gone.Listener.Addr().String()
			}
			options := s.options(t, "", "")
			options.Connect = always(registry.Connection{ID: "1", Proxy: proxy})
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone)
			if tc.want == nil {
				if err != nil {
					t.Error(err)
				}
				equal(t, []string{s.Host()}, reached)
				return
			}
			equal(t, outcome{tc.want.Kind, strings.ReplaceAll(s.text(tc.want.Detail), "PROXY", proxy.Host), ""}, outcomeOf(t, err))
			if strings.Contains(fmt.Sprint(err), "hunter") {
				t.Errorf("the log learns the proxy's password: %v", err)
			}
			equal(t, 0, len(s.Requests()))
		})
	}
}

// TestPlainHTTPOfAConnection: no connection uses plain HTTP if the admin does not allow it.
func TestPlainHTTPOfAConnection(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	for name, connection := range map[string]registry.Connection{
		"a login": {ID: "1", Login: login("user", "hunter2")},
		"a proxy": {ID: "2", Proxy: tunnel(t, nil)},
		"a CA":    {ID: "3", CAs: registrytest.NewAuthority().PEM()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.New(registry.Options{Connect: always(connection)}).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone)
			equal(t, outcome{Kind: problem.KindUnavailable, Detail: s.text("CHART:1.0.0 could not be read: the port does not speak HTTPS")}, outcomeOf(t, err))
			equal(t, 0, len(s.Requests()))
		})
	}
}

// TestLoginThatMayNotBeSentYet: registries hide charts from anonymous readers, and limit these
// more. A chart that is not found without the login may exist.
func TestLoginThatMayNotBeSentYet(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status  int
		lacking problem.Kind
		want    problem.Kind
	}{
		"hidden":                    {404, problem.KindNotStored, problem.KindNotStored},
		"too often":                 {429, problem.KindNotStored, problem.KindNotStored},
		"down":                      {500, problem.KindNotStored, problem.KindNotStored},
		"refused":                   {403, problem.KindNotStored, problem.KindNotStored},
		"hidden, and no login":      {404, problem.KindUnauthorized, problem.KindNotFound},
		"too often, and no login":   {429, problem.KindUnauthorized, problem.KindUnavailable},
		"refused, and no Secret":    {403, problem.KindSourceNotFound, problem.KindSourceNotFound},
		"hidden, and no Secret yet": {404, problem.KindSourceNotFound, problem.KindNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.Fail("/manifests/", answer(tc.status, "Retry-After: 60"))
			options := s.options(t, "", "")
			options.Connect = always(registry.Connection{CredentialError: &problem.Error{Kind: tc.lacking, Detail: "the login is not sent", Next: "wait"}})
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), someone)
			equal(t, tc.want, outcomeOf(t, err).Kind)
		})
	}
}
