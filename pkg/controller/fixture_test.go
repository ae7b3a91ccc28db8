package controller_test

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/controller"
)

var errInjected = errors.New("injected")

// identities is the ConfigMap that chartgate reads.
var identities = types.NamespacedName{Namespace: "chartgate-system", Name: "chartgate-identities"}

func clusterWith(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.TrustedIdentity{}, &v1alpha1.ChartPolicy{}, &v1alpha1.TrustRoot{}).WithInterceptorFuncs(funcs).Build()
}

func identity(name, subject string) *v1alpha1.TrustedIdentity {
	return &v1alpha1.TrustedIdentity{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 3},
		Spec:       v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: "https://issuer.example", Subject: subject}},
	}
}

// brokenIdentity is nobody.
func brokenIdentity(name string) *v1alpha1.TrustedIdentity {
	return &v1alpha1.TrustedIdentity{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 3}}
}

func chartPolicy(name string, anyOf ...string) *v1alpha1.ChartPolicy {
	return &v1alpha1.ChartPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 7},
		Spec: v1alpha1.ChartPolicySpec{
			Match: v1alpha1.Match{Charts: []string{"oci://ghcr.io/" + name + "/**"}}, Require: []v1alpha1.Requirement{{AnyOf: anyOf}},
		},
	}
}

func configMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: identities.Namespace, Name: identities.Name}, Data: data}
}

const goodList = `- {name: listed, charts: ["oci://ghcr.io/listed/**"], keyless: {issuer: "https://issuer.example", subject: s}}`

// snapshotOf reads keys from the cluster's Secrets, and from no KMS.
func snapshotOf(c client.Client) *controller.Snapshot {
	return controller.NewSnapshot(c, identities, controller.NewKeys(c, identities.Namespace, nil, controller.RefreshKeys))
}
