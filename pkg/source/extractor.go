// Package source finds the charts that Flux and Argo CD objects name. It turns a write (an object
// and, for an update, the object before it) into the uses of charts that the write makes newly
// deployable.
//
// It works in two steps. First, without any I/O, it reads the gated fields of the object: those
// that name a chart, as they are written. Fields that the old object had too are dropped: such a
// write makes nothing newly deployable. Then it follows the other fields to uses, which may need
// sibling objects (HelmRepository, OCIRepository, HelmChart); it reads these through a Reader. A
// write that changes no gated field therefore costs no I/O, whatever else it changes.
package source

import (
	"context"
	"fmt"
	"slices"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Options are decisions of the cluster's admin.
type Options struct {
	// PlainHTTP are the registry hosts that may be spoken to over plain HTTP.
	PlainHTTP []string
	// ArtifactWriters are the users that Flux's source-controller writes as. An artifact whose
	// digest cannot be compared is accepted from them only.
	ArtifactWriters []string
	// ReleaseWriters are the users that Flux's helm-controller writes as: only they may record in a
	// HelmRelease what is deployed next, and what was deployed.
	ReleaseWriters []string
	// ArgoUsers are the users that Argo CD's application controller writes as. The state of a
	// running operation that they write is its record; from any other user it is examined.
	ArgoUsers []string
	// DenyRepackaged denies HelmCharts with values files: source-controller makes an archive of its
	// own of them, which no digest can prove.
	DenyRepackaged bool
	// TrustRequests is set where every request provably comes from the API server: what a request
	// says about an object then counts like the stored object.
	TrustRequests bool
	// DenyMissingSource denies references to a source that does not exist yet, instead of admitting
	// them with a warning.
	DenyMissingSource bool
	// DenyArgoGit denies Argo CD sources that are Git repositories, except those that a policy
	// waives by name. Otherwise they are outside the gate: chartgate verifies charts, not Git.
	DenyArgoGit bool
}

// Extractor finds the uses of charts in writes.
type Extractor struct {
	reader  Reader
	options Options
}

// NewExtractor returns an Extractor that reads sibling objects through reader.
func NewExtractor(reader Reader, options Options) *Extractor {
	return &Extractor{reader: reader, options: options}
}

// Changes are the gated fields that a write adds or changes.
type Changes struct {
	object ID
	fields []gatedField
}

// Empty reports whether the write makes nothing newly deployable.
func (c Changes) Empty() bool { return len(c.fields) == 0 }

// Changes compares what w writes with what was there before, without any I/O. An error means that
// the object could not be read, or that chartgate does not know its kind; it is a *problem.Error.
func (e *Extractor) Changes(w Write) (Changes, error) {
	read := e.gatedKindOf(w.ID, w.Subresource)
	if read == nil {
		// The webhook's rules and gatedKindOf must not differ without anyone noticing.
		return Changes{}, &problem.Error{
			Kind: problem.KindUnsupported,
			Detail: fmt.Sprintf("chartgate does not know the kind %s of group %s with subresource %s",
				problem.QuoteInput(w.Kind), problem.QuoteInput(w.Group), problem.QuoteInput(w.Subresource)),
		}
	}
	now, before, err := read(w)
	if err != nil {
		return Changes{}, err
	}
	// An Application can name some thousand sources in each of its lists, so each is looked up rather
	// than compared with all.
	known := make(map[gatedField]bool, len(before))
	for _, f := range before {
		known[f.key()] = true
	}
	changed := slices.DeleteFunc(now, func(f gatedField) bool { return known[f.key()] })
	if err := checkSize(changed); err != nil {
		return Changes{}, err
	}
	return Changes{object: w.ID, fields: changed}, nil
}

// maxNamed bounds what an object says of the charts that it names: it stays in memory while
// registries are asked, for as many writes as may wait at a time. No text in it is longer than 4
// KiB in honest objects, and 64 sources of an Application have some 20 KiB.
const maxNamed = 128 << 10

func checkSize(fields []gatedField) error {
	size := 0
	for _, f := range fields {
		if size += len(fmt.Sprint(f)); size > maxNamed {
			return &problem.Error{
				Kind:   problem.KindLimitExceeded,
				Detail: fmt.Sprintf("the names of the charts in it have more than the %d KiB that chartgate reads", maxNamed>>10),
				Next:   "name fewer charts, or use shorter names",
			}
		}
	}
	return nil
}

// Uses follows the changed fields to charts. A field that does not lead to one is Unresolved, so
// there are as many uses as changes.
func (e *Extractor) Uses(ctx context.Context, changes Changes) []Use {
	uses := make([]Use, 0, len(changes.fields))
	for _, f := range changes.fields {
		use := f.use(ctx, e)
		use.Object = changes.object
		uses = append(uses, use)
	}
	return uses
}
