package chart_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
)

func TestAGitRepositoryHasOneNameWhateverItsTransport(t *testing.T) {
	t.Parallel()
	const apps = "git://github.com/acme/apps"
	for _, tc := range []struct{ name, in, want string }{
		{"HTTPS", "https://github.com/acme/apps", apps},
		{"with .git", "https://github.com/acme/apps.git", apps},
		{"with a slash at the end", "https://github.com/acme/apps/", apps},
		{"with both", "https://github.com/acme/apps.git///", apps},
		{"with a host in upper case", "https://GitHub.COM/acme/apps", apps},
		{"with user and password", "https://jane:s3cret@github.com/acme/apps.git", apps},
		{"with an empty password", "https://token:@github.com/acme/apps.git", apps},
		{"with the default port", "https://github.com:443/acme/apps", apps},
		{"plain HTTP", "http://github.com/acme/apps", apps},
		{"plain HTTP with its default port", "http://github.com:80/acme/apps", apps},
		{"SSH", "ssh://git@github.com/acme/apps.git", apps},
		{"SSH with its default port", "ssh://git@github.com:22/acme/apps.git", apps},
		{"SSH without a user", "ssh://github.com/acme/apps.git", apps},
		{"the form of scp", "git@github.com:acme/apps.git", apps},
		{"the form of scp with a slash", "git@github.com:/acme/apps", apps},
		{"the form of scp without a user", "github.com:acme/apps", apps},
		{"Git's own protocol", "git://github.com/acme/apps.git", apps},
		{"Git's own protocol with its default port", "git://github.com:9418/acme/apps.git", apps},

		{"another port is another server", "ssh://git@gitlab.example:2222/acme/apps", "git://gitlab.example:2222/acme/apps"},
		{"the default port of another transport is another server", "ssh://git@github.com:443/acme/apps", "git://github.com:443/acme/apps"},
		{"and the reverse", "https://github.com:22/acme/apps", "git://github.com:22/acme/apps"},
		{"the case of the path stays", "https://github.com/Acme/Apps", "git://github.com/Acme/Apps"},
		{"a path of one segment", "https://git.example/apps", "git://git.example/apps"},
		{"groups of groups", "https://gitlab.example/a/b/c/apps.git", "git://gitlab.example/a/b/c/apps"},
		{"Azure DevOps over HTTPS", "https://acme@dev.azure.com/acme/My%20Project/_git/apps", "git://dev.azure.com/acme/My%20Project/_git/apps"},
		{"Azure DevOps over SSH is named as it is written", "git@ssh.dev.azure.com:v3/acme/project/apps", "git://ssh.dev.azure.com/v3/acme/project/apps"},
		{"an encoded letter", "https://github.com/%61cme/apps", apps},
		{"a host with underscores", "http://my_git.svc:3000/acme/apps", "git://my_git.svc:3000/acme/apps"},
		{"a home folder", "ssh://git@git.example/~jane/apps", "git://git.example/~jane/apps"},
		{"an IPv4 address", "https://10.1.2.3/acme/apps", "git://10.1.2.3/acme/apps"},
		{"a name that ends like .git", "https://github.com/acme/agit", "git://github.com/acme/agit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, plain, err := chart.ParseGitURL(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("name (-want +got):\n%s", diff)
			}
			if want := strings.HasPrefix(tc.in, "http://") || strings.HasPrefix(tc.in, "git://"); plain != want {
				t.Errorf("plain: %v, want %v", plain, want)
			}
			if again, err := chart.ParseLocation(got.String()); err != nil || again != got {
				t.Errorf("parsed again: %v, %v", again, err)
			}
		})
	}
}

// What clients or servers read in two ways could carry the name of another repository.
func TestAGitURLThatIsReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	const (
		unclear = "the user in it is not clear"
		noURL   = "is no URL of a Git repository"
		host    = "has no valid lower-case host name"
		twice   = "does not name a repository that every server reads the same"
		none    = "names a host but no repository"
		two     = "read in different ways"
	)
	for _, tc := range []struct{ name, in, because string }{
		{"nothing", "", noURL},
		{"a path", "/srv/git/apps", noURL},
		{"a file", "file:///srv/git/apps", noURL},
		{"a helper that runs a command", "ext::sh -c evil", "character that no chart location has"},
		{"another helper", "ext::evil", two},
		{"an upper-case scheme", "HTTPS://github.com/acme/apps", noURL},
		{"OCI", "oci://github.com/acme/apps", noURL},
		{"no repository", "https://github.com", none},
		{"no repository behind a slash", "https://github.com/", none},
		{"a user that looks like a host", "https://github.com@evil.example:443@x/acme/apps", unclear},
		{"two users", "https://a@b@github.com/acme/apps", unclear},
		{"an empty user", "https://@github.com/acme/apps", unclear},
		{"a backslash before the user", `https://evil.example\@github.com/acme/apps`, "without fragment and backslash"},
		{"a fragment before the user", "https://evil.example#@github.com/acme/apps", "without fragment"},
		{"a query before the user", "https://evil.example?@github.com/acme/apps", "without query"},
		{"a bracket before the user", "https://evil.example[@github.com/acme/apps", unclear},
		{"a query", "https://github.com/acme/apps?x=y", "without query"},
		{"a fragment", "https://github.com/acme/apps#main", "without fragment"},
		{"an encoded slash", "https://github.com/acme%2Fapps", two},
		{"an encoded slash in lower case", "https://github.com/acme%2fapps", two},
		{"dot-dot", "https://github.com/acme/../evil/apps", `path segment ".."`},
		{"dot-dot, encoded", "https://github.com/acme/%2e%2e/evil/apps", `path segment ".."`},
		{"a dot", "https://github.com/./acme/apps", `path segment "."`},
		{"a path with the separator of folders", "https://evil.example/x//charts/web", "empty path segment"},
		{"a path that starts with the separator", "https://github.com//acme/apps", "empty path segment"},
		{"the form of scp with two slashes", "git@github.com://acme/apps", noURL},
		{"the form of scp with a port", "git@github.com:2222/acme/apps", noURL},
		{"the form of scp with a port and a colon", "git@github.com:2222:acme/apps", two},
		{"the form of scp with percent signs, which nothing decodes", "git@github.com:acme/%61pps", noURL},
		{"the form of scp with a slash before the colon", "git@github.com/evil:acme/apps", noURL},
		{"the form of scp in a URL", "ssh://git@github.com:acme/apps", "has an invalid port"},
		{"the form of scp with a host that is an option", "-oProxyCommand=x:acme/apps", host},
		{"a port that is none", "https://github.com:0/acme/apps", "has an invalid port"},
		{"a port with zeros", "https://github.com:0443/acme/apps", "has an invalid port"},
		{"IPv6", "https://[::1]/acme/apps", "has an invalid port"},
		{"an octal address", "https://0177.0.0.1/acme/apps", host},
		{"a short address", "https://127.1/acme/apps", host},
		{"an address as one number", "https://2130706433/acme/apps", host},
		{"a dot behind the host", "https://github.com./acme/apps", host},
		{"an encoded host", "https://github%2ecom/acme/apps", host},
		{"a host in another script", "https://g\u0456thub.com/acme/apps", "character that no chart location has"},
		{"a second .git", "https://github.com/acme/apps.git.git", twice},
		{".GIT", "https://github.com/acme/apps.GIT", twice},
		{"the .git of a working copy", "https://github.com/acme/apps/.git", twice},
		{".git alone", "https://github.com/.git", twice},
		{"a colon in the path", "https://github.com/acme/apps:evil", two},
		{"a line break", "https://github.com/acme/apps\n", "character that no chart location has"},
		{"parameters", "https://github.com/acme/apps;x", "servers read in different ways"},
		{"a very long path", "https://github.com/" + strings.Repeat("=", 1000), "is longer than 2048 characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := chart.ParseGitURL(tc.in)
			wantInvalid(t, err, tc.because)
			if !got.IsZero() {
				t.Errorf("a location came back with the error: %q", got)
			}
		})
	}
}

func TestAFolderHasOneName(t *testing.T) {
	t.Parallel()
	const apps = "git://github.com/acme/apps"
	for _, tc := range []struct{ name, in, want, because string }{
		{"a folder", "charts/web", apps + "//charts/web", ""},
		{"a folder as Flux's examples have it", "./charts/web", apps + "//charts/web", ""},
		{"a slash at the end", "charts/web/", apps + "//charts/web", ""},
		{"slashes and dots in the middle", "charts//./web", apps + "//charts/web", ""},
		{"the top of the repository", ".", apps, ""},
		{"the top of the repository with a slash", "./", apps, ""},
		{"a packed chart", "dist/web-1.0.0.tgz", apps + "//dist/web-1.0.0.tgz", ""},
		{"a folder called like another repository", "github.com/other/repo", apps + "//github.com/other/repo", ""},
		{"a folder that looks like a repository and a folder", "git://github.com/other//charts", "", "which a name of a chart cannot hold"},
		{"a blank and a letter of another script", "my charts/\u00e9", apps + "//my%20charts/%C3%A9", ""},
		{"a star", "*", apps + "//%2A", ""},
		{"a query", "web?ref=main", apps + "//web%3Fref%3Dmain", ""},
		{"three dots", "...", apps + "//...", ""},
		{"the case stays", "Charts/Web", apps + "//Charts/Web", ""},
		{"nothing", "", "", "has an empty path"},
		{"another folder", "../evil", "", `path segment ".."`},
		{"another folder in the end", "charts/../evil", "", `path segment ".."`},
		{"a slash at the start", "/charts/web", "", "starts with a slash"},
		{"a percent sign, which nothing decodes", "charts%2Fweb", "", "which a name of a chart cannot hold"},
		{"a backslash", `charts\web`, "", "which a name of a chart cannot hold"},
		{"a line break", "charts\nweb", "", "control character"},
		{"a very long path", strings.Repeat("=", 1000), "", "is longer than 2048 characters"},
	} {
		repository, _, err := chart.ParseGitURL("https://github.com/acme/apps.git")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := repository.Folder(tc.in)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
				if !got.IsZero() {
					t.Errorf("a location came back with the error: %q", got)
				}
				return
			}
			if err != nil || got.String() != tc.want {
				t.Fatalf("got %q, %v, want %q", got, err, tc.want)
			}
			if again, err := chart.ParseChart(got.String()); err != nil || again != got {
				t.Errorf("parsed again: %v, %v", again, err)
			}
		})
	}
	inside, err := chart.ParseLocation(apps + "//charts")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []chart.Location{inside, {}, location(t, "oci://ghcr.io/acme")} {
		if got, err := l.Folder("web"); err == nil {
			t.Errorf("a folder in %v: %v", l, got)
		}
	}
}

func location(t *testing.T, text string) chart.Location {
	t.Helper()
	l, err := chart.ParseLocation(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The names themselves, as policies and the command line have them.
func TestNamesOfFolders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want, because string }{
		{"git://github.com/acme/apps//charts/web", "git://github.com/acme/apps//charts/web", ""},
		{"git://GitHub.com/acme/apps.git//charts/web/", "git://github.com/acme/apps//charts/web", ""},
		{"git://github.com:443/acme/apps", "git://github.com:443/acme/apps", ""},
		{"git://github.com:9418/acme/apps", "git://github.com:9418/acme/apps", ""},
		{"bucket://minio.acme.example:9000/charts//web", "bucket://minio.acme.example:9000/charts//web", ""},
		{"bucket://minio.acme.example/charts", "bucket://minio.acme.example/charts", ""},
		{"git://github.com", "", "names a host but no repository"},
		{"git://github.com//charts", "", "empty path segment"},
		{"git://github.com/acme/apps//", "", "names no folder"},
		{"git://github.com/acme/apps///charts", "", "empty path segment"},
		{"git://github.com/acme/apps//charts//web", "", "empty path segment"},
		{"git://github.com/acme/apps//../evil", "", `path segment ".."`},
		{"git://github.com/acme/apps//a%2Fb", "", "read in different ways"},
		{"git://github.com/acme/apps//a:1.0.0", "", "read in different ways"},
		{"git://jane@github.com/acme/apps", "", "without user info"},
		{"git://github.com/acme/apps?x", "", "without user info and query"},
		{"git://github.com?x/acme", "", "without user info and query"},
		{"bucket://minio.acme.example/a/b//web", "", "does not name a bucket"},
		{"bucket://minio.acme.example//web", "", "does not name a bucket"},
		{"bucket://minio.acme.example/..//web", "", "does not name a bucket"},
	} {
		got, err := chart.ParseLocation(tc.in)
		if tc.because != "" {
			wantInvalid(t, err, tc.because)
			continue
		}
		if err != nil || got.String() != tc.want {
			t.Errorf("%q: %v, %v", tc.in, got, err)
		}
		if got.IsOCI() || got.IsClassic() || !got.IsTree() || got.HasQuery() {
			t.Errorf("%q is OCI %t, classic %t, a tree %t", tc.in, got.IsOCI(), got.IsClassic(), got.IsTree())
		}
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, endpoint, bucket string
		insecure               bool
		want, because          string
	}{
		{"a host", "s3.amazonaws.com", "charts", false, "bucket://s3.amazonaws.com/charts", ""},
		{"a port", "minio.svc:9000", "charts", false, "bucket://minio.svc:9000/charts", ""},
		{"the default port", "minio.svc:443", "charts", false, "bucket://minio.svc/charts", ""},
		{"the default port of plain HTTP", "minio.svc:80", "charts", true, "bucket://minio.svc/charts", ""},
		{"the other default port", "minio.svc:443", "charts", true, "bucket://minio.svc:443/charts", ""},
		{"a host in upper case", "Minio.Svc", "charts", false, "bucket://minio.svc/charts", ""},
		{"a URL, as Azure has it", "https://acme.blob.core.windows.net/", "charts", false, "bucket://acme.blob.core.windows.net/charts", ""},
		{"a plain URL", "http://minio.svc:80", "charts", true, "bucket://minio.svc/charts", ""},
		{"a name with dots", "s3.amazonaws.com", "charts.acme.example", false, "bucket://s3.amazonaws.com/charts.acme.example", ""},
		{"a path in the endpoint", "minio.svc/evil", "charts", false, "", "is more than a host"},
		{"a user in the endpoint", "minio.svc@evil.example", "charts", false, "", "is more than a host"},
		{"a query in the endpoint", "https://a.blob.core.windows.net?sig=x", "charts", false, "", "is more than a host"},
		{"no endpoint", "", "charts", false, "", "has no valid lower-case host name"},
		{"no bucket", "minio.svc", "", false, "", "does not name a bucket"},
		{"a folder in the name", "minio.svc", "charts/web", false, "", "does not name a bucket"},
		{"dots for a name", "minio.svc", "..", false, "", "does not name a bucket"},
		{"an ARN", "minio.svc", "arn:aws:s3:x", false, "", "does not name a bucket"},
		{"an encoded slash", "minio.svc", "a%2Fb", false, "", "does not name a bucket"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseBucket(tc.endpoint, tc.bucket, tc.insecure)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
				return
			}
			if err != nil || got.String() != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestRevisionsOfGit(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("a", 40)
	for _, tc := range []struct {
		name    string
		ref     chart.FluxGitRef
		want    string
		pinning chart.Pinning
		because string
	}{
		{"nothing is the default branch", chart.FluxGitRef{}, "", chart.Floating, ""},
		{"a branch", chart.FluxGitRef{Branch: "main"}, "main", chart.Floating, ""},
		{"a branch called like a version floats", chart.FluxGitRef{Branch: "1.2.3"}, "1.2.3", chart.Floating, ""},
		{"a tag with a complete version", chart.FluxGitRef{Branch: "x", Tag: "v1.2.3"}, "v1.2.3", chart.Version, ""},
		{"another tag", chart.FluxGitRef{Tag: "stable"}, "stable", chart.Floating, ""},
		{"a range", chart.FluxGitRef{Tag: "x", SemVer: ">=1.0.0 <2"}, ">=1.0.0 <2", chart.Floating, ""},
		{"a name beats a range", chart.FluxGitRef{SemVer: "x", Name: "refs/tags/v1.2.3"}, "v1.2.3", chart.Version, ""},
		{"a name of an annotated tag", chart.FluxGitRef{Name: "refs/tags/v1.2.3^{}"}, "v1.2.3", chart.Version, ""},
		{"a name of a branch", chart.FluxGitRef{Name: "refs/heads/release/1.2.3"}, "release/1.2.3", chart.Floating, ""},
		{"a commit beats all", chart.FluxGitRef{Branch: "a", Tag: "b", SemVer: "c", Name: "d", Commit: commit}, commit, chart.ByDigest, ""},
		{"a short commit", chart.FluxGitRef{Commit: commit[:7]}, commit[:7], chart.Floating, ""},
		{"a pull request, which anyone can open", chart.FluxGitRef{Name: "refs/pull/420/head"}, "", 0, "is neither a branch nor a tag"},
		{"a merge request", chart.FluxGitRef{Name: "refs/merge-requests/1/head"}, "", 0, "is neither a branch nor a tag"},
		{"HEAD", chart.FluxGitRef{Name: "HEAD"}, "", 0, "is neither a branch nor a tag"},
		{"no branch", chart.FluxGitRef{Name: "refs/heads/"}, "", 0, "is neither a branch nor a tag"},
		{"no tag", chart.FluxGitRef{Name: "refs/tags/"}, "", 0, "is neither a branch nor a tag"},
		{"a line break", chart.FluxGitRef{Branch: "a\nb"}, "", 0, "control character"},
		{"a very long name", chart.FluxGitRef{Branch: strings.Repeat("a", 257)}, "", 0, "is longer than 256 characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chart.ParseFluxGitRef(tc.ref)
			if tc.because != "" {
				wantInvalid(t, err, tc.because)
				return
			}
			if err != nil || got.String() != tc.want || got.Pinning() != tc.pinning || got.IsZero() {
				t.Errorf("got %q, %v, %v, want %q, %v", got, got.Pinning(), err, tc.want, tc.pinning)
			}
			if _, isDigest := got.Digest(); isDigest || got.IsRange() {
				t.Errorf("%q passes for a digest or a range", got)
			}
		})
	}
}

func TestReferencesToFolders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, because string }{
		{"git://github.com/acme/apps//charts/web", ""},
		{"git://github.com/acme/apps//charts/web?ref=feature/x@1:2", ""},
		{"git://github.com/acme/apps?ref=v1.2.3", ""},
		{"git://github.com:2222/acme/apps", ""},
		{"bucket://minio.svc:9000/charts//web", ""},
		{"bucket://minio.svc:9000/charts//web?ref=main", "which a bucket has not"},
		{"git://github.com/acme/apps:1.0.0", "read in different ways"},
		{"git://github.com/acme/apps@sha256:0", "read in different ways"},
		{"git://github.com", "names a host but no repository"},
	} {
		got, err := chart.ParseReference(tc.in)
		if tc.because != "" {
			wantInvalid(t, err, tc.because)
			continue
		}
		if err != nil || got.String() != tc.in || got.Selector.IsZero() {
			t.Errorf("%q: %q, %v", tc.in, got, err)
		}
	}
}
