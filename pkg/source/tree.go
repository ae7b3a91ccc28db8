package source

import (
	"encoding/json"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// tree holds the fields of a GitRepository or a Bucket that decide which folders it holds.
type tree struct {
	pulledStatus
	Spec struct {
		ProxyRef localReference `json:"proxySecretRef"`
		// of a GitRepository
		URL     string                     `json:"url"`
		Ref     *sourcev1.GitRepositoryRef `json:"ref"`
		Include []json.RawMessage          `json:"include"`
		// of a Bucket
		Provider string `json:"provider"`
		Endpoint string `json:"endpoint"`
		Bucket   string `json:"bucketName"`
		Insecure bool   `json:"insecure"`
	} `json:"spec"`
}

// googleStorage is where source-controller reads buckets of the provider gcp, whatever their
// endpoint says (internal/bucket/gcp, v1.9).
const googleStorage = "storage.googleapis.com"

// reference returns the chart in the folder path, under its name in policies. A source whose content
// another server or another source can replace has no honest name.
func (t tree) reference(e *Extractor, id ID, path string) (chart.Reference, error) {
	if err := t.checkOwn(id); err != nil {
		return chart.Reference{}, err
	}
	repository, selector, err := t.repository(e, id)
	if err != nil {
		return chart.Reference{}, err
	}
	location, err := repository.Folder(path)
	return chart.Reference{Location: location, Selector: selector}, err
}

// checkOwn refuses a source that holds something else than its URL says: through a proxy of the
// tenant's choice and with a CA or host key from the tenant's Secret, anyone can answer for the
// server; and an included GitRepository can lie over any folder.
func (t tree) checkOwn(id ID) error {
	switch {
	case t.Spec.ProxyRef.Name != "":
		return &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("%s is pulled through a proxy that it names itself (spec.proxySecretRef), so its URL does not tell which server answers", id),
			Next:   "remove spec.proxySecretRef; a proxy of the whole cluster can be set on source-controller (HTTPS_PROXY)",
		}
	case len(t.Spec.Include) > 0:
		return &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: fmt.Sprintf("%s includes other GitRepositories (spec.include), so its URL does not tell where its folders come from", id),
			Next:   "remove spec.include, and keep the chart in one Git repository",
		}
	default:
		return nil
	}
}

// repository returns the source's own location, and what is read of it.
func (t tree) repository(e *Extractor, id ID) (chart.Location, chart.Selector, error) {
	if id.Kind == sourcev1.GitRepositoryKind {
		location, plain, err := chart.ParseGitURL(t.Spec.URL)
		if err != nil {
			return chart.Location{}, chart.Selector{}, err
		}
		if err := e.checkEncrypted(location, plain, "spec.url"); err != nil {
			return chart.Location{}, chart.Selector{}, err
		}
		var ref chart.FluxGitRef
		if r := t.Spec.Ref; r != nil {
			ref = chart.FluxGitRef{Commit: r.Commit, Name: r.Name, SemVer: r.SemVer, Tag: r.Tag, Branch: r.Branch}
		}
		selector, err := chart.ParseFluxGitRef(ref)
		return location, selector, err
	}
	plain := t.Spec.Insecure || strings.HasPrefix(t.Spec.Endpoint, "http://")
	endpoint := t.Spec.Endpoint
	if t.Spec.Provider == sourcev1.BucketProviderGoogle {
		endpoint, plain = googleStorage, false
	}
	location, err := chart.ParseBucket(endpoint, t.Spec.Bucket, plain)
	if err != nil {
		return chart.Location{}, chart.Selector{}, err
	}
	return location, chart.AsStored(), e.checkEncrypted(location, plain, "spec.insecure or spec.endpoint")
}

// inTree reports whether the field names a folder in a GitRepository or a Bucket, of which
// source-controller makes an archive of its own.
func (f chartField) inTree() bool {
	return f.sourceKind == sourcev1.GitRepositoryKind || f.sourceKind == sourcev1.BucketKind
}

// treeChart returns the chart that the field names in a GitRepository or a Bucket.
func (f chartField) treeChart(object Object, e *Extractor) (Chart, error) {
	var source tree
	if err := decode(object, &source); err != nil {
		return Chart{}, err
	}
	reference, err := source.reference(e, object.ID, f.chart)
	return Chart{Reference: reference}, err
}

// checkPulled refuses the artifact of a HelmChart whose source has another spec now than when the
// chart was built: its URL then does not tell where the chart came from. Only what is admitted
// without a signature needs this; a signed chart is compared by its digest. It stops a plain change
// of the URL, and not everyone who can write the source: see pulledStatus.holds.
//
// It is asked about the object from which the chart got its name: read again, the source could have
// another URL.
func (f chartArtifactField) checkPulled(object Object) error {
	var source pulledStatus
	if err := decode(object, &source); err != nil {
		return err
	}
	if source.holds(f.sourceRevision) {
		return nil
	}
	return &problem.Error{
		Kind: problem.KindDigestMismatch,
		Detail: fmt.Sprintf("the chart was built from revision %s of %s, which is not what that source has pulled for its present spec",
			problem.QuoteInput(f.sourceRevision), object.ID),
		Next: "wait until source-controller has pulled the source and built the chart again; a suspended source must be resumed",
	}
}
