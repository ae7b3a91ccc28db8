package docs_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	helpLine    = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)(.*)$`)
	helpDefault = regexp.MustCompile(`\(default \[?"?([^"\])]*)"?\]?\)$`)
	longFlag    = regexp.MustCompile("`(--[a-z-]+)`")
)

func TestEveryFlagIsInTheTable(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/cli.md")
	for _, command := range []string{"serve", "verify"} {
		help, rows := flagsOf(t, command), rowsOf(t, section(t, page, "chartgate "+command))
		want, got := slices.Sorted(maps.Keys(help)), slices.Sorted(maps.Keys(rows))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("flags of chartgate %s (-help +docs/cli.md):\n%s", command, diff)
		}
		for flag, value := range help {
			if !strings.Contains(rows[flag], value) {
				t.Errorf("chartgate %s %s has the default %q, docs/cli.md says %q", command, flag, value, rows[flag])
			}
		}
	}
}

// flagsOf are the flags that a command's help lists, with their defaults, or the first of a list.
func flagsOf(t *testing.T, command string) map[string]string {
	t.Helper()
	_, list, _ := strings.Cut(chartgate(t, command, "--help"), "\nFlags:\n")
	flags := map[string]string{}
	for _, line := range helpLine.FindAllStringSubmatch(list, -1) {
		value := ""
		if found := helpDefault.FindStringSubmatch(line[2]); found != nil {
			value, _, _ = strings.Cut(found[1], ",")
		}
		flags[line[1]] = value
	}
	delete(flags, "--help")
	return flags
}

// rowsOf are the flags of a table, with what it says of their defaults.
func rowsOf(t *testing.T, text string) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		if flag := longFlag.FindStringSubmatch(cells[1]); flag != nil {
			if _, twice := rows[flag[1]]; twice {
				t.Errorf("%s is in a table twice", flag[1])
			}
			rows[flag[1]] = cells[2]
		}
	}
	return rows
}

var anyFlag = regexp.MustCompile("`(--[a-z-]+)[=`]")

func TestFlagsThatAreNamedExist(t *testing.T) {
	t.Parallel()
	known := flagsOf(t, "serve")
	maps.Copy(known, flagsOf(t, "verify"))
	// Of helm, cosign, argocd, Flux, Argo CD and kube-apiserver.
	others := []string{"--take-ownership", "--tlog-upload", "--local", "--artifact-digest-algo", "--type", "--tsa", "--rekor", "--ctfe", "--insecure-ignore-tlog", "--allow-http-registry", "--admission-control-config-file", "--registry-referrers-mode"}
	for path, page := range pages(t) {
		for _, match := range anyFlag.FindAllStringSubmatch(prose(page), -1) {
			if _, ok := known[match[1]]; !ok && !slices.Contains(others, match[1]) {
				t.Errorf("%s names %s, which chartgate does not have", path, match[1])
			}
		}
	}
}
