package e2e_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// vaultToken must not appear in a message or in the log.
const vaultToken = "hvs.canary-5f1d"

// add publishes a chart in the time of a test.
func (s *shop) add(t *testing.T, place string, signed ...signature) {
	t.Helper()
	digest, err := s.publish(t.Context(), item{place, signed})
	if err != nil {
		t.Fatal(err)
	}
	s.published[place] = digest
}

// secret is a Secret with keys of owners under cosign.pub.
func (s *shop) secret(namespace, name string, owners ...string) *corev1.Secret {
	text := ""
	for _, owner := range owners {
		text += s.keys[owner].public
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		StringData: map[string]string{"cosign.pub": text, "cosign.password": "canary of " + name},
	}
}

func (s *shop) privateKey(t *testing.T, owner string) string {
	t.Helper()
	text, err := os.ReadFile(s.keys[owner].private)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// putSecret creates or replaces a Secret for the time of the test.
func (w *site) putSecret(t *testing.T, secret *corev1.Secret) {
	t.Helper()
	err := w.Client.Create(t.Context(), secret.DeepCopy())
	switch {
	case apierrors.IsAlreadyExists(err):
		err = w.Client.Update(t.Context(), secret.DeepCopy())
	case err == nil:
		t.Cleanup(func() {
			if err := w.Client.Delete(context.Background(), secret.DeepCopy()); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// isReady waits until the Ready condition of an identity says something.
func (w *site) isReady(t *testing.T, name string, status metav1.ConditionStatus, message string) {
	t.Helper()
	harness.Eventually(t, func() string { return cmp.Diff(string(status)+" "+message, w.readiness(t, name)) })
}

// readiness is what the Ready condition of an identity says.
func (w *site) readiness(t *testing.T, name string) string {
	t.Helper()
	out, err := w.Kubectl(t.Context(), "", "get", "trustedidentity", name, "-o", "jsonpath={.status.conditions[0].status} {.status.conditions[0].message}")
	if err != nil {
		t.Fatal(err)
	}
	return out.Stdout
}

// keysSay is the denial of a release while the policy of its chart is invalid.
func keysSay(name, policy, why string) harness.Answer {
	place := "oci://ghcr.io/acme/" + name + ":1.0.0"
	return harness.Denied("PolicyInvalid spec.chart.spec", `
HelmRelease apps/app denied (PolicyInvalid): policy `+policy+`, which matches `+place+`, is invalid: spec.require[0].anyOf[0]: TrustedIdentity "`+policy+`" is invalid: `+why+`
  where:    spec.chart.spec
  policy:   `+policy+` cannot be evaluated
  next:     ask the platform team to fix the policy; its Ready condition says the same`)
}

func (w *site) release(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	return w.Object(t, releaseFrom("team", name, "1.0.0"))
}

// admits waits until a release of a chart is admitted, refuses until it is denied for a reason.
func (w *site) admits(t *testing.T, name string) {
	t.Helper()
	w.becomes(t, w.release(t, name), harness.Answer{})
}

func (w *site) refuses(t *testing.T, name, reason string) string {
	t.Helper()
	var got harness.Answer
	harness.Eventually(t, func() string {
		got = w.try(t, w.release(t, name), true)
		return cmp.Diff([]string{reason + " spec.chart.spec"}, got.Causes)
	})
	return got.Message
}

// keyPolicy is an identity and a policy of the same name for the charts below ghcr.io/acme/NAME.
func keyPolicy(name, key string) string {
	return harness.Identity(name, "{key: "+key+"}") +
		harness.Policy(name, `{match: {charts: ["oci://ghcr.io/acme/`+name+`/*"]}, require: [{anyOf: [`+name+`]}]}`)
}

// TestKeyInASecret follows a key through its life, without a change of the policy.
func TestKeyInASecret(t *testing.T) {
	w := theSite(t)
	w.add(t, "ghcr.io/acme/in-secret/old:1.0.0", cosign2("old"))
	w.add(t, "ghcr.io/acme/in-secret/new:1.0.0", cosign3("new"))
	w.given(t, repositories()+keyPolicy("in-secret", "{secretRef: {name: chart-key}, transparencyLog: NotRequired}"))
	const old, current = "in-secret/old", "in-secret/new"
	const missing = "spec.key.secretRef: Secret chart-key, key cosign.pub: there is no such Secret in namespace chartgate-system"
	wrong := func(why string) {
		t.Helper()
		w.isReady(t, "in-secret", metav1.ConditionFalse, why)
		w.becomes(t, w.release(t, old), keysSay(old, "in-secret", why))
	}
	wrong(missing)

	// A Secret of this name in a tenant's namespace does not count.
	w.putSecret(t, w.secret("apps", "chart-key", "old"))
	wrong(missing)

	ours := func(owners ...string) *corev1.Secret { return w.secret(cluster.Namespace, "chart-key", owners...) }
	w.putSecret(t, ours("old"))
	w.isReady(t, "in-secret", metav1.ConditionTrue, "the identity can be used")
	w.admits(t, old)
	w.refuses(t, current, "SignatureInvalid")

	w.putSecret(t, ours("old", "new"))
	w.admits(t, current)
	w.admits(t, old)

	w.putSecret(t, ours("new"))
	w.refuses(t, old, "SignatureInvalid") // although it was admitted a moment ago
	w.admits(t, current)

	// A private key by mistake: it is refused by its kind, and no part of it is shown.
	private := ours()
	private.StringData["cosign.pub"] = w.privateKey(t, "new")
	w.putSecret(t, private)
	wrong(`spec.key.secretRef: Secret chart-key, key cosign.pub: the PEM block is a "ENCRYPTED SIGSTORE PRIVATE KEY", not a "PUBLIC KEY"; write its public half, and keep it secret: cosign public-key --key cosign.key`)

	w.putSecret(t, ours("old"))
	w.admits(t, old)
	if err := w.Client.Delete(t.Context(), ours()); err != nil {
		t.Fatal(err)
	}
	wrong(missing)
}

// TestKeyInAVault: cosign signs with keys that never leave Vault.
func TestKeyInAVault(t *testing.T) {
	w := theSite(t)
	if err := w.vault.Create("release", "ecdsa-p256"); err != nil {
		t.Fatal(err)
	}
	w.add(t, "ghcr.io/acme/in-vault/first:1.0.0", byVault("cosign2", "release", "--tlog-upload=false"))
	w.add(t, "ghcr.io/acme/in-vault/bundle:1.0.0", byVault("cosign3", "release", bundleFlags...))
	w.add(t, "ghcr.io/acme/in-vault/stranger:1.0.0", cosign3("mallory"))
	w.vault.Down(true)
	t.Cleanup(func() { w.vault.Down(false) })
	w.given(t, repositories()+keyPolicy("in-vault", "{kms: 'hashivault://release', transparencyLog: NotRequired}"))
	const (
		first = "in-vault/first"
		field = "spec.key.kms: "
		down  = "hashivault://release: the KMS gave no usable answer"
	)

	// Down at the start: only this policy is invalid, and it comes into force without an action.
	w.isReady(t, "in-vault", metav1.ConditionFalse, field+down)
	w.becomes(t, w.release(t, first), keysSay(first, "in-vault", field+down))
	if got := w.try(t, w.Object(t, releaseOf("podinfo", "6.7.1")), true); len(got.Causes) > 0 {
		t.Errorf("a chart that needs no KMS: %s", got.Message)
	}
	w.vault.Down(false)
	w.isReady(t, "in-vault", metav1.ConditionTrue, "the identity can be used")
	w.admits(t, first)
	w.admits(t, "in-vault/bundle")
	w.refuses(t, "in-vault/stranger", "SignatureInvalid")

	// Rotated: signatures by the old version still count, as Vault itself still verifies them.
	if err := w.vault.Rotate("release"); err != nil {
		t.Fatal(err)
	}
	w.add(t, "ghcr.io/acme/in-vault/second:1.0.0", byVault("cosign3", "release", bundleFlags...))
	w.admits(t, "in-vault/second")
	w.admits(t, first)

	// Down later: the keys stay in use, and status says so.
	w.vault.Down(true)
	harness.Eventually(t, func() string {
		if got := w.readiness(t, "in-vault"); !strings.HasPrefix(got, "True the identity can be used; "+down+"; the keys that were read at ") {
			return got
		}
		return ""
	})
	w.admits(t, "in-vault/second")
	w.vault.Down(false)
	w.isReady(t, "in-vault", metav1.ConditionTrue, "the identity can be used")

	// Withdrawn in Vault.
	w.vault.Minimum("release", 2)
	w.refuses(t, first, "SignatureInvalid")
	w.admits(t, "in-vault/second")
	w.vault.Delete("release")
	const gone = field + "hashivault://release: the KMS has no such key, or the key is disabled"
	w.isReady(t, "in-vault", metav1.ConditionFalse, gone)
	w.becomes(t, w.release(t, "in-vault/second"), keysSay("in-vault/second", "in-vault", gone))
}

// TestOtherKeysInAVault: all kinds of keys that cosign can sign with there. cosign 3.1.3 cannot
// with ECDSA on P-384 ("unexpected length of digest"), nor with Ed25519; cosign 2.6.5 has Vault
// sign a hash with Ed25519 instead of the payload, which no other tool verifies.
func TestOtherKeysInAVault(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	for kind, sign := range map[string]signature{
		"rsa-2048":   byVault("cosign3", "rsa-2048", bundleFlags...),
		"ecdsa-p384": byVault("cosign2", "ecdsa-p384", "--tlog-upload=false"),
	} {
		if err := w.vault.Create(kind, kind); err != nil {
			t.Fatal(err)
		}
		w.add(t, "ghcr.io/acme/"+kind+"/app:1.0.0", sign)
		w.given(t, keyPolicy(kind, "{kms: 'hashivault://"+kind+"', transparencyLog: NotRequired}"))
		w.admits(t, kind+"/app")
	}
}

var bundleFlags = []string{"--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=true"}

// byVault signs with a key in Vault.
func byVault(tool, key string, flags ...string) signature {
	return func(ctx context.Context, s *shop, host, repository, digest string) error {
		args := append([]string{"sign", "--key", "hashivault://" + key, "--allow-http-registry", "-y"}, flags...)
		_, err := cluster.Command{
			Name: s.tools[tool], Args: append(args, s.local(host+"/"+repository+"@"+digest)),
			Env: append(s.env(), "VAULT_ADDR="+s.vault.URL(), "VAULT_TOKEN="+vaultToken),
		}.Run(ctx)
		return err
	}
}

// says waits until a release of a chart is denied because its signer is not allowed, and says why.
func (w *site) says(t *testing.T, name, why string) {
	t.Helper()
	harness.Eventually(t, func() string {
		got := w.try(t, w.release(t, name), true)
		if len(got.Causes) != 1 || got.Causes[0] != "IdentityNotAllowed spec.chart.spec" || !strings.Contains(got.Message, why) {
			return fmt.Sprintf("%+v\nwants %q", got, why)
		}
		return ""
	})
}
