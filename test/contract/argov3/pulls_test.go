package argov3

import (
	"fmt"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"

	"github.com/chartgate/chartgate/test/contract"
)

// pulls returns everything that Argo CD may fetch for an Application. The rules for
// spec are Argo CD's own methods; those for syncs repeat the functions in transcribed.
func pulls(application any) []contract.Pull {
	app := application.(*v1alpha1.Application)
	all := specPulls(app.Spec)
	if app.Operation != nil {
		all = append(all, operationPulls("operation", app, *app.Operation)...)
	}
	state := app.Status.OperationState
	if state == nil || state.Operation.Sync == nil {
		return all // SyncAppState fails without sync, whatever the result says
	}
	if state.SyncResult != nil {
		all = append(all, resultPulls("status.operationState.syncResult", *state.SyncResult, "")...)
	}
	return append(all, operationPulls("status.operationState.operation", app, state.Operation)...)
}

func specPulls(spec v1alpha1.ApplicationSpec) []contract.Pull {
	var all []contract.Pull
	switch h := spec.SourceHydrator; {
	case h != nil:
		all = append(all,
			pull("spec.sourceHydrator.drySource", h.GetDrySource(), "", ""),
			pull("spec.sourceHydrator.syncSource", spec.GetSource(), "", contract.Hydrated))
	case spec.HasMultipleSources():
		for i, s := range spec.GetSources() {
			all = append(all, pull(fmt.Sprintf("spec.sources[%d]", i), s, "", ""))
		}
	case spec.Source != nil:
		all = append(all, pull("spec.source", spec.GetSource(), "", ""))
	}
	return all
}

// operationPulls is processRequestedAppOperation for a new operation or a retry of
// a recorded one.
func operationPulls(field string, app *v1alpha1.Application, operation v1alpha1.Operation) []contract.Pull {
	if operation.Sync == nil {
		return nil
	}
	field += ".sync"
	sync := *operation.Sync
	all := syncPulls(field, app, sync, "")
	if operation.Retry.Refresh {
		sync.Revision, sync.Revisions = "", nil
		all = append(all, syncPulls(field, app, sync, contract.Refreshed)...)
	}
	if len(sync.Manifests) > 0 {
		all = append(all, contract.Replace(field+".manifests", append(syncPulls(field, app, sync, ""), specPulls(app.Spec)...))...)
	}
	return all
}

// syncPulls is newSyncOperationResult.
func syncPulls(field string, app *v1alpha1.Application, sync v1alpha1.SyncOperation, how contract.How) []contract.Pull {
	result := v1alpha1.SyncOperationResult{Revision: sync.Revision, Revisions: sync.Revisions}
	if len(sync.Sources) > 0 || sync.Source != nil {
		if sync.Source != nil {
			result.Source = *sync.Source
		}
		result.Sources = sync.Sources
	} else {
		result.Sources, result.Source = app.Spec.Sources, app.Spec.GetSource()
		if app.Spec.SourceHydrator != nil && len(result.Sources) == 0 {
			how = contract.Hydrated
		}
	}
	return resultPulls(field, result, how)
}

// resultPulls is SyncAppState with the start of CompareAppState and of GetRepoObjs.
func resultPulls(field string, result v1alpha1.SyncOperationResult, how contract.How) []contract.Pull {
	if len(result.Sources) == 0 {
		return []contract.Pull{pull(field+".source", result.Source, result.Revision, how)}
	}
	revisions := result.Revisions
	if len(revisions) != len(result.Sources) {
		revisions = make([]string, len(result.Sources))
		if how == "" {
			how = contract.Uneven
		}
	}
	var all []contract.Pull
	for i, s := range result.Sources {
		all = append(all, pull(fmt.Sprintf("%s.sources[%d]", field, i), s, revisions[i], how))
	}
	return all
}

// pull is the choice that runRepoOperation makes.
func pull(field string, s v1alpha1.ApplicationSource, revision string, how contract.How) contract.Pull {
	if revision == "" {
		revision = s.TargetRevision
	}
	p := contract.Pull{Field: field, Kind: contract.Git, RepoURL: s.RepoURL, Chart: s.Chart, Revision: revision, How: how}
	switch {
	case s.IsOCI():
		p.Kind = contract.OCI
	case s.IsHelmOci():
		p.Kind = contract.HelmOCI
	case s.IsHelm():
		p.Kind = contract.Helm
	}
	return p
}
