package source

import (
	"context"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
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

type application struct {
	Spec struct {
		Source         *argoSource  `json:"source"`
		Sources        []argoSource `json:"sources"`
		SourceHydrator *struct {
			DrySource *argoSource `json:"drySource"`
		} `json:"sourceHydrator"`
	} `json:"spec"`
}

// applicationClaims reads every source of spec. Argo CD prefers sources to source;
// chartgate does not choose, and checks all. Git sources are no charts: they claim
// nothing unless the admin denies them.
func (e *Extractor) applicationClaims(o Object) ([]claim, error) {
	var app application
	if err := decode(o, &app); err != nil {
		return nil, err
	}
	var claims []claim
	add := func(field string, s *argoSource) {
		if s != nil && (!s.isGit() || e.options.DenyArgoGit) {
			claims = append(claims, argoClaim{field: field, argoSource: *s})
		}
	}
	add("spec.source", app.Spec.Source)
	for i := range app.Spec.Sources {
		add(fmt.Sprintf("spec.sources[%d]", i), &app.Spec.Sources[i])
	}
	if hydrator := app.Spec.SourceHydrator; hydrator != nil {
		add("spec.sourceHydrator.drySource", hydrator.DrySource)
	}
	return claims, nil
}

// argoClaim is one source of an Application.
type argoClaim struct {
	field string
	argoSource
}

// isGit reports whether Argo CD fetches the source with git: no chart, and no
// oci:// (ApplicationSource.IsHelm and IsOCI of Argo CD 3.2). Argo CD takes
// "OCI://" for Git too and fails; here it is kept, to be denied with a hint.
func (s argoSource) isGit() bool {
	scheme, _, _ := strings.Cut(s.RepoURL, ":")
	return s.Chart == "" && !strings.EqualFold(scheme, chart.SchemeOCI)
}

func (c argoClaim) use(_ context.Context, e *Extractor) Use {
	reference, err := c.reference(e)
	return Use{Field: c.field, Reference: reference, Problem: err}
}

func (c argoClaim) reference(e *Extractor) (chart.Reference, error) {
	native := strings.HasPrefix(c.RepoURL, "oci://")
	_, _, scheme := strings.Cut(c.RepoURL, "://")
	switch {
	case c.isGit():
		return chart.Reference{}, &chart.Problem{
			Kind:   chart.KindNotOCI,
			Detail: fmt.Sprintf("the source %s is a Git repository, which the cluster's admin does not allow", chart.Quote(c.RepoURL)),
			Next:   "deploy a signed chart from an OCI registry",
		}
	case native && c.Chart != "":
		// Argo CD 3 ignores chart here; 2.x appends it.
		return chart.Reference{}, chart.Invalid("repoURL %s starts with oci:// and chart is set too: Argo CD versions disagree on what that means", chart.Quote(c.RepoURL)).
			WithNext("either remove oci:// from repoURL, or put the whole reference into repoURL and remove chart")
	case native:
		return c.native(e)
	case c.Chart == "":
		return chart.Reference{}, chart.Invalid("repoURL %s: the scheme is spelled oci://, in lower case", chart.Quote(c.RepoURL))
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
	base, err := chart.ParseLocation(strings.TrimSuffix(url, "/"))
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
