package attacks_test

import "testing"

// TestForgedOperations: Argo CD deploys the field operation, and resumes status.operationState. A
// user who may edit an Application may write both.
func TestForgedOperations(t *testing.T) {
	w := theSite(t)
	const (
		unsigned  = "SignatureMissing operation.sync.source"
		resumed   = "SignatureMissing status.operationState.syncResult.source"
		recorded  = "SignatureMissing status.operationState.operation.sync.source"
		manifests = "Unsupported status.operationState.operation.sync.manifests"
		mixed     = "Unsupported status.operationState"
		benign    = "operation: {sync: {revision: 1.0.0}}"
		bare      = "operation: {sync: {revision: 1.0.0}}" // of a state

		refreshing = "operation: {sync: {revision: 'digest(charts/podinfo:1.0.0)'}, retry: {limit: 5, refresh: true}}"
	)
	evil := "source: " + helmSource("unsigned", "1.0.0") + ", revision: 1.0.0"
	given := argo("source: " + helmSource("podinfo", "1.0.0"))
	native := argo("source: " + nativeSource("podinfo", "digest(charts/podinfo:1.0.0)"))
	byTag := argo("source: " + nativeSource("podinfo", "1.0.0"))
	severalByTag := argo("sources: [" + nativeSource("podinfo", "1.0.0") + ", " + nativeSource("other", "1.0.0") + "]")
	// As an ApplicationSet with RollingSync starts it.
	const rolling = "operation: {initiatedBy: {username: applicationset-controller, automated: true}, retry: {limit: 5}, sync: {}}"
	several := argo("sources: [" + helmSource("podinfo", "1.0.0") + ", " + helmSource("other", "1.0.0") + "]")
	does := func(by, want string, fields ...string) []write {
		return []write{patch(by, application(join(fields)), want)}
	}
	w.check(t, []row{
		{"1: a benign operation, and a running one whose result has another source", argoResumes, given,
			does(editor, resumed, benign, running(bare, "syncResult: {"+evil+"}"))},
		{"2: a benign operation, and a running one that asked for another source", argoResumes, given,
			does(editor, recorded, benign, running("operation: {sync: {"+evil+"}}"))},
		{"3: the same as a retry, whose result is good", argoResumes, given,
			does(editor, recorded, benign, running("finishedAt: '2026-01-01T00:00:00Z'", "operation: {sync: {"+evil+"}, retry: {limit: 5}}",
				"syncResult: {source: "+helmSource("podinfo", "1.0.0")+", revision: 1.0.0}"))},
		{"4: a running operation with manifests of its own", argoManifests, given,
			does(editor, manifests, benign, running("operation: {sync: {revision: 1.0.0, manifests: ['{}']}}"))},
		{"5: the state first, and a benign operation in a second request", argoResumes, given, []write{
			patch(editor, application(running(bare, "syncResult: {"+evil+"}")), resumed),
			patch(editor, application(benign), admitted),
		}},
		{"6: an operation with another source", argoSources, given, does(editor, unsigned, "operation: {sync: {"+evil+"}}")},
		{"7: an operation with manifests of its own", argoManifests, given, does(editor, "Unsupported operation.sync.manifests", "operation: {sync: {revision: 1.0.0, manifests: ['{}']}}")},
		{"8: a creation with a forged operation", argoSources, "", []write{create(editor, argo("source: "+helmSource("podinfo", "1.0.0"), "operation: {sync: {"+evil+"}}"), unsigned)}},
		{"8: a creation with a forged state", argoResumes, "", []write{
			create(editor, argo("source: "+helmSource("podinfo", "1.0.0"), benign, running(bare, "syncResult: {"+evil+"}")), resumed),
		}},
		{"a creation with a forged state, by way of argocd-server, which clears the operation and keeps status", argoCreates, "", []write{
			create(argoServer, argo("source: "+helmSource("podinfo", "1.0.0"), running(bare, "syncResult: {"+evil+"}")), resumed),
		}},
		{"the same by the controller of a parent Application", argoAppOfApps, "", []write{
			create(argoController, argo("source: "+helmSource("podinfo", "1.0.0"), running(bare, "syncResult: {"+evil+"}")), resumed),
		}},
		{"argocd app patch-resource of a child: argocd-server's own user writes the state of the operation that runs", argoPatchChild, given, []write{
			patch(editor, application(benign), admitted),
			patch(argoServer, application(running(bare, "syncResult: {"+evil+"}")), mixed),
		}},
		{"the phase that stops an operation, with another source", argoTerminates, given, []write{
			patch(editor, application("status: {operationState: {phase: Terminating, startedAt: '2026-01-01T00:00:00Z', "+bare+", syncResult: {"+evil+"}}}"), resumed),
		}},
		{"a state of signed charts beside an operation that runs, which Argo CD's own patches make another chart of", argoPatches, given, []write{
			patch(argoController, application(benign+", "+running(bare)), admitted),
			patch(editor, application("status: {operationState: {operation: {sync: {source: "+helmSource("other", "1.0.0")+", revision: 1.0.0}}}}"), mixed),
			patch(editor, application("status: {operationState: {phase: Terminating, operation: {sync: {sources: ["+helmSource("unsigned", "1.0.0")+"], revisions: [1.0.0]}}}}"), mixed),
			patch(editor, application("status: {operationState: {phase: Terminating}}"), admitted),
		}},
		{"a state from before, which an honest operation would resume", argoResumes, given, []write{
			patch(argoController, application(running(bare, "syncResult: {"+evil+"}")), admitted),
			patch(editor, application(benign), resumed),
			patch(argoServer, application(benign), resumed),
		}},
		{"control: an honest operation after a sync that is completed", "", given, []write{
			patch(argoController, application("status: {operationState: {phase: Failed, startedAt: '2026-01-01T00:00:00Z', "+bare+", syncResult: {"+evil+"}}}"), admitted),
			patch(editor, application(benign), admitted),
		}},
		{"a forged state by a service account of another namespace that is called like Argo CD's", "", given, does(falseArgoController, resumed, running(bare, "syncResult: {"+evil+"}"))},
		{"a forged state by the admin", "CVE-2025-46342", given, does(admin, resumed, running(bare, "syncResult: {"+evil+"}"))},
		{"a forged state that is finished, to be started later", "", given, does(editor, resumed, "status: {operationState: {phase: Succeeded, startedAt: '2026-01-01T00:00:00Z', "+bare+", syncResult: {"+evil+"}}}")},
		{"a forged state whose result has another revision and no source", "", given, does(editor, resumed+"; "+recorded, running(bare, "syncResult: {revision: 2.0.0}"))},
		{"a forged state of which Argo CD 2 takes the source from the operation and the revision from the result", argoSources, given,
			does(editor, recorded, benign, running("operation: {sync: {source: "+helmSource("other", "1.0.0")+", revision: 1.0.0}}", "syncResult: {source: "+helmSource("podinfo", "1.1.0")+", revision: 1.1.0}"))},
		{"a forged state of several sources", "", several, does(editor, "SignatureMissing status.operationState.syncResult.sources[1]",
			running("operation: {sync: {revisions: [1.0.0, 1.0.0]}}", "syncResult: {revision: '', sources: ["+helmSource("podinfo", "1.0.0")+", "+helmSource("unsigned", "1.0.0")+"], revisions: [1.0.0, 1.0.0]}"))},

		{"a finished state of what is unsigned by now, set going again", argoResumes, given, []write{
			patch(argoController, application("status: {operationState: {phase: Failed, finishedAt: '2026-01-01T00:00:00Z', startedAt: '2026-01-01T00:00:00Z', operation: {sync: {"+evil+"}}}}"), admitted),
			patch(editor, application(benign+", status: {operationState: {phase: Running}}"), recorded),
		}},
		{"an operation that rolls back to an unsigned version", argoRollsBack, given, does(editor, unsigned, "operation: {sync: {source: "+helmSource("podinfo", "0.9.0")+", revision: 0.9.0}}")},
		{"an operation whose revision is not the source's", "", given, does(editor, unsigned, "operation: {sync: {revision: 2.0.0}}")},
		{"an operation whose revision is not the source's, by Argo CD's own user", argoSources, given, does(argoController, unsigned, "operation: {sync: {revision: 2.0.0}}")},
		{"an operation whose revision is not the source's, by Argo CD's server", argoSources, given, does(argoServer, unsigned, "operation: {sync: {revision: 2.0.0}}")},
		{"an operation that repeats a spec whose tag has been moved since", argoResolves, "", []write{
			create(admin, argo("source: "+helmSource("moved", "1.0.0")), admitted),
			{by: admin, verb: "push", object: "charts/moved:1.0.0", want: ""},
			patch(editor, application("operation: {sync: {revision: 1.0.0}}"), unsigned),
		}},
		{"an operation without a revision, of a native source by tag", argoResolves, byTag, does(editor, "NotPinned operation.sync.source", "operation: {sync: {}}")},
		{"an operation without a revision, of a source of its own by tag", argoResolves, native,
			does(editor, "NotPinned operation.sync.source", "operation: {sync: {source: "+nativeSource("podinfo", "1.0.0")+"}}")},
		{"an operation without a revision, of a source of its own with a range", argoResolves, given,
			does(editor, "NotPinned operation.sync.source", "operation: {sync: {source: "+helmSource("podinfo", ">=1.0.0")+"}}")},
		{"an operation without a revision, of an unsigned source of its own", argoSources, given, does(editor, unsigned, "operation: {sync: {source: "+helmSource("unsigned", "1.0.0")+"}}")},
		{"an operation without a revision, of unsigned sources of its own", argoSources, given,
			does(editor, "SignatureMissing operation.sync.sources[0]", "operation: {sync: {sources: ["+helmSource("unsigned", "1.0.0")+"]}}")},
		{"an operation without a revision, and spec with a tag before it starts or retries", argoResolves, native, []write{
			patch(editor, application(rolling), admitted),
			patch(editor, application("spec: {source: {targetRevision: 1.0.0}}"), "NotPinned operation.sync.source"),
		}},
		{"an operation without a revision, and spec with an unsigned version before it starts or retries", argoResolves, given, []write{
			patch(editor, application(rolling), admitted),
			patch(editor, application("spec: {source: {targetRevision: 2.0.0}}"), "SignatureMissing spec.source; "+unsigned),
		}},
		{"an operation with a range", argoResolves, given, does(editor, "NotPinned operation.sync.source", "operation: {sync: {revision: '>=1.0.0'}}")},
		{"an operation with a floating tag of a native source", argoResolves, native, does(editor, "NotPinned operation.sync.source", "operation: {sync: {revision: latest}}")},
		{"an operation whose retries take the newest", argoRefreshes, byTag, does(editor, "NotPinned operation.sync.source", refreshing)},
		{"an operation whose retries take the newest, in a running state", argoRefreshes, byTag, does(editor, "NotPinned status.operationState.operation.sync.source", running(refreshing))},
		{"an operation on several sources of which the second has an unsigned revision", argoSources, several,
			does(editor, "SignatureMissing operation.sync.sources[1]", "operation: {sync: {revisions: [1.0.0, 2.0.0]}}", "spec: {sources: ["+helmSource("other", "1.0.0")+", "+helmSource("podinfo", "1.0.0")+"]}")},
		{"an operation on several sources with one revision too few", argoSources, severalByTag, does(editor, "NotPinned operation.sync.sources[0]; NotPinned operation.sync.sources[1]", "operation: {sync: {revisions: [1.0.0]}}")},
		{"an operation on several sources with the revision of a single one", argoSources, severalByTag,
			does(editor, "NotPinned operation.sync.sources[0]; NotPinned operation.sync.sources[1]", "operation: {sync: {revision: 1.0.0}}")},
		{"an operation whose sources differ from its source", argoSources, given,
			does(editor, "SignatureMissing operation.sync.sources[0]", "operation: {sync: {source: "+helmSource("podinfo", "1.0.0")+", revision: 1.0.0, sources: ["+helmSource("unsigned", "1.0.0")+"], revisions: [1.0.0]}}")},
		{"an operation whose source is empty, with an unsigned revision", "", given, does(editor, unsigned, "operation: {sync: {source: {repoURL: ''}, revision: 2.0.0}}")},
		{"an operation on an Application that is being deleted", "CVE-2023-34091", "", []write{
			create(editor, finalized(given), admitted),
			{by: editor, verb: "delete", object: given},
			patch(editor, application("operation: {sync: {"+evil+"}}"), unsigned),
		}},

		{"control: a benign operation", "", given, does(editor, admitted, benign)},
		{"control: a RollingSync of a Helm-OCI source", argoRolls, given, does(applicationSets, admitted, rolling)},
		{"control: a RollingSync of a native source by digest", argoRolls, native, does(applicationSets, admitted, rolling)},
		{"control: a RollingSync of several sources", argoRolls, several, does(applicationSets, admitted, rolling)},
		{"a RollingSync of a native source by tag, which Argo CD looks up later", argoRolls, byTag, does(applicationSets, "NotPinned operation.sync.source", rolling)},
		{"control: a benign operation on several sources", "", several, does(argoController, admitted, "operation: {sync: {revisions: [1.0.0, 1.0.0]}}")},
		{"control: a rollback to a signed version", "", argo("source: " + helmSource("podinfo", "1.1.0")), does(argoServer, admitted, "operation: {sync: {source: "+helmSource("podinfo", "1.0.0")+", revision: 1.0.0}}")},
		{"control: Argo CD records a sync of what is unsigned by now", argoRepeats, given, does(argoController, admitted, running("operation: {sync: {"+evil+"}}", "syncResult: {"+evil+"}"))},
		{"an operation by Argo CD's own user that would resume another; its own code wipes the state first", argoWipes, given, does(argoController, recorded+"; "+resumed, benign, running("operation: {sync: {"+evil+"}}", "syncResult: {"+evil+"}"))},
		{"control: Argo CD's server records a termination", argoRepeats, given, []write{
			patch(argoController, application("status: {operationState: {phase: Running, startedAt: '2026-01-01T00:00:00Z', operation: {sync: {"+evil+"}}}}"), admitted),
			patch(argoServer, application("status: {operationState: {phase: Terminating}}"), admitted),
		}},
		{"control: Argo CD clears the operation and records the result", argoRepeats, given, []write{
			patch(editor, application(benign), admitted),
			patch(argoController, application("operation: null, status: {operationState: {phase: Succeeded, startedAt: '2026-01-01T00:00:00Z', "+bare+", syncResult: {"+evil+"}}}"), admitted),
			patch(editor, application("status: {operationState: {message: seen}}"), admitted),
		}},
	})
}

// TestArgoSources: sources in each field of an Application's spec.
func TestArgoSources(t *testing.T) {
	w := theSite(t)
	w.check(t, []row{
		{"an unsigned Helm-OCI source", "", "", []write{create(editor, argo("source: "+helmSource("unsigned", "1.0.0")), "SignatureMissing spec.source")}},
		{"an unsigned native source", "", "", []write{create(editor, argo("source: "+nativeSource("unsigned", "1.0.0")), "SignatureMissing spec.source")}},
		{"a signed tag and an unsigned digest, of which the digest decides", argoIsOCI, "", []write{
			create(editor, argo("source: "+nativeSource("podinfo", "1.0.0@digest(charts/podinfo:2.0.0)")), "SignatureMissing spec.source"),
		}},
		{"a signed digest in the URL, which Argo CD ignores", argoIsOCI, "", []write{
			create(editor, argo("source: {repoURL: 'oci://ghcr.io/charts/podinfo@digest(charts/podinfo:1.0.0)', targetRevision: 2.0.0}"), "ReferenceInvalid spec.source"),
		}},
		{"a good source beside an unsigned one among several", "", "", []write{
			create(editor, argo("source: "+helmSource("podinfo", "1.0.0")+", sources: ["+helmSource("unsigned", "1.0.0")+"]"), "SignatureMissing spec.sources[0]"),
		}},
		{"an unsigned source behind a good one among several", "", "", []write{
			create(editor, argo("source: "+helmSource("unsigned", "1.0.0")+", sources: ["+helmSource("podinfo", "1.0.0")+"]"), "SignatureMissing spec.source"),
		}},
		{"an unsigned chart to be hydrated", "", "", []write{
			create(editor, argo("sourceHydrator: {drySource: {repoURL: 'oci://ghcr.io/charts/unsigned', path: ., targetRevision: 1.0.0}, syncSource: {path: x, targetBranch: 1.0.0}}"),
				"SignatureMissing spec.sourceHydrator.drySource; SignatureMissing spec.sourceHydrator.syncSource"),
		}},
		{"an unsigned chart beside Git to be hydrated, in the repository to sync from", argoHydrates, "", []write{
			create(editor, argo("sourceHydrator: {drySource: {repoURL: 'https://git.example/apps', path: ., targetRevision: main}, "+
				"syncSource: {repoURL: 'oci://ghcr.io/charts/unsigned', path: x, targetBranch: 1.0.0}}"), "SignatureMissing spec.sourceHydrator.syncSource"),
		}},
		{"an unsigned chart in the repository to sync from, given to an Application from Git", argoHydrates,
			argo("sourceHydrator: {drySource: {repoURL: 'https://git.example/apps', path: ., targetRevision: main}, syncSource: {path: x, targetBranch: 1.0.0}}"), []write{
				patch(editor, application("spec: {sourceHydrator: {syncSource: {repoURL: 'oci://ghcr.io/charts/unsigned'}}}"), "SignatureMissing spec.sourceHydrator.syncSource"),
			}},
		{"a sync to an unsigned digest in the repository that a hydrator syncs from", argoHydrates, "", []write{
			create(admin, argo("sourceHydrator: {drySource: {repoURL: 'https://git.example/apps', path: ., targetRevision: main}, "+
				"syncSource: {repoURL: 'oci://ghcr.io/charts/podinfo', path: x, targetBranch: 1.0.0}}"), admitted),
			patch(editor, application("operation: {sync: {revision: 'digest(charts/podinfo:2.0.0)'}}"), "SignatureMissing operation.sync.source"),
		}},
		{"an unsigned source that was hidden behind sources", "", "", []write{
			create(argoController, argo("sources: ["+helmSource("podinfo", "1.0.0")+"]"), admitted),
			patch(editor, application("spec: {sources: null, source: "+helmSource("unsigned", "1.0.0")+"}"), "SignatureMissing spec.source"),
		}},
		{"a repository whose name ends in .git, which Argo CD does not take for part of it", "", "", []write{
			create(editor, argo("source: {repoURL: 'oci://ghcr.io/charts/podinfo.git', targetRevision: 1.0.0}"), "ReferenceInvalid spec.source"),
		}},
		{"oci:// and chart together, which Argo CD 2 and 3 read differently", argoIsOCI, "", []write{
			create(editor, argo("source: {repoURL: 'oci://ghcr.io/charts/podinfo', chart: unsigned, targetRevision: 1.0.0}"), "ReferenceInvalid spec.source"),
		}},
		{"a scheme in upper case, which Argo CD takes for Git", argoIsOCI, "", []write{
			create(editor, argo("source: {repoURL: 'OCI://ghcr.io/charts/podinfo', targetRevision: 1.0.0}"), "ReferenceInvalid spec.source"),
		}},
		{"a classic Helm repository", "", "", []write{
			create(editor, argo("source: {repoURL: 'https://charts.mallory.example', chart: podinfo, targetRevision: 1.0.0}"), "NotOCI spec.source"),
		}},
		{"a path out of the repository in chart", "CVE-2022-24348", "", []write{create(editor, argo("source: "+helmSource("../evil/podinfo", "1.0.0")), "ReferenceInvalid spec.source")}},
	})
}

// TestArtifactsThatAreNotCharts: OCI artifacts whose media types are not those of a chart. Argo CD
// renders a chart from any content with a Chart.yaml in it; so neither a media type nor a field of
// the Application may exempt an artifact from a policy.
func TestArtifactsThatAreNotCharts(t *testing.T) {
	w := theSite(t)
	const unsigned = "SignatureMissing spec.source"
	native := func(place, revision, more string) string {
		return argo("source: {repoURL: 'oci://ghcr.io/" + place + "', targetRevision: '" + revision + "', path: ." + more + "}")
	}
	sync := func(place, revision string) string {
		return "operation: {sync: {source: {repoURL: 'oci://ghcr.io/" + place + "', targetRevision: '" + revision + "', path: .}, revision: '" + revision + "'}}"
	}
	raw := ociAt("raw", "oci://ghcr.io/charts/raw", "{tag: 1.0.0}")
	w.check(t, []row{
		{"control: signed manifests in a native source", "", "", []write{create(editor, native("charts/manifests", "1.0.0", ""), admitted)}},
		{"control: a sync of them by digest", "", native("charts/manifests", "1.0.0", ""), []write{
			patch(editor, application(sync("charts/manifests", "digest(charts/manifests:1.0.0)")), admitted),
		}},
		{"unsigned manifests in a native source", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ""), unsigned)}},
		{"the same, said to be plain files", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ", directory: {recurse: true}"), unsigned)}},
		{"the same, said to be a Kustomize folder", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ", kustomize: {namePrefix: x}"), unsigned)}},
		{"the same, said to be a chart", argoDiscovers, "", []write{create(editor, native("charts/raw", "1.0.0", ", helm: {releaseName: x}"), unsigned)}},
		{"a sync of unsigned manifests by digest", argoDiscovers, native("charts/manifests", "1.0.0", ""), []write{
			patch(editor, application(sync("charts/raw", "digest(charts/raw:1.0.0)")), "SignatureMissing operation.sync.source"),
		}},
		{"a sync of the digest of another place's manifests", argoDiscovers, native("charts/manifests", "1.0.0", ""), []write{
			patch(editor, application(sync("charts/manifests", "digest(charts/raw:1.0.0)")), "ChartNotFound operation.sync.source"),
		}},
		{"manifests that no policy is about may be a chart", argoDiscovers, "", []write{create(editor, native("evil/manifests", "1.0.0", ""), "NoPolicy spec.source")}},
		{"manifests by a floating tag", argoDiscovers, "", []write{create(editor, native("charts/manifests", "latest", ""), "NotPinned spec.source")}},

		{"control: signed manifests in an OCIRepository", "", "", []write{create(editor, ociAt("app", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}"), admitted)}},
		{"unsigned manifests in an OCIRepository", fluxLayers, "", []write{create(editor, raw, "SignatureMissing spec.ref")}},
		{"unsigned manifests that source-controller has pulled", fluxLayers, ociAt("raw", "oci://ghcr.io/charts/raw", "{tag: 1.0.0}", suspended), []write{
			status(sourceController, flux("OCIRepository", "raw", artifact("1.0.0@digest(charts/raw:1.0.0)", evil)), "SignatureMissing status.artifact"),
		}},
		{"control: manifests in an OCIRepository that no policy is about", "", "", []write{create(editor, ociAt("app", "oci://ghcr.io/evil/manifests", "{tag: 1.0.0}"), admitted)}},
		{"signed manifests are no chart for a HelmRelease", fluxLayers, ociAt("app", "oci://ghcr.io/charts/manifests", "{tag: 1.0.0}"), []write{
			create(editor, helmRelease("app", chartRef("OCIRepository", "app")), "NotAChart spec.chartRef"),
		}},
	})
}
