package credentials

import (
	"context"
	"crypto/x509"
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// argoCAs is the ConfigMap in which Argo CD keeps CAs, by host without port.
const argoCAs = "argocd-tls-certs-cm"

// argo finds what Argo CD 2 and 3 use for a repoURL (util/db/repository_secrets.go): the
// repository Secret of the Application's project for that URL, or one of no project;
// where that holds no credentials, those of the credential template whose URL is the
// longest prefix; and the CA for the host.
func (c *Connector) argo(ctx context.Context, access sourceauth.Auth, host string) (registry.Connection, error) {
	// A repoURL says where Argo CD goes. What chartgate wants of other hosts is its own
	// affair.
	if argoHost(access.URL) != host {
		return registry.Connection{}, nil
	}
	secrets, perr := c.argoSecrets(ctx)
	switch {
	case perr != nil && mayLack(perr):
		return draft{to: c.permission(access, host)}.lack(perr), nil
	case perr != nil:
		return registry.Connection{}, perr
	}
	found, err := argoRepository(secrets, access, host)
	if err != nil {
		return registry.Connection{}, err
	}
	if err := found.check(access, host, c.plainHTTP); err != nil {
		return registry.Connection{}, err
	}
	// A repository Secret says by its URL which host it is for.
	draft := draft{to: c.permission(access, host), loginBound: true, clientBound: true}
	if draft.CAs, err = c.argoCA(ctx, host); err != nil {
		return registry.Connection{}, err
	}
	return c.argoConnection(found, host, draft)
}

// argoConnection turns what was found into a connection.
func (c *Connector) argoConnection(found argoSettings, host string, draft draft) (registry.Connection, error) {
	if err := draft.setClient(found.from, found.clientCertificate, found.clientKey); err != nil {
		return registry.Connection{}, err
	}
	if err := draft.argoProxy(found, host); err != nil {
		return registry.Connection{}, err
	}
	switch {
	case found.foreign != "":
		return draft.lack(&problem.Error{
			Kind:   problem.KindUnauthorized,
			Detail: found.foreign + " is for another host, although its URL begins like one at " + host + ", so it is not sent there",
			Next:   "end the URL in " + found.foreign + " with a slash",
		}), nil
	case found.azure:
		return c.cloud("azure", host, draft)
	}
	if err := draft.setLogin(found.from, found.username, found.password); err != nil {
		return registry.Connection{}, err
	}
	if draft.username == "" {
		return draft.lack(noRepositorySecret(found, host, c.argoNamespace)), nil
	}
	return draft.connection(), nil
}

func noRepositorySecret(found argoSettings, host, namespace string) *problem.Error {
	what := "no repository Secret in namespace " + namespace + " is for this URL"
	if found.from != "" {
		what = found.from + " holds no user name and password"
	}
	return &problem.Error{Kind: problem.KindUnauthorized, Detail: what, Next: "give Argo CD a repository Secret with a login for " + host}
}

// argoProxy takes the proxy over, unless noProxy excludes the host.
func (d *draft) argoProxy(found argoSettings, host string) error {
	if found.proxy == "" {
		return nil
	}
	if _, err := parseProxy(found.proxyFrom, found.proxy); err != nil {
		return err
	}
	config := httpproxy.Config{HTTPProxy: found.proxy, HTTPSProxy: found.proxy, NoProxy: found.noProxy}
	proxy, err := config.ProxyFunc()(&url.URL{Scheme: "https", Host: host})
	if err != nil {
		return unusable(found.proxyFrom, "does not hold a valid proxy address (http://, https:// or socks5://)")
	}
	d.Proxy = proxy
	return nil
}

// argoCA returns the CAs that Argo CD trusts for a host instead of the system's. What
// holds no certificate counts for nothing, as in Argo CD.
func (c *Connector) argoCA(ctx context.Context, host string) ([]byte, error) {
	var found corev1.ConfigMap
	err := c.reader.Get(ctx, client.ObjectKey{Namespace: c.argoNamespace, Name: argoCAs}, &found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if perr := readProblem(ctx, nameOf("ConfigMap", c.argoNamespace, argoCAs), nextForArgo, err); perr != nil {
		return nil, perr
	}
	name, _, _ := strings.Cut(host, ":")
	pem := []byte(found.Data[name])
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, nil
	}
	return pem, nil
}

// argoSecrets lists the repository Secrets and credential templates. Those who ask at
// the same time share one list.
func (c *Connector) argoSecrets(ctx context.Context) ([]corev1.Secret, *problem.Error) {
	if c.argoNamespace == "" {
		return nil, &problem.Error{
			Kind:   problem.KindUnauthorized,
			Detail: "chartgate has not been told where Argo CD keeps its repository Secrets (chart value argoNamespace)",
			Next:   nextForArgo,
		}
	}
	listed, err := c.lists.Do(ctx, c.argoNamespace, c.listArgoSecrets)
	if err == nil {
		return slices.Clone(listed), nil
	}
	if perr, ok := errors.AsType[*problem.Error](err); ok {
		return nil, perr
	}
	return nil, readProblem(ctx, "the repository Secrets in namespace "+c.argoNamespace, nextForArgo, err)
}

func (c *Connector) listArgoSecrets(ctx context.Context) ([]corev1.Secret, error) {
	ours, err := labels.NewRequirement(argoLabel, selection.In, []string{argoRepo, argoTemplate})
	if err != nil {
		return nil, err
	}
	selector := labels.NewSelector().Add(*ours)
	var all []corev1.Secret
	options := []client.ListOption{
		client.InNamespace(c.argoNamespace), client.Limit(argoPage),
		client.MatchingLabelsSelector{Selector: selector},
	}
	var page corev1.SecretList
	for {
		if err := c.reader.List(ctx, &page, append(options, client.Continue(page.Continue))...); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		switch {
		case page.Continue == "":
			return all, nil
		case len(all) >= maxArgoSecrets:
			return nil, argoTooMany(c.argoNamespace)
		}
		page = corev1.SecretList{ListMeta: page.ListMeta}
	}
}
