package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

const (
	anyone  = "issuer: https://issuer.example, subject: someone"
	onlyAll = "match: {charts: ['oci://ghcr.io/x/**']}"
)

// TestSchemaRefusesPolicies: each rule of the custom resources' schemas, which also hold while
// chartgate is down.
func TestSchemaRefusesPolicies(t *testing.T) {
	w := theSite(t)
	w.check(t, []row{
		{
			sentence: "an identity without a signer",
			object:   harness.Identity("wrong", "{}"),
			want:     invalid("TrustedIdentity", `spec: Invalid value: exactly one of keyless and key must be set`, "FieldValueInvalid spec"),
		},
		{
			sentence: "an identity that is two",
			object:   harness.Identity("wrong", "{keyless: {"+anyone+"}, key: {pem: x}}"),
			want:     invalid("TrustedIdentity", `spec: Invalid value: exactly one of keyless and key must be set`, "FieldValueInvalid spec"),
		},
		{
			sentence: "a keyless identity without an issuer",
			object:   harness.Identity("wrong", "{keyless: {subject: someone}}"),
			want:     invalid("TrustedIdentity", `spec.keyless: Invalid value: exactly one of issuer and issuerRegExp must be set`, "FieldValueInvalid spec.keyless"),
		},
		{
			sentence: "a keyless identity with two issuers",
			object:   harness.Identity("wrong", "{keyless: {"+anyone+", issuerRegExp: x}}"),
			want:     invalid("TrustedIdentity", `spec.keyless: Invalid value: exactly one of issuer and issuerRegExp must be set`, "FieldValueInvalid spec.keyless"),
		},
		{
			sentence: "a keyless identity without a subject",
			object:   harness.Identity("wrong", "{keyless: {issuer: x}}"),
			want:     invalid("TrustedIdentity", `spec.keyless: Invalid value: exactly one of subject and subjectRegExp must be set`, "FieldValueInvalid spec.keyless"),
		},
		{
			sentence: "a keyless identity with two subjects",
			object:   harness.Identity("wrong", "{keyless: {"+anyone+", subjectRegExp: x}}"),
			want:     invalid("TrustedIdentity", `spec.keyless: Invalid value: exactly one of subject and subjectRegExp must be set`, "FieldValueInvalid spec.keyless"),
		},
		{
			sentence: "an empty issuer",
			object:   harness.Identity("wrong", "{keyless: {issuer: '', subject: x}}"),
			want:     invalid("TrustedIdentity", `spec.keyless.issuer: Invalid value: "": spec.keyless.issuer in body should be at least 1 chars long`, "FieldValueInvalid spec.keyless.issuer"),
		},
		{
			sentence: "a keyless identity that is logged sometimes",
			object:   harness.Identity("wrong", "{keyless: {"+anyone+", transparencyLog: Sometimes}}"),
			want:     invalid("TrustedIdentity", `[spec.keyless.transparencyLog: Unsupported value: "Sometimes": supported values: "Required", "NotRequired", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]`, "FieldValueNotSupported spec.keyless.transparencyLog", "FieldValueInvalid <nil>"),
		},
		{
			sentence: "a predicate type by cosign's short name",
			object:   harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: [x], attestation: {predicateType: slsaprovenance1}}]}"),
			want:     invalid("ChartPolicy", `spec.require[0].attestation.predicateType: Invalid value: "slsaprovenance1": a short name of cosign; write https://slsa.dev/provenance/v1`, "FieldValueInvalid spec.require[0].attestation.predicateType"),
		},
		{
			sentence: "a key that is nowhere",
			object:   harness.Identity("wrong", "{key: {}}"),
			want:     invalid("TrustedIdentity", `spec.key: Invalid value: exactly one of pem, secretRef and kms must be set`, "FieldValueInvalid spec.key"),
		},
		{
			sentence: "a key in two places",
			object:   harness.Identity("wrong", "{key: {kms: 'hashivault://release', secretRef: {name: release}}}"),
			want:     invalid("TrustedIdentity", `spec.key: Invalid value: exactly one of pem, secretRef and kms must be set`, "FieldValueInvalid spec.key"),
		},
		{
			sentence: "a key in a file",
			object:   harness.Identity("wrong", "{key: {kms: 'file:///etc/passwd'}}"),
			want: invalid("TrustedIdentity", `spec.key.kms: Invalid value: "file:///etc/passwd": spec.key.kms in body should match '^(awskms|gcpkms|azurekms|hashivault)://.+$'`,
				"FieldValueInvalid spec.key.kms"),
		},
		{
			sentence: "a transparency log that is half required",
			object:   harness.Identity("wrong", "{key: {pem: x, transparencyLog: Optional}}"),
			want:     invalid("TrustedIdentity", `[spec.key.transparencyLog: Unsupported value: "Optional": supported values: "Required", "NotRequired", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]`, "FieldValueNotSupported spec.key.transparencyLog", "FieldValueInvalid <nil>"),
		},
		{
			sentence: "a policy that wants nothing",
			object:   harness.Policy("wrong", "{"+onlyAll+"}"),
			want:     invalid("ChartPolicy", `spec: Invalid value: exactly one of require and allowUnverified must be set`, "FieldValueInvalid spec"),
		},
		{
			sentence: "a policy that wants signatures and none",
			object:   harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: [x]}], allowUnverified: {reason: x, until: '2099-01-01'}}"),
			want:     invalid("ChartPolicy", `spec: Invalid value: exactly one of require and allowUnverified must be set`, "FieldValueInvalid spec"),
		},
		{
			sentence: "a policy that requires pinning without verification",
			object:   harness.Policy("wrong", "{"+onlyAll+", pinning: Digest, allowUnverified: {reason: x, until: '2099-01-01'}}"),
			want:     invalid("ChartPolicy", `spec: Invalid value: pinning has no meaning with allowUnverified`, "FieldValueInvalid spec"),
		},
		{
			sentence: "a policy with an empty list of requirements",
			object:   harness.Policy("wrong", "{"+onlyAll+", require: []}"),
			want:     invalid("ChartPolicy", `spec.require: Invalid value: 0: spec.require in body should have at least 1 items`, "FieldValueInvalid spec.require"),
		},
		{
			sentence: "a requirement without identities",
			object:   harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: []}]}"),
			want:     invalid("ChartPolicy", `spec.require[0].anyOf: Invalid value: 0: spec.require[0].anyOf in body should have at least 1 items`, "FieldValueInvalid spec.require[0].anyOf"),
		},
		{
			sentence: "a policy about no charts",
			object:   harness.Policy("wrong", "{match: {charts: []}, require: [{anyOf: [x]}]}"),
			want:     invalid("ChartPolicy", `spec.match.charts: Invalid value: 0: spec.match.charts in body should have at least 1 items`, "FieldValueInvalid spec.match.charts"),
		},
		{
			sentence: "a mode that does not exist",
			object:   harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: [x]}], mode: Audit}"),
			want:     invalid("ChartPolicy", `[spec.mode: Unsupported value: "Audit": supported values: "Enforce", "Warn", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]`, "FieldValueNotSupported spec.mode", "FieldValueInvalid <nil>"),
		},
		{
			sentence: "a pinning that does not exist",
			object:   harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: [x]}], pinning: Tag}"),
			want:     invalid("ChartPolicy", `[spec.pinning: Unsupported value: "Tag": supported values: "Digest", "Version", "Floating", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]`, "FieldValueNotSupported spec.pinning", "FieldValueInvalid <nil>"),
		},
		{
			sentence: "a window without a reason",
			object:   harness.Policy("wrong", "{"+onlyAll+", allowUnverified: {reason: '', until: '2099-01-01'}}"),
			want:     invalid("ChartPolicy", `spec.allowUnverified.reason: Invalid value: "": spec.allowUnverified.reason in body should be at least 1 chars long`, "FieldValueInvalid spec.allowUnverified.reason"),
		},
		{
			sentence: "a window without an end",
			object:   harness.Policy("wrong", "{"+onlyAll+", allowUnverified: {reason: x}}"),
			want:     invalid("ChartPolicy", `[spec.allowUnverified.until: Required value, <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]`, "FieldValueRequired spec.allowUnverified.until", "FieldValueInvalid <nil>"),
		},
		{
			sentence: "a window whose end is no date",
			object:   harness.Policy("wrong", "{"+onlyAll+", allowUnverified: {reason: x, until: forever}}"),
			want:     invalid("ChartPolicy", `spec.allowUnverified.until: Invalid value: "forever": must be a day such as 2027-01-31`, "FieldValueInvalid spec.allowUnverified.until"),
		},
	})
}

// invalid is the API server's own answer to an object that violates a schema.
func invalid(kind, message string, causes ...string) harness.Answer {
	return harness.Answer{Causes: causes, Message: kind + `.chartgate.dev "wrong" is invalid: ` + message, BySchema: true}
}

// TestWebhookRefusesPolicies: mistakes that a schema cannot express.
func TestWebhookRefusesPolicies(t *testing.T) {
	w := theSite(t)
	pattern := func(sentence, pattern, message string) row {
		return row{
			sentence: sentence,
			object:   harness.Policy("wrong", fmt.Sprintf("{match: {charts: [%q]}, require: [{anyOf: [acme-release]}]}", pattern)),
			want:     refused("ChartPolicy", "spec.match.charts[0]", fmt.Sprintf("Invalid value: %q: ", pattern)+message),
		}
	}
	who := func(sentence, spec, field, message string) row {
		return row{sentence: sentence, object: harness.Identity("wrong", spec), want: refused("TrustedIdentity", field, message)}
	}
	key := func(sentence, text, message string) row {
		return who(sentence, fmt.Sprintf("{key: {pem: %q}}", text), "spec.key.pem", message)
	}
	w.check(t, []row{
		pattern("a pattern without a scheme", "ghcr.io/acme/**", `must start with oci://, https://, http://, git:// or bucket://`),
		pattern("a pattern without a host", "oci://", `names no host`),
		pattern("a pattern with ** inside a name", "oci://ghcr.io/acme/a**", `"**" must stand alone between slashes`),
		pattern("a pattern with a host in upper case", "oci://GHCR.IO/acme/**", `could match no chart: "oci://GHCR.IO/acme/x/x" has no valid lower-case host name`),
		pattern("a pattern with another name of Docker Hub", "oci://index.docker.io/acme/**", `could match no chart: its host is spelled "docker.io"`),
		pattern("a pattern of a registry and no charts", "oci://ghcr.io", `names a registry but no charts; append /** for all of them`),
		pattern("a pattern with a tag", "oci://ghcr.io/acme/podinfo:6.*", `could match no chart: "oci://ghcr.io/acme/podinfo:6.x" must not contain a tag; remove ":6.x"`),
		{
			sentence: "an exclusion that excludes nothing",
			object:   harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io/x/**'], exclude: [ghcr.io/x/y]}, require: [{anyOf: [acme-release]}]}"),
			want:     refused("ChartPolicy", "spec.match.exclude[0]", `Invalid value: "ghcr.io/x/y": must start with oci://, https://, http://, git:// or bucket://`),
		},
		{
			sentence: "a window whose end is no day",
			object:   harness.Policy("wrong", "{"+onlyAll+", allowUnverified: {reason: x, until: '2027-02-31'}}"),
			want:     refused("ChartPolicy", "spec.allowUnverified.until", `Invalid value: "2027-02-31": is no day of the calendar; write a day such as 2027-01-31`),
		},
		{
			sentence: "a window whose reason is a blank",
			object:   harness.Policy("wrong", "{"+onlyAll+", allowUnverified: {reason: ' ', until: '2027-02-28'}}"),
			want:     refused("ChartPolicy", "spec.allowUnverified.reason", "Required value: the reason must not be blank"),
		},
		who("an expression that does not compile", "{keyless: {issuer: x, subjectRegExp: 'a('}}", "spec.keyless.subjectRegExp", "Invalid value: \"a(\": error parsing regexp: missing closing ): `a(`"),
		who("an expression that breaks out of its anchors", "{keyless: {issuer: x, subjectRegExp: 'a)|(b'}}", "spec.keyless.subjectRegExp", "Invalid value: \"a)|(b\": error parsing regexp: unexpected ): `a)|(b`"),
		who("an expression that matches everyone", "{keyless: {issuerRegExp: '.*', subject: x}}", "spec.keyless.issuerRegExp", `Invalid value: ".*": matches the empty string`),
		who("a claim that no certificate makes", "{keyless: {"+anyone+", claims: {repository: x}}}", "spec.keyless.claims", `Unsupported value: "repository": supported values: "issuer", "githubWorkflowTrigger", "githubWorkflowSHA", "githubWorkflowName", "githubWorkflowRepository", "githubWorkflowRef", "buildSignerURI", "buildSignerDigest", "runnerEnvironment", "sourceRepositoryURI", "sourceRepositoryDigest", "sourceRepositoryRef", "sourceRepositoryIdentifier", "sourceRepositoryOwnerURI", "sourceRepositoryOwnerIdentifier", "buildConfigURI", "buildConfigDigest", "buildTrigger", "runInvocationURI", "sourceRepositoryVisibilityAtSigning"`),
		who("a claim that says nothing", "{keyless: {"+anyone+", claims: {sourceRepositoryURI: ''}}}", "spec.keyless.claims[sourceRepositoryURI]", "Required value: the value must not be empty"),
		key("an invalid key", "cosign.pub", `no PEM block found; write the content of cosign.pub, from "-----BEGIN PUBLIC KEY-----" on`),
		key("a certificate in the place of a key", pemBlock("CERTIFICATE", []byte("x")), `the PEM block is a "CERTIFICATE", not a "PUBLIC KEY"; write the public key in it: openssl x509 -pubkey -noout -in CERTIFICATE.pem`),
		key("a private key", pemBlock("PRIVATE KEY", []byte("x")), `the PEM block is a "PRIVATE KEY", not a "PUBLIC KEY"; write its public half, and keep it secret: openssl pkey -pubout -in KEY.pem`),
		key("nine keys", newPublicKeys(t, 9), `more than 8 keys; use several TrustedIdentities`),
		key("an RSA key that is too short", shortRSAKey(t), `the RSA key has 1024 bits; at least 2048 are needed`),
	})
}

// correct is the end of each denial of one of chartgate's own resources.
func correct(field string) string {
	return "\n  where:    " + field + "\n  next:     correct the field and apply again"
}

// refused is the answer to a resource that chartgate cannot use.
func refused(kind, field, message string) harness.Answer {
	return harness.Denied("PolicyInvalid "+field, kind+" wrong denied (PolicyInvalid): "+field+": "+message+correct(field))
}

func pemBlock(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newPublicKeys(t *testing.T, n int) string {
	t.Helper()
	var all strings.Builder
	for range n {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(publicKey(t, key.Public()))
	}
	return all.String()
}

func shortRSAKey(t *testing.T) string {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0") // Go itself refuses to make one
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return publicKey(t, key.Public())
}

func publicKey(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("PUBLIC KEY", der)
}

// TestBrokenIdentitiesConfigMapIsRefused when it overwrites a good one.
func TestBrokenIdentitiesConfigMapIsRefused(t *testing.T) {
	w := theSite(t)
	object := w.Object(t, identitiesConfigMap)
	entry := "  - name: x\n    charts: ['oci://ghcr.io/x/**']\n    keyless: {" + anyone + "}\n"
	const root = "data[identities.yaml]"
	for _, tc := range []struct{ sentence, data, field, message string }{
		{"no list", "{identities.yaml: null}", root, "Required value: the list of identities"},
		{"text", "{identities.yaml: x}", root, "must be a list, and is a text"},
		{"a field that does not exist", list(strings.Replace(entry, "name: x", "name: x\n    chart: y", 1)), root + "[0].chart", "unknown field"},
		{"a field twice", list(strings.Replace(entry, "name: x", "name: x\n    name: y", 1)), root, `is not YAML: line 2: key "name" already set in map`},
		{"an entry without a name", list(strings.Replace(entry, "name: x", "name: ''", 1)), root + "[0].name", "Required value: each entry needs a name"},
		{"an entry without charts", list(strings.Replace(entry, "'oci://ghcr.io/x/**'", "", 1)), root + "[0].charts", "Required value: at least one pattern must be set"},
		{"an entry with a pattern that matches nothing", list(strings.Replace(entry, "oci://", "", 1)), root + "[0].charts[0]", `Invalid value: "ghcr.io/x/**": must start with oci://, https://, http://, git:// or bucket://`},
		{"an entry without a signer", list(strings.Replace(entry, "keyless", "#", 1)), root + "[0]", "exactly one of keyless and key must be set"},
		{"an entry twice", list(entry + entry), root + "[1].name", `Duplicate value: "x"`},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			want := harness.Denied("PolicyInvalid "+tc.field, "ConfigMap chartgate-identities denied (PolicyInvalid): "+tc.field+": "+tc.message+correct(tc.field))
			got := w.patch(t, object, "data: "+tc.data, true)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\nThe message is\n%s", diff, got.Message)
			}
		})
	}
	t.Run("two bad entries", func(t *testing.T) {
		want := []string{
			"PolicyInvalid " + root + "[0].charts", "PolicyInvalid " + root + "[0]",
			"PolicyInvalid " + root + "[1].charts", "PolicyInvalid " + root + "[1]",
		}
		got := w.patch(t, object, "data: "+list("  - name: a\n  - name: b\n"), true)
		if diff := cmp.Diff(want, got.Causes); diff != "" {
			t.Errorf("(-want +got):\n%s\nThe message is\n%s", diff, got.Message)
		}
	})
}

const identitiesConfigMap = "{apiVersion: v1, kind: ConfigMap, metadata: {name: chartgate-identities, namespace: chartgate-system}}"

// list is the data of the ConfigMap with entries.
func list(entries string) string {
	return "\n  identities.yaml: |\n" + strings.ReplaceAll("  "+entries, "\n", "\n  ")
}
