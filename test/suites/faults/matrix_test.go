package faults_test

import (
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/chartgate/chartgate/pkg/verdict"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestFaults: everything that an admission needs fails in every way. The write is denied for the
// right reason and in time, and admitted as soon as the fault is over.
func TestFaults(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("of", func(t *testing.T) {
		for _, d := range dependencies() {
			for i, c := range columns() {
				if c.endless || d.reason[i] == na {
					continue
				}
				t.Run(d.what+" "+c.what, func(t *testing.T) {
					t.Parallel()
					d.meets(t, c, i)
				})
			}
		}
	})
	verifyNoLeak(t, before)
}

// maxGrowth bounds what this process allocates because of one endless answer, from the first byte
// to the denial. The largest limit on an answer is 1 MiB, for which a growing buffer allocates five
// times as much, and each part of a search may get the fault.
const maxGrowth = 32 << 20

// TestEndlessAnswers: endless answers are read up to a limit, and leave no goroutine.
func TestEndlessAnswers(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("of", func(t *testing.T) {
		for _, d := range dependencies() {
			for i, c := range columns() {
				if !c.endless || d.reason[i] == na {
					continue
				}
				t.Run(d.what+" "+c.what, func(t *testing.T) {
					d.meets(t, c, i)
				})
			}
		}
	})
	verifyNoLeak(t, before)
}

// meets tests one cell of the matrix.
func (d dependency) meets(t *testing.T, c column, position int) {
	t.Helper()
	w := newWorld(t, d.setting)
	what, requests := d.given(t, w)
	fail := w.registry.Fail
	if d.ofAPI {
		fail = w.api.Fail
	}
	fail(requests, c.fault(t))

	allocated := totalAlloc()
	got := w.ask(t, what, timeoutFor(d.reason[position]))
	if grown := totalAlloc() - allocated; c.endless && grown > maxGrowth {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
	mustDeny(t, d.reason[position], got)

	w.heal()
	if d.healsLate {
		until(t, "it is admitted", func() bool { return w.ask(t, what, longestTimeout).allowed })
	}
	mustAdmit(t, w.ask(t, what, longestTimeout))
}

func (d dependency) setting(s *setting) {
	if d.at != nil {
		d.at(s)
	}
}

// totalAlloc is what has been allocated so far; freeing does not lower it.
func totalAlloc() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// dependency is a row of the matrix: something that an admission needs.
type dependency struct {
	what string // "the chart's manifest"
	// given pushes a signed chart and returns the write that deploys it, and which requests (as in
	// registry.Fail) or paths of the API server get the fault.
	given func(*testing.T, *world) (what write, requests string)
	at    func(*setting)
	ofAPI bool // the API server answers, not the registry
	// healsLate is true if only client-go's timeout ends a request that hangs.
	healsLate bool
	reason    row
}

// row is why each column is denied. na is not tested: the API server is believed when it answers
// with JSON, and it stores nothing that has no end.
type row [15]verdict.Reason

// Short names keep the table narrow.
const (
	un verdict.Reason = verdict.RegistryUnavailable
	nf verdict.Reason = verdict.ChartNotFound
	to verdict.Reason = verdict.Timeout
	dm verdict.Reason = verdict.DigestMismatch
	le verdict.Reason = verdict.LimitExceeded
	sm verdict.Reason = verdict.SignatureMissing
	si verdict.Reason = verdict.SignatureInvalid
	ie verdict.Reason = verdict.InternalError
	sn verdict.Reason = verdict.SourceNotFound
	na verdict.Reason = ""
)

// dependencies are the rows of the matrix. Columns, as in columns(): refused, not there, slow,
// stalled, 429 (an hour), 429 (a second), 500, reset, reset in mid body, cut off, half, garbage,
// other JSON, endless, endless JSON.
func dependencies() []dependency {
	return []dependency{
		{
			what: "the manifest of a chart by version", given: chartByVersion,
			reason: row{un, nf, to, to, un, un, un, un, un, un, dm, dm, dm, le, le},
		},
		{
			what: "the manifest of a chart by digest", given: chartByDigest,
			reason: row{un, nf, to, to, un, un, un, un, un, un, dm, dm, dm, le, le},
		},
		{
			what: "the list of tags that a range chooses from", given: chartByRange,
			reason: row{un, nf, to, to, un, un, un, un, un, un, un, un, nf, le, le},
		},
		{
			what: "the list of referrers", given: referrers,
			reason: row{un, sm, to, to, un, un, un, un, un, un, un, un, sm, le, le},
		},
		{
			what: "the list of referrers in a registry without the API", given: fallbackTag, at: withoutReferrersAPI,
			reason: row{un, sm, to, to, un, un, un, un, un, un, un, un, dm, le, le},
		},
		{
			what: "the manifest of a bundle", given: bundleManifest,
			reason: row{un, si, to, to, un, un, un, un, un, un, dm, dm, dm, le, le},
		},
		{
			what: "the content of a bundle", given: bundleContent,
			reason: row{un, si, to, to, un, un, un, un, un, un, dm, dm, dm, le, le},
		},
		{
			what: "the list of legacy signatures", given: legacyManifest,
			reason: row{un, sm, to, to, un, un, un, un, un, un, dm, dm, dm, le, le},
		},
		{
			what: "the payload of a legacy signature", given: legacyPayload,
			reason: row{un, si, to, to, un, un, un, un, un, un, dm, dm, dm, le, le},
		},
		{
			what: "the token to read with", given: token, at: withTokens,
			reason: row{un, un, to, to, un, un, un, un, un, un, un, un, un, le, le},
		},
		{
			what: "the HelmRepository of a HelmRelease", given: helmRepository, ofAPI: true,
			reason: row{ie, sn, to, to, to, to, ie, to, ie, ie, ie, ie, ie, na, na},
		},
		{
			what: "what the API server says that it serves", given: discovered, ofAPI: true, healsLate: true,
			reason: row{ie, ie, to, to, to, to, ie, to, ie, ie, ie, ie, na, na, na},
		},
	}
}

func withoutReferrersAPI(s *setting) { s.registry.NoReferrers = true }
func withTokens(s *setting)          { s.registry.Auth = registrytest.Bearer }

func chartByVersion(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/manifests/1[.]0[.]0$`
}

func chartByDigest(t *testing.T, w *world) (write, string) {
	digest := w.push(t, "acme/podinfo")
	w.bundle(t, "acme/podinfo", digest)
	return w.byDigest("acme/podinfo", digest), `/manifests/` + digest + `$`
}

func chartByRange(t *testing.T, w *world) (write, string) {
	w.bundle(t, "floating/podinfo", w.push(t, "floating/podinfo"))
	return w.application("floating/podinfo", ">=1.0.0"), `/tags/list$`
}

func referrers(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/referrers/`
}

func fallbackTag(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/manifests/sha256-[0-9a-f]{64}$`
}

func bundleManifest(t *testing.T, w *world) (write, string) {
	bundle := w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/manifests/` + bundle + `$`
}

func bundleContent(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/blobs/`
}

func legacyManifest(t *testing.T, w *world) (write, string) {
	w.legacy(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `[.]sig$`
}

func legacyPayload(t *testing.T, w *world) (write, string) {
	w.legacy(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/blobs/`
}

func token(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.application("acme/podinfo", "1.0.0"), `/token$`
}

func helmRepository(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.release(), `/helmrepositories/acme$`
}

func discovered(t *testing.T, w *world) (write, string) {
	w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
	return w.release(), `^/(api|apis|apis/[^/]+/v1)$`
}
