package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Policy is one compiled policy. It is immutable. Its zero value accepts nothing.
type Policy struct {
	name    string
	charts  []pattern
	exclude []pattern
	require []requirement // every entry must hold
	waiver  *waiver
	pinning chart.Pinning
	// signatures is the repository that holds the signatures; the zero Location is the chart's own.
	signatures chart.Location
	vendored   bool // the chart must contain the sub-charts that it declares
	warnOnly   bool
	// broken is why the policy cannot be evaluated. It then denies what it matches, in mode Warn
	// too: it is not known what it would have warned of.
	broken string
	// unread is set where a pattern cannot be read, so that the policy matches every chart.
	unread bool
	// unreadExclude is set where only an exclusion cannot be read, so that nothing is excluded.
	unreadExclude bool
	// configMap is the ConfigMap of which the policy is, "" for a ChartPolicy.
	configMap string
}

type waiver struct {
	reason string
	until  string
	ends   time.Time // the first moment after the window
}

// parseDay reads a day. Its error says in words what to write.
func parseDay(text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err == nil {
		return day, nil
	}
	wrong, isParse := errors.AsType[*time.ParseError](err)
	if isParse && wrong.Message == ": day out of range" {
		return time.Time{}, errors.New("is no day of the calendar; write a day such as 2027-01-31")
	}
	return time.Time{}, errors.New("must be a day such as 2027-01-31")
}

// compilePolicy compiles a ChartPolicy. The policy that comes back always matches
// what the object is about; if there are errors, it is broken and denies that.
func compilePolicy(obj v1alpha1.ChartPolicy, identities compiledIdentities) (Policy, field.ErrorList) {
	spec := field.NewPath("spec")
	p := Policy{name: obj.Name, pinning: chart.ByDigest, warnOnly: obj.Spec.Mode == v1alpha1.ModeWarn}
	var errs field.ErrorList
	errs = append(errs, p.compileMatch(spec.Child("match"), obj.Spec.Match)...)
	errs = append(errs, p.compileMode(spec, obj.Spec)...)
	errs = append(errs, p.compileWaiver(spec, obj.Spec)...)
	errs = append(errs, p.compileRequire(spec.Child("require"), obj.Spec, identities)...)
	errs = append(errs, p.compileSignatureRepository(spec.Child("signatureRepository"), obj.Spec)...)
	errs = append(errs, p.compileDependencies(spec.Child("dependencies"), obj.Spec)...)
	if len(errs) > 0 {
		p.warnOnly = false
		p.broken = fielderr.Join(errs).Error()
	}
	return p, errs
}

// compileMatch fails closed: a pattern that cannot be read makes the policy match every chart,
// because it is not known which charts it was meant to protect. A broken exclusion excludes
// nothing.
func (p *Policy) compileMatch(path *field.Path, match v1alpha1.Match) field.ErrorList {
	var errs field.ErrorList
	if len(match.Charts) == 0 {
		errs = append(errs, field.Required(path.Child("charts"), "at least one pattern must be set"))
	}
	charts, wrong := compilePatterns(path.Child("charts"), match.Charts)
	p.charts = charts
	if errs = append(errs, wrong...); len(errs) > 0 {
		p.charts, p.unread = everything(), true
	}
	p.exclude, wrong = compilePatterns(path.Child("exclude"), match.Exclude)
	p.unreadExclude = len(wrong) > 0
	return append(errs, wrong...)
}

// compilePatterns returns the patterns that can be read, and what is wrong with the others.
func compilePatterns(path *field.Path, texts []string) (patterns []pattern, errs field.ErrorList) {
	for i, text := range texts {
		parsed, err := parsePattern(text)
		if err != nil {
			errs = append(errs, field.Invalid(path.Index(i), text, err.Error()))
			continue
		}
		patterns = append(patterns, parsed)
	}
	return patterns, errs
}

func everything() []pattern {
	var all []pattern
	for _, scheme := range schemes() {
		all = append(all, pattern{scheme: scheme, segments: []string{anyDepth}})
	}
	return all
}

func (p *Policy) compileMode(path *field.Path, spec v1alpha1.ChartPolicySpec) field.ErrorList {
	var errs field.ErrorList
	modes := []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeWarn}
	if spec.Mode != "" && !slices.Contains(modes, spec.Mode) {
		errs = append(errs, field.NotSupported(path.Child("mode"), spec.Mode, modes))
	}
	switch spec.Pinning {
	case "", v1alpha1.PinningVersion:
		p.pinning = chart.Version
	case v1alpha1.PinningFloating:
		p.pinning = chart.Floating
	case v1alpha1.PinningDigest:
		p.pinning = chart.ByDigest
	default:
		errs = append(errs, field.NotSupported(path.Child("pinning"), spec.Pinning,
			[]v1alpha1.Pinning{v1alpha1.PinningDigest, v1alpha1.PinningVersion, v1alpha1.PinningFloating}))
	}
	return errs
}

func (p *Policy) compileWaiver(path *field.Path, spec v1alpha1.ChartPolicySpec) field.ErrorList {
	allow := spec.AllowUnverified
	if allow == nil {
		return nil
	}
	var errs field.ErrorList
	if len(spec.Require) > 0 {
		errs = append(errs, fielderr.New(path, "exactly one of require and allowUnverified must be set")...)
	}
	if spec.Pinning != "" {
		errs = append(errs, field.Forbidden(path.Child("pinning"), "has no meaning with allowUnverified"))
	}
	if spec.Mode == v1alpha1.ModeWarn {
		errs = append(errs, field.Forbidden(path.Child("mode"), "in mode Warn, allowUnverified would never end"))
	}
	path = path.Child("allowUnverified")
	if strings.TrimSpace(allow.Reason) == "" {
		errs = append(errs, field.Required(path.Child("reason"), "the reason must not be blank"))
	}
	day, err := parseDay(allow.Until)
	if err != nil {
		errs = append(errs, field.Invalid(path.Child("until"), allow.Until, err.Error()))
	}
	if len(errs) == 0 {
		p.waiver = &waiver{reason: strings.TrimSpace(allow.Reason), until: allow.Until, ends: day.AddDate(0, 0, 1)}
	}
	return errs
}

func (p *Policy) compileRequire(path *field.Path, spec v1alpha1.ChartPolicySpec, identities compiledIdentities) field.ErrorList {
	if spec.AllowUnverified != nil {
		return nil
	}
	if len(spec.Require) == 0 {
		return field.ErrorList{field.Required(path, "at least one requirement must be set")}
	}
	var errs field.ErrorList
	for i, requirement := range spec.Require {
		compiled, wrong := identities.compileRequirement(path.Index(i), requirement)
		errs = append(errs, wrong...)
		p.require = append(p.require, compiled)
	}
	return errs
}

func (p *Policy) compileSignatureRepository(path *field.Path, spec v1alpha1.ChartPolicySpec) field.ErrorList {
	switch {
	case spec.SignatureRepository == "":
		return nil
	case spec.AllowUnverified != nil:
		return field.ErrorList{field.Forbidden(path, "has no meaning with allowUnverified")}
	}
	repository, err := chart.ParseChart(spec.SignatureRepository)
	if err == nil && !repository.IsOCI() {
		err = errors.New("is not in an OCI registry")
	}
	if err != nil {
		return field.ErrorList{field.Invalid(path, spec.SignatureRepository, err.Error())}
	}
	p.signatures = repository
	return nil
}

func (p *Policy) compileDependencies(path *field.Path, spec v1alpha1.ChartPolicySpec) field.ErrorList {
	switch spec.Dependencies {
	case "", v1alpha1.DependenciesIgnore:
		return nil
	case v1alpha1.DependenciesVendored:
		p.vendored = true
		if spec.AllowUnverified != nil {
			return field.ErrorList{field.Forbidden(path, "cannot be checked with allowUnverified")}
		}
		return nil
	default:
		return field.ErrorList{field.NotSupported(path, spec.Dependencies,
			[]v1alpha1.Dependencies{v1alpha1.DependenciesIgnore, v1alpha1.DependenciesVendored})}
	}
}

// compileAnyOf returns the identities of these names. That a name is unknown is the one mistake
// that time may fix: the identity may be applied after the policy.
func (c compiledIdentities) compileAnyOf(path *field.Path, names []string) ([]identity, field.ErrorList) {
	if len(names) == 0 {
		return nil, field.ErrorList{field.Required(path, "at least one TrustedIdentity must be named")}
	}
	var anyOf []identity
	var errs field.ErrorList
	for i, name := range names {
		switch id, known := c[name]; {
		case !known:
			errs = append(errs, fielderr.New(path.Index(i), fmt.Sprintf("TrustedIdentity %q does not exist", name))...)
		case id.err != nil:
			errs = append(errs, fielderr.New(path.Index(i), fmt.Sprintf("TrustedIdentity %q is invalid: %v", name, id.err))...)
		default:
			anyOf = append(anyOf, id.identity)
		}
	}
	return anyOf, errs
}

// Name returns the policy's name for messages, logs and metrics.
func (p *Policy) Name() string { return p.name }

// WarnOnly reports whether the policy warns instead of denying.
func (p *Policy) WarnOnly() bool { return p.warnOnly }

// matches reports whether the policy is about a chart. Where servers may read a location
// in two ways, a waiver needs both to match, and what denies needs one.
func (p *Policy) matches(l chart.Location) bool {
	surely := func(pattern pattern) bool { return pattern.matches(l) }
	perhaps := func(pattern pattern) bool { return pattern.mayMatch(l) }
	if p.waiver != nil && p.broken == "" {
		return slices.ContainsFunc(p.charts, surely) && !slices.ContainsFunc(p.exclude, perhaps)
	}
	return slices.ContainsFunc(p.charts, perhaps) && !slices.ContainsFunc(p.exclude, surely)
}

// Admissible judges what can be judged before any packet is sent. It returns the
// acceptance of a waiver in force (with nothing left to verify), or a denial, or
// neither: then the chart's signatures decide.
func (p *Policy) Admissible(subject verdict.Subject, now time.Time) (*verdict.Acceptance, *verdict.Denial) {
	deny := func(d verdict.Denial) (*verdict.Acceptance, *verdict.Denial) { return nil, &d }
	switch need := p.pinning; {
	case p.broken != "" && p.configMap != "":
		return deny(verdict.BrokenConfigMap(subject, p.configMap, p.broken))
	case p.broken != "" && p.unread:
		return deny(verdict.UnreadPatterns(subject, p.name, p.broken))
	case p.broken != "" && p.unreadExclude:
		return deny(verdict.UnreadExclusions(subject, p.name, p.broken))
	case p.broken != "":
		return deny(verdict.BrokenPolicy(subject, p.name, p.broken))
	case p.waiver != nil && now.Before(p.waiver.ends):
		return &verdict.Acceptance{Policy: p.name, Waiver: fmt.Sprintf("%s; until %s", p.waiver.reason, p.waiver.until), WaiverEnds: p.waiver.ends}, nil
	case p.waiver != nil:
		d := verdict.WaiverEnded(subject, p.name, p.waiver.until)
		d.Policy = []string{p.Wants()}
		return deny(d)
	case !subject.Reference.Location.IsOCI():
		return deny(verdict.NotFromOCI(subject, []string{p.Wants()}))
	case subject.Reference.Selector.Pinning() < need:
		return deny(verdict.NotPinnedEnough(subject, p.name, need))
	default:
		return nil, nil
	}
}

// Exclusion returns how the platform team takes a chart out of this policy, which denies it while
// the other ones accept it. What the accepting policy is about is excluded as a whole, unless that
// is all that this policy is about.
func (p *Policy) Exclusion(l chart.Location, accepting []*Policy) verdict.Exclusion {
	out := verdict.Exclusion{Policy: p.name, Pattern: l.String(), Another: len(p.exclude) > 0}
	if p.configMap != "" {
		out.Policy += " " + p.configMap
		for _, r := range p.require {
			for _, id := range r.anyOf {
				out.Entries = append(out.Entries, id.name)
			}
		}
		return out
	}
	for _, other := range accepting {
		for _, pattern := range other.charts {
			if pattern.matches(l) && !slices.ContainsFunc(p.charts, pattern.coversAll) {
				out.Pattern = pattern.String()
				return out
			}
		}
	}
	return out
}

// SignatureRepository returns the repository in which the policy looks for signatures; the zero
// Location is the chart's own.
func (p *Policy) SignatureRepository() chart.Location { return p.signatures }

// Vendored reports whether the chart must contain the sub-charts that it declares.
func (p *Policy) Vendored() bool { return p.vendored }

// Wants says in one clause what the policy asks for.
func (p *Policy) Wants() string {
	if p.waiver != nil {
		return fmt.Sprintf("%s allows unverified charts until %s", p.name, p.waiver.until)
	}
	var all []string
	for _, r := range p.require {
		all = append(all, r.String())
	}
	if p.vendored {
		all = append(all, "every dependency in the chart itself")
	}
	return p.name + " requires " + strings.Join(all, ", and ")
}
