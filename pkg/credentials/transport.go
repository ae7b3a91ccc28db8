package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// fluxTLS reads the certificates in a Secret that certSecretRef names.
func (d *draft) fluxTLS(secret *corev1.Secret) error {
	from := nameOf("Secret", secret.Namespace, secret.Name)
	ca, certificate, key := fluxTLSKeys(secret)
	if len(ca) == 0 && len(certificate) == 0 && len(key) == 0 {
		return unusable(from, "holds neither ca.crt nor tls.crt with tls.key")
	}
	if err := d.setClient(from, certificate, key); err != nil {
		return err
	}
	if len(ca) == 0 {
		return nil
	}
	if !x509.NewCertPool().AppendCertsFromPEM(ca) {
		return unusable(from, "holds no certificate in ca.crt")
	}
	d.CAs, d.AddCAs, d.Origin = ca, true, from
	return nil
}

// secretTLS reads the certificates beside the login of secretRef, which Flux still
// takes, deprecated, where there is no certSecretRef. Half of them is none, for Flux as
// well.
func (d *draft) secretTLS(access sourceauth.Auth, secrets []*corev1.Secret) error {
	if access.Certificates != "" || access.Secret == "" || len(secrets) == 0 {
		return nil
	}
	ca, certificate, key := fluxTLSKeys(secrets[0])
	if (len(certificate) == 0) != (len(key) == 0) || len(ca) == 0 && len(certificate) == 0 {
		return nil
	}
	return d.fluxTLS(secrets[0])
}

// fluxTLSKeys returns what Flux takes, the standard keys before the old ones.
func fluxTLSKeys(secret *corev1.Secret) (ca, certificate, key []byte) {
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

// setClient takes a client certificate over; both parts empty is none.
func (d *draft) setClient(from string, certificate, key []byte) error {
	switch {
	case len(certificate) == 0 && len(key) == 0:
		return nil
	case len(certificate) == 0:
		return unusable(from, "has a client key but no client certificate")
	case len(key) == 0:
		return unusable(from, "has a client certificate but no client key")
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		return unusable(from, "has a client certificate and a client key that do not fit together")
	}
	d.ClientCertificate, d.ClientKey, d.Origin, d.clientFrom = certificate, key, from, from
	return nil
}

// proxySchemes are those that Flux and Go know.
var proxySchemes = []string{"http", "https", "socks5"}

// fluxProxy reads a Secret that proxySecretRef names.
func (d *draft) fluxProxy(secret *corev1.Secret) error {
	from := nameOf("Secret", secret.Namespace, secret.Name)
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
	d.Proxy = proxy
	return nil
}

// parseProxy returns no part of the address in its error: it may hold a password.
func parseProxy(from, address string) (*url.URL, error) {
	proxy, err := url.Parse(address)
	if err != nil || len(address) > maxProxyAddress || proxy.Host == "" || !slices.Contains(proxySchemes, proxy.Scheme) {
		return nil, unusable(from, "does not hold a valid proxy address (http://, https:// or socks5://)")
	}
	return proxy, nil
}
