package inventory_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/fixtures/kube"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// fleet is a cluster's objects with signed charts in a registry: each team has a HelmRepository of
// its own, and the teams use the same charts.
type fleet struct {
	registry *registrytest.Registry
	gate     *gate.Gate
	now      time.Time
	objects  held
	charts   int
}

// held are objects that a test made. It implements source.Reader.
type held map[source.ID]source.Object

func (h held) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	if object, ok := h[id]; ok {
		return []source.Object{object}, nil
	}
	return nil, nil
}

func (held) Releases(context.Context, source.ID) ([]source.Object, error) { return nil, nil }

// signer has signed all charts of a fleet.
const signer = "release@acme.example"

// newFleet makes a fleet under a policy that trusts a subject.
func newFleet(t testing.TB, trusted string, teams, releases, different int) *fleet {
	t.Helper()
	f := &fleet{registry: registrytest.New(registrytest.Options{}), now: time.Now(), objects: held{}, charts: different}
	t.Cleanup(f.registry.Close)
	trust, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	roots, err := signature.Fixed(root)
	if err != nil {
		t.Fatal(err)
	}
	by := sigstore.Identity{Issuer: "https://issuer.example", Subject: signer}
	for n := range different {
		name := fmt.Sprintf("chart-%d", n)
		archive, err := charts.Archive(name, "1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		digest, _, err := f.registry.PushChart("acme/"+name, "1.0.0", archive)
		if err != nil {
			t.Fatal(err)
		}
		if err := (harness.Signing{Sigstore: trust, By: by, Registry: f.registry}).Bundle("acme/"+name, digest); err != nil {
			t.Fatal(err)
		}
	}
	for team := range teams {
		f.add("source.toolkit.fluxcd.io/v1", "HelmRepository", fmt.Sprintf("team-%d", team), "charts", `{"type": "oci", "url": "oci://`+f.registry.Host()+`/acme"}`)
	}
	for n := range releases {
		f.add("helm.toolkit.fluxcd.io/v2", "HelmRelease", fmt.Sprintf("team-%d", n%teams), fmt.Sprintf("r-%d", n),
			fmt.Sprintf(`{"chart": {"spec": {"chart": "chart-%d", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}}`, n%different))
	}
	chartPolicy := kube.Policy("acme", "release")
	chartPolicy.Spec.Match.Charts = []string{"oci://" + f.registry.Host() + "/acme/**"}
	policies := harness.Compile(t, policy.Input{
		Policies: []v1alpha1.ChartPolicy{*chartPolicy}, Identities: []v1alpha1.TrustedIdentity{*kube.Identity("release", trusted)},
	})
	client := deadProxies{registry.New(registry.Options{PlainHTTP: []string{f.registry.Host()}})}
	f.gate = gate.New(policies, client, signature.New(roots), func() time.Time { return f.now })
	return f
}

func (f *fleet) add(apiVersion, kind, namespace, name, spec string) {
	group, _, _ := strings.Cut(apiVersion, "/")
	id := source.ID{Group: group, Kind: kind, Namespace: namespace, Name: name}
	f.objects[id] = source.Object{ID: id, JSON: fmt.Appendf(nil, `{"apiVersion": %q, "kind": %q, "metadata": {"name": %q, "namespace": %q}, "spec": %s}`, apiVersion, kind, name, namespace, spec)}
}

// run examines everything once, as a run of its own some time after the last one, and returns the
// number of requests. All of it has the verdict.
func (f *fleet) run(t testing.TB, after time.Duration, want string) (requests int) {
	t.Helper()
	f.now = f.now.Add(after)
	f.registry.Reset()
	inspector := inventory.New(inventory.Options{
		Gate: f.gate, Extractor: source.NewExtractor(f.objects, source.Options{PlainHTTP: []string{f.registry.Host()}}), Reader: f.objects,
		Judged: true, PerHost: 8, Timeout: harness.Patience, Now: func() time.Time { return f.now },
	})
	var all []source.Object
	for _, object := range f.objects {
		all = append(all, object)
	}
	rows := 0
	for row := range inspector.Rows(t.Context(), slices.Values(all)) {
		if row.Verdict != want && row.NamesChart() {
			t.Fatal(row.Message)
		}
		rows++
	}
	if rows != len(f.objects) {
		t.Fatalf("%d rows for %d objects", rows, len(f.objects))
	}
	return len(f.registry.Requests())
}

// What a registry has answered for a run before is not used after soon, and evidence not after
// later.
const soon, later = time.Minute, 61 * time.Minute

// A run that repeats another one makes at most one request to the registry for each different
// reference, however many objects in however many namespaces name it. The first run makes four, and
// one more for those that are examined before it is known that the folder holds bundles.
func TestOneRequestForEachReference(t *testing.T) {
	f := newFleet(t, signer, 7, 200, 20)
	cold := f.run(t, soon, "Verified")
	if cold > 5*f.charts {
		t.Errorf("a first run made %d requests for %d charts", cold, f.charts)
	}
	if warm := f.run(t, soon, "Verified"); warm > f.charts || warm == 0 {
		t.Errorf("a second run made %d requests for %d charts: %v", warm, f.charts, f.registry.Requests())
	}
	if again := f.run(t, later, "Verified"); again > cold || again <= f.charts {
		t.Errorf("a run after an hour made %d requests for %d charts, the first one %d", again, f.charts, cold)
	}
}

// A denial is not remembered, so that a chart that was signed meanwhile passes in the next run. Each
// run asks for its attachments again, once however many objects name it.
func TestDeniedChartsAreExaminedAgain(t *testing.T) {
	f := newFleet(t, "another@acme.example", 7, 200, 20)
	first := f.run(t, soon, "Denied")
	if again := f.run(t, soon, "Denied"); again > 6*f.charts || again <= f.charts {
		t.Errorf("a second run made %d requests for %d denied charts, the first one %d", again, f.charts, first)
	}
}

// BenchmarkScan examines 10,000 objects that name 1,000 different charts: those that have been
// verified within the hour, those that have not, and charts that are denied.
func BenchmarkScan(b *testing.B) {
	for _, bc := range []struct {
		name, trusted, verdict string
		after                  time.Duration
	}{
		{"verified-within-the-hour", signer, "Verified", soon}, {"verified-earlier", signer, "Verified", later}, {"denied", "another@acme.example", "Denied", soon},
	} {
		b.Run(bc.name, func(b *testing.B) {
			f := newFleet(b, bc.trusted, 50, 9_950, 1_000)
			f.run(b, soon, bc.verdict)
			requests := 0
			var peak uint64
			for b.Loop() {
				requests += f.run(b, bc.after, bc.verdict)
				var memory runtime.MemStats
				runtime.ReadMemStats(&memory)
				peak = max(peak, memory.HeapInuse)
			}
			b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
			b.ReportMetric(float64(peak)/(1<<20), "heap-MiB")
		})
	}
}
