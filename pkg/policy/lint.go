package policy

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/fielderr"
)

// Linter finds mistakes in policies that compile: what can never do what it says, or does more than
// it says. A finding changes no verdict. Each rule holds for texts alone, so that a policy can be
// checked before the charts, signers and registries that it names exist.
type Linter struct {
	among Input
	now   time.Time
	// parsed are the policies of among with patterns that are read once.
	parsed []parsedPolicy
}

// NewLinter returns a Linter of objects among everything that the platform team has written, with
// or without the object that is checked.
func NewLinter(among Input, now time.Time) Linter {
	l := Linter{among: among, now: now}
	for _, obj := range among.Policies {
		l.parsed = append(l.parsed, parsePolicy(obj))
	}
	return l
}

// Finding is one mistake, at its field.
type Finding struct {
	Field string
	// Value is what stands there, or field.OmitValueType if it is not repeated.
	Value  any
	Detail string
	// Certain is set where the text can have no meaning, whatever else exists and whenever it is
	// read. Such an object is refused when it is written. What is stored stays in force.
	Certain bool
}

// String is the finding in one line.
func (f Finding) String() string { return fielderr.Line(f.error()) }

func (f Finding) error() *field.Error {
	return &field.Error{Type: field.ErrorTypeInvalid, Field: f.Field, BadValue: f.Value, Detail: f.Detail}
}

// Findings are the mistakes in one object.
type Findings []Finding

// warn adds what may be a mistake.
func (f *Findings) warn(path *field.Path, detail string) {
	*f = append(*f, Finding{Field: path.String(), Value: field.OmitValueType{}, Detail: detail})
}

// refuse adds what is a mistake for certain, with the value.
func (f *Findings) refuse(path *field.Path, value any, detail string) {
	*f = append(*f, Finding{Field: path.String(), Value: value, Detail: detail, Certain: true})
}

// Refused returns the mistakes for which an object is refused when it is written.
func (f Findings) Refused() field.ErrorList {
	var errs field.ErrorList
	for _, finding := range f {
		if finding.Certain {
			errs = append(errs, finding.error())
		}
	}
	return errs
}

// Since returns the findings for an object that had the findings before when it was last stored:
// what is stored already is no reason to refuse a change of something else.
func (f Findings) Since(before Findings) Findings {
	now := slices.Clone(f)
	for i := range now {
		now[i].Certain = now[i].Certain && !slices.Contains(before, now[i])
	}
	return now
}

// Lines returns all findings as text, one line each.
func (f Findings) Lines() []string {
	var lines []string
	for _, finding := range f {
		lines = append(lines, finding.String())
	}
	return lines
}

// Policy checks a ChartPolicy.
func (l Linter) Policy(obj v1alpha1.ChartPolicy) Findings {
	spec := field.NewPath("spec")
	var found Findings
	l.lintMatch(&found, spec.Child("match"), obj.Spec)
	l.lintWaiver(&found, spec, obj.Spec)
	for i, requirement := range obj.Spec.Require {
		l.lintRequirement(&found, spec.Child("require").Index(i), requirement)
	}
	lintRepetition(&found, spec.Child("require"), obj.Spec.Require)
	l.lintNeighbors(&found, spec.Child("match", "charts"), parsePolicy(obj))
	return found
}

// Identity checks a TrustedIdentity.
func (l Linter) Identity(obj v1alpha1.TrustedIdentity) Findings {
	var found Findings
	l.lintSigner(&found, field.NewPath("spec"), obj.Spec)
	l.lintTwins(&found, obj)
	return found
}

// ConfigMap checks the text under IdentitiesKey.
func (l Linter) ConfigMap(text string) Findings {
	path := field.NewPath("data").Key(IdentitiesKey)
	items, errs := parseList(path, text)
	if len(errs) > 0 {
		return nil // CheckConfigMap refuses it
	}
	var found Findings
	for i, item := range items {
		at := path.Index(i)
		required := v1alpha1.ChartPolicySpec{Match: v1alpha1.Match{Charts: item.Charts}, Require: []v1alpha1.Requirement{{}}}
		lintCharts(&found, at.Child("charts"), required)
		l.lintSigner(&found, at, v1alpha1.TrustedIdentitySpec{
			Keyless: item.Keyless, Key: item.Key, TrustRoot: item.TrustRoot, Validity: item.Validity,
		})
	}
	return found
}

// quoted is a text within a sentence of a finding, whole: platform teams write these texts.
func quoted(text string) string { return `"` + strings.ReplaceAll(text, "\n", `\n`) + `"` }
