package keys_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/status"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

// canary must never be seen outside of a Secret.
const canary = "canary-5f1d"

// publicPEM returns a public key, another one for each letter.
func publicPEM(t *testing.T, who byte) string {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = who
	der, err := x509.MarshalPKIXPublicKey(ed25519.NewKeyFromSeed(seed).Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func keyIdentity(name string, key v1alpha1.Key) *v1alpha1.TrustedIdentity {
	return &v1alpha1.TrustedIdentity{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 3}, Spec: v1alpha1.TrustedIdentitySpec{Key: &key}}
}

// inSecret is the identity "release", whose key is in the Secret "release".
func inSecret(item string) *v1alpha1.TrustedIdentity {
	return keyIdentity("release", v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{Name: "release", Key: item}})
}

func secretIn(namespace, name string, data map[string]string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{}}
	for item, text := range data {
		secret.Data[item] = []byte(text)
	}
	return secret
}

// statusOf writes status after it has read keys from the cluster's Secrets, and from no KMS.
func statusOf(c client.Client) *status.PolicyWriter {
	reader := keys.NewReader(keys.Config{Secrets: c, Namespace: kube.Namespace, Refresh: keys.DefaultRefresh})
	return status.NewPolicyWriter(c, policystore.New(c, kube.Identities, reader), reader)
}

func reconcile(t *testing.T, c client.Client) error {
	t.Helper()
	_, err := statusOf(c).Reconcile(t.Context(), ctrl.Request{})
	return err
}

func ours(data map[string]string) *corev1.Secret {
	return secretIn(kube.Namespace, "release", data)
}

func TestKeysInSecrets(t *testing.T) {
	const item, fine, written = "Secret release, key cosign.pub", "the identity can be used", "spec.key.secretRef: "
	alice, bob := publicPEM(t, 'a'), publicPEM(t, 'b')
	private := string(pem.EncodeToMemory(&pem.Block{
		Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Headers: map[string]string{"Password": canary}, Bytes: []byte(canary),
	}))
	for _, c := range []struct {
		sentence string
		identity *v1alpha1.TrustedIdentity
		secret   *corev1.Secret
		want     string // the message of the identity's Ready condition
	}{
		{"a key", inSecret(""), ours(map[string]string{"cosign.pub": alice}), fine},
		{"a key in an item that is named", inSecret("old.pub"), ours(map[string]string{"old.pub": alice, "cosign.pub": "x"}), fine},
		{"two keys, during a rotation", inSecret(""), ours(map[string]string{"cosign.pub": alice + bob}), fine},
		{"what cosign generate-key-pair k8s:// writes", inSecret(""), ours(map[string]string{"cosign.pub": alice, "cosign.key": private, "cosign.password": canary}), fine},
		{"a private key by mistake", inSecret("cosign.key"), ours(map[string]string{"cosign.key": canary + "\n" + private}),
			`spec.key.secretRef: Secret release, key cosign.key: the PEM block is a "ENCRYPTED SIGSTORE PRIVATE KEY", not a "PUBLIC KEY"; write its public half, and keep it secret: cosign public-key --key cosign.key`},
		{"a private key after the public one", inSecret(""), ours(map[string]string{"cosign.pub": alice + private}),
			written + item + `: the PEM block is a "ENCRYPTED SIGSTORE PRIVATE KEY", not a "PUBLIC KEY"; write its public half, and keep it secret: cosign public-key --key cosign.key`},
		{"a password by mistake", inSecret(""), ours(map[string]string{"cosign.pub": canary}), written + item + ": no PEM block found; write the content of cosign.pub, from \"-----BEGIN PUBLIC KEY-----\" on"},
		{"no Secret", inSecret(""), nil, written + item + ": there is no such Secret in namespace chartgate-system"},
		{"no such item", inSecret(""), ours(map[string]string{"cosign.key": private}), written + item + ": the Secret has no such key"},
		{"an empty item", inSecret(""), ours(map[string]string{"cosign.pub": ""}), written + item + ": no PEM block found; write the content of cosign.pub, from \"-----BEGIN PUBLIC KEY-----\" on"},
		{"more text than keys can be", inSecret(""), ours(map[string]string{"cosign.pub": alice + strings.Repeat(canary, 10_000)}),
			written + item + fmt.Sprintf(": %d bytes are too many for public keys; at most 16384 are read", len(alice)+10_000*len(canary))},
		{"a Secret of this name in another namespace", inSecret(""), secretIn("apps", "release", map[string]string{"cosign.pub": alice}),
			written + item + ": there is no such Secret in namespace chartgate-system"},
		{"a name that leads into another namespace",
			keyIdentity("release", v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{Name: "../../apps/secrets/release"}}), nil,
			"spec.key.secretRef: Secret ../../apps/secrets/release, key cosign.pub: no Secret can have this name"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			objects := []client.Object{c.identity, kube.Policy("acme", "release")}
			if c.secret != nil {
				objects = append(objects, c.secret)
			}
			cluster := kube.Cluster(t, interceptor.Funcs{}, objects...)
			if err := reconcile(t, cluster); err != nil {
				t.Fatal(err)
			}
			identity, policy := kube.ReadyOf(t, cluster, c.identity), kube.ReadyOf(t, cluster, kube.Policy("acme"))
			if diff := cmp.Diff(c.want, identity.Message); diff != "" {
				t.Error(diff)
			}
			if valid := c.want == fine; (identity.Status == "True") != valid || (policy.Status == "True") != valid {
				t.Errorf("identity %+v, policy %+v", identity, policy)
			}
			if text := fmt.Sprint(identity, policy); strings.Contains(text, canary) {
				t.Errorf("what the Secret holds is shown: %s", text)
			}
		})
	}
}

// TestOnlyPublicKeysAreTaken: whatever else the item holds is not kept, not even in memory.
func TestOnlyPublicKeysAreTaken(t *testing.T) {
	alice, bob := publicPEM(t, 'a'), publicPEM(t, 'b')
	noted := strings.Replace(alice, "KEY-----\n", "KEY-----\nPassword: "+canary+"\n\n", 1)
	text, err := keys.FromSecret(*ours(map[string]string{"cosign.pub": canary + "\n" + noted + canary + "\n" + bob + canary}), "cosign.pub")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(alice+bob, text); diff != "" {
		t.Error(diff)
	}
}

// TestSecretsAreReadFromOneNamespaceOnly: whatever an identity names.
func TestSecretsAreReadFromOneNamespaceOnly(t *testing.T) {
	var asked []client.ObjectKey
	cluster := kube.Cluster(t, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, is := o.(*corev1.Secret); is {
				asked = append(asked, key)
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, is := list.(*corev1.SecretList); is {
				t.Error("Secrets are listed")
			}
			return c.List(ctx, list, opts...)
		},
	},
		keyIdentity("a", v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{Name: "release"}}),
		keyIdentity("b", v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{Name: "apps/release"}}),
		secretIn("apps", "release", map[string]string{"cosign.pub": publicPEM(t, 'a')}))
	if err := reconcile(t, cluster); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.ObjectKey{{Namespace: kube.Namespace, Name: "release"}}, asked); diff != "" {
		t.Error(diff)
	}
}

// TestSecretsThatCannotBeRead: an API server that fails does not take away a key that was there a
// moment ago, but an answer counts at once, and so does the end of a day.
func TestSecretsThatCannotBeRead(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "release", errors.New(canary))
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "release")
	const written, item, kept = "spec.key.secretRef: ", "Secret release, key cosign.pub", "; the keys that were read at 2000-01-01T00:00:00Z are used until 2000-01-02T00:00:00Z"
	for _, c := range []struct {
		sentence string
		err      error
		after    time.Duration
		want     kube.Ready
		retry    time.Duration
	}{
		{"an error", kube.ErrInjected, time.Hour, kube.Ready{Status: "True", Reason: "Compiled", ObservedGeneration: 3, Message: "the identity can be used; " + item + ": it cannot be read" + kept}, time.Minute},
		{"missing rights", forbidden, time.Hour, kube.Ready{Status: "True", Reason: "Compiled", ObservedGeneration: 3, Message: "the identity can be used; " + item + ": chartgate may not read Secrets in namespace chartgate-system" + kept}, time.Minute},
		{"an error for a day", kube.ErrInjected, 24 * time.Hour, kube.Ready{Status: "False", Reason: "Invalid", ObservedGeneration: 3, Message: written + item + ": it cannot be read"}, time.Minute},
		{"a Secret that is gone", gone, time.Second, kube.Ready{Status: "False", Reason: "Invalid", ObservedGeneration: 3, Message: written + item + ": there is no such Secret in namespace chartgate-system"}, 0},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken error
				cluster := kube.Cluster(t, interceptor.Funcs{Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if _, is := o.(*corev1.Secret); is && broken != nil {
						return broken
					}
					return w.Get(ctx, key, o, opts...)
				}}, inSecret(""), ours(map[string]string{"cosign.pub": publicPEM(t, 'a')}))
				status := statusOf(cluster)
				for _, broken = range []error{nil, c.err} {
					result, err := status.Reconcile(t.Context(), ctrl.Request{})
					if err != nil {
						t.Fatal(err)
					}
					// The conditions of policies are looked at each hour in any case.
					if want := map[bool]time.Duration{true: time.Hour, false: min(orAnHour(c.retry), time.Hour)}[broken == nil]; result.RequeueAfter != want {
						t.Errorf("after %v it is tried again in %s, want %s", broken, result.RequeueAfter, want)
					}
					if broken == nil {
						time.Sleep(c.after)
					}
				}
				if diff := cmp.Diff(c.want, kube.ReadyOf(t, cluster, inSecret(""))); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// service is a KMS. What it says changes between reads.
type service struct {
	mu     sync.Mutex
	says   map[string]func(context.Context) (string, error)
	reads  int
	inside int // reads that have not ended
}

func (s *service) PublicKeys(ctx context.Context, uri string) (string, error) {
	s.mu.Lock()
	say := s.says[uri]
	s.reads++
	s.inside++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inside--
	}()
	return say(ctx)
}

func (s *service) answer(uri string, say func(context.Context) (string, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.says == nil {
		s.says = map[string]func(context.Context) (string, error){}
	}
	s.says[uri] = say
}

func says(text string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, nil }
}

func fails(kind problem.Kind, detail string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		return "", &problem.Error{Kind: kind, Detail: detail, Err: errors.New(canary)}
	}
}

func hangs(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

const uri = "hashivault://release"

// kmsWorld is a cluster whose identity "release" has its key in a KMS, beside "other", which has no
// key.
type kmsWorld struct {
	client.Client
	service *service
	store   *policystore.Store
	status  *status.PolicyWriter
	changed int // how often a load was asked for
	loading sync.Mutex
}

// inKMS runs a test in a time of its own.
func inKMS(t *testing.T, say func(context.Context) (string, error), test func(t *testing.T, w *kmsWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &kmsWorld{service: &service{}}
		w.service.answer(uri, say)
		w.Client = kube.Cluster(t, interceptor.Funcs{}, keyIdentity("release", v1alpha1.Key{KMS: uri}), kube.Policy("acme", "release"),
			kube.Identity("other", "s"), kube.Policy("other", "other"))
		reader := keys.NewReader(keys.Config{Secrets: w.Client, Namespace: kube.Namespace, KMS: w.service, Refresh: keys.DefaultRefresh})
		w.store = policystore.New(w.Client, kube.Identities, reader)
		w.status = status.NewPolicyWriter(w.Client, w.store, reader)
		stop := w.reconcileOnChange(t, reader)
		w.load(t)
		test(t, w)
		if err := w.Delete(t.Context(), keyIdentity("release", v1alpha1.Key{})); err != nil {
			t.Fatal(err)
		}
		w.load(t) // ends the reads of a key that no policy names
		stop()
		synctest.Wait()
		if w.service.inside != 0 {
			t.Errorf("%d reads of a key that no policy names have not ended", w.service.inside)
		}
	})
}

// reconcileOnChange is what controller-runtime does.
func (w *kmsWorld) reconcileOnChange(t *testing.T, reader *keys.Reader) (stop func()) {
	ctx, stop := context.WithCancel(t.Context())
	changes := reader.Changes()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changes:
				w.changed++
				w.load(t)
			}
		}
	}()
	return stop
}

func (w *kmsWorld) load(t *testing.T) {
	w.loading.Lock() // a controller does one at a time
	defer w.loading.Unlock()
	if _, err := w.store.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Error(err)
	}
	if _, err := w.status.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Error(err)
	}
}

// says returns the messages of the identity and of the policy that wants it.
func (w *kmsWorld) says(t *testing.T) [2]string {
	t.Helper()
	return [2]string{kube.ReadyOf(t, w, keyIdentity("release", v1alpha1.Key{})).Message, kube.ReadyOf(t, w, kube.Policy("acme")).Message}
}

func (w *kmsWorld) expect(t *testing.T, identity, policy string) {
	t.Helper()
	if diff := cmp.Diff([2]string{identity, policy}, w.says(t)); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprint(w.says(t)); strings.Contains(text, canary) {
		t.Errorf("a raw error is shown: %s", text)
	}
	if got := kube.ReadyOf(t, w, kube.Policy("other")); got.Status != "True" || len(kube.Wants(t, w.store.Current(), "other")) != 1 {
		t.Errorf("a policy that needs no KMS feels it: %+v", got)
	}
}

func invalid(why string) (identity, policy string) {
	identity = "spec.key.kms: " + uri + ": " + why
	return identity, `spec.require[0].anyOf[0]: TrustedIdentity "release" is invalid: ` + identity
}

const (
	identityFine, policyFine = "the identity can be used", "the policy is in force"
	stale                    = identityFine + "; " + uri + ": the KMS gave no usable answer; the keys that were read at 2000-01-01T00:00:00Z are used until 2000-01-02T00:00:00Z"
)

func TestKMS(t *testing.T) {
	down := fails(problem.KindUnavailable, "the KMS gave no usable answer")
	t.Run("a key is used as soon as it has been read", func(t *testing.T) {
		inKMS(t, func(ctx context.Context) (string, error) {
			time.Sleep(3 * time.Second)
			return publicPEM(t, 'a'), nil
		}, func(t *testing.T, w *kmsWorld) {
			w.expect(t, first(invalid("it has not been read yet")), second(invalid("it has not been read yet")))
			if w.store.Ready(nil) == nil {
				t.Error("ready before the key was asked for: a rolling update would deny what was admitted before")
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			w.expect(t, identityFine, policyFine)
			if err := w.store.Ready(nil); err != nil {
				t.Error(err)
			}
			w.service.answer("hashivault://new", hangs)
			if err := w.Create(t.Context(), keyIdentity("new", v1alpha1.Key{KMS: "hashivault://new"})); err != nil {
				t.Fatal(err)
			}
			w.load(t)
			if err := w.store.Ready(nil); err != nil {
				t.Errorf("a new identity takes a replica out of service: %v", err)
			}
			if err := w.Delete(t.Context(), keyIdentity("new", v1alpha1.Key{})); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("a KMS that is down makes its identity invalid, and is asked again each minute", func(t *testing.T) {
		inKMS(t, down, func(t *testing.T, w *kmsWorld) {
			synctest.Wait()
			identity, policy := invalid("the KMS gave no usable answer")
			w.expect(t, identity, policy)
			if err := w.store.Ready(nil); err != nil {
				t.Errorf("one KMS that is down keeps a replica from working: %v", err)
			}
			w.service.answer(uri, says(publicPEM(t, 'a')))
			time.Sleep(61 * time.Second)
			synctest.Wait()
			w.expect(t, identityFine, policyFine)
		})
	})
	t.Run("a KMS that goes down later is done without for a day", func(t *testing.T) {
		inKMS(t, says(publicPEM(t, 'a')), func(t *testing.T, w *kmsWorld) {
			synctest.Wait()
			w.service.answer(uri, down)
			time.Sleep(11 * time.Minute)
			synctest.Wait()
			w.expect(t, stale, policyFine)
			time.Sleep(23*time.Hour + 45*time.Minute)
			synctest.Wait()
			w.expect(t, stale, policyFine)
			time.Sleep(6 * time.Minute)
			synctest.Wait()
			w.expect(t, first(invalid("the KMS gave no usable answer")), second(invalid("the KMS gave no usable answer")))
			w.service.answer(uri, says(publicPEM(t, 'a')))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			w.expect(t, identityFine, policyFine)
		})
	})
	t.Run("a key that is gone counts no longer", func(t *testing.T) {
		inKMS(t, says(publicPEM(t, 'a')), func(t *testing.T, w *kmsWorld) {
			synctest.Wait()
			w.service.answer(uri, fails(problem.KindNotFound, "the KMS has no such key, or the key is disabled"))
			time.Sleep(11 * time.Minute)
			synctest.Wait()
			w.expect(t, first(invalid("the KMS has no such key, or the key is disabled")), second(invalid("the KMS has no such key, or the key is disabled")))
		})
	})
	t.Run("a rotated key is noticed within ten minutes, and what did not change changes nothing", func(t *testing.T) {
		inKMS(t, says(publicPEM(t, 'a')), func(t *testing.T, w *kmsWorld) {
			time.Sleep(35 * time.Minute)
			synctest.Wait()
			if w.service.reads != 4 || w.changed != 1 {
				t.Errorf("%d reads, %d loads", w.service.reads, w.changed)
			}
			before := kube.Wants(t, w.store.Current(), "acme")
			w.service.answer(uri, says(publicPEM(t, 'b')))
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if diff := cmp.Diff(before, kube.Wants(t, w.store.Current(), "acme")); diff == "" || w.changed != 2 {
				t.Errorf("the old key is still wanted after %d loads", w.changed)
			}
		})
	})
	t.Run("a KMS that never answers", func(t *testing.T) {
		inKMS(t, hangs, func(t *testing.T, w *kmsWorld) {
			time.Sleep(time.Hour)
			w.expect(t, first(invalid("it has not been read yet")), second(invalid("it has not been read yet")))
		})
	})
	t.Run("an answer that is no public key", func(t *testing.T) {
		inKMS(t, says(canary), func(t *testing.T, w *kmsWorld) {
			synctest.Wait()
			w.expect(t, first(invalid("no PEM block found; write the content of cosign.pub, from \"-----BEGIN PUBLIC KEY-----\" on")), second(invalid("no PEM block found; write the content of cosign.pub, from \"-----BEGIN PUBLIC KEY-----\" on")))
		})
	})
	t.Run("an error without a kind", func(t *testing.T) {
		inKMS(t, func(context.Context) (string, error) { return "", errors.New(canary) }, func(t *testing.T, w *kmsWorld) {
			synctest.Wait()
			w.expect(t, first(invalid("it cannot be read")), second(invalid("it cannot be read")))
		})
	})
}

func first(a, _ string) string  { return a }
func second(_, b string) string { return b }

// orAnHour is an hour in the place of no wait.
func orAnHour(wait time.Duration) time.Duration {
	if wait == 0 {
		return time.Hour
	}
	return wait
}
