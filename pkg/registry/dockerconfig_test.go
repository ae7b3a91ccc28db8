package registry_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/registry"
)

func TestDockerConfig(t *testing.T) {
	login := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct {
		sentence, content, host string
		username, password      string
		problem                 string
	}{
		{"a host that is named has its credentials", `{"auths":{"ghcr.io":{"auth":"` + login("bob:s3cret") + `"}}}`, "ghcr.io", "bob", "s3cret", ""},
		{"a port is part of the name", `{"auths":{"ghcr.io":{"auth":"` + login("bob:s3cret") + `"}}}`, "ghcr.io:444", "", "", ""},
		{"another host is anonymous", `{"auths":{"ghcr.io":{"auth":"` + login("bob:s3cret") + `"}}}`, "evil.example", "", "", ""},
		{"a longer name is another host", `{"auths":{"ghcr.io":{"auth":"` + login("bob:s3cret") + `"}}}`, "ghcr.io.evil.example", "", "", ""},
		{"Docker Hub goes by its old address", `{"auths":{"https://index.docker.io/v1/":{"auth":"` + login("bob:s3cret") + `"}}}`, "docker.io", "bob", "s3cret", ""},
		{"an identity token goes by the name that helpers give it", `{"auths":{"ghcr.io":{"identitytoken":"t0ken"}}}`, "ghcr.io", "<token>", "t0ken", ""},
		{"an identity token beside a user name counts, as in docker", `{"auths":{"ghcr.io":{"auth":"` + login("00000000-0000-0000-0000-000000000000:") + `","identitytoken":"t0ken"}}}`, "ghcr.io", "<token>", "t0ken", ""},
		{"a registry token is refused", `{"auths":{"ghcr.io":{"registrytoken":"t0ken"}}}`, "ghcr.io", "", "", "registry token"},
		{"an entry without a colon is an error", `{"auths":{"ghcr.io":{"auth":"` + login("s3cret") + `"}}}`, "ghcr.io", "", "", "not base64 of user:password"},
		{"a file that is not JSON is an error", `{`, "ghcr.io", "", "", "read "},
		{"an entry that is not base64 is an error", `{"auths":{"ghcr.io":{"auth":"%"}}}`, "ghcr.io", "", "", "read "},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			username, password, err := registry.DockerConfig(path)(t.Context(), c.host)
			if diff := cmp.Diff([]string{c.username, c.password}, []string{username, password}); diff != "" {
				t.Error(diff)
			}
			if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got error %v, want %q", err, c.problem)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken")) {
				t.Errorf("the log learns the secret: %v", err)
			}
		})
	}
}

// A Secret that is renewed in place counts at once.
func TestDockerConfigIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	ask := registry.DockerConfig(path)
	for _, password := range []string{"first", "second"} {
		auth := base64.StdEncoding.EncodeToString([]byte("bob:" + password))
		if err := os.WriteFile(path, []byte(`{"auths":{"ghcr.io":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ask(t.Context(), "ghcr.io"); got != password || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, password)
		}
	}
}
