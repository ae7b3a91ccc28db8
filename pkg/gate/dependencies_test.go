package gate_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// packed is a chart archive of the files, by their paths below the chart.
func packed(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: "podinfo/" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	declares = "apiVersion: v2\nname: podinfo\nversion: 1.0.0\ndependencies:\n- {name: redis, version: 1.x, repository: 'oci://ghcr.io/evil'}\n"
	redis    = "apiVersion: v2\nname: redis\nversion: 1.2.3\n"
)

func TestDependencies(t *testing.T) {
	complete := packed(t, map[string]string{"Chart.yaml": declares, "charts/redis/Chart.yaml": redis})
	lacking := packed(t, map[string]string{"Chart.yaml": declares})
	for _, tc := range []struct {
		sentence string
		archive  []byte
		err      error
		policies []policy.Input
		want     string
	}{
		{"a chart that contains what it declares", complete, nil, []policy.Input{requiring("acme", subject, vendored)}, "Verified"},
		{"a chart that lacks what it declares", lacking, nil, []policy.Input{requiring("acme", subject, vendored)}, "Denied DependencyMissing"},
		{"where no policy asks, the archive is not read", nil, errInjected, []policy.Input{requiring("acme", subject)}, "Verified"},
		{"an archive that cannot be fetched", nil, errInjected, []policy.Input{requiring("acme", subject, vendored)}, "Denied InternalError"},
		{"an archive that cannot be fetched for a reason", nil, &problem.Error{Kind: problem.KindLimitExceeded, Detail: "too large"}, []policy.Input{requiring("acme", subject, vendored)}, "Denied LimitExceeded"},
		{"bytes that are not an archive", []byte("x"), nil, []policy.Input{requiring("acme", subject, vendored)}, "Denied NotAChart"},
		{"one of two policies asks", lacking, nil, []policy.Input{requiring("acme", subject), requiring("strict", subject, vendored)}, "Denied DependencyMissing"},
		{"only a policy in mode Warn asks", lacking, nil, []policy.Input{requiring("acme", subject), requiring("trial", subject, vendored, warnOnly)}, "Warned DependencyMissing"},
		{"the policy that asks accepts the signature, another one only warns of it", lacking, nil, []policy.Input{requiring("acme", subject, vendored), requiring("trial", "somebody else", warnOnly)}, "Denied DependencyMissing"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			s := fine(t)
			s.current = func() *policy.Set { return compile(t, tc.policies...) }
			s.archive = func(context.Context, artifact.Resolved) ([]byte, error) { return tc.archive, tc.err }
			g := s.gate()
			for range 2 { // from the registry, and from memory
				v := g.Decide(t.Context(), use(t, podinfo))
				if got := strings.TrimSpace(v.String() + " " + string(v.Reason())); got != tc.want {
					t.Errorf("%s: %s", got, v.Message())
				}
			}
		})
	}
}

// A chart that was verified while no policy asked about dependencies must not pass for one
// whose dependencies were looked at.
func TestACachedChartWithoutItsDependencies(t *testing.T) {
	s := fine(t)
	s.archive = func(context.Context, artifact.Resolved) ([]byte, error) {
		return packed(t, map[string]string{"Chart.yaml": declares}), nil
	}
	g := gateOver(&s)
	expect(t, g, use(t, podinfo), admitted)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, vendored)) }
	expect(t, g, use(t, podinfo), denied(verdict.DependencyMissing))
}
