package sigstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/test/env/process"
)

// fulcioConfig names the issuers that Fulcio accepts, and how it reads their tokens. For
// workflows it is the configuration of the public Fulcio, word for word
// (config/identity/config.yaml of github.com/sigstore/fulcio).
func fulcioConfig(i *Issuer) ([]byte, error) {
	issuer := func(path, kind string) map[string]any {
		return map[string]any{"IssuerURL": i.server.URL + path, "ClientID": audience, "Type": kind}
	}
	actions := issuer(workflows, "ci-provider")
	actions["CIProvider"] = "github-workflow"
	return json.Marshal(map[string]any{
		"OIDCIssuers": map[string]any{
			i.server.URL + company:   issuer(company, "email"),
			i.server.URL + freemail:  issuer(freemail, "email"),
			i.server.URL + workflows: actions,
		},
		"CIIssuerMetadata": map[string]any{"github-workflow": map[string]any{
			"DefaultTemplateValues": map[string]string{"url": "https://github.com", "environment": ""},
			"ExtensionTemplates": map[string]string{
				"GithubWorkflowTrigger":               "event_name",
				"GithubWorkflowSHA":                   "sha",
				"GithubWorkflowName":                  "workflow",
				"GithubWorkflowRepository":            "repository",
				"GithubWorkflowRef":                   "ref",
				"BuildSignerURI":                      "{{ .url }}/{{ .job_workflow_ref }}",
				"BuildSignerDigest":                   "job_workflow_sha",
				"RunnerEnvironment":                   "runner_environment",
				"SourceRepositoryURI":                 "{{ .url }}/{{ .repository }}",
				"SourceRepositoryDigest":              "sha",
				"SourceRepositoryRef":                 "ref",
				"SourceRepositoryIdentifier":          "repository_id",
				"SourceRepositoryOwnerURI":            "{{ .url }}/{{ .repository_owner }}",
				"SourceRepositoryOwnerIdentifier":     "repository_owner_id",
				"BuildConfigURI":                      "{{ .url }}/{{ .workflow_ref }}",
				"BuildConfigDigest":                   "workflow_sha",
				"BuildTrigger":                        "event_name",
				"RunInvocationURI":                    "{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
				"SourceRepositoryVisibilityAtSigning": "repository_visibility",
				"DeploymentEnvironment":               "environment",
			},
			"SubjectAlternativeNameTemplate": "{{ .url }}/{{ .job_workflow_ref }}",
		}},
	})
}

// fulcioChain is Fulcio's certificate chain as PEM, read from Fulcio.
func (s *Stack) fulcioChain(ctx context.Context) ([]byte, error) {
	raw, err := process.Get(ctx, s.fulcio.url+"/api/v2/trustBundle")
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Chains []struct{ Certificates []string }
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return nil, fmt.Errorf("read Fulcio's trust bundle: %w", err)
	}
	if len(bundle.Chains) != 1 {
		return nil, errors.New("Fulcio's trust bundle has not exactly one chain: " + string(raw))
	}
	return []byte(strings.Join(bundle.Chains[0].Certificates, "\n")), nil
}
