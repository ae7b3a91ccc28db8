package credentials

import (
	"context"
	"crypto/x509"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// argoCAs is the ConfigMap in which Argo CD keeps CAs, by host without port.
const argoCAs = "argocd-tls-certs-cm"

// argo finds what Argo CD 2 and 3 use for a repoURL (util/db/repository_secrets.go): the repository
// Secret of the Application's project for that URL, or one without a project; where it holds no
// credentials, those of the credential template whose URL is the longest prefix; and the CA for the
// host.
func (r *Resolver) argo(ctx context.Context, auth sourceauth.Auth, host string) (registry.Connection, error) {
	// The repoURL is where Argo CD goes. Other hosts, such as that of a signature repository, are
	// read by chartgate only.
	if argoHost(auth.URL) != host {
		return registry.Connection{}, nil
	}
	b := connectionBuilder{permission: r.permission(auth, host)}
	if r.argoSecrets.namespace == "" {
		return b.buildWithout(noArgoNamespace()), nil
	}
	// The CA is read first: the API server's answer shows that the watch of the Secrets, which uses
	// the same connection, is alive.
	ca, caErr := r.argoCA(ctx, host)
	secrets, perr := r.argoSecrets.get(ctx, caErr == nil)
	switch {
	case perr != nil && onlyForLogin(perr):
		return b.buildWithout(perr), nil
	case perr != nil:
		return registry.Connection{}, perr
	}
	found, err := findArgoRepository(secrets, auth, host)
	if err != nil {
		return registry.Connection{}, err
	}
	if err := found.check(auth, host, r.plainHTTP); err != nil {
		return registry.Connection{}, err
	}
	if caErr != nil {
		return registry.Connection{}, caErr
	}
	// The URL in a repository Secret says for which host it is.
	b.CAs, b.loginBound, b.clientBound = ca, true, true
	return r.argoConnection(found, host, b)
}

// argoConnection makes a connection of what Argo CD's Secrets say.
func (r *Resolver) argoConnection(found argoRepository, host string, b connectionBuilder) (registry.Connection, error) {
	if err := b.setClientCertificate(found.from, found.clientCertificate, found.clientKey); err != nil {
		return registry.Connection{}, err
	}
	if err := b.setArgoProxy(found, host); err != nil {
		return registry.Connection{}, err
	}
	switch {
	case found.otherHost != "":
		return b.buildWithout(&problem.Error{
			Kind:   problem.KindUnauthorized,
			Detail: found.otherHost + " is for another host, although its URL begins like one at " + host + ", so it is not sent there",
			Next:   "end the URL in " + found.otherHost + " with a slash",
		}), nil
	case found.azureIdentity:
		return r.cloud("azure", host, b)
	}
	if err := b.setLogin(found.from, found.username, found.password); err != nil {
		return registry.Connection{}, err
	}
	if b.username == "" {
		return b.buildWithout(noArgoLogin(found, host, r.argoSecrets.namespace)), nil
	}
	return b.build(), nil
}

func noArgoNamespace() *problem.Error {
	return &problem.Error{
		Kind:   problem.KindUnauthorized,
		Detail: "chartgate has not been told where Argo CD keeps its repository Secrets (chart value argoNamespace)",
		Next:   nextForArgo,
	}
}

func noArgoLogin(found argoRepository, host, namespace string) *problem.Error {
	what := "no repository Secret in namespace " + namespace + " is for this URL"
	if found.from != "" {
		what = found.from + " holds no user name and password"
	}
	return &problem.Error{Kind: problem.KindUnauthorized, Detail: what, Next: "give Argo CD a repository Secret with a login for " + host}
}

// setArgoProxy sets the proxy, unless noProxy excludes the host.
func (b *connectionBuilder) setArgoProxy(found argoRepository, host string) error {
	if found.proxy == "" {
		return nil
	}
	if _, err := parseProxy(found.proxyFrom, found.proxy); err != nil {
		return err
	}
	config := httpproxy.Config{HTTPProxy: found.proxy, HTTPSProxy: found.proxy, NoProxy: found.noProxy}
	proxy, err := config.ProxyFunc()(&url.URL{Scheme: "https", Host: host})
	if err != nil {
		return noProxyAddress(found.proxyFrom)
	}
	b.Proxy = proxy
	return nil
}

// argoCA returns the CAs that Argo CD trusts for a host instead of the system's. Content without a
// certificate counts for nothing, as in Argo CD.
func (r *Resolver) argoCA(ctx context.Context, host string) ([]byte, *problem.Error) {
	namespace := r.argoSecrets.namespace
	var found corev1.ConfigMap
	err := r.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: argoCAs}, &found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if perr := readError(ctx, nameOf("ConfigMap", namespace, argoCAs), nextForArgo, err); perr != nil {
		return nil, perr
	}
	name, _, _ := strings.Cut(host, ":")
	pem := []byte(found.Data[name])
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, nil
	}
	return pem, nil
}

// isNative reports whether a repoURL makes a native OCI source.
func isNative(repoURL string) bool { return strings.HasPrefix(repoURL, chart.SchemeOCI+"://") }

// argoHost returns the host of a repoURL as chart.Location names it, "" if it has no host.
func argoHost(repoURL string) string {
	rest := strings.TrimPrefix(repoURL, chart.SchemeOCI+"://")
	host, _, _ := strings.Cut(rest, "/")
	return canonicalHost(host)
}

// canonicalHost returns a host as chart.Location names it, "" if it is not a host.
func canonicalHost(name string) string {
	location, err := chart.ParseLocation(chart.SchemeOCI + "://" + name)
	if err != nil || location.Path() != "" {
		return ""
	}
	return location.Host()
}
