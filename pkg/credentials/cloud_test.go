package credentials

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/fluxcd/pkg/auth/aws"
	"github.com/fluxcd/pkg/auth/azure"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

const (
	ecrHost = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
	acr     = "acme.azurecr.io"
	gar     = "europe-docker.pkg.dev"
)

// TestHostsOfClouds: the identity of a cloud goes to registries of that cloud only.
func TestHostsOfClouds(t *testing.T) {
	t.Parallel()
	clouds := allClouds(t)
	for host, want := range map[string]string{
		ecrHost: "aws", "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "aws", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": "aws",
		"public.ecr.aws": "aws",
		acr:              "azure", "acme.azurecr.cn": "azure", "acme.azurecr.us": "azure",
		gar: "gcp", "gcr.io": "gcp", "eu.gcr.io": "gcp",
		// Attacks: hosts with similar names.
		ecrHost + ".attacker.example": "", "attacker.example": "", "123456789012.dkr.ecr.eu-central-1.amazonaws.attacker.example": "",
		"12345.dkr.ecr.eu-central-1.amazonaws.com": "", "x" + ecrHost: "", ecrHost + ":8443": "",
		"azurecr.io": "", "attackerazurecr.io": "", acr + ".attacker.example": "", acr + ":8443": "", "acme.azurecr.io.": "",
		"attackergcr.io": "", "gcr.io.attacker.example": "", "docker.pkg.dev": "", "pkg.dev": "", "eu.gcr.io:8443": "",
		gar + ".attacker.example": "", "attacker.example/" + gar: "", "attacker.example?" + gar: "", "a@" + acr: "", "": "",
	} {
		var got []string
		for _, cloud := range CloudNames() {
			if clouds.Owns(cloud, host) {
				got = append(got, cloud)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is of %q, want %q", host, got, want)
		}
	}
	if clouds.Owns("oracle", "ocir.io") {
		t.Error("an unknown cloud owns hosts")
	}
}

// TestProvider: what Flux's field provider makes of a connection.
func TestProvider(t *testing.T) {
	t.Parallel()
	pem := "-----BEGIN CERTIFICATE-----\n" // tenantChosen does not read it
	for _, r := range []struct {
		sentence, cloud, host   string
		builder                 connectionBuilder
		origin, credentialError string
		problem                 string
	}{
		{sentence: "a registry of the cloud", cloud: "aws", host: ecrHost, origin: "chartgate's own aws identity"},
		{sentence: "a registry of another cloud", cloud: "aws", host: acr, problem: acr + " is not a registry of aws, so no aws identity is sent to it"},
		{sentence: "attack: a host of the tenant's", cloud: "gcp", host: "attacker.example", problem: "attacker.example is not a registry of gcp, so no gcp identity is sent to it"},
		{sentence: "an unknown cloud", cloud: "oracle\n", host: ecrHost, problem: `provider "oracle\n" is unknown`},
		{
			sentence: "attack: a CA of the tenant's", cloud: "azure", host: acr, builder: withCAs(pem),
			credentialError: "chartgate logs in to acme.azurecr.io with its own azure identity, but not over certificates or a proxy that the chart's source names",
		},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			resolver := New(Options{Clouds: allClouds(t)})
			got, err := resolver.cloud(r.cloud, r.host, r.builder.toNamed(r.host))
			var perr *problem.Error
			switch {
			case errors.As(err, &perr):
				if perr.Detail != r.problem {
					t.Errorf("the problem is %q, want %q", perr.Detail, r.problem)
				}
			case r.problem != "":
				t.Errorf("no problem, but %+v", got)
			case r.credentialError != "":
				if got.Login != nil || got.CredentialError == nil || got.CredentialError.Detail != r.credentialError {
					t.Errorf("got %+v, want no login because %q", got, r.credentialError)
				}
			default:
				if got.Login == nil || got.Origin != r.origin || got.ID == "" {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
}

func locationOf(t *testing.T, host string) chart.Location {
	t.Helper()
	location, err := chart.ParseChart("oci://" + host + "/acme/app")
	if err != nil {
		t.Fatal(err)
	}
	return location
}

func (b connectionBuilder) toNamed(host string) connectionBuilder {
	b.permission = permission{host: host, named: true}
	return b
}

func withCAs(pem string) (b connectionBuilder) {
	b.CAs = []byte(pem)
	return b
}

// TestProviderWithAServiceAccount: chartgate cannot become another service account.
func TestProviderWithAServiceAccount(t *testing.T) {
	t.Parallel()
	resolver := New(Options{Clouds: allClouds(t), Reader: fake.NewClientBuilder().WithObjects(account("apps", "puller")).Build()})
	_, err := resolver.Resolve(t.Context(), sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", ServiceAccount: "puller", Provider: "aws"}, locationOf(t, ecrHost))
	want := `provider "aws" with serviceAccountName "puller" logs in as that service account, which chartgate cannot do`
	var perr *problem.Error
	if !errors.As(err, &perr) || perr.Kind != problem.KindUnsupported || perr.Detail != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestGoogle runs Google's library against a metadata server on this machine.
func TestGoogle(t *testing.T) {
	var asked atomic.Int64
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if !strings.HasSuffix(r.URL.Path, "/token") {
			_, _ = w.Write([]byte("ok"))
			return
		}
		n := asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token": "token-%d", "expires_in": 3600, "token_type": "Bearer"}`, n)
	}))
	defer metadata.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(metadata.URL, "http://"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	clouds := allClouds(t)
	for range 2 {
		wantLogin(t, clouds, "gcp", gar, "oauth2accesstoken:token-1") // the second time from memory
	}
	if asked.Load() != 1 {
		t.Errorf("the metadata server was asked %d times", asked.Load())
	}
}

// TestAmazon runs Amazon's library against an ECR on this machine, with the keys of the
// environment.
func TestAmazon(t *testing.T) {
	var asked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if signed := r.Header.Get("Authorization"); !strings.Contains(signed, "Credential=AKIDEXAMPLE/") || !strings.Contains(signed, "/eu-central-1/ecr/") {
			t.Errorf("not signed for ECR in eu-central-1: %s", signed)
		}
		asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"authorizationData": []map[string]any{{
			"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:password")), "expiresAt": time.Now().Add(12 * time.Hour).Unix(),
		}}})
	}))
	defer service.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CA_BUNDLE": "", "HOME": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	clouds, err := newClouds(aws.Provider{Implementation: localECR{url: service.URL}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantLogin(t, clouds, "aws", ecrHost, "AWS:password")
	}
	if asked.Load() != 1 {
		t.Errorf("ECR was asked %d times", asked.Load())
	}
}

// localECR is Amazon's library, except for the address of ECR.
type localECR struct {
	aws.Implementation
	url string
}

// LoadDefaultConfig finds the identity.
func (localECR) LoadDefaultConfig(ctx context.Context, options ...func(*config.LoadOptions) error) (sdk.Config, error) {
	return config.LoadDefaultConfig(ctx, options...)
}

// GetAuthorizationToken asks ECR.
func (l localECR) GetAuthorizationToken(ctx context.Context, c sdk.Config) (any, error) {
	c.BaseEndpoint = &l.url
	return ecr.NewFromConfig(c).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
}

// TestAzure runs Azure's library against the token endpoint of a registry on this
// machine; only the login at Entra ID is replaced.
func TestAzure(t *testing.T) {
	t.Parallel()
	registry := newAzureRegistry(t)
	clouds, err := newClouds(azure.Provider{Implementation: registry})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantLogin(t, clouds, "azure", acr, "00000000-0000-0000-0000-000000000000:"+registry.refresh)
	}
	if registry.asked.Load() != 1 {
		t.Errorf("the registry was asked %d times", registry.asked.Load())
	}
}

// TestACloudThatRefuses: neither the message nor the log repeats an answer.
func TestACloudThatRefuses(t *testing.T) {
	t.Parallel()
	registry := newAzureRegistry(t)
	registry.refuse.Store(true)
	clouds, err := newClouds(azure.Provider{Implementation: registry})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = clouds.Login(t.Context(), "azure", acr)
	var perr *problem.Error
	if !errors.As(err, &perr) || perr.Kind != problem.KindUnauthorized {
		t.Fatalf("got %v", err)
	}
	want := "chartgate could not log in to acme.azurecr.io with its own azure identity; its log has the cause: " +
		"log in to acme.azurecr.io as azure identity: the answer was 401 \"\""
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestACloudThatHangs is a timeout of the admission's.
func TestACloudThatHangs(t *testing.T) {
	t.Parallel()
	registry := newAzureRegistry(t)
	clouds, err := newClouds(azure.Provider{Implementation: registry})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = clouds.Login(ctx, "azure", acr)
	var perr *problem.Error
	if !errors.As(err, &perr) || perr.Kind != problem.KindTimeout {
		t.Errorf("got %v", err)
	}
}

// TestIdentity: chartgate's own fallback, for the clouds that the admin named.
func TestIdentity(t *testing.T) {
	t.Parallel()
	registry := newAzureRegistry(t)
	clouds, err := newClouds(azure.Provider{Implementation: registry})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clouds.Identity([]string{"azure", "oracle"}); err == nil {
		t.Error("an unknown cloud is accepted")
	}
	login, err := clouds.Identity([]string{"azure"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{acr: registry.refresh, gar: "", "ghcr.io": "", acr + ".attacker.example": ""} {
		if _, password, err := login(t.Context(), locationOf(t, host)); err != nil || password != want {
			t.Errorf("%s gets %q, %v; want %q", host, password, err, want)
		}
	}
}

func wantLogin(t *testing.T, clouds *Clouds, cloud, host, want string) {
	t.Helper()
	username, password, err := clouds.Login(t.Context(), cloud, host)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, username+":"+password); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func allClouds(t *testing.T) *Clouds {
	t.Helper()
	clouds, err := NewClouds()
	if err != nil {
		t.Fatal(err)
	}
	return clouds
}

// azureRegistry is a registry of Azure's, and an identity that is logged in to Entra ID.
type azureRegistry struct {
	azure.Implementation
	server  *httptest.Server
	refresh string
	asked   atomic.Int64
	refuse  atomic.Bool
}

func newAzureRegistry(t *testing.T) *azureRegistry {
	t.Helper()
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	r := &azureRegistry{refresh: part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(3*time.Hour).Unix())) + "."}
	r.server = httptest.NewTLSServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

func (r *azureRegistry) serve(w http.ResponseWriter, req *http.Request) {
	r.asked.Add(1)
	w.Header().Set("Content-Type", "application/json")
	if r.refuse.Load() || req.URL.Path != "/oauth2/exchange" || req.PostFormValue("access_token") != "entra-token" || req.PostFormValue("service") != acr {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errors": [{"code": "UNAUTHORIZED", "message": "you sent entra-token"}]}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"refresh_token": r.refresh})
}

// NewDefaultAzureCredentialWithoutShellOut is the login at Entra ID.
func (r *azureRegistry) NewDefaultAzureCredentialWithoutShellOut(*azidentity.DefaultAzureCredentialOptions) (azcore.TokenCredential, error) {
	return entra{}, nil
}

// ExchangeAADAccessTokenForACRRefreshToken asks the registry on this machine instead of
// the one in the cloud.
func (r *azureRegistry) ExchangeAADAccessTokenForACRRefreshToken(ctx context.Context, _ *azcontainerregistry.AuthenticationClient, grant azcontainerregistry.PostContentSchemaGrantType, service string, o *azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions) (azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenResponse, error) {
	client, err := azcontainerregistry.NewAuthenticationClient(r.server.URL, &azcontainerregistry.AuthenticationClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: r.server.Client(), Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		return azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenResponse{}, err
	}
	return client.ExchangeAADAccessTokenForACRRefreshToken(ctx, grant, service, o)
}

type entra struct{}

func (entra) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return azcore.AccessToken{}, err
	}
	if len(o.Scopes) != 1 {
		return azcore.AccessToken{}, fmt.Errorf("want one scope, got %v", o.Scopes)
	}
	return azcore.AccessToken{Token: "entra-token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func account(namespace, name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
