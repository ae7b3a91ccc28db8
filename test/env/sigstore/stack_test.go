package sigstore

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestCosignAgrees: cosign accepts what the servers and cosign sign, and only for the right signer.
func TestCosignAgrees(t *testing.T) {
	t.Parallel()
	issuer, stack := start(t)
	other, err := Start(t.Context(), issuer)
	t.Cleanup(func() { _ = other.Stop() })
	if err != nil {
		t.Fatal(err)
	}
	worker, namesake := issuer.Employee("maintainer@acme.example"), issuer.Freemailer("maintainer@acme.example")
	workflow := issuer.Workflow("acme/charts", "acme/charts/.github/workflows/release.yaml@refs/heads/main")
	byWorker, byWorkflow := image(t), image(t)
	for reference, by := range map[string]Identity{byWorker: worker, byWorkflow: workflow} {
		if err := stack.Sign(t.Context(), by, reference); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name      string
		verifier  *Client
		reference string
		by        Identity
		want      string // empty is consent
	}{
		{name: "a person", verifier: stack.Client, reference: byWorker, by: worker},
		{name: "a workflow", verifier: stack.Client, reference: byWorkflow, by: workflow},
		{
			name: "the same email address of another issuer", verifier: stack.Client, reference: byWorker, by: namesake,
			want: "no matching CertificateIdentity found",
		}, {
			name: "another Sigstore", verifier: other.Client, reference: byWorker, by: worker,
			want: "not enough verified log entries",
		}, {
			name: "another certificate authority", verifier: stack.With(other.Client, Fulcio), reference: byWorker, by: worker,
			want: "leaf certificate verification failed",
		}, {
			name: "another certificate transparency log", verifier: stack.With(other.Client, CTLog), reference: byWorker, by: worker,
			want: "SCT",
		}, {
			name: "another timestamp authority", verifier: stack.With(other.Client, Timestamp), reference: byWorker, by: worker,
			want: "timestamp",
		}, {
			name: "no timestamp authority", verifier: stack.Without(Timestamp), reference: byWorker, by: worker,
			want: "timestamp",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := tc.verifier.Verify(t.Context(), tc.by, tc.reference)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("want %q, got %v", tc.want, err)
			}
		})
	}
}

// start starts a Sigstore for one test.
func start(t *testing.T) (*Issuer, *Stack) {
	t.Helper()
	issuer, err := NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	stack, err := Start(t.Context(), issuer)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(stack.Log())
		}
		if err := stack.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return issuer, stack
}

// image is the reference of something to sign, in a registry of its own.
func image(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/acme/image@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, image); err != nil {
		t.Fatal(err)
	}
	return reference.String()
}
