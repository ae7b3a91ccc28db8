package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	metricInCode = regexp.MustCompile(`Name:\s+"(chartgate_[a-z_]+)"`)
	metricInDocs = regexp.MustCompile(`\bchartgate_[a-z_]+\b`)
)

func TestMetricsAreTheOnesOfTheCode(t *testing.T) {
	t.Parallel()
	want := metricsOf(t, "pkg", "cmd")
	got := metricInDocs.FindAllString(section(t, read(t, "docs/install.md"), "Metrics"), -1)
	if diff := cmp.Diff(want, unique(got)); diff != "" {
		t.Errorf("metrics (-code +docs/install.md):\n%s", diff)
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
