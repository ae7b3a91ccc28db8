package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

var (
	digestSource = `{repoURL: "oci://ghcr.io/acme/charts/podinfo", targetRevision: "` + hex("a") + `"}`

	helmSpec   = "spec: {source: " + helmSource + "}\n"
	nativeSpec = "spec: {source: " + nativeSource + "}\n"
	digestSpec = "spec: {source: " + digestSource + "}\n"
)

// Each row was seen to deploy the attacker's content with Argo CD 3.2.1, from one request by a user
// who can edit Applications.
func TestForgeries(t *testing.T) {
	const benign = "operation: {sync: {revision: 6.7.1}}\n"
	const running = "status: {operationState: {phase: Running, "
	const operation = "operation.sync.source" + podinfoAt
	const state = "status.operationState."
	evilSync := "{sync: {source: " + evilSource + ", revision: 1.0.0}}"
	check(t, []row{
		{sentence: "1: a benign operation with another source in syncResult", old: app(helmSpec),
			new:  app(helmSpec + benign + running + "operation: {sync: {revision: 6.7.1}}, syncResult: {source: " + evilSource + ", revision: 1.0.0}}}"),
			want: []string{operation, state + "operation.sync.source" + podinfoAt, state + "syncResult.source" + evilAt, state + "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.0.0 Version"}},
		{sentence: "2: a benign operation with another source in the state's operation, and no syncResult", old: app(helmSpec),
			new:  app(helmSpec + benign + running + "operation: " + evilSync + "}}"),
			want: []string{operation, state + "operation.sync.source" + evilAt}},
		{sentence: "3: a benign operation with a state that has finished and is retried", old: app(helmSpec),
			new:  app(helmSpec + benign + running + `finishedAt: "2020-01-01T00:00:00Z", syncResult: {source: ` + helmSource + ", revision: 6.7.1}, operation: " + evilSync + "}}"),
			want: []string{operation, state + "operation.sync.source" + evilAt, state + "syncResult.source" + podinfoAt, state + "operation.sync.source: oci://ghcr.io/evil/x:6.7.1 Version"}},
		{sentence: "4: manifests in the state's operation", old: app(helmSpec),
			new:  app(helmSpec + benign + running + "operation: {sync: {revision: 6.7.1, manifests: ['{}']}}}}"),
			want: []string{operation, state + "operation.sync.source" + podinfoAt, state + "operation.sync.manifests: Unsupported"}},
		{sentence: "5: the state first, for a benign operation in a second request", old: app(helmSpec),
			new:  app(helmSpec + running + "operation: " + evilSync + "}}"),
			want: []string{state + "operation.sync.source" + evilAt}},
		{sentence: "6: an operation with another source than spec", old: app(helmSpec),
			new:  app(helmSpec + "operation: " + evilSync),
			want: []string{"operation.sync.source" + evilAt}},
		{sentence: "7: an operation with manifests for a chart", old: app(helmSpec),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1, manifests: ['{}']}}"),
			want: []string{operation, "operation.sync.manifests: Unsupported"}},
		{sentence: "8: an application that is created with a forged operation or state",
			new:  app(helmSpec + "operation: " + evilSync + "\n" + running + "operation: " + evilSync + ", syncResult: {source: " + evilSource + ", revision: 1.0.0}}}"),
			want: []string{"spec.source" + podinfoAt, "operation.sync.source" + evilAt, state + "operation.sync.source" + evilAt, state + "syncResult.source" + evilAt}},
	})
}

func TestOperation(t *testing.T) {
	operation := func(sync string) string { return app(helmSpec + "operation: {sync: {" + sync + "}}") }
	const at = "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:"
	native := "source: " + nativeSource
	digest := `"` + hex("a") + `"`
	pinned := ": oci://ghcr.io/acme/charts/podinfo@" + hex("a") + " Digest"
	atDigest := "operation.sync.source" + pinned
	mixed := "spec: {sources: [" + helmSource + ", " + nativeSource + ", " + digestSource + "]}\n"
	hydratedSpec := "spec: {sourceHydrator: {drySource: " + gitSource + ", syncSource: {repoURL: \"oci://ghcr.io/evil/x\", targetBranch: 1.0.0}}}\n"
	sources := "spec: {sources: [" + helmSource + ", " + gitSource + ", " + evilSource + "]}\n"
	check(t, []row{
		{sentence: "a sync deploys spec at its revision", old: app(helmSpec), new: operation("revision: 6.7.0"), want: []string{at + "6.7.0 Version"}},
		{sentence: "a sync that repeats spec is examined all the same", old: app(helmSpec), new: operation("revision: 6.7.1"), want: []string{at + "6.7.1 Version"}},
		{sentence: "a sync that says nothing pulls the version of a Helm source", old: app(helmSpec), new: operation(""), want: []string{at + "6.7.1 Version"}},
		{sentence: "a sync to a range floats", old: app(helmSpec), new: operation(`revision: "6.x"`), want: []string{at + "6.x Floating"}},
		{sentence: "a sync whose retry takes whatever is newest is resolved later, unseen", old: app(nativeSpec),
			new: app(nativeSpec + "operation: {retry: {refresh: true}, sync: {revision: " + digest + "}}"), want: []string{atDigest, at + "6.7.1 Floating"}},
		{sentence: "of a Helm source it pulls the version that spec names then", old: app(helmSpec),
			new: app(helmSpec + "operation: {retry: {refresh: true}, sync: {revision: 6.7.0}}"), want: []string{at + "6.7.0 Version", at + "6.7.1 Version"}},
		{sentence: "a sync that retries the same revision is pinned", old: app(helmSpec),
			new: app(helmSpec + "operation: {retry: {limit: 5}, sync: {revision: 6.7.1}}"), want: []string{at + "6.7.1 Version"}},
		{sentence: "turning the newest on in a running operation is news", old: app(nativeSpec + "operation: {sync: {revision: " + digest + "}}"),
			new: app(nativeSpec + "operation: {retry: {refresh: true}, sync: {revision: " + digest + "}}"), want: []string{atDigest, at + "6.7.1 Floating"}},
		{sentence: "a native sync to a digest is pinned", old: app(helmSpec), new: operation(native + ", revision: \"" + hex("a") + "\""), want: []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo@" + hex("a") + " Digest"}},
		{sentence: "a sync of a hydrator deploys the repository that it syncs from", old: app(hydratedSpec), new: app(hydratedSpec + "operation: {sync: {revision: \"" + hex("e") + "\"}}"),
			want: []string{"operation.sync.source: oci://ghcr.io/evil/x@" + hex("e") + " Digest"}},
		{sentence: "a sync of another source brings its own revision", old: app(helmSpec), new: operation("source: " + evilSource), want: []string{"operation.sync.source" + evilAt}},
		{sentence: "an empty source means spec", old: app(helmSpec), new: operation("source: {}, revision: 6.7.0"), want: []string{at + "6.7.0 Version"}},
		{sentence: "the same operation is no news", old: operation("revision: 6.7.1"), new: operation("revision: 6.7.1, prune: true")},
		{sentence: "spec that changes below an operation changes the operation", old: operation("revision: 6.7.1"), new: app("spec: {source: {repoURL: ghcr.io/evil, chart: x, targetRevision: 1.0.0}}\noperation: {sync: {revision: 6.7.1}}"),
			want: []string{"spec.source" + evilAt, "operation.sync.source: oci://ghcr.io/evil/x:6.7.1 Version"}},
		{sentence: "clearing the operation is no news", old: operation("revision: 6.7.1"), new: app(helmSpec)},
		{sentence: "an operation without a sync does nothing", old: app(helmSpec), new: app(helmSpec + "operation: {initiatedBy: {username: x}}")},
		{sentence: "sources of a sync beat its source, and both are examined", old: app(helmSpec), new: operation("source: " + evilSource + ", revision: 1.0.0, sources: [" + helmSource + "], revisions: [6.7.1]"),
			want: []string{"operation.sync.source" + evilAt, "operation.sync.sources[0]" + podinfoAt}},
		{sentence: "revisions go with sources by position", old: app(sources),
			new:  app(sources + "operation: {sync: {revisions: [6.7.0, main, 1.0.1]}}"),
			want: []string{"operation.sync.sources[0]: oci://ghcr.io/acme/charts/podinfo:6.7.0 Version", "operation.sync.sources[2]: oci://ghcr.io/evil/x:1.0.1 Version"}},
		{sentence: "a list of revisions of another length counts for no source", old: app(sources),
			new:  app(sources + "operation: {sync: {revisions: [6.7.0]}}"),
			want: []string{"operation.sync.sources[0]" + podinfoAt, "operation.sync.sources[2]" + evilAt}},
		{sentence: "a single revision does not pin several sources", old: app(sources),
			new:  app(sources + "operation: {sync: {revision: 6.7.1}}"),
			want: []string{"operation.sync.sources[0]" + podinfoAt, "operation.sync.sources[2]" + evilAt}},
		{sentence: "a sync of several sources without revisions is pinned where they are", old: app(mixed), new: app(mixed + "operation: {sync: {}}"),
			want: []string{"operation.sync.sources[0]" + podinfoAt, "operation.sync.sources[1]: oci://ghcr.io/acme/charts/podinfo:6.7.1 Floating", "operation.sync.sources[2]" + pinned}},
		{sentence: "a sync of Git is outside the gate, with manifests too", new: app("spec: {source: " + gitSource + "}\noperation: {sync: {manifests: ['{}']}}")},
		{sentence: "a sync of Git is denied where the admin says so", options: source.Options{DenyArgoGit: true}, old: app("spec: {source: " + gitSource + "}"),
			new:  app("spec: {source: " + gitSource + "}\noperation: {sync: {revision: main, manifests: ['{}']}}"),
			want: []string{"operation.sync.source: git://github.com/acme/config//apps?ref=main Floating", "operation.sync.manifests: Unsupported"}},
		{sentence: "a chart in a sync of an application from Git is examined", old: app("spec: {source: " + gitSource + "}"),
			new: app("spec: {source: " + gitSource + "}\noperation: {sync: {revision: 1.0.0, source: " + evilSource + "}}"), want: []string{"operation.sync.source" + evilAt}},
		{sentence: "other manifests than before are news", old: operation("revision: 6.7.1, manifests: [a]"), new: operation("revision: 6.7.1, manifests: [a, b]"), want: []string{"operation.sync.manifests: Unsupported"}},
		{sentence: "Argo CD's own operation is examined", user: argoUser, old: app(helmSpec), new: operation("revision: 6.7.1"), want: []string{at + "6.7.1 Version"}},
	})
}

// The syncs that an ApplicationSet with RollingSync starts say nothing but how to retry: the
// controller then takes the revision of spec, and again at each retry.
func TestRollingSync(t *testing.T) {
	const (
		user = "system:serviceaccount:argocd:argocd-applicationset-controller"
		sync = "operation: {initiatedBy: {username: applicationset-controller, automated: true}, retry: {limit: 5}, sync: {}}\n"
		at   = "operation.sync.source"
	)
	pinned := ": oci://ghcr.io/acme/charts/podinfo@" + hex("a") + " Digest"
	named := func(more string) string { return "spec: {source: {" + more + "}}\n" }
	tagged := named(`repoURL: "oci://ghcr.io/acme/charts/podinfo", targetRevision: "6.7.1@` + hex("a") + `"`)
	inRange := named(`repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: "6.x"`)
	incomplete := named(`repoURL: ghcr.io/acme/charts, chart: podinfo, targetRevision: "6.7"`)
	evil := "spec: {source: " + evilSource + "}\n"
	hydrated := `spec: {sourceHydrator: {drySource: ` + gitSource + `, syncSource: {repoURL: "oci://ghcr.io/acme/charts/podinfo", targetBranch: %q}}}` + "\n"
	byTag, byDigest := fmt.Sprintf(hydrated, "6.7.1"), fmt.Sprintf(hydrated, hex("a"))
	denyGit := source.Options{DenyArgoGit: true}
	git := func(revision string) string {
		return named("repoURL: https://github.com/acme/config, path: apps, targetRevision: " + revision)
	}
	commit := strings.Repeat("a", 40)
	check(t, []row{
		{sentence: "of a Helm source it pulls the version", user: user, old: app(helmSpec), new: app(helmSpec + sync), want: []string{at + podinfoAt}},
		{sentence: "of a native source by digest it pulls the digest", user: user, old: app(digestSpec), new: app(digestSpec + sync), want: []string{at + pinned}},
		{sentence: "with a tag before the digest too", user: user, old: app(tagged), new: app(tagged + sync), want: []string{at + ": oci://ghcr.io/acme/charts/podinfo:6.7.1@" + hex("a") + " Digest"}},
		{sentence: "a tag of a native source is looked up then", user: user, old: app(nativeSpec), new: app(nativeSpec + sync), want: []string{at + ": oci://ghcr.io/acme/charts/podinfo:6.7.1 Floating"}},
		{sentence: "so is a range", user: user, old: app(inRange), new: app(inRange + sync), want: []string{at + ": oci://ghcr.io/acme/charts/podinfo:6.x Floating"}},
		{sentence: "an incomplete version floats as it does in spec", user: user, old: app(incomplete), new: app(incomplete + sync), want: []string{at + ": oci://ghcr.io/acme/charts/podinfo:6.7 Floating"}},
		{sentence: "a tag that a hydrator syncs from is looked up then", user: user, old: app(byTag), new: app(byTag + sync), want: []string{at + ": oci://ghcr.io/acme/charts/podinfo:6.7.1 Floating"}},
		{sentence: "a digest is not", user: user, old: app(byDigest), new: app(byDigest + sync), want: []string{at + pinned}},
		{sentence: "a commit of Git is pulled as it is", options: denyGit, user: user, old: app(git(commit)), new: app(git(commit) + sync), want: []string{at + ": git://github.com/acme/config//apps?ref=" + commit + " Digest"}},
		{sentence: "a tag of Git is looked up", options: denyGit, user: user, old: app(git("v1.0.0")), new: app(git("v1.0.0") + sync), want: []string{at + ": git://github.com/acme/config//apps?ref=v1.0.0 Floating"}},
		{sentence: "another digest in spec changes what the next retry pulls", old: app(digestSpec + sync), new: app(strings.ReplaceAll(digestSpec, hex("a"), hex("e")) + sync),
			want: []string{"spec.source: oci://ghcr.io/acme/charts/podinfo@" + hex("e") + " Digest", at + ": oci://ghcr.io/acme/charts/podinfo@" + hex("e") + " Digest"}},
		{sentence: "a tag in spec is looked up by the next retry", old: app(digestSpec + sync), new: app(nativeSpec + sync),
			want: []string{"spec.source" + podinfoAt, at + ": oci://ghcr.io/acme/charts/podinfo:6.7.1 Floating"}},
		{sentence: "another chart in spec is what the next retry deploys", old: app(helmSpec + sync), new: app(evil + sync), want: []string{"spec.source" + evilAt, at + evilAt}},
	})
}

func TestOperationState(t *testing.T) {
	state := func(s string) string { return app(helmSpec + "status: {operationState: {" + s + "}}") }
	evil := "syncResult: {source: " + evilSource + ", revision: 1.0.0}"
	const result = "status.operationState.syncResult."
	check(t, []row{
		{sentence: "Argo CD's record of a sync is left alone", user: argoUser, old: app(helmSpec), new: state(evil)},
		{sentence: "a state that argocd-server carries into a new Application is examined", user: argoUser, new: app(helmSpec + "status: {operationState: {" + evil + "}}"),
			want: []string{"spec.source" + podinfoAt, result + "source" + evilAt}},
		{sentence: "an operation that is terminated deploys nothing", old: state("phase: Running, " + evil), new: state("phase: Terminating, " + evil)},
		{sentence: "an operation that is terminated and given another source is examined", old: state("phase: Running"), new: state("phase: Terminating, " + evil), want: []string{result + "source" + evilAt}},
		{sentence: "another user's state beside an operation that runs is denied, whatever it names", old: app(helmSpec + "operation: {sync: {revision: 6.7.1}}"),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, operation: {sync: {source: " + helmSource + ", revision: 6.7.1}}}}"),
			want: []string{"status.operationState: Unsupported"}},
		{sentence: "together with another operation too", old: app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, operation: {sync: {source: " + helmSource + ", revision: 6.7.1}}}}"),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.0}}\nstatus: {operationState: {phase: Running, operation: {sync: {source: " + evilSource + ", revision: 1.0.0}}}}"),
			want: []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo:6.7.0 Version", "status.operationState: Unsupported"}},
		{sentence: "so is one that takes a part of it away", old: app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, " + evil + "}}"),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running}}"),
			want: []string{"status.operationState: Unsupported"}},
		{sentence: "and one that retries it sooner", old: app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, retryCount: 1, " + evil + "}}"),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, retryCount: 0, " + evil + "}}"),
			want: []string{"status.operationState: Unsupported"}},
		{sentence: "and is examined as soon as it goes on", old: state("phase: Terminating, " + evil), new: state("phase: Running, " + evil), want: []string{result + "source" + evilAt}},
		{sentence: "or as a new operation would resume it", old: state("phase: Terminating, " + evil),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Terminating, " + evil + "}}"),
			want: []string{"operation.sync.source" + podinfoAt, result + "source" + evilAt}},
		{sentence: "a state that an app of apps applies from Git is examined", user: argoUser, manager: "argocd-controller", old: app(helmSpec), new: state(evil), want: []string{result + "source" + evilAt}},
		{sentence: "an honest operation that would resume an older state has that examined", old: state("phase: Running, " + evil),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, " + evil + "}}"),
			want: []string{"operation.sync.source" + podinfoAt, result + "source" + evilAt}},
		{sentence: "so it is where Argo CD's own user sets the operation", user: argoUser, old: state("phase: Running, " + evil),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, " + evil + "}}"),
			want: []string{"operation.sync.source" + podinfoAt, result + "source" + evilAt}},
		{sentence: "a state in a phase that does not exist is resumed", old: state("phase: Paused, " + evil),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Paused, " + evil + "}}"),
			want: []string{"operation.sync.source" + podinfoAt, result + "source" + evilAt}},
		{sentence: "an operation does not resume a state that is completed", old: state("phase: Succeeded, " + evil),
			new:  app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Succeeded, " + evil + "}}"),
			want: []string{"operation.sync.source" + podinfoAt}},
		{sentence: "Argo CD's record of the operation that runs is left alone", user: argoUser,
			old: app(helmSpec + "operation: {sync: {revision: 6.7.1}}"), new: app(helmSpec + "operation: {sync: {revision: 6.7.1}}\nstatus: {operationState: {phase: Running, " + evil + "}}")},
		{sentence: "an editor's state is examined", old: app(helmSpec), new: state(evil), want: []string{result + "source" + evilAt}},
		{sentence: "the state of a user whose name resembles Argo CD's is examined", user: otherUser, old: app(helmSpec), new: state(evil), want: []string{result + "source" + evilAt}},
		{sentence: "a state that an editor leaves as it is is no news", old: state(evil), new: app(helmSpec + "metadata2: {}\nstatus: {reconciledAt: x, operationState: {message: x, " + evil + "}}")},
		{sentence: "an editor who removes the state deploys nothing", old: state(evil), new: app(helmSpec)},
		{sentence: "a result with an empty source means spec", old: app(helmSpec), new: state("syncResult: {source: {}, revision: 6.7.0}"), want: []string{result + "source: oci://ghcr.io/acme/charts/podinfo:6.7.0 Version"}},
		{sentence: "a result with a source that has only a path is still Git", old: app(helmSpec), new: state("syncResult: {source: {path: x}, revision: 6.7.0}"), want: []string{result + "source: oci://ghcr.io/acme/charts/podinfo:6.7.0 Version"}},
		{sentence: "a result without a revision deploys its source's own", old: app(helmSpec), new: state("syncResult: {source: " + evilSource + "}"), want: []string{result + "source" + evilAt}},
		{sentence: "sources of a result go with its revisions", old: app(helmSpec), new: state(fmt.Sprintf("syncResult: {sources: [%s, %s], revisions: [6.7.0, 1.0.1]}", helmSource, evilSource)),
			want: []string{result + "sources[0]: oci://ghcr.io/acme/charts/podinfo:6.7.0 Version", result + "sources[1]: oci://ghcr.io/evil/x:1.0.1 Version"}},
		{sentence: "a result without a revision leaves the operation its own", old: app(helmSpec), new: state("operation: {sync: {source: " + evilSource + ", revision: 1.0.0}}, syncResult: {source: " + helmSource + "}"),
			want: []string{"status.operationState.operation.sync.source" + evilAt, result + "source" + podinfoAt}},
		{sentence: "a result without revisions leaves the operation its own", old: app(helmSpec), new: state("operation: {sync: {sources: [" + evilSource + "], revisions: [1.0.0]}}, syncResult: {sources: [" + helmSource + "]}"),
			want: []string{"status.operationState.operation.sync.sources[0]" + evilAt, result + "sources[0]" + podinfoAt}},
		{sentence: "a state without operation or result does nothing", old: app(helmSpec), new: state("phase: Running")},
	})
}

// A source that another one hides is not news as long as it is hidden; then it is.
func TestAHiddenSourceIsNewsWhenItIsUncovered(t *testing.T) {
	const git = "{repoURL: https://git.example/x.git, path: x}"
	check(t, []row{
		{sentence: "the sources go away", old: app("spec: {source: " + evilSource + ", sources: [" + git + "]}"), new: app("spec: {source: " + evilSource + "}"), want: []string{"spec.source" + evilAt}},
		{sentence: "the hydrator goes away", old: app("spec: {source: " + evilSource + ", sourceHydrator: {drySource: " + git + "}}"), new: app("spec: {source: " + evilSource + "}"), want: []string{"spec.source" + evilAt}},
		{sentence: "it stays hidden", old: app("spec: {source: " + evilSource + ", sources: [" + git + "]}"), new: app("spec: {source: " + evilSource + ", sources: [" + git + "], project: x}")},
	})
}

// A user who restarts a finished sync deploys again what it recorded, which can be from before
// chartgate, or from its Warn mode.
func TestARevivedSyncIsNews(t *testing.T) {
	recorded := func(run string) string {
		return app(helmSpec + "status: {operationState: {" + run + ", operation: {sync: {}}, syncResult: {source: " + evilSource + ", revision: 1.0.0}}}")
	}
	const finished = `phase: Succeeded, finishedAt: "2026-01-01T00:00:00Z"`
	const state = "status.operationState."
	want := []string{state + "operation.sync.source" + podinfoAt, state + "syncResult.source" + evilAt, state + "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.0.0 Version"}
	check(t, []row{
		{sentence: "its phase is set to Running", old: recorded(finished), new: recorded(`phase: Running, finishedAt: "2026-01-01T00:00:00Z"`), want: want},
		{sentence: "its end is taken away", old: recorded(finished), new: recorded("phase: Succeeded"), want: want},
		{sentence: "its retries are counted anew", old: recorded(finished), new: recorded(finished + ", retryCount: 1"), want: want},
		{sentence: "its message is nothing", old: recorded(finished), new: recorded(finished + ", message: x")},
		{sentence: "Argo CD itself goes on with its own", user: argoUser, old: recorded(finished), new: recorded("phase: Running")},
	})
}
