package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/google/go-cmp/cmp"
)

const (
	podinfoVerified = "HelmRelease apps/podinfo admitted: oci://ghcr.io/acme/podinfo:1.0.0, digest sha256:<podinfo>, signed by release (subject release@acme.example, issuer https://issuer.example)\n"
	acmeCovered     = "HelmRepository apps/acme admitted\n"
	unsignedDenied  = `HelmRelease apps/unsigned denied (SignatureMissing): oci://ghcr.io/acme/unsigned:1.0.0@sha256:<unsigned> has no signature
  where:    spec.chart.spec
  policy:   acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)
  found:    0 bundles, 0 legacy signatures
  next:     release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@sha256:<unsigned>
`
	sourceNotFound = `HelmRelease apps/podinfo denied (SourceNotFound): HelmRepository apps/acme does not exist
  where:    spec.chart.spec
  next:     apply the source first, or correct its name and namespace
`
)

// What "chartgate verify" says to manifests, and its exit code.
func TestVerify(t *testing.T) {
	const git = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: git, namespace: argocd}
spec: {source: {repoURL: "https://github.com/acme/config.git", path: x}}
`
	indented := func(text string) string {
		return "- " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	}
	for _, c := range []struct {
		sentence, manifests string
		flags               []string
		want                ran
	}{
		{"a signed chart is admitted", documentsOf(acmeRepository, release("podinfo", "")), nil, ran{Stdout: acmeCovered + podinfoVerified}},
		{"the order of objects does not matter", documentsOf(release("podinfo", ""), acmeRepository), nil, ran{Stdout: podinfoVerified + acmeCovered}},
		{"an unsigned chart is denied", documentsOf(acmeRepository, release("unsigned", "")), nil, ran{Code: 1, Stdout: acmeCovered + unsignedDenied, Error: "denied"}},
		{"one denial denies, and everything is told", documentsOf(acmeRepository, release("unsigned", ""), release("podinfo", "")), nil, ran{Code: 1, Stdout: acmeCovered + unsignedDenied + podinfoVerified, Error: "denied"}},
		{"a source that is not given is denied: nobody will ask again", release("podinfo", ""), nil, ran{Code: 1, Stdout: sourceNotFound, Error: "denied"}},
		{"a source that is not given is admitted for now on demand", release("podinfo", ""), []string{"--missing-source=Defer"},
			ran{Stdout: strings.Replace(sourceNotFound, "denied", "admitted for now", 1)}},
		{"a source of another namespace is not the one", documentsOf(strings.Replace(acmeRepository, "apps", "other", 1), release("podinfo", "")), nil,
			ran{Code: 1, Stdout: "HelmRepository other/acme admitted\n" + sourceNotFound, Error: "denied"}},
		{"an object without a namespace is in default, as for kubectl", documentsOf(strings.Replace(acmeRepository, "apps", "default", 1), strings.Replace(release("podinfo", ""), ", namespace: apps", "", 1)), nil,
			ran{Stdout: strings.ReplaceAll(acmeCovered+podinfoVerified, "apps/", "default/")}},
		{"a chart from a GitRepository in the files is denied by its name", documentsOf(gitRelease, gitRepository), nil, ran{Code: 1, Error: "denied", Stdout: `HelmRelease apps/web denied (NotOCI): git://github.com/acme/apps//charts/web?ref=main does not come from an OCI registry, so it cannot carry a signature
  where:    spec.chart.spec
  next:     push the chart to an OCI registry and sign it there, or ask the platform team for a ChartPolicy with allowUnverified that matches git://github.com/acme/apps//charts/web
`}},
		{"a GitRepository that is not given is missing", gitRelease, nil, ran{Code: 1, Error: "denied", Stdout: `HelmRelease apps/web denied (SourceNotFound): GitRepository apps/acme does not exist
  where:    spec.chart.spec
  next:     apply the source first, or correct its name and namespace
`}},
		{"a suspended release deploys nothing", release("podinfo", "suspend: true, "), nil, ran{Stdout: "HelmRelease apps/podinfo admitted: it makes no chart deployable\n"}},
		{"Git is outside the gate", git, nil, ran{Stdout: "Application argocd/git admitted: it makes no chart deployable\n"}},
		{"Git is denied on demand", git, []string{"--argo-git-sources=Deny"}, ran{Code: 1, Error: "denied", Stdout: `Application argocd/git denied (NotOCI): git://github.com/acme/config//x does not come from an OCI registry, so it cannot carry a signature
  where:    spec.source
  next:     push the chart to an OCI registry and sign it there, or ask the platform team for a ChartPolicy with allowUnverified that matches git://github.com/acme/config//x
`}},
		{"other objects are left alone", documentsOf("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n", acmeRepository), nil, ran{Stdout: acmeCovered}},
		{"a list is taken apart", "apiVersion: v1\nkind: List\nitems:\n" + indented(acmeRepository) + indented(release("podinfo", "")), nil, ran{Stdout: acmeCovered + podinfoVerified}},
		{"a list of releases is taken apart", documentsOf("apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmReleaseList\nitems:\n"+indented(release("podinfo", "")), acmeRepository), nil, ran{Stdout: podinfoVerified + acmeCovered}},
		{"a list in a list is taken apart", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - " + strings.ReplaceAll(strings.TrimSpace(acmeRepository), "\n", "\n    "), nil, ran{Stdout: acmeCovered}},
		{"an object that cannot be read is denied", "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: acme, namespace: apps}\nspec: 1\n", nil,
			ran{Code: 1, Stdout: `HelmRepository apps/acme denied (ReferenceInvalid): the HelmRepository cannot be read: spec is the number 1, and must be an object
  next:     correct the field; kubectl explain helmrepository.spec shows its form
`, Error: "denied"}},
		{"a version without quotes is denied, and what to write is told", documentsOf(acmeRepository, strings.Replace(release("podinfo", ""), "1.0.0", "1.10", 1)), nil,
			ran{Code: 1, Stdout: acmeCovered + `HelmRelease apps/podinfo denied (ReferenceInvalid): the HelmRelease cannot be read: spec.chart.spec.version is the number 1.1, and must be a text; without quotes, YAML reads digits as a number, and drops zeros at its end
  next:     write the complete version, three numbers in quotes, as in version: "1.2.3"
`, Error: "denied"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, theShop(t).verify(t, c.manifests, c.flags...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVerifyReferences(t *testing.T) {
	s := theShop(t)
	for _, c := range []struct {
		sentence, reference string
		code                int
		says                string
	}{
		{"a signed chart", "oci://ghcr.io/acme/podinfo:1.0.0", 0, "Chart admitted: oci://ghcr.io/acme/podinfo:1.0.0, digest sha256:<podinfo>, signed by release"},
		{"a signed chart by its digest", "oci://ghcr.io/acme/podinfo@" + s.digests["podinfo"], 0, "Chart admitted: "},
		{"an unsigned chart", "oci://ghcr.io/acme/unsigned:1.0.0", 1, "Chart denied (SignatureMissing)"},
		{"a chart that cosign 2 has attested only", "oci://ghcr.io/acme/attested:1.0.0", 1, "Chart denied (SignatureMissing): oci://ghcr.io/acme/attested:1.0.0@sha256:<attested> has no signature\n" +
			"  policy:   acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)\n  found:    0 bundles, 0 legacy signatures\n  found:    attested, not signed: legacy attestations exist"},
		{"a misspelled repository", "oci://ghcr.io/amce/podinfo:1.0.0", 1, "Chart denied (NoPolicy): no policy matches oci://ghcr.io/amce/podinfo:1.0.0\n  found:    the pattern oci://ghcr.io/acme/** of policy acme is similar\n  next:     "},
		{"a stranger's chart", "oci://ghcr.io/acme/stranger:1.0.0", 1, "Chart denied (IdentityNotAllowed)"},
		{"a chart that does not exist", "oci://ghcr.io/acme/absent:1.0.0", 1, "Chart denied (ChartNotFound)"},
		{"a chart of nobody's policy", "oci://ghcr.io/other/podinfo:1.0.0", 1, "Chart denied (NoPolicy)"},
		{"a floating tag", "oci://ghcr.io/acme/podinfo:latest", 1, "Chart denied (NotPinned)"},
		{"a chart in Git", "git://github.com/acme/apps//charts/web?ref=main", 1, "Chart denied (NotOCI): git://github.com/acme/apps//charts/web?ref=main does not come from an OCI registry, so it cannot carry a signature\n  next:     "},
		{"a chart in Git that is waived", "git://github.com/acme/waived//web", 0, "Chart admitted unverified: policy waived allows git://github.com/acme/waived//web (moving; until 2099-12-31)\n"},
		{"a chart in a bucket", "bucket://minio.acme.example/charts//web", 1, "Chart denied (NotOCI)"},
		{"the URL of a Git repository with a user", "git://git@github.com/acme/apps", 1, "Chart denied (ReferenceInvalid)"},
		{"no version", "oci://ghcr.io/acme/podinfo", 1, "Chart denied (ReferenceInvalid)"},
		{"no reference", "podinfo", 1, "Chart denied (ReferenceInvalid)"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity, gitWaiver), "root.json": string(s.root)})
			got := s.command(t, "", "verify", s.local(c.reference), "--policy", dir+"/policy.yaml", "--trusted-root", dir+"/root.json", "--plain-http", s.host)
			if got.Code != c.code || !strings.HasPrefix(got.Stdout, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A chart in a Git repository.
const (
	gitRepository = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: acme, namespace: apps}\nspec: {interval: 1m, url: 'https://github.com/acme/apps.git', ref: {branch: main}}\n"
	gitRelease    = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: apps}\nspec: {interval: 1m, chart: {spec: {chart: ./charts/web, sourceRef: {kind: GitRepository, name: acme}}}}\n"
	gitWaiver     = "apiVersion: chartgate.dev/v1alpha1\nkind: ChartPolicy\nmetadata: {name: waived}\nspec: {match: {charts: ['git://github.com/acme/waived/**']}, allowUnverified: {reason: moving, until: '2099-12-31'}}\n"
)

func TestVerifyStandardInput(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root), "objects.yaml": documentsOf(acmeRepository, release("podinfo", ""))})
	flags := []string{"--trusted-root", dir + "/root.json", "--plain-http", s.host}
	for _, c := range []struct {
		sentence, stdin string
		args            []string
	}{
		{"manifests", documentsOf(acmeRepository, release("podinfo", "")), []string{"-f", "-", "--policy", dir + "/policy.yaml"}},
		{"policies", documentsOf(acmePolicy, releaseIdentity), []string{"-f", dir + "/objects.yaml", "--policy", "-"}},
		{"a ConfigMap of identities", identityList, []string{"-f", dir + "/objects.yaml", "--policy", "-"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.command(t, c.stdin, append(append([]string{"verify"}, c.args...), flags...)...)
			if got.Code != exitAdmitted || !strings.Contains(got.Stdout, podinfoVerified) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestVerifySpeaksToItsUser: messages name files, flags and commands of the machine that verify
// runs on.
func TestVerifySpeaksToItsUser(t *testing.T) {
	s := theShop(t)
	private := registrytest.New(registrytest.Options{Auth: registrytest.Basic, Username: "me", Password: "right"})
	t.Cleanup(private.Close)
	login := func(password string) string {
		return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, private.Host(), base64.StdEncoding.EncodeToString([]byte("me:"+password)))
	}
	everything := strings.Replace(acmePolicy, "ghcr.io/acme/", "", 1)
	dir := s.files(t, map[string]string{
		"policy.yaml": documentsOf(everything, releaseIdentity), "root.json": string(s.root),
		"invalid.yaml": documentsOf(acmePolicy, strings.Replace(releaseIdentity, "subject: release@acme.example", "subjectRegExp: '('", 1)),
		"digest.yaml":  documentsOf(strings.Replace(acmePolicy, "spec: {", "spec: {pinning: Digest, ", 1), releaseIdentity),
		"right.json":   login("right"), "wrong.json": login("wrong"), "none.json": "{}",
	})
	signed := s.local("oci://ghcr.io/acme/podinfo:1.0.0")
	for _, c := range []struct {
		sentence, reference, policy string
		flags                       []string
		next                        string
	}{
		{"an invalid policy", signed, "invalid.yaml", nil, "next:     correct ChartPolicy acme in " + dir + "/invalid.yaml: document 1\n"},
		{"a tag where the policy requires a digest", signed, "digest.yaml", nil, "next:     name the chart by its digest: oci://ghcr.io/acme/podinfo@sha256:"},
		{"no login", "oci://" + private.Host() + "/acme/x:1.0.0", "policy.yaml", []string{"--plain-http", private.Host(), "--registry-config", dir + "/none.json"}, "next:     log in (helm registry login " + private.Host() + ", docker login " + private.Host() + "), or give --registry-config a file with a login that can pull acme/x; if it should be public"},
		{"a wrong login", "oci://" + private.Host() + "/acme/x:1.0.0", "policy.yaml", []string{"--plain-http", private.Host(), "--registry-config", dir + "/wrong.json"},
			"next:     the login for " + private.Host() + " was sent and is not enough: log in again (helm registry login " + private.Host()},
		{"a host that does not exist", "oci://nowhere.invalid/acme/x:1.0.0", "policy.yaml", nil, "nowhere.invalid"},
		{"a port that nobody listens on", "oci://127.0.0.1:1/acme/x:1.0.0", "policy.yaml", nil, "next:     correct host and port (127.0.0.1:1); if"},
		{"plain HTTP without the flag", "oci://" + private.Host() + "/acme/x:1.0.0", "policy.yaml", nil, "has no TLS on purpose, allow that: --plain-http " + private.Host()},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			args := []string{"verify", c.reference, "--policy", dir + "/" + c.policy, "--trusted-root", dir + "/root.json", "--plain-http", s.host}
			got := s.command(t, "", append(args, c.flags...)...)
			if got.Code != exitDenied || !strings.Contains(got.Stdout, c.next) {
				t.Errorf("want %q in %+v", c.next, got)
			}
			for _, word := range []string{"cluster's admin", "chartgate's log", "pod", "values of chartgate's chart", "the chart's source"} {
				if strings.Contains(strings.ReplaceAll(got.Stdout, "podinfo", ""), word) {
					t.Errorf("%q in %s", word, got.Stdout)
				}
			}
		})
	}
}

// Registries get HTTPS unless their host was named.
func TestVerifyWithoutPlainHTTP(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root)})
	got := s.command(t, "", "verify", s.local("oci://ghcr.io/acme/podinfo:1.0.0"), "--policy", dir+"/policy.yaml", "--trusted-root", dir+"/root.json")
	if got.Code != exitDenied || !strings.HasPrefix(got.Stdout, "Chart denied (RegistryUnavailable)") {
		t.Errorf("%+v", got)
	}
}

func TestVerifyTimeout(t *testing.T) {
	got := theShop(t).verify(t, documentsOf(acmeRepository, release("podinfo", "")), "--timeout", "1ns")
	if got.Code != exitDenied || !strings.Contains(got.Stdout, "HelmRelease apps/podinfo denied (Timeout)") {
		t.Errorf("%+v", got)
	}
}

// Exit code 2: the gate could not be asked, which a script must not take for an answer.
func TestVerifyNotAsked(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{
		"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "good.yaml": acmeRepository, "nothing.yaml": "# nothing\n---\n",
		"other.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "broken.yaml": "a: [", "scalar.yaml": "x", "list.yaml": "- a", "noobject.yaml": "a: b", "nokind.yaml": "apiVersion: v1",
		"twice.yaml": documentsOf(acmeRepository, acmeRepository), "field.yaml": strings.Replace(acmeRepository, "spec:", "spec: {}\nspec:", 1),
		"root.json": "{}", "empty/readme.md": "x", "lists/none.yaml": "apiVersion: v1\nkind: List\nitems: {}\n",
		"lists/nokind.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmReleaseList\nitems: [{metadata: {name: x}, spec: {}}]\n", "lists/scalar.yaml": "apiVersion: v1\nkind: List\nitems: [x]\n",
	})
	objects := func(name string) []string { return []string{"-f", dir + "/" + name, "--policy", dir + "/policy.yaml"} }
	good := objects("good.yaml")
	for _, c := range []struct {
		sentence string
		args     []string
		says     string
	}{
		{"nothing to verify", []string{"--policy", dir + "/policy.yaml"}, "nothing to verify"},
		{"no policies", []string{"-f", dir + "/good.yaml"}, "--policy is needed"},
		{"policies that do not exist", []string{"-f", dir + "/good.yaml", "--policy", dir + "/absent"}, "read --policy: "},
		{"a file that does not exist", objects("absent.yaml"), "read -f: "},
		{"a file without objects", objects("nothing.yaml"), "the files hold no object that chartgate gates"},
		{"a file without gated objects", objects("other.yaml"), "the files hold no object that chartgate gates"},
		{"a file with nothing but what is no object", objects("list.yaml"), "the files hold no object that chartgate gates"},
		{"a folder without policies", []string{"-f", dir + "/good.yaml", "--policy", dir + "/empty"}, "no policies found in " + dir + "/empty"},
		{"a file without policies", []string{"-f", dir + "/good.yaml", "--policy", dir + "/good.yaml"}, "no policies found in "},
		{"a directory without manifests", objects("empty"), "the files hold no object that chartgate gates"},
		{"a file without gated objects, beside a reference", append(objects("other.yaml"), "oci://ghcr.io/acme/podinfo:1.0.0"), "the files hold no object that chartgate gates"},
		{"an unknown output", append(good, "-o", "yaml"), `--output is "yaml", not text, json, sarif or junit`},
		{"an unknown flag", append(good, "--yes"), "unknown flag"},
		{"an unknown choice for missing sources", append(good, "--missing-source=deny"), `--missing-source is "deny", not Defer or Deny`},
		{"an unknown choice for Git", append(good, "--argo-git-sources=No"), `--argo-git-sources is "No", not Allow or Deny`},
		{"a trusted root that does not exist", append(good, "--trusted-root", dir+"/absent"), "read --trusted-root: "},
		{"a trusted root that is none", append(good, "--trusted-root", dir+"/policy.yaml"), "--trusted-root "},
		{"a plain-http host in upper case", append(good, "--plain-http", "GHCR.io"), `--plain-http "GHCR.io" is not a lower-case host or host:port`},
		{"a plain-http host with a path", append(good, "--plain-http", "ghcr.io/acme"), "is not a lower-case host or host:port"},
		{"a plain-http host with the default port, which no chart has", append(good, "--plain-http", "ghcr.io:443"), "is not a lower-case host or host:port"},
		{"an empty plain-http host", append(good, "--plain-http", ""), "is not a lower-case host or host:port"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.command(t, "", append([]string{"verify"}, c.args...)...)
			if got.Code != exitNotAsked || got.Stdout != "" || !strings.Contains(got.Error, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}
