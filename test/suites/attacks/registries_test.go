package attacks_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/verdict"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
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
