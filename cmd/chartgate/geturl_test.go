package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
)

func TestURLsThatHelmAsksFor(t *testing.T) {
	t.Parallel()
	const sum = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for _, tc := range []struct{ sentence, url, want string }{
		{"a version", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1", "chart oci://ghcr.io/acme/charts/podinfo:6.7.1 = 6.7.1"},
		{"a digest", "chartgate://ghcr.io/acme/podinfo@" + sum, "chart oci://ghcr.io/acme/podinfo@" + sum + " = "},
		{"both", "chartgate://ghcr.io/acme/podinfo:6.7.1@" + sum, "chart oci://ghcr.io/acme/podinfo:6.7.1@" + sum + " = "},
		{"a port", "chartgate://localhost:5000/acme/podinfo:6.7.1", "chart oci://localhost:5000/acme/podinfo:6.7.1 = 6.7.1"},
		{"the build of a version", "chartgate://ghcr.io/acme/podinfo:1.0.0+build.5", "chart oci://ghcr.io/acme/podinfo:1.0.0+build.5 = 1.0.0_build.5"},
		{"the tag of a build", "chartgate://ghcr.io/acme/podinfo:1.0.0_build.5", "chart oci://ghcr.io/acme/podinfo:1.0.0_build.5 = 1.0.0_build.5"},
		{"a file of the index", "chartgate://ghcr.io/acme/podinfo/podinfo-6.7.1.tgz", "chart oci://ghcr.io/acme/podinfo:6.7.1 = 6.7.1"},
		{"a file of the index, of a build", "chartgate://ghcr.io/acme/podinfo/podinfo-1.0.0-rc.1+b.tgz", "chart oci://ghcr.io/acme/podinfo:1.0.0-rc.1+b = 1.0.0-rc.1_b"},
		{"a file of a chart with hyphens", "chartgate://ghcr.io/acme/my-app-2/my-app-2-1.0.0.tgz", "chart oci://ghcr.io/acme/my-app-2:1.0.0 = 1.0.0"},
		{"a version of a chart called like a file", "chartgate://ghcr.io/acme/podinfo/podinfo-1.tgz:2.0.0", "chart oci://ghcr.io/acme/podinfo/podinfo-1.tgz:2.0.0 = 2.0.0"},
		{"a version of a chart called index.yaml", "chartgate://ghcr.io/acme/index.yaml:2.0.0", "chart oci://ghcr.io/acme/index.yaml:2.0.0 = 2.0.0"},
		{"an index", "chartgate://ghcr.io/acme/podinfo/index.yaml", "index oci://ghcr.io/acme/podinfo"},
		{"the index of a registry", "chartgate://ghcr.io/index.yaml", "Invalid: names a registry but no chart"},
		{"no version", "chartgate://ghcr.io/acme/podinfo", "Invalid: has neither a version nor a digest"},
		{"no version, and a slash", "chartgate://ghcr.io/acme/podinfo/", "Invalid: has an empty path segment"},
		{"no version behind a colon", "chartgate://ghcr.io/acme/podinfo:", "Invalid: is not a valid version or tag"},
		{"a file of another chart", "chartgate://ghcr.io/acme/podinfo/evil-6.7.1.tgz", "Invalid: has neither a version nor a digest"},
		{"a file without a version", "chartgate://ghcr.io/acme/podinfo/podinfo-.tgz", "Invalid: not a valid repository name"},
		{"a provenance file", "chartgate://ghcr.io/acme/podinfo:6.7.1.prov", "Unsupported: has no provenance file"},
		{"the provenance file of a file", "chartgate://ghcr.io/acme/podinfo/podinfo-6.7.1.tgz.prov", "Unsupported: has no provenance file"},
		{"a query", "chartgate://ghcr.io/acme/podinfo:6.7.1?x=y", "Invalid: "},
		{"an encoded character", "chartgate://ghcr.io/acme/podinfo:%3E%3D6", "Invalid: "},
		{"a user", "chartgate://me:secret@ghcr.io/acme/podinfo:6.7.1", "Invalid: has a user name in it"},
		{"a user, in an index", "chartgate://me:secret@ghcr.io/acme/podinfo/index.yaml", "Invalid: has a user name in it"},
		{"a path that leads up", "chartgate://ghcr.io/acme/../evil/podinfo:6.7.1", "Invalid: path segment"},
		{"an upper-case host", "chartgate://GHCR.io/acme/podinfo:6.7.1", "Invalid: "},
		{"another scheme", "oci://ghcr.io/acme/podinfo:6.7.1", "Invalid: is not a chartgate:// URL"},
		{"a host alone", "chartgate://ghcr.io", "Invalid: names a registry but no chart"},
		{"nothing", "chartgate://", "Invalid: "},
		{"less than nothing", "", "Invalid: is not a chartgate:// URL"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			target, err := parseGet(tc.url)
			got := ""
			var perr *problem.Error
			switch found := target.(type) {
			case gate.Chart:
				tag, _ := found.Reference.Selector.Tag()
				got = "chart " + found.Reference.String() + " = " + tag
			case gate.Repository:
				got = "index " + found.Location.String()
			}
			if errors.As(err, &perr) {
				got = map[problem.Kind]string{problem.KindInvalid: "Invalid: ", problem.KindUnsupported: "Unsupported: "}[perr.Kind] + perr.Detail
			}
			kind, part, isError := strings.Cut(tc.want, ": ")
			if isError = isError && (kind == "Invalid" || kind == "Unsupported"); isError != (err != nil) {
				t.Fatalf("%s, %v", got, err)
			}
			if !isError && got != tc.want || isError && !(strings.HasPrefix(got, kind+": ") && strings.Contains(got, part)) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if isError && strings.Contains(got, "secret") {
				t.Errorf("the message shows a password: %s", got)
			}
		})
	}
}
