package attacks_test

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// people are the signers: a Sigstore that is trusted, one that is not, a key that is, and one that
// is not.
type people struct {
	*sigstore.Sigstore
	stranger *sigstore.Sigstore
	key      *sigstore.Key
	theirs   *sigstore.Key
	now      time.Time
}

// thePeople are the same for all tests: making them takes a while.
var thePeople = sync.OnceValues(func() (*people, error) {
	p := &people{now: time.Now().UTC().Truncate(time.Second)}
	clock := func() time.Time { return p.now }
	var err error
	if p.Sigstore, err = sigstore.New(clock); err != nil {
		return nil, err
	}
	if p.stranger, err = sigstore.New(clock); err != nil {
		return nil, err
	}
	if p.key, err = sigstore.NewKey(); err != nil {
		return nil, err
	}
	p.theirs, err = sigstore.NewKey()
	return p, err
})

// stall is a registry with one chart of one team, <team>/app:1.0.0.
type stall struct {
	*people
	*registrytest.Registry
	repo          string
	digest, layer string
	// plainHTTP are hosts beside the registry's that the admin named.
	plainHTTP []string
	root      []byte // trusted_root.json
}

func newStall(t *testing.T, team string, options registrytest.Options) *stall {
	t.Helper()
	s := &stall{people: must(thePeople())(t), Registry: registrytest.New(options), repo: team + "/app"}
	t.Cleanup(s.Close)
	s.digest, s.layer = s.push(t, s.repo, "1.0.0", "hello")
	s.root = must(s.TrustedRoot())(t)
	return s
}

// push pushes a chart whose content the message decides.
func (s *stall) push(t *testing.T, repo, tag, message string) (digest, layer string) {
	t.Helper()
	archive := must(charts.Archive("app", "1.0.0", charts.File{Name: "values.yaml", Body: "message: " + message + "\n"}))(t)
	digest, layer, err := s.PushChart(repo, tag, archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest, layer
}

// signed attaches a signature of the chart in both forms.
func (s *stall) signed(t *testing.T, by sigstore.Signer, opts ...sigstore.Option) {
	t.Helper()
	s.bundle(t, by, opts...)
	s.legacy(t, by, opts...)
}

func (s *stall) bundle(t *testing.T, by sigstore.Signer, opts ...sigstore.Option) {
	t.Helper()
	s.attach(t, s.bundleOf(t, by, s.digest, opts...), nil)
}

func (s *stall) bundleOf(t *testing.T, by sigstore.Signer, digest string, opts ...sigstore.Option) []byte {
	t.Helper()
	return must(s.Bundle(by, digest, sigstore.SignPredicateType, nil, opts...))(t)
}

// attach attaches a bundle, with annotations that may be false; nil are the true ones.
func (s *stall) attach(t *testing.T, bundle []byte, annotations map[string]string) {
	t.Helper()
	must(s.AttachBundle(s.repo, s.digest, bundle, annotations))(t)
}

func (s *stall) legacy(t *testing.T, by sigstore.Signer, opts ...sigstore.Option) {
	t.Helper()
	payload, annotations := s.legacyOf(t, by, s.digest, opts...)
	s.attachLegacy(t, payload, annotations)
}

func (s *stall) legacyOf(t *testing.T, by sigstore.Signer, digest string, opts ...sigstore.Option) ([]byte, map[string]string) {
	t.Helper()
	payload, annotations, err := s.Legacy(by, s.Host()+"/"+s.repo, digest, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return payload, annotations
}

func (s *stall) attachLegacy(t *testing.T, payload []byte, annotations map[string]string) {
	t.Helper()
	if err := s.AttachLegacy(s.repo, s.digest, payload, annotations); err != nil {
		t.Fatal(err)
	}
}

// set compiles all policies. Some are broken on purpose.
func (s *stall) set(t *testing.T) harness.Policies {
	t.Helper()
	in, broken := policies(s.Host(), string(must(s.key.PEM())(t))), brokenPolicies(s.Host())
	in.Identities = append(in.Identities, broken.Identities...)
	in.Policies = append(in.Policies, broken.Policies...)
	set, _ := policy.Compile(in)
	return harness.Policies{Set: set}
}

// gate is the gate as `chartgate serve` makes it, with the password of this registry only.
func (s *stall) gate(t *testing.T) *gate.Gate {
	t.Helper()
	client := registry.New(registry.Options{
		PlainHTTP: append([]string{s.Host()}, s.plainHTTP...),
		Credentials: func(_ context.Context, at chart.Location) (string, string, error) {
			host := at.Host()
			if host != s.Host() {
				return "", "", nil
			}
			return "chartgate", "hunter2", nil
		},
	})
	return gate.New(s.set(t), client, signature.New(must(signature.Fixed(s.root))(t)), time.Now)
}

// use is a HelmRelease's use of a chart below the registry, "charts/app:1.0.0", or anywhere,
// "oci://…", after changes of it.
func (s *stall) use(t *testing.T, text string, changes ...func(*gate.Chart)) gate.Question {
	t.Helper()
	if len(text) < 6 || text[:6] != "oci://" {
		text = "oci://" + s.Host() + "/" + text
	}
	found := gate.Chart{Reference: must(chart.ParseReference(text))(t)}
	for _, change := range changes {
		change(&found)
	}
	return gate.Question{Object: gate.Object{Kind: "HelmRelease", Namespace: "apps", Name: "app"}, Field: "spec.chart.spec", Target: found}
}

// floating is a use of a chart by a range.
func (s *stall) floating(t *testing.T, changes ...func(*gate.Chart)) gate.Question {
	t.Helper()
	float := func(c *gate.Chart) { c.Reference.Selector = must(chart.ParseFluxVersion(">=1.0.0"))(t) }
	return s.use(t, s.repo+":1.0.0", append([]func(*gate.Chart){float}, changes...)...)
}

// expect compares the gate's decision with the reason for denying; "" is a verified chart.
func expect(t *testing.T, want verdict.Reason, got verdict.Verdict) {
	t.Helper()
	type outcome struct {
		Verdict string
		Reason  verdict.Reason
	}
	expected := outcome{"Denied", want}
	if want == "" {
		expected.Verdict = "Verified"
	}
	if diff := cmp.Diff(expected, outcome{got.String(), got.Reason()}); diff != "" {
		t.Errorf("verdict (-want +got):\n%s\n%s\ncauses: %v", diff, got.Message(), got.Causes())
	}
}

// inTime bounds a decision as the API server does.
func inTime(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// edit changes JSON.
func edit(t *testing.T, raw []byte, change func(map[string]any)) []byte {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	change(object)
	return must(json.Marshal(object))(t)
}

// at follows keys of maps and, with "0", the first elements of lists.
func at(object any, path ...string) map[string]any {
	for _, step := range path {
		if list, ok := object.([]any); ok {
			object = list[0]
			continue
		}
		object = object.(map[string]any)[step]
	}
	return object.(map[string]any)
}

// with returns annotations of which some are another's.
func with(annotations, donor map[string]string, names ...string) map[string]string {
	annotations = maps.Clone(annotations)
	for _, name := range names {
		annotations[name] = donor[name]
	}
	return annotations
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func digestOf(t *testing.T, text string) chart.Digest {
	t.Helper()
	return must(chart.ParseDigest(text))(t)
}
