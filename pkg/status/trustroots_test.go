package status_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/status"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

func rootsOf(t *testing.T) *trust.Roots {
	t.Helper()
	roots := trust.New(trust.Options{CacheDir: t.TempDir()})
	t.Cleanup(roots.Close)
	return roots
}

// TestTrustRootStatusIsWrittenOnChangeOnly, and never about another generation than the one that
// was judged.
func TestTrustRootStatusIsWrittenOnChangeOnly(t *testing.T) {
	var p patches
	c := kube.Cluster(t, p.funcs(), kube.TrustRoot("inline", v1alpha1.TrustRootSpec{TrustedRoot: kube.TrustedRoot(t)}), kube.TrustRoot("unknown", v1alpha1.TrustRootSpec{}))
	roots := rootsOf(t)
	writer := status.NewTrustRootWriter(c, roots, status.NewChanges())
	write := func(want ...string) {
		t.Helper()
		p.of = nil
		if _, err := writer.Reconcile(t.Context(), ctrl.Request{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, p.of); diff != "" {
			t.Error(diff)
		}
	}
	write()
	var obj v1alpha1.TrustRoot
	if err := c.Get(t.Context(), client.ObjectKey{Name: "inline"}, &obj); err != nil {
		t.Fatal(err)
	}
	roots.Set([]trust.Item{{Object: obj}})
	write("inline/status")
	write()
	older := obj
	older.Generation = 4
	older.Spec = v1alpha1.TrustRootSpec{}
	roots.Set([]trust.Item{{Object: older}})
	write()
}

// TestChanges: a sender never waits, and no news is lost.
func TestChanges(t *testing.T) {
	changes := status.NewChanges()
	for range 3 {
		changes.Notify()
	}
	if len(changes) != 1 {
		t.Errorf("%d", len(changes))
	}
}
