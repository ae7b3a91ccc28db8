package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/pkg/policy"
)

// signerFlags name the one signer of charts, by the flags of cosign verify. They stand for a policy
// that requires a signature by this signer of every chart.
type signerFlags struct {
	key                      string
	identity, identityRegexp string
	issuer, issuerRegexp     string
	ignoreTlog               bool
}

func (f *signerFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.key, "key", "", "in place of --policy: PEM `file` with the public key that must have signed, or its URI in a KMS (awskms://, azurekms://, gcpkms://, hashivault://)")
	flags.StringVar(&f.identity, "certificate-identity", "", "in place of --policy: the `subject` in the certificate that must have signed: a workflow, an e-mail address")
	flags.StringVar(&f.identityRegexp, "certificate-identity-regexp", "", "an `expression` for the subject; unlike cosign's, it must match the whole subject")
	flags.StringVar(&f.issuer, "certificate-oidc-issuer", "", "the `issuer` of the certificate's identity, as in https://token.actions.githubusercontent.com")
	flags.StringVar(&f.issuerRegexp, "certificate-oidc-issuer-regexp", "", "an `expression` for the issuer; unlike cosign's, it must match the whole issuer")
	flags.BoolVar(&f.ignoreTlog, "insecure-ignore-tlog", false, "accept signatures without an entry in a transparency log; by a certificate, then with a signed timestamp")
}

// signerFlagNames are those that register adds.
var signerFlagNames = []string{"key", "certificate-identity", "certificate-identity-regexp", "certificate-oidc-issuer", "certificate-oidc-issuer-regexp", "insecure-ignore-tlog"}

// given returns the flags that were given, an empty value included.
func (f *signerFlags) given(flags *pflag.FlagSet) (names []string) {
	for _, name := range signerFlagNames {
		if flags.Changed(name) {
			names = append(names, "--"+name)
		}
	}
	return names
}

// signerPolicy is the name of the policy in messages.
const signerPolicy = "the command line"

// policies makes the policy that the flags stand for.
func (f *signerFlags) policies(ctx context.Context, flags *pflag.FlagSet) (fixedPolicies, error) {
	identity, err := f.trustedIdentity(flags)
	if err != nil {
		return fixedPolicies{}, err
	}
	in := policy.Input{
		Identities: []v1alpha1.TrustedIdentity{identity},
		Policies: []v1alpha1.ChartPolicy{{ObjectMeta: metav1.ObjectMeta{Name: signerPolicy}, Spec: v1alpha1.ChartPolicySpec{
			Match: v1alpha1.Match{Charts: []string{"oci://**"}}, Require: []v1alpha1.Requirement{{AnyOf: []string{identity.Name}}},
			// cosign verifies what a tag means now, and so does who asks once.
			Pinning: v1alpha1.PinningFloating,
		}}},
	}
	in.Keys = lookupKeys(ctx, policy.KeySources(in), nil, references{amongDocuments, kms.NewReader()})
	set, report := policy.Compile(in)
	if err := report.Identities[identity.Name]; err != nil {
		return fixedPolicies{}, fmt.Errorf("%s: %w", identity.Name, err)
	}
	if err := report.Policies[signerPolicy]; err != nil {
		return fixedPolicies{}, fmt.Errorf("the policy of the flags: %w", err)
	}
	loaded := fixedPolicies{set: set}
	if f.identityRegexp != "" || f.issuerRegexp != "" {
		loaded.hint = "an expression must match the whole identity, as if it stood between ^ and $ (cosign looks for it anywhere in the identity): if this signer is the one you mean, write for example '^https://github\\.com/acme/.*$'"
	}
	return loaded, nil
}

// trustedIdentity is the signer, by the name of the flag that describes it.
func (f *signerFlags) trustedIdentity(flags *pflag.FlagSet) (v1alpha1.TrustedIdentity, error) {
	var identity v1alpha1.TrustedIdentity
	log := v1alpha1.TransparencyLogRequired
	if f.ignoreTlog {
		log = v1alpha1.TransparencyLogNotRequired
	}
	for _, name := range signerFlagNames {
		if flags.Changed(name) && flags.Lookup(name).Value.String() == "" {
			return identity, fmt.Errorf("--%s is empty", name)
		}
	}
	keyless := f.identity+f.identityRegexp+f.issuer+f.issuerRegexp != ""
	switch {
	case f.key != "" && keyless:
		return identity, errors.New("--key and the --certificate flags describe two signers: give one of them")
	case f.key != "":
		key, err := f.publicKey()
		if err != nil {
			return identity, err
		}
		key.TransparencyLog = log
		identity.Name, identity.Spec.Key = "--key", &key
		return identity, nil
	case !keyless:
		return identity, errors.New("--insecure-ignore-tlog needs a signer: --key, or --certificate-identity and --certificate-oidc-issuer")
	}
	if err := exactlyOne("certificate-identity", f.identity, f.identityRegexp); err != nil {
		return identity, err
	}
	if err := exactlyOne("certificate-oidc-issuer", f.issuer, f.issuerRegexp); err != nil {
		return identity, err
	}
	identity.Name = "--certificate-identity"
	identity.Spec.Keyless = &v1alpha1.Keyless{
		Subject: f.identity, SubjectRegExp: f.identityRegexp, Issuer: f.issuer, IssuerRegExp: f.issuerRegexp, TransparencyLog: log,
	}
	return identity, nil
}

// exactlyOne checks a flag and its form as an expression.
func exactlyOne(flag, exact, expression string) error {
	switch {
	case exact != "" && expression != "":
		return fmt.Errorf("--%[1]s and --%[1]s-regexp exclude each other", flag)
	case exact == "" && expression == "":
		return fmt.Errorf("--%[1]s or --%[1]s-regexp is needed: anyone can get a certificate from Sigstore", flag)
	case expression == "":
		return nil
	}
	if _, err := regexp.Compile(expression); err != nil {
		return fmt.Errorf("--%s-regexp: %w", flag, err)
	}
	return nil
}

// publicKey reads --key.
func (f *signerFlags) publicKey() (v1alpha1.Key, error) {
	scheme, _, isURI := strings.Cut(f.key, "://")
	switch {
	case !isURI:
		content, err := os.ReadFile(f.key)
		if err != nil {
			return v1alpha1.Key{}, fmt.Errorf("read --key: %w", err)
		}
		if strings.TrimSpace(string(content)) == "" {
			return v1alpha1.Key{}, fmt.Errorf("--key %s is empty", f.key)
		}
		return v1alpha1.Key{PEM: string(content)}, nil
	case scheme == "awskms" || scheme == "azurekms" || scheme == "gcpkms" || scheme == "hashivault":
		return v1alpha1.Key{KMS: f.key}, nil
	default:
		return v1alpha1.Key{}, fmt.Errorf("--key %s: chartgate reads keys from files and from a KMS (awskms://, azurekms://, gcpkms://, hashivault://): save this one to a file", f.key)
	}
}
