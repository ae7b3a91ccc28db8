package source_test

import (
	"fmt"
	"strings"
	"testing"
)

// stored is an OCIRepository of a generation that holds the artifact "a". Its conditions are those
// that follow the artifact.
func stored(generation int, more, conditions string) string {
	repo := ociRepo(ociSpec(", ref: {tag: 6.7.1}"+more) + fmt.Sprintf("\nstatus: {artifact: {revision: %q, digest: %q}, conditions: [%s]}", "6.7.1@"+hex("a"), hex("b"), conditions))
	return strings.Replace(repo, "metadata: {", fmt.Sprintf("metadata: {generation: %d, ", generation), 1)
}

func inStorage(observed int, digit string) string {
	return fmt.Sprintf(`{type: Ready, status: "True", message: x, observedGeneration: 9}, {type: ArtifactInStorage, status: "True", message: "stored artifact for digest '6.7.1@%s'", observedGeneration: %d}`, hex(digit), observed)
}

// Without a signature, only the spec for which an artifact was pulled tells where it comes from.
func TestAnOCIRepositoryHoldsWhatItsPresentSpecNames(t *testing.T) {
	const (
		at        = "oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"
		pulled    = ", pulled a/b incomparable by the controller"
		take      = "status.artifact: " + at + ", maybe" + pulled
		elsewhere = "status.artifact: " + at + ", from elsewhere, maybe" + pulled
	)
	check(t, onOrigin(onStatus([]row{
		{sentence: "pulled for the present spec", user: fluxUser, new: stored(2, "", inStorage(2, "a")), want: []string{take}},
		{sentence: "pulled before the spec was changed", user: fluxUser, new: stored(3, "", inStorage(2, "a")), want: []string{elsewhere}},
		{sentence: "and suspended", user: fluxUser, new: stored(3, ", suspend: true", inStorage(2, "a")), want: []string{elsewhere}},
		{sentence: "pulled for a spec that does not exist yet", user: fluxUser, new: stored(2, "", inStorage(3, "a")), want: []string{elsewhere}},
		{sentence: "the present spec names another digest", user: fluxUser, new: stored(2, "", inStorage(2, "c")), want: []string{elsewhere}},
		{sentence: "a message of another version without a digest", user: fluxUser, new: stored(2, "", `{type: ArtifactInStorage, status: "True", message: stored, observedGeneration: 2}`), want: []string{take}},
		{sentence: "an artifact that is lost", user: fluxUser, new: stored(2, "", strings.Replace(inStorage(2, "a"), `InStorage, status: "True"`, `InStorage, status: "False"`, 1)), want: []string{elsewhere}},
		{sentence: "no condition", user: fluxUser, new: stored(2, "", ""), want: []string{elsewhere}},
		{sentence: "only another condition", user: fluxUser, new: stored(2, "", `{type: Ready, status: "True", observedGeneration: 2}`), want: []string{elsewhere}},
		{sentence: "two conditions, of which one is of an older spec", user: fluxUser, new: stored(2, "", inStorage(2, "a")+", "+inStorage(1, "a")), want: []string{elsewhere}},
		{sentence: "a new spec for the same artifact is no news", user: fluxUser, old: stored(2, "", inStorage(1, "a")), new: stored(2, "", inStorage(2, "a"))},
	})))

	const byReference = "spec: {chartRef: {kind: OCIRepository, name: podinfo}}\n"
	install := release(byReference + `status: {conditions: [{type: Reconciling, message: "Running 'install' action with timeout of 5m0s"}]}`)
	attempt := release(byReference + fmt.Sprintf("status: {lastAttemptedRevision: 6.7.1, lastAttemptedRevisionDigest: %q}", hex("a")))
	check(t, onOrigin(onStatus([]row{
		{sentence: "an install of what was pulled for the present spec", user: helmUser, cluster: stored(2, "", inStorage(2, "a")), new: install, want: []string{"status.conditions: " + at + pulled}},
		{sentence: "an install of what was pulled before", user: helmUser, cluster: stored(3, ", suspend: true", inStorage(2, "a")), new: install, want: []string{"status.conditions: " + at + ", from elsewhere" + pulled}},
		{sentence: "the record of it", user: helmUser, cluster: stored(3, ", suspend: true", inStorage(2, "a")), new: attempt, want: []string{"status.lastAttemptedRevision: " + at + ", from elsewhere" + pulled}},
	})))
	check(t, onOrigin([]row{
		{sentence: "a release may be written together with its source", cluster: stored(3, "", inStorage(2, "a")), new: release(byReference), want: []string{"spec.chartRef: " + at + pulled}},
	}))
}

// A classic repository is compared like Git: a HelmChart must have been built from the index that
// is pulled for the present URL.
func TestAnArtifactFromAClassicRepositoryIsOfThePresentURL(t *testing.T) {
	const take = "status.artifact: https://charts.acme.example/stable/podinfo:1.0.0 Version, pulled -/b by the controller"
	elsewhere := strings.Replace(take, ", pulled", fromElsewhere+", pulled", 1)
	index := func(generation, observed int, revision string) string {
		return strings.Replace(object("HelmRepository", "apps/classic", fmt.Sprintf(`spec: {url: "https://charts.acme.example/stable"}
status: {artifact: {revision: %q}, conditions: [{type: ArtifactInStorage, status: "True", observedGeneration: %d}]}`, revision, observed)),
			"metadata: {", fmt.Sprintf("metadata: {generation: %d, ", generation), 1)
	}
	built := helmChart(`spec: {chart: podinfo, version: 1.0.0, sourceRef: {kind: HelmRepository, name: classic}}
status: {observedSourceArtifactRevision: "sha256:aa", artifact: {revision: 1.0.0, digest: "` + hex("b") + `"}}`)
	check(t, onOrigin(onStatus([]row{
		{sentence: "built from the index of the present URL", cluster: index(2, 2, "sha256:aa"), user: fluxUser, new: built, want: []string{take}},
		{sentence: "built before the repository got its URL", cluster: index(3, 2, "sha256:aa"), user: fluxUser, new: built, want: []string{elsewhere}},
		{sentence: "built from another index", cluster: index(3, 3, "sha256:cc"), user: fluxUser, new: built, want: []string{elsewhere}},
		{sentence: "built through a repository in a registry, which has no index", cluster: index(2, 2, "sha256:aa"), user: fluxUser, new: strings.Replace(built, `"sha256:aa"`, `""`, 1), want: []string{elsewhere}},
	})))
}

// The conditions decide where no signature does, so only source-controller may write this one.
func TestForgedRecordsOfSourceController(t *testing.T) {
	const forged = "status.conditions: Unsupported"
	without := func(kind string) string {
		return strings.Replace(ociRepo(ociSpec("")+"\nstatus: {conditions: [{type: Ready, status: x}]}"), "OCIRepository", kind, 1)
	}
	with := func(kind string, observed int) string {
		return strings.Replace(ociRepo(ociSpec("")+"\nstatus: {conditions: ["+inStorage(observed, "a")+"]}"), "OCIRepository", kind, 1)
	}
	for _, kind := range []string{"OCIRepository", "HelmChart"} {
		check(t, onStatus([]row{
			{sentence: kind + ": an editor adds the condition", old: without(kind), new: with(kind, 1), want: []string{forged}},
			{sentence: kind + ": an editor changes its generation", old: with(kind, 1), new: with(kind, 2), want: []string{forged}},
			{sentence: kind + ": an editor removes it", old: with(kind, 1), new: without(kind), want: []string{forged}},
			{sentence: kind + ": an editor creates it", new: with(kind, 1), want: []string{forged}},
			{sentence: kind + ": helm-controller writes it", user: helmUser, old: without(kind), new: with(kind, 1), want: []string{forged}},
			{sentence: kind + ": source-controller writes it", user: fluxUser, old: without(kind), new: with(kind, 1)},
			{sentence: kind + ": an editor changes another condition", old: with(kind, 1), new: strings.Replace(with(kind, 1), "message: x", "message: z", 1)},
		}))
	}
}
