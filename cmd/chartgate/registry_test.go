package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
)

// TestSeveralRegistryConfigs: the first that names a registry counts, and one that is broken hides
// no other.
func TestSeveralRegistryConfigs(t *testing.T) {
	config := func(user string, hosts ...string) string {
		text := ""
		for i, host := range hosts {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf("%q: {\"auth\": %q}", host, base64.StdEncoding.EncodeToString([]byte(user+":secret")))
		}
		return `{"auths": {` + text + `}}`
	}
	for _, tc := range []struct {
		sentence string
		files    []string
		host     string
		want     string // the user name; "" is anonymous
		fails    bool
	}{
		{"one file", []string{config("a", "ghcr.io")}, "ghcr.io", "a", false},
		{"another registry", []string{config("a", "ghcr.io")}, "quay.io", "", false},
		{"the first file that names the registry", []string{config("a", "ghcr.io"), config("b", "ghcr.io", "quay.io")}, "ghcr.io", "a", false},
		{"the second, where the first does not", []string{config("a", "ghcr.io"), config("b", "ghcr.io", "quay.io")}, "quay.io", "b", false},
		{"a broken file is not passed over", []string{"{", config("b", "ghcr.io")}, "ghcr.io", "", true},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			var f registryFlags
			for i, content := range tc.files {
				file := filepath.Join(t.TempDir(), fmt.Sprint(i))
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				f.registryConfigs = append(f.registryConfigs, file)
			}
			login, err := f.credentials()
			if err != nil {
				t.Fatal(err)
			}
			at, err := chart.ParseChart("oci://" + tc.host + "/acme/app")
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := login(t.Context(), at)
			if got != tc.want || (err != nil) != tc.fails {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	missing := registryFlags{registryConfigs: []string{filepath.Join(t.TempDir(), "none")}}
	if _, err := missing.credentials(); err == nil {
		t.Error("a file that is not there is no credentials")
	}
}
