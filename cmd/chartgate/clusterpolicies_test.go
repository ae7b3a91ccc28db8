package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/test/fixtures/kube"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// failing answers requests for a kind with an error.
func failing(kind string, err error) interceptor.Funcs {
	is := func(o any) bool {
		k, ok := o.(interface {
			GroupVersionKind() schema.GroupVersionKind
		})
		return ok && strings.TrimSuffix(k.GroupVersionKind().Kind, "List") == kind
	}
	return interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if is(list) {
				return err
			}
			return c.List(ctx, list, opts...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if is(o) {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
	}
}

var forbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", fmt.Errorf(`the user "bob" cannot read things`))

// webhookIn is the webhook configuration of a chartgate in a namespace.
func webhookIn(namespace string) client.Object {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "chartgate"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "charts.chartgate.dev", ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: "chartgate"},
		}}},
	}
}

// keyed is an identity whose key is in a Secret, and the Secret.
func keyed(t *testing.T, namespace string) []client.Object {
	t.Helper()
	key, err := sigstore.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	identity := kube.BrokenIdentity("release")
	identity.Spec.Key = &v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{Name: "release"}}
	return []client.Object{identity, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "release"}, Data: map[string][]byte{"cosign.pub": public}}}
}

// What --policy cluster takes from a cluster, and what it says where the user may not read it.
func TestClusterPolicies(t *testing.T) {
	const wanted = "acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)"
	acme := []client.Object{kube.Policy("acme", "release"), kube.Identity("release", "release@acme.example"), webhookIn(kube.Namespace)}
	with := func(objects ...client.Object) []client.Object { return append(objects, acme...) }
	list := kube.ConfigMap(kube.Identities.Name, map[string]string{"identities.yaml": `[{name: listed, charts: ["oci://ghcr.io/acme/**"], keyless: {issuer: "https://issuer.example", subject: s}}]`})
	elsewhere := list.DeepCopy()
	elsewhere.Namespace = "security"
	const listed = "the identities ConfigMap requires a signature by listed (subject s, issuer https://issuer.example)"
	noMatch := &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: v1alpha1.Group, Kind: "ChartPolicy"}}
	for _, c := range []struct {
		sentence  string
		objects   []client.Object
		funcs     interceptor.Funcs
		namespace string // --chartgate-namespace
		files     string
		wants     []string // what the policies that match acme want
		warns     []string
		fails     string
	}{
		{sentence: "policies and identities", objects: acme, wants: []string{wanted}},
		{sentence: "the identities ConfigMap", objects: with(list), wants: []string{wanted, listed}},
		{sentence: "a ConfigMap without identities is ignored, as in the cluster", objects: with(kube.ConfigMap(kube.Identities.Name, map[string]string{"a": "b"})), wants: []string{wanted}},
		{sentence: "the namespace is that of the webhook's service", objects: []client.Object{webhookIn("security"), elsewhere}, wants: []string{listed}},
		{sentence: "the flag goes before it", objects: with(elsewhere), namespace: "security", wants: []string{wanted, listed}},
		{
			sentence: "a namespace that is guessed is told", objects: []client.Object{kube.Policy("acme", "release"), kube.Identity("release", "release@acme.example"), elsewhere},
			wants: []string{wanted}, warns: []string{"there is no ConfigMap chartgate-identities in chartgate-system, where chartgate runs by default; if it runs elsewhere"},
		},
		{
			sentence: "a cluster without policies denies every chart", objects: []client.Object{webhookIn(kube.Namespace)}, wants: nil,
			warns: []string{"context test has no policies: it denies every chart"},
		},
		{
			sentence: "a policy that the cluster cannot use denies, too", objects: []client.Object{kube.Policy("acme", "absent"), webhookIn(kube.Namespace)}, wants: []string{"acme requires a signature"},
			warns: []string{"context test: ChartPolicy acme is invalid and denies what it matches: spec.require[0].anyOf[0]: TrustedIdentity \"absent\" does not exist"},
		},
		{sentence: "a file replaces the policy of its name", objects: acme, files: strings.Replace(acmePolicy, "ghcr.io/acme", "quay.io/acme", 1), wants: nil},
		{sentence: "a file is added to the policies", objects: acme, files: strings.Replace(acmePolicy, "name: acme", "name: more", 1), wants: []string{wanted, strings.Replace(wanted, "acme requires", "more requires", 1)}},
		{sentence: "a file with identities replaces the ConfigMap", objects: with(list), files: strings.Replace(identityList, "name: release", "name: other", 1), wants: []string{wanted, strings.Replace(strings.Replace(listed, "listed", "other", 1), "subject s", "subject release@acme.example", 1)}},
		{sentence: "the API server fails", objects: acme, funcs: failing("TrustedIdentity", fmt.Errorf("boom")), fails: "read the TrustedIdentities of context test: boom"},
		{sentence: "a cluster without chartgate", funcs: failing("ChartPolicy", noMatch), fails: "read the ChartPolicies of context test: the cluster has no kind ChartPolicy in chartgate.dev/v1alpha1: chartgate is not installed there"},
		{sentence: "ChartPolicies that the user may not read", objects: acme, funcs: failing("ChartPolicy", forbidden), fails: `read the ChartPolicies of context test: the user may not read it (the user "bob" cannot read things)`},
		{
			sentence: "TrustedIdentities that the user may not read", objects: acme, funcs: failing("TrustedIdentity", forbidden), wants: []string{"acme requires a signature"},
			warns: []string{"context test: the TrustedIdentities cannot be read: ", "ChartPolicy acme is invalid and denies what it matches"},
		},
		{
			sentence: "a ConfigMap that the user may not read could deny further charts", objects: acme, funcs: failing("ConfigMap", forbidden),
			fails: "read ConfigMap chartgate-system/chartgate-identities of context test: the user may not read it (the user \"bob\" cannot read things); its identities may deny further charts",
		},
		{sentence: "unless a file gives it", objects: acme, funcs: failing("ConfigMap", forbidden), files: strings.Replace(identityList, "acme", "other", 1), wants: []string{wanted}},
		{sentence: "a key in a Secret", objects: append(keyed(t, kube.Namespace), kube.Policy("acme", "release"), webhookIn(kube.Namespace)), wants: []string{"acme requires a signature by release (key sha256:"}},
		{
			sentence: "a key in a Secret of another namespace", objects: append(keyed(t, "other"), kube.Policy("acme", "release"), webhookIn(kube.Namespace)), wants: []string{"acme requires a signature"},
			warns: []string{"TrustedIdentity release is invalid: spec.key.secretRef: Secret release, key cosign.pub: there is no such Secret in namespace chartgate-system of context test", "ChartPolicy acme is invalid"},
		},
		{
			sentence: "a key in a Secret that the user may not read", objects: append(keyed(t, kube.Namespace), kube.Policy("acme", "release"), webhookIn(kube.Namespace)), funcs: failing("Secret", forbidden), wants: []string{"acme requires a signature"},
			warns: []string{"the user may not read Secrets in namespace chartgate-system of context test", "ChartPolicy acme is invalid"},
		},
		{
			sentence: "a webhook configuration that the user may not read", objects: with(list), funcs: failing("ValidatingWebhookConfiguration", forbidden), wants: []string{wanted, listed},
		},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			read := &cluster{name: "context test", kube: kube.Cluster(t, c.funcs, c.objects...)}
			var files []document
			var warned strings.Builder
			if c.files != "" {
				var err error
				dir := (&shop{host: "ghcr.io"}).files(t, map[string]string{"a.yaml": c.files})
				if files, err = readPolicies(nil, &warned, []string{dir}); err != nil {
					t.Fatal(err)
				}
			}
			loaded, err := read.load(t.Context(), &warned, c.namespace, files, kms.NewReader())
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("want %q, got %v", c.fails, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range c.warns {
				if !strings.Contains(warned.String(), text) {
					t.Errorf("it does not warn of %q: %s", text, warned.String())
				}
			}
			if len(c.warns) == 0 && warned.Len() > 0 {
				t.Errorf("it warns: %s", warned.String())
			}
			location, err := chart.ParseLocation("oci://ghcr.io/acme/x")
			if err != nil {
				t.Fatal(err)
			}
			matching := loaded.Current().For(location).Policies()
			if len(matching) != len(c.wants) {
				t.Fatalf("%d policies match", len(matching))
			}
			for i, p := range matching {
				if !strings.HasPrefix(p.Wants(), c.wants[i]) {
					t.Errorf("want %q, got %q", c.wants[i], p.Wants())
				}
			}
		})
	}
}

// Which trust root proves a keyless signature under the policies of a cluster.
func TestClusterTrustRoots(t *testing.T) {
	s := theShop(t)
	inline := kube.TrustRoot("default", v1alpha1.TrustRootSpec{TrustedRoot: string(s.root)})
	referring := kube.TrustRoot("default", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "roots"}})
	roots := kube.ConfigMap("roots", map[string]string{"trusted_root.json": string(s.root)})
	installed := kube.ConfigMap("mine", map[string]string{"trusted_root.json": string(s.root)})
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace, Name: "chartgate"}}
	deployment.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "tmp"}, {Name: "trusted-root", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "mine"}},
	}}}
	usual := kube.ConfigMap("chartgate-trusted-root", installed.Data)
	broken := kube.ConfigMap("mine", map[string]string{"trusted_root.json": "{"})
	const unusable = "made with a certificate, which cannot be verified: the TrustRoot default cannot be used: "
	for _, c := range []struct {
		sentence string
		objects  []client.Object
		funcs    interceptor.Funcs
		says     string // on any stream
		code     int
	}{
		{"the TrustRoot default", []client.Object{inline}, interceptor.Funcs{}, "Chart admitted", 0},
		{"one whose content is in a ConfigMap", []client.Object{referring, roots}, interceptor.Funcs{}, "Chart admitted", 0},
		{"one whose ConfigMap is absent", []client.Object{referring}, interceptor.Funcs{}, unusable + "there is no such ConfigMap in namespace chartgate-system of context test", 1},
		{"the trust root of the installation", []client.Object{deployment, installed}, interceptor.Funcs{}, "Chart admitted", 0},
		{"by its usual name if the Deployment cannot be read", []client.Object{deployment, usual}, failing("Deployment", forbidden), "Chart admitted", 0},
		{"one of the installation that is absent", []client.Object{deployment}, interceptor.Funcs{}, "the trust root that chartgate was installed with", 2},
		{"one of the installation that cannot be parsed", []client.Object{deployment, broken}, interceptor.Funcs{}, "ConfigMap chartgate-system/mine of context test: trusted_root.json: ", 2},
		{"a TrustRoot goes before that of the installation", []client.Object{deployment, installed, referring}, interceptor.Funcs{}, unusable, 1},
		{"TrustRoots that the user may not read are not replaced by Sigstore's", []client.Object{inline}, failing("TrustRoot", forbidden), unusable + "the user may not read the TrustRoots of context test", 1},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			policy := kube.Policy("acme", "release")
			policy.Spec.Match.Charts = []string{"oci://" + s.host + "/acme/**"}
			objects := append([]client.Object{policy, kube.Identity("release", "release@acme.example"), webhookIn(kube.Namespace)}, c.objects...)
			var out strings.Builder
			var f verifyFlags
			cmd := f.command()
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SetContext(t.Context())
			if err := cmd.ParseFlags([]string{"--plain-http", s.host, "--tuf-cache", t.TempDir()}); err != nil {
				t.Fatal(err)
			}
			loaded, err := (&cluster{name: "context test", kube: kube.Cluster(t, c.funcs, objects...)}).load(t.Context(), &out, "", nil, kms.NewReader())
			if err == nil {
				err = f.verifyUnder(cmd, loaded, []string{"oci://" + s.host + "/acme/podinfo:1.0.0"})
			}
			if code := exitCode(err); code != c.code || !strings.Contains(fmt.Sprint(out.String(), err), c.says) {
				t.Errorf("exit code %d, %v: %s", code, err, out.String())
			}
		})
	}
}

// A kubeconfig is found as kubectl finds it.
func TestConnect(t *testing.T) {
	config := func(current string) string {
		return `{apiVersion: v1, kind: Config, current-context: "` + current + `", clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {token: t}}],
contexts: [{name: a, context: {cluster: c, user: u, namespace: team-a}}, {name: b, context: {cluster: c, user: u}}]}`
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"a": config("a"), "none": config(""), "broken": "{", "badca": strings.Replace(config("a"), `"https://127.0.0.1:1"`, `"https://127.0.0.1:1", certificate-authority-data: `+base64.StdEncoding.EncodeToString([]byte("x")), 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", t.TempDir())
	for _, c := range []struct {
		sentence, env     string
		flags             clusterFlags
		name, in, failure string
	}{
		{"the current context", "", clusterFlags{kubeconfig: dir + "/a"}, "context a", "team-a", ""},
		{"a context by its name", "", clusterFlags{kubeconfig: dir + "/a", context: "b"}, "context b", "default", ""},
		{"$KUBECONFIG", dir + "/a", clusterFlags{}, "context a", "team-a", ""},
		{"the flag goes before $KUBECONFIG", dir + "/broken", clusterFlags{kubeconfig: dir + "/a"}, "context a", "team-a", ""},
		{"no kubeconfig", "", clusterFlags{}, "", "", "find the cluster: no kubeconfig names one: give --kubeconfig FILE, or set KUBECONFIG"},
		{"a kubeconfig that does not exist", "", clusterFlags{kubeconfig: dir + "/absent"}, "", "", "absent: no such file or directory"},
		{"a context that does not exist", "", clusterFlags{kubeconfig: dir + "/a", context: "x"}, "", "", `context "x" does not exist`},
		{"a kubeconfig that is none", "", clusterFlags{kubeconfig: dir + "/broken"}, "", "", "find the cluster: "},
		{"a kubeconfig without a usable CA", "", clusterFlags{kubeconfig: dir + "/badca"}, "", "", "find the cluster: "},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Setenv("KUBECONFIG", c.env)
			found, err := c.flags.connect()
			if c.failure != "" {
				if err == nil || !strings.Contains(err.Error(), c.failure) {
					t.Errorf("want %q, got %v", c.failure, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found.name != c.name || found.namespace != c.in {
				t.Errorf("%+v", found)
			}
		})
	}
}
