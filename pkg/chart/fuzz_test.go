package chart_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
)

func FuzzParseLocation(f *testing.F) {
	for _, seed := range []string{
		"", "oci://ghcr.io/acme/charts/podinfo", "oci://ghcr.io", "oci://ghcr.io/", "oci://ghcr.io:443/x", "http://a:80", "https://a.example/B_c~+x",
		"oci://index.docker.io/acme/x", "oci://docker.io/x", "oci://registry-1.docker.io:443/library/x", "OCI://x/y", "oci://127.1/x", "oci://0x7f.1/x", "oci://2130706433/x",
		"oci://[::1]:5000/x", "oci://a/../b", "oci://a/./b", "oci://a//b", "oci://a/%2e%2e/b", "oci://u:p@a/b", "oci://a/b?c#d", "oci://a/b:1@sha256:0", `oci://a\b/c`,
		"oci://a.b./c", "oci://bücher.example/x", "oci://a/b\x00", "oci://a/b\n", "oci://a:0/b", "oci://a:65536/b", "oci://a:00443/b", "https://a/...", "oci://oci://a/b",
		"https://a/b%2Fc", "https://a/b%2f..", "https://A_b/%41?c=d", "https://a/%zz", "https://a?b", "http://a/%C3%a9/(=)",
		"git://h/a//b", "git://h/a", "bucket://h/a//b/c", "git://h/a///b", "bucket://h/a/b",
	} {
		f.Add(seed, "podinfo")
		f.Add(seed, "../evil")
	}
	f.Add("oci://ghcr.io/acme", "a/b")
	f.Add("oci://docker.io", "a/b")
	f.Fuzz(func(t *testing.T, text, name string) {
		l, err := chart.ParseLocation(text)
		if err != nil {
			wantInvalid(t, err, "")
			if !l.IsZero() {
				t.Fatalf("%q: %v with an error", text, l)
			}
			return
		}
		wantCanonical(t, l)
		if c, err := chart.ParseChart(text); err != nil {
			wantInvalid(t, err, "")
		} else if c != l {
			t.Fatalf("%q is the location %v and the chart %v", text, l, c)
		}
		child, err := l.Join(name)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		wantCanonical(t, child)
		if l.IsTree() {
			return // see FuzzParseGitURL
		}
		if child.String() != strings.TrimSuffix(l.String(), "?*")+"/"+name+strings.TrimPrefix(l.String(), strings.TrimSuffix(l.String(), "?*")) {
			t.Fatalf("%v joined with %q is %v", l, name, child)
		}
	})
}

// FuzzParseGitURL: whatever a GitRepository says, its name is that of one folder in one repository.
func FuzzParseGitURL(f *testing.F) {
	for _, seed := range []string{
		"", "https://github.com/acme/apps.git", "ssh://git@github.com:22/acme/apps", "git@github.com:acme/apps.git", "git://h:9418/a", "http://U:p@H:80/a/b/", "https://a@b@c/d",
		"https://h//a", "https://h/a//b", "git@h://a", "git@h:1/a", "https://h/a%2Fb", "https://h/%2e%2e/b", "https://h/a.git.git", "https://h/.git", "https://0177.1/a", "h:a", "https://h/a?b#c", `https://a\@h/b`,
	} {
		for _, folder := range []string{"charts/web", "./x/", ".", "../x", "/x", "a//b", "github.com/a//b", "a%2Fb", "\u00e9 ?*", "x:y"} {
			f.Add(seed, folder)
		}
	}
	f.Fuzz(func(t *testing.T, url, path string) {
		repository, _, err := chart.ParseGitURL(url)
		if err != nil {
			wantInvalid(t, err, "")
			if !repository.IsZero() {
				t.Fatalf("%q: %v with an error", url, repository)
			}
			return
		}
		wantCanonicalTree(t, repository)
		if strings.Contains(repository.Path(), "//") {
			t.Fatalf("%q is the repository %v", url, repository)
		}
		wantFolder(t, repository, path)
	})
}

func FuzzParseBucket(f *testing.F) {
	f.Add("minio.svc:9000", "charts", "web", false)
	f.Add("https://A.example/", "x.y", "./a/b", false)
	f.Add("h/x", "a/b", "../c", true)
	f.Add("http://h:80", "..", "//", true)
	f.Fuzz(func(t *testing.T, endpoint, name, path string, insecure bool) {
		bucket, err := chart.ParseBucket(endpoint, name, insecure)
		if err != nil {
			wantInvalid(t, err, "")
			if !bucket.IsZero() {
				t.Fatalf("%q %q: %v with an error", endpoint, name, bucket)
			}
			return
		}
		wantCanonicalTree(t, bucket)
		if bucket.Path() != name {
			t.Fatalf("%q is %v", name, bucket)
		}
		wantFolder(t, bucket, path)
	})
}

// wantFolder: a folder stays in its repository.
func wantFolder(t *testing.T, repository chart.Location, path string) {
	t.Helper()
	folder, err := repository.Folder(path)
	if err != nil {
		wantInvalid(t, err, "")
		return
	}
	wantCanonicalTree(t, folder)
	if folder != repository && !strings.HasPrefix(folder.String(), repository.String()+"//") {
		t.Fatalf("%q in %v is %v", path, repository, folder)
	}
}

// wantCanonicalTree: l has one separator at most, nothing that a server could read otherwise, and
// parses to itself.
func wantCanonicalTree(t *testing.T, l chart.Location) {
	t.Helper()
	text := l.String()
	repository, folder, inside := strings.Cut(l.Path(), "//")
	if text != l.Scheme()+"://"+l.Host()+"/"+l.Path() || l.Host() == "" || strings.ToLower(l.Host()) != l.Host() || repository == "" || inside && folder == "" ||
		strings.ContainsAny(text, `?#@\ *;`) || strings.Contains(text, "%2F") || l.Scheme() == "git" && strings.HasSuffix(strings.ToLower(repository), ".git") {
		t.Fatalf("%q is not canonical", text)
	}
	wantPlain(t, text)
	for segment := range strings.SplitSeq(strings.Replace(l.Path(), "//", "/", 1), "/") {
		if segment == "." || segment == ".." || segment == "" || strings.Contains(segment, ":") {
			t.Fatalf("%q has the segment %q", text, segment)
		}
	}
	if again, err := chart.ParseLocation(text); err != nil || again != l {
		t.Fatalf("%q parses to %q, %v", text, again, err)
	}
	if r, err := chart.ParseReference(text); err != nil || r.Location != l || r.String() != text {
		t.Fatalf("%q is the reference %q, %v", text, r, err)
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{
		"", "oci://ghcr.io/acme/x:1.0.0", "oci://ghcr.io/acme/x@" + digestA, "oci://ghcr.io/acme/x:1.0.0@" + digestA, "oci://localhost:5000/x", "oci://localhost:5000/x:latest",
		"oci://localhost:5000", "oci://a/b:", "oci://a/b@", "oci://a/b:@" + digestA, "oci://a/b:" + digestA, "oci://a/b::1", "oci://a/b:1/c", "oci://u@a/b:1", "https://a/B:1",
		"https://a/b%2fc?d=e:1.0.0", "https://a/b?*:>=1", "http://a_b/c%3D:2024.03.01", "oci://a/b:>=1.0.0", "oci://a/b:1.x@" + digestA,
		"git://h/a//b?ref=c/d", "git://h:1/a?ref=", "bucket://h/a?ref=b", "git://h/a:1",
		"oci://docker.io/x:1", "oci://registry-1.docker.io/a/x:1", "oci://a/b:1.0.0+2", "oci://a/b:1.0.0_2", "oci://a/../b:1", "oci://a:443/b:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := chart.ParseReference(text)
		if err != nil {
			wantInvalid(t, err, "")
			if !r.IsZero() {
				t.Fatalf("%q: %v with an error", text, r)
			}
			return
		}
		wantCanonical(t, r.Location)
		if r.Location.Path() == "" || r.Selector.IsZero() {
			t.Fatalf("%q is %v, which names no single chart", text, r)
		}
		if again, err := chart.ParseReference(r.String()); err != nil || again != r {
			t.Fatalf("%q is %v, which parses to %v, %v", text, r, again, err)
		}
		// Only the location is written in canonical form.
		if !r.Location.IsTree() && !strings.HasSuffix(text, strings.TrimPrefix(r.String(), r.Location.String())) {
			t.Fatalf("%q is %v", text, r)
		}
	})
}

// FuzzSelectors: the tag of every selector can exist, and is the one that its consumer takes.
func FuzzSelectors(f *testing.F) {
	for _, version := range []string{
		"", "*", "1", "1.0", "1.x", "6.7.1", "v1.0.0", "1.0.0+1", ">=1.0.0-0", "^1 || ~2.1", "latest", digestA, "1.0.0@" + digestA, "sha256:", "@", "1.0.0\n", "x", "||",
		"1.0.0-rc.1", "2025.02.03", "<2, >1", "1 - 2", "!=1", "../x", "\x00",
	} {
		f.Add(version, "1.0.0,v1.0.0,1.1.0_b,2.0.0-rc.1,latest,1,1.x")
	}
	f.Add("*", "1.0.0_a,1.0.0_b")
	f.Add("*", "99999999999999999999.0.0,1.0.0")
	f.Add("1.x", "1.0.0+1,1.0.0")
	f.Add(">=1.0.0-0", "1.0.0-01,,1.0.0")
	tagGrammar := regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	f.Fuzz(func(t *testing.T, version, list string) {
		tags := strings.Split(list, ",")
		tags = tags[:min(len(tags), 11)] // sort.Sort is stable up to 11, which makes the consumers' own order predictable
		for _, c := range append(consumers(version), consumer{parse: func() (chart.Selector, error) { return chart.ParseTagOrDigest(version) }}) {
			s, err := c.parse()
			if err != nil {
				wantInvalid(t, err, "")
				if !s.IsZero() {
					t.Fatalf("%s %q: %+v with an error", c.name, version, look(s))
				}
				continue
			}
			tag, byTag := s.Tag()
			digest, byDigest := s.Digest()
			switch {
			case byDigest == (byTag || s.IsRange()):
				t.Fatalf("%s %q is %+v", c.name, version, look(s))
			case byTag && !tagGrammar.MatchString(tag):
				t.Fatalf("%s %q asks for the tag %q", c.name, version, tag)
			case byDigest != (s.Pinning() == chart.ByDigest), byDigest && !strings.HasSuffix(version, digest.String()):
				t.Fatalf("%s %q is pinned by %v to %v", c.name, version, s.Pinning(), digest)
			case s.IsRange() && s.Pinning() != chart.Floating:
				t.Fatalf("%s %q is a range pinned by %v", c.name, version, s.Pinning())
			case version != "" && s.String() != version && c.name != "":
				t.Fatalf("%s %q says %q", c.name, version, s)
			}
			if byDigest || c.name == "" {
				continue
			}
			valid := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return !tagGrammar.MatchString(tag) })
			compare(t, c, valid)
			if got, err := s.Select(t.Context(), tags); err == nil && (!slices.Contains(tags, got) || !tagGrammar.MatchString(got)) {
				t.Fatalf("%s %q of %q: %q", c.name, version, tags, got)
			}
		}
	})
}

// wantCanonical: l says nothing that a consumer could read otherwise, and parses to itself.
func wantCanonical(t *testing.T, l chart.Location) {
	t.Helper()
	if l.IsTree() {
		wantCanonicalTree(t, l)
		return
	}
	text := l.String()
	want := strings.TrimSuffix(l.Scheme()+"://"+l.Host()+"/"+l.Path(), "/")
	if l.HasQuery() {
		want += "?*"
	}
	if text != want {
		t.Fatalf("%q is not its scheme, host and path %q", text, want)
	}
	if l.Host() == "" || strings.ToLower(l.Host()) != l.Host() || strings.ContainsAny(l.Host()+l.Path(), `?#@\ *;`) || l.IsOCI() && strings.ContainsAny(text, "%?") {
		t.Fatalf("%q is not canonical", text)
	}
	wantPlain(t, text)
	for segment := range strings.SplitSeq(l.Path(), "/") {
		if segment == "." || segment == ".." || segment == "" && l.Path() != "" || strings.Contains(segment, ":") {
			t.Fatalf("%q has the segment %q", text, segment)
		}
	}
	if l.IsOCI() && strings.Contains(l.Path(), "..") {
		t.Fatalf("%q has two dots", text)
	}
	if again, err := chart.ParseLocation(text); err != nil || again != l {
		t.Fatalf("%q parses to %q, %v", text, again, err)
	}
}
