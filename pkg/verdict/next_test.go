package verdict_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// The README promises a next step for every denial, whoever makes it and however.
func TestEveryDenialHasANextStep(t *testing.T) {
	t.Parallel()
	subject := resolved(t)
	check := func(what string, d verdict.Denial) {
		t.Helper()
		d.Policy = []string{"acme requires a signature"}
		missing := d
		missing.Reason = verdict.SourceNotFound
		for name, v := range map[string]verdict.Verdict{
			"denied": verdict.Deny(subject, d), "denied twice": verdict.Deny(subject, d, d),
			"warned": verdict.Warn(subject, []verdict.Denial{d}, nil), "deferred": verdict.Defer(subject, missing),
			"refused to defer": verdict.Defer(subject, d), "local": verdict.Deny(subject, d).Local(none),
		} {
			if got := strings.Count(v.Message(), "\n  next:     "); got != len(v.Denials()) || got == 0 {
				t.Errorf("%s, %s: %d next steps in\n%s", what, name, got, v.Message())
			}
		}
	}
	texts := map[string]verdict.Reason{}
	for _, reason := range append(verdict.Reasons(), "", "Unheard") {
		check("a bare "+string(reason), verdict.Denial{Reason: reason, Summary: "x"})
		check("a blank next of "+string(reason), verdict.Denial{Reason: reason, Summary: "x", Next: " \n"})
		check("a rejection for "+string(reason), verdict.FromError(&verdict.Rejection{Reason: reason, Detail: "x"}))
		next := verdict.Deny(subject, verdict.Denial{Reason: reason}).Denials()[0].Next
		if other, twice := texts[next]; twice && !unknown(reason) && !(other == verdict.SignatureMissing && reason == verdict.SignatureInvalid) {
			t.Errorf("%s and %s have the same next step, so one of them is not its own", other, reason)
		}
		texts[next] = reason
	}
	for i := range len(constants(t, "../problem/problem.go")) + 1 {
		check("a problem of kind "+strconv.Itoa(i), verdict.FromError(&problem.Error{Kind: problem.Kind(i), Detail: "x"}))
	}
	for _, kind := range []string{"HelmRepository", "OCIRepository", "HelmRelease", "HelmChart", "Application", "Chart"} {
		got := verdict.Deny(verdict.Subject{Kind: kind}, verdict.FromError(problem.Invalid("x"))).Denials()[0].Next
		if _, twice := texts[got]; twice && kind != "HelmChart" && kind != "HelmRelease" {
			t.Errorf("%s: %q", kind, got)
		}
		texts[got] = verdict.ReferenceInvalid
		if got := verdict.Deny(verdict.Subject{Kind: kind}, verdict.FromError(problem.Invalid("x").WithNext("y"))).Denials()[0].Next; got != "y" {
			t.Errorf("%s: a next step of its own became %q", kind, got)
		}
	}
	check("no error", verdict.FromError(nil))
	made := map[string]verdict.Denial{
		"NoPolicyFor":     verdict.NoPolicyFor(subject), // and below, near each pattern
		"NotFromOCI":      verdict.NotFromOCI(subject, nil),
		"NotPinnedEnough": verdict.NotPinnedEnough(subject, "acme", chart.Version), "WaiverEnded": verdict.WaiverEnded(subject, "acme", "2027-01-31"),
		"BrokenPolicy": verdict.BrokenPolicy(subject, "acme", "x"), "UnreadPatterns": verdict.UnreadPatterns(subject, "acme", "x"), "Unsigned": verdict.Unsigned(subject, wants, verdict.Findings{}),
		"DependenciesMissing": verdict.DependenciesMissing(subject, []string{"redis"}), "FromError": verdict.FromError(nil),
	}
	for name, d := range made {
		if strings.TrimSpace(d.Next) == "" {
			t.Errorf("%s makes a denial without a next step of its own", name)
		}
		check(name, d)
	}
	for _, name := range constructors(t, "Denial") {
		if _, ok := made[name]; !ok {
			t.Errorf("%s makes denials and is not tried here", name)
		}
	}
	for match := range verdict.Excluded + 2 {
		check("near a pattern", verdict.NoPolicyFor(subject).Near([]verdict.NearPattern{{Pattern: "oci://ghcr.io/acme", Policy: "acme", Match: match}}))
	}
	check("each finding", verdict.Unsigned(subject, wants, verdict.Findings{Rejections: []*verdict.Rejection{{Reason: verdict.LimitExceeded}}}))
	check("an attestation that is missing", verdict.Unsigned(subject, wants, verdict.Findings{Unmet: []verdict.Unmet{{Predicate: "sbom"}}}))
}

func unknown(reason verdict.Reason) bool {
	return reason == verdict.InternalError || !slices.Contains(verdict.Reasons(), reason)
}

// A next step is a command with the object's own name in it or one act, told to the
// person who reads it wherever that is.
func TestNextStepsAreForPeople(t *testing.T) {
	t.Parallel()
	found := 0
	for _, text := range nextTexts(t, "../..") {
		found++
		for _, bad := range []string{"annotate --overwrite the", "chartgate's pods", "mend", "anew", "whoever", "nobody", "whom"} {
			if strings.Contains(text, bad) {
				t.Errorf("%q in a next step: %q", bad, text)
			}
		}
	}
	if found < 40 {
		t.Errorf("%d next steps were found in the source", found)
	}
}

// What is told on a laptop does not send people to a cluster.
func TestLocalNextSteps(t *testing.T) {
	t.Parallel()
	for _, reason := range verdict.Reasons() {
		message := verdict.Deny(resolved(t), verdict.FromError(&verdict.Rejection{Reason: reason, Detail: "x"})).Local(none).Message()
		for _, bad := range []string{"cluster's admin", "kubectl", "webhook.", "Ready condition", "chartgate can reach", "log has"} {
			if strings.Contains(message, bad) {
				t.Errorf("%s: %q in\n%s", reason, bad, message)
			}
		}
	}
	if got := verdict.Deny(resolved(t), verdict.FromError(nil)).Local(none).Message(); strings.Contains(got, "log") || !strings.Contains(got, "standard error") {
		t.Errorf("an internal error: %s", got)
	}
	better := func(d verdict.Denial) string { return "better for " + string(d.Reason) }
	if got := verdict.Deny(resolved(t), verdict.FromError(nil)).Local(better).Denials()[0].Next; got != "better for InternalError" {
		t.Errorf("a better next step is not told: %s", got)
	}
	if got := verdict.Deny(resolved(t), verdict.Denial{Reason: verdict.Timeout, Next: "its own"}).Local(none).Denials()[0].Next; got != "its own" {
		t.Errorf("a next step of its own became %q", got)
	}
	if got := verdict.Cover(resolved(t), "acme").Local(none); !got.Admits() || got.Message() != verdict.Cover(resolved(t), "acme").Message() {
		t.Errorf("an admission became %s", got.Message())
	}
}

// constructors returns the exported functions of this package that return one type.
func constructors(t *testing.T, result string) []string {
	t.Helper()
	var names []string
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range files {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil {
				continue
			}
			if name, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && name.Name == result {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// nextTexts returns the string literals of all next steps in the source: fields and
// variables called Next, WithNext, and the functions that say what helps.
func nextTexts(t *testing.T, root string) []string {
	t.Helper()
	var texts []string
	collect := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					texts = append(texts, text)
				}
			}
			return true
		})
	}
	visit := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Next" {
				collect(n.Value)
			}
		case *ast.AssignStmt:
			if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Next" {
				collect(n.Rhs[0])
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "WithNext" {
				collect(n.Args[0])
			}
		case *ast.FuncDecl:
			if n.Name.Name == "nextFor" || n.Name.Name == "localNext" {
				collect(n)
			}
		}
		return true
	}
	for _, dir := range []string{"/pkg", "/cmd"} {
		err := fs.WalkDir(os.DirFS(root+dir), ".", func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), root+dir+"/"+path, nil, 0)
			if err == nil {
				ast.Inspect(parsed, visit)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// none knows no better next step.
func none(verdict.Denial) string { return "" }
