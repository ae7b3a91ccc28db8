package registries_test

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// acme is the name by which the proxy knows the registry. Only the proxy does.
const acme = "registry.acme.example"

// TestCommand: the flags and the proxy of the environment, with the real binary. Charts are signed,
// and everything is verified.
func TestCommand(t *testing.T) {
	t.Parallel()
	w := newSite(t, setup{tls: true, basic: true})
	digest, _ := w.push(t)
	w.cosign(t, nil, "cosign3", "sign", digest)
	auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	w.write(t, "acme.json", fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, acme, auth))
	w.write(t, "no-login.json", []byte("{}"))
	var mu sync.Mutex
	var through []string
	proxy := httptest.NewServer(registrytest.Tunnel(nil, func(host string) string {
		mu.Lock()
		defer mu.Unlock()
		through = append(through, host)
		return w.host
	}))
	t.Cleanup(proxy.Close)
	for _, tc := range []struct {
		sentence, chart string
		environment     []string
		args            []string
		admitted        bool
		says            string
		through         []string
	}{
		{sentence: "by CA and login", chart: w.host + "/" + repository, admitted: true, args: []string{"--registry-ca=ca.crt", "--registry-config=config.json"}},
		{sentence: "with the credentials of docker login", chart: w.host + "/" + repository, admitted: true, args: []string{"--registry-ca=ca.crt"}},
		{sentence: "without the CA", chart: w.host + "/" + repository, says: "(RegistryUnavailable): oci://HOST/acme/charts/podinfo:1.0.0 could not be read: the TLS certificate is signed by a CA that chartgate does not trust"},
		{sentence: "without the login", chart: w.host + "/" + repository, args: []string{"--registry-ca=ca.crt", "--registry-config=no-login.json"}, says: "RegistryUnauthorized"},
		{sentence: "through a proxy", chart: acme + "/" + repository, environment: []string{"HTTPS_PROXY=" + proxy.URL}, args: []string{"--registry-ca=ca.crt", "--registry-config=acme.json"},
			admitted: true, through: []string{acme + ":443"}},
		{sentence: "past the proxy, to a host that only the proxy knows", chart: acme + "/" + repository, environment: []string{"HTTPS_PROXY=" + proxy.URL, "NO_PROXY=acme.example"}, args: []string{"--registry-ca=ca.crt"},
			says: "the host name"},
		{sentence: "at a mirror", chart: "ghcr.io/acme/podinfo", args: []string{"--registry-ca=ca.crt", "--registry-mirror=ghcr.io=nowhere.example", "--registry-mirror=ghcr.io/acme=" + w.host + "/acme/charts"},
			admitted: true, says: "oci://ghcr.io/acme/podinfo:1.0.0, digest sha256:"},
		{sentence: "at a mirror through a proxy", chart: "ghcr.io/acme/podinfo", environment: []string{"HTTPS_PROXY=" + proxy.URL},
			args: []string{"--registry-ca=ca.crt", "--registry-config=acme.json", "--registry-mirror=ghcr.io/acme=" + acme + "/acme/charts"}, admitted: true, through: []string{acme + ":443"}},
		{sentence: "not at the mirror", chart: "ghcr.io/acme/other", args: []string{"--registry-ca=ca.crt", "--registry-mirror=ghcr.io=" + w.host},
			says: "HOST has no oci://ghcr.io/acme/other:1.0.0, read from the mirror HOST/acme/other"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			through = nil
			w.policies(t, "", tc.chart)
			out, admitted := w.verify(t, tc.environment, tc.chart, tc.args...)
			if admitted != tc.admitted || !strings.Contains(out, strings.ReplaceAll(tc.says, "HOST", w.host)) {
				t.Errorf("admitted: %v, want %v and %q:\n%s", admitted, tc.admitted, tc.says, out)
			}
			if strings.Contains(out, password) {
				t.Errorf("the password is told:\n%s", out)
			}
			equal(t, tc.through, through)
		})
	}
}

// TestCommandWithPlaces: signatures in another repository count where the policy says so, and only
// there.
func TestCommandWithPlaces(t *testing.T) {
	t.Parallel()
	w := newSite(t, setup{})
	digest, _ := w.push(t)
	w.cosign(t, []string{"COSIGN_REPOSITORY=" + w.host + "/signatures"}, "cosign3", "sign", digest)
	for place, want := range map[string]bool{"": false, "/signatures": true, "/others": false} {
		if place != "" {
			place = "oci://" + w.host + place
		}
		w.policies(t, place, w.host+"/"+repository)
		out, admitted := w.verify(t, nil, w.host+"/"+repository, "--plain-http="+w.host)
		if admitted != want || !want && !strings.Contains(out, "SignatureMissing") {
			t.Errorf("signatures in %q: admitted: %v\n%s", place, admitted, out)
		}
	}
}

// TestMirrorWithoutSignatures: a mirror that has the chart and not its signatures is named, and so
// is the command that copies them. The test runs it as it is printed.
func TestMirrorWithoutSignatures(t *testing.T) {
	t.Parallel()
	const image = "ghcr.io/acme/podinfo"
	w := newSite(t, setup{})
	digest, _ := w.push(t)
	w.cosign(t, nil, "cosign2", "sign", digest)
	original := w.host + "/" + repository
	w.run(t, nil, "crane", "copy", "--insecure", original+":1.0.0", w.host+"/mirror/podinfo:1.0.0")
	w.policies(t, "", image)
	ask := func() (string, bool) {
		return w.verify(t, nil, image, "--plain-http="+w.host, "--registry-mirror=ghcr.io/acme="+w.host+"/mirror")
	}
	out, admitted := ask()
	says := "has no signature, read from the mirror " + w.host + "/mirror/podinfo@" + digest.String()
	command := regexp.MustCompile(`: oras copy -r (\S+) (\S+):1\.0\.0\n`).FindStringSubmatch(out + "\n")
	if admitted || !strings.Contains(out, says) || command == nil {
		t.Fatalf("admitted: %v, want %q:\n%s", admitted, says, out)
	}
	// The signature is a tag: docs/registries.md#mirrors has the command for it.
	from, to := strings.ReplaceAll(command[1], image, original), command[2]+"@"+digest.String()
	w.run(t, nil, "cosign2", "copy", "--only=sig,att", from, to, "--allow-http-registry")
	if out, admitted := ask(); !admitted {
		t.Errorf("after the copy to %s:\n%s", to, out)
	}
}

// TestCommandRefuses: flags that make no sense end the command before it sends a request.
func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	w := &site{dir: t.TempDir()}
	w.policies(t, "", "ghcr.io/acme/podinfo")
	w.write(t, "empty.crt", nil)
	for flag, says := range map[string]string{
		"--registry-ca=missing.crt":              "read --registry-ca: open missing.crt",
		"--registry-ca=empty.crt":                "--registry-ca empty.crt holds no certificate in PEM",
		"--registry-mirror=ghcr.io":              `--registry-mirror "ghcr.io" is not of the form FROM=TO`,
		"--registry-mirror=ghcr.io=oci://x.test": `"oci://x.test" must be written without a scheme`,
	} {
		out, admitted := w.verify(t, nil, "ghcr.io/acme/podinfo", flag)
		if admitted || !strings.Contains(out, says) {
			t.Errorf("%s: %s", flag, out)
		}
	}
}

// policies trusts the key for one chart.
func (w *site) policies(t *testing.T, place, location string) {
	t.Helper()
	_, public := keyPair(t)
	if place != "" {
		place = "\n  signatureRepository: " + place
	}
	w.write(t, "policies.yaml", fmt.Appendf(nil, `apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: acme}
spec:
  key:
    transparencyLog: NotRequired
    pem: |
      %s
---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: acme}
spec:
  match: {charts: ["oci://%s"]}%s
  require: [{anyOf: [acme]}]
`, strings.ReplaceAll(strings.TrimSpace(string(public)), "\n", "\n      "), strings.Replace(location, "podinfo", "*", 1), place))
}

// verify runs chartgate verify on version 1.0.0, and reports whether it admits.
func (w *site) verify(t *testing.T, environment []string, location string, args ...string) (out string, admitted bool) {
	t.Helper()
	v := harness.Verify{
		Args: append([]string{"--policy=policies.yaml", "oci://" + location + ":1.0.0"}, args...),
		Dir:  w.dir, Env: append([]string{"HOME=" + w.dir, "DOCKER_CONFIG=" + w.dir}, environment...),
	}.Run(t)
	return v.Stdout + v.Stderr, v.Admits()
}
