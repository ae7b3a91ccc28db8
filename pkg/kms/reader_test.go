package kms_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/pkg/problem"
)

// TestMain sets a proxy that leads to the clouds before any client reads the environment, which
// each reads once.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "chartgate-kms-")
	if err == nil {
		err = theClouds.start(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	theClouds.stop()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var theClouds clouds

// clouds answers for every host of AWS, Azure and Google that their clients connect to, as far as
// they read a public key. The requests, with their names and credentials, come from the real
// clients. The answers follow the API references of the services; they were not compared with real
// answers.
type clouds struct {
	kmspb.UnimplementedKeyManagementServiceServer
	ca    *x509.Certificate
	caKey *ecdsa.PrivateKey
	web   *httptest.Server // what hosts say, over TLS
	proxy *httptest.Server
	grpc  *grpc.Server
	ec    *ecdsa.PrivateKey
	rsa   *rsa.PrivateKey

	mu   sync.Mutex
	fail int      // HTTP status of every answer about keys; 0: no error
	code string   // the service's own name for it
	seen []string // requests about keys
	// stall holds Google's token service back until it is closed.
	stall chan struct{}

	left chan struct{} // a client has given up
}

func (c *clouds) start(dir string) error {
	var err error
	if c.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if c.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	if err := c.makeCA(); err != nil {
		return err
	}
	c.left = make(chan struct{}, 1)
	c.grpc = grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(c.grpc, c)
	c.web = httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	c.web.EnableHTTP2 = true
	c.web.TLS = &tls.Config{GetCertificate: c.certificate}
	c.web.StartTLS()
	c.proxy = httptest.NewServer(http.HandlerFunc(c.connect))
	account, err := c.googleAccount()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"ca.pem":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ca.Raw}),
		"google.json": account,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{
		"SSL_CERT_FILE": filepath.Join(dir, "ca.pem"), "SSL_CERT_DIR": dir, "AWS_CA_BUNDLE": filepath.Join(dir, "ca.pem"),
		"HTTPS_PROXY": c.proxy.URL, "NO_PROXY": "", "no_proxy": "",
		"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "canary-aws", "AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
		"AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": "chartgate", "AZURE_CLIENT_SECRET": "canary-azure",
		"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(dir, "google.json"),
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *clouds) stop() {
	if c.proxy != nil {
		c.proxy.CloseClientConnections()
		c.proxy.Close()
	}
	if c.web != nil {
		c.web.CloseClientConnections()
		c.web.Close()
	}
}

const tenant = "00000000-0000-0000-0000-000000000001"

// googleAccount is the key file of a service account.
func (c *clouds) googleAccount() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.rsa)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": "acme", "private_key_id": "1", "client_email": "chartgate@acme.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
	})
}

func (c *clouds) makeCA() error {
	var err error
	if c.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clouds"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, c.caKey.Public(), c.caKey)
	if err != nil {
		return err
	}
	c.ca, err = x509.ParseCertificate(der)
	return err
}

func (c *clouds) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{hello.ServerName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.ca, c.ec.Public(), c.caKey)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: c.ec}, err
}

// connect is a proxy that leads every host to this machine.
func (c *clouds) connect(w http.ResponseWriter, r *http.Request) {
	there, err := net.Dial("tcp", c.web.Listener.Addr().String())
	if r.Method != http.MethodConnect || err != nil {
		http.Error(w, "no", http.StatusBadGateway)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			_, _ = way[0].Close(), way[1].Close()
		}()
	}
}

func (c *clouds) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	stall := c.stall
	c.mu.Unlock()
	if stall != nil && r.Host == "oauth2.googleapis.com" {
		<-stall
	}
	switch host := r.Host; {
	case host == "login.microsoftonline.com" && strings.HasSuffix(r.URL.Path, "/token"), host == "oauth2.googleapis.com":
		say(w, http.StatusOK, map[string]any{"access_token": "canary-token", "token_type": "Bearer", "expires_in": 3600})
	case host == "login.microsoftonline.com":
		base := "https://login.microsoftonline.com/" + tenant
		say(w, http.StatusOK, map[string]any{
			"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration", "metadata": []any{},
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		})
	case host == "acme.vault.azure.net":
		c.azure(w, r)
	case host == "kms.eu-west-1.amazonaws.com", host == "kms.acme.example":
		c.aws(w, r)
	case host == "cloudkms.googleapis.com:443", host == "cloudkms.googleapis.com":
		c.grpc.ServeHTTP(w, r)
	default:
		http.Error(w, "unexpected host "+host, http.StatusTeapot)
	}
}

func say(w http.ResponseWriter, code int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(what)
}

// note records a request, and returns how it must fail.
func (c *clouds) note(request string) (int, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, request)
	return c.fail, c.code
}

func (c *clouds) azure(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer canary-token" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+tenant+`", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if fail, code := c.note(r.Method + " " + r.URL.Path); fail != 0 {
		say(w, fail, map[string]any{"error": map[string]string{"code": code, "message": "canary"}})
		return
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32))) }
	say(w, http.StatusOK, map[string]any{"key": map[string]any{
		"kid": "https://acme.vault.azure.net/keys/release/1", "kty": "EC-HSM", "crv": "P-256", "x": number(c.ec.X), "y": number(c.ec.Y),
	}})
}

func (c *clouds) aws(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	if !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIA/") {
		say(w, http.StatusForbidden, map[string]string{"__type": "MissingAuthenticationToken"})
		return
	}
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if fail, code := c.note(r.Host + " " + action + " " + string(raw)); fail != 0 {
		say(w, fail, map[string]string{"__type": code, "message": "canary"})
		return
	}
	der, _ := x509.MarshalPKIXPublicKey(c.rsa.Public())
	switch action {
	case "GetPublicKey":
		say(w, http.StatusOK, map[string]any{"PublicKey": der, "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": []string{"RSASSA_PKCS1_V1_5_SHA_256"}})
	default:
		say(w, http.StatusOK, map[string]any{"KeyMetadata": map[string]any{"KeyId": "1", "SigningAlgorithms": []string{"RSASSA_PKCS1_V1_5_SHA_256"}}})
	}
}

func (c *clouds) google(request string) error {
	switch fail, _ := c.note(request); fail {
	case 0:
		return nil
	case http.StatusNotFound:
		return status.Error(codes.NotFound, "canary")
	case http.StatusForbidden:
		return status.Error(codes.PermissionDenied, "canary")
	default:
		return status.Error(codes.Internal, "canary")
	}
}

func (c *clouds) GetCryptoKey(ctx context.Context, r *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	if strings.HasSuffix(r.GetName(), "/hangs") {
		<-ctx.Done()
		c.left <- struct{}{}
	}
	return &kmspb.CryptoKey{Name: r.GetName(), Purpose: kmspb.CryptoKey_ASYMMETRIC_SIGN}, c.google("GetCryptoKey " + r.GetName())
}

func (c *clouds) version(name string) *kmspb.CryptoKeyVersion {
	return &kmspb.CryptoKeyVersion{Name: name, Algorithm: kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, State: kmspb.CryptoKeyVersion_ENABLED}
}

func (c *clouds) ListCryptoKeyVersions(_ context.Context, r *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	answer := &kmspb.ListCryptoKeyVersionsResponse{}
	if !strings.HasSuffix(r.GetParent(), "/disabled") {
		answer.CryptoKeyVersions = []*kmspb.CryptoKeyVersion{c.version(r.GetParent() + "/cryptoKeyVersions/7")}
	}
	return answer, c.google("ListCryptoKeyVersions " + r.GetFilter() + " " + r.GetOrderBy())
}

func (c *clouds) GetCryptoKeyVersion(_ context.Context, r *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	return c.version(r.GetName()), c.google("GetCryptoKeyVersion")
}

func (c *clouds) GetPublicKey(_ context.Context, r *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	der, err := x509.MarshalPKIXPublicKey(c.ec.Public())
	if err != nil {
		return nil, err
	}
	_, version, _ := strings.Cut(r.GetName(), "/cryptoKeyVersions/")
	return &kmspb.PublicKey{Pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, c.google("GetPublicKey " + version)
}

// TestClouds reads with the services' own clients.
func TestClouds(t *testing.T) {
	const google = "gcpkms://projects/acme/locations/global/keyRings/charts/cryptoKeys/"
	const noKey, closed, odd = "the KMS has no such key, or the key is disabled", "the KMS does not let chartgate read the key", "the KMS gave no usable answer"
	aws := func(host, key string) []string {
		return []string{host + ` GetPublicKey {"KeyId":"` + key + `"}`, host + ` DescribeKey {"KeyId":"` + key + `"}`}
	}
	for _, c := range []struct {
		sentence string
		uri      string
		fail     int
		code     string
		want     outcome
		seen     []string
	}{
		{"an alias in AWS", "awskms:///alias/release", 0, "", outcome{Keys: 1}, aws("kms.eu-west-1.amazonaws.com", "alias/release")},
		{"a key in AWS at another endpoint", "awskms://kms.acme.example/1234abcd-12ab-34cd-56ef-1234567890ab", 0, "", outcome{Keys: 1},
			aws("kms.acme.example", "1234abcd-12ab-34cd-56ef-1234567890ab")},
		{"no such key in AWS", "awskms:///alias/release", 400, "NotFoundException", outcome{Kind: problem.KindNotFound, Detail: noKey}, nil},
		{"a disabled key in AWS", "awskms:///alias/release", 400, "DisabledException", outcome{Kind: problem.KindNotFound, Detail: noKey}, nil},
		{"a key that is about to be deleted in AWS", "awskms:///alias/release", 400, "KMSInvalidStateException", outcome{Kind: problem.KindNotFound, Detail: noKey}, nil},
		{"missing rights in AWS", "awskms:///alias/release", 400, "AccessDeniedException", outcome{Kind: problem.KindUnauthorized, Detail: closed}, nil},
		{"AWS is broken", "awskms:///alias/release", 500, "KMSInternalException", outcome{Kind: problem.KindUnavailable, Detail: odd}, nil},

		{"a key in Azure", "azurekms://acme.vault.azure.net/release", 0, "", outcome{Keys: 1}, []string{"GET /keys/release/"}},
		{"a version in Azure", "azurekms://acme.vault.azure.net/release/0123", 0, "", outcome{Keys: 1}, []string{"GET /keys/release/0123"}},
		{"no such key in Azure", "azurekms://acme.vault.azure.net/release", 404, "KeyNotFound", outcome{Kind: problem.KindNotFound, Detail: noKey}, nil},
		{"missing rights in Azure", "azurekms://acme.vault.azure.net/release", 403, "Forbidden", outcome{Kind: problem.KindUnauthorized, Detail: closed}, nil},
		{"Azure is broken", "azurekms://acme.vault.azure.net/release", 400, "BadParameter", outcome{Kind: problem.KindUnavailable, Detail: odd}, nil},

		{"a key in Google Cloud", google + "release", 0, "", outcome{Keys: 1}, []string{
			"GetCryptoKey projects/acme/locations/global/keyRings/charts/cryptoKeys/release", "ListCryptoKeyVersions state=ENABLED name desc", "GetPublicKey 7",
		}},
		{"a version in Google Cloud", google + "release/cryptoKeyVersions/3", 0, "", outcome{Keys: 1}, []string{
			"GetCryptoKey projects/acme/locations/global/keyRings/charts/cryptoKeys/release", "GetCryptoKeyVersion", "GetPublicKey 3",
		}},
		{"no enabled version in Google Cloud", google + "disabled", 0, "", outcome{Kind: problem.KindNotFound, Detail: noKey}, nil},
		{"no such key in Google Cloud", google + "release", 404, "", outcome{Kind: problem.KindNotFound, Detail: noKey}, nil},
		{"missing rights in Google Cloud", google + "release", 403, "", outcome{Kind: problem.KindUnauthorized, Detail: closed}, nil},
		{"Google Cloud is broken", google + "release", 500, "", outcome{Kind: problem.KindUnavailable, Detail: odd}, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			theClouds.mu.Lock()
			theClouds.fail, theClouds.code, theClouds.seen = c.fail, c.code, nil
			theClouds.mu.Unlock()
			got, _ := read(t, c.uri)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			theClouds.mu.Lock()
			defer theClouds.mu.Unlock()
			if diff := cmp.Diff(c.seen, theClouds.seen); c.seen != nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestGoogleIsLeft: Google's client has no deadline. A read that is given up must close its
// connection.
func TestGoogleIsLeft(t *testing.T) {
	const uri = "gcpkms://projects/acme/locations/global/keyRings/charts/cryptoKeys/hangs"
	got, _ := readBy(t, kms.Within(500*time.Millisecond), uri)
	if got.Kind != problem.KindTimeout {
		t.Error(got)
	}
	<-theClouds.left
}

// TestATokenServiceThatHangs: Google's client waits for its token without any deadline.
func TestATokenServiceThatHangs(t *testing.T) {
	stall := make(chan struct{})
	set := func(to chan struct{}) {
		theClouds.mu.Lock()
		defer theClouds.mu.Unlock()
		theClouds.stall = to
	}
	set(stall)
	defer close(stall)
	defer set(nil)
	got, _ := readBy(t, kms.Within(100*time.Millisecond), "gcpkms://projects/acme/locations/global/keyRings/charts/cryptoKeys/release")
	if got.Kind != problem.KindTimeout {
		t.Error(got)
	}
}
