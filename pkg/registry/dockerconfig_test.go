package registry_test

import (
	"encoding/base64"
	"fmt"
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
			username, password, err := registry.DockerConfig(path)(t.Context(), parseLocation(t, "oci://"+c.host+"/acme/app"))
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

// A Secret that is renewed in place is used at once.
func TestDockerConfigIsReadEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	ask := registry.DockerConfig(path)
	for _, password := range []string{"first", "second"} {
		auth := base64.StdEncoding.EncodeToString([]byte("bob:" + password))
		if err := os.WriteFile(path, []byte(`{"auths":{"ghcr.io":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ask(t.Context(), parseLocation(t, "oci://ghcr.io/acme/app")); got != password || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, password)
		}
	}
}

// TestLoginsByPath: which entry is used for a repository.
func TestLoginsByPath(t *testing.T) {
	const helper = "#!/bin/sh\nread host\necho \"{\\\"Username\\\": \\\"helper-$host\\\", \\\"Secret\\\": \\\"p\\\"}\"\n"
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	auths := func(users ...string) string {
		var all []string
		for _, place := range users {
			all = append(all, fmt.Sprintf("%q: {\"username\": %q, \"password\": \"p\"}", place, place))
		}
		return `"auths": {` + strings.Join(all, ",") + `}`
	}
	for _, c := range []struct{ sentence, content, at, want string }{
		{"the longest path", auths("reg.io", "reg.io/team1", "reg.io/team1/charts", "reg.io/team2"), "reg.io/team1/charts/app", "reg.io/team1/charts"},
		{"the repository itself", auths("reg.io/team1", "reg.io/team1/app"), "reg.io/team1/app", "reg.io/team1/app"},
		{"one of two teams", auths("reg.io/team1", "reg.io/team2"), "reg.io/team2/app", "reg.io/team2"},
		{"the host's own, where no path fits", auths("reg.io", "reg.io/team1", "reg.io/team2"), "reg.io/team3/app", "reg.io"},
		{"none, where no path fits", auths("reg.io/team1", "reg.io/team2"), "reg.io/team3/app", ""},
		{"none, where the only path does not fit", auths("reg.io/team1"), "reg.io/team2/app", ""},
		{"a path ends at a slash", auths("reg.io/team1"), "reg.io/team10/app", ""},
		{"a longer path is another place", auths("reg.io/team1/app/more"), "reg.io/team1/app", ""},
		{"a scheme and a slash do not matter", auths("https://reg.io/team1/", "http://reg.io"), "reg.io/team1/app", "https://reg.io/team1/"},
		{"nor does the API's version", auths("https://reg.io/v2/"), "reg.io/team1/app", "https://reg.io/v2/"},
		{"a port is part of the host", auths("reg.io:5000/team1", "reg.io/team1"), "reg.io:5000/team1/app", "reg.io:5000/team1"},
		{"another port is another host", auths("reg.io:5000/team1"), "reg.io:5001/team1/app", ""},
		{"the default port is none", auths("reg.io:443/team1"), "reg.io/team1/app", "reg.io:443/team1"},
		{"no wildcards", auths("*.io"), "reg.io/team1/app", ""},
		{"the plain spelling of a host goes before others", auths("https://reg.io/v1/", "reg.io", "http://reg.io"), "reg.io/team1/app", "reg.io"},
		{"Docker Hub by path", auths("https://index.docker.io/v1/", "docker.io/acme", "index.docker.io/other"), "docker.io/acme/app", "docker.io/acme"},
		{"Docker Hub by another of its names", auths("https://index.docker.io/v1/", "docker.io/acme", "index.docker.io/other"), "docker.io/other/app", "index.docker.io/other"},
		{"Docker Hub's old address", auths("https://index.docker.io/v1/", "docker.io/acme"), "docker.io/third/app", "https://index.docker.io/v1/"},
		{"Docker Hub's old address goes before its name", auths("https://index.docker.io/v1/", "docker.io"), "docker.io/third/app", "https://index.docker.io/v1/"},
		{"a host's helper goes before its entry", `"credHelpers": {"reg.io": "test"}, ` + auths("reg.io"), "reg.io/team1/app", "helper-reg.io"},
		{"a path goes before the host's helper", `"credHelpers": {"reg.io": "test"}, ` + auths("reg.io", "reg.io/team1"), "reg.io/team1/app", "reg.io/team1"},
		{"the helper of another host", `"credHelpers": {"quay.io": "test"}, ` + auths("reg.io"), "reg.io/team1/app", "reg.io"},
		{"the store of all hosts", `"credsStore": "test", "auths": {"reg.io": {}}`, "reg.io/team1/app", "helper-reg.io"},
		{"a path goes before the store of all hosts", `"credsStore": "test", ` + auths("reg.io/team1"), "reg.io/team1/app", "reg.io/team1"},
		{"an empty entry is none", `"auths": {"reg.io/team1": {}, "reg.io": {"username": "u", "password": "p"}}`, "reg.io/team1/app", "u"},
		{"a broken entry of another host hides none", `"auths": {"quay.io": "x", "reg.io": {"username": "u", "password": "p"}}`, "reg.io/team1/app", "u"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte("{"+c.content+"}"), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 50 { // maps have no order
				got, _, err := registry.DockerConfig(path)(t.Context(), parseLocation(t, "oci://"+c.at))
				if err != nil || got != c.want {
					t.Fatalf("got %q, %v, want %q", got, err, c.want)
				}
			}
		})
	}
}
