package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// Options are decisions of the cluster's admin.
type Options struct {
	// PlainHTTP are the registry hosts that may be spoken to over plain HTTP.
	PlainHTTP []string
	// ArtifactWriters are the users that Flux's source controller writes as. Their
	// word on an artifact counts where its digest cannot be compared.
	ArtifactWriters []string
	// ReleaseWriters are the users that Flux's helm-controller writes as: only they may
	// record in a HelmRelease what is deployed next, and what was.
	ReleaseWriters []string
	// ArgoUsers are the users that Argo CD's application controller writes as. What it says about
	// a running operation is its record; from any other user it is examined.
	ArgoUsers []string
	// DenyRepackaged denies charts of which source-controller makes an archive of its own, which
	// no digest can prove: HelmCharts with values files, OCIRepositories that extract.
	DenyRepackaged bool
	// TrustRequests is set where every request provably comes from the API server: what a
	// request says about an object then counts like the stored object.
	TrustRequests bool
	// DenyMissingSource denies what refers to a source that does not exist yet,
	// instead of admitting it with a warning.
	DenyMissingSource bool
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
// Implementations are comparable. They hold all fields that decide which chart is
// pulled and how, and no others.
type claim interface {
	// use follows the claim to a chart.
	use(ctx context.Context, e *Extractor) Use
	// bare is the claim without the fields that only say how its registry is reached: a
	// claim whose bare form is == to one of the old object is no news. What other
	// credentials, or another proxy, may bring in meets the gates on what is pulled.
	bare() claim
}

// Changes are the places where a write names a chart that its object did not name
// there before.
type Changes struct {
	object ID
	claims []claim
}

// None reports whether the write makes nothing newly deployable.
func (c Changes) None() bool { return len(c.claims) == 0 }

// Changes compares what w writes with what was there before, without any I/O. An
// error means that the object could not be read; it is a *problem.Error. An object
// that repeats byte for byte what matters is not read at all.
func (e *Extractor) Changes(w Write) (Changes, error) {
	if door := e.doorOf(w.ID, w.Subresource); w.Old != nil && door.claims != nil && unchanged(w.Old, w.JSON, door.fields) {
		return Changes{object: w.ID}, nil
	}
	claims, err := e.claims(w)
	if err != nil {
		return Changes{}, err
	}
	if w.Old != nil && len(claims) > 0 {
		before := w
		before.JSON = w.Old
		// An old object that cannot be read made nothing deployable.
		known, _ := e.claims(before)
		claims = slices.DeleteFunc(claims, func(c claim) bool {
			return slices.ContainsFunc(known, func(k claim) bool { return k.bare() == c.bare() })
		})
	}
	if err := checkSize(claims); err != nil {
		return Changes{}, err
	}
	return Changes{object: w.ID, claims: claims}, nil
}

// maxNamed bounds what an object says of the charts that it names: it is in memory while
// registries are asked, for as many writes as may wait for that. No text in it is longer
// than 4 KiB in honest objects, and 64 sources of an Application have some 20 KiB.
const maxNamed = 128 << 10

func checkSize(claims []claim) error {
	size := 0
	for _, c := range claims {
		if size += len(fmt.Sprint(c)); size > maxNamed {
			return &problem.Error{
				Kind:   problem.KindLimitExceeded,
				Detail: fmt.Sprintf("the names of the charts in it have more than the %d KiB that chartgate reads", maxNamed>>10),
				Next:   "name fewer charts, or by shorter names",
			}
		}
	}
	return nil
}

// Uses follows the changes to charts. What cannot be followed is Unresolved, so
// there are as many uses as changes.
func (e *Extractor) Uses(ctx context.Context, changes Changes) []Use {
	uses := make([]Use, 0, len(changes.claims))
	for _, c := range changes.claims {
		use := c.use(ctx, e)
		use.Object = changes.object
		uses = append(uses, use)
	}
	return uses
}

// claims reads the claims of an object. What is not gated is denied: the webhook's
// rules and doorOf must not drift apart in silence.
func (e *Extractor) claims(w Write) ([]claim, error) {
	read := e.doorOf(w.ID, w.Subresource).claims
	if read == nil {
		return nil, &problem.Error{
			Kind: problem.KindUnsupported,
			Detail: fmt.Sprintf("chartgate does not know the kind %s of group %s with subresource %s",
				chart.Quote(w.Kind), chart.Quote(w.Group), chart.Quote(w.Subresource)),
		}
	}
	return read(w)
}

// door is a kind of write that can make charts deployable. The zero value is none.
type door struct {
	// claims reads an object, and nothing of it but the fields.
	claims func(Write) ([]claim, error)
	fields fields
}

// doorOf is the one list of what chartgate gates.
func (e *Extractor) doorOf(id ID, subresource string) door {
	type key struct{ group, kind, subresource string }
	flux, helm := sourcev1.GroupVersion.Group, helmv2.GroupVersion.Group
	spec := fields{"spec": nil}
	pulled := fields{"spec": nil, "status": {"artifact": nil}}
	switch (key{id.Group, id.Kind, subresource}) {
	case key{helm, helmv2.HelmReleaseKind, ""}:
		return door{e.helmReleaseClaims, spec}
	case key{helm, helmv2.HelmReleaseKind, "status"}:
		return door{e.helmReleaseStatusClaims, fields{"status": {
			"helmChart": nil, "lastAttemptedRevision": nil, "lastAttemptedRevisionDigest": nil, "lastAttemptedConfigDigest": nil,
			"lastAttemptedValuesChecksum": nil, "conditions": nil, "history": nil,
		}}}
	case key{flux, sourcev1.HelmRepositoryKind, ""}:
		return door{helmRepositoryClaims, spec}
	case key{flux, sourcev1.HelmChartKind, ""}:
		return door{e.helmChartClaims, spec}
	case key{flux, sourcev1.HelmChartKind, "status"}:
		return door{e.helmChartStatusClaims, pulled}
	case key{flux, sourcev1.OCIRepositoryKind, ""}:
		return door{ociRepositoryClaims, spec}
	case key{flux, sourcev1.OCIRepositoryKind, "status"}:
		return door{e.ociRepositoryStatusClaims, pulled}
	case key{argo.Group, argo.ApplicationKind, ""}, key{argo.Group, argo.ApplicationKind, "status"}:
		// Argo CD's own CRD has no status subresource; a vendor's might.
		return door{e.applicationClaims, fields{"spec": nil, "operation": nil, "status": {"operationState": nil}}}
	default:
		return door{}
	}
}

// Gates reports whether objects of this kind can make charts deployable.
func (e *Extractor) Gates(id ID) bool { return e.doorOf(id, "").claims != nil }

// deferrable lets the absence of a source, or of a Secret that it refers to, defer: Flux dry-runs a whole
// Kustomization before it applies the first object, HelmReleases before their
// sources, so a denial would block both for ever. Nothing can be pulled from what
// does not exist, and what is pulled later meets the gates on HelmChart,
// OCIRepository and their status. Only absence defers; every other problem stays.
func (e *Extractor) deferrable(use Use) Use {
	use.Deferrable = !e.options.DenyMissingSource
	return use
}

// one reads exactly one sibling. That it does not exist is KindSourceNotFound;
// that it could not be read is KindInternal and says nothing about its existence.
func (e *Extractor) one(ctx context.Context, id ID) (Object, error) {
	if id.Namespace == "" || id.Name == "" || strings.Contains(id.Name, "/") {
		return Object{}, problem.Invalid("%s is not the full name of one object", id)
	}
	found, err := e.reader.Read(ctx, id)
	switch {
	case ctx.Err() != nil:
		return Object{}, &problem.Error{Kind: problem.KindTimeout, Detail: fmt.Sprintf("reading %s took too long", id), Err: errors.Join(ctx.Err(), err)}
	case err != nil:
		return Object{}, &problem.Error{Kind: problem.KindInternal, Detail: fmt.Sprintf("%s could not be read", id), Err: err}
	case len(found) > 1:
		return Object{}, problem.Invalid("%s was found %d times, with different content", id, len(found)).
			WithNext("give every object once; what a Kustomization makes is verified by: kustomize build DIR | chartgate verify -f - --policy PATH")
	case len(found) == 0:
		return Object{}, &problem.Error{
			Kind:   problem.KindSourceNotFound,
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
