package contract

// Treatment is what chartgate does with a field of an Application, and why that is
// enough.
type Treatment string

const (
	// Gated fields name a chart: what is written there is a use.
	Gated Treatment = "gated"
	// NextVersion fields should be gated and are not yet. To move one, write Gated.
	NextVersion Treatment = "next version"
	// Decides marks a field, of a type that names sources, on which the chart depends:
	// a change of it is news.
	Decides Treatment = "decides"
)

// Everything else is a sentence that says why chartgate leaves the field alone.
const (
	record   Treatment = "Argo CD's record of what it did: it never deploys from there"
	rollback Treatment = "Argo CD's record: a rollback copies it into operation, which is gated"
	gitOnly  Treatment = "a branch that the commit server pushes hydrated manifests to: it knows Git alone"
	defaults Treatment = "the default of operation.retry, which is gated when it is set"
	holder   Treatment = "it names no source by itself: its fields are on this list"
	rendered Treatment = "it changes what is made of the chart, not which chart"
	inside   Treatment = "a directory in what is pulled, under the same digest"
	label    Treatment = "a name for people and other sources"
	effect   Treatment = "it changes how resources are applied, not which"
	state    Treatment = "progress: chartgate examines the sources in any phase"
)

// Sources is the reviewed list of the fields of an Application that name a source.
// Each field whose type is ApplicationSource, DrySource, SyncSource or HydrateTo must
// be on it, and nothing else. Argo CD 2.14 and 3.2 have the same.
func Sources() map[string]Treatment {
	return map[string]Treatment{
		"spec.source":                    Gated,
		"spec.sources":                   Gated,
		"spec.sourceHydrator.drySource":  Gated,
		"spec.sourceHydrator.syncSource": Gated,
		"spec.sourceHydrator.hydrateTo":  gitOnly,

		"operation.sync.source":  Gated,
		"operation.sync.sources": Gated,

		"status.operationState.operation.sync.source":  Gated,
		"status.operationState.operation.sync.sources": Gated,
		"status.operationState.syncResult.source":      Gated,
		"status.operationState.syncResult.sources":     Gated,

		"status.history.source":          rollback,
		"status.history.sources":         rollback,
		"status.sync.comparedTo.source":  record,
		"status.sync.comparedTo.sources": record,

		"status.sourceHydrator.currentOperation.sourceHydrator.drySource":         record,
		"status.sourceHydrator.currentOperation.sourceHydrator.syncSource":        record,
		"status.sourceHydrator.currentOperation.sourceHydrator.hydrateTo":         record,
		"status.sourceHydrator.lastSuccessfulOperation.sourceHydrator.drySource":  record,
		"status.sourceHydrator.lastSuccessfulOperation.sourceHydrator.syncSource": record,
		"status.sourceHydrator.lastSuccessfulOperation.sourceHydrator.hydrateTo":  record,
	}
}

// Fields is the reviewed list of the fields of the types that say what is fetched.
// An Argo CD that knows more of them adds to it.
func Fields() map[string]map[string]Treatment {
	return map[string]map[string]Treatment{
		"ApplicationSource": {
			"repoURL": Decides, "chart": Decides, "targetRevision": Decides,
			"path": inside, "ref": label, "name": label,
			"helm": rendered, "kustomize": rendered, "directory": rendered, "plugin": rendered,
		},
		"SourceHydrator": {"drySource": holder, "syncSource": holder, "hydrateTo": holder},
		"DrySource":      {"repoURL": Decides, "targetRevision": Decides, "path": inside},
		"SyncSource":     {"targetBranch": Gated, "path": inside},
		"HydrateTo":      {"targetBranch": gitOnly},
		"Operation":      {"sync": holder, "retry": holder, "info": label, "initiatedBy": label},
		"SyncOperation": {
			"source": holder, "sources": holder, "revision": Decides, "revisions": Decides, "manifests": Decides,
			"prune": effect, "dryRun": effect, "syncStrategy": effect, "resources": effect, "syncOptions": effect,
			"autoHealAttemptsCount": effect,
		},
		"SyncOperationResult": {
			"source": holder, "sources": holder, "revision": Decides, "revisions": Decides,
			"resources": record, "managedNamespaceMetadata": effect,
		},
		"OperationState": {
			"operation": holder, "syncResult": holder,
			"phase": state, "message": state, "startedAt": state, "finishedAt": state, "retryCount": state,
		},
		"RetryStrategy": {"limit": state, "backoff": state},
	}
}
