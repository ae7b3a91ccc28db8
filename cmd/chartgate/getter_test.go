package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// getter runs the command as helm does, with variables of the environment.
func (s *shop) getter(t *testing.T, env map[string]string, url string, files ...string) ran {
	t.Helper()
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root)})
	all := map[string]string{
		"HELM_PLUGIN_NAME": "chartgate-getter", "HELM_REGISTRY_CONFIG": dir + "/none.json", "DOCKER_CONFIG": dir,
		"CHARTGATE_POLICY": dir + "/policy.yaml", "CHARTGATE_TRUSTED_ROOT": dir + "/root.json", "CHARTGATE_PLAIN_HTTP": s.host,
	}
	for name, value := range env {
		all[name] = value
	}
	for name, value := range all {
		t.Setenv(name, value)
	}
	args := append([]string{"getter"}, append(files, "", "", "")[:3]...)
	return s.command(t, "", append(args, s.local(url))...)
}

func TestGetter(t *testing.T) {
	s := theShop(t)
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := charts.Archive("unsigned", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	dir := s.files(t, map[string]string{
		"warn.yaml":   documentsOf(strings.Replace(acmePolicy, "spec: {", "spec: {mode: Warn, ", 1), releaseIdentity),
		"waived.yaml": "apiVersion: chartgate.dev/v1alpha1\nkind: ChartPolicy\nmetadata: {name: waived}\nspec: {match: {charts: ['oci://ghcr.io/acme/**']}, allowUnverified: {reason: moving, until: '2099-12-31'}}\n",
		"digest.yaml": documentsOf(strings.Replace(acmePolicy, "spec: {", "spec: {pinning: Digest, ", 1), releaseIdentity),
		"other.yaml":  strings.NewReplacer("name: acme", "name: other", "/acme/", "/other/").Replace(acmePolicy), "key.pub": string(s.key),
	})
	const verified = "Chart admitted: oci://ghcr.io/acme/podinfo:1.0.0, digest sha256:<podinfo>, signed by release (subject release@acme.example, issuer https://issuer.example)\n"
	for _, c := range []struct {
		sentence string
		env      map[string]string
		url      string
		stdout   []byte // nothing was handed over if nil
		code     int
		stderr   string // how it begins
	}{
		{"a signed chart", nil, "chartgate://ghcr.io/acme/podinfo:1.0.0", archive, 0, verified},
		{"a signed chart as the index names it", nil, "chartgate://ghcr.io/acme/podinfo/podinfo-1.0.0.tgz", archive, 0, verified},
		{"a signed chart by its digest", nil, "chartgate://ghcr.io/acme/podinfo@" + s.digests["podinfo"], archive, 0, "Chart admitted: "},
		{"an unsigned chart", nil, "chartgate://ghcr.io/acme/unsigned:1.0.0", nil, 1, "Chart denied (SignatureMissing): oci://ghcr.io/acme/unsigned:1.0.0@sha256:<unsigned> has no signature\n"},
		{"a stranger's chart", nil, "chartgate://ghcr.io/acme/stranger:1.0.0", nil, 1, "Chart denied (IdentityNotAllowed): "},
		{"a chart that is attested only", nil, "chartgate://ghcr.io/acme/attested:1.0.0", nil, 1, "Chart denied (SignatureMissing): "},
		{"a chart that is not there", nil, "chartgate://ghcr.io/acme/absent:1.0.0", nil, 1, "Chart denied (ChartNotFound): "},
		{"a chart of a registry that no policy is about", nil, "chartgate://ghcr.io/other/podinfo:1.0.0", nil, 1, "Chart denied (NoPolicy): "},
		{"a floating tag", nil, "chartgate://ghcr.io/acme/podinfo:latest", nil, 1, "Chart denied (NotPinned): "},
		{"a tag where the policy requires a digest", map[string]string{"CHARTGATE_POLICY": dir + "/digest.yaml"}, "chartgate://ghcr.io/acme/podinfo:1.0.0", nil, 1, "Chart denied (NotPinned): "},
		{"no version", nil, "chartgate://ghcr.io/acme/podinfo", nil, 1, "Chart denied (ReferenceInvalid): \"oci://ghcr.io/acme/podinfo\" has neither a version nor a digest\n  next:     append the version or the digest: chartgate://ghcr.io/acme/podinfo:1.2.3, or chartgate://ghcr.io/acme/podinfo@sha256:<64 hex digits>\n"},
		{"a provenance file", nil, "chartgate://ghcr.io/acme/podinfo:1.0.0.prov", nil, 1, "Chart denied (Unsupported): a chart from chartgate:// has no provenance file"},
		{"an unsigned chart that only warns", map[string]string{"CHARTGATE_POLICY": dir + "/warn.yaml"}, "chartgate://ghcr.io/acme/unsigned:1.0.0", unsigned, 0, "Chart admitted in Warn mode (SignatureMissing): "},
		{"a chart that is not there, and only warns", map[string]string{"CHARTGATE_POLICY": dir + "/warn.yaml"}, "chartgate://ghcr.io/acme/absent:1.0.0", nil, 1, "Chart denied (ChartNotFound): "},
		{"a waived chart", map[string]string{"CHARTGATE_POLICY": dir + "/waived.yaml"}, "chartgate://ghcr.io/acme/unsigned:1.0.0", unsigned, 0, "Chart admitted unverified: policy waived allows oci://ghcr.io/acme/unsigned:1.0.0 (moving; until 2099-12-31)\n"},
		{"several files of policies", map[string]string{"CHARTGATE_POLICY": dir + "/other.yaml:" + dir + "/digest.yaml"}, "chartgate://ghcr.io/acme/podinfo:1.0.0", nil, 1, "Chart denied (NotPinned): "},
		{"a signer in place of policies", map[string]string{"CHARTGATE_POLICY": "", "CHARTGATE_CERTIFICATE_IDENTITY": "release@acme.example", "CHARTGATE_CERTIFICATE_OIDC_ISSUER": "https://issuer.example"},
			"chartgate://ghcr.io/acme/podinfo:1.0.0", archive, 0, "Chart admitted: "},
		{"a key in place of policies", map[string]string{"CHARTGATE_POLICY": "", "CHARTGATE_KEY": dir + "/key.pub", "CHARTGATE_INSECURE_IGNORE_TLOG": "true"},
			"chartgate://ghcr.io/acme/podinfo:1.0.0", nil, 1, "Chart denied (SignatureInvalid): "},
		{"a registry that has no TLS", map[string]string{"CHARTGATE_PLAIN_HTTP": ""}, "chartgate://ghcr.io/acme/podinfo:1.0.0", nil, 1, "Chart denied (RegistryUnavailable): "},
		{"too little time", map[string]string{"CHARTGATE_TIMEOUT": "1ns"}, "chartgate://ghcr.io/acme/podinfo:1.0.0", nil, 1, "Chart denied (Timeout): "},
		{"a way in through a mirror", map[string]string{"CHARTGATE_REGISTRY_MIRROR": "ghcr.example=" + s.host, "CHARTGATE_POLICY": dir + "/waived.yaml"}, "chartgate://ghcr.example/acme/podinfo:1.0.0", nil, 1, "Chart denied (NoPolicy): "},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.getter(t, c.env, c.url)
			if got.Code != c.code || got.Stdout != string(c.stdout) || !strings.HasPrefix(got.Stderr, c.stderr) {
				t.Errorf("%d, %d bytes, %s%s; want %d, %d bytes, %s", got.Code, len(got.Stdout), got.Stderr, got.Error, c.code, len(c.stdout), c.stderr)
			}
			for _, word := range []string{"--policy", "--trusted-root", "--plain-http", "--registry", "--timeout", "cluster's admin", "chartgate's log"} {
				if strings.Contains(got.Stderr+got.Error, word) {
					t.Errorf("%q does not help helm's user: %s%s", word, got.Stderr, got.Error)
				}
			}
		})
	}
}

// TestGetterNext: next steps can be taken by helm's user.
func TestGetterNext(t *testing.T) {
	s := theShop(t)
	private := registrytest.New(registrytest.Options{Auth: registrytest.Basic, Username: "me", Password: "right"})
	t.Cleanup(private.Close)
	everything := strings.Replace(acmePolicy, "ghcr.io/acme/", "", 1)
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(everything, releaseIdentity)})
	for _, c := range []struct {
		sentence string
		env      map[string]string
		url      string
		next     string
	}{
		{"no TLS", nil, "chartgate://" + private.Host() + "/acme/x:1.0.0", "allow that: CHARTGATE_PLAIN_HTTP=" + private.Host()},
		{"no login", map[string]string{"CHARTGATE_PLAIN_HTTP": private.Host()}, "chartgate://" + private.Host() + "/acme/x:1.0.0", "next:     log in (helm registry login " + private.Host() + ", docker login " + private.Host() + "), or give CHARTGATE_REGISTRY_CONFIG a file with a login that can pull acme/x; if it should be public"},
		{"a wrong login", map[string]string{"CHARTGATE_PLAIN_HTTP": private.Host(), "HELM_PLUGIN_USERNAME": "me", "HELM_PLUGIN_PASSWORD": "wrong"},
			"chartgate://" + private.Host() + "/acme/x:1.0.0", "log in again (helm registry login " + private.Host()},
		{"a command of cosign stays as it is", nil, "chartgate://ghcr.io/acme/unsigned:1.0.0", "next:     release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@sha256:<unsigned>\n"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			env := map[string]string{"CHARTGATE_POLICY": dir + "/policy.yaml"}
			for name, value := range c.env {
				env[name] = value
			}
			if got := s.getter(t, env, c.url); got.Code != exitDenied || got.Stdout != "" || !strings.Contains(got.Stderr, c.next) || namedFlag.MatchString(got.Stderr) {
				t.Errorf("want %q in %+v", c.next, got)
			}
		})
	}
}

// Logins: helm's flags go first and to the URL's host only, then helm registry login, then docker login.
func TestGetterLogins(t *testing.T) {
	s := theShop(t)
	private := registrytest.New(registrytest.Options{Auth: registrytest.Basic, Username: "me", Password: "right"})
	t.Cleanup(private.Close)
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := private.PushChart("acme/podinfo", "1.0.0", archive); err != nil {
		t.Fatal(err)
	}
	login := func(password string) string {
		return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, private.Host(), base64.StdEncoding.EncodeToString([]byte("me:"+password)))
	}
	dir := s.files(t, map[string]string{
		"right.json": login("right"), "wrong.json": login("wrong"), "docker/config.json": login("right"),
		"policy.yaml": fmt.Sprintf("apiVersion: chartgate.dev/v1alpha1\nkind: ChartPolicy\nmetadata: {name: p}\nspec: {match: {charts: ['oci://%s/**']}, allowUnverified: {reason: test, until: '2099-12-31'}}\n", private.Host()),
	})
	flags := func(password string) map[string]string {
		return map[string]string{"HELM_PLUGIN_USERNAME": "me", "HELM_PLUGIN_PASSWORD": password}
	}
	with := func(env map[string]string, name, value string) map[string]string { env[name] = value; return env }
	for _, c := range []struct {
		sentence string
		env      map[string]string
		admitted bool
	}{
		{"none", map[string]string{}, false},
		{"helm's flags", flags("right"), true},
		{"helm's flags, wrong", flags("wrong"), false},
		{"helm registry login", map[string]string{"HELM_REGISTRY_CONFIG": dir + "/right.json"}, true},
		{"docker login", map[string]string{"DOCKER_CONFIG": dir + "/docker"}, true},
		{"helm's flags go before helm registry login", with(flags("wrong"), "HELM_REGISTRY_CONFIG", dir+"/right.json"), false},
		{"helm registry login goes before docker login", map[string]string{"HELM_REGISTRY_CONFIG": dir + "/wrong.json", "DOCKER_CONFIG": dir + "/docker"}, false},
		{"a file that is named", map[string]string{"CHARTGATE_REGISTRY_CONFIG": dir + "/right.json", "HELM_REGISTRY_CONFIG": dir + "/wrong.json"}, true},
		{"a file of helm, where helm does not run the command", map[string]string{"HELM_PLUGIN_NAME": "", "HELM_REGISTRY_CONFIG": dir + "/right.json"}, false},
		{"a user without a password", map[string]string{"HELM_PLUGIN_USERNAME": "me"}, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			env := with(c.env, "CHARTGATE_POLICY", dir+"/policy.yaml")
			env["CHARTGATE_PLAIN_HTTP"] = private.Host()
			got := s.getter(t, env, "chartgate://"+private.Host()+"/acme/podinfo:1.0.0")
			if admitted := got.Code == 0 && got.Stdout == string(archive); admitted != c.admitted || !admitted && got.Stdout != "" {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.Stderr+got.Error, "wrong") && strings.Contains(got.Stderr, "me:wrong") {
				t.Errorf("a password is shown: %s", got.Stderr)
			}
		})
	}
	t.Run("helm's flags are not sent to a mirror", func(t *testing.T) {
		env := with(with(flags("right"), "CHARTGATE_POLICY", dir+"/mirrored.yaml"), "CHARTGATE_REGISTRY_MIRROR", "ghcr.example="+private.Host())
		policy, err := os.ReadFile(dir + "/policy.yaml")
		if err == nil {
			err = os.WriteFile(dir+"/mirrored.yaml", []byte(strings.Replace(string(policy), private.Host(), "ghcr.example", 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		env["CHARTGATE_PLAIN_HTTP"] = private.Host()
		got := s.getter(t, env, "chartgate://ghcr.example/acme/podinfo:1.0.0")
		if got.Code != exitDenied || !strings.Contains(got.Stderr, "RegistryUnauthorized") {
			t.Errorf("%+v", got)
		}
	})
}

// Exit code 2: nothing was examined. Nothing is handed over.
func TestGetterNotAsked(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"ca.pem": "no certificate", "empty/x.md": ""})
	const url = "chartgate://ghcr.io/acme/podinfo:1.0.0"
	for _, c := range []struct {
		sentence string
		env      map[string]string
		files    []string
		says     string
	}{
		{"no policies", map[string]string{"CHARTGATE_POLICY": ""}, nil, "CHARTGATE_POLICY is needed: a file or directory with ChartPolicies and TrustedIdentities, or the word cluster; or name the signer: CHARTGATE_KEY, or CHARTGATE_CERTIFICATE_IDENTITY and CHARTGATE_CERTIFICATE_OIDC_ISSUER"},
		{"policies that do not exist", map[string]string{"CHARTGATE_POLICY": dir + "/absent"}, nil, "read CHARTGATE_POLICY: "},
		{"a folder without policies", map[string]string{"CHARTGATE_POLICY": dir + "/empty"}, nil, "no policies found in "},
		{"policies and a signer", map[string]string{"CHARTGATE_KEY": "x"}, nil, "CHARTGATE_POLICY and CHARTGATE_KEY exclude each other"},
		{"no cluster", map[string]string{"CHARTGATE_POLICY": "cluster", "KUBECONFIG": dir + "/absent", "HOME": dir}, nil, "find the cluster: "},
		{"a cluster by helm's flags", map[string]string{"CHARTGATE_POLICY": "cluster", "HELM_KUBEAPISERVER": "https://x"}, nil, "chartgate cannot read a cluster by helm's --kube-apiserver (HELM_KUBEAPISERVER)"},
		{"another user of a cluster", map[string]string{"CHARTGATE_POLICY": "cluster", "HELM_KUBEASUSER": "admin"}, nil, "by helm's --kube-as-user"},
		{"a cluster without TLS", map[string]string{"CHARTGATE_POLICY": "cluster", "HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "true"}, nil, "by helm's --kube-insecure-skip-tls-verify"},
		{"helm's context, which does not exist", map[string]string{"CHARTGATE_POLICY": "cluster", "HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "false", "HELM_KUBECONTEXT": "nowhere", "KUBECONFIG": dir + "/absent"}, nil, `context "nowhere" does not exist`},
		{"no time", map[string]string{"CHARTGATE_TIMEOUT": "soon"}, nil, `CHARTGATE_TIMEOUT is "soon": `},
		{"a host that is none", map[string]string{"CHARTGATE_PLAIN_HTTP": "a,B"}, nil, `CHARTGATE_PLAIN_HTTP "B" is not a lower-case host or host:port`},
		{"a client certificate", nil, []string{"cert.pem", "key.pem"}, "does not log in to a registry by a client certificate"},
		{"a client key alone", nil, []string{"", "key.pem"}, "does not log in to a registry by a client certificate"},
		{"CAs that do not exist", nil, []string{"", "", dir + "/absent.pem"}, "read helm's --ca-file"},
		{"CAs that are none", nil, []string{"", "", dir + "/ca.pem"}, "holds no certificate in PEM"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.getter(t, c.env, url, c.files...)
			if got.Code != exitNotAsked || got.Stdout != "" || !strings.Contains(got.Error, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// CAs of helm's --ca-file are trusted, in addition to the system's and the admin's.
func TestGetterTrustsHelmsCAs(t *testing.T) {
	s := theShop(t)
	secured := registrytest.New(registrytest.Options{TLS: true})
	t.Cleanup(secured.Close)
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := secured.PushChart("acme/podinfo", "1.0.0", archive); err != nil {
		t.Fatal(err)
	}
	dir := s.files(t, map[string]string{
		"ca.pem":      string(secured.CA()),
		"policy.yaml": fmt.Sprintf("apiVersion: chartgate.dev/v1alpha1\nkind: ChartPolicy\nmetadata: {name: p}\nspec: {match: {charts: ['oci://%s/**']}, allowUnverified: {reason: test, until: '2099-12-31'}}\n", secured.Host()),
	})
	for file, code := range map[string]int{dir + "/ca.pem": 0, "": exitDenied} {
		got := s.getter(t, map[string]string{"CHARTGATE_POLICY": dir + "/policy.yaml"}, "chartgate://"+secured.Host()+"/acme/podinfo:1.0.0", "", "", file)
		if got.Code != code || (got.Stdout == string(archive)) != (code == 0) {
			t.Errorf("--ca-file %q: %+v", file, got)
		}
	}
}

func TestGetterIndex(t *testing.T) {
	s, err := newShop(map[string]string{"podinfo": ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.10.0", "1.2.0_build.5", "latest", "sha256-0.sig"} {
		if err := s.server.Tag("acme/podinfo", tag, s.digests["podinfo"]); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := charts.Archive("tagless", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.server.PushChart("acme/tagless", "latest", archive); err != nil {
		t.Fatal(err)
	}
	const index = `apiVersion: v1
entries:
  podinfo:
  - apiVersion: v2
    name: podinfo
    urls:
    - chartgate://ghcr.io/acme/podinfo/podinfo-1.10.0.tgz
    version: 1.10.0
  - apiVersion: v2
    name: podinfo
    urls:
    - chartgate://ghcr.io/acme/podinfo/podinfo-1.2.0+build.5.tgz
    version: 1.2.0+build.5
  - apiVersion: v2
    name: podinfo
    urls:
    - chartgate://ghcr.io/acme/podinfo/podinfo-1.0.0.tgz
    version: 1.0.0
`
	for _, c := range []struct {
		sentence, url, stdout, stderr string
		requests                      int
	}{
		{"the versions of a chart, newest first and without digests", "chartgate://ghcr.io/acme/podinfo/index.yaml", index, "", 1},
		{"a chart without a version", "chartgate://ghcr.io/acme/tagless/index.yaml", "", "Chart denied (ChartNotFound): no tag of oci://ghcr.io/acme/tagless is a version\n", 1},
		{"a chart that no policy is about: no request", "chartgate://ghcr.io/other/podinfo/index.yaml", "", "Chart denied (NoPolicy): no policy matches oci://ghcr.io/other/podinfo\n  next:     a chartgate:// repository is one chart: if chartgate://ghcr.io/other/podinfo is a folder of charts, append the name of one, as in chartgate://ghcr.io/other/podinfo/podinfo; if it is a chart, ask the platform team", 0},
		{"a folder of charts", "chartgate://ghcr.io/acme/charts/index.yaml", "", "Chart denied (ChartNotFound): ghcr.io has no tags of oci://ghcr.io/acme/charts\n  next:     a chartgate:// repository is one chart: if chartgate://ghcr.io/acme/charts is a folder of charts, append the name of one, as in chartgate://ghcr.io/acme/charts/podinfo\n", 1},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s.server.Reset()
			got := s.getter(t, nil, c.url)
			if got.Stdout != c.stdout || !strings.HasPrefix(got.Stderr, c.stderr) || (got.Code == 0) != (c.stdout != "") || s.requests() != c.requests {
				t.Errorf("%+v after %d requests", got, s.requests())
			}
		})
	}
}
