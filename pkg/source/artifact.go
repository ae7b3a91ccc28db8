package source

import (
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// artifactStatus is status.artifact of a Flux source: what its controller pulled, and where
// consumers download it.
type artifactStatus struct {
	URL      string `json:"url"`
	Revision string `json:"revision"`
	Digest   string `json:"digest"`
}

// archive reads the digest that helm-controller checks the download against. With
// another algorithm (source-controller's --artifact-digest-algo) it cannot be
// compared with an OCI digest; without any, nobody checks the download.
func (a artifactStatus) archive() (chart.Digest, error) {
	if a.Digest == "" {
		return chart.Digest{}, problem.Invalid("status.artifact has no digest, so its download could not be checked")
	}
	if !strings.HasPrefix(a.Digest, "sha256:") {
		return chart.Digest{}, nil
	}
	return chart.ParseDigest(a.Digest)
}

// manifest reads the digest that an OCIRepository resolved, from a revision of the
// form "tag@sha256:…" or "sha256:…" (source-controller's getRevision, v1.9).
func (a artifactStatus) manifest() (chart.Digest, error) {
	digest, err := chart.ParseDigest(a.Revision[strings.LastIndexByte(a.Revision, '@')+1:])
	if err != nil {
		return chart.Digest{}, problem.Invalid("status.artifact.revision %s names no digest", chart.Quote(a.Revision))
	}
	return digest, nil
}
