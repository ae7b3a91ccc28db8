package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
)

func (l Linter) lintRequirement(found *Findings, path *field.Path, r v1alpha1.Requirement) {
	names := path.Child("anyOf")
	lintTwice(found, names, r.AnyOf)
	for i, name := range r.AnyOf {
		switch near := l.similarIdentity(name); {
		case len(validation.IsDNS1123Subdomain(name)) > 0:
			found.refuse(names.Index(i), name, "no TrustedIdentity can have this name; write metadata.name of one, which has no kind, namespace or upper-case letter in it")
		case near != "":
			found.warn(names.Index(i), fmt.Sprintf("TrustedIdentity %s does not exist, and %s does; write that if it is meant", name, near))
		}
	}
	if r.Attestation != nil {
		l.lintAttestation(found, path.Child("attestation"), *r.Attestation)
	}
}

// similarIdentity returns the name of an identity that a name without an identity resembles.
func (l Linter) similarIdentity(name string) string {
	var known []string
	for _, obj := range l.among.Identities {
		known = append(known, obj.Name)
	}
	return misspelled(name, known)
}

// lintRepetition finds requirements that another one implies: one signature satisfies both, where
// the author may want two.
func lintRepetition(found *Findings, path *field.Path, all []v1alpha1.Requirement) {
	for i, r := range all {
		for j, other := range all {
			within := func(name string) bool { return slices.Contains(r.AnyOf, name) }
			same := len(other.AnyOf) == len(r.AnyOf)
			if i == j || r.Attestation != nil || other.Attestation != nil || same && j > i {
				continue
			}
			if len(other.AnyOf) > 0 && !slices.ContainsFunc(other.AnyOf, func(name string) bool { return !within(name) }) {
				found.warn(path.Index(i), fmt.Sprintf("one signature satisfies this and require[%d], because each of its identities is in anyOf here; "+
					"for two signatures, name identities that differ", j))
				break
			}
		}
	}
}

// predicateTypes are well-known types of attestations.
func predicateTypes() []string {
	return []string{
		slsa1, slsa02, "https://slsa.dev/provenance/v0.1", "https://slsa.dev/verification_summary/v1", "https://slsa.dev/verification_summary/v0.2",
		"https://spdx.dev/Document", "https://cyclonedx.org/bom", "https://in-toto.io/Link/v1", "https://openvex.dev/ns",
		"https://cosign.sigstore.dev/attestation/v1", "https://cosign.sigstore.dev/attestation/vuln/v1",
		"https://in-toto.io/attestation/vulns/v0.1", "https://in-toto.io/attestation/vulns/v0.2", "https://in-toto.io/attestation/release/v0.1",
		"https://in-toto.io/attestation/test-result/v0.1", "https://in-toto.io/attestation/scai/attribute-report/v0.2",
	}
}

const (
	slsa1  = "https://slsa.dev/provenance/v1"
	slsa02 = "https://slsa.dev/provenance/v0.2"
)

// foreignFields are fields that a predicate does not have, but that of another version has.
func foreignFields(predicateType string) map[string]string {
	switch predicateType {
	case slsa1:
		return map[string]string{
			"builder": "predicate.runDetails.builder", "buildType": "predicate.buildDefinition.buildType",
			"invocation": "predicate.buildDefinition.externalParameters", "materials": "predicate.buildDefinition.resolvedDependencies",
			"metadata": "predicate.runDetails.metadata", "buildConfig": "predicate.buildDefinition",
		}
	case slsa02:
		return map[string]string{"runDetails": "predicate.builder or predicate.metadata", "buildDefinition": "predicate.invocation, predicate.buildType or predicate.materials"}
	default:
		return nil
	}
}

func (l Linter) lintAttestation(found *Findings, path *field.Path, spec v1alpha1.Attestation) {
	if len(checkPredicateType(path.Child("predicateType"), spec.PredicateType)) == 0 {
		if right := intended(spec.PredicateType); right != "" {
			found.warn(path.Child("predicateType"), fmt.Sprintf("%s is almost the type %s; attestations carry the type exactly", quoted(spec.PredicateType), right))
		} else if !strings.Contains(spec.PredicateType, ":") {
			found.warn(path.Child("predicateType"), fmt.Sprintf("%s is not a URI, and every type of an attestation is one, as in %s", quoted(spec.PredicateType), slsa1))
		}
	}
	for i, condition := range spec.Conditions {
		l.lintCondition(found, path.Child("conditions").Index(i).Child("cel"), spec.PredicateType, condition.CEL)
	}
}

// intended returns the well-known type that a text resembles, "" if it is one itself or resembles
// none. Another version is another type.
func intended(predicateType string) string {
	if slices.Contains(predicateTypes(), predicateType) {
		return ""
	}
	plain := func(s string) string {
		s = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "/")
		_, s, _ = strings.Cut("//"+strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"), "//")
		return strings.TrimPrefix(s, "www.")
	}
	text := plain(predicateType)
	for _, known := range predicateTypes() {
		if name := plain(known); text == name || text == name+".0" || lettersDiffer(text, name) {
			return known
		}
	}
	return ""
}

// lettersDiffer reports whether two texts differ in a letter or two, and in no digit.
func lettersDiffer(a, b string) bool {
	digits := func(s string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789.", r) {
				return r
			}
			return -1
		}, s)
	}
	return editDistance(a, b) <= maxEdits && digits(a) == digits(b)
}

// lintCondition checks an expression that compiles.
func (l Linter) lintCondition(found *Findings, path *field.Path, predicateType, text string) {
	environment, err := conditionEnvironment()
	if err != nil {
		return
	}
	checked, issues := environment.Compile(text)
	if issues.Err() != nil || checked.OutputType() != cel.BoolType && checked.OutputType() != cel.DynType {
		return // CheckPolicy refuses it
	}
	for _, name := range predicateFields(checked) {
		if right := foreignFields(predicateType)[name]; right != "" {
			found.warn(path, fmt.Sprintf("a predicate of the type %s has no field %s; write %s", predicateType, name, right))
		}
	}
	if kind := neverBoolean(checked); kind != "" {
		found.refuse(path, text, fmt.Sprintf("yields %s, not true or false; compare it with a value", kind))
		return
	}
	always, known := constantly(environment, checked, map[string]any{"predicateType": predicateType})
	now, knownNow := constantly(environment, checked, map[string]any{"predicateType": predicateType, "now": l.now})
	switch {
	case known && always != types.True:
		found.refuse(path, text, "is never true, whatever the predicate holds")
	case known:
		found.warn(path, "is always true, whatever the predicate holds")
	case knownNow && now != types.True:
		found.warn(path, "is not true at this time, whatever the predicate holds")
	case checked.OutputType() == cel.DynType:
		found.warn(path, `yields what the predicate holds there, and is true only if that is the value true, not a text or number; compare it with a value, as in "… == true"`)
	}
}

// neverBoolean says what an expression yields that is a variable, or a field of the signer, and so
// surely not a boolean.
func neverBoolean(checked *cel.Ast) string {
	root := ast.NavigateAST(checked.NativeRep())
	if root.Kind() == ast.IdentKind && root.AsIdent() == "predicate" {
		return "the whole predicate"
	}
	if root.Kind() != ast.SelectKind || root.AsSelect().IsTestOnly() {
		return ""
	}
	of := root.AsSelect().Operand()
	if of.Kind() == ast.IdentKind && of.AsIdent() == "signer" {
		return "signer." + root.AsSelect().FieldName()
	}
	if of.Kind() == ast.SelectKind && of.AsSelect().Operand().Kind() == ast.IdentKind && of.AsSelect().Operand().AsIdent() == "signer" {
		return "a text"
	}
	return ""
}

// predicateFields returns the fields of the predicate itself that an expression reads.
func predicateFields(checked *cel.Ast) []string {
	var names []string
	for _, e := range ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.SelectKind)) {
		if of := e.AsSelect().Operand(); of.Kind() == ast.IdentKind && of.AsIdent() == "predicate" && !slices.Contains(names, e.AsSelect().FieldName()) {
			names = append(names, e.AsSelect().FieldName())
		}
	}
	return names
}

// constantly evaluates an expression of which only some variables are known, and reports whether
// these decide its value alone.
func constantly(environment *cel.Env, checked *cel.Ast, known map[string]any) (ref.Val, bool) {
	program, err := environment.Program(checked, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(maxConditionCost))
	if err != nil {
		return nil, false
	}
	var missing []*cel.AttributePatternType
	for _, name := range []string{"predicate", "predicateType", "signer", "digest", "now"} {
		if _, is := known[name]; !is {
			missing = append(missing, cel.AttributePattern(name))
		}
	}
	partial, err := cel.PartialVars(known, missing...)
	if err != nil {
		return nil, false
	}
	value, _, err := program.Eval(partial)
	if err != nil || value == nil || types.IsUnknown(value) {
		return nil, false
	}
	return value, true
}
