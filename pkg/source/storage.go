package source

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// pulledStatus is what a source object says of its artifact, from which source-controller builds
// the artifacts of HelmCharts.
type pulledStatus struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Status struct {
		Artifact   *artifactStatus  `json:"artifact"`
		Conditions storedConditions `json:"conditions"`
	} `json:"status"`
}

// holds reports whether the artifact with this revision is what the source says it has pulled for
// its present spec. For GitRepositories and Buckets, whose writes are not intercepted, that is the
// word of everyone who can write them: a pull that was under way while spec changed gets the new
// generation, and a bucket's revision is made of ETags that its server chooses. See "Waivers" in
// docs/security.md.
func (p pulledStatus) holds(revision string) bool {
	if p.Status.Artifact == nil || revision == "" || p.Status.Artifact.Revision != revision {
		return false
	}
	return p.Status.Conditions.storedFor(p.Metadata.Generation)
}

// storedConditions are the conditions of a Flux source. source-controller sets the condition
// ArtifactInStorage after it has compared the artifact with what the spec names (v1.9, all sources
// but a HelmRepository of type oci). Its generation is the one that the object has when the
// condition is written (conditions.Set and patch.Helper in fluxcd/pkg/runtime), which is later than
// that of the spec it has pulled if spec changed meanwhile. status.observedGeneration also counts
// specs that it could not pull at all.
type storedConditions []storedCondition

type storedCondition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Message            string `json:"message"`
	ObservedGeneration int64  `json:"observedGeneration"`
}

func (c storedConditions) inStorage() storedConditions {
	return slices.DeleteFunc(slices.Clone(c), func(one storedCondition) bool { return one.Type != sourcev1.ArtifactInStorageCondition })
}

// storedFor reports whether the condition was written at this generation: the artifact was pulled
// for its spec, or for an earlier one if spec changed during the pull.
func (c storedConditions) storedFor(generation int64) bool {
	stored := c.inStorage()
	return len(stored) > 0 && !slices.ContainsFunc(stored, func(one storedCondition) bool {
		return one.Status != "True" || one.ObservedGeneration != generation
	})
}

// names reports whether the conditions are about the artifact with this digest. source-controller
// writes the conditions before the artifact: where that is denied, they name another digest. A
// message without a digest is about none in particular.
func (c storedConditions) names(digest chart.Digest) bool {
	return !slices.ContainsFunc(c.inStorage(), func(one storedCondition) bool {
		return strings.Contains(one.Message, "sha256:") && !strings.Contains(one.Message, digest.String())
	})
}

// storageFields reads what only source-controller may say of its storage: without a signature, it
// decides from where an artifact was pulled.
func (e *Extractor) storageFields(w Write, conditions storedConditions) ([]gatedField, error) {
	if slices.Contains(e.options.ArtifactWriters, w.User) {
		return nil, nil
	}
	stored := conditions.inStorage()
	if len(stored) == 0 {
		if w.Old == nil {
			return nil, nil
		}
		return []gatedField{storageField{kind: w.Kind, user: w.User}}, nil
	}
	record, err := json.Marshal(stored)
	return []gatedField{storageField{kind: w.Kind, user: w.User, record: string(record)}}, err
}

// storageField is the record of source-controller as another user writes it.
type storageField struct{ kind, user, record string }

func (f storageField) key() gatedField {
	f.user = ""
	return f
}

func (f storageField) use(context.Context, *Extractor) Use {
	return Use{Field: "status.conditions", Target: Unresolved{Err: &problem.Error{
		Kind:   problem.KindUnsupported,
		Detail: fmt.Sprintf("the condition %s of a %s is the record of source-controller, and %s is not its user", sourcev1.ArtifactInStorageCondition, f.kind, problem.QuoteInput(f.user)),
		Next:   "leave status to source-controller; if this was source-controller, ask the cluster's admin to name its user with --artifact-writers (value artifactWriters)",
	}}}
}

// outOfDate is the error where a source holds an artifact of another spec than it has now.
func outOfDate(id ID) error {
	return &problem.Error{
		Kind:   problem.KindDigestMismatch,
		Detail: fmt.Sprintf("%s holds an artifact that was not pulled for its present spec, so its name does not tell where the chart comes from", id),
		Next:   "wait until source-controller has pulled what the spec names now; a suspended source must be resumed",
	}
}
