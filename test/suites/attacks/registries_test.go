package attacks_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/verdict"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// registryAttack is what a registry does, or a user who may push to it. The chart in it is signed
// unless the row says otherwise.
type registryAttack struct {
	sentence, source string
	options          registrytest.Options
	unsigned         bool
	evil             func(t *testing.T, s *stall)
	ask              func(t *testing.T, s *stall) gate.Question // the chart by its version if nil
	limit            time.Duration                              // of the admission; harness.Patience if 0
	want             verdict.Reason                             // "" is a control row: verified
	then             func(t *testing.T, s *stall)
}

func (a registryAttack) run(t *testing.T) {
	t.Helper()
	s := newStall(t, "charts", a.options)
	if !a.unsigned {
		s.signed(t, acme())
	}
	use := s.use(t, s.repo+":1.0.0")
	if a.evil != nil {
		a.evil(t, s)
	}
	if a.ask != nil {
		use = a.ask(t, s)
	}
	if a.limit == 0 {
		a.limit = harness.Patience
	}
	started := time.Now()
	expect(t, a.want, s.gate(t).Decide(inTime(t, a.limit), use))
	if took := time.Since(started); took > a.limit+starved {
		t.Errorf("the decision took %s, much more than the %s that the API server waits", took, a.limit)
	}
	if a.then != nil {
		a.then(t, s)
	}
}

// starved is the additional time that a busy machine may take. It is shorter than the time after
// which the gate gives up a shared request by itself (pkg/gate, maxShared).
const starved = 20 * time.Second

// TestHostileRegistries: what a registry answers may be wrong, endless or another registry's.
func TestHostileRegistries(t *testing.T) {
	t.Parallel()
	const huge = 64 << 20
	pulled := func(what func(t *testing.T, s *stall) gate.Artifact) func(*testing.T, *stall) gate.Question {
		return func(t *testing.T, s *stall) gate.Question {
			held := what(t, s)
			return s.use(t, s.repo+":1.0.0", func(c *gate.Chart) { c.Artifact = &held })
		}
	}
	byDigest := func(t *testing.T, s *stall) gate.Question { return s.use(t, s.repo+"@"+s.digest) }
	floating := func(t *testing.T, s *stall) gate.Question { s.asTeam("floating", t); return s.floating(t) }
	login := registrytest.Options{Auth: registrytest.Basic, Username: "chartgate", Password: "hunter2"}
	tokens := registrytest.Options{Auth: registrytest.Bearer, Username: "chartgate", Password: "hunter2"}

	for _, a := range []registryAttack{
		// Different answers to different clients.
		{sentence: "the checker is shown the signed chart, and Flux pulls another archive", source: "CVE-2022-47633",
			ask: pulled(func(t *testing.T, s *stall) gate.Artifact {
				_, evil := s.push(t, s.repo, "evil", "evil")
				return gate.Artifact{Archive: digestOf(t, evil), ByController: true}
			}), want: verdict.DigestMismatch},
		{sentence: "the checker is shown the signed chart, and Flux resolves another digest", source: "CVE-2022-47633",
			ask: pulled(func(t *testing.T, s *stall) gate.Artifact {
				evil, layer := s.push(t, s.repo, "evil", "evil")
				return gate.Artifact{Manifest: digestOf(t, evil), Archive: digestOf(t, layer), Incomparable: true, ByController: true}
			}), want: verdict.SignatureMissing},
		{sentence: "the tag means another chart when it is asked for the second time", source: "CVE-2022-47633",
			evil: func(t *testing.T, s *stall) {
				evil, _ := s.push(t, s.repo, "evil", "evil")
				s.Fail("/manifests/1.0.0$", registrytest.Times(1, insteadOf("1.0.0", evil)))
			}, want: verdict.SignatureMissing},
		{sentence: "the tag's digest is shown as the signed one, and the content is another", source: "CVE-2023-47630",
			evil: func(t *testing.T, s *stall) { s.Fail("/manifests/1.0.0$", registrytest.Body(s.otherManifest(t))) }, want: verdict.DigestMismatch},
		{sentence: "the content behind the digest is another", source: "CVE-2023-47630",
			evil: func(t *testing.T, s *stall) { s.Fail("/manifests/"+s.digest, registrytest.Body(s.otherManifest(t))) },
			ask:  byDigest, want: verdict.DigestMismatch},
		{sentence: "the content behind the digest is another, and no digest is shown", source: "CVE-2023-47630",
			evil: func(t *testing.T, s *stall) { s.Fail("/manifests/"+s.digest, undigested(s.otherManifest(t))) },
			ask:  byDigest, want: verdict.DigestMismatch},
		{sentence: "the content behind a signature's digest is another", source: "CVE-2023-47630", unsigned: true,
			evil: func(t *testing.T, s *stall) {
				s.bundle(t, mallory())
				s.Fail("/blobs/", undigested(s.bundleOf(t, acme(), s.digest)))
			}, want: verdict.DigestMismatch},
		{sentence: "the content behind a legacy signature's digest is another", source: "CVE-2023-47630", unsigned: true,
			evil: func(t *testing.T, s *stall) {
				other, _ := s.push(t, s.repo, "other", "other")
				payload, annotations := s.legacyOf(t, acme(), other)
				s.attachLegacy(t, payload, annotations)
				genuine, _ := s.legacyOf(t, acme(), s.digest)
				s.Fail("/blobs/", undigested(genuine))
			}, want: verdict.DigestMismatch},
		{sentence: "the manifest is served as an index", evil: func(_ *testing.T, s *stall) { s.Fail("/manifests/1.0.0$", mediaType(indexType)) }, want: verdict.NotAChart},

		// Too much.
		{sentence: "an endless manifest", source: "CVE-2023-46737",
			evil: func(_ *testing.T, s *stall) { s.Fail("/manifests/1.0.0$", registrytest.Huge(huge)) }, want: verdict.LimitExceeded},
		{sentence: "an endless list of referrers", source: "CVE-2023-46737", unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/", registrytest.Huge(huge)) }, want: verdict.LimitExceeded},
		{sentence: "an endless bundle", source: "CVE-2024-29902", unsigned: true,
			evil: func(t *testing.T, s *stall) {
				s.bundle(t, acme())
				s.Fail("/blobs/", registrytest.Huge(huge))
			}, want: verdict.LimitExceeded},
		{sentence: "a bundle that is said to be ten gigabytes", source: "CVE-2024-29903", unsigned: true,
			evil: func(t *testing.T, s *stall) { s.hugeBundle(t, 10<<30) }, want: verdict.LimitExceeded, then: noBlobs},
		{sentence: "a legacy payload that is said to be ten gigabytes", source: "CVE-2024-29902", unsigned: true,
			evil: func(t *testing.T, s *stall) { s.hugeLegacy(t, 10<<30, 1) }, want: verdict.LimitExceeded, then: noBlobs},
		{sentence: "thousands of legacy signatures", source: "CVE-2024-29903", unsigned: true,
			evil: func(t *testing.T, s *stall) { s.hugeLegacy(t, 1, 3000) }, want: verdict.LimitExceeded, then: atMost(80)},
		{sentence: "control: the chart is said to be ten gigabytes, which chartgate does not read", source: "CVE-2023-46737",
			evil: func(t *testing.T, s *stall) {
				s.replaceBy(t, manifestType, edit(t, s.manifest(t), func(m map[string]any) { at(m, "layers", "0")["size"] = 10 << 30 }))
				s.signed(t, acme())
			}, then: func(t *testing.T, s *stall) {
				if slices.ContainsFunc(s.Requests(), func(r string) bool { return strings.HasSuffix(r, s.layer) }) {
					t.Error("the archive was fetched")
				}
			}},
		{sentence: "thousands of referrers on one page", source: cosignReferrers, unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/", referrers(3000, "")) }, want: verdict.LimitExceeded, then: atMost(510)},
		{sentence: "hundreds of junk bundles in front of the good one do not hide it", source: cosignReferrers, unsigned: true,
			evil: func(t *testing.T, s *stall) { s.bundle(t, acme()); s.crowd(t, 300) }, then: atMost(610)},
		{sentence: "more junk bundles in front of the good one than chartgate looks at", source: cosignReferrers, unsigned: true,
			evil: func(t *testing.T, s *stall) { s.bundle(t, acme()); s.crowd(t, 510) }, want: verdict.LimitExceeded, then: atMost(1010)},
		{sentence: "pages of referrers without end", source: cosignReferrers, unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/", referrers(1, "next")) }, want: verdict.LimitExceeded, then: atMost(80)},
		{sentence: "a page of referrers that links to itself", unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/", referrers(0, "same")) }, want: verdict.LimitExceeded, then: atMost(80)},
		{sentence: "pages of tags that link to each other", unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/tags/list", tagPages()) },
			ask:  floating, want: verdict.LimitExceeded, then: atMost(120)},
		{sentence: "redirects without end", evil: func(_ *testing.T, s *stall) { s.Fail("/manifests/", redirect("")) }, want: verdict.RegistryUnavailable, then: atMost(20)},
		{sentence: "JSON nested ten thousand deep",
			evil: func(_ *testing.T, s *stall) {
				s.Fail("/manifests/1.0.0$", undigested([]byte(strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000))))
			}, want: verdict.LimitExceeded},
		{sentence: "an answer that never comes", limit: time.Second,
			evil: func(_ *testing.T, s *stall) { s.Fail("/manifests/", registrytest.Slow(time.Hour)) }, want: verdict.Timeout},
		{sentence: "signatures that never come", limit: time.Second,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/|[.]sig$", registrytest.Slow(time.Hour)) }, want: verdict.Timeout},

		// Signatures that do not exist.
		{sentence: "referrers of which none is a signature", unsigned: true,
			evil: func(t *testing.T, s *stall) { s.junk(t, 20) }, want: verdict.SignatureMissing},
		{sentence: "signatures that are listed but not there", unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/", referrers(3, "")) }, want: verdict.SignatureInvalid},
		{sentence: "a registry that says it lacks the referrers API, and has nothing else", unsigned: true,
			evil: func(t *testing.T, s *stall) {
				s.attach(t, s.bundleOf(t, acme(), s.digest), nil)
				s.Fail("/referrers/", registrytest.Status(404))
			}, want: verdict.SignatureMissing},
		{sentence: "a registry that hides the signatures behind an error", unsigned: true,
			evil: func(_ *testing.T, s *stall) { s.Fail("/referrers/", registrytest.Status(500)) }, want: verdict.RegistryUnavailable},

		// Other hosts, and credentials.
		{sentence: "a chart on a host that no policy names", source: "server-side request forgery",
			ask:  func(t *testing.T, s *stall) gate.Question { return s.use(t, "nobodys/app:1.0.0") },
			want: verdict.NoPolicy, then: atMost(0)},
		{sentence: "a chart that may float, on a host that no policy names", source: "server-side request forgery",
			ask: func(t *testing.T, s *stall) gate.Question {
				return s.floating(t, func(c *gate.Chart) {
					c.Reference.Location = must(chart.ParseChart("oci://" + s.Host() + "/nobodys/app"))(t)
				})
			}, want: verdict.NoPolicy, then: atMost(0)},
		{sentence: "an OCIRepository on a host that no policy names, which a release uses", source: "server-side request forgery",
			ask: func(t *testing.T, s *stall) gate.Question {
				return s.use(t, "nobodys/app:1.0.0", func(c *gate.Chart) {
					c.Artifact = &gate.Artifact{Manifest: digestOf(t, s.digest), ByController: true}
				})
			}, want: verdict.NoPolicy, then: atMost(0)},
		{sentence: "a range where the policy wants a version", ask: func(t *testing.T, s *stall) gate.Question { return s.floating(t) },
			want: verdict.NotPinned, then: atMost(0)},
		{sentence: "a token service elsewhere, over plain HTTP", options: tokens,
			evil: func(t *testing.T, s *stall) {
				thief := newThief(t, s, false)
				s.Fail("/manifests/", challenge(`Bearer realm="`+thief.URL+`/token"`))
			}, want: verdict.RegistryUnavailable},
		{sentence: "a redirect to another host, which asks for the password", options: login, unsigned: true,
			evil: func(t *testing.T, s *stall) {
				s.bundle(t, acme())
				s.Fail("/blobs/", onceLoggedIn(redirect(newThief(t, s, true).URL)))
			}, want: verdict.RegistryUnauthorized},
		{sentence: "a redirect to another host, which asks for a token at a token service of its own", options: tokens, unsigned: true,
			evil: func(t *testing.T, s *stall) {
				s.bundle(t, acme())
				s.Fail("/blobs/", onceLoggedIn(redirect(newThief(t, s, true, "Bearer").URL)))
			}, want: verdict.RegistryUnauthorized},
		{sentence: "a redirect to another host over plain HTTP", options: login,
			evil: func(t *testing.T, s *stall) { s.Fail("/manifests/", onceLoggedIn(redirect(newThief(t, s, false).URL))) }, want: verdict.RegistryUnavailable},
		{sentence: "a next page of tags on another host", options: login,
			evil: func(t *testing.T, s *stall) { s.Fail("/tags/list", onceLoggedIn(nextAt(newThief(t, s, true).URL))) },
			ask:  floating, want: verdict.RegistryUnavailable},
		{sentence: "a next page of referrers on another host", options: login, unsigned: true,
			evil: func(t *testing.T, s *stall) { s.Fail("/referrers/", onceLoggedIn(nextAt(newThief(t, s, true).URL))) }, want: verdict.RegistryUnavailable},
		{sentence: "control: a registry that wants the password", options: login},
		{sentence: "control: a registry that wants a token", options: tokens},
	} {
		t.Run(a.sentence, func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}

// asTeam moves the chart and its tags to another team's place.
func (s *stall) asTeam(team string, t *testing.T) {
	t.Helper()
	s.repo = team + "/app"
	s.digest, s.layer = s.push(t, s.repo, "1.0.0", "hello")
}

func (s *stall) otherManifest(t *testing.T) []byte {
	t.Helper()
	other, _ := s.push(t, s.repo, "other", "other")
	return must(s.Manifest(s.repo, other))(t)
}

// hugeBundle attaches a bundle whose descriptor names a size.
func (s *stall) hugeBundle(t *testing.T, size int64) {
	t.Helper()
	digest := must(s.AttachBundle(s.repo, s.digest, s.bundleOf(t, acme(), s.digest), nil))(t)
	raw := edit(t, must(s.Manifest(s.repo, digest))(t), func(m map[string]any) { at(m, "layers", "0")["size"] = size })
	if err := s.Delete(s.repo, digest); err != nil {
		t.Fatal(err)
	}
	must(s.PushManifest(s.repo, "", manifestType, raw))(t)
}

// hugeLegacy attaches legacy signatures whose descriptors name a size.
func (s *stall) hugeLegacy(t *testing.T, size int64, count int) {
	t.Helper()
	s.legacy(t, mallory())
	tag := strings.Replace(s.digest, ":", "-", 1) + ".sig"
	raw := edit(t, must(s.Manifest(s.repo, tag))(t), func(m map[string]any) {
		at(m, "layers", "0")["size"] = size
		delete(at(m, "layers", "0"), "annotations")
		m["layers"] = slices.Repeat(m["layers"].([]any), count)
	})
	must(s.PushManifest(s.repo, tag, manifestType, raw))(t)
}

// crowd attaches artifacts that are marked as signatures and contain no signature.
func (s *stall) crowd(t *testing.T, count int) {
	t.Helper()
	for i := range count {
		s.attach(t, fmt.Appendf(nil, "junk %d", i), map[string]string{predicateAnnotation: sigstore.SignPredicateType})
	}
}

// junk attaches content that is not a signature.
func (s *stall) junk(t *testing.T, count int) {
	t.Helper()
	config := must(s.PushBlob(s.repo, []byte("{}")))(t)
	for i := range count {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},
			"layers":[],"annotations":{"n":"%d"},"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, manifestType, config, i, manifestType, s.digest, len(s.manifest(t)))
		must(s.PushManifest(s.repo, "", manifestType, raw))(t)
	}
}

// insteadOf answers a request for one reference with the content of another.
func insteadOf(reference, other string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		asked := req.Clone(req.Context())
		asked.URL = &url.URL{Path: strings.TrimSuffix(req.URL.Path, reference) + other}
		healthy.ServeHTTP(w, asked)
	}
}

// undigested is another body, without a header with its digest.
func undigested(body []byte) registrytest.Fault {
	lie := registrytest.Body(body)
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		lie(&hiding{w, "Docker-Content-Digest"}, req, healthy)
	}
}

// hiding removes a header.
type hiding struct {
	http.ResponseWriter
	name string
}

func (h *hiding) Write(b []byte) (int, error) {
	h.Header().Del(h.name)
	return h.ResponseWriter.Write(b)
}

func mediaType(name string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		answer := httptest.NewRecorder()
		healthy.ServeHTTP(answer, req)
		w.Header().Set("Content-Type", name)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// referrers lists bundles that do not exist. The next page is this one, another one, or does not
// exist.
func referrers(count int, next string) registrytest.Fault {
	page := 0
	var mu sync.Mutex
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		page++
		index := map[string]any{"schemaVersion": 2, "mediaType": indexType}
		manifests := []any{}
		for i := range count {
			manifests = append(manifests, map[string]any{
				"mediaType": manifestType, "size": 100, "artifactType": sigstore.BundleMediaType, "digest": fmt.Sprintf("sha256:%032x%032x", page, i),
			})
		}
		index["manifests"] = manifests
		w.Header().Set("Content-Type", indexType)
		switch next {
		case "next":
			w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, req.URL.Path, page))
		case "same":
			w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, req.URL.Path))
		}
		_ = json.NewEncoder(w).Encode(index)
	}
}

func tagPages() registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=1.0.0&n=1000>; rel="next"`, req.URL.Path))
		_, _ = fmt.Fprint(w, `{"name":"x","tags":["1.0.0"]}`)
	}
}

// nextAt answers with an empty page, and the next one elsewhere.
func nextAt(origin string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Link", "<"+origin+req.URL.Path+`>; rel="next"`)
		w.Header().Set("Content-Type", indexType)
		_, _ = fmt.Fprint(w, `{"schemaVersion":2,"name":"x","tags":[],"manifests":[]}`)
	}
}

// redirect sends the client to another origin, or back to the same place.
func redirect(origin string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		http.Redirect(w, req, origin+req.URL.Path, http.StatusTemporaryRedirect)
	}
}

func challenge(header string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("WWW-Authenticate", header)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// onceLoggedIn is the fault for requests with a login.
func onceLoggedIn(fault registrytest.Fault) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		if req.Header.Get("Authorization") == "" {
			healthy.ServeHTTP(w, req)
			return
		}
		fault(w, req, healthy)
	}
}

// newThief starts a host that asks for credentials. No login must reach it; if the admin has not
// named it, not even a packet.
func newThief(t *testing.T, s *stall, named bool, scheme ...string) *httptest.Server {
	t.Helper()
	asks := append(scheme, "Basic")[0]
	var thief *httptest.Server
	thief = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !named {
			t.Errorf("%s %s reached a host over plain HTTP that the admin has not named", req.Method, req.URL)
		}
		if stolen := req.Header.Get("Authorization"); stolen != "" {
			t.Errorf("%s %s brought the credentials %q", req.Method, req.URL, stolen)
		}
		if strings.HasPrefix(req.URL.Path, "/token") {
			t.Errorf("%s %s: the registry's credentials were offered for a token of another host", req.Method, req.URL)
		}
		challenge(asks+` realm="`+thief.URL+`/token"`)(w, req, nil)
	}))
	t.Cleanup(thief.Close)
	if named {
		s.plainHTTP = append(s.plainHTTP, strings.TrimPrefix(thief.URL, "http://"))
	}
	return thief
}

// atMost bounds what the decision cost the registry.
func atMost(requests int) func(*testing.T, *stall) {
	return func(t *testing.T, s *stall) {
		t.Helper()
		if got := s.Requests(); len(got) > requests {
			t.Errorf("%d requests, want at most %d; the first are\n%s", len(got), requests, strings.Join(got[:min(len(got), 10)], "\n"))
		}
	}
}

func noBlobs(t *testing.T, s *stall) {
	t.Helper()
	var blobs []string
	for _, request := range s.Requests() {
		if strings.Contains(request, "/blobs/") {
			blobs = append(blobs, request)
		}
	}
	if diff := cmp.Diff([]string(nil), blobs); diff != "" {
		t.Errorf("it was fetched all the same (-want +got):\n%s", diff)
	}
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	if _, err := zip.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
