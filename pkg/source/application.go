package source

import "cmp"

// application holds the fields of an Application that decide which charts Argo CD deploys.
type application struct {
	Spec struct {
		Project        string      `json:"project"`
		Source         *argoSource `json:"source"`
		Sources        argoSources `json:"sources"`
		SourceHydrator *struct {
			DrySource  *argoSource `json:"drySource"`
			SyncSource struct {
				RepoURL      string `json:"repoURL"` // since Argo CD 3.5
				TargetBranch string `json:"targetBranch"`
				Path         string `json:"path"`
			} `json:"syncSource"`
		} `json:"sourceHydrator"`
	} `json:"spec"`
	Operation *argoOperation `json:"operation"`
	Status    struct {
		OperationState *argoOperationState `json:"operationState"`
	} `json:"status"`
}

// applicationFields reads every field from which Argo CD takes a chart: spec, the operation that a
// write asks for, and the state of a running one, which the controller resumes from. Argo CD
// prefers sources to source; chartgate does not choose, and checks all.
func (e *Extractor) applicationFields(w Write, app, old *application) ([]gatedField, error) {
	fields := e.argoFields("spec", app.Spec.Source, app.Spec.Sources, nil)
	for i, f := range fields {
		if source, ok := f.(argoField); ok {
			source.when = app.preferred()
			fields[i] = source
		}
	}
	if synced := app.hydrated(); synced != nil {
		if dry := app.Spec.SourceHydrator.DrySource; dry != nil {
			fields = append(fields, e.argoField("spec.sourceHydrator.drySource", *dry, nil, onlySource)...)
		}
		fields = append(fields, e.argoField("spec.sourceHydrator.syncSource", *synced, nil, onlySource)...)
	}
	if app.Operation != nil {
		fields = append(fields, e.operationFields("operation", *app.Operation, *app, "")...)
	}
	fields = append(fields, e.recordedFields(w, app, old)...)
	for i, f := range fields {
		if source, ok := f.(argoField); ok {
			source.project = app.Spec.Project
			fields[i] = source
		}
	}
	return fields, nil
}

// syncedFields reads the sources that a sync without sources of its own deploys; at are the
// revisions of the sync.
func (e *Extractor) syncedFields(path string, app application, at *revisions) []gatedField {
	fields := e.argoFields(path, app.Spec.Source, app.Spec.Sources, at)
	if synced := app.hydrated(); synced != nil {
		fields = append(fields, e.argoField(path+".source", *synced, at, onlySource)...)
	}
	return fields
}

// preferred says which of its sources Argo CD takes (ApplicationSpec.GetSources): one that is
// hidden behind another becomes a change when the other is removed.
func (a application) preferred() string {
	switch {
	case a.Spec.SourceHydrator != nil:
		return "sourceHydrator"
	case len(a.Spec.Sources) > 0:
		return "sources"
	default:
		return "source"
	}
}

// hydrated returns the source that Argo CD deploys if there is a hydrator: the branch to sync from in
// the dry source's repository, or in one of its own since Argo CD 3.5 (ApplicationSpec.GetSource v3.2,
// SourceHydrator.GetSyncSource v3.5.1). Both are meant for Git, but nothing keeps oci:// out of them.
func (a application) hydrated() *argoSource {
	hydrator := a.Spec.SourceHydrator
	if hydrator == nil {
		return nil
	}
	synced := argoSource{RepoURL: hydrator.SyncSource.RepoURL, TargetRevision: hydrator.SyncSource.TargetBranch, Path: hydrator.SyncSource.Path}
	if hydrator.DrySource != nil {
		synced.RepoURL = cmp.Or(synced.RepoURL, hydrator.DrySource.RepoURL)
	} else if synced.RepoURL == "" {
		return nil
	}
	return &synced
}
