package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// lintSigner checks a signer as a TrustedIdentity or an entry of the ConfigMap describes it.
func (l Linter) lintSigner(found *Findings, path *field.Path, spec v1alpha1.TrustedIdentitySpec) {
	if spec.Keyless != nil {
		lintKeyless(found, path.Child("keyless"), spec)
	}
	if spec.Key != nil {
		lintKey(found, path.Child("key"), *spec.Key)
	}
	if spec.TrustRoot != "" && len(validation.IsDNS1123Subdomain(spec.TrustRoot)) > 0 {
		found.refuse(path.Child("trustRoot"), spec.TrustRoot, "no TrustRoot can have this name; write metadata.name of one")
	}
	l.lintValidity(found, path.Child("validity"), spec.Validity)
}

func lintKeyless(found *Findings, path *field.Path, spec v1alpha1.TrustedIdentitySpec) {
	keyless := *spec.Keyless
	texts := []struct{ name, exact, expression string }{
		{"issuer", keyless.Issuer, keyless.IssuerRegExp},
		{"subject", keyless.Subject, keyless.SubjectRegExp},
	}
	before := len(*found)
	for _, text := range texts {
		lintExact(found, path.Child(text.name), text.name, text.exact)
		lintExpression(found, path.Child(text.name+"RegExp"), text.expression)
	}
	if len(*found) == before {
		lintIssuer(found, path, keyless)
	}
	if len(*found) == before {
		lintSubject(found, path, keyless)
	}
	lintClaims(found, path.Child("claims"), keyless.Claims)
	if public := subjectFormOf(keyless) != nil; public && keyless.TransparencyLog == v1alpha1.TransparencyLogNotRequired &&
		(spec.TrustRoot == "" || spec.TrustRoot == evidence.DefaultTrustRoot) {
		found.warn(path.Child("transparencyLog"), "without trustRoot the certificates are those of Sigstore's public-good instance, which logs each of them; "+
			"write trustRoot: NAME of a Sigstore without a log, or Required")
	}
}

// lintExact refuses what no certificate has in a text that must be equal.
func lintExact(found *Findings, path *field.Path, name, text string) {
	switch {
	case text == "":
	case strings.TrimSpace(text) != text:
		found.refuse(path, text, "has a space or line break around it, which no certificate has; remove it")
	case strings.ContainsAny(text, `*\`) || strings.HasPrefix(text, "^") || strings.HasSuffix(text, "$"):
		found.refuse(path, text, fmt.Sprintf("is compared exactly, and no certificate has this %s; write %sRegExp: %s", name, name, asExpression(text)))
	}
}

// asExpression turns a text with stars, or an expression in the place of a text, into an
// expression.
func asExpression(text string) string {
	if strings.ContainsAny(text, `\`) || strings.HasPrefix(text, "^") || strings.HasSuffix(text, "$") || strings.Contains(text, ".*") {
		return strings.TrimSuffix(strings.TrimPrefix(text, "^"), "$")
	}
	return strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, ".+")
}

// lintExpression refuses an expression that matches no text at all.
func lintExpression(found *Findings, path *field.Path, expression string) {
	if expression == "" {
		return
	}
	matches, ok := languageOf(expression)
	if !ok {
		return // CheckIdentity refuses it
	}
	anything, _ := languageOf(`.+`)
	switch {
	case strings.TrimSpace(expression) != expression:
		found.refuse(path, expression, "has a space or line break around it, which no certificate has; remove it")
	case matches.meets(anything) == no:
		found.refuse(path, expression, "matches no text; ^ stands for the beginning of the whole text, and $ for its end")
	}
}

// matchable is the language of an exact text or an expression.
func matchable(exact, expression string) (language, bool) {
	if exact != "" {
		return literally(exact), true
	}
	return languageOf(expression)
}

// subjectFormOf returns the form of an identity's subjects if the issuer is one that is known, and
// no other one can match.
func subjectFormOf(keyless v1alpha1.Keyless) *subjectForm {
	issuer, ok := matchable(keyless.Issuer, keyless.IssuerRegExp)
	if !ok {
		return nil
	}
	for _, form := range subjectForms() {
		known, _ := languageOf(form.issuer)
		if issuer.within(known) == yes {
			return &form
		}
	}
	return nil
}

func lintIssuer(found *Findings, path *field.Path, keyless v1alpha1.Keyless) {
	if keyless.Issuer != "" {
		lintExactIssuer(found, path.Child("issuer"), keyless.Issuer)
		return
	}
	issuers, ok := languageOf(keyless.IssuerRegExp)
	if !ok {
		return
	}
	urls, _ := languageOf(`https?://.+`)
	strangers, _ := languageOf(`https://[a-z.]*` + stranger + `(?:\.[a-z.]+)?(?:/[a-z]*)?`)
	switch {
	case issuers.meets(urls) == no:
		found.warn(path.Child("issuerRegExp"), "matches no URL, and the issuer of a certificate is one; begin it with https://")
	case issuers.meets(strangers) == yes:
		found.warn(path.Child("issuerRegExp"), fmt.Sprintf("matches issuers on hosts of any name; write the host's name in full, as in %s", regexp.QuoteMeta(githubIssuer)))
	}
}

func lintExactIssuer(found *Findings, path *field.Path, issuer string) {
	bare := bareIssuer(issuer)
	for _, known := range exactIssuers() {
		if bare == bareIssuer(known) && issuer != known {
			found.refuse(path, issuer, "certificates spell this issuer "+known+"; write that")
			return
		}
	}
	if right := notIssuers()[bare]; right != "" {
		found.warn(path, fmt.Sprintf("no certificate has this issuer; write %s", right))
		return
	}
	for _, known := range exactIssuers() {
		if bare != bareIssuer(known) && editDistance(bare, bareIssuer(known)) <= maxEdits {
			found.warn(path, fmt.Sprintf("is almost %s; write that if it is meant", known))
			return
		}
	}
	switch host, _, _ := strings.Cut(bare, "/"); {
	case !strings.Contains(issuer, "://") && strings.Contains(host, "."):
		found.warn(path, fmt.Sprintf("certificates name their issuer by its whole URL; write https://%s", issuer))
	case strings.HasPrefix(issuer, "http://"):
		found.warn(path, fmt.Sprintf("issuers of OpenID Connect have URLs with https://; write https://%s", strings.TrimPrefix(issuer, "http://")))
	case strings.HasSuffix(issuer, "/.well-known/openid-configuration"):
		found.warn(path, fmt.Sprintf("is the document that describes the issuer; write %s", strings.TrimSuffix(issuer, "/.well-known/openid-configuration")))
	case strings.HasSuffix(issuer, "/") && !slashed(issuer):
		found.warn(path, fmt.Sprintf("most issuers have no / at the end, and certificates name them exactly; write %s, unless the issuer's own document has the /", strings.TrimRight(issuer, "/")))
	}
}

func lintSubject(found *Findings, path *field.Path, keyless v1alpha1.Keyless) {
	subjects, ok := matchable(keyless.Subject, keyless.SubjectRegExp)
	if !ok {
		return
	}
	at := path.Child("subject")
	if keyless.SubjectRegExp != "" {
		at = path.Child("subjectRegExp")
	}
	form := subjectFormOf(keyless)
	if form == nil {
		if any, _ := languageOf(certificateSubject); subjects.meets(any) == no {
			found.warn(at, "can be the subject of no certificate, which is a whole URL, as in "+subjectForms()[0].example+", or an email address")
		}
		return
	}
	if known, _ := languageOf(form.subject); subjects.meets(known) == no {
		found.warn(at, fmt.Sprintf("can be the subject of no certificate by this issuer, whose subjects are %s, as in %s", form.like, form.example))
		return
	}
	strangers, _ := languageOf(form.strangers)
	owned := slices.ContainsFunc(owning(), func(claim string) bool { return keyless.Claims[claim] != "" })
	if keyless.SubjectRegExp != "" && !owned && subjects.meets(strangers) == yes {
		found.warn(at, "matches "+form.like+" of owners of any name, so strangers can sign; write the owner's name in full, with what follows it, as in "+form.closed())
	}
}

// closed is an expression for the subjects of one owner.
func (f subjectForm) closed() string {
	if f.like == "email addresses" {
		return `[^@]+@acme\.example`
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(f.example, "https://"), "/")
	return "https://" + regexp.QuoteMeta(host) + "/acme/.+"
}

func lintClaims(found *Findings, path *field.Path, claims map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		value, form := claims[name], claimForms()[name]
		switch {
		case value == "" || !slices.Contains(claimNames(), name): // CheckIdentity refuses it
		case strings.TrimSpace(value) != value:
			found.refuse(path.Key(name), value, "has a space or line break around it, which no certificate has; remove it")
		case strings.ContainsAny(value, "*\\"):
			found.refuse(path.Key(name), value, "claims are compared exactly, and no certificate has this value; write the whole value, without * and expressions")
		case form.form != "" && !regexp.MustCompile(`\A(?:`+form.form+`)\z`).MatchString(value):
			found.warn(path.Key(name), fmt.Sprintf("%s can be no value of this claim; write it as in %s", quoted(value), form.example))
		case strings.HasSuffix(value, ".git") && strings.HasPrefix(value, "https://github.com/"):
			found.warn(path.Key(name), fmt.Sprintf("certificates name a repository without .git; write %s", strings.TrimSuffix(value, ".git")))
		}
	}
}

// lintKey checks where a key is said to be, and its PEM.
func lintKey(found *Findings, path *field.Path, key v1alpha1.Key) {
	if ref := key.SecretRef; ref != nil {
		at := path.Child("secretRef")
		if name := ref.Name; name != "" && len(validation.IsDNS1123Subdomain(name)) > 0 {
			detail := "no Secret can have this name"
			if strings.Contains(name, "/") {
				detail = "write the Secret's name only; it is in the namespace that chartgate is installed in"
			}
			found.refuse(at.Child("name"), name, detail)
		}
		switch {
		case ref.Key != "" && len(validation.IsConfigMapKey(ref.Key)) > 0:
			found.refuse(at.Child("key"), ref.Key, "no item of a Secret can have this name; it consists of letters, digits, -, _ and .")
		case ref.Key == "cosign.key" || ref.Key == "cosign.password":
			found.warn(at.Child("key"), fmt.Sprintf("%s belongs to the private key; the public key is in cosign.pub", ref.Key))
		}
	}
	if want := kmsForm(key.KMS); want != "" {
		found.refuse(path.Child("kms"), key.KMS, "is not of the form "+want)
	}
	if key.PEM != "" {
		if detail := evidence.Leftover(key.PEM); detail != "" {
			found.refuse(path.Child("pem"), field.OmitValueType{}, detail)
		}
	}
}

// kmsForm returns the form that a URI of its service must have, "" if it has it. The expressions
// are those of sigstore's clients (sigstore/pkg/signature/kms).
func kmsForm(uri string) string {
	scheme, _, _ := strings.Cut(uri, "://")
	form, want := "", ""
	switch scheme {
	case "awskms":
		form, want = `awskms://[^/]*/(?:alias/.*|(?:arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:\d{12}:)?(?:key/)?m?r?k?-?[A-Fa-f0-9]{8}-?(?:[A-Fa-f0-9]{4}-?){3}[A-Fa-f0-9]{12}|arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:\d{12}:alias/.*)`,
			"awskms:///ID, with a key's ID or ARN, or alias/NAME or its ARN"
	case "gcpkms":
		form, want = `gcpkms://projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+(?:/(?:cryptoKeyVersions|versions)/[^/]+)?`,
			"gcpkms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, with or without /cryptoKeyVersions/VERSION"
	case "azurekms":
		form, want = `azurekms://[^/]+/[^/]+(?:/[a-z0-9]*)?`, "azurekms://VAULT.vault.azure.net/KEY or azurekms://VAULT.vault.azure.net/KEY/VERSION"
	case "hashivault":
		form, want = `hashivault://\w(?:[\w.-]*\w)?`, "hashivault://KEY, with the key's name in the transit engine and no path"
	}
	if want == "" || regexp.MustCompile(`\A(?:`+form+`)\z`).MatchString(uri) {
		return ""
	}
	return want
}

// firstSignature is before any chart can have been signed with a proven time: Sigstore's log began
// in 2021.
func firstSignature() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }

func (l Linter) lintValidity(found *Findings, path *field.Path, validity *v1alpha1.Validity) {
	if validity == nil {
		return
	}
	if from := validity.NotBefore; from != nil && from.Time.After(l.now) {
		found.warn(path.Child("notBefore"), fmt.Sprintf("%s is still to come, and no signature counts before it", from.Time.UTC().Format(time.RFC3339)))
	}
	if to := validity.NotAfter; to != nil && to.Invalid == "" && to.Time.Time.Before(firstSignature()) {
		found.warn(path.Child("notAfter"), fmt.Sprintf("no signature of a chart is as old as %s, so none counts", to.Time.UTC().Format(time.RFC3339)))
	}
}
