package credentials_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

func resolverWithoutArgo() *credentials.Resolver {
	return credentials.New(credentials.Options{Reader: fake.NewClientBuilder().Build()})
}

// TestIDsTellConnectionsApart: those that differ in anything share nothing, those that
// do not, share. An ID tells nothing.
func TestIDsTellConnectionsApart(t *testing.T) {
	t.Parallel()
	all := sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login", Certificates: "tls", Proxy: "proxy", StoredHost: "ghcr.io", NamedHost: "ghcr.io"}
	ids := map[string]string{}
	for sentence, o := range map[string][]client.Object{
		"all":                 transportObjects("u", "p", "ca", "client", "http://proxy"),
		"another user":        transportObjects("v", "p", "ca", "client", "http://proxy"),
		"another password":    transportObjects("u", "q", "ca", "client", "http://proxy"),
		"a shifted boundary":  transportObjects("up", "p", "ca", "client", "http://proxy"),
		"another CA":          transportObjects("u", "p", "other", "client", "http://proxy"),
		"another certificate": transportObjects("u", "p", "ca", "other", "http://proxy"),
		"another proxy":       transportObjects("u", "p", "ca", "client", "http://proxy2"),
		"a proxy with a user": transportObjects("u", "p", "ca", "client", "http://hunter2@proxy"),
	} {
		connection, err := resolverFor(t, o).Resolve(t.Context(), all, at(t, "ghcr.io/acme/app"))
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := ids[connection.ID]; taken {
			t.Errorf("%q and %q have one ID", sentence, other)
		}
		ids[connection.ID] = sentence
		again, err := resolverFor(t, o).Resolve(t.Context(), all, at(t, "ghcr.io/acme/app"))
		if err != nil || again.ID != connection.ID {
			t.Errorf("%q has another ID the next time: %v", sentence, err)
		}
		if len(connection.ID) != 64 || strings.Contains(connection.ID, "hunter2") {
			t.Errorf("the ID %q is no digest", connection.ID)
		}
	}
}

func transportObjects(username, password, ca, certificate, proxy string) []client.Object {
	return []client.Object{
		secret("login", map[string]string{"username": username, "password": password}),
		secret("tls", map[string]string{"ca.crt": pems[ca], "tls.crt": pems[certificate], "tls.key": pems[certificate+" key"]}),
		secret("proxy", map[string]string{"address": proxy}),
	}
}
