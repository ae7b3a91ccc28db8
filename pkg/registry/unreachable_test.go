package registry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestUnreachable: what keeps chartgate from a registry is named.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	gone := newShelf(t, registrytest.Options{})
	gone.Close()
	secure := newShelf(t, registrytest.Options{TLS: true})
	plain := newShelf(t, registrytest.Options{})
	for name, tc := range map[string]struct {
		shelf  shelf
		client *registry.Client
		want   string
	}{
		"nobody listens":                       {gone, gone.client(), "connection refused"},
		"an unknown CA":                        {secure, registry.New(registry.Options{}), "the TLS certificate is signed by a CA that chartgate does not trust"},
		"plain HTTP that the admin named not":  {plain, registry.New(registry.Options{}), "the port does not speak HTTPS"},
		"plain HTTP where HTTPS is spoken":     {secure, secure.client(), "the port speaks HTTPS, and chartgate is told to use plain HTTP"},
		"plain HTTP named for another port":    {plain, registry.New(registry.Options{PlainHTTP: []string{"127.0.0.1"}}), "the port does not speak HTTPS"},
		"plain HTTP named for a similar name":  {plain, registry.New(registry.Options{PlainHTTP: []string{plain.Host() + "0"}}), "the port does not speak HTTPS"},
		"a transport that nobody has heard of": {plain, registry.New(registry.Options{Transport: broken{}}), "the request failed; chartgate's log has the cause"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tc.client.Resolve(t.Context(), reference(t, tc.shelf, "CHART:1.0.0"), sourceauth.Auth{})
			equal(t, outcome{Kind: problem.KindUnavailable, Detail: tc.shelf.text("CHART:1.0.0 could not be read: " + tc.want)}, outcomeOf(t, err))
		})
	}
	equal(t, 0, len(plain.Requests()))
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("token=secret")
}

// served is a TLS server on 127.0.0.1 with a certificate of its own, and a pool that trusts it.
func served(t *testing.T, change func(*x509.Certificate)) (host string, trusted *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted = x509.NewCertPool()
	trusted.AddCert(certificate)
	return server.Listener.Addr().String(), trusted
}

// TestNextSteps: each way in which a registry cannot be asked has words of its own and says who can
// do what.
func TestNextSteps(t *testing.T) {
	t.Parallel()
	expired, trustExpired := served(t, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	})
	early, trustEarly := served(t, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0)
	})
	misnamed, trustMisnamed := served(t, func(c *x509.Certificate) {
		c.IPAddresses, c.DNSNames = nil, []string{"registry.acme.example", "a.example", "b.example", "c.example"}
	})
	unfit, trustUnfit := served(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	private, _ := served(t, func(*x509.Certificate) {})
	gone := newShelf(t, registrytest.Options{})
	gone.Close()
	answering := func(f registrytest.Fault) string {
		s := newShelf(t, registrytest.Options{})
		s.Fail("/manifests/1.0.0", f)
		return s.Host()
	}
	closed := func() string { // speaks TLS, and answers anything else with an alert
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1024))                      // before the request, the alert would belong to no request
				_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x16")) // a fatal alert
				_ = c.Close()
			}
		}()
		return listener.Addr().String()
	}()
	const caNext = "ask the cluster's admin to trust the CA of HOST: --registry-ca FILE, or registry.caBundle among the values of chartgate's chart; or name it in the chart's source (certSecretRef)"
	const plainNext = "correct the port; if HOST has no TLS on purpose, ask the cluster's admin to allow that: --plain-http HOST, or plainHTTP among the values of chartgate's chart"
	const noPlainNext = "ask the cluster's admin to take HOST out of --plain-http (plainHTTP among the values of chartgate's chart)"
	const serverNext = "try again; if the error persists, ask the operator of HOST: the cause is there, or in a proxy on the way"
	const brokenNext = "try again; if the error persists, ask the operator of HOST, or of a proxy on the way, why answers break off"
	const pageNext = "check that HOST is the host of a registry and not that of its web pages, and that no proxy answers in its place"
	const login = "; anonymous clients have the strictest limits, so give the chart's source a Secret with a login (secretRef), or chartgate one (--registry-config, chart value registryConfig.existingSecrets)"
	for name, tc := range map[string]struct {
		host  string
		roots *x509.CertPool
		tls   bool
		want  outcome
	}{
		"a private CA":                        {host: private, tls: true, want: outcome{Detail: "the TLS certificate is signed by a CA that chartgate does not trust", Next: caNext}},
		"a certificate that has expired":      {host: expired, roots: trustExpired, tls: true, want: outcome{Detail: "the TLS certificate has expired or is not yet valid: it is valid from 2025-01-01 to 2025-06-01", Next: "ask the operator of HOST to renew the certificate; if it is valid by another clock, ask the cluster's admin about the node's"}},
		"a certificate of the future":         {host: early, roots: trustEarly, tls: true, want: outcome{Detail: "the TLS certificate has expired or is not yet valid: it is valid from " + time.Now().AddDate(1, 0, 0).UTC().Format(time.DateOnly) + " to " + time.Now().AddDate(2, 0, 0).UTC().Format(time.DateOnly), Next: "ask the operator of HOST to renew the certificate; if it is valid by another clock, ask the cluster's admin about the node's"}},
		"a certificate for another name":      {host: misnamed, roots: trustMisnamed, tls: true, want: outcome{Detail: `the TLS certificate is for another host name: "registry.acme.example", "a.example", "b.example"`, Next: "use a host name that the certificate is for, or ask the registry's operator for a certificate for HOST"}},
		"a certificate that is no server's":   {host: unfit, roots: trustUnfit, tls: true, want: outcome{Detail: "the TLS certificate is not valid", Next: "ask the operator of HOST for a certificate that is valid for a server; chartgate's log has the cause"}},
		"plain HTTP that is not allowed":      {host: newShelf(t, registrytest.Options{}).Host(), tls: true, want: outcome{Detail: "the port does not speak HTTPS", Next: plainNext}},
		"HTTPS where plain HTTP is allowed":   {host: private, want: outcome{Detail: "the port speaks HTTPS, and chartgate is told to use plain HTTP", Next: noPlainNext}},
		"HTTPS, as nginx says it":             {host: answering(page(400, "<center>The plain HTTP request was sent to HTTPS port</center>")), want: outcome{Detail: "the port speaks HTTPS, and chartgate is told to use plain HTTP", Next: noPlainNext}},
		"HTTPS, in a TLS alert":               {host: closed, want: outcome{Detail: "the port speaks HTTPS, and chartgate is told to use plain HTTP", Next: noPlainNext}},
		"a host name that does not exist":     {host: "registry.invalid", tls: true, want: outcome{Detail: "the host name ", Next: "HOST"}},
		"a port where nobody listens":         {host: gone.Host(), tls: true, want: outcome{Detail: "connection refused", Next: "correct host and port (HOST) in the chart's source; if they are right, ask the registry's operator whether it runs"}},
		"429":                                 {host: answering(answer(429)), want: outcome{Detail: "too many requests (the registry answered 429 Too Many Requests)", Next: "try again in a while" + login}},
		"429, with a time":                    {host: answering(answer(429, "Retry-After: 3600")), want: outcome{Detail: "too many requests (the registry answered 429 Too Many Requests)", Next: `try again after the time that the registry asks for (Retry-After: "3600")` + login}},
		"500":                                 {host: answering(answer(500)), want: outcome{Detail: "unexpected answer (the registry answered 500 Internal Server Error)", Next: serverNext}},
		"502, twice":                          {host: answering(answer(502)), want: outcome{Detail: "unexpected answer (the registry answered 502 Bad Gateway)", Next: serverNext}},
		"400":                                 {host: answering(answer(400)), want: outcome{Detail: "unexpected answer (the registry answered 400 Bad Request)", Next: pageNext}},
		"an answer that breaks off":           {host: answering(registrytest.Truncated()), want: outcome{Detail: "connection closed in the middle of the answer", Next: brokenNext}},
		"a connection that is reset":          {host: answering(registrytest.Reset()), want: outcome{Detail: "connection reset", Next: brokenNext}},
		"a web page in place of a manifest":   {host: answering(serve("text/html; charset=utf-8", "<html>login</html>")), want: outcome{Detail: "the answer is a web page, such as that of a login or a proxy, and not a registry's", Next: pageNext}},
		"a page that a manifest's type hides": {host: answering(serve(manifestType, "<html>")), want: outcome{Kind: problem.KindNotAChart}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := registry.Options{RootCAs: tc.roots}
			if !tc.tls {
				options.PlainHTTP = []string{tc.host}
			}
			ref, err := chart.ParseReference("oci://" + tc.host + "/" + repo + ":1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			_, err = registry.New(options).Resolve(t.Context(), ref, sourceauth.Auth{})
			got := wholeOutcomeOf(t, err)
			if tc.want.Kind != 0 {
				equal(t, tc.want.Kind, got.Kind)
				return
			}
			equal(t, problem.KindUnavailable, got.Kind)
			want := ref.String() + " could not be read: " + tc.want.Detail
			next := strings.ReplaceAll(tc.want.Next, "HOST", tc.host)
			if strings.HasSuffix(want, " ") { // whether the machine has a DNS decides how it goes on
				if !strings.HasPrefix(got.Detail, want) || got.Next == "" {
					t.Errorf("%+v", got)
				}
				return
			}
			equal(t, want, got.Detail)
			equal(t, next, got.Next)
		})
	}
}

// TestNextStepsElsewhere: where the registry refers to another host, the step names that host, and
// never asks to try again where that cannot help.
func TestNextStepsElsewhere(t *testing.T) {
	t.Parallel()
	gone := newShelf(t, registrytest.Options{})
	gone.Close()
	private, _ := served(t, func(*x509.Certificate) {})
	redirect := func(to string) registrytest.Fault { return answer(307, "Location: "+to) }
	realm := func(at string) registrytest.Fault {
		return answer(401, `WWW-Authenticate: Bearer realm="`+at+`/token"`)
	}
	down := newElsewhere(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		allow string
		next  string
	}{
		"a storage that does not run":            {redirect("http://" + gone.Host() + "/x"), gone.Host(), "ask the operator of " + gone.Host() + " whether it runs (HOST refers chartgate there)"},
		"a token service that does not run":      {realm("http://" + gone.Host()), gone.Host(), "ask the operator of " + gone.Host() + " whether it runs (HOST refers chartgate there)"},
		"a storage with a private CA":            {redirect("https://" + private + "/x"), "", "ask the cluster's admin to trust the CA of " + private + ": --registry-ca FILE, or registry.caBundle among the values of chartgate's chart; or name it in the chart's source (certSecretRef) (HOST refers chartgate there)"},
		"a token service that answers 500":       {realm(down.URL), down.host(), "try again; if the error persists, ask the operator of " + down.host() + ": the cause is there, or in a proxy on the way (HOST refers chartgate there)"},
		"a storage without HTTPS":                {redirect("https://" + down.host() + "/x"), "", "ask the operator of HOST to correct the address " + down.host() + " (HOST refers chartgate there)"},
		"a redirect to plain HTTP":               {redirect("http://storage.example/x"), "", "ask the registry's operator to refer to storage.example by https://"},
		"a token service by plain HTTP":          {realm("http://token.example"), "", "ask the registry's operator to refer to token.example by https://"},
		"a redirect in a circle":                 {redirect("/v2/acme/charts/podinfo/manifests/1.0.0"), "", "ask the operator of HOST to end the chain of redirects"},
		"a host that is no host is never pasted": {redirect("http://a$(id)/x"), "", `ask the registry's operator to refer to "a$(id)" by https://`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.Fail("/manifests/1.0.0", tc.fault)
			options := s.options(t, "", "")
			if tc.allow != "" {
				options.PlainHTTP = append(options.PlainHTTP, tc.allow)
			}
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
			equal(t, strings.ReplaceAll(tc.next, "HOST", s.Host()), wholeOutcomeOf(t, err).Next)
		})
	}
}

func page(status int, body string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
