package main

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestClientCA: who gets an answer.
func TestClientCA(t *testing.T) {
	ours, other := registrytest.NewAuthority(), registrytest.NewAuthority()
	client, server, stranger := ours.Client(), ours.Server("127.0.0.1"), other.Client()
	for _, tc := range []struct {
		sentence string
		names    []string
		shown    *registrytest.Pair
		want     bool
	}{
		{"the API server's certificate", nil, &client, true},
		{"no certificate", nil, nil, false},
		{"a certificate of another CA", nil, &stranger, false},
		{"a certificate for servers", nil, &server, false},
		{"a name that is wanted", []string{"other", "test"}, &client, true},
		{"a name that is not", []string{"other"}, &client, false},
		{"no certificate where a name is wanted", []string{"test"}, nil, false},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			f := clientFlags{clientCA: write(t, ours.PEM()), clientNames: tc.names}
			if err := f.check(); err != nil {
				t.Fatal(err)
			}
			if got := f.answers(t, tc.shown); got != tc.want {
				t.Errorf("answered: %v", got)
			}
		})
	}
	t.Run("without --client-ca anyone", func(t *testing.T) {
		if f := (clientFlags{}); f.check() != nil || f.required() || !f.answers(t, nil) {
			t.Error("not answered")
		}
	})
	t.Run("a new CA counts at once", func(t *testing.T) {
		f := clientFlags{clientCA: write(t, other.PEM())}
		ask := f.serve(t)
		if ask(&client) {
			t.Error("answered before")
		}
		if err := os.WriteFile(f.clientCA, ours.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		if !ask(&client) || ask(&stranger) {
			t.Error("the old CA counts")
		}
		if err := os.Remove(f.clientCA); err != nil {
			t.Fatal(err)
		}
		if ask(&client) {
			t.Error("answered without any CA")
		}
	})
	for sentence, f := range map[string]clientFlags{
		"a file that is not there":     {clientCA: filepath.Join(t.TempDir(), "none")},
		"a file without a certificate": {clientCA: write(t, []byte("x"))},
		"names without a CA":           {clientNames: []string{"x"}},
	} {
		if f.check() == nil {
			t.Errorf("%s is accepted", sentence)
		}
	}
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (f *clientFlags) answers(t *testing.T, shown *registrytest.Pair) bool {
	t.Helper()
	return f.serve(t)(shown)
}

// serve returns what asks a server with these flags.
func (f *clientFlags) serve(t *testing.T) func(*registrytest.Pair) bool {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	pair := registrytest.NewAuthority().Server("127.0.0.1")
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	f.tls(server.TLS)
	server.StartTLS()
	t.Cleanup(server.Close)
	return func(shown *registrytest.Pair) bool {
		config := &tls.Config{InsecureSkipVerify: true}
		if shown != nil {
			pair, err := tls.X509KeyPair(shown.Certificate, shown.Key)
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		defer client.CloseIdleConnections()
		resp, err := client.Get(server.URL)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	}
}

func TestCertificates(t *testing.T) {
	for _, c := range []struct {
		sentence string
		flags    certificateFlags
		says     string
	}{
		{"files are there at once", certificateFlags{certificates: "Files"}, ""},
		{"an unknown source", certificateFlags{certificates: "managed"}, `--certificates is "managed", not Managed or Files`},
		{"managed without a Secret", certificateFlags{certificates: "Managed", webhookConfig: "x", webhookSvc: "x"}, "must be set with --certificates=Managed"},
		{"managed without a configuration", certificateFlags{certificates: "Managed", certSecret: "x", webhookSvc: "x"}, "must be set with --certificates=Managed"},
		{"managed without a Service", certificateFlags{certificates: "Managed", certSecret: "x", webhookConfig: "x"}, "must be set with --certificates=Managed"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			certificate, err := c.flags.setup(nil, "chartgate-system")
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				if <-certificate.ready; certificate.get != nil {
					t.Error("the files are not served")
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}
