package docs_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	codeSpan   = regexp.MustCompile("`([A-Za-z]+)`")
	limitsOf   = regexp.MustCompile("^\\| \\*\\*`((?:pkg|cmd)/[a-z]+)(/limits[.]go)?`\\*\\* \\|")
	separators = regexp.MustCompile(`, `)
)

// TestLimitsAreTheOnesOfTheCode: every constant in the table exists and has that value, and every
// constant of a limits.go is in the table.
func TestLimitsAreTheOnesOfTheCode(t *testing.T) {
	t.Parallel()
	var folder string
	listed := map[string][]string{}
	for line := range strings.SplitSeq(section(t, read(t, "docs/architecture.md"), "Limits"), "\n") {
		if match := limitsOf.FindStringSubmatch(line); match != nil {
			folder = match[1]
			continue
		}
		cells := strings.Split(line, "|")
		if folder == "" || len(cells) < 4 {
			continue
		}
		constants := constantsOf(t, folder)
		values := separators.Split(strings.TrimSpace(cells[2]), -1)
		names := codeSpan.FindAllStringSubmatch(cells[1], -1)
		if len(names) != len(values) {
			t.Errorf("%s: %d names, %d values", line, len(names), len(values))
			continue
		}
		for i, name := range names {
			listed[folder] = append(listed[folder], name[1])
			if !slices.Contains(spellings(constants[name[1]]), values[i]) {
				t.Errorf("%s: %s is %v in the code, %s in docs/architecture.md", folder, name[1], constants[name[1]], values[i])
			}
		}
	}
	for _, folder := range []string{"pkg/registry", "pkg/signature", "pkg/trust"} {
		for _, name := range namesIn(t, filepath.Join(folder, "limits.go")) {
			if !slices.Contains(listed[folder], name) {
				t.Errorf("%s of %s is not in docs/architecture.md", name, folder)
			}
		}
	}
}

// spellings are the ways to write a limit for people.
func spellings(value constant.Value) []string {
	if value == nil {
		return nil
	}
	n, _ := constant.Int64Val(value)
	all := []string{fmt.Sprint(n), grouped(n), grouped(n) + " bytes", fmt.Sprintf("%d KiB", n>>10), fmt.Sprintf("%d MiB", n>>20)}
	for unit, name := range map[time.Duration]string{time.Hour: "h", time.Minute: "min", time.Second: "s"} {
		all = append(all, fmt.Sprintf("%g %s", float64(n)/float64(unit), name))
	}
	if n%(1<<10) != 0 {
		all = slices.DeleteFunc(all, func(s string) bool { return strings.HasSuffix(s, "iB") })
	}
	return all
}

func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// constantsOf evaluates a package's constants, as far as they need nothing but units of time.
func constantsOf(t *testing.T, folder string) map[string]constant.Value {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	source := &strings.Builder{}
	source.WriteString("package limits\n")
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, spec := range specsIn(t, files, path) {
			source.WriteString("const ")
			if err := printer.Fprint(source, files, spec); err != nil {
				t.Fatal(err)
			}
			source.WriteString("\n")
		}
	}
	// Type-checking package time takes seconds.
	text := strings.NewReplacer("time.Hour", "3_600_000*time.Millisecond", "time.Minute", "60_000*time.Millisecond",
		"time.Second", "1000*time.Millisecond").Replace(source.String())
	file, err := parser.ParseFile(files, "limits.go", strings.ReplaceAll(text, "time.Millisecond", "1_000_000"), 0)
	if err != nil {
		t.Fatal(err)
	}
	ignore := types.Config{Error: func(error) {}}
	checked, _ := ignore.Check("limits", files, []*ast.File{file}, nil) // what needs more has no value
	found := map[string]constant.Value{}
	for _, name := range checked.Scope().Names() {
		if c, ok := checked.Scope().Lookup(name).(*types.Const); ok && c.Val().Kind() == constant.Int {
			found[name] = c.Val()
		}
	}
	return found
}

func namesIn(t *testing.T, path string) []string {
	t.Helper()
	var names []string
	for _, spec := range specsIn(t, token.NewFileSet(), filepath.Join(root, path)) {
		for _, name := range spec.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// specsIn are the top-level constants of a file that have values of their own.
func specsIn(t *testing.T, files *token.FileSet, path string) []*ast.ValueSpec {
	t.Helper()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var specs []*ast.ValueSpec
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			if value := spec.(*ast.ValueSpec); len(value.Values) > 0 {
				specs = append(specs, value)
			}
		}
	}
	return specs
}
