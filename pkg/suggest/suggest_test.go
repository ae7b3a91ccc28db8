package suggest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/suggest"
	"github.com/chartgate/chartgate/pkg/verdict"
)

var (
	noon   = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	until  = noon.AddDate(0, 3, 0)
	digest = "sha256:" + strings.Repeat("a", 64)
)

// newKey returns a public key.
func newKey(t *testing.T) evidence.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := evidence.ParsePublicKeys(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	return parsed[0]
}

// row is a HelmRelease of a chart, as a scan shows it.
func row(reference string, signers ...inventory.Signer) inventory.Row {
	name := strings.NewReplacer("/", "-", ":", "-", ".", "-").Replace(reference)
	r := inventory.Row{
		Object: inventory.Object{Kind: "HelmRelease", Namespace: "apps", Name: name}, Field: "spec.chart.spec",
		Reference: reference, Verdict: inventory.NotJudged, Reason: verdict.NoPolicy, Signers: signers,
	}
	if strings.HasPrefix(reference, "oci://") {
		r.Digest, r.Pinning = digest, chart.Version.String()
	} else if strings.HasPrefix(reference, "https://") {
		r.Pinning = chart.Version.String()
	}
	return r
}

func keyless(subject string) inventory.Signer {
	return inventory.Signer{Issuer: "https://issuer.example", Subject: subject, TrustRoot: evidence.DefaultTrustRoot}
}

// written are the policies that a person gets, and the comments.
func written(t *testing.T, rows []inventory.Row, keys ...evidence.PublicKey) (policy.Input, string) {
	t.Helper()
	var out bytes.Buffer
	if err := suggest.For(inventory.Inventory{At: noon, From: "a test", Rows: rows}, suggest.Options{Until: until, Keys: keys}).Write(&out); err != nil {
		t.Fatal(err)
	}
	var in policy.Input
	for _, document := range strings.Split(out.String(), "\n---\n")[1:] {
		var kind struct{ Kind string }
		err := yaml.Unmarshal([]byte(document), &kind)
		if err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "TrustedIdentity":
			var obj v1alpha1.TrustedIdentity
			err = yaml.UnmarshalStrict([]byte(document), &obj)
			in.Identities = append(in.Identities, obj)
		case "ChartPolicy":
			var obj v1alpha1.ChartPolicy
			err = yaml.UnmarshalStrict([]byte(document), &obj)
			in.Policies = append(in.Policies, obj)
		default:
			t.Fatalf("a document of kind %q in\n%s", kind.Kind, out.String())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return in, out.String()
}

// accepts reports whether a set accepts the chart of a row with its signers.
func accepts(t *testing.T, set *policy.Set, r inventory.Row) bool {
	t.Helper()
	reference, err := chart.ParseReference(r.Reference)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := chart.ParseDigest(digest)
	if err != nil {
		t.Fatal(err)
	}
	matched := set.For(reference.Location)
	subject := verdict.Subject{Kind: r.Object.Kind, Reference: reference, Digest: sum}
	var undecided []*policy.Policy
	for _, p := range matched.Policies() {
		switch acceptance, denial := p.Admissible(subject, noon); {
		case denial != nil:
			return false
		case acceptance == nil:
			undecided = append(undecided, p)
		}
	}
	if len(undecided) == 0 {
		return !matched.IsEmpty()
	}
	judgement := matched.Only(undecided).Judge(sum, noon)
	for _, s := range r.Signers {
		e := evidence.New(sum, evidence.ChartSignature, evidence.Signer{Key: s.Key, Issuer: s.Issuer, Subject: s.Subject, Claims: map[string]string{"sourceRepositoryURI": s.Repository}})
		e.TrustRoot, e.Logged, e.SignedAt = s.TrustRoot, !s.Unlogged, noon
		if s.Signs() {
			judgement.Add(e)
		}
	}
	return judgement.Accepted()
}

// TestASuggestionAdmitsWhatRuns: all that a scan can know is admitted, and a chart that a stranger
// has signed instead is not. Of a chart with several signers, a scan cannot know whose are right.
func TestASuggestionAdmitsWhatRuns(t *testing.T) {
	key := newKey(t)
	const workflow = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/"
	tagged := func(tag string) inventory.Signer {
		s := keyless(workflow + "tags/" + tag)
		s.Repository = "https://github.com/acme/charts"
		return s
	}
	corp := inventory.Signer{Issuer: "https://sso.corp", Subject: "release@corp", TrustRoot: "corp", Unlogged: true}
	signers := [][]inventory.Signer{
		nil, {keyless("release@acme.example")}, {keyless(workflow + "heads/main")}, {tagged("v1.0.0")}, {tagged("v2.0.0")}, {corp},
		{{Key: key.Fingerprint(), Unlogged: true}}, {{Key: key.Fingerprint(), TrustRoot: evidence.DefaultTrustRoot}}, {{Key: key.Fingerprint(), TrustRoot: "corp"}}, {keyless("release@acme.example"), keyless("vendor@partner.example")},
	}
	for seed := range uint64(40) {
		random := mathrand.New(mathrand.NewPCG(seed, 11))
		var rows []inventory.Row
		seen := map[string]bool{}
		for range 1 + random.IntN(20) {
			path := ""
			for range 1 + random.IntN(3) {
				path += "/" + string(rune('a'+random.IntN(3)))
			}
			host := []string{"ghcr.io", "quay.io", "registry.corp:5000"}[random.IntN(3)]
			reference := []string{
				"oci://" + host + path + ":1.0.0", "oci://" + host + path + ":2.0.0", "https://charts.corp" + path + ":1.0.0",
				"git://github.com/acme/apps/" + path + "?ref=main", "bucket://minio.corp/charts/" + path,
			}[random.IntN(5)]
			r := row(reference, signers[random.IntN(len(signers))]...)
			if !strings.HasPrefix(reference, "oci://") {
				r.Signers = nil
			}
			if !seen[reference] {
				seen[reference], rows = true, append(rows, r)
			}
		}
		in, text := written(t, rows, key)
		for _, obj := range in.Identities {
			if wrong := validation.IsDNS1123Subdomain(obj.Name); len(wrong) > 0 {
				t.Errorf("seed %d: no TrustedIdentity can be called %s: %s", seed, obj.Name, wrong)
			}
		}
		for _, obj := range in.Policies {
			if wrong := validation.IsDNS1123Subdomain(obj.Name); len(wrong) > 0 {
				t.Errorf("seed %d: no ChartPolicy can be called %s: %s", seed, obj.Name, wrong)
			}
		}
		set, report := policy.Compile(in)
		if len(report.Policies)+len(report.Identities) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, report, text)
		}
		for _, r := range rows {
			if several(rows, r) {
				if accepts(t, set, r) || !strings.Contains(text, "# - "+strings.TrimSuffix(r.Reference, r.Reference[strings.LastIndexByte(r.Reference, ':'):])+" has signatures by several signers") {
					t.Errorf("seed %d: %s, signed by several, is admitted or not asked about under\n%s", seed, r.Reference, text)
				}
				continue
			}
			if !accepts(t, set, r) {
				t.Errorf("seed %d: %s, signed by %v, is denied under\n%s", seed, r.Reference, r.Signers, text)
			}
			swapped := r
			swapped.Signers = []inventory.Signer{keyless("mallory@evil.example")}
			if signed := len(r.Signers) > 0; signed && accepts(t, set, swapped) != mixed(rows, r) {
				t.Errorf("seed %d: %s, signed by a stranger: denied is %t under\n%s", seed, r.Reference, mixed(rows, r), text)
			}
		}
	}
}

// several reports whether a version of the same chart has several signers, so that a person must choose.
func several(rows []inventory.Row, r inventory.Row) bool {
	at := r.Reference[:strings.LastIndexByte(r.Reference, ':')]
	return !mixed(rows, r) && slices.ContainsFunc(rows, func(other inventory.Row) bool {
		return strings.HasPrefix(other.Reference, at+":") && len(other.Signers) > 1
	})
}

// mixed reports whether another version of the same chart has no signature, so that the chart has a
// waiver.
func mixed(rows []inventory.Row, r inventory.Row) bool {
	at := r.Reference[:strings.LastIndexByte(r.Reference, ':')]
	for _, other := range rows {
		if strings.HasPrefix(other.Reference, at+":") && len(other.Signers) == 0 {
			return true
		}
	}
	return false
}

// TestAttackSuggestTrustsTheStranger: someone who can push signs charts beside the right signer. Nothing is in force for
// those charts, all signers are named, and other charts of the folder keep their policy.
func TestAttackSuggestTrustsTheStranger(t *testing.T) {
	key := newKey(t)
	right, stranger := keyless("release@acme.example"), keyless("aa-mallory@evil.example")
	known := inventory.Signer{Key: key.Fingerprint(), TrustRoot: evidence.DefaultTrustRoot}
	foreign := inventory.Signer{Key: "sha256:ffff", Unverified: "made with a key that no policy trusts"}
	for _, c := range []struct {
		sentence string
		web      []inventory.Signer
		api      []inventory.Signer
		admits   []string
		says     []string
	}{
		{"beside a keyless signer", []inventory.Signer{right, stranger}, []inventory.Signer{right, stranger}, []string{"lib"},
			[]string{"# - signed by aa-mallory@evil.example\n# - signed by release@acme.example\n"}},
		{"beside a key that the scan knows", []inventory.Signer{known, stranger}, []inventory.Signer{known, stranger}, []string{"lib"}, []string{"# - signed by " + key.Fingerprint()}},
		{"beside a key that the scan does not know", []inventory.Signer{foreign, stranger}, []inventory.Signer{foreign, stranger}, []string{"lib"},
			[]string{"# - signed, not verified: sha256:ffff: made with a key that no policy trusts\n"}},
		{"with a key that the scan does not know", []inventory.Signer{right, foreign}, []inventory.Signer{right}, []string{"api", "lib"},
			[]string{"oci://ghcr.io/acme/web has signatures by several signers", "release@acme.example; sha256:ffff: made with a key that no policy trusts"}},
		{"to one chart of a folder", []inventory.Signer{right, stranger}, []inventory.Signer{right}, []string{"api", "lib"}, []string{"    - oci://ghcr.io/acme/**\n", "    exclude:\n    - oci://ghcr.io/acme/web\n"}},
		{"twice by one signer, of which one signature is in a log", []inventory.Signer{known, {Key: key.Fingerprint(), Unlogged: true}}, []inventory.Signer{right}, []string{"web", "api", "lib"}, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			rows := []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", c.web...), row("oci://ghcr.io/acme/api:1.0.0", c.api...), row("oci://ghcr.io/acme/lib:1.0.0", right)}
			in, text := written(t, rows, key)
			set, report := policy.Compile(in)
			if len(report.Policies)+len(report.Identities) > 0 {
				t.Fatal(report)
			}
			var admits []string
			for i, name := range []string{"web", "api", "lib"} {
				if accepts(t, set, rows[i]) {
					admits = append(admits, name)
				}
			}
			if diff := cmp.Diff(c.admits, admits); diff != "" {
				t.Errorf("admitted (-want +got):\n%s", diff)
			}
			for _, obj := range in.Identities {
				if obj.Spec.Keyless != nil && strings.Contains(obj.Spec.Keyless.Subject, "mallory") {
					t.Error("the stranger is trusted")
				}
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// TestSuggestionsInWords: what a person reads.
func TestSuggestionsInWords(t *testing.T) {
	key := newKey(t)
	foreign := row("oci://ghcr.io/acme/foreign:1.0.0", inventory.Signer{Key: "sha256:ffff", Unverified: "made with a key that no policy trusts"})
	unused := func(name, url string) inventory.Row {
		return inventory.Row{Object: inventory.Object{Kind: "HelmRepository", Namespace: "apps", Name: name}, Reference: url, Verdict: inventory.NotJudged}
	}
	hostile := row("oci://ghcr.io/acme/web:1.0.0", keyless("a@b\n---\nkind: ChartPolicy"))
	var many []inventory.Row
	for i := range 300 {
		many = append(many, row(fmt.Sprintf("oci://ghcr.io/acme/c%03d:1.0.0", i)))
	}
	for _, c := range []struct {
		sentence string
		rows     []inventory.Row
		keys     []evidence.PublicKey
		policies int
		says     []string
	}{
		{"a key that the scan knows", []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", inventory.Signer{Key: key.Fingerprint()})}, []evidence.PublicKey{key}, 1, []string{strings.Split(key.PEM(), "\n")[1]}},
		{"a key that it does not know", []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", inventory.Signer{Key: key.Fingerprint()})}, nil, 0,
			[]string{"# A scan cannot know the key itself. Put the public key with the fingerprint " + key.Fingerprint() + " into key.pem", "# kind: ChartPolicy"}},
		{"a signer that was not verified", []inventory.Row{foreign}, nil, 0, []string{"is signed, but by a signer that could not be verified (sha256:ffff: made with a key that no policy trusts)"}},
		{"another trust root", []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", inventory.Signer{Issuer: "https://sso.corp", Subject: "r@corp", TrustRoot: "corp"})}, nil, 1,
			[]string{"trustRoot: corp", "# It needs the TrustRoot corp, which is not in this file."}},
		{"more charts than a policy can name", many, nil, 3, []string{"c000", "c299"}},
		{"a repository of which no chart is used", []inventory.Row{unused("old", "https://charts.corp/unused")}, nil, 0, []string{
			"# - HelmRepository apps/old: no chart of https://charts.corp/unused is used, so nothing is suggested for it, and a gate denies it when it is written. Delete it, or uncomment the waiver",
			"# HelmRepository apps/old: no chart of it is used. To keep it, uncomment this waiver, which admits every chart of it.\n# ---\n# apiVersion: chartgate.dev/v1alpha1\n# kind: ChartPolicy\n",
			"#     - https://charts.corp/unused/**\n",
		}},
		{"several of one URL", []inventory.Row{unused("old", "https://charts.corp/unused"), unused("older", "https://charts.corp/unused")}, nil, 0, []string{"# - HelmRepository apps/old, HelmRepository apps/older: no chart of https://charts.corp/unused is used"}},
		{"one in an OCI registry, where charts can be signed", []inventory.Row{unused("oci", "oci://ghcr.io/unused")}, nil, 0, []string{
			"no chart of oci://ghcr.io/unused is used", "Delete it, or write a policy that requires a signature of its charts.\n",
		}},
		{"one of which a chart is used", []inventory.Row{unused("used", "https://charts.corp/used"), row("https://charts.corp/used/web:1.0.0")}, nil, 1, nil},
		{"a key whose signatures are in a log", []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", inventory.Signer{Key: key.Fingerprint(), TrustRoot: evidence.DefaultTrustRoot})}, []evidence.PublicKey{key}, 1, nil},
		{"a key whose signatures are in a log of the company", []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", inventory.Signer{Key: key.Fingerprint(), TrustRoot: "corp"})}, []evidence.PublicKey{key}, 1,
			[]string{"# It needs the TrustRoot corp, which is not in this file.", "  trustRoot: corp\n"}},
		{"a key whose signatures are in none", []inventory.Row{row("oci://ghcr.io/acme/web:1.0.0", inventory.Signer{Key: key.Fingerprint(), Unlogged: true})}, []evidence.PublicKey{key}, 1,
			[]string{"# No entry of its signatures in a transparency log was verified, so none is required.", "    transparencyLog: NotRequired\n"}},
		{"a URL with a query", []inventory.Row{row("https://charts.corp/stable/web?token=x:1.0.0")}, nil, 1, []string{"https://charts.corp/stable/web?*"}},
		{"a folder in Git", []inventory.Row{row("git://github.com/acme/apps//charts/web?ref=v1.0.0")}, nil, 1, []string{"- git://github.com/acme/apps//charts/web\n", "reason: not in an OCI registry, so it cannot be signed"}},
		{"a signer whose name is YAML", []inventory.Row{hostile}, nil, 1, nil},
		{"what could not be read", []inventory.Row{{Object: inventory.Object{Kind: "HelmRelease", Name: "x"}, Verdict: "Denied", Next: "correct it"}}, nil, 0, []string{"its reference cannot be read, so nothing is suggested for it. Fix the object: correct it"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			in, text := written(t, c.rows, c.keys...)
			if len(in.Policies) != c.policies {
				t.Errorf("%d policies, want %d", len(in.Policies), c.policies)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if said := strings.Join(c.says, ""); strings.Contains(text, "NotRequired") != strings.Contains(said, "NotRequired") || strings.Contains(text, "no chart of") != strings.Contains(said, "no chart of") {
				t.Errorf("it says more than %q", c.says)
			}
			if t.Failed() {
				t.Log(text[:min(len(text), 3000)])
			}
		})
	}
}
