package docs_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/verdict"
)

var helpLine = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`)

// flagsOf are the flags that a command's help lists.
func flagsOf(t *testing.T, command string) map[string]bool {
	t.Helper()
	_, list, _ := strings.Cut(chartgate(t, command, "--help"), "\nFlags:\n")
	flags := map[string]bool{}
	for _, line := range helpLine.FindAllStringSubmatch(list, -1) {
		flags[line[1]] = true
	}
	return flags
}

var anyFlag = regexp.MustCompile("`(--[a-z-]+)[=`]")

func TestFlagsThatAreNamedExist(t *testing.T) {
	t.Parallel()
	known := flagsOf(t, "serve")
	maps.Copy(known, flagsOf(t, "verify"))
	for _, command := range []string{"scan", "suggest", "test"} {
		maps.Copy(known, flagsOf(t, command))
	}
	// Of helm, cosign, argocd, Flux, Argo CD and kube-apiserver.
	others := []string{"--take-ownership", "--atomic", "--tlog-upload", "--local", "--artifact-digest-algo", "--type", "--tsa", "--rekor", "--ctfe", "--insecure-ignore-tlog", "--allow-http-registry", "--admission-control-config-file", "--registry-referrers-mode", "--use-signing-config", "--signing-config", "--wait", "--version",
		"--verify", "--prov", "--kube-context", "--kube-apiserver", "--kube-token", "--kube-as-user", "--username", "--password", "--ca-file", "--cert-file", "--key-file", "--insecure-skip-tls-verify", "--create-namespace", "--mirror", "--root"}
	for path, page := range pages(t) {
		for _, match := range anyFlag.FindAllStringSubmatch(prose(page), -1) {
			if !known[match[1]] && !slices.Contains(others, match[1]) {
				t.Errorf("%s names %s, which chartgate does not have", path, match[1])
			}
		}
	}
}

var (
	metricInCode = regexp.MustCompile(`(?:Name:\s+|NewDesc[(])"(chartgate_[a-z_]+)"`)
	metricInDocs = regexp.MustCompile(`\bchartgate_[a-z_]+\b`)
)

func TestMetricsAreTheOnesOfTheCode(t *testing.T) {
	t.Parallel()
	want := metricsOf(t, "pkg", "cmd")
	got := metricInDocs.FindAllString(section(t, read(t, "docs/operate.md"), "Metrics"), -1)
	if diff := cmp.Diff(want, unique(got)); diff != "" {
		t.Errorf("metrics (-code +docs/operate.md):\n%s", diff)
	}
	for path, page := range pages(t) {
		for _, name := range metricInDocs.FindAllString(page, -1) {
			if !slices.Contains(want, name) {
				t.Errorf("%s names the metric %s, which does not exist", path, name)
			}
		}
	}
}

// metricsOf reads the names of metrics out of the code below folders.
func metricsOf(t *testing.T, folders ...string) []string {
	t.Helper()
	var names []string
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			for _, match := range metricInCode.FindAllStringSubmatch(string(content), -1) {
				names = append(names, match[1])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return unique(names)
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

var heading = regexp.MustCompile(`(?m)^## (.+)$`)

func TestEveryReasonHasASection(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/reasons.md")
	var want, got []string
	for _, reason := range verdict.Reasons() {
		want = append(want, string(reason))
	}
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		got = append(got, match[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections of docs/reasons.md (-reasons +sections):\n%s", diff)
	}
}

func TestEverySectionHasAnAnchorASampleAndAdvice(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/reasons.md")
	for _, reason := range verdict.Reasons() {
		code := string(reason)
		if !strings.Contains(page, `<a id="`+code+"\"></a>\n\n## "+code+"\n") {
			t.Errorf("%s has no anchor of its own name", code)
		}
		text := section(t, page, code)
		if samples := blocks(text, "text"); len(samples) != 1 || !strings.Contains(samples[0], " ("+code+"): ") {
			t.Errorf("%s has no sample message of its own", code)
		}
		for _, part := range []string{"\n1. ", "\nWhat to do: "} {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %q", code, strings.TrimSpace(part))
			}
		}
	}
}
