package main

import (
	"os"
	"time"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/chartgate/chartgate/hack/internal/source"
)

// buildType is the page that says what the parameters mean.
const buildType = source.URL + "/blob/main/docs/release.md"

// provenance is SLSA's, version 1: what was built, from which commit, and by whom. It is the builder's own word, in the job
// that builds: docs/release.md says what it is worth.
func (r *release) provenance(more ...reference) ([]byte, error) {
	parameters, err := structpb.NewStruct(map[string]any{
		"version": r.version, "registry": r.registry.prefix, "platforms": r.options.platforms,
	})
	if err != nil {
		return nil, err
	}
	dependencies := []*intoto.ResourceDescriptor{{
		Uri: "git+" + source.URL + "@refs/tags/" + r.version, Digest: map[string]string{"gitCommit": r.commit.Revision},
	}}
	for _, used := range more {
		dependencies = append(dependencies, &intoto.ResourceDescriptor{
			Uri: "oci://" + used.repository, Digest: map[string]string{"sha256": used.digest[len("sha256:"):]},
		})
	}
	statement := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType: buildType, ExternalParameters: parameters, ResolvedDependencies: dependencies,
		},
		RunDetails: &provenance.RunDetails{
			Builder: &provenance.Builder{Id: builder(os.Getenv)},
			Metadata: &provenance.BuildMetadata{
				InvocationId: invocation(os.Getenv), StartedOn: timestamppb.New(r.started), FinishedOn: timestamppb.New(time.Now()),
			},
		},
	}
	if err := statement.Validate(); err != nil {
		return nil, err
	}
	return protojson.Marshal(statement)
}

// builder names who builds: the workflow, or a person at a checkout.
func builder(env func(string) string) string {
	if workflow := env("GITHUB_WORKFLOW_REF"); workflow != "" {
		return env("GITHUB_SERVER_URL") + "/" + workflow
	}
	return buildType + "#from-a-checkout"
}

// invocation is the run of the workflow; empty elsewhere.
func invocation(env func(string) string) string {
	if env("GITHUB_RUN_ID") == "" {
		return ""
	}
	return env("GITHUB_SERVER_URL") + "/" + env("GITHUB_REPOSITORY") + "/actions/runs/" + env("GITHUB_RUN_ID") + "/attempts/" + env("GITHUB_RUN_ATTEMPT")
}
