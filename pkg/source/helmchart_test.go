package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

const helmChartSpec = `spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`

func TestHelmChart(t *testing.T) {
	check(t, []row{
		{sentence: "a chart is found through its HelmRepository", cluster: acme, new: helmChart(helmChartSpec), want: []string{"spec: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"}},
		{sentence: "repeating is no news", cluster: acme, old: helmChart(helmChartSpec), new: helmChart(helmChartSpec)},
		{sentence: "valuesFiles are refused where the admin does not allow repackaged charts", cluster: acme, options: source.Options{DenyRepackaged: true},
			old: helmChart(helmChartSpec), new: helmChart(helmChartSpec[:len(helmChartSpec)-1] + ", valuesFiles: [x.yaml]}"), want: []string{"spec: Unsupported"}},
		{sentence: "valuesFiles change no chart", cluster: acme, old: helmChart(helmChartSpec), new: helmChart(helmChartSpec[:len(helmChartSpec)-1] + ", valuesFiles: [x.yaml]}")},
		{sentence: "a range floats", cluster: acme, new: helmChart(`spec: {chart: podinfo, version: ">=1", sourceRef: {kind: HelmRepository, name: acme}}`), want: []string{"spec: oci://ghcr.io/acme/charts/podinfo:>=1 Floating"}},
		{sentence: "sourceRef has no namespace to escape to", cluster: acme, new: helmChart(`spec: {chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme, namespace: evil}}`),
			want: []string{"spec: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"}},
		{sentence: "a suspended HelmChart pulls nothing", cluster: acme, new: helmChart(`spec: {suspend: true, chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`)},
		{sentence: "resuming is news", cluster: acme, old: helmChart(`spec: {suspend: true, chart: podinfo, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}`), new: helmChart(helmChartSpec),
			want: []string{"spec: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"}},
		{sentence: "a write of spec makes nothing of status", cluster: acme, old: helmChart(helmChartSpec), new: helmChart(helmChartSpec + "\nstatus: {artifact: {digest: \"" + hex("c") + "\"}}")},
		{sentence: "v1beta2 says it in the same words", cluster: acme,
			new:  "---\napiVersion: source.toolkit.fluxcd.io/v1beta2\nkind: HelmChart\nmetadata: {namespace: apps, name: podinfo}\n" + helmChartSpec,
			want: []string{"spec: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version"}},
	})
}

// What a HelmChart's status names is what helm-controller installs: the last gate
// for Flux.
func TestHelmChartStatus(t *testing.T) {
	status := func(artifact string, more ...string) string {
		spec := helmChartSpec
		for _, m := range more {
			spec = spec[:len(spec)-1] + ", " + m + "}"
		}
		return helmChart(spec + "\nstatus: {artifact: " + artifact + "}")
	}
	artifact := func(digest string) string {
		return fmt.Sprintf("{url: \"http://source-controller/podinfo.tgz\", revision: 6.7.1, digest: %q, lastUpdateTime: x}", digest)
	}
	right := artifact(hex("b"))
	built := func(revision, more string) string {
		return strings.Replace(status(strings.Replace(right, "revision: 6.7.1", "revision: "+revision, 1), more), "metadata: {", "metadata: {generation: 3, ", 1)
	}
	const pulled = "status.artifact: oci://ghcr.io/acme/charts/podinfo:6.7.1 Version, pulled "
	const invalid = "status.artifact: ReferenceInvalid"
	check(t, onStatus([]row{
		{sentence: "an artifact is compared with its chart", cluster: acme, user: fluxUser, old: helmChart(helmChartSpec), new: status(right), want: []string{pulled + "-/b by the controller"}},
		{sentence: "an artifact that an editor forges is not vouched for", cluster: acme, old: status(right), new: status(artifact(hex("c"))), want: []string{pulled + "-/c"}},
		{sentence: "a user whose name resembles the source controller's is an editor", cluster: acme, user: fluxUser + "-2", new: status(right), want: []string{pulled + "-/b"}},
		{sentence: "another URL for the same digest is news", cluster: acme, old: status(right), new: status(`{url: "http://evil.example/x", revision: 6.7.1, digest: "` + hex("b") + `"}`), want: []string{pulled + "-/b"}},
		{sentence: "another revision is news", cluster: acme, old: status(right), new: status(`{url: "http://source-controller/podinfo.tgz", revision: 6.7.2, digest: "` + hex("b") + `"}`), want: []string{pulled + "-/b"}},
		{sentence: "no artifact is fine", cluster: acme, new: helmChart(helmChartSpec + "\nstatus: {conditions: []}")},
		{sentence: "removing the artifact is fine", cluster: acme, old: status(right), new: helmChart(helmChartSpec + "\nstatus: {conditions: []}")},
		{sentence: "the same artifact is no news", cluster: acme, old: status(right), new: status(right) + "x: y"},
		{sentence: "the same artifact for another chart is news", cluster: acme, old: helmChart(`spec: {chart: other, version: 6.7.1, sourceRef: {kind: HelmRepository, name: acme}}` + "\nstatus: {artifact: " + right + "}"), new: status(right), want: []string{pulled + "-/b"}},
		{sentence: "valuesFiles make source-controller repackage", cluster: acme, user: fluxUser, new: built("6.7.1+3", "valuesFiles: [x.yaml]"), want: []string{pulled + "-/b incomparable by the controller"}},
		{sentence: "what was repackaged for another spec proves nothing", cluster: acme, user: fluxUser, new: built("6.7.1+2", "valuesFiles: [x.yaml]"), want: []string{pulled + "-/b incomparable outdated by the controller"}},
		{sentence: "so does what names no spec", cluster: acme, user: fluxUser, new: built("6.7.1", "valuesFiles: [x.yaml]"), want: []string{pulled + "-/b incomparable outdated by the controller"}},
		{sentence: "the end of another number is another spec", cluster: acme, user: fluxUser, new: built("6.7.1+13", "valuesFiles: [x.yaml]"), want: []string{pulled + "-/b incomparable outdated by the controller"}},
		{sentence: "the chart's own values.yaml alone changes no archive", cluster: acme, user: fluxUser, new: built("6.7.1", "valuesFiles: [values.yaml]"), want: []string{pulled + "-/b by the controller"}},
		{sentence: "however it is spelled", cluster: acme, user: fluxUser, new: built("6.7.1", "valuesFiles: [./values.yaml]"), want: []string{pulled + "-/b by the controller"}},
		{sentence: "where the admin denies repackaged charts, their artifact is denied", cluster: acme, user: fluxUser, options: source.Options{DenyRepackaged: true}, new: built("6.7.1+3", "valuesFiles: [x.yaml]"), want: []string{"status.artifact: Unsupported"}},
		{sentence: "and the chart's own values.yaml is not", cluster: acme, user: fluxUser, options: source.Options{DenyRepackaged: true}, new: built("6.7.1", "valuesFiles: [values.yaml]"), want: []string{pulled + "-/b by the controller"}},
		{sentence: "valuesFiles do not make an editor's word count", cluster: acme, new: built("6.7.1+3", "valuesFiles: [x.yaml]"), want: []string{pulled + "-/b incomparable"}},
		{sentence: "valuesFile of v1beta2 makes source-controller repackage", cluster: acme, user: fluxUser, new: built("6.7.1+3", "valuesFile: x.yaml"), want: []string{pulled + "-/b incomparable by the controller"}},
		{sentence: "valuesFiles added since are news", cluster: acme, old: status(right), new: status(right, "valuesFiles: [x.yaml]"), want: []string{pulled + "-/b incomparable outdated"}},
		{sentence: "an artifact without a digest is checked by nobody", cluster: acme, user: fluxUser, new: status(artifact("")), want: []string{invalid}},
		{sentence: "an empty artifact is checked by nobody", cluster: acme, user: fluxUser, new: status("{}"), want: []string{invalid}},
		{sentence: "a digest of another algorithm proves nothing", cluster: acme, user: fluxUser, new: status(artifact("sha512:" + hex("b")[7:])), want: []string{pulled + "-/- incomparable by the controller"}},
		{sentence: "a sha256 that is none is refused", cluster: acme, user: fluxUser, new: status(artifact("sha256:b")), want: []string{invalid}},
		{sentence: "upper-case digits are refused", cluster: acme, user: fluxUser, new: status(artifact(hex("B"))), want: []string{invalid}},
		{sentence: "a suspended HelmChart's artifact is used all the same", cluster: acme, new: status(right, "suspend: true"), want: []string{pulled + "-/b"}},
		{sentence: "an artifact never defers: its source must be known", new: status(right), want: []string{"status.artifact: SourceNotFound"}},
		{sentence: "an artifact of an insecure source is refused", cluster: repository(`spec: {type: oci, url: "oci://ghcr.io/acme", insecure: true}`), user: fluxUser, new: status(right), want: []string{invalid}},
		{sentence: "an artifact of a classic repository is named by its URL", cluster: repository(`spec: {url: "https://charts.acme.example"}`), user: fluxUser, new: status(right),
			want: []string{"status.artifact: https://charts.acme.example/podinfo:6.7.1 Version, pulled -/b by the controller"}},
	}))
}
