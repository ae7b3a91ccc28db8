package flux_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// hold makes requests wait until free is called, but no longer than an admission may take. The
// first one closes held.
func hold(t *testing.T, r *registrytest.Registry, requests string) (held <-chan struct{}, free func()) {
	t.Helper()
	arrived, freed := make(chan struct{}), make(chan struct{})
	arrive, release := sync.OnceFunc(func() { close(arrived) }), sync.OnceFunc(func() { close(freed) })
	t.Cleanup(release)
	r.Fail(requests, func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		arrive()
		select {
		case <-freed:
		case <-req.Context().Done():
		}
		healthy.ServeHTTP(w, req)
	})
	return arrived, release
}

func wait(t *testing.T, held <-chan struct{}) {
	t.Helper()
	select {
	case <-held:
	case <-time.After(harness.Patience):
		t.Fatal("no such request arrived")
	}
}

// stoppedAt waits until helm-controller has tried several times and was denied, while that is
// deployed. At each try it sends up to four writes that are denied: the announcement and the record
// of the attempt, and both again at the end.
func (m *team) stoppedAt(t *testing.T, deployed string) {
	t.Helper()
	m.denied(t, 12, deployed)
}

// stoppedOnce waits until helm-controller has tried and was denied, while that is deployed.
func (m *team) stoppedOnce(t *testing.T, deployed string) {
	t.Helper()
	m.denied(t, 2, deployed)
}

func (m *team) denied(t *testing.T, writes int, deployed string) {
	t.Helper()
	harness.Eventually(t, func() string {
		if got := m.deployed(t, "app"); got != deployed {
			t.Fatalf("deployed %q", got)
		}
		if got := m.refused(t, helmController, release("app", "")); got < writes {
			return fmt.Sprintf("helm-controller was denied %d times: %s", got, m.ready(t, release("app", "")))
		}
		return ""
	})
}

// TestSourceSwappedWhileItsReleaseIsVerified: the registry, or a proxy before it, holds chartgate's
// request about a release, while its OCIRepository is pointed to a registry that no policy is
// about. As long as no stored release names it, its content is not a chart.
func TestSourceSwappedWhileItsReleaseIsVerified(t *testing.T) {
	t.Parallel()
	other := func(t *testing.T, m *team) {
		m.Apply(t, repackaging("other", m.own(), "1.0.0", ""), releaseBy("app", "OCIRepository", "other"))
		m.deploys(t, "app", "one none")
		m.becomesReady(t, release("app", ""))
	}
	for _, row := range []struct {
		sentence string
		before   func(*testing.T, *team)
		runs     string
	}{
		{sentence: "the release is created"},
		{sentence: "the release had another source", before: other, runs: "one none"},
		{
			sentence: "the release had another source, and the editor has written into its status what helm-controller would",
			before: func(t *testing.T, m *team) {
				other(t, m)
				// It may be denied; if it is admitted, the editor gains nothing.
				_ = m.TryPatch(t, editor, m.Object(t, release("app", m.attempt("1.0.0", m.evil))), "status")
			},
			runs: "one none",
		},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			m.own().Signed(t, "1.0.0", "one")
			m.evil = m.abroad().Push(t, "1.0.0", "evil")
			if row.before != nil {
				row.before(t, m)
			}
			// Nothing is pulled: for a digest that was verified a moment ago, chartgate sends no
			// request.
			m.Apply(t, repackaging("swapped", m.own(), "1.0.0", "suspend: true, "))

			held, free := hold(t, m.registry, "/"+m.own().Repository()+"/manifests/1.0.0")
			written := make(chan error, 1)
			object := m.Object(t, releaseBy("app", "OCIRepository", "swapped"))
			resource := m.Resource(t, editor, object)
			go func() { written <- harness.ServerSideApply(t.Context(), resource, object) }()
			wait(t, held)
			m.Patch(t, source("OCIRepository", "swapped", spec("suspend: false, url: %q", m.abroad().URL()+"/app")))
			m.becomesReady(t, source("OCIRepository", "swapped", ""))
			free()
			if err := <-written; err != nil {
				t.Fatalf("the attack could not be made: %v", err)
			}
			records := m.revisions(t, "app")
			m.stoppedAt(t, row.runs)
			if diff := cmp.Diff(records, m.revisions(t, "app")); diff != "" {
				t.Errorf("helm's records (-before +after):\n%s", diff)
			}
			if got := m.warnings(t, "HelmRelease", "app"); !slices.Contains(got, "NoPolicy") {
				t.Errorf("warnings about the release: %v", got)
			}
		})
	}
}

// attempt is what helm-controller writes into the status of a new release before it installs it
// without values.
func (m *team) attempt(version, digest string) string {
	const noValues = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	short := strings.TrimPrefix(digest, "sha256:")[:12]
	return fmt.Sprintf("status: {lastAttemptedGeneration: 2, lastAttemptedRevision: %s+%s, lastAttemptedRevisionDigest: %q, "+
		"lastAttemptedConfigDigest: %q, storageNamespace: %s}", version, short, digest, noValues, m.Name)
}

// swapRepackaged points a HelmRepository to a chart without a signature below the same policy's
// pattern, and back while source-controller pulls that for a HelmChart with values files. It is the
// same version, so helm-controller upgrades when the values change.
func (m *team) swapRepackaged(t *testing.T) {
	t.Helper()
	held, free := hold(t, m.registry, "GET /v2/"+m.elsewhere().Repository()+"/blobs/"+m.elsewhere().Layer(t, "1.0.0"))
	m.Apply(t, helmRepository("charts", m.elsewhere()))
	m.Patch(t, source("HelmChart", "app", spec("interval: 11m"))) // another generation is pulled again
	wait(t, held)
	m.Apply(t, helmRepository("charts", m.own()))
	free()
}
