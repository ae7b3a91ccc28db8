package credentials

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// providerGeneric is Flux's name for no cloud.
const providerGeneric = "generic"

// maxPullSecrets is the number of imagePullSecrets of one ServiceAccount. They are read one after
// the other. Real ones have one or two.
const maxPullSecrets = 16

// flux finds what a HelmRepository or OCIRepository names, as source-controller 1.9 does
// (internal/helm/getter, internal/controller). It differs in two points: it accepts a login of user
// name and password in an OCIRepository too, and also certificates beside the login, where Flux
// reads them for a HelmRepository only.
func (r *Resolver) flux(ctx context.Context, auth sourceauth.Auth, at chart.Location) (registry.Connection, error) {
	b := connectionBuilder{permission: r.permission(auth, at.Host())}
	if err := r.fluxTransport(ctx, auth, &b); err != nil {
		return registry.Connection{}, err
	}
	secrets, perr := r.pullSecrets(ctx, auth)
	switch {
	case perr != nil && onlyForLogin(perr):
		return b.buildWithout(perr), nil
	case perr != nil:
		return registry.Connection{}, perr
	}
	if err := b.setCertificatesBesideLogin(auth, secrets); err != nil {
		return registry.Connection{}, err
	}
	if len(secrets) == 0 {
		return r.fluxCloud(auth, at.Host(), b)
	}
	return b.buildWithSecrets(secrets, at)
}

// fluxTransport reads certSecretRef and proxySecretRef. Without them the registry cannot be reached
// as Flux reaches it, so every error counts.
func (r *Resolver) fluxTransport(ctx context.Context, auth sourceauth.Auth, b *connectionBuilder) error {
	if auth.Certificates != "" {
		secret, perr := r.secret(ctx, auth.Namespace, auth.Certificates)
		if perr != nil {
			return perr
		}
		if err := b.setFluxCertificates(secret); err != nil {
			return err
		}
	}
	if auth.Proxy == "" {
		return nil
	}
	secret, perr := r.secret(ctx, auth.Namespace, auth.Proxy)
	if perr != nil {
		return perr
	}
	return b.setFluxProxy(secret)
}

// pullSecrets reads the Secrets that a source logs in with: its own first, then those of its
// ServiceAccount. If one of them cannot be read it returns no Secrets: Flux pulls nothing without
// it.
func (r *Resolver) pullSecrets(ctx context.Context, auth sourceauth.Auth) ([]*corev1.Secret, *problem.Error) {
	names, perr := r.pullSecretNames(ctx, auth)
	if perr != nil {
		return nil, perr
	}
	var secrets []*corev1.Secret
	for _, name := range names {
		secret, perr := r.secret(ctx, auth.Namespace, name)
		if perr != nil {
			return nil, perr
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func (r *Resolver) pullSecretNames(ctx context.Context, auth sourceauth.Auth) ([]string, *problem.Error) {
	var names []string
	if auth.Secret != "" {
		names = append(names, auth.Secret)
	}
	if auth.ServiceAccount == "" {
		return names, nil
	}
	account, perr := r.serviceAccount(ctx, auth.Namespace, auth.ServiceAccount)
	if perr != nil {
		return nil, perr
	}
	if len(account.ImagePullSecrets) > maxPullSecrets {
		return nil, &problem.Error{Kind: problem.KindLimitExceeded, Detail: fmt.Sprintf("%s has %d imagePullSecrets; chartgate reads %d",
			nameOf("ServiceAccount", auth.Namespace, auth.ServiceAccount), len(account.ImagePullSecrets), maxPullSecrets)}
	}
	for _, reference := range account.ImagePullSecrets {
		names = append(names, reference.Name)
	}
	return names, nil
}

// fluxCloud is the connection of a source without a Secret: anonymous, or with chartgate's identity
// at the cloud that provider names.
func (r *Resolver) fluxCloud(auth sourceauth.Auth, host string, b connectionBuilder) (registry.Connection, error) {
	switch auth.Provider {
	case "", providerGeneric:
		return b.build(), nil
	}
	if auth.ServiceAccount != "" {
		return registry.Connection{}, &problem.Error{
			Kind: problem.KindUnsupported,
			Detail: fmt.Sprintf("provider %s with serviceAccountName %s logs in as that service account, which chartgate cannot do",
				problem.QuoteInput(auth.Provider), problem.QuoteInput(auth.ServiceAccount)),
			Next: "remove serviceAccountName, so that chartgate logs in with its own " + auth.Provider + " identity, or name a secretRef",
		}
	}
	return r.cloud(auth.Provider, host, b)
}

// setFluxCertificates sets the certificates in a Secret that certSecretRef names.
func (b *connectionBuilder) setFluxCertificates(secret *corev1.Secret) error {
	from := nameOfSecret(secret)
	ca, certificate, key := fluxCertificates(secret)
	if len(ca) == 0 && len(certificate) == 0 && len(key) == 0 {
		return unusable(from, "holds neither ca.crt nor tls.crt with tls.key")
	}
	if err := b.setClientCertificate(from, certificate, key); err != nil {
		return err
	}
	if len(ca) == 0 {
		return nil
	}
	if !x509.NewCertPool().AppendCertsFromPEM(ca) {
		return unusable(from, "holds no certificate in ca.crt")
	}
	b.CAs, b.AddCAs, b.Origin = ca, true, from
	return nil
}

// setCertificatesBesideLogin sets the certificates beside the login of secretRef. Flux still
// accepts them, deprecated, where there is no certSecretRef. One half of a pair counts for nothing,
// as in Flux.
func (b *connectionBuilder) setCertificatesBesideLogin(auth sourceauth.Auth, secrets []*corev1.Secret) error {
	if auth.Certificates != "" || auth.Secret == "" || len(secrets) == 0 {
		return nil
	}
	ca, certificate, key := fluxCertificates(secrets[0])
	if (len(certificate) == 0) != (len(key) == 0) || len(ca) == 0 && len(certificate) == 0 {
		return nil
	}
	return b.setFluxCertificates(secrets[0])
}

// fluxCertificates returns what Flux reads: the standard keys before the old ones.
func fluxCertificates(secret *corev1.Secret) (ca, certificate, key []byte) {
	first := func(keys ...string) []byte {
		for _, key := range keys {
			if value := secret.Data[key]; len(value) > 0 {
				return value
			}
		}
		return nil
	}
	return first("ca.crt", "caFile"), first(corev1.TLSCertKey, "certFile"), first(corev1.TLSPrivateKeyKey, "keyFile")
}

// setFluxProxy sets the proxy in a Secret that proxySecretRef names.
func (b *connectionBuilder) setFluxProxy(secret *corev1.Secret) error {
	from := nameOfSecret(secret)
	address := string(secret.Data["address"])
	if address == "" {
		return unusable(from, "holds no proxy address")
	}
	proxy, err := parseProxy(from, address)
	if err != nil {
		return err
	}
	username, hasUsername := secret.Data[keyUsername]
	password, hasPassword := secret.Data[keyPassword]
	switch {
	case hasUsername && hasPassword:
		proxy.User = url.UserPassword(string(username), string(password))
	case hasUsername:
		proxy.User = url.User(string(username))
	}
	b.Proxy = proxy
	return nil
}

// maxProxyAddress is Flux's own limit for the address of a proxy.
const maxProxyAddress = 2048

// proxySchemes are those that Flux and Go know.
var proxySchemes = []string{"http", "https", "socks5"}

// parseProxy returns no part of the address in its error: it may hold a password.
func parseProxy(from, address string) (*url.URL, error) {
	proxy, err := url.Parse(address)
	if err != nil || len(address) > maxProxyAddress || proxy.Host == "" || !slices.Contains(proxySchemes, proxy.Scheme) {
		return nil, noProxyAddress(from)
	}
	return proxy, nil
}

func noProxyAddress(from string) *problem.Error {
	return unusable(from, "does not hold a valid proxy address (http://, https:// or socks5://)")
}
