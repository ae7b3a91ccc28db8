package privatesigstore_test

import (
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/test/env/sigstore"
)

// policies: charts in either registry are signed by the release workflow of acme/charts, or by the maintainer.
func (w *world) policies() string { return w.policiesFor("") }

// policiesFor says more of the workflow, in lines of YAML of its spec.
func (w *world) policiesFor(more string) string {
	return strings.Join([]string{
		fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme-release}
spec:
  keyless:
    issuer: %s
    subject: %s
    claims: {sourceRepositoryURI: https://github.com/acme/charts, runnerEnvironment: github-hosted}
%s`, w.release().Issuer, w.release().Subject, more),
		fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme-maintainer}
spec: {keyless: {issuer: %s, subject: %s}}
`, w.maintainer().Issuer, w.maintainer().Subject),
		fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: acme-charts}
spec:
  match: {charts: ["oci://%s/acme/charts/**", "oci://%s/acme/charts/**"]}
  require: [{anyOf: [acme-release, acme-maintainer]}]
  pinning: Version
`, w.registry.Host(), w.fallback.Host()),
	}, "---\n")
}

// keyPolicies: charts are signed with the key, of which more is said in lines of YAML of its spec.
func (w *world) keyPolicies(key sigstore.Key, more string) string {
	return fmt.Sprintf(`apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme-key}
spec:
  key:
    pem: %q
%s---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: acme-charts}
spec:
  match: {charts: ["oci://%s/acme/charts/**"]}
  require: [{anyOf: [acme-key]}]
  pinning: Version
`, key.PEM, more, w.registry.Host())
}
