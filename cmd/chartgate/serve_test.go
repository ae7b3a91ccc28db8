package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
)

// Mistakes in the flags are told before anything is served.
func TestServeFlags(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	s := theShop(t)
	dir := s.files(t, map[string]string{"kubeconfig": "apiVersion: v1\nkind: Config\n", "bad": "{"})
	for _, c := range []struct {
		sentence string
		args     []string
		says     string
	}{
		{"no namespace", nil, "--namespace or $POD_NAMESPACE must say where chartgate runs"},
		{"no place for any write", []string{"--namespace=x", "--max-concurrent=0"}, "--max-concurrent must be at least 1"},
		{"keys that are read without a pause", []string{"--namespace=x", "--key-refresh=1ms"}, "--key-refresh must be at least 1s"},
		{"an unknown log level", []string{"--namespace=x", "--log-level=trace"}, `--log-level is "trace", not debug, info or error`},
		{"an unknown log format", []string{"--namespace=x", "--log-format=xml"}, `--log-format is "xml", not json or text`},
		{"a kubeconfig that does not exist", []string{"--namespace=x", "--kubeconfig", dir + "/absent"}, "find the API server: "},
		{"a kubeconfig that is none", []string{"--namespace=x", "--kubeconfig", dir + "/bad"}, "find the API server: "},
		{"an argument", []string{"--namespace=x", "now"}, "unknown command"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.command(t, "", append([]string{"serve"}, c.args...)...)
			if got.Code != exitNotAsked || !strings.Contains(got.Error, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// The defaults are what an admin gets who says nothing: they must be the strict ones.
func TestServeDefaults(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "chartgate-system")
	var f serveFlags
	f.register(pflag.NewFlagSet("serve", pflag.ContinueOnError))
	got := []any{f.namespace, f.missingSource, f.argoGitSources, f.plainHTTP, f.trustedRoot, f.artifactWriters, f.argoUsers, f.certificates, f.configMap}
	want := []any{
		"chartgate-system", "Defer", "Allow", []string(nil), "", []string{"system:serviceaccount:flux-system:source-controller"},
		[]string{"system:serviceaccount:argocd:argocd-application-controller"}, "Files", "chartgate-identities",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
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

func TestNothingIsServedBeforeTheCertificate(t *testing.T) {
	never := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (waitFor{never, func(context.Context) error { return errors.New("served without a certificate") }}).Start(ctx); err != nil {
		t.Error(err)
	}
	there := make(chan struct{})
	close(there)
	served := errors.New("served")
	if err := (waitFor{there, func(context.Context) error { return served }}).Start(t.Context()); !errors.Is(err, served) {
		t.Error(err)
	}
	if (&hooks{}).ready(nil) == nil {
		t.Error("ready without a certificate")
	}
	if (waitFor{}).NeedLeaderElection() {
		t.Error("a replica that does not lead must answer the API server as well")
	}
}

func TestRegistryRequestsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	instrument, err := countRequests(registry)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := http.Client{Transport: instrument(http.DefaultTransport)}
	for range 3 {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 3 {
		t.Errorf("%v, %v", families, err)
	}
	if _, err := countRequests(registry); err == nil {
		t.Error("no error for a counter that is registered twice")
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		level, format string
		want          []string // messages that are shown
	}{
		{"debug", "json", []string{`"msg":"detail"`, `"msg":"news"`, `"msg":"failure"`}},
		{"info", "json", []string{`"msg":"news"`, `"msg":"failure"`}},
		{"error", "json", []string{`"msg":"failure"`}},
		{"info", "text", []string{"\tnews", "\tfailure"}},
	} {
		var out bytes.Buffer
		log, err := newLogger(&out, c.level, c.format)
		if err != nil {
			t.Fatal(err)
		}
		log.V(1).Info("detail")
		log.Info("news")
		log.Error(errors.New("x"), "failure")
		var got []string
		for _, m := range []string{`"msg":"detail"`, `"msg":"news"`, `"msg":"failure"`, "\tdetail", "\tnews", "\tfailure"} {
			if strings.Contains(out.String(), m) {
				got = append(got, m)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s: %s", c.level, c.format, diff)
		}
	}
}

func TestVersion(t *testing.T) {
	got := theShop(t).command(t, "", "version")
	if got.Code != exitAdmitted || !strings.HasPrefix(got.Stdout, "chartgate ") || strings.TrimSpace(got.Stdout) == "chartgate" {
		t.Errorf("%+v", got)
	}
}

func TestMain(m *testing.M) {
	// The commands' errors go to standard error; the tests compare them themselves.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err == nil {
		os.Stderr = null
	}
	os.Exit(m.Run())
}
