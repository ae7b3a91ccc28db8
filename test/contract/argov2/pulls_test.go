package argov2

import (
	"fmt"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"

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
	const field = "status.operationState.operation"
	if state.SyncResult != nil {
		all = append(all, crossedPulls(field+".sync", app, *state.Operation.Sync, *state.SyncResult)...)
	}
	return append(all, operationPulls(field, app, state.Operation)...)
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
	all := syncPulls(field, app, sync)
	if len(sync.Manifests) > 0 {
		all = append(all, contract.Replace(field+".manifests", append(syncPulls(field, app, sync), specPulls(app.Spec)...))...)
	}
	return all
}

// crossedPulls are those of a sync that is resumed with a result, as far as they
// differ from those of the sync: the result's revisions win, its sources do not.
func crossedPulls(field string, app *v1alpha1.Application, sync v1alpha1.SyncOperation, result v1alpha1.SyncOperationResult) []contract.Pull {
	plain := syncPulls(field, app, sync)
	if result.Revision != "" {
		sync.Revision = result.Revision
	}
	if len(result.Revisions) == len(plain) {
		sync.Revisions = result.Revisions
	}
	crossed := syncPulls(field, app, sync)
	var all []contract.Pull
	for i, p := range crossed {
		if p == plain[i] {
			continue
		}
		if p.How == "" {
			p.How = contract.Crossed
		}
		all = append(all, p)
	}
	return all
}

// syncPulls is SyncAppState with the start of CompareAppState and of GetRepoObjs.
func syncPulls(field string, app *v1alpha1.Application, sync v1alpha1.SyncOperation) []contract.Pull {
	sources := sync.Sources
	if len(sources) == 0 {
		switch {
		case sync.Source != nil:
			return []contract.Pull{pull(field+".source", *sync.Source, sync.Revision, "")}
		case app.Spec.HasMultipleSources():
			sources = app.Spec.Sources
		default:
			return []contract.Pull{pull(field+".source", app.Spec.GetSource(), sync.Revision, hydrated(app))}
		}
	}
	revisions, how := sync.Revisions, contract.How("")
	if len(revisions) != len(sources) {
		revisions, how = make([]string, len(sources)), contract.Uneven
	}
	var all []contract.Pull
	for i, s := range sources {
		all = append(all, pull(fmt.Sprintf("%s.sources[%d]", field, i), s, revisions[i], how))
	}
	return all
}

func hydrated(app *v1alpha1.Application) contract.How {
	if app.Spec.SourceHydrator != nil {
		return contract.Hydrated
	}
	return ""
}

// pull is the choice that runRepoOperation makes.
func pull(field string, s v1alpha1.ApplicationSource, revision string, how contract.How) contract.Pull {
	if revision == "" {
		revision = s.TargetRevision
	}
	p := contract.Pull{Field: field, Kind: contract.Git, RepoURL: s.RepoURL, Chart: s.Chart, Revision: revision, How: how}
	switch {
	case s.IsHelmOci():
		p.Kind = contract.HelmOCI
	case s.IsHelm():
		p.Kind = contract.Helm
	}
	return p
}
