package registry

import (
	"context"
	"fmt"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/chartgate/chartgate/pkg/chart"
)

// TestTokensAreBounded: anyone can invent names of repositories, and memory is limited.
func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	c := newTokens(10)
	for i := range 25 {
		token := fmt.Sprint(i)
		if _, err := c.Set(t.Context(), "host", auth.SchemeBearer, token, func(context.Context) (string, error) { return token, nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := c.GetToken(t.Context(), "host", auth.SchemeBearer, token); err != nil || got != token {
			t.Errorf("token %d: %q, %v", i, got, err)
		}
	}
	var kept []int
	for i := range 25 {
		if _, err := c.GetToken(t.Context(), "host", auth.SchemeBearer, fmt.Sprint(i)); err == nil {
			kept = append(kept, i)
		}
	}
	if fmt.Sprint(kept) != "[20 21 22 23 24]" {
		t.Errorf("kept %v", kept)
	}
	if scheme, err := c.GetScheme(t.Context(), "host"); err != nil || scheme != auth.SchemeBearer {
		t.Errorf("scheme %v, %v", scheme, err)
	}
}

func secret(context.Context) (string, string, error) { return "user", "hunter2", nil }

// TestLoginAtOneHost: a login is used for its own host only.
func TestLoginAtOneHost(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	for host, own := range map[string]string{"ghcr.io": "ghcr.io", "docker.io": "registry-1.docker.io", "ghcr.io:444": "ghcr.io:444"} {
		h, err := c.hostClient(Connection{ID: "1", Login: secret}, host)
		if err != nil {
			t.Fatal(err)
		}
		at, err := chart.ParseChart("oci://" + host + "/acme/app")
		if err != nil {
			t.Fatal(err)
		}
		ctx := withOptions(t.Context(), requestOptions{at: at})
		for _, asking := range []string{"ghcr.io", "docker.io", "registry-1.docker.io", "ghcr.io:444", "evil.ghcr.io", "GHCR.io", ""} {
			want := auth.EmptyCredential
			if asking == own {
				want = auth.Credential{Username: "user", Password: "hunter2"}
			}
			if got, err := h.http.Credential(ctx, asking); got != want || err != nil {
				t.Errorf("the login for %s at %q: %v, %v", host, asking, got, err)
			}
		}
	}
}
