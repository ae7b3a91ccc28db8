package helmchart_test

import (
	"strings"
	"testing"
)

// installations returns values of several installations, from files of the chart's own tests. Each is
// linted, and given to a real API server.
func installations(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, files := range map[string]string{
		"the defaults":                             "",
		"a first installation":                     "warn",
		"everything, with cert-manager":            "cert-manager everything",
		"everything, with an existing certificate": "existing-certificate everything",
		"cert-manager with an issuer":              "issuer",
		"next to nothing":                          "next-to-nothing",
	} {
		for _, file := range strings.Fields(files) {
			all[name] += read(t, valuesDir+"/"+file+".yaml")
		}
	}
	return all
}
