package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const corpus = "test/suites/attacks"

var (
	qualifiedName = regexp.MustCompile("`([a-z0-9-]+)[.]([A-Za-z]+(?:[.][A-Za-z]+)?)`")
	testName      = regexp.MustCompile("`(Test[A-Za-z]+)`")
	fileName      = regexp.MustCompile("`([a-z/-]+(?:_test)?[.](?:go|md|yaml))`")
	folderName    = regexp.MustCompile("(?m)^\\| ((?:`[a-z/-]+`(?:, )?)+) \\|")
)

// TestNamesInTheTestPages: what test/README.md and the README of the attack corpus name exists:
// folders, files, functions and types.
func TestNamesInTheTestPages(t *testing.T) {
	t.Parallel()
	names := names{}
	for _, page := range []string{"test/README.md", corpus + "/README.md"} {
		text := read(t, page)
		if names.check(t, text) < 50 {
			t.Errorf("%s: the test sees fewer than 50 names", page)
		}
		for _, match := range fileName.FindAllStringSubmatch(text, -1) {
			if !isIn(match[1], filepath.Dir(page), "charts/chartgate/templates", ".") {
				t.Errorf("%s: the file %s does not exist", page, match[1])
			}
		}
	}
	for _, match := range folderName.FindAllStringSubmatch(read(t, "test/README.md"), -1) {
		for name := range strings.SplitSeq(match[1], ", ") {
			if !isIn(strings.Trim(name, "`"), "test") {
				t.Errorf("the folder %s does not exist in test", name)
			}
		}
	}
}

// TestAttackCorpus: the README of the attack corpus lists every test, and each row that it lists is
// one of them.
func TestAttackCorpus(t *testing.T) {
	t.Parallel()
	page, code := read(t, corpus+"/README.md"), parseFolder(t, corpus)
	named, listed := map[string]bool{}, 0
	for _, match := range testName.FindAllStringSubmatch(page, -1) {
		named[match[1]] = true
		if !code.declares[match[1]] {
			t.Errorf("the test %s does not exist", match[1])
		}
	}
	for name := range code.declares {
		if strings.HasPrefix(name, "Test") && name != "TestMain" && !named[name] {
			t.Errorf("the page does not name %s", name)
		}
	}
	for line := range strings.Lines(page) {
		sentence, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " | `")
		if !found || strings.HasPrefix(sentence, "`") {
			continue
		}
		listed++
		if !code.hasSentence(sentence) {
			t.Errorf("there is no row %q", sentence)
		}
	}
	if listed < 200 {
		t.Errorf("the test sees %d rows only", listed)
	}
}

func isIn(name string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		_, err := os.Stat(filepath.Join(root, folder, name))
		return err == nil
	})
}

// names are the folders of pkg and test by their last names.
type names map[string]*folder

// check checks code spans such as `signature.statement.claim`: folder, type, method. It returns
// their number.
func (n names) check(t *testing.T, page string) int {
	t.Helper()
	checked := 0
	for _, match := range qualifiedName.FindAllStringSubmatch(page, -1) {
		if fileName.MatchString(match[0]) {
			continue
		}
		checked++
		if n[match[1]] == nil {
			for _, parent := range []string{"pkg", "test/suites", "test"} {
				if isIn(match[1], parent) {
					n[match[1]] = parseFolder(t, filepath.Join(parent, match[1]))
					break
				}
			}
		}
		if n[match[1]] == nil || !n[match[1]].declares[match[2]] {
			t.Errorf("%s does not exist", match[0])
		}
	}
	return checked
}

// folder is what the Go files of a folder declare, and the texts in them.
type folder struct {
	declares map[string]bool // by name; a method also as "Type.method"
	texts    []string
}

func parseFolder(t *testing.T, path string) *folder {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, path, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("find Go files in %s: %d, %v", path, len(paths), err)
	}
	f := &folder{declares: map[string]bool{}}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, f.add)
	}
	return f
}

func (f *folder) add(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		f.declares[n.Name.Name] = true
		if n.Recv != nil {
			f.declares[receiver(n.Recv.List[0].Type)+"."+n.Name.Name] = true
		}
	case *ast.TypeSpec:
		f.declares[n.Name.Name] = true
	case *ast.ValueSpec:
		for _, name := range n.Names {
			f.declares[name.Name] = true
		}
	case *ast.BasicLit:
		if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
			f.texts = append(f.texts, text)
		}
	}
	return true
}

// receiver is the name of a method's type, without its type parameters.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	default:
		return fmt.Sprint(e)
	}
}

// hasSentence reports whether a row has this sentence. Some are a text with something appended.
func (f *folder) hasSentence(sentence string) bool {
	return slices.ContainsFunc(f.texts, func(text string) bool {
		return text == sentence || len(text) > 10 && strings.HasPrefix(sentence, text)
	})
}
