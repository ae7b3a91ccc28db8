package source

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// argoSource holds the fields of an Application's source that decide which chart
// is rendered. chartgate decodes them itself: argo-cd/v2's typed API doubles the
// binary and does not know Argo CD 3's fields. test/contract compares this with
// the real types of both.
type argoSource struct {
	RepoURL        string `json:"repoURL"`
	Chart          string `json:"chart"`
	TargetRevision string `json:"targetRevision"`
}

// maxSources bounds the sources in one list: real Applications have some ten. 3 MiB hold
// a million of "{}", each of which takes fifty bytes, and is compared with those of the
// old object.
const maxSources = 1000

// argoSources is a list that is not decoded if it is too long.
type argoSources []argoSource

// UnmarshalJSON counts before it decodes.
func (s *argoSources) UnmarshalJSON(raw []byte) error {
	list := scanner{json: raw}
	for n := 0; list.take('[') || list.take(','); n++ {
		if n == maxSources {
			return fmt.Errorf("there are more than %d sources", maxSources)
		}
		if !list.skip() {
			break // an empty list
		}
	}
	return json.UnmarshalCaseSensitivePreserveInts(raw, (*[]argoSource)(s))
}

type application struct {
	Spec struct {
		Project        string      `json:"project"`
		Source         *argoSource `json:"source"`
		Sources        argoSources `json:"sources"`
		SourceHydrator *struct {
			DrySource  *argoSource `json:"drySource"`
			SyncSource struct {
				TargetBranch string `json:"targetBranch"`
			} `json:"syncSource"`
		} `json:"sourceHydrator"`
	} `json:"spec"`
	Operation *argoOperation `json:"operation"`
	Status    struct {
		OperationState *argoOperationState `json:"operationState"`
	} `json:"status"`
}

// applicationClaims reads every place from which Argo CD takes a chart: spec, the
// operation that a write asks for, and the state of a running one, which the
// controller resumes from. Argo CD prefers sources to source; chartgate does not
// choose, and checks all.
func (e *Extractor) applicationClaims(w Write) ([]claim, error) {
	var app application
	if err := decode(w.Object, &app); err != nil {
		return nil, err
	}
	claims := e.argoClaims("spec", app.Spec.Source, app.Spec.Sources, nil)
	for i, c := range claims {
		if source, ok := c.(argoClaim); ok {
			source.when = app.preferred()
			claims[i] = source
		}
	}
	if synced := app.hydrated(); synced != nil {
		claims = append(claims, e.argoClaim("spec.sourceHydrator.drySource", *app.Spec.SourceHydrator.DrySource, nil, onlySource)...)
		claims = append(claims, e.argoClaim("spec.sourceHydrator.syncSource", *synced, nil, onlySource)...)
	}
	if app.Operation != nil {
		claims = append(claims, e.operationClaims("operation", *app.Operation, app, "")...)
	}
	claims = append(claims, e.recordedClaims(w, app)...)
	for i, c := range claims {
		if source, ok := c.(argoClaim); ok {
			source.project = app.Spec.Project
			claims[i] = source
		}
	}
	return claims, nil
}

// specClaims reads the sources that a sync without sources of its own deploys.
func (e *Extractor) specClaims(field string, app application, at *revisions) []claim {
	claims := e.argoClaims(field, app.Spec.Source, app.Spec.Sources, at)
	if synced := app.hydrated(); synced != nil {
		claims = append(claims, e.argoClaim(field+".source", *synced, at, onlySource)...)
	}
	return claims
}

// preferred says which of its sources Argo CD takes (ApplicationSpec.GetSources): one
// that is hidden behind another is news when the other goes away.
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

// hydrated returns the source that Argo CD deploys if there is a hydrator: the dry
// source's repository at the branch to sync from (ApplicationSpec.GetSource, v3.2).
// It is meant for Git, but nothing keeps oci:// out of it.
func (a application) hydrated() *argoSource {
	hydrator := a.Spec.SourceHydrator
	if hydrator == nil || hydrator.DrySource == nil {
		return nil
	}
	return &argoSource{RepoURL: hydrator.DrySource.RepoURL, TargetRevision: hydrator.SyncSource.TargetBranch}
}

// argoClaims reads a source and a list of sources below field.
func (e *Extractor) argoClaims(field string, source *argoSource, sources []argoSource, at *revisions) []claim {
	var claims []claim
	if source != nil {
		claims = e.argoClaim(field+".source", *source, at, onlySource)
	}
	at = at.forSources(len(sources))
	for i, s := range sources {
		claims = append(claims, e.argoClaim(fmt.Sprintf("%s.sources[%d]", field, i), s, at, i)...)
	}
	return claims
}

// argoClaim reads one source. Git sources are no charts: they claim nothing unless
// the admin denies them.
func (e *Extractor) argoClaim(field string, s argoSource, at *revisions, position int) []claim {
	if s.isGit() && !e.options.DenyArgoGit {
		return nil
	}
	return []claim{argoClaim{field: field, argoSource: at.apply(s, position), unseen: at.unseen(position), when: at.whenOf()}}
}

// argoClaim is one source of an Application.
type argoClaim struct {
	field string
	argoSource
	// project scopes the repository Secrets that Argo CD looks for.
	project string
	// unseen is set where Argo CD resolves the revision by itself later on, when
	// nobody asks chartgate.
	unseen bool
	// when is what makes the same source news at another time: for what the state of
	// an operation records, how far that is, since whoever sets a finished one going
	// again deploys it anew; for spec, which of its sources counts.
	when string
}

// isGit reports whether Argo CD fetches the source with git: no chart, and no
// oci:// (ApplicationSource.IsHelm and IsOCI of Argo CD 3.2). Argo CD takes
// "OCI://" for Git too and fails; here it is kept, to be denied with a hint.
func (s argoSource) isGit() bool {
	scheme, _, _ := strings.Cut(s.RepoURL, ":")
	return s.Chart == "" && !strings.EqualFold(scheme, chart.SchemeOCI)
}

func (c argoClaim) bare() claim {
	c.project = ""
	return c
}

func (c argoClaim) use(_ context.Context, e *Extractor) Use {
	reference, err := c.reference(e)
	if c.unseen {
		reference.Selector = reference.Selector.Floating()
	}
	access := sourceauth.Auth{Consumer: sourceauth.ArgoCD, URL: c.RepoURL, Project: c.project}
	found := Chart{Reference: reference, Access: access}
	if strings.HasPrefix(c.RepoURL, "oci://") {
		found.Taking = chart.TakeContent()
	}
	return Use{Field: c.field, Target: found.or(err)}
}

func (c argoClaim) reference(e *Extractor) (chart.Reference, error) {
	// Argo CD looks a repository up by its URL without ".git" (git.SameURL), and then
	// pulls from the URL that it finds.
	if !c.isGit() && strings.HasSuffix(strings.TrimSuffix(c.RepoURL, "/"), ".git") {
		return chart.Reference{}, problem.Invalid("repoURL %s ends in .git, which Argo CD does not take for part of the name", chart.Quote(c.RepoURL)).
			WithNext("use a repository whose name does not end in .git")
	}
	native := strings.HasPrefix(c.RepoURL, "oci://")
	_, _, scheme := strings.Cut(c.RepoURL, "://")
	switch {
	case c.isGit():
		return chart.Reference{}, &problem.Error{
			Kind:   problem.KindNotOCI,
			Detail: fmt.Sprintf("the source %s is a Git repository, which the cluster's admin does not allow", chart.Quote(c.RepoURL)),
			Next:   "deploy a signed chart from an OCI registry",
		}
	case native && c.Chart != "":
		// Argo CD 3 ignores chart here; 2.x appends it.
		return chart.Reference{}, problem.Invalid("repoURL %s starts with oci:// and chart is set too: Argo CD versions disagree on what that means", chart.Quote(c.RepoURL)).
			WithNext("either remove oci:// from repoURL, or put the whole reference into repoURL and remove chart")
	case native:
		return c.native(e)
	case c.Chart == "":
		return chart.Reference{}, problem.Invalid("repoURL %s: the scheme is spelled oci://, in lower case", chart.Quote(c.RepoURL))
	case scheme:
		return c.helm(e, c.RepoURL)
	default:
		return c.helm(e, "oci://"+c.RepoURL)
	}
}

// native reads an oci:// source: the whole reference is in repoURL. Argo CD
// ignores a tag or digest in it, so ParseChart's refusal of one is needed.
func (c argoClaim) native(e *Extractor) (chart.Reference, error) {
	location, err := chart.ParseChart(c.RepoURL)
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkTransport(location, false, ""); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseArgoNativeRevision(c.TargetRevision)
	return chart.Reference{Location: location, Selector: selector}, err
}

// helm reads a source with a chart: Helm-OCI without a scheme, otherwise a
// classic repository.
func (c argoClaim) helm(e *Extractor, url string) (chart.Reference, error) {
	base, err := chart.ParseLocation(url)
	if err != nil {
		return chart.Reference{}, err
	}
	location, err := base.Join(c.Chart)
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkTransport(location, false, ""); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseArgoHelmRevision(c.TargetRevision)
	return chart.Reference{Location: location, Selector: selector}, err
}
