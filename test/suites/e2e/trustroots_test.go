package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
	"github.com/chartgate/chartgate/test/harness"
)

// corp is a company with a Sigstore of its own, and what it publishes.
type corp struct {
	sigstore *sigstore.Sigstore
	root     string // trusted_root.json
}

func newCorp(t *testing.T) corp {
	t.Helper()
	s, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	return corp{sigstore: s, root: string(root)}
}

// publishes makes a TUF repository with the company's trust root, and a mirror of it.
func (c corp) publishes(t *testing.T, expires time.Time) (*tuf.Repository, *tuf.Server) {
	t.Helper()
	repository, err := tuf.New(expires, map[string][]byte{"trusted_root.json": []byte(c.root)})
	if err != nil {
		t.Fatal(err)
	}
	mirror := tuf.Serve(repository.Files())
	t.Cleanup(mirror.Close)
	return repository, mirror
}

// trusting publishes a chart that the company signed, and a policy that requires this signature
// with the TrustRoot of the same name.
func (w *site) trusting(t *testing.T, c corp, name string) {
	t.Helper()
	w.add(t, "ghcr.io/acme/"+name+"/app:1.0.0", bundleIn(c.sigstore, release()))
	w.given(t, harness.Identity(name+"-release", `{keyless: {issuer: https://token.actions.githubusercontent.com,
  subject: https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main}, trustRoot: `+name+`}`)+
		harness.Policy(name, `{match: {charts: ["oci://ghcr.io/acme/`+name+`/*"]}, require: [{anyOf: [`+name+`-release]}]}`))
}

func followed(name string, mirror string, root []byte) string {
	return harness.TrustRoot(name, fmt.Sprintf("{tuf: {mirror: %q, root: %s}}", mirror, quoted(string(root))))
}

// quoted is text as a JSON string, which YAML reads too.
func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func appOf(name string) string {
	return application("source: {repoURL: ghcr.io/acme/" + name + ", chart: app, targetRevision: 1.0.0}")
}

// notTrusted is the denial of appOf(name).
func notTrusted(name, why string) harness.Answer {
	return harness.Denied("TrustRootUnavailable spec.source", `
Application apps/app denied (TrustRootUnavailable): oci://ghcr.io/acme/`+name+`/app:1.0.0@sha256:<app:1.0.0> has no signature that could be verified
  where:    spec.source
  policy:   `+name+` requires a signature by `+name+`-release (`+byRelease+`)
  found:    1 bundle, 0 legacy signatures
  found:    not usable: made with a certificate, which cannot be verified: `+why+`
  next:     ask the cluster's admin to check the trust root that this signature needs: kubectl get trustroots`)
}

// saysOf waits until kubectl shows this of a TrustRoot: whether it is ready, and why.
func (w *site) saysOf(t *testing.T, name, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		out, err := w.Kubectl(t.Context(), "", "get", "trustroot", name, "-o",
			`jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].reason}: {.status.conditions[?(@.type=="Ready")].message}`)
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(want, out.Stdout)
	})
}

const inUse = "True Loaded: the trust root is in use"

// TestTrustRoots: charts signed in a company's own Sigstore, whose trust root comes in each of the
// three ways.
func TestTrustRoots(t *testing.T) {
	w := theSite(t)
	c := newCorp(t)
	repository, mirror := c.publishes(t, time.Now().Add(time.Hour))
	w.given(t, harness.TrustRoot("inline", "{trustedRoot: "+quoted(c.root)+"}")+
		harness.TrustRoot("stored", "{configMapRef: {name: corp-root}}")+
		"---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: corp-root, namespace: chartgate-system}, data: {trusted_root.json: "+quoted(c.root)+"}}\n"+
		followed("followed", mirror.URL, repository.Root()))
	for _, name := range []string{"inline", "stored", "followed"} {
		w.trusting(t, c, name)
		w.saysOf(t, name, inUse)
		t.Run(name, func(t *testing.T) {
			w.becomes(t, w.Object(t, appOf(name)), harness.Admitted())
		})
	}
	t.Run("a ConfigMap that goes takes the trust root with it", func(t *testing.T) {
		if _, err := w.Kubectl(t.Context(), "", "delete", "configmap", "corp-root", "-n", "chartgate-system"); err != nil {
			t.Fatal(err)
		}
		const why = "the ConfigMap chartgate-system/corp-root does not exist"
		w.saysOf(t, "stored", "False Unavailable: "+why)
		w.becomes(t, w.Object(t, appOf("stored")), notTrusted("stored", "the TrustRoot stored cannot be used: "+why))
	})
	t.Run("a TrustRoot that goes is trusted no more", func(t *testing.T) {
		if _, err := w.Kubectl(t.Context(), "", "delete", "trustroot", "inline"); err != nil {
			t.Fatal(err)
		}
		w.becomes(t, w.Object(t, appOf("inline")), notTrusted("inline", "the TrustRoot inline does not exist"))
	})
	t.Run("the trust root of another Sigstore counts for nothing", func(t *testing.T) {
		w.given(t, harness.TrustRoot("foreign", "{trustedRoot: "+quoted(newCorp(t).root)+"}"))
		w.trusting(t, c, "foreign")
		w.saysOf(t, "foreign", inUse)
		harness.Eventually(t, func() string {
			got := w.try(t, w.Object(t, appOf("foreign")), true)
			return cmp.Diff([]string{"SignatureInvalid spec.source"}, got.Causes)
		})
	})
	t.Run("at a glance", func(t *testing.T) {
		out, err := w.Kubectl(t.Context(), "", "get", "tr", "followed", "stored")
		if err != nil {
			t.Fatal(err)
		}
		expires, err := w.Kubectl(t.Context(), "", "get", "tr", "followed", "-o", "jsonpath={.status.expires}")
		if err != nil {
			t.Fatal(err)
		}
		got := gap.ReplaceAllString(age.ReplaceAllString(out.Stdout, ""), "  ")
		want := "NAME  READY  VERSION  EXPIRES\nfollowed  True  1  " + expires.Stdout + "\nstored  False"
		if diff := cmp.Diff(want, strings.TrimSpace(got)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTrustRootsFail: every error of a trust root denies the charts that need it, and is shown to
// developers and the platform team. Other charts are not affected.
func TestTrustRootsFail(t *testing.T) {
	w := theSite(t)
	c := newCorp(t)
	expired, expiredMirror := c.publishes(t, time.Now().Add(time.Hour))
	ended := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	if err := expired.Expire("timestamp", ended); err != nil {
		t.Fatal(err)
	}
	expiredMirror.Show(expired.Files())
	swapped, swappedMirror := c.publishes(t, time.Now().Add(time.Hour))
	other, _ := c.publishes(t, time.Now().Add(time.Hour))
	swappedMirror.Show(other.Files())
	for _, tc := range []struct{ sentence, name, object, why string }{
		{"a mirror that is down", "unreachable", followed("unreachable", "http://"+downHost, swapped.Root()),
			"the TrustRoot unreachable could not be fetched from http://down.example: it could not be reached"},
		{"metadata that have expired", "expired", followed("expired", expiredMirror.URL, expired.Root()),
			"the TrustRoot expired was refused as " + expiredMirror.URL + " serves it: timestamp.json expired on " + ended.Format(time.RFC3339)},
		{"another repository at the URL", "swapped", followed("swapped", swappedMirror.URL, swapped.Root()),
			"the TrustRoot swapped was refused as " + swappedMirror.URL + " serves it: timestamp.json is not signed by the keys that the trusted root names: another repository's, or forged"},
		{"a ConfigMap that does not exist", "lost", harness.TrustRoot("lost", "{configMapRef: {name: lost-root}}"),
			"the ConfigMap chartgate-system/lost-root does not exist"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			w.given(t, tc.object)
			w.trusting(t, c, tc.name)
			w.saysOf(t, tc.name, strings.ReplaceAll("False Unavailable: "+tc.why, "down.example", downHost))
			why := tc.why
			if tc.name == "lost" {
				why = "the TrustRoot lost cannot be used: " + why
			}
			w.becomes(t, w.Object(t, appOf(tc.name)), notTrusted(tc.name, why))
		})
	}
	t.Run("a TrustRoot that does not exist", func(t *testing.T) {
		w.trusting(t, c, "absent")
		w.becomes(t, w.Object(t, appOf("absent")), notTrusted("absent", "the TrustRoot absent does not exist"))
		harness.Eventually(t, func() string {
			out, err := w.Kubectl(t.Context(), "", "get", "ti", "absent-release", "-o", "jsonpath={.status.conditions[0].status} {.status.conditions[0].message}")
			if err != nil {
				return err.Error()
			}
			return cmp.Diff("False the TrustRoot absent does not exist", out.Stdout)
		})
	})
}

// TestTrustRootRollback: a running chartgate has seen newer metadata than the mirror then serves.
// It refreshes after half of the remaining validity.
func TestTrustRootRollback(t *testing.T) {
	w := theSite(t)
	c := newCorp(t)
	repository, mirror := c.publishes(t, time.Now().Add(90*time.Second))
	old := repository.Files()
	if err := repository.Refresh(); err != nil {
		t.Fatal(err)
	}
	mirror.Show(repository.Files())
	w.trusting(t, c, "rolled")
	w.given(t, followed("rolled", mirror.URL, repository.Root()))
	w.saysOf(t, "rolled", inUse)
	w.becomes(t, w.Object(t, appOf("rolled")), harness.Admitted())

	mirror.Show(old)
	why := "the TrustRoot rolled was refused as " + mirror.URL + " serves it: timestamp.json is of another version than the newest one seen: a rollback, or parts of different versions"
	w.saysOf(t, "rolled", "False Unavailable: "+why)
	w.becomes(t, w.Object(t, appOf("rolled")), notTrusted("rolled", why))

	if err := repository.Expire("timestamp", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"root", "snapshot", "targets"} {
		if err := repository.Expire(role, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	mirror.Show(repository.Files())
	w.saysOf(t, "rolled", inUse)
	w.becomes(t, w.Object(t, appOf("rolled")), harness.Admitted())
}

// TestTrustRootsAreCheckedWhenWritten: mistakes are refused when they are written.
func TestTrustRootsAreCheckedWhenWritten(t *testing.T) {
	w := theSite(t)
	c := newCorp(t)
	repository, mirror := c.publishes(t, time.Now().Add(time.Hour))
	refused := func(field, why string) harness.Answer { return refused("TrustRoot", field, why) }
	w.check(t, []row{
		{sentence: "one that is good", object: followed("good", mirror.URL, repository.Root()), want: harness.Admitted()},
		{sentence: "a root.json that is not a TUF root", object: followed("wrong", mirror.URL, []byte("{}")),
			want: refused("spec.tuf.root", "is not TUF root metadata (root.json) that enough of its own keys signed")},
		{sentence: "a root that was changed", object: followed("wrong", mirror.URL, []byte(strings.Replace(string(repository.Root()), `"version":1`, `"version":9`, 1))),
			want: refused("spec.tuf.root", "is not TUF root metadata (root.json) that enough of its own keys signed")},
		{sentence: "a trusted_root.json that is not one", object: harness.TrustRoot("wrong", "{trustedRoot: '{}'}"),
			want: refused("spec.trustedRoot", "the content is not a trusted_root.json")},
		{sentence: "a mirror with a password", object: followed("wrong", "https://a:b@tuf.example.com", repository.Root()),
			want: invalid("TrustRoot", `spec.tuf.mirror: Invalid value: "https://a:b@tuf.example.com": spec.tuf.mirror in body should match '^https?://[^?#@]+$'`, "FieldValueInvalid spec.tuf.mirror")},
		{sentence: "two sources", object: harness.TrustRoot("wrong", "{trustedRoot: "+quoted(c.root)+", configMapRef: {name: x}}"),
			want: invalid("TrustRoot", `spec: Invalid value: exactly one of tuf, trustedRoot and configMapRef must be set`, "FieldValueInvalid spec")},
		{sentence: "an identity whose TrustRoot does not exist yet", object: harness.Identity("early", "{keyless: {"+anyone+"}, trustRoot: later}"),
			want: harness.Admitted("until TrustRoot later exists, signatures by the identity that need a trust root are denied")},
	})
}
