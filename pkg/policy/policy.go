package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
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
	// place is where the signatures are; the zero Location is beside the chart.
	place    chart.Location
	vendored bool // the chart must contain the sub-charts that it declares
	warnOnly bool
	// broken is why the policy cannot be evaluated. It then denies what it matches,
	// in mode Warn too: nobody knows what it would have warned of.
	broken string
	// unread is set where a pattern cannot be read, so that the policy matches every chart.
	unread bool
}

type waiver struct {
	reason string
	until  string
	ends   time.Time // the first moment after the window
}

const dateLayout = "2006-01-02"

// compilePolicy compiles a ChartPolicy. The policy that comes back always matches
// what the object is about; if the error is not nil, it is broken and denies that.
func compilePolicy(obj v1alpha1.ChartPolicy, identities map[string]compiledIdentity) (Policy, error) {
	p := Policy{name: obj.Name, pinning: chart.ByDigest, warnOnly: obj.Spec.Mode == v1alpha1.ModeWarn}
	err := errors.Join(
		p.compileMatch(obj.Spec.Match),
		p.compileMode(obj.Spec),
		p.compileWaiver(obj.Spec),
		p.compileRequire(obj.Spec, identities),
		p.compilePlace(obj.Spec),
		p.compileDependencies(obj.Spec),
	)
	if err != nil {
		p.warnOnly = false
		p.broken = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return p, err
}

// compileMatch fails closed: a pattern that cannot be read makes the policy match
// every chart, because nobody knows which ones it was meant to protect. A broken
// exclusion excludes nothing.
func (p *Policy) compileMatch(match v1alpha1.Match) error {
	var errs []error
	if len(match.Charts) == 0 {
		errs = append(errs, errors.New("match.charts is empty"))
	}
	for _, s := range match.Charts {
		parsed, err := parsePattern(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("match.charts: %w", err))
			continue
		}
		p.charts = append(p.charts, parsed)
	}
	if len(errs) > 0 {
		p.charts, p.unread = everything(), true
	}
	for _, s := range match.Exclude {
		parsed, err := parsePattern(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("match.exclude: %w", err))
			continue
		}
		p.exclude = append(p.exclude, parsed)
	}
	return errors.Join(errs...)
}

func everything() []pattern {
	var all []pattern
	for _, scheme := range []string{chart.SchemeOCI, chart.SchemeHTTPS, chart.SchemeHTTP} {
		all = append(all, pattern{scheme: scheme, segments: []string{anyDepth}})
	}
	return all
}

func (p *Policy) compileMode(spec v1alpha1.ChartPolicySpec) error {
	switch spec.Mode {
	case "", v1alpha1.ModeEnforce, v1alpha1.ModeWarn:
	default:
		return fmt.Errorf("mode is %q, not Enforce or Warn", spec.Mode)
	}
	switch spec.Pinning {
	case "", v1alpha1.PinningVersion:
		p.pinning = chart.Version
	case v1alpha1.PinningFloating:
		p.pinning = chart.Floating
	case v1alpha1.PinningDigest:
		p.pinning = chart.ByDigest
	default:
		return fmt.Errorf("pinning is %q, not Digest, Version or Floating", spec.Pinning)
	}
	return nil
}

func (p *Policy) compileWaiver(spec v1alpha1.ChartPolicySpec) error {
	allow := spec.AllowUnverified
	switch {
	case allow == nil:
		return nil
	case len(spec.Require) > 0:
		return errors.New("exactly one of require and allowUnverified must be set")
	case spec.Pinning != "":
		return errors.New("pinning has no meaning with allowUnverified")
	case spec.Mode == v1alpha1.ModeWarn:
		return errors.New("with mode Warn, allowUnverified would never end")
	case strings.TrimSpace(allow.Reason) == "":
		return errors.New("allowUnverified.reason is empty")
	}
	day, err := time.Parse(dateLayout, allow.Until)
	if err != nil {
		return fmt.Errorf("allowUnverified.until is %q, not a date such as 2027-01-31", allow.Until)
	}
	p.waiver = &waiver{reason: strings.TrimSpace(allow.Reason), until: allow.Until, ends: day.AddDate(0, 0, 1)}
	return nil
}

func (p *Policy) compileRequire(spec v1alpha1.ChartPolicySpec, identities map[string]compiledIdentity) error {
	if spec.AllowUnverified != nil {
		return nil
	}
	if len(spec.Require) == 0 {
		return errors.New("require is empty")
	}
	var errs []error
	for i, requirement := range spec.Require {
		compiled, err := compileRequirement(requirement, identities)
		if err != nil {
			errs = append(errs, fmt.Errorf("require[%d]: %w", i, err))
		}
		p.require = append(p.require, compiled)
	}
	return errors.Join(errs...)
}

func (p *Policy) compilePlace(spec v1alpha1.ChartPolicySpec) error {
	switch {
	case spec.SignatureRepository == "":
		return nil
	case spec.AllowUnverified != nil:
		return errors.New("signatureRepository has no meaning with allowUnverified")
	}
	place, err := chart.ParseChart(spec.SignatureRepository)
	if err == nil && !place.IsOCI() {
		err = fmt.Errorf("%s is not in an OCI registry", place)
	}
	if err != nil {
		return fmt.Errorf("signatureRepository: %w", err)
	}
	p.place = place
	return nil
}

func (p *Policy) compileDependencies(spec v1alpha1.ChartPolicySpec) error {
	switch spec.Dependencies {
	case "", v1alpha1.DependenciesIgnore:
		return nil
	case v1alpha1.DependenciesVendored:
		p.vendored = true
		if spec.AllowUnverified != nil {
			return errors.New("dependencies cannot be checked with allowUnverified")
		}
		return nil
	default:
		return fmt.Errorf("dependencies is %q, not Ignore or Vendored", spec.Dependencies)
	}
}

func compileAnyOf(names []string, identities map[string]compiledIdentity) ([]identity, error) {
	if len(names) == 0 {
		return nil, errors.New("anyOf is empty")
	}
	var anyOf []identity
	for _, name := range names {
		switch id, known := identities[name]; {
		case !known:
			return nil, &unknownIdentityError{name: name}
		case id.err != nil:
			return nil, fmt.Errorf("TrustedIdentity %q is invalid: %w", name, id.err)
		default:
			anyOf = append(anyOf, id.identity)
		}
	}
	return anyOf, nil
}

// unknownIdentityError is the one mistake that time may mend: the identity may be
// applied after the policy.
type unknownIdentityError struct{ name string }

func (e *unknownIdentityError) Error() string {
	return fmt.Sprintf("TrustedIdentity %q does not exist", e.name)
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
	case p.broken != "" && p.unread:
		return deny(verdict.UnreadPatterns(subject, p.name, p.broken))
	case p.broken != "":
		return deny(verdict.BrokenPolicy(subject, p.name, p.broken))
	case p.waiver != nil && now.Before(p.waiver.ends):
		return &verdict.Acceptance{Policy: p.name, Waiver: fmt.Sprintf("%s; until %s", p.waiver.reason, p.waiver.until)}, nil
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

// Accept judges evidence about the chart with the digest. It returns an acceptance for
// each requirement that evidence satisfies, and what is known of each that none does.
// Only if there are acceptances and nothing is unmet does the policy accept.
func (p *Policy) Accept(digest chart.Digest, proven []evidence.Evidence, now time.Time) (accepted []verdict.Acceptance, unmet []verdict.Unmet) {
	if p.broken != "" || p.waiver != nil || len(p.require) == 0 {
		return nil, []verdict.Unmet{{}}
	}
	subject := subject{digest: digest, now: now}
	for _, r := range p.require {
		id, proof, missing := r.satisfiedBy(subject, proven)
		if proof == nil {
			missing.Place = p.place
			unmet = append(unmet, missing)
			continue
		}
		accepted = append(accepted, verdict.Acceptance{Policy: p.name, Identity: id.name, Predicate: r.predicateType(), Evidence: *proof})
	}
	return accepted, unmet
}

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
	return p.name + " wants " + strings.Join(all, ", and ")
}
