package source_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	fluxGroup = "source.toolkit.fluxcd.io"
	helmGroup = "helm.toolkit.fluxcd.io"
	argoGroup = "argoproj.io"
)

// The gated kinds, and others.
func TestKinds(t *testing.T) {
	gated := []string{}
	for _, c := range []struct{ group, kind, subresource string }{
		{helmGroup, "HelmRelease", ""}, {helmGroup, "HelmRelease", "status"},
		{fluxGroup, "HelmRepository", ""}, {fluxGroup, "HelmChart", ""}, {fluxGroup, "HelmChart", "status"},
		{fluxGroup, "OCIRepository", ""}, {fluxGroup, "OCIRepository", "status"}, {argoGroup, "Application", ""}, {argoGroup, "Application", "status"},
		// These are not gated kinds: if one of them is, the rules of the webhook and the code
		// differ.
		{helmGroup, "HelmRelease", "scale"}, {helmGroup, "HelmRelease", "Status"}, {helmGroup, "helmrelease", ""}, {fluxGroup, "HelmRelease", ""}, {"", "HelmRelease", ""},
		{fluxGroup, "HelmRepository", "status"}, {fluxGroup, "GitRepository", ""}, {fluxGroup, "Bucket", ""}, {fluxGroup, "ExternalArtifact", ""},
		{argoGroup, "ApplicationSet", ""}, {argoGroup, "AppProject", ""}, {argoGroup, "Workflow", ""}, {"", "", ""}, {"", "Pod", ""},
	} {
		name := c.group + "/" + c.kind + "/" + c.subresource
		w := source.Write{Object: source.Object{ID: source.ID{Group: c.group, Kind: c.kind, Namespace: "apps", Name: "x"}, JSON: []byte(`{}`)}, Subresource: c.subresource}
		_, err := source.NewExtractor(&cluster{}, source.Options{}).Changes(w)
		switch {
		case err == nil:
			gated = append(gated, name)
		case verdict.FromError(err).Reason != verdict.Unsupported:
			t.Errorf("%s: %v", name, err)
		}
	}
	want := []string{
		helmGroup + "/HelmRelease/", helmGroup + "/HelmRelease/status", fluxGroup + "/HelmRepository/", fluxGroup + "/HelmChart/", fluxGroup + "/HelmChart/status",
		fluxGroup + "/OCIRepository/", fluxGroup + "/OCIRepository/status", argoGroup + "/Application/", argoGroup + "/Application/status",
	}
	if diff := cmp.Diff(want, gated); diff != "" {
		t.Error(diff)
	}
}

func TestGates(t *testing.T) {
	e := source.NewExtractor(&cluster{}, source.Options{})
	got := map[string]bool{}
	for _, id := range []source.ID{
		{Group: helmGroup, Kind: "HelmRelease"}, {Group: fluxGroup, Kind: "HelmRepository"}, {Group: fluxGroup, Kind: "HelmChart"},
		{Group: fluxGroup, Kind: "OCIRepository"}, {Group: argoGroup, Kind: "Application"}, {Group: fluxGroup, Kind: "GitRepository"}, {Kind: "ConfigMap"},
	} {
		got[id.Kind] = e.Gates(id)
	}
	want := map[string]bool{
		"HelmRelease": true, "HelmRepository": true, "HelmChart": true, "OCIRepository": true, "Application": true, "GitRepository": false, "ConfigMap": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Bodies that tools read in different ways.
func TestBodies(t *testing.T) {
	const spec = `{"chart":{"spec":{"chart":"podinfo","version":"6.7.1","sourceRef":{"kind":"HelmRepository","name":"acme"}}}}`
	for _, c := range []struct {
		sentence, body string
		want           []string
	}{
		{"a good body", `{"spec":` + spec + `}`, []string{podinfoUse}},
		{"no JSON", `{`, []string{"error: ReferenceInvalid"}},
		{"nothing at all", ``, []string{"error: ReferenceInvalid"}},
		{"YAML", `spec: {}`, []string{"error: ReferenceInvalid"}},
		{"something behind the object", `{} {}`, []string{"error: ReferenceInvalid"}},
		{"a list in place of the object", `[]`, []string{"error: ReferenceInvalid"}},
		{"a string in place of spec", `{"spec":"x"}`, []string{"error: ReferenceInvalid"}},
		{"a number in place of a name", `{"spec":{"chart":{"spec":{"chart":1}}}}`, []string{"error: ReferenceInvalid"}},
		{"a string in place of suspend", `{"spec":{"suspend":"true"}}`, []string{"error: ReferenceInvalid"}},
		{"Spec is not spec, as for the API server", `{"Spec":` + spec + `}`, nil},
		{"SPEC does not replace spec", `{"spec":` + spec + `,"SPEC":{"suspend":true}}`, []string{podinfoUse}},
		{"Suspend is not suspend", `{"spec":{"Suspend":true,` + spec[1:] + `}`, []string{podinfoUse}},
		{"the last of two equal fields counts, as for the API server", `{"spec":{"suspend":true,"suspend":false,` + spec[1:] + `}`, []string{podinfoUse}},
		{"null is nothing", `{"spec":{"chart":null,"chartRef":null,"suspend":null}}`, nil},
		{"null in place of the object is nothing", `null`, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := source.Write{Object: source.Object{ID: source.ID{Group: helmGroup, Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, JSON: []byte(c.body)}}
			e := source.NewExtractor(&cluster{objects: parse(t, acme)}, source.Options{})
			if diff := cmp.Diff(c.want, usesOf(t.Context(), e, w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What an old object made deployable must be known to be no news.
func TestOldObjectsThatCannotBeRead(t *testing.T) {
	for _, old := range []string{`{`, `[]`, `{"spec":1}`, `{"status":1}`, ``} {
		w := row{new: release(podinfoSpec)}.write(t)
		w.Old = []byte(old)
		e := source.NewExtractor(&cluster{objects: parse(t, acme)}, source.Options{})
		if diff := cmp.Diff([]string{podinfoUse}, usesOf(t.Context(), e, w)); diff != "" {
			t.Errorf("%s: %s", old, diff)
		}
	}
}

// refs are writes of every kind that follow a reference to another object.
func refs() []row {
	return []row{
		{sentence: "a release through a repository", new: release(podinfoSpec)},
		{sentence: "a release through an OCIRepository", new: byRef("apps", "")},
		{sentence: "a release through an OCIRepository elsewhere", new: byRef("team-b", ", namespace: apps")},
		{sentence: "a release through a HelmChart", new: release(`spec: {chartRef: {kind: HelmChart, name: podinfo}}`)},
		{sentence: "a release's status through a HelmChart", subresource: "status", new: release(`status: {helmChart: apps/podinfo}`)},
		{sentence: "a HelmChart", new: helmChart(helmChartSpec)},
		{sentence: "a HelmChart's artifact", subresource: "status", new: helmChart(helmChartSpec + "\nstatus: {artifact: {digest: \"" + hex("b") + "\"}}")},
		{sentence: "an OCIRepository", new: ociRepo(ociSpec(", ref: {tag: 1.0.0}"))},
		{sentence: "an OCIRepository's artifact", subresource: "status", new: ociRepo(ociSpec("") + "\nstatus: {artifact: {revision: \"" + hex("a") + "\", digest: \"" + hex("b") + "\"}}")},
	}
}

// slow answers when the caller has given up.
type slow struct{ honest bool }

func (s slow) Read(ctx context.Context, _ source.ID) ([]source.Object, error) {
	<-ctx.Done()
	if s.honest {
		return nil, ctx.Err()
	}
	return nil, nil
}

func (s slow) Releases(ctx context.Context, from source.ID) ([]source.Object, error) {
	return s.Read(ctx, from)
}

type twice struct{ objects []source.Object }

func (r twice) Read(context.Context, source.ID) ([]source.Object, error) {
	return append(r.objects, r.objects...), nil
}

func (r twice) Releases(context.Context, source.ID) ([]source.Object, error) { return nil, nil }

// Only absence is absence: what could not be read must never defer.
func TestReaderFailures(t *testing.T) {
	perr := &problem.Error{Kind: problem.KindSourceNotFound, Detail: "a reader's own idea of absence"}
	for _, c := range []struct {
		sentence string
		reader   source.Reader
		want     verdict.Reason
	}{
		{"a failure is an internal error", &cluster{err: errors.New("connection refused")}, verdict.InternalError},
		{"a failure that says absence is an internal error", &cluster{err: perr}, verdict.InternalError},
		{"a reader that stops at the deadline is a timeout", slow{true}, verdict.Timeout},
		{"a reader that returns nothing at the deadline is a timeout", slow{false}, verdict.Timeout},
	} {
		for _, r := range refs() {
			t.Run(c.sentence+"/"+r.sentence, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if _, waits := c.reader.(slow); !waits {
					ctx = t.Context()
				}
				e := source.NewExtractor(c.reader, source.Options{})
				changes, err := e.Changes(r.write(t))
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range e.Uses(ctx, changes) {
					target, ok := u.Target.(source.Unresolved)
					if got := verdict.FromError(target.Err).Reason; !ok || got != c.want || u.Defers(target.Err) {
						t.Errorf("got %s, want %s", show(u), c.want)
					}
				}
			})
		}
	}
}

func TestTwoObjectsOfOneNameAreNotAbsence(t *testing.T) {
	e := source.NewExtractor(twice{parse(t, acme)}, source.Options{})
	if diff := cmp.Diff([]string{"spec.chart.spec: ReferenceInvalid"}, usesOf(t.Context(), e, row{new: release(podinfoSpec)}.write(t))); diff != "" {
		t.Error(diff)
	}
}

// An absent source defers, because nothing can be pulled from it. Nothing else does.
func TestMissingSources(t *testing.T) {
	want := map[string][]string{
		"a release through a repository":               {"spec.chart.spec: SourceNotFound, deferred"},
		"a release through an OCIRepository":           {"spec.chartRef: SourceNotFound, deferred"},
		"a release through an OCIRepository elsewhere": {"spec.chartRef: SourceNotFound"},
		"a release through a HelmChart":                {"spec.chartRef: SourceNotFound, deferred"},
		"a release's status through a HelmChart":       {"status.helmChart: SourceNotFound, deferred"},
		"a HelmChart":                                  {"spec: SourceNotFound, deferred"},
		"a HelmChart's artifact":                       {"status.artifact: SourceNotFound"},
		"an OCIRepository":                             {"spec.ref: oci://ghcr.io/acme/charts/podinfo:1.0.0 Version, maybe"},
		"an OCIRepository's artifact":                  {"status.artifact: oci://ghcr.io/acme/charts/podinfo:latest Floating, maybe, pulled a/b incomparable"},
	}
	rows := refs()
	for i := range rows {
		rows[i].want = want[rows[i].sentence]
	}
	check(t, append(rows, []row{
		{sentence: "a HelmChart whose own repository is absent defers as well", cluster: helmChart(helmChartSpec), new: release(`spec: {chartRef: {kind: HelmChart, name: podinfo}}`), want: []string{"spec.chartRef: SourceNotFound, deferred"}},
		{sentence: "a HelmChart whose own repository is absent does not defer what it has pulled", cluster: helmChart(helmChartSpec + "\nstatus: {artifact: {digest: \"" + hex("b") + "\"}}"), new: release(`spec: {chartRef: {kind: HelmChart, name: podinfo}}`), want: []string{"spec.chartRef: SourceNotFound"}},
		{sentence: "an object of that name in another namespace is absence", cluster: object("HelmRepository", "team-b/acme", `spec: {type: oci, url: "oci://ghcr.io/acme"}`), new: release(podinfoSpec), want: []string{"spec.chart.spec: SourceNotFound, deferred"}},
		{sentence: "an own namespace that is spelled out defers", new: byRef("apps", ", namespace: apps"), want: []string{"spec.chartRef: SourceNotFound, deferred"}},
		{sentence: "a source that cannot be read does not defer", cluster: repository("spec: 1"), new: release(podinfoSpec), want: []string{"spec.chart.spec: ReferenceInvalid"}},
		{sentence: "a source that is not canonical does not defer", cluster: repository(`spec: {type: oci, url: "oci://ghcr.io/../x"}`), new: release(podinfoSpec), want: []string{"spec.chart.spec: ReferenceInvalid"}},
		{sentence: "a source from Git may come later", new: release(chartSpec("x", "1.0.0", "GitRepository", "absent", "")), want: []string{"spec.chart.spec: SourceNotFound, deferred"}},
	}...))
}

func TestMissingSourcesDenied(t *testing.T) {
	rows := refs()[:6]
	fields := []string{"spec.chart.spec", "spec.chartRef", "spec.chartRef", "spec.chartRef", "status.helmChart", "spec"}
	for i := range rows {
		rows[i].options.DenyMissingSource = true
		rows[i].want = []string{fields[i] + ": SourceNotFound"}
	}
	check(t, rows)
}

// An update that a careless reader would take for a repetition.
func TestFalseRepetitions(t *testing.T) {
	const (
		good = `{"chart":{"spec":{"chart":"podinfo","version":"6.7.1","sourceRef":{"kind":"HelmRepository","name":"acme"}}}}`
		evil = `{"chart":{"spec":{"chart":"evil","version":"6.7.1","sourceRef":{"kind":"HelmRepository","name":"acme"}}}}`
	)
	evilUse := []string{"spec.chart.spec: oci://ghcr.io/acme/charts/evil:6.7.1 Version"}
	for _, c := range []struct {
		sentence, old, new string
		want               []string
	}{
		{"a second spec, which counts", `{"spec":` + good + `}`, `{"spec":` + good + `,"spec":` + evil + `}`, evilUse},
		{"a first spec, of which Go's decoder keeps what the second does not set", `{"spec":` + good + `}`, `{"spec":{"chartRef":{"kind":"Warehouse"}},"spec":` + good + `}`, []string{"spec.chartRef: Unsupported"}},
		{"a second spec with an escaped name, which counts", `{"spec":` + good + `}`, `{"spec":` + good + `,"sp\u0065c":` + evil + `}`, evilUse},
		{"a first spec with an escaped name and no other", `{"sp\u0065c":` + good + `}`, `{"sp\u0065c":` + evil + `}`, evilUse},
		{"the old spec inside a string", `{"spec":` + good + `}`, `{"metadata":{"annotations":{"a":"\",\"spec\":{"}},"spec":` + evil + `}`, evilUse},
		{"a string that ends in a backslash before spec", `{"a":"\\","spec":` + good + `}`, `{"a":"\\","spec":` + evil + `}`, evilUse},
		{"the old spec inside metadata", `{"metadata":{"spec":` + good + `},"spec":` + good + `}`, `{"metadata":{"spec":` + good + `},"spec":` + evil + `}`, evilUse},
		{"the old spec in a list", `{"a":[{"spec":` + good + `}],"spec":` + good + `}`, `{"a":[{"spec":` + good + `}],"spec":` + evil + `}`, evilUse},
		{"an old object that is cut off", `{"spec":` + good, `{"spec":` + good + `}`, []string{podinfoUse}},
		{"a spec that was null", `{"spec":null}`, `{"spec":` + good + `}`, []string{podinfoUse}},
		{"a spec that was absent", `{}`, `{"spec":` + good + `}`, []string{podinfoUse}},
		{"a spec that was under another name", `{"Spec":` + good + `}`, `{"spec":` + good + `}`, []string{podinfoUse}},
		{"other white space is no news", `{"spec":` + good + `}`, " {\n \"spec\" :\t" + good + " , \"a\" : [ 1 , true ] }\n", nil},
		{"other fields are no news", `{"a":1,"spec":` + good + `}`, `{"b":"{\"","spec":` + good + `,"c":[[],{}],"d":-1.5e3,"e":null}`, nil},
		{"an empty object is no news", `{"a":1}`, `{ }`, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := source.Write{
				Object: source.Object{ID: source.ID{Group: helmGroup, Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, JSON: []byte(c.new)}, Old: []byte(c.old),
			}
			e := source.NewExtractor(&cluster{objects: parse(t, acme)}, source.Options{})
			if diff := cmp.Diff(c.want, usesOf(t.Context(), e, w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFalseRepetitionsOfStatus(t *testing.T) {
	const good, evil = `{"helmChart":"apps/podinfo"}`, `{"helmChart":"apps/evil"}`
	for _, c := range []struct{ sentence, old, new string }{
		{"a second status", `{"status":` + good + `}`, `{"status":` + good + `,"status":` + evil + `}`},
		{"a second field", `{"status":` + good + `}`, `{"status":{"helmChart":"apps/podinfo","helmChart":"apps/evil"}}`},
		{"an escaped field", `{"status":` + good + `}`, `{"status":{"helmChart":"apps/podinfo","helm\u0043hart":"apps/evil"}}`},
		{"the field outside status", `{"helmChart":"apps/evil","status":` + good + `}`, `{"helmChart":"apps/evil","status":` + evil + `}`},
		{"a status that was null", `{"status":null}`, `{"status":` + evil + `}`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := source.Write{
				Object:      source.Object{ID: source.ID{Group: helmGroup, Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, JSON: []byte(c.new)},
				Subresource: "status", Old: []byte(c.old),
			}
			e := source.NewExtractor(&cluster{}, source.Options{})
			if diff := cmp.Diff([]string{"status.helmChart: SourceNotFound, deferred"}, usesOf(t.Context(), e, w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// 3 MiB hold a million empty sources: anyone who can write an Application could make chartgate
// compare each of them with each of the old object.
func TestAttackObjectsThatNameTooMuch(t *testing.T) {
	many := strings.Repeat(`{"repoURL":"ghcr.io/a","chart":"a","targetRevision":"1.0.0"},`, 1001)
	few := strings.Repeat(`{"repoURL":"ghcr.io/a","chart":"a","targetRevision":"1.0.0"},`, 1000)
	long := strings.Repeat("a", 200<<10)
	id := source.ID{Group: "argoproj.io", Kind: "Application", Namespace: "argocd", Name: "podinfo"}
	for _, c := range []struct {
		sentence, object string
		want             problem.Kind
	}{
		{"sources in spec", `{"spec":{"sources":[` + strings.TrimSuffix(many, ",") + `]}}`, problem.KindInvalid},
		{"sources of an operation", `{"operation":{"sync":{"sources":[` + strings.TrimSuffix(many, ",") + `]}}}`, problem.KindInvalid},
		{"sources of a state", `{"status":{"operationState":{"syncResult":{"sources":[` + strings.TrimSuffix(many, ",") + `]}}}}`, problem.KindInvalid},
		{"a thousand sources are read", `{"spec":{"sources":[` + strings.TrimSuffix(few, ",") + strings.Repeat(" ", 10) + `]}}`, 0},
		{"a long name", `{"spec":{"source":{"repoURL":"ghcr.io/a","chart":"` + long + `","targetRevision":"1.0.0"}}}`, problem.KindLimitExceeded},
		{"an empty list", `{"spec":{"sources":[ ]}}`, 0},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			_, err := source.NewExtractor(&cluster{}, source.Options{}).Changes(source.Write{Object: source.Object{ID: id, JSON: []byte(c.object)}})
			var perr *problem.Error
			switch {
			case c.want == 0 && err != nil:
				t.Error(err)
			case c.want != 0 && (!errors.As(err, &perr) || perr.Kind != c.want):
				t.Errorf("got %v", err)
			}
		})
	}
}

// An update of an Application of 250 KiB, in which each source differs from each of the old ones,
// took seconds of CPU. Four times as many sources may cost some four times as much.
func TestAttackSourcesThatAllChange(t *testing.T) {
	allocations := func(sources int) float64 {
		list := func(chart string) string {
			one := `{"repoURL":"a","chart":"` + chart + `","targetRevision":"1"},`
			return "[" + strings.TrimSuffix(strings.Repeat(one, sources), ",") + "]"
		}
		object := func(chart string) []byte {
			return []byte(`{"spec":{"sources":` + list(chart) + `},"operation":{"sync":{"sources":` + list(chart) + `}}}`)
		}
		id := source.ID{Group: argoGroup, Kind: "Application", Namespace: "argocd", Name: "podinfo"}
		w := source.Write{Object: source.Object{ID: id, JSON: object("new")}, Old: object("old")}
		e := source.NewExtractor(&cluster{}, source.Options{})
		return testing.AllocsPerRun(1, func() { _, _ = e.Changes(w) })
	}
	if few, many := allocations(200), allocations(800); many > 6*few {
		t.Errorf("200 sources cost %.0f allocations, 800 cost %.0f", few, many)
	}
}
