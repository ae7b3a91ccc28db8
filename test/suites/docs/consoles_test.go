package docs_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// offline are the commands of docs/cli.md that need neither a registry nor a cluster.
var offline = regexp.MustCompile(`^bin/chartgate (explain|test) `)

// TestConsolesShowWhatCommandsPrint: the commands of docs/cli.md that work offline print what the
// page shows, with their exit codes where it shows them.
func TestConsolesShowWhatCommandsPrint(t *testing.T) {
	t.Parallel()
	chartgate(t, "version") // fails if it is not built
	ran := 0
	for _, block := range blocks(read(t, "docs/cli.md"), "console") {
		first, _, _ := strings.Cut(strings.TrimPrefix(block, "$ "), "\n")
		if !offline.MatchString(first) {
			continue
		}
		ran++
		commands := strings.Split("\n"+block, "\n$ ")[1:]
		script, want := "", ""
		for _, c := range commands {
			command, output, _ := strings.Cut(c, "\n")
			script += command + "\n"
			want += output
			if !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if _, ended := err.(*exec.ExitError); err != nil && !ended {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(out)); diff != "" {
			t.Errorf("%s (-page +command):\n%s", script, diff)
		}
	}
	if ran < 2 {
		t.Error("the test does not see the consoles of chartgate explain and chartgate test")
	}
}

// TestThePolicyTestOfThePageIsTheSample: what the page shows is the file that its console runs.
func TestThePolicyTestOfThePageIsTheSample(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(blocks(section(t, read(t, "docs/cli.md"), "chartgate test"), "yaml")[0], read(t, "config/samples/tests/policies.yaml")); diff != "" {
		t.Errorf("docs/cli.md and config/samples/tests/policies.yaml differ (-page +sample):\n%s", diff)
	}
}
