package problem_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/problem"
)

func TestQuoteInputKeepsSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"oci://user:secret@ghcr.io/acme":        `"oci://***@ghcr.io/acme"`,
		"https://token@git.example/acme.git":    `"https://***@git.example/acme.git"`,
		"user:secret@ghcr.io/acme":              `"***@ghcr.io/acme"`,
		"oci://a:b@c:d@ghcr.io/acme":            `"oci://***@ghcr.io/acme"`,
		"https://charts.example/?token=secret":  `"https://charts.example/?***"`,
		"https://u:p@charts.example/x?t=secret": `"https://***@charts.example/x?***"`,
		"1.0.0@sha256:abc":                      `"1.0.0@sha256:abc"`,
		"oci://ghcr.io/acme/podinfo@sha256:abc": `"oci://ghcr.io/acme/podinfo@sha256:abc"`,
		"oci://ghcr.io:5000/acme/podinfo:1.0.0": `"oci://ghcr.io:5000/acme/podinfo:1.0.0"`,
		"git@github.com:acme/charts.git":        `"git@github.com:acme/charts.git"`,
		"(?i)^1":                                `"(?i)^1"`,
		"a\nb\x00\u00fc":                        `"a\nb\x00\u00fc"`,
	} {
		if diff := cmp.Diff(want, problem.QuoteInput(in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}
