package helmusers_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// The signers, as docs/helm-users.md names the first.
const (
	issuer   = "https://token.actions.githubusercontent.com"
	workflow = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"
	stranger = "https://github.com/mallory/charts/.github/workflows/release.yaml@refs/heads/main"
)

// The login of the private registry.
const (
	username = "user"
	password = "hunter2"
)

// folder holds the charts in each registry.
const folder = "acme/charts"

// published is a version of a chart in the registry.
type published struct {
	digest  string // of its manifest
	archive []byte
}

// publish fills the registries. The charts are signed in memory first, in a registry that keeps
// signatures in tags, as the server does, and then copied with crane.
func (s *site) publish(ctx context.Context) error {
	store := registrytest.New(registrytest.Options{NoReferrers: true})
	defer store.Close()
	var err error
	if s.sigstore, err = sigstore.New(nil); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range []struct {
		name, version string
		subject       string // who signed it; "" is nobody
		files         []charts.File
	}{
		{"podinfo", "6.7.0", workflow, nil},
		{"podinfo", "6.7.1", workflow, nil},
		{"podinfo", "6.8.0", workflow, nil},
		{"podinfo", "7.0.0", "", nil},
		{"built", "1.0.0+build.7", workflow, nil},
		{"billing", "2.0.0", "", nil},
		{"stranger", "1.0.0", stranger, nil},
		{"moved", "1.0.0", workflow, nil},
		{"moved", "1.0.1", "", nil},
		{"crontab-helm3", "1.0.0", workflow, withDefinition("helm3")},
		{"crontab-helm4", "1.0.0", workflow, withDefinition("helm4")},
	} {
		names[c.name] = true
		if err := s.sell(store, c.name, c.version, c.subject, c.files); err != nil {
			return err
		}
	}
	for name := range names {
		if err := s.crane(ctx, "copy", "--all-tags", store.Host()+"/"+folder+"/"+name, s.registry.Host()+"/"+folder+"/"+name); err != nil {
			return err
		}
	}
	if err := s.crane(ctx, "copy", "--all-tags", store.Host()+"/"+folder+"/podinfo", s.private.Host()+"/"+folder+"/podinfo"); err != nil {
		return err
	}
	return s.crane(ctx, "tag", s.registry.Host()+"/"+folder+"/moved:1.0.1", "1.0.0")
}

// sell packs a version of a chart and puts it into a registry. Its ConfigMap says which one it is.
func (s *site) sell(in *registrytest.Registry, name, version, subject string, files []charts.File) error {
	archive, err := charts.Archive(name, version, append(files, charts.File{Name: "values.yaml", Body: fmt.Sprintf("message: %s %s\n", name, version)})...)
	if err != nil {
		return err
	}
	s.published[name+":"+version] = published{archive: archive}
	digest, err := s.fill(in, name, version, subject)
	s.published[name+":"+version] = published{digest, archive}
	return err
}

// fill puts a published version of a chart into a registry, signed by a subject; "" is nobody.
func (s *site) fill(in *registrytest.Registry, name, version, subject string) (digest string, err error) {
	digest, _, err = in.PushChart(folder+"/"+name, strings.ReplaceAll(version, "+", "_"), s.published[name+":"+version].archive)
	if err != nil || subject == "" {
		return digest, err
	}
	signing := harness.Signing{Sigstore: s.sigstore, By: sigstore.Identity{Issuer: issuer, Subject: subject}, Registry: in}
	return digest, signing.Bundle(folder+"/"+name, digest)
}

// crane runs crane with the publisher's login.
func (s *site) crane(ctx context.Context, args ...string) error {
	tool, err := cluster.Tool("crane")
	if err != nil {
		return err
	}
	home := filepath.Join(s.dir, "publisher")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(home, "config.json"), []byte(loginFile(s.private.Host())), 0o600); err != nil {
		return err
	}
	_, err = cluster.Command{Name: tool, Args: append(args, "--insecure"), Env: []string{"DOCKER_CONFIG=" + home}}.Run(ctx)
	return err
}

// loginFile is the Docker configuration with the login of a host.
func loginFile(host string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
}

// policies accept what the release workflow signs, of the charts in the private registry and in that of a host.
func (s *site) policies(host string) string {
	return harness.Identity("acme-release", fmt.Sprintf("{keyless: {issuer: %q, subject: %q}}", issuer, workflow)) +
		harness.Policy("acme-charts", fmt.Sprintf(`{match: {charts: ["oci://%s/acme/charts/**"]}, require: [{anyOf: [acme-release]}]}`, host)) +
		harness.Policy("private", fmt.Sprintf(`{match: {charts: ["oci://%s/**"]}, require: [{anyOf: [acme-release]}]}`, s.private.Host()))
}

// trustRoot makes the site's Sigstore the one that the policies of the cluster trust.
func (s *site) trustRoot() (string, error) {
	root, err := s.sigstore.TrustedRoot()
	return fmt.Sprintf("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: sigstore, namespace: %s}, data: {trusted_root.json: %q}}\n", cluster.Namespace, root) +
		harness.TrustRoot("default", "{configMapRef: {name: sigstore}}"), err
}

// writeRoot writes the trust root of the site's Sigstore.
func (s *site) writeRoot(context.Context) error {
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		return err
	}
	return os.WriteFile(s.trustedRoot(), root, 0o600)
}

func (s *site) trustedRoot() string { return filepath.Join(s.dir, "trusted_root.json") }

// withDefinition are the files of a chart with a definition of its own, which helm writes before the
// release record, and a hook, which it runs after that.
func withDefinition(group string) []charts.File {
	return []charts.File{
		{Name: "crds/crontabs.yaml", Body: strings.ReplaceAll(crontabs, "GROUP", group)},
		{Name: "templates/hook.yaml", Body: hook},
	}
}

const (
	crontabs = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.GROUP.example.com}
spec:
  group: GROUP.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object}}
`
	hook = `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: pre-install}
`
)
