// Package operate_test tests what operators look at: the alerts, the dashboard and their runbook.
package operate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// read returns a file of the repository.
func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	path, err := cluster.Path(elements...)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// promtool runs Prometheus's own tool in dir.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	tool, err := cluster.Tool("promtool")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Command{Name: tool, Args: args, Dir: dir}.Run(t.Context())
	if err != nil || strings.Contains(out.Stdout+out.Stderr, "FAILED") {
		t.Errorf("promtool %s: %v\n%s%s", strings.Join(args, " "), err, out.Stdout, out.Stderr)
	}
}

// TestRules runs the unit tests of the alerts.
func TestRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"rules.yaml":      read(t, "charts", "chartgate", "files", "rules.yaml"),
		"tests.yaml":      read(t, "test", "suites", "operate", "rules_test.yaml"),
		"slow-tests.yaml": read(t, "test", "suites", "operate", "slowrules_test.yaml"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	promtool(t, dir, "check", "rules", "rules.yaml")
	promtool(t, dir, "test", "rules", "tests.yaml")
	promtool(t, dir, "test", "rules", "slow-tests.yaml")
}

// alert is an alert of rules.yaml.
type alert struct {
	Name        string            `json:"alert"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal(read(t, "charts", "chartgate", "files", "rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 {
		t.Fatalf("%d groups", len(file.Groups))
	}
	return file.Groups[0].Rules
}

var (
	runbook    = regexp.MustCompile(`(?m)^### (Chartgate\w+)$`)
	alertNamed = regexp.MustCompile(`Chartgate[A-Z]\w+`)
)

// TestEachAlertHasARunbookAndATest: and each section of the runbook has its alert.
func TestEachAlertHasARunbookAndATest(t *testing.T) {
	t.Parallel()
	var names, sections []string
	for _, a := range alerts(t) {
		names = append(names, a.Name)
		if want := "https://github.com/chartgate/chartgate/blob/main/docs/operate.md#" + strings.ToLower(a.Name); a.Annotations["runbook_url"] != want {
			t.Errorf("%s: the runbook is at %s, not %s", a.Name, a.Annotations["runbook_url"], want)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: severity %q", a.Name, a.Labels["severity"])
		}
	}
	for _, found := range runbook.FindAllStringSubmatch(string(read(t, "docs", "operate.md")), -1) {
		sections = append(sections, found[1])
	}
	tests := string(read(t, "test", "suites", "operate", "rules_test.yaml")) + string(read(t, "test", "suites", "operate", "slowrules_test.yaml"))
	tested := alertNamed.FindAllString(tests, -1)
	slices.Sort(names)
	slices.Sort(sections)
	slices.Sort(tested)
	if diff := cmp.Diff(names, sections); diff != "" {
		t.Errorf("alerts and sections of docs/operate.md differ:\n%s", diff)
	}
	if diff := cmp.Diff(names, slices.Compact(tested)); diff != "" {
		t.Errorf("alerts and those that are tested differ:\n%s", diff)
	}
}

// TestDashboard: each query of the dashboard is PromQL, and each panel has one.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "charts", "chartgate", "files", "dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	var rules []map[string]string
	for _, panel := range dashboard.Panels {
		if panel.Type == "row" {
			continue
		}
		if len(panel.Targets) == 0 {
			t.Errorf("the panel %q has no query", panel.Title)
		}
		for _, target := range panel.Targets {
			rules = append(rules, map[string]string{"record": "panel", "expr": strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")})
		}
	}
	for i := range rules {
		rules[i]["record"] = "panel:" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	if len(rules) < 10 {
		t.Fatalf("the dashboard has %d queries", len(rules))
	}
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dashboard.yaml"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "check", "rules", "dashboard.yaml")
}
