package main

import (
	"context"
	"os"
)

// What Artifact Hub reads about a repository of charts: https://artifacthub.io/docs/topics/repositories/helm-charts/.
const (
	artifactHubFile        = "charts/artifacthub-repo.yml"
	artifactHubTag         = "artifacthub.io"
	artifactHubConfigType  = "application/vnd.cncf.artifacthub.config.v1+yaml"
	artifactHubContentType = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml"
)

// publishArtifactHub puts the repository's metadata beside the chart. It belongs to no version, so its tag moves.
func (r *release) publishArtifactHub(ctx context.Context) error {
	text, err := os.ReadFile(artifactHubFile)
	if err != nil {
		return err
	}
	metadata, err := newArtifact(blob{artifactHubConfigType, []byte("{}")}, blob{artifactHubContentType, text}, map[string]string{
		"org.opencontainers.image.title": "artifacthub-repo.yml",
	})
	if err != nil {
		return err
	}
	pushed, err := r.registry.pushArtifact(ctx, chartPath, metadata)
	if err != nil {
		return err
	}
	return r.registry.tag(ctx, chartPath, artifactHubTag, pushed.digest)
}
