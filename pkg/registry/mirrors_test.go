package registry_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

func TestParseMirrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sentence string
		rules    []string
		problem  string // part of the error; "" if absent
	}{
		{"no rules are fine", nil, ""},
		{"hosts, paths and ports", []string{"ghcr.io=mirror.example:5000", "ghcr.io/acme=mirror.example/ghcr/acme", "docker.io=127.0.0.1:5000/hub"}, ""},
		{"a mirror of a mirror is another rule", []string{"a.example=b.example", "b.example=c.example"}, ""},
		{"no mirror", []string{"ghcr.io"}, `"ghcr.io" is not of the form FROM=TO`},
		{"an empty host", []string{"=mirror.example"}, "no valid lower-case host name"},
		{"an empty mirror", []string{"ghcr.io="}, "no valid lower-case host name"},
		{"nothing", []string{""}, "is not of the form"},
		{"a scheme", []string{"oci://ghcr.io=mirror.example"}, `"oci://ghcr.io" must be written without a scheme`},
		{"another scheme", []string{"ghcr.io=https://mirror.example"}, "without a scheme"},
		{"a login", []string{"ghcr.io=user:hunter2@mirror.example"}, "must be plain"},
		{"a tag", []string{"ghcr.io/acme/podinfo:1=mirror.example"}, "must not contain a tag"},
		{"an upper-case host", []string{"GHCR.io=mirror.example"}, "no valid lower-case host name"},
		{"a path that leaves itself", []string{"ghcr.io=mirror.example/../x"}, "path segment"},
		{"a slash at the end", []string{"ghcr.io/=mirror.example"}, ""},
		{"a path with a slash at the end", []string{"ghcr.io/acme/=mirror.example"}, "empty path segment"},
		{"two rules for one host", []string{"ghcr.io=a.example", "ghcr.io=b.example"}, "there are two rules for ghcr.io"},
		{"one rule twice", []string{"ghcr.io=a.example", "ghcr.io=a.example"}, "there are two rules for ghcr.io"},
		{"two names of one host", []string{"docker.io=a.example", "index.docker.io=b.example"}, "there are two rules for docker.io"},
		{"the default port is no other host", []string{"ghcr.io=a.example", "ghcr.io:443=b.example"}, "there are two rules for ghcr.io"},
		{"itself", []string{"ghcr.io/acme=ghcr.io:443/acme"}, "mirrors a location to itself"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			_, err := registry.ParseMirrors(c.rules)
			if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got error %v, want %q", err, c.problem)
			}
		})
	}
}

// asked answers 404 and records the URLs.
func asked(urls *[]string) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		*urls = append(*urls, req.URL.String())
		return &http.Response{StatusCode: 404, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
	})
}

// TestMirrorRules: the longest rule that matches whole path segments is applied, and only that one.
func TestMirrorRules(t *testing.T) {
	t.Parallel()
	mirrors, err := registry.ParseMirrors([]string{
		"ghcr.io=mirror.example/ghcr", "ghcr.io/acme=corp.example", "ghcr.io/acme/charts/podinfo=other.example/one",
		"docker.io=mirror.example:5000/hub", "mirror.example=third.example", "long.example=mirror.example/" + strings.Repeat("x", 200),
		"swap.example=docker.io",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sentence, ref, want string }{
		{"a host", "oci://ghcr.io/else/podinfo:main", "https://mirror.example/v2/ghcr/else/podinfo/manifests/main"},
		{"a path", "oci://ghcr.io/acme/podinfo:main", "https://corp.example/v2/podinfo/manifests/main"},
		{"one chart", "oci://ghcr.io/acme/charts/podinfo:main", "https://other.example/v2/one/manifests/main"},
		{"a chart below a chart", "oci://ghcr.io/acme/charts/podinfo/podinfo:main", "https://other.example/v2/one/podinfo/manifests/main"},
		{"half a segment does not count", "oci://ghcr.io/acme2/podinfo:main", "https://mirror.example/v2/ghcr/acme2/podinfo/manifests/main"},
		{"another port is another host", "oci://ghcr.io:444/acme/podinfo:main", "https://ghcr.io:444/v2/acme/podinfo/manifests/main"},
		{"a longer name is another host", "oci://ghcr.io.evil.example/acme/podinfo:main", "https://ghcr.io.evil.example/v2/acme/podinfo/manifests/main"},
		{"another host", "oci://quay.io/acme/podinfo:main", "https://quay.io/v2/acme/podinfo/manifests/main"},
		{"Docker Hub by another name", "oci://index.docker.io/acme/podinfo:main", "https://mirror.example:5000/v2/hub/acme/podinfo/manifests/main"},
		{"no mirror of a mirror", "oci://mirror.example/acme/podinfo:main", "https://third.example/v2/acme/podinfo/manifests/main"},
		{"Docker Hub as a mirror", "oci://swap.example/acme/podinfo:main", "https://registry-1.docker.io/v2/acme/podinfo/manifests/main"},
		{"a name that gets too long", "oci://long.example/acme/charts/" + strings.Repeat("y", 100) + ":main", ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var urls []string
			client := registry.New(registry.Options{Mirrors: mirrors, Transport: asked(&urls)})
			ref, err := chart.ParseReference(c.ref)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Resolve(t.Context(), ref, sourceauth.Auth{})
			if c.want == "" {
				equal(t, problem.KindInvalid, outcomeOf(t, err).Kind)
				equal(t, 0, len(urls))
				return
			}
			equal(t, []string{c.want}, urls)
		})
	}
}

// TestMirror: everything is read from the mirror, with chartgate's own credentials, and has the
// location in the reference.
func TestMirror(t *testing.T) {
	t.Parallel()
	const at = "mirrored/acme/charts/podinfo"
	s := newShelf(t, registrytest.Options{Auth: registrytest.Basic, Username: "user", Password: "hunter2"})
	digest, layer := s.pushAt(t, at, "1.0.0")
	if err := s.AttachLegacy(at, digest, []byte("signature"), nil); err != nil {
		t.Fatal(err)
	}
	mirrors, err := registry.ParseMirrors([]string{"ghcr.io=" + s.Host() + "/mirrored"})
	if err != nil {
		t.Fatal(err)
	}
	options := s.options(t, "", "")
	options.Mirrors = mirrors
	options.Credentials = func(_ context.Context, at chart.Location) (string, string, error) {
		equal(t, "oci://"+s.Host()+"/mirrored/acme/charts/podinfo", at.String())
		return "user", "hunter2", nil
	}
	options.Connect = func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error) {
		t.Error("the consumer's credentials are asked for")
		return registry.Connection{ID: "1", Login: login("user", "of ghcr.io")}, nil
	}
	c := registry.New(options)
	location := parseLocation(t, "oci://ghcr.io/acme/charts/podinfo")
	ref := reference(t, s, "CHART:1.0.0")
	ref.Location = location
	resolved, err := c.Resolve(t.Context(), ref, someone)
	if err != nil {
		t.Fatal(err)
	}
	want := s.pushed(t, "1.0.0", digest, layer)
	want.Location, want.Mirror = location, parseLocation(t, "oci://"+s.Host()+"/"+at)
	if resolved != want {
		t.Errorf("resolved to %v, want %v", resolved, want)
	}
	found, problems := collectFor(t.Context(), t, c, resolved, attachment.Search{Access: someone})
	equal(t, []outcome(nil), problems)
	equal(t, []string{"legacy signature: signature"}, contents(found))
	if _, err := c.Archive(t.Context(), resolved, someone); err != nil {
		t.Error(err)
	}
	for _, request := range s.Requests() {
		if !strings.HasPrefix(request, "GET /v2/"+at+"/") {
			t.Errorf("the mirror is asked for %s", request)
		}
	}
}

// TestMirrorsOfSignatures: rules apply to repositories of signatures too.
func TestMirrorsOfSignatures(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	if err := s.AttachLegacy("mirrored/signatures", s.digest, []byte("signature"), nil); err != nil {
		t.Fatal(err)
	}
	mirrors, err := registry.ParseMirrors([]string{"signatures.example/acme=" + s.Host() + "/mirrored"})
	if err != nil {
		t.Fatal(err)
	}
	options := s.options(t, "", "")
	options.Mirrors = mirrors
	place := parseLocation(t, "oci://signatures.example/acme/signatures")
	found, problems := collectFor(t.Context(), t, registry.New(options), s.resolved(t), attachment.Search{Access: someone, Repositories: []chart.Location{place}})
	equal(t, []outcome(nil), problems)
	equal(t, []string{"legacy signature: signature"}, contents(found))
}

// TestMirrorIsNamed: errors name the reference and the mirror.
func TestMirrorIsNamed(t *testing.T) {
	t.Parallel()
	const ref = "oci://ghcr.io/acme/charts/podinfo:1.0.0"
	const asked = ", read from the mirror HOST/mirrored/acme/charts/podinfo"
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		want  outcome
	}{
		"nothing there": {registrytest.Status(404), outcome{problem.KindNotFound, "HOST has no " + ref + asked, nextCheck}},
		"no rights": {registrytest.Status(403), outcome{problem.KindUnauthorized, "HOST does not let chartgate read mirrored/acme/charts/podinfo: the registry answered 403 Forbidden" + asked,
			"give chartgate credentials (--registry-config) that can pull mirrored/acme/charts/podinfo from HOST; if it should be public, check the name: registries give the same answer for repositories that do not exist"}},
		"no service":  {registrytest.Status(500), outcome{Kind: problem.KindUnavailable, Detail: ref + " could not be read: unexpected answer (the registry answered 500 Internal Server Error)" + asked}},
		"not a chart": {serve(manifestType, "{}"), outcome{problem.KindNotAChart, ref + " is not a Helm chart: its manifest does not have the schema version 2" + asked, nextPush}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.Fail("/manifests/", tc.fault)
			mirrors, err := registry.ParseMirrors([]string{"ghcr.io=" + s.Host() + "/mirrored"})
			if err != nil {
				t.Fatal(err)
			}
			options := s.options(t, "", "")
			options.Mirrors = mirrors
			_, err = registry.New(options).Resolve(t.Context(), reference(t, s, ref), sourceauth.Auth{})
			equal(t, outcome{tc.want.Kind, s.text(tc.want.Detail), s.text(tc.want.Next)}, outcomeOf(t, err))
		})
	}
}
