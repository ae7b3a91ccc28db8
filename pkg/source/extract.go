package source

import (
	"context"
	"fmt"
	"slices"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/chart"
)

// Options are decisions of the cluster's admin.
type Options struct {
	// PlainHTTP are the registry hosts that may be spoken to over plain HTTP.
	PlainHTTP []string
	// DenyArgoGit denies Argo CD sources that are Git repositories. They are outside
	// the gate otherwise: chartgate verifies charts, not Git.
	DenyArgoGit bool
}

// Extractor finds the uses of charts in writes.
type Extractor struct {
	reader  Reader
	options Options
}

// NewExtractor returns an Extractor that reads siblings through reader.
func NewExtractor(reader Reader, options Options) *Extractor {
	return &Extractor{reader: reader, options: options}
}

// claim is one place of an object that names a chart, as its author wrote it.
// Implementations are comparable: a claim that is == to one of the old object is
// no news. They hold all fields that decide which chart is pulled, and no others.
type claim interface {
	// use follows the claim to a chart.
	use(ctx context.Context, e *Extractor) Use
}

// Extract returns the uses that replacing old by object makes newly deployable;
// old.JSON is nil for a creation. An error means that the object could not be
// read; it is a *chart.Problem.
func (e *Extractor) Extract(ctx context.Context, object, old Object) ([]Use, error) {
	claims, err := e.claims(object)
	if err != nil {
		return nil, err
	}
	var known []claim
	if old.JSON != nil && len(claims) > 0 {
		// An old object that cannot be read made nothing deployable.
		known, _ = e.claims(old)
	}
	var uses []Use
	for _, c := range claims {
		if slices.Contains(known, c) {
			continue
		}
		use := c.use(ctx, e)
		use.Object = object.ID
		uses = append(uses, use)
	}
	return uses, nil
}

// claims is the one list of what chartgate gates. A kind that is not in it is
// denied: the webhook's rules and this list must not drift apart in silence.
func (e *Extractor) claims(o Object) ([]claim, error) {
	switch [2]string{o.Group, o.Kind} {
	case [2]string{helmv2.GroupVersion.Group, helmv2.HelmReleaseKind}:
		return helmReleaseClaims(o)
	case [2]string{sourcev1.GroupVersion.Group, sourcev1.HelmRepositoryKind}:
		return helmRepositoryClaims(o)
	case [2]string{sourcev1.GroupVersion.Group, sourcev1.HelmChartKind}:
		return helmChartClaims(o)
	case [2]string{sourcev1.GroupVersion.Group, sourcev1.OCIRepositoryKind}:
		return ociRepositoryClaims(o)
	case [2]string{argo.Group, argo.ApplicationKind}:
		return applicationClaims(o)
	default:
		return nil, &chart.Problem{
			Kind:   chart.KindUnsupported,
			Detail: fmt.Sprintf("chartgate does not know the kind %s of group %s", chart.Quote(o.Kind), chart.Quote(o.Group)),
		}
	}
}

// decode reads the fields of o that into has. Names of fields are case-sensitive,
// as for the API server: encoding/json would take "Spec" for "spec".
func decode(o Object, into any) error {
	if err := json.UnmarshalCaseSensitivePreserveInts(o.JSON, into); err != nil {
		return &chart.Problem{Kind: chart.KindInvalid, Detail: "the " + o.Kind + " cannot be read", Err: err}
	}
	return nil
}

// one reads exactly one sibling. That it does not exist is KindSourceNotFound;
// that it could not be read is KindInternal and says nothing about its existence.
func (e *Extractor) one(ctx context.Context, id ID) (Object, error) {
	found, err := e.reader.Read(ctx, id)
	switch {
	case ctx.Err() != nil:
		return Object{}, &chart.Problem{Kind: chart.KindTimeout, Detail: fmt.Sprintf("reading %s took too long", id), Err: err}
	case err != nil:
		return Object{}, &chart.Problem{Kind: chart.KindInternal, Detail: fmt.Sprintf("%s could not be read", id), Err: err}
	case len(found) != 1 || found[0].JSON == nil:
		return Object{}, &chart.Problem{
			Kind:   chart.KindSourceNotFound,
			Detail: fmt.Sprintf("%s does not exist", id),
			Next:   "apply the source first, or correct its name and namespace",
		}
	default:
		return found[0], nil
	}
}

// String names the object for people.
func (id ID) String() string {
	if id.Namespace == "" {
		return id.Kind + " " + id.Name
	}
	return id.Kind + " " + id.Namespace + "/" + id.Name
}
