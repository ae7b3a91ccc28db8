package privatesigstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/env/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// answer is what `chartgate verify` says about one chart.
type answer struct {
	Verdict, Reason, Signer string
	// Found is what a denial says about the attachments of the chart.
	Found []string
	// SignedAt is the time of a signature that is outside of the window.
	SignedAt string
}

// admitted is the answer to a chart that the identity has signed.
func (w *world) admitted(name string, by sigstore.Identity) answer {
	return answer{Verdict: "Verified", Signer: fmt.Sprintf("%s (subject %s, issuer %s)", name, by.Subject, by.Issuer)}
}

func denied(reason string, found ...string) answer {
	return answer{Verdict: "Denied", Reason: reason, Found: found}
}

// unusable is the answer to one bundle that proves no signature.
func unusable(why string) answer {
	if why == "" {
		why = "its signature, certificate or log entry is not valid"
	}
	return denied("SignatureInvalid", "1 bundle, 0 legacy signatures", "not usable: "+why)
}

func by(i sigstore.Identity) string { return fmt.Sprintf("subject %s, issuer %s", i.Subject, i.Issuer) }

func byWorkflow(i sigstore.Identity, repository string) string {
	return by(i) + ", sourceRepositoryURI https://github.com/" + repository
}

// check asks `chartgate verify` about a chart, with the policies of main_test.go.
func (w *world) check(t *testing.T, c chart, trusted *sigstore.Client, want answer) {
	t.Helper()
	w.checkBy(t, w.policies(), c, trusted, want)
}

// checkBy is check with other policies.
func (w *world) checkBy(t *testing.T, policies string, c chart, trusted *sigstore.Client, want answer) {
	t.Helper()
	root, err := trusted.TrustedRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rootFile, policyFile := filepath.Join(dir, "trusted_root.json"), filepath.Join(dir, "policies.yaml")
	if err := errors.Join(os.WriteFile(rootFile, root, 0o600), os.WriteFile(policyFile, []byte(policies), 0o600)); err != nil {
		t.Fatal(err)
	}
	stdout, code := verify(t, "oci://"+c.reference(), "--output=json",
		"--policy="+policyFile, "--trusted-root="+rootFile, "--plain-http="+c.registry.Host())
	if admitted := want.Reason == ""; admitted != (code == 0) {
		t.Errorf("exit code %d", code)
	}
	if diff := cmp.Diff(want, readAnswer(t, stdout)); diff != "" {
		t.Errorf("(-want +got):\n%s\nIt is\n%s", diff, stdout)
	}
}

// verify runs `chartgate verify`, which must admit (exit code 0) or deny (1).
func verify(t *testing.T, args ...string) (stdout []byte, code int) {
	t.Helper()
	v := harness.Verify{Args: args}.Run(t)
	if v.Code != 0 && v.Code != 1 {
		t.Fatalf("exit code %d\n%s", v.Code, v.Stderr)
	}
	return []byte(v.Stdout), v.Code
}

var signedAt = regexp.MustCompile(`signed it at (\S+),`)

func readAnswer(t *testing.T, stdout []byte) answer {
	t.Helper()
	var report struct {
		Results []struct{ Verdict, Reason, Signer, Message string }
	}
	if err := json.Unmarshal(stdout, &report); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if len(report.Results) != 1 {
		t.Fatalf("want one result: %s", stdout)
	}
	r := report.Results[0]
	got := answer{Verdict: r.Verdict, Reason: r.Reason, Signer: r.Signer}
	if at := signedAt.FindStringSubmatch(r.Message); at != nil {
		got.SignedAt = at[1]
	}
	for line := range strings.Lines(r.Message) {
		if found, ok := strings.CutPrefix(strings.TrimSpace(line), "found:"); ok {
			got.Found = append(got.Found, strings.TrimSpace(found))
		}
	}
	return got
}
