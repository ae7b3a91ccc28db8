package e2e_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestSignedChartsAreAdmitted: in every format, by the real tools, with and without the registry's referrers API.
func TestSignedChartsAreAdmitted(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	var rows []row
	for repository, api := range map[string]string{"acme": "with the referrers API", "quay": "without the referrers API"} {
		for sentence, reference := range map[string][2]string{
			"a keyless bundle":                                  {"podinfo", "6.7.1"},
			"a keyless legacy signature":                        {"legacy", "1.0.0"},
			"a key's bundle by cosign 3":                        {"key3", "1.0.0"},
			"a key's legacy signature by cosign 2":              {"key2", "1.0.0"},
			"a good bundle beside signatures of strangers":      {"crowded", "1.0.0"},
			"a good legacy signature beside those of strangers": {"crowded-legacy", "1.0.0"},
		} {
			rows = append(rows, row{
				sentence: sentence + ", in a registry " + api,
				object:   releaseFrom(repository, reference[0], reference[1]),
				want:     harness.Admitted(),
			})
		}
	}
	w.check(t, append(rows, []row{
		{
			sentence: "a key's legacy signature beside a stranger's attestation, which cosign itself refuses",
			object:   releaseOf("mixed", "1.0.0"),
		},
		{
			sentence: "an identity by regular expressions",
			object:   releaseFrom("team", "regexp/app", "1.0.0"),
		},
		{
			sentence: "two signatures where both are required",
			object:   releaseFrom("team", "both/app", "1.0.0"),
		},
		{
			sentence: "a version with build metadata, whose tag is spelled with an underscore",
			object:   releaseOf("podinfo", "6.9.0+build.1"),
		},
	}...))
}
