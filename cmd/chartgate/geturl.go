package main

import (
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
)

// helmScheme is the scheme of URLs that helm hands to the getter.
const helmScheme = "chartgate"

// parseGet reads a URL that helm asks the getter for. Target is what it asks for:
//
//	chartgate://host/path/podinfo:1.2.3              a chart, as its user names it
//	chartgate://host/path/podinfo@sha256:…           the same, by digest
//	chartgate://host/path/podinfo/podinfo-1.2.3.tgz  a chart, as the index names it
//	chartgate://host/path/podinfo/index.yaml         the index of a repository: the versions of a chart
//
// Helm's --version does not reach a getter, so a URL without a version is refused.
func parseGet(url string) (gate.Target, error) {
	rest, ok := strings.CutPrefix(url, helmScheme+"://")
	if !ok {
		return nil, problem.Invalid("%s is not a chartgate:// URL", problem.QuoteInput(url)).WithNext("write oci://ghcr.io/acme/charts/podinfo:1.2.3")
	}
	if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
		// The URL is not repeated: it may hold a password.
		return nil, problem.Invalid("the chartgate:// URL has a user name in it").WithNext("take it out of the URL, and log in: helm registry login")
	}
	if strings.HasSuffix(rest, ".prov") {
		return nil, &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: "a chart from chartgate:// has no provenance file (.prov): what proves it is its cosign signature, which chartgate verifies",
			Next:   "run helm without --verify and --prov",
		}
	}
	at, last := chart.SchemeOCI+"://"+rest, ""
	if slash := strings.LastIndexByte(at, '/'); slash > len(chart.SchemeOCI+"://") {
		at, last = at[:slash], at[slash+1:]
	}
	switch version, isFile := fileVersion(at, last); {
	case last == "index.yaml":
		location, err := chart.ParseChart(at)
		return gate.Repository{Location: location}, err
	case isFile:
		reference, err := chart.ParseReference(at + ":" + version)
		return gate.Chart{Reference: reference}, err
	default:
		reference, err := chart.ParseReference(chart.SchemeOCI + "://" + rest)
		return gate.Chart{Reference: reference}, err
	}
}

// fileVersion returns the version in the name of a file that the index lists for the chart at that
// URL: podinfo-1.2.3.tgz below …/podinfo.
func fileVersion(at, file string) (version string, ok bool) {
	name := at[strings.LastIndexByte(at, '/')+1:]
	rest, named := strings.CutPrefix(file, name+"-")
	version, packed := strings.CutSuffix(rest, ".tgz")
	return version, named && packed && version != "" && !strings.ContainsAny(file, ":@")
}
