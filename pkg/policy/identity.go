package policy

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// identity is a compiled TrustedIdentity. Its zero value matches no signer.
type identity struct {
	name     string
	issuer   matcher
	subject  matcher
	claims   map[string]string
	keys     []evidence.PublicKey // none for a keyless identity
	kms      string               // where the key is, if it is in a KMS
	unlogged bool                 // signatures count without a log entry; by a certificate, then with a signed timestamp
	// trustRoot is what proves certificates, log entries and times.
	trustRoot string
	validity  validity
}

// matcher is an exact text or a whole-string regular expression. Its zero value
// matches nothing.
type matcher struct {
	text string // as its author wrote it
	re   *regexp.Regexp
}

func (m matcher) matches(s string) bool {
	switch {
	case s == "":
		return false
	case m.re != nil:
		return m.re.MatchString(s)
	default:
		return m.text == s
	}
}

func (m matcher) String() string { return m.text }

// claimNames are the Fulcio certificate extensions that package signature reports
// (the JSON names of sigstore-go's certificate.Extensions). A claim by any other
// name could never hold, so it is refused when the policy is compiled.
func claimNames() []string {
	return []string{
		"issuer", "githubWorkflowTrigger", "githubWorkflowSHA", "githubWorkflowName",
		"githubWorkflowRepository", "githubWorkflowRef", "buildSignerURI", "buildSignerDigest",
		"runnerEnvironment", "sourceRepositoryURI", "sourceRepositoryDigest", "sourceRepositoryRef",
		"sourceRepositoryIdentifier", "sourceRepositoryOwnerURI", "sourceRepositoryOwnerIdentifier",
		"buildConfigURI", "buildConfigDigest", "buildTrigger", "runInvocationURI",
		"sourceRepositoryVisibilityAtSigning",
	}
}

// compileIdentity checks the TrustedIdentity at path beyond its schema: the object may come from a
// file that no API server has validated.
func (k Keys) compileIdentity(path *field.Path, name string, spec v1alpha1.TrustedIdentitySpec) (identity, field.ErrorList) {
	var id identity
	var errs field.ErrorList
	switch {
	case spec.Keyless != nil && spec.Key != nil, spec.Keyless == nil && spec.Key == nil:
		return identity{}, fielderr.New(path, "exactly one of keyless and key must be set")
	case spec.Keyless != nil:
		id, errs = compileKeyless(path.Child("keyless"), *spec.Keyless)
	default:
		id, errs = k.compileKey(path.Child("key"), *spec.Key)
	}
	window, wrong := compileValidity(path.Child("validity"), spec.Validity)
	if errs = append(errs, wrong...); len(errs) > 0 {
		return identity{}, errs
	}
	id.name, id.validity, id.trustRoot = name, window, cmp.Or(spec.TrustRoot, evidence.DefaultTrustRoot)
	return id, nil
}

func compileKeyless(path *field.Path, spec v1alpha1.Keyless) (identity, field.ErrorList) {
	issuer, errs := compileMatcher(path, "issuer", [2]string{spec.Issuer, spec.IssuerRegExp})
	subject, wrong := compileMatcher(path, "subject", [2]string{spec.Subject, spec.SubjectRegExp})
	errs = append(errs, wrong...)
	claims := path.Child("claims")
	for _, claim := range slices.Sorted(maps.Keys(spec.Claims)) {
		switch {
		case !slices.Contains(claimNames(), claim):
			errs = append(errs, field.NotSupported(claims, claim, claimNames()))
		case spec.Claims[claim] == "":
			errs = append(errs, field.Required(claims.Key(claim), "the value must not be empty"))
		}
	}
	unlogged, wrong := compileLog(path, spec.TransparencyLog)
	return identity{issuer: issuer, subject: subject, claims: spec.Claims, unlogged: unlogged}, append(errs, wrong...)
}

func (k Keys) compileKey(path *field.Path, spec v1alpha1.Key) (identity, field.ErrorList) {
	parsed, errs := k.of(path, spec)
	unlogged, wrong := compileLog(path, spec.TransparencyLog)
	return identity{keys: parsed, kms: spec.KMS, unlogged: unlogged}, append(errs, wrong...)
}

// compileLog reports whether signatures count without a log entry.
func compileLog(path *field.Path, log v1alpha1.TransparencyLog) (unlogged bool, errs field.ErrorList) {
	known := []v1alpha1.TransparencyLog{v1alpha1.TransparencyLogRequired, v1alpha1.TransparencyLogNotRequired}
	if log != "" && !slices.Contains(known, log) {
		return false, field.ErrorList{field.NotSupported(path.Child("transparencyLog"), log, known)}
	}
	return log == v1alpha1.TransparencyLogNotRequired, nil
}

// compileMatcher compiles an exact text or an expression, of which exactly one must be given. It
// anchors expressions at both ends: cosign's own are unanchored, and an unanchored
// "https://github.com/acme" also matches https://github.com/acme-evil or
// https://evil.example/?https://github.com/acme.
func compileMatcher(path *field.Path, name string, given [2]string) (matcher, field.ErrorList) {
	exact, expression := given[0], given[1]
	switch {
	case (exact == "") == (expression == ""):
		return matcher{}, fielderr.New(path, fmt.Sprintf("exactly one of %s and %sRegExp must be set", name, name))
	case exact != "":
		return matcher{text: exact}, nil
	}
	path = path.Child(name + "RegExp")
	// Checked by itself first: "a)|(b" would become valid inside the group.
	if _, err := regexp.Compile(expression); err != nil {
		return matcher{}, field.ErrorList{field.Invalid(path, expression, err.Error())}
	}
	re, err := regexp.Compile(`\A(?:` + expression + `)\z`)
	if err != nil {
		return matcher{}, field.ErrorList{field.Invalid(path, expression, err.Error())}
	}
	if re.MatchString("") {
		return matcher{}, field.ErrorList{field.Invalid(path, expression, "matches the empty string")}
	}
	return matcher{text: expression, re: re}, nil
}

// is reports whether e was made by this identity, in the way that it asks for, at
// any time.
func (id identity) is(e evidence.Evidence) bool { return id.made(e) && !id.lacksLog(e) }

// lacksLog reports whether e, which this identity made, is without a proof that it asks
// for: a log entry, or for a certificate without one a proven time.
func (id identity) lacksLog(e evidence.Evidence) bool {
	proven := e.TrustRoot == id.trustRoot
	switch {
	case e.Logged && proven:
		return false
	case !id.unlogged:
		return true
	default:
		return len(id.keys) == 0 && (!proven || e.SignedAt.IsZero())
	}
}

// made reports whether e was made by this identity, in any way.
func (id identity) made(e evidence.Evidence) bool {
	if len(id.keys) > 0 {
		isKey := func(k evidence.PublicKey) bool { return k.Fingerprint() != "" && k.Fingerprint() == e.Signer.Key }
		return slices.ContainsFunc(id.keys, isKey)
	}
	if e.Signer.Key != "" || e.TrustRoot != id.trustRoot || !id.issuer.matches(e.Signer.Issuer) || !id.subject.matches(e.Signer.Subject) {
		return false
	}
	for name, value := range id.claims {
		if value == "" || e.Signer.Claims[name] != value {
			return false
		}
	}
	return true
}

// outside says why e, which this identity made, does not count: it is in no log, or does not lie in
// the identity's validity; "" if it counts. A time counts only if the identity's own trust root
// proves it.
func (id identity) outside(e evidence.Evidence) string {
	if id.lacksLog(e) {
		return id.name + " signed it without the transparency log entry that transparencyLog: Required demands"
	}
	at := e.SignedAt
	if e.TrustRoot != id.trustRoot {
		at = time.Time{}
	}
	if why := id.validity.outside(at); why != "" {
		return id.name + " " + why
	}
	return ""
}

// signatory is the identity for those who are told to sign.
func (id identity) signatory() verdict.Signatory {
	return verdict.Signatory{
		Name: id.name, Subject: id.subject.String(), Pattern: id.subject.re != nil, KMS: id.kms,
		Bare: len(id.keys) > 0 && id.unlogged && id.validity.isZero(), TrustRoot: id.trustRoot,
	}
}

// String names the identity for messages.
func (id identity) String() string {
	if len(id.keys) > 0 {
		var fingerprints []string
		for _, key := range id.keys {
			fingerprints = append(fingerprints, key.Fingerprint())
		}
		return fmt.Sprintf("%s (key %s)", id.name, strings.Join(fingerprints, " or "))
	}
	text := fmt.Sprintf("%s (subject %s, issuer %s", id.name, id.subject, id.issuer)
	for _, claim := range slices.Sorted(maps.Keys(id.claims)) {
		text += fmt.Sprintf(", %s %s", claim, id.claims[claim])
	}
	return text + ")"
}
