package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/source"
)

// status is what objects say of what they have pulled or deployed.
type status struct {
	Status struct {
		Artifact *struct {
			Revision string `json:"revision"`
		} `json:"artifact"`
		HelmChart           string       `json:"helmChart"`
		LastAppliedRevision string       `json:"lastAppliedRevision"` // before v2
		History             []deployment `json:"history"`
		Sync                struct {
			Revision  string   `json:"revision"`
			Revisions []string `json:"revisions"`
		} `json:"sync"`
	} `json:"status"`
}

// deployment is an entry of status.history of a HelmRelease.
type deployment struct {
	ChartVersion string `json:"chartVersion"`
	Status       string `json:"status"`
	OCIDigest    string `json:"ociDigest"`
}

// deployed returns what the object says that it has pulled or deployed for one of its fields.
func (i *Inspector) deployed(ctx context.Context, object source.Object, field string) Deployed {
	var s status
	if json.Unmarshal(object.JSON, &s) != nil {
		return Deployed{} // of another form than its API; the spec is refused for it, or nothing is
	}
	switch object.Kind {
	case helmv2.HelmReleaseKind:
		return i.deployedByRelease(ctx, object, s)
	case argo.ApplicationKind:
		return synced(s, field)
	default:
		return i.held(ctx, object, s)
	}
}

// held returns what a source of Flux has pulled.
func (i *Inspector) held(ctx context.Context, object source.Object, s status) Deployed {
	if s.Status.Artifact == nil || object.Kind == sourcev1.HelmRepositoryKind {
		return Deployed{}
	}
	d := Deployed{Revision: s.Status.Artifact.Revision}
	changes, err := i.options.Extractor.Changes(source.Write{Object: object, Subresource: "status"})
	if err != nil {
		return d
	}
	for _, use := range i.options.Extractor.Uses(ctx, changes) {
		found, ok := use.Target.(source.Chart)
		if !ok || found.Artifact == nil {
			continue
		}
		d.Manifest = found.Artifact.Manifest.String()
		if !found.Artifact.Incomparable {
			d.Archive = found.Artifact.Archive.String()
		}
	}
	return d
}

// deployedByRelease returns what helm-controller has deployed. It records a digest for charts from
// OCIRepositories only; for others, the HelmChart tells the digest of the archive, if it holds the
// same version.
func (i *Inspector) deployedByRelease(ctx context.Context, object source.Object, s status) Deployed {
	d := Deployed{Revision: s.Status.LastAppliedRevision}
	if newest, ok := running(s.Status.History); ok {
		d.Revision = newest.ChartVersion
		if digest, err := chart.ParseDigest(newest.OCIDigest); err == nil {
			d.Manifest = digest.String()
		}
	}
	namespace, name, _ := strings.Cut(s.Status.HelmChart, "/")
	if d.Manifest != "" || d.Revision == "" || name == "" {
		return d
	}
	id := source.ID{Group: sourcev1.GroupVersion.Group, Kind: sourcev1.HelmChartKind, Namespace: namespace, Name: name}
	found, err := i.options.Reader.Read(ctx, id)
	if err != nil || len(found) != 1 {
		return d
	}
	var of status
	if json.Unmarshal(found[0].JSON, &of) != nil {
		return d
	}
	if held := i.held(ctx, found[0], of); held.Revision == d.Revision {
		d.Archive = held.Archive
	}
	return d
}

// running returns the newest deployment that has not failed, or the newest if all have.
func running(history []deployment) (deployment, bool) {
	for _, d := range history {
		if d.Status == "deployed" {
			return d, true
		}
	}
	if len(history) == 0 {
		return deployment{}, false
	}
	return history[0], true
}

// synced returns what Argo CD has compared the cluster with: a version for a chart of a Helm
// repository, a digest for a native OCI source.
func synced(s status, field string) Deployed {
	revision := s.Status.Sync.Revision
	var position int
	if n, _ := fmt.Sscanf(field, "spec.sources[%d]", &position); n == 1 {
		revision = ""
		if position >= 0 && position < len(s.Status.Sync.Revisions) {
			revision = s.Status.Sync.Revisions[position]
		}
	}
	d := Deployed{Revision: revision}
	if digest, err := chart.ParseDigest(revision); err == nil {
		d.Manifest = digest.String()
	}
	return d
}

// compare says whether what is deployed is what the reference means now.
func (d Deployed) compare(now artifact.Resolved) Comparison {
	same := func(is bool) Comparison {
		if is {
			return Same
		}
		return Moved
	}
	switch {
	case d.Revision == "":
		return ""
	case now.Digest.IsZero():
		return Unknown
	case d.Manifest != "":
		return same(d.Manifest == now.Digest.String())
	case d.Archive != "" && !now.Layer.IsZero():
		return same(d.Archive == now.Layer.String())
	default:
		return Unknown
	}
}

// isOf reports whether the tag or version that is deployed is this tag: the status may tell the
// version in the chart, which has no "v" in front and "+" for "_".
func (d Deployed) isOf(tag string) bool {
	deployed, _, _ := strings.Cut(d.Revision, "@")
	return strings.TrimPrefix(strings.ReplaceAll(deployed, "+", "_"), "v") == strings.TrimPrefix(tag, "v")
}
