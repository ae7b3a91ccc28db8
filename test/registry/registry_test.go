package registry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/chartgate/chartgate/test/charts"
	"github.com/chartgate/chartgate/test/registry"
)

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

func TestChart(t *testing.T) {
	t.Parallel()
	r, digest := newRegistry(t, registry.Options{})
	ref := must(name.ParseReference(r.Host() + "/" + repo + ":1.0.0"))(t)
	image := must(remote.Image(ref))(t)
	manifest := must(image.Manifest())(t)

	if got := must(image.Digest())(t).String(); got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
	types := []string{string(manifest.Config.MediaType), string(manifest.Layers[0].MediaType)}
	if diff := cmp.Diff([]string{charts.ConfigMediaType, charts.LayerMediaType}, types); diff != "" {
		t.Errorf("media types (-want +got):\n%s", diff)
	}
	want := []string{"GET /v2/", "GET /v2/acme/charts/podinfo/manifests/1.0.0"}
	if diff := cmp.Diff(want, r.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if r.Reset(); len(r.Requests()) != 0 {
		t.Errorf("after Reset: %q", r.Requests())
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	r, old := newRegistry(t, registry.Options{})
	archive := must(charts.Archive("podinfo", "1.0.0", charts.File{Name: "values.yaml", Body: "message: evil"}))(t)
	evil, layer, err := r.PushChart(repo, "1.0.0", archive)
	if err != nil {
		t.Fatal(err)
	}
	ref := must(name.ParseReference(r.Host() + "/" + repo + ":1.0.0"))(t)
	if got := must(remote.Head(ref))(t).Digest.String(); got != evil || got == old {
		t.Errorf("pushed again: %s, want %s", got, evil)
	}
	blob := must(remote.Layer(ref.Context().Digest(layer)))(t)
	if body := must(io.ReadAll(must(blob.Compressed())(t)))(t); !cmp.Equal(body, archive) {
		t.Error("the layer is not the archive")
	}
	if err := r.Tag(repo, "1.0.0", old); err != nil {
		t.Fatal(err)
	}
	if got := must(remote.Head(ref))(t).Digest.String(); got != old {
		t.Errorf("tagged back: %s, want %s", got, old)
	}
	if err := r.Delete(repo, "1.0.0"); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref); err == nil {
		t.Error("a deleted tag is still there")
	}
	if err := r.Tag(repo, "2.0.0", "sha256:"+strings.Repeat("0", 64)); err == nil {
		t.Error("tagged a manifest that is not there")
	}
}

// TestReferrers: the referrers API gives all fields in the order of pushing; the fallback tag has no annotations.
func TestReferrers(t *testing.T) {
	t.Parallel()
	const statement = `{"dsseEnvelope":{"payload":"eyJwcmVkaWNhdGVUeXBlIjoieCJ9"}}` // {"predicateType":"x"}
	truth := map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "x"}
	lie := map[string]string{"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}

	for _, noReferrers := range []bool{false, true} {
		t.Run(strings.TrimPrefix(api(noReferrers), ", "), func(t *testing.T) {
			t.Parallel()
			r, subject := newRegistry(t, registry.Options{NoReferrers: noReferrers})
			want := map[string]map[string]string{
				must(r.AttachBundle(repo, subject, []byte(statement), nil))(t):                 truth,
				must(r.AttachBundle(repo, subject, []byte("garbage"), lie))(t):                 lie,
				must(r.AttachBundle(repo, subject, []byte(`{"messageSignature":{}}`), nil))(t): {"dev.sigstore.bundle.content": "message-signature"},
			}
			ref := must(name.NewDigest(r.Host() + "/" + repo + "@" + subject))(t)
			index := must(must(remote.Referrers(ref, remote.WithFilter("artifactType", bundleType)))(t).IndexManifest())(t)
			got := map[string]map[string]string{}
			for _, d := range index.Manifests {
				got[d.Digest.String()] = d.Annotations
				if noReferrers {
					want[d.Digest.String()] = nil
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("referrers (-want +got):\n%s", diff)
			}
			if last := r.Requests()[len(r.Requests())-1]; strings.Contains(last, "/referrers/") == noReferrers {
				t.Errorf("the client asked %s", last)
			}
		})
	}
}

func TestReferrersInOrderOfPushing(t *testing.T) {
	t.Parallel()
	r, subject := newRegistry(t, registry.Options{})
	var want, got []string
	for i := range 20 {
		want = append(want, must(r.AttachBundle(repo, subject, []byte{byte(i)}, nil))(t))
	}
	ref := must(name.NewDigest(r.Host() + "/" + repo + "@" + subject))(t)
	for _, d := range must(must(remote.Referrers(ref))(t).IndexManifest())(t).Manifests {
		got = append(got, d.Digest.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestAttachToNothing(t *testing.T) {
	t.Parallel()
	r, _ := newRegistry(t, registry.Options{})
	_, err := r.AttachBundle(repo, "sha256:"+strings.Repeat("0", 64), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "find subject") {
		t.Errorf("attached to a manifest that is not there: %v", err)
	}
}

func TestLegacyAppends(t *testing.T) {
	t.Parallel()
	r, subject := newRegistry(t, registry.Options{})
	for _, payload := range []string{"one", "two"} {
		if err := r.AttachLegacy(repo, subject, []byte(payload), map[string]string{"of": payload}); err != nil {
			t.Fatal(err)
		}
	}
	ref := must(name.ParseReference(r.Host() + "/" + repo + ":" + strings.Replace(subject, ":", "-", 1) + ".sig"))(t)
	image := must(remote.Image(ref))(t)
	got := map[string]string{}
	for _, d := range must(image.Manifest())(t).Layers {
		blob := must(remote.Layer(ref.Context().Digest(d.Digest.String())))(t)
		got[string(must(io.ReadAll(must(blob.Compressed())(t)))(t))] = d.Annotations["of"]
	}
	if diff := cmp.Diff(map[string]string{"one": "one", "two": "two"}, got); diff != "" {
		t.Errorf("signatures (-want +got):\n%s", diff)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(must(image.RawConfigFile())(t), &config); err != nil || len(config.RootFS.DiffIDs) != 2 {
		t.Errorf("config %+v: %v", config, err)
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	good := &authn.Basic{Username: "helm", Password: "s3cret"}
	for _, tc := range []struct {
		name    string
		options registry.Options
		login   authn.Authenticator
		refused bool
	}{
		{name: "open, anonymous", login: authn.Anonymous},
		{name: "basic, anonymous", options: registry.Options{Auth: registry.Basic}, login: authn.Anonymous, refused: true},
		{name: "basic, wrong password", options: registry.Options{Auth: registry.Basic}, login: &authn.Basic{Username: "helm"}, refused: true},
		{name: "basic, right password", options: registry.Options{Auth: registry.Basic}, login: good},
		{name: "token, anonymous", options: registry.Options{Auth: registry.Bearer}, login: authn.Anonymous, refused: true},
		{name: "token, wrong password", options: registry.Options{Auth: registry.Bearer}, login: &authn.Basic{Username: "helm"}, refused: true},
		{name: "token, right password", options: registry.Options{Auth: registry.Bearer}, login: good},
		{name: "token, forged", options: registry.Options{Auth: registry.Bearer}, login: &authn.Bearer{Token: "forged"}, refused: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.options.Auth != registry.Open {
				tc.options.Username, tc.options.Password = good.Username, good.Password
			}
			r, _ := newRegistry(t, tc.options)
			_, err := remote.Get(must(name.ParseReference(named(r)+"/"+repo+":1.0.0"))(t), remote.WithAuth(tc.login))
			if refused := err != nil; refused != tc.refused {
				t.Errorf("refused %t, want %t: %v", refused, tc.refused, err)
			}
		})
	}
}

// named is the registry's host as a name: go-containerregistry asks no token service at a private address.
func named(r *registry.Registry) string {
	return strings.Replace(r.Host(), "127.0.0.1", "localhost", 1)
}

func TestTokenForAnybody(t *testing.T) {
	t.Parallel()
	r, _ := newRegistry(t, registry.Options{Auth: registry.Bearer})
	must(remote.Get(must(name.ParseReference(named(r) + "/" + repo + ":1.0.0"))(t)))(t)
	want := []string{"GET /v2/", "GET /token", "GET /v2/acme/charts/podinfo/manifests/1.0.0"}
	if diff := cmp.Diff(want, r.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	r, _ := newRegistry(t, registry.Options{TLS: true})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(r.CA()) {
		t.Fatal("CA is not a certificate")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	answer := must(client.Get("https://" + r.Host() + "/v2/"))(t)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
	if _, err := http.Get("https://" + r.Host() + "/v2/"); err == nil {
		t.Error("trusted without its CA")
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		requests string
		fault    registry.Fault
		status   int
		size     int
		err      error
	}{
		{name: "unauthorized", fault: registry.Status(401), status: 401, size: 64},
		{name: "too many requests", fault: registry.Status(429), status: 429, size: 69},
		{name: "broken", fault: registry.Status(500), status: 500, size: 73},
		{name: "broken elsewhere", requests: "/blobs/", fault: registry.Status(500), status: 200, size: 408},
		{name: "broken earlier", fault: registry.Times(0, registry.Status(500)), status: 200, size: 408},
		{name: "a little slow", fault: registry.Slow(time.Millisecond), status: 200, size: 408},
		{name: "too slow", fault: registry.Slow(time.Hour), err: context.DeadlineExceeded},
		{name: "reset", fault: registry.Reset(), err: syscall.ECONNRESET},
		{name: "truncated", fault: registry.Truncated(), status: 200, size: 204, err: io.ErrUnexpectedEOF},
		{name: "huge", fault: registry.Huge(10 << 20), status: 200, size: 10 << 20},
		{name: "garbage", fault: registry.Body([]byte("garbage")), status: 200, size: 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRegistry(t, registry.Options{})
			r.Fail(tc.requests, tc.fault)
			status, body, err := get(r, "/v2/"+repo+"/manifests/1.0.0")
			if !errors.Is(err, tc.err) || status != tc.status || len(body) != tc.size {
				t.Errorf("%d, %d bytes, %v; want %d, %d bytes, %v", status, len(body), err, tc.status, tc.size, tc.err)
			}
			r.Heal()
			if status, _, err := get(r, "/v2/"+repo+"/manifests/1.0.0"); status != 200 || err != nil {
				t.Errorf("healed: %d, %v", status, err)
			}
		})
	}
}

func get(r *registry.Registry, path string) (status int, body []byte, err error) {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + r.Host() + path)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}
