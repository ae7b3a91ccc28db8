package source_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/source"
)

// helm-controller announces and records each install and upgrade in the status of the
// HelmRelease. These are the writes that it makes (observed with 1.6.4), and what others
// could make of them.
func TestAttempt(t *testing.T) {
	const byReference = "spec: {chartRef: {kind: OCIRepository, name: podinfo}}\n"
	pulled := func(spec, digit string) string {
		return ociRepo(ociSpec(spec) + fmt.Sprintf("\nstatus: {artifact: {revision: %q, digest: %q}}", "6.7.1@"+hex(digit), hex("b")))
	}
	chartPulled := acme + object("HelmChart", "apps/apps-podinfo", `spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`+"\nstatus: {artifact: {digest: \""+hex("b")+"\"}}")
	attempt := func(spec, digest string) string {
		return release(spec + fmt.Sprintf("status: {helmChart: apps/podinfo, lastAttemptedRevision: 6.7.1+%[1]s, lastAttemptedRevisionDigest: %[1]q}", digest))
	}
	running := func(action string) string {
		return release(byReference + fmt.Sprintf("status: {conditions: [{type: Ready, message: \"Running 'install' x\"}, {type: Reconciling, message: %q}]}", action))
	}
	const none = "status: {conditions: [{type: Reconciling, message: Fulfilling prerequisites}]}"
	const attempted, announced = "status.lastAttemptedRevision: ", "status.conditions: "
	const podinfo = "oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, pulled "
	byChart := podinfoSpec + "\n"
	check(t, onStatus([]row{
		{sentence: "an attempt from an OCIRepository is verified by what it has pulled", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old: release(byReference + none), new: attempt(byReference, hex("a")), want: []string{"status.helmChart: SourceNotFound, deferred", attempted + podinfo + "a/b by the controller"}},
		{sentence: "one that says nothing of charts is still a chart", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}", "a"),
			old: attempt(byReference, hex("c")), new: attempt(byReference, hex("a")), want: []string{attempted + podinfo + "a/b incomparable by the controller"}},
		{sentence: "an attempt of another digest than the artifact's is denied", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}", "d"),
			old: attempt(byReference, hex("c")), new: attempt(byReference, hex("a")), want: []string{attempted + "DigestMismatch"}},
		{sentence: "helm-controller names the whole revision where the tag is no version", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old: release(byReference + none), new: release(byReference + fmt.Sprintf("status: {lastAttemptedRevision: 6.7.1, lastAttemptedRevisionDigest: %q}", "latest@"+hex("a"))),
			want: []string{attempted + podinfo + "a/b by the controller"}},
		{sentence: "of which the digest must be the artifact's too", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old: release(byReference + none), new: release(byReference + fmt.Sprintf("status: {lastAttemptedRevision: 6.7.1, lastAttemptedRevisionDigest: %q}", "latest@"+hex("d"))),
			want: []string{attempted + "DigestMismatch"}},
		{sentence: "an attempt from an OCIRepository without a digest is denied", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}", "a"),
			old: release(byReference + none), new: release(byReference + "status: {lastAttemptedRevision: 6.7.1}"), want: []string{attempted + "DigestMismatch"}},
		{sentence: "an attempt from what has pulled nothing is denied, and does not wait", user: helmUser, cluster: ociRepo(ociSpec(", ref: {tag: 6.7.1}")),
			old: attempt(byReference, hex("c")), new: attempt(byReference, hex("a")), want: []string{attempted + "SourceNotFound"}},
		{sentence: "an attempt from what does not exist is denied, and does not wait", user: helmUser,
			old: attempt(byReference, hex("c")), new: attempt(byReference, hex("a")), want: []string{attempted + "SourceNotFound"}},
		{sentence: "an attempt through a HelmChart is verified by what it has pulled", user: helmUser, cluster: chartPulled,
			old: release(byChart + "status: {helmChart: apps/podinfo}"), new: release(byChart + "status: {helmChart: apps/podinfo, lastAttemptedRevision: 6.7.1}"),
			want: []string{attempted + podinfo + "-/b by the controller"}},
		{sentence: "a HelmChart tells no digest, so an attempt that names one is denied", user: helmUser, cluster: chartPulled,
			old: release(byChart + "status: {helmChart: apps/podinfo}"), new: attempt(byChart, hex("a")), want: []string{attempted + "DigestMismatch"}},
		{sentence: "an attempt without a source is denied", user: helmUser, old: release("spec: {}\n" + none), new: release("spec: {}\nstatus: {lastAttemptedRevision: 6.7.1}"),
			want: []string{attempted + "ReferenceInvalid"}},
		{sentence: "an attempt from an ExternalArtifact is denied", user: helmUser, old: release(none), new: release("spec: {chartRef: {kind: ExternalArtifact, name: x}}\nstatus: {lastAttemptedRevision: 6.7.1}"),
			want: []string{attempted + "Unsupported"}},
		{sentence: "other values with the same chart are an attempt", user: helmUser, cluster: chartPulled,
			old: release(byChart + "status: {helmChart: apps/podinfo, lastAttemptedRevision: 6.7.1, lastAttemptedConfigDigest: a}"),
			new: release(byChart + "status: {helmChart: apps/podinfo, lastAttemptedRevision: 6.7.1, lastAttemptedConfigDigest: b}"), want: []string{attempted + podinfo + "-/b by the controller"}},
		{sentence: "the HelmChart of the template counts, whatever status names", user: helmUser, cluster: chartPulled + object("HelmChart", "evil/x", `spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`),
			old: release(byChart + "status: {helmChart: evil/x}"), new: release(byChart + "status: {helmChart: evil/x, lastAttemptedRevision: 6.7.1}"), want: []string{attempted + podinfo + "-/b by the controller"}},
		{sentence: "a record that another source has left behind is no attempt", user: helmUser, cluster: chartPulled,
			old: release(byChart + fmt.Sprintf("status: {lastAttemptedRevision: 6.7.1, lastAttemptedRevisionDigest: %q}", hex("a"))),
			new: release(byChart + fmt.Sprintf("status: {helmChart: apps/apps-podinfo, lastAttemptedRevision: 6.7.1, lastAttemptedRevisionDigest: %q}", hex("a"))), want: []string{"status.helmChart: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, pulled -/b by the controller"}},
		{sentence: "a second condition of an editor's does not hide the announcement", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old:  release(byReference + `status: {conditions: [{type: Reconciling, message: Fulfilling prerequisites}, {type: Reconciling, message: "Running 'install' action with timeout of 5m0s"}]}`),
			new:  release(byReference + `status: {conditions: [{type: Reconciling, message: "Running 'install' action with timeout of 5m0s"}, {type: Reconciling, message: "Running 'install' action with timeout of 5m0s"}]}`),
			want: []string{announced + podinfo + "a/b by the controller"}},
		{sentence: "another generation alone is no attempt", user: helmUser,
			old: release(byChart + "status: {lastAttemptedRevision: 6.7.1, lastAttemptedGeneration: 1}"), new: release(byChart + "status: {lastAttemptedRevision: 6.7.1, lastAttemptedGeneration: 2}")},
		{sentence: "an install that is announced is verified", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old: release(byReference + none), new: running("Running 'install' action with timeout of 5m0s"), want: []string{announced + podinfo + "a/b by the controller"}},
		{sentence: "so is an upgrade", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old: release(byReference + none), new: running("Running 'upgrade' action with timeout of 5m0s"), want: []string{announced + podinfo + "a/b by the controller"}},
		{sentence: "so is an action that does not exist yet", user: helmUser, cluster: pulled(", ref: {tag: 6.7.1}, "+copyLayer, "a"),
			old: release(byReference + none), new: running("Running 'adopt' action"), want: []string{announced + podinfo + "a/b by the controller"}},
		{sentence: "a rollback deploys what is stored", user: helmUser, old: release(byReference + none), new: running("Running 'rollback' action with timeout of 5m0s")},
		{sentence: "a correction of drift deploys what is stored", user: helmUser, old: release(byReference + none), new: running("Running 'correct cluster drift' action with timeout of 5m0s")},
		{sentence: "a removal deploys nothing", user: helmUser, old: release(byReference + none), new: running("Running 'uninstall' action with timeout of 5m0s")},
		{sentence: "the end of an action is no news", user: helmUser, old: running("Running 'install' action with timeout of 5m0s"), new: release(byReference + none)},
		{sentence: "the record of helm-controller is left alone", user: helmUser, old: release(none), new: release(none + "\n" + `x: y`)},
		{sentence: "its history is left alone", user: helmUser, old: release("status: {}"), new: release("status: {history: [{name: x, digest: y}]}")},
	}))
}

// brokenIndex is a Reader whose index of HelmReleases answers nothing.
type brokenIndex struct{ *cluster }

func (brokenIndex) Releases(context.Context, source.ID) ([]source.Object, error) {
	return nil, errors.New("injected")
}

// The index of HelmReleases may be behind. The last gate does not ask it.
func TestTheLastGateNeedsNoIndex(t *testing.T) {
	const spec = "spec: {chartRef: {kind: OCIRepository, name: podinfo}}\n"
	pulled := ociRepo(ociSpec(", ref: {tag: 6.7.1}") + fmt.Sprintf("\nstatus: {artifact: {revision: %q, digest: %q}}", "6.7.1@"+hex("a"), hex("b")))
	e := source.NewExtractor(brokenIndex{&cluster{objects: parse(t, pulled)}}, source.Options{ReleaseWriters: []string{helmUser}})
	w := row{user: helmUser, subresource: "status", old: release(spec), new: release(spec + fmt.Sprintf("status: {lastAttemptedRevision: x, lastAttemptedRevisionDigest: %q}", hex("a")))}
	want := []string{"status.lastAttemptedRevision: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, pulled a/b incomparable by the controller"}
	if diff := cmp.Diff(want, withoutOrigin(usesOf(t.Context(), e, w.write(t)))); diff != "" {
		t.Error(diff)
	}
}

func TestForgedRecordsOfHelmController(t *testing.T) {
	const forged = "status: Unsupported"
	honest := `status: {lastAttemptedRevision: 6.7.1, history: [{name: x, digest: y}, {name: x, digest: z}]}`
	check(t, onStatus([]row{
		{sentence: "an editor adds to the history", old: release("status: {}"), new: release("status: {history: [{name: x, digest: y}]}"), want: []string{forged}},
		{sentence: "an editor changes a digest in the history", old: release(honest), new: release(`status: {lastAttemptedRevision: 6.7.1, history: [{name: x, digest: v}, {name: x, digest: z}]}`), want: []string{forged}},
		{sentence: "an editor removes the last entry of the history", old: release(honest), new: release(`status: {lastAttemptedRevision: 6.7.1, history: [{name: x, digest: z}]}`), want: []string{forged}},
		{sentence: "an editor removes the history", old: release(honest), new: release(`status: {lastAttemptedRevision: 6.7.1}`), want: []string{forged}},
		{sentence: "an editor writes the attempt before helm-controller does, so that it is no news", old: release("status: {}"), new: release("status: {lastAttemptedRevision: 6.7.1}"), want: []string{forged}},
		{sentence: "an editor writes the digest of the attempt", old: release("status: {}"), new: release("status: {lastAttemptedRevisionDigest: x}"), want: []string{forged}},
		{sentence: "an editor writes the values of the attempt", old: release("status: {}"), new: release("status: {lastAttemptedConfigDigest: x}"), want: []string{forged}},
		{sentence: "an editor announces the action before helm-controller does", old: release("status: {}"), new: release(`status: {conditions: [{type: Reconciling, message: "Running 'install' action with timeout of 5m0s"}]}`), want: []string{forged}},
		{sentence: "an editor adds a condition by which helm-controller would announce nothing", old: release("status: {conditions: [{type: Reconciling, message: a}]}"), new: release("status: {conditions: [{type: Reconciling, message: a}, {type: Reconciling, message: b}]}"), want: []string{forged}},
		{sentence: "an editor removes it again", old: release("status: {conditions: [{type: Reconciling, message: a}, {type: Reconciling, message: b}]}"), new: release("status: {conditions: [{type: Reconciling, message: a}]}")},
		{sentence: "Flux's other controllers are not helm-controller", user: fluxUser, old: release("status: {}"), new: release("status: {history: [{name: x, digest: y}]}"), want: []string{forged}},
		{sentence: "the same history in another order of fields is no news", old: release(honest), new: release(`status: {history: [{digest: y, name: x}, {digest: z, name: x}], lastAttemptedRevision: 6.7.1, observedGeneration: 3}`)},
		{sentence: "conditions of others are no record", old: release(honest), new: release(honest[:len(honest)-1] + `, conditions: [{type: Ready, message: x}]}`)},
	}))
}
