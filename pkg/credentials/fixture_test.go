package credentials_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// row is a sentence about one question.
type row struct {
	sentence string
	access   sourceauth.Auth
	host     string // ghcr.io if empty
	objects  []client.Object
	want     answer
}

// answer is what Connect said, in a form that can be compared.
type answer struct {
	Login, Origin   string // "user:password"
	CAs             string // the PEM's name, see known; "+" in front if they are added
	Client          string
	Proxy           string
	CredentialError string // "kind: detail", for an error as well
	Error           string
	Next            string // of the error
}

// known are PEM blocks by name.
type known map[string]string

var pems = newPEMs()

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			got := ask(t, resolverFor(t, r.objects), r.access, r.host)
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// resolver reads the objects from a fake API server.
func resolverFor(t *testing.T, objects []client.Object) *credentials.Resolver {
	t.Helper()
	return resolverOf(t, fake.NewClientBuilder().WithObjects(objects...).Build())
}

func resolverOf(t *testing.T, reader client.Reader) *credentials.Resolver {
	t.Helper()
	clouds, err := credentials.NewClouds()
	if err != nil {
		t.Fatal(err)
	}
	return credentials.New(credentials.Options{
		Reader: reader, ArgoNamespace: "argocd", PlainHTTP: []string{"registry.test:5000"}, Clouds: clouds,
	})
}

// failing answers every read with an error.
func failing(err error) client.Reader {
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return err
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return err },
	}).Build()
}

func ask(t *testing.T, c *credentials.Resolver, access sourceauth.Auth, host string) answer {
	t.Helper()
	if host == "" {
		host = "ghcr.io"
	}
	if access.Consumer != 0 { // permission_test.go has the others
		access.StoredHost, access.NamedHost = host, host
	}
	return connect(t, c, access, host)
}

// connect asks as it is told.
func connect(t *testing.T, c *credentials.Resolver, access sourceauth.Auth, host string) answer {
	t.Helper()
	connection, err := c.Resolve(t.Context(), access, at(t, host+"/acme/charts/podinfo"))
	if err != nil {
		var perr *problem.Error
		if !errors.As(err, &perr) {
			t.Fatalf("%v is no problem", err)
		}
		return answer{Error: textOf(perr), Next: perr.Next}
	}
	return toAnswer(t, connection)
}

// at is a repository.
func at(t testing.TB, place string) chart.Location {
	t.Helper()
	location, err := chart.ParseChart("oci://" + place)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

func toAnswer(t *testing.T, c registry.Connection) answer {
	t.Helper()
	got := answer{Origin: c.Origin, CAs: pems.name(string(c.CAs)), Client: pems.name(string(c.ClientCertificate) + string(c.ClientKey))}
	if c.AddCAs {
		got.CAs = "+" + got.CAs
	}
	if c.Proxy != nil {
		got.Proxy = c.Proxy.String()
	}
	if c.CredentialError != nil {
		got.CredentialError = textOf(c.CredentialError)
	}
	if c.Login != nil {
		username, password, err := c.Login(t.Context())
		if got.Login = username + ":" + password; err != nil {
			got.Login = err.Error()
		}
	}
	return got
}

func textOf(p *problem.Error) string {
	names := map[problem.Kind]string{
		problem.KindInternal: "Internal", problem.KindInvalid: "Invalid", problem.KindUnauthorized: "Unauthorized", problem.KindTimeout: "Timeout",
		problem.KindSourceNotFound: "SourceNotFound", problem.KindLimitExceeded: "LimitExceeded", problem.KindUnsupported: "Unsupported",
		problem.KindNotStored: "NotStored",
	}
	return names[p.Kind] + ": " + p.Detail
}

// secret is one in the namespace apps, of no particular type.
func secret(name string, data map[string]string) *corev1.Secret {
	return secretIn("apps", name, corev1.SecretTypeOpaque, data)
}

func secretIn(namespace, name string, kind corev1.SecretType, data map[string]string) *corev1.Secret {
	made := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: kind, Data: map[string][]byte{}}
	for key, value := range data {
		made.Data[key] = []byte(value)
	}
	return made
}

// docker is a Docker configuration in the namespace apps.
func docker(name, text string) *corev1.Secret {
	return secretIn("apps", name, corev1.SecretTypeDockerConfigJson, map[string]string{".dockerconfigjson": text})
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func serviceAccount(name string, pullSecrets ...string) *corev1.ServiceAccount {
	made := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
	for _, secret := range pullSecrets {
		made.ImagePullSecrets = append(made.ImagePullSecrets, corev1.LocalObjectReference{Name: secret})
	}
	return made
}

func (k known) name(text string) string {
	if text == "" {
		return ""
	}
	for name, pem := range k {
		if pem == text {
			return name
		}
	}
	return "unknown"
}

// newPEMs makes a CA, two client certificates and what tells them apart. "pair" is the
// certificate with its key.
func newPEMs() known {
	result := known{}
	for _, name := range []string{"ca", "client", "other"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		}
		certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			panic(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err)
		}
		result[name] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
		result[name+" key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	}
	result["pair"] = result["client"] + result["client key"]
	return result
}

func objects(lists ...[]client.Object) []client.Object { return slices.Concat(lists...) }
