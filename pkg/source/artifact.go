package source

import (
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// Artifact is what a Flux source holds: what its controller has pulled.
type Artifact struct {
	// Source is the object that holds the artifact; zero where that is the object of the Use
	// itself.
	Source ID
	// Manifest is the digest that the source resolved; zero for a HelmChart, whose status does not
	// tell it.
	Manifest chart.Digest
	// Archive is the digest of the archive that consumers download and check; zero if its algorithm
	// is another one than sha256.
	Archive chart.Digest
	// Incomparable is set where Archive cannot equal the digest of the chart's layer: the source
	// makes an archive of its own, or takes digests of another algorithm.
	Incomparable bool
	// Extracted is set where Archive is the digest of what source-controller has extracted from the
	// chart's layer and packed again, without what Ignore (spec.ignore) names.
	Extracted bool
	Ignore    string
	// Outdated is set where an archive of the source's own was made of another spec than the source
	// has now.
	Outdated bool
	// Stale is set where source-controller is going to pull again before helm-controller deploys
	// anything of the source.
	Stale bool
	// ByController is set where the source controller itself wrote the artifact. Editors of a
	// namespace may write status too (Flux's flux-edit role). Without this, Archive must equal the
	// digest of the verified chart's layer.
	ByController bool
}

// Stored reports whether another object than the one that is written holds the artifact. It has met
// the gate on that object's status, or was there before.
func (a Artifact) Stored() bool { return a.Source != ID{} }

// artifactStatus is status.artifact of a Flux source, as its controller writes it.
type artifactStatus struct {
	URL      string `json:"url"`
	Revision string `json:"revision"`
	Digest   string `json:"digest"`
}

// archive reads the digest that helm-controller checks the download against. With another algorithm
// (source-controller's --artifact-digest-algo) it cannot be compared with an OCI digest; without a
// digest, helm-controller does not check the download.
func (a artifactStatus) archive() (chart.Digest, error) {
	if a.Digest == "" {
		return chart.Digest{}, problem.Invalid("status.artifact has no digest, so its download could not be checked")
	}
	if !strings.HasPrefix(a.Digest, "sha256:") {
		return chart.Digest{}, nil
	}
	return chart.ParseDigest(a.Digest)
}

// manifest reads the digest that an OCIRepository resolved, from a revision of the form
// "tag@sha256:…" or "sha256:…" (source-controller's getRevision, v1.9).
func (a artifactStatus) manifest() (chart.Digest, error) {
	digest, err := chart.ParseDigest(a.Revision[strings.LastIndexByte(a.Revision, '@')+1:])
	if err != nil {
		return chart.Digest{}, problem.Invalid("status.artifact.revision %s names no digest", problem.QuoteInput(a.Revision))
	}
	return digest, nil
}
