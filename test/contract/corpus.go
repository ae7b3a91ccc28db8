package contract

// sentence is an Application and what pkg/source sees in it, as in
// "spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3" or "spec.source: denied".
type sentence struct {
	name string
	json string
	want []string
}

const (
	podinfo    = `{"repoURL":"ghcr.io/acme/charts","chart":"podinfo","targetRevision":"1.2.3"}`
	native     = `{"repoURL":"oci://ghcr.io/acme/charts/podinfo","targetRevision":"1.2.3"}`
	git        = `{"repoURL":"https://github.com/acme/app.git","path":"deploy","targetRevision":"HEAD"}`
	evil       = `{"repoURL":"ghcr.io/evil","chart":"miner","targetRevision":"6.6.6"}`
	evilNative = `{"repoURL":"oci://ghcr.io/evil/miner","targetRevision":"6.6.6"}`
)

// withSource returns an Application with these members of spec.source.
func withSource(members string) string { return `{"spec":{"source":{` + members + `}}}` }

// corpus are the Applications that were written by hand. What Argo CD makes of them is not written
// here: it is asked.
var corpus = []sentence{
	{"a chart in a repository without a scheme", `{"spec":{"source":` + podinfo + `}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"an OCI source", `{"spec":{"source":` + native + `}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"an OCI source by digest", withSource(`"repoURL":"oci://ghcr.io/acme/podinfo","targetRevision":"` + digest + `"`), []string{"spec.source: oci://ghcr.io/acme/podinfo@" + digest}},
	{"an OCI source by tag and digest", withSource(`"repoURL":"oci://ghcr.io/acme/podinfo","targetRevision":"1.0.0@` + digest + `"`), []string{"spec.source: oci://ghcr.io/acme/podinfo:1.0.0@" + digest}},
	{"an OCI source with a path inside", withSource(`"repoURL":"oci://ghcr.io/acme/podinfo","path":"sub","targetRevision":"1.0.0"`), []string{"spec.source: oci://ghcr.io/acme/podinfo:1.0.0"}},
	{"an OCI source with a chart: the versions of Argo CD disagree", withSource(`"repoURL":"oci://ghcr.io/acme/charts","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"an OCI source with a tag that Argo CD ignores", withSource(`"repoURL":"oci://ghcr.io/acme/podinfo:2.0.0","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"an OCI source with a digest that Argo CD ignores", withSource(`"repoURL":"oci://ghcr.io/acme/podinfo@` + digest + `","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"OCI in capitals, which Argo CD takes for Git", withSource(`"repoURL":"OCI://ghcr.io/acme/podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"OCI in capitals and a chart", withSource(`"repoURL":"OCI://ghcr.io/acme","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"one slash instead of two after oci:", withSource(`"repoURL":"oci:/ghcr.io/acme","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"one slash instead of two after https:, which Argo CD takes for Helm-OCI", withSource(`"repoURL":"https:/ghcr.io/acme","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a file URL, which Argo CD takes for Helm-OCI", withSource(`"repoURL":"file:///charts","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"two slashes and a host, which Argo CD takes for a Helm repository", withSource(`"repoURL":"//ghcr.io/acme","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a scheme hidden in a query", withSource(`"repoURL":"ghcr.io/acme?x=https://","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a host with a port and no scheme", withSource(`"repoURL":"registry.acme.example:5000/charts","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: oci://registry.acme.example:5000/charts/podinfo:1.0.0"}},
	{"a classic repository", withSource(`"repoURL":"https://charts.acme.example","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: https://charts.acme.example/podinfo:1.0.0"}},
	{"an OCI chart as the name of a chart in a classic repository: helm pull would follow it", withSource(`"repoURL":"https://charts.acme.example","chart":"oci://ghcr.io/evil/miner","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a URL as the name of a chart in a classic repository: helm pull would follow it", withSource(`"repoURL":"https://charts.acme.example","chart":"https://evil.example/miner.tgz","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a chart that climbs out of its repository", withSource(`"repoURL":"ghcr.io/acme/charts","chart":"../../evil/miner","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a chart with a tag", withSource(`"repoURL":"ghcr.io/acme","chart":"podinfo:6.6.6","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a chart that is a space", withSource(`"repoURL":"ghcr.io/acme","chart":" ","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a chart without a repository", withSource(`"repoURL":"","chart":"podinfo","targetRevision":"1.0.0"`), []string{"spec.source: denied"}},
	{"a chart without a version", withSource(`"repoURL":"ghcr.io/acme","chart":"podinfo"`), []string{"spec.source: denied"}},
	{"a chart and a digest, which Helm-OCI refuses", withSource(`"repoURL":"ghcr.io/acme","chart":"podinfo","targetRevision":"` + digest + `"`), []string{"spec.source: denied"}},
	{"a chart in Git", `{"spec":{"source":` + git + `}}`, nil},
	{"a chart in Git, over ssh", withSource(`"repoURL":"git@github.com:acme/app.git","path":"chart","helm":{"releaseName":"x"}`), nil},
	{"Kustomize in Git, which may inflate charts", withSource(`"repoURL":"https://github.com/acme/app.git","path":"x","kustomize":{"images":["a=b"]}`), nil},
	{"a plugin that renders a chart", withSource(`"repoURL":"ghcr.io/acme","chart":"podinfo","targetRevision":"1.0.0","plugin":{"name":"x"}`), []string{"spec.source: oci://ghcr.io/acme/podinfo:1.0.0"}},
	{"a directory in an OCI source", withSource(`"repoURL":"oci://ghcr.io/acme/podinfo","targetRevision":"1.0.0","directory":{"recurse":true}`), []string{"spec.source: oci://ghcr.io/acme/podinfo:1.0.0"}},
	{"no source", `{"spec":{}}`, nil},
	{"an empty source", `{"spec":{"source":{}}}`, nil},
	{"null sources", `{"spec":{"source":null,"sources":null,"sourceHydrator":null},"operation":null,"status":{"operationState":null}}`, nil},
	{"a null among the sources", `{"spec":{"sources":[null,` + podinfo + `]}}`, []string{"spec.sources[1]: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"fields in capitals, which the API server does not know", `{"Spec":{"source":` + evil + `},"spec":{"Source":` + evil + `,"source":{"RepoURL":"ghcr.io/evil","Chart":"miner"}}}`, nil},
	{"a field twice: the last one counts", `{"spec":{"source":` + git + `,"source":` + podinfo + `}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},

	{"several sources, one with values from Git", `{"spec":{"sources":[{"repoURL":"https://github.com/acme/app.git","targetRevision":"main","ref":"values"},` + podinfo + `]}}`, []string{"spec.sources[1]: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"an OCI source that only lends its files", `{"spec":{"sources":[{"repoURL":"oci://ghcr.io/acme/values","targetRevision":"1.0.0","ref":"values"},` + podinfo + `]}}`, []string{"spec.sources[0]: oci://ghcr.io/acme/values:1.0.0", "spec.sources[1]: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"sources beside a source: both are seen", `{"spec":{"source":` + podinfo + `,"sources":[` + evil + `]}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "spec.sources[0]: oci://ghcr.io/evil/miner:6.6.6"}},

	{"a hydrator on Git", `{"spec":{"sourceHydrator":{"drySource":{"repoURL":"https://github.com/acme/app","targetRevision":"main","path":"x"},"syncSource":{"targetBranch":"env/prod","path":"x"}}}}`, nil},
	{"sources beside a hydrator: a sync uses them, a comparison does not", `{"spec":{"sources":[` + evil + `],"sourceHydrator":{"drySource":{"repoURL":"https://github.com/acme/app","targetRevision":"main","path":"x"},"syncSource":{"targetBranch":"env/prod","path":"x"}}},"operation":{"sync":{"revisions":["6.6.7"]}}}`, []string{"spec.sources[0]: oci://ghcr.io/evil/miner:6.6.6", "operation.sync.sources[0]: oci://ghcr.io/evil/miner:6.6.7"}},

	{"an operation that repeats the source", `{"spec":{"source":` + podinfo + `},"operation":{"sync":{"source":` + podinfo + `,"revision":"1.2.3"}}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"an operation with a source of its own", `{"spec":{"source":` + git + `},"operation":{"sync":{"source":` + evil + `,"revision":"6.6.6"}}}`, []string{"operation.sync.source: oci://ghcr.io/evil/miner:6.6.6"}},
	{"an operation with another revision", `{"spec":{"source":` + podinfo + `},"operation":{"sync":{"revision":"6.6.6"}}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:6.6.6"}},
	{"an operation with a source and another revision", `{"operation":{"sync":{"source":` + native + `,"revision":"` + digest + `"}}}`, []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo@" + digest}},
	{"an operation with nothing but sync", `{"spec":{"source":` + podinfo + `},"operation":{"sync":{}}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"an operation without sync", `{"spec":{"source":` + git + `},"operation":{"info":[{"name":"a","value":"b"}]}}`, nil},
	{"an operation with several sources and revisions", `{"operation":{"sync":{"sources":[` + git + `,` + podinfo + `],"revisions":["0f6b2e0f9a4f4c0d8c0b7c5d6e3f2a1b0c9d8e7f","1.2.4"]}}}`, []string{"operation.sync.sources[1]: oci://ghcr.io/acme/charts/podinfo:1.2.4"}},
	{"an operation with a source and sources: the sources count, both are seen", `{"operation":{"sync":{"source":` + podinfo + `,"sources":[` + evil + `],"revision":"1.2.3","revisions":["6.6.6"]}}}`, []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.sources[0]: oci://ghcr.io/evil/miner:6.6.6"}},
	{"an operation with an empty revision among others: the source's own counts", `{"operation":{"sync":{"sources":[` + git + `,` + podinfo + `],"revisions":["x",""]}}}`, []string{"operation.sync.sources[1]: oci://ghcr.io/acme/charts/podinfo:1.2.3"}},
	{"an operation with manifests in place of the chart", `{"spec":{"source":` + podinfo + `},"operation":{"sync":{"manifests":["{}"],"revision":"1.2.3"}}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.manifests: denied"}},
	{"an operation with manifests in place of a chart of its own", `{"spec":{"source":` + git + `},"operation":{"sync":{"source":` + podinfo + `,"manifests":["{}"]}}}`, []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "operation.sync.manifests: denied"}},
	{"an operation with manifests in place of files in Git", `{"spec":{"source":` + git + `},"operation":{"sync":{"manifests":["{}"]}}}`, nil},

	{"a forged state: the result names another source", `{"spec":{"source":` + git + `},"operation":{"sync":{}},"status":{"operationState":{"phase":"Running","operation":{"sync":{}},"syncResult":{"source":` + evil + `,"revision":"6.6.6"}}}}`, []string{"status.operationState.syncResult.source: oci://ghcr.io/evil/miner:6.6.6"}},
	{"a forged state: the result names other sources", `{"spec":{"source":` + git + `},"status":{"operationState":{"phase":"Running","operation":{"sync":{}},"syncResult":{"sources":[` + evilNative + `],"revisions":["` + digest + `"]}}}}`, []string{"status.operationState.syncResult.sources[0]: oci://ghcr.io/evil/miner@" + digest}},
	{"a forged state: the recorded operation names another source", `{"spec":{"source":` + git + `},"status":{"operationState":{"phase":"Running","operation":{"sync":{"source":` + evil + `,"revision":"6.6.6"}}}}}`, []string{"status.operationState.operation.sync.source: oci://ghcr.io/evil/miner:6.6.6"}},
	{"a forged state: the recorded operation brings manifests", `{"spec":{"source":` + podinfo + `},"status":{"operationState":{"phase":"Running","operation":{"sync":{"manifests":["{}"],"revision":"1.2.3"}}}}}`, []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "status.operationState.operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3", "status.operationState.operation.sync.manifests: denied"}},
	{"a history, which a rollback would copy into operation", `{"spec":{"source":` + git + `},"status":{"history":[{"id":1,"source":` + evil + `,"revision":"6.6.6"}],"sync":{"comparedTo":{"source":` + evil + `}}}}`, nil},
}

// update is an Application and what is news in it.
type update struct {
	name, old, json string
	want            []string
	// gap marks what pkg/source is known not to see: write false when it does.
	gap bool
}

var updates = []update{
	{"a label", `{"spec":{"source":` + podinfo + `}}`, `{"metadata":{"labels":{"a":"b"}},"spec":{"source":` + podinfo + `}}`, nil, false},
	{"values of the chart", `{"spec":{"source":` + podinfo + `}}`, `{"spec":{"source":{"helm":{"values":"a: b"},"repoURL":"ghcr.io/acme/charts","chart":"podinfo","targetRevision":"1.2.3"}}}`, nil, false},
	{"a version", `{"spec":{"source":` + podinfo + `}}`, withSource(`"repoURL":"ghcr.io/acme/charts","chart":"podinfo","targetRevision":"1.2.4"`), []string{"spec.source: oci://ghcr.io/acme/charts/podinfo:1.2.4"}, false},
	{"a repository", `{"spec":{"source":` + podinfo + `}}`, withSource(`"repoURL":"ghcr.io/evil","chart":"podinfo","targetRevision":"1.2.3"`), []string{"spec.source: oci://ghcr.io/evil/podinfo:1.2.3"}, false},
	{"a chart", `{"spec":{"source":` + podinfo + `}}`, withSource(`"repoURL":"ghcr.io/acme/charts","chart":"miner","targetRevision":"1.2.3"`), []string{"spec.source: oci://ghcr.io/acme/charts/miner:1.2.3"}, false},
	{"a sync", `{"spec":{"source":` + podinfo + `}}`, `{"spec":{"source":` + podinfo + `},"operation":{"sync":{"revision":"1.2.3"}}}`, []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}, false},
	{"the end of a sync", `{"spec":{"source":` + podinfo + `},"operation":{"sync":{"revision":"1.2.3"}}}`, `{"spec":{"source":` + podinfo + `}}`, nil, false},
	{"the revision of a sync", `{"operation":{"sync":{"source":` + podinfo + `,"revision":"1.2.3"}}}`, `{"operation":{"sync":{"source":` + podinfo + `,"revision":"6.6.6"}}}`, []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo:6.6.6"}, false},
	{"a retry that refreshes", `{"operation":{"sync":{"source":` + podinfo + `,"revision":"1.2.3"}}}`, `{"operation":{"retry":{"refresh":true},"sync":{"source":` + podinfo + `,"revision":"1.2.3"}}}`, []string{"operation.sync.source: oci://ghcr.io/acme/charts/podinfo:1.2.3"}, false},
	{"the phase of a sync that is over: Argo CD deploys again what it recorded", `{"status":{"operationState":{"phase":"Succeeded","finishedAt":"2026-01-01T00:00:00Z","operation":{"sync":{}},"syncResult":{"source":` + evil + `,"revision":"6.6.6"}}}}`, `{"status":{"operationState":{"phase":"Running","operation":{"sync":{}},"syncResult":{"source":` + evil + `,"revision":"6.6.6"}}}}`, []string{"status.operationState.syncResult.source: oci://ghcr.io/evil/miner:6.6.6"}, false},
	{"sources that took precedence go away", `{"spec":{"source":` + evil + `,"sources":[` + git + `]}}`, `{"spec":{"source":` + evil + `}}`, []string{"spec.source: oci://ghcr.io/evil/miner:6.6.6"}, false},
	{"a hydrator that took precedence goes away", `{"spec":{"source":` + evil + `,"sourceHydrator":{"drySource":` + git + `}}}`, `{"spec":{"source":` + evil + `}}`, []string{"spec.source: oci://ghcr.io/evil/miner:6.6.6"}, false},
}
