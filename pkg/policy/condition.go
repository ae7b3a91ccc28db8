package policy

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/problem"
)

// maxConditionCost bounds the evaluation of one condition, in CEL's units: about one for
// each value that is looked at. An SBOM of 10,000 packages can be walked ten times.
const maxConditionCost = 1_000_000

// condition is a compiled CEL expression. Its zero value holds of nothing.
type condition struct {
	text, message string
	program       cel.Program
}

// conditionEnvironment declares what a condition can ask about.
func conditionEnvironment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("predicate", cel.DynType),
		cel.Variable("predicateType", cel.StringType),
		cel.Variable("signer", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("digest", cel.StringType),
		cel.Variable("now", cel.TimestampType),
		cel.CrossTypeNumericComparisons(true), // numbers in JSON are all of one type
		ext.Strings(), ext.Lists(), ext.Sets(),
	)
}

// compileCondition compiles the expression at path.
func compileCondition(path *field.Path, spec v1alpha1.Condition) (condition, field.ErrorList) {
	environment, err := conditionEnvironment()
	if err != nil {
		return condition{}, field.ErrorList{field.InternalError(path, fmt.Errorf("make the CEL environment: %w", err))}
	}
	checked, issues := environment.Compile(spec.CEL)
	switch {
	case issues.Err() != nil:
		return condition{}, mistakesIn(path, spec.CEL, issues)
	case checked.OutputType() != cel.BoolType && checked.OutputType() != cel.DynType:
		return condition{}, field.ErrorList{field.Invalid(path, spec.CEL, fmt.Sprintf("yields %s, not bool", checked.OutputType()))}
	}
	program, err := environment.Program(checked, cel.CostLimit(maxConditionCost))
	if err != nil {
		return condition{}, field.ErrorList{field.Invalid(path, spec.CEL, err.Error())}
	}
	return condition{text: spec.CEL, message: spec.Message, program: program}, nil
}

// mistakesIn returns those in an expression, without CEL's drawing of it, which takes lines.
func mistakesIn(path *field.Path, expression string, issues *cel.Issues) field.ErrorList {
	var errs field.ErrorList
	for _, e := range issues.Errors() {
		errs = append(errs, field.Invalid(path, expression, fmt.Sprintf("column %d: %s", e.Location.Column()+1, e.Message)))
	}
	return errs
}

// variablesOf are what conditions see of an attestation.
func variablesOf(about target, e *piece) (map[string]any, error) {
	predicate, err := e.content()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"predicate":     predicate,
		"predicateType": e.Predicate,
		"signer": map[string]any{
			"issuer": e.Signer.Issuer, "subject": e.Signer.Subject, "key": e.Signer.Key, "claims": e.Signer.Claims,
		},
		"digest": about.digest.String(),
		"now":    about.now,
	}, nil
}

// fails says why the condition does not hold, "" if it does. What cannot be evaluated
// does not hold.
func (c condition) fails(variables map[string]any) string {
	if c.program == nil {
		return "the condition has not been compiled"
	}
	value, details, err := c.program.Eval(variables)
	switch {
	case err != nil && details != nil && details.ActualCost() != nil && *details.ActualCost() > maxConditionCost:
		return c.name() + ": it takes too long to evaluate"
	case err != nil:
		return fmt.Sprintf("%s: it cannot be evaluated (%s)", c.name(), problem.QuoteInput(err.Error()))
	case value.Value() != true:
		return c.name()
	default:
		return ""
	}
}

// name is the author's message or, without one, the expression.
func (c condition) name() string {
	if c.message != "" {
		return c.message
	}
	return "not true: " + c.text
}
