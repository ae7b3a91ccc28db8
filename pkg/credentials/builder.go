package credentials

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
)

// connectionBuilder collects the parts of a connection. build decides which of them may be used.
type connectionBuilder struct {
	registry.Connection
	permission permission
	// username and password, or the cloud, are what Login will return.
	username, password, cloud string
	// loginFrom and clientFrom name the objects that hold the login and the client certificate.
	// loginBound and clientBound are set where these objects say for which host they are.
	loginFrom, clientFrom   string
	loginBound, clientBound bool
}

// build returns the connection. It has an ID unless it is chartgate's default connection. No other
// function makes a login part of a connection.
func (b connectionBuilder) build() registry.Connection {
	b.removeForbidden()
	if b.username != "" {
		username, password := b.username, b.password
		b.Login = func(context.Context) (string, string, error) { return username, password, nil }
	}
	if b.Login != nil || b.tenantChosen() {
		b.ID = b.digest()
	} else {
		b.useDefaultIdentity()
	}
	return b.Connection
}

// buildWithout returns the connection without the login that is missing for the reason in perr.
func (b connectionBuilder) buildWithout(perr *problem.Error) registry.Connection {
	b.CredentialError = perr
	return b.build()
}

// removeForbidden removes credentials that may not go to the host.
func (b *connectionBuilder) removeForbidden() {
	if b.username != "" || b.Login != nil {
		what, bound := "the login of "+b.loginFrom, b.loginBound
		if b.cloud != "" {
			what, bound = b.Origin, true // it goes to hosts of its cloud alone
		}
		if perr := b.permission.refusal(what, bound); perr != nil {
			b.username, b.password, b.cloud, b.Login = "", "", "", nil
			b.recordError(perr)
		}
	}
	if len(b.ClientCertificate) > 0 || len(b.ClientKey) > 0 {
		if perr := b.permission.refusal("the client certificate of "+b.clientFrom, b.clientBound); perr != nil {
			b.ClientCertificate, b.ClientKey = nil, nil
			b.recordError(perr)
		}
	}
}

// useDefaultIdentity lets chartgate log in with its own identity, if that may go to the host.
func (b *connectionBuilder) useDefaultIdentity() {
	if b.permission.named {
		b.Identity = true
		return
	}
	if b.permission.identity != "" {
		b.recordError(b.permission.refusal("chartgate's own "+b.permission.identity+" identity", true))
	}
}

// recordError keeps the first error: it is about what comes first in the object.
func (b *connectionBuilder) recordError(perr *problem.Error) {
	if b.CredentialError == nil {
		b.CredentialError = perr
	}
}

// tenantChosen reports whether anyone but the admin chose the CAs, the client certificate or the
// proxy.
func (b connectionBuilder) tenantChosen() bool {
	return b.Proxy != nil || len(b.ClientCertificate) > 0 || len(b.CAs) > 0
}

// digest identifies everything that makes the connection. JSON keeps the parts apart, and no part
// can be derived from the digest.
func (b connectionBuilder) digest() string {
	parts := [][]byte{
		[]byte(b.username), []byte(b.password), []byte(b.cloud),
		b.CAs, []byte(fmt.Sprint(b.AddCAs)), b.ClientCertificate, b.ClientKey,
	}
	if b.Proxy != nil {
		parts = append(parts, []byte(b.Proxy.String()))
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // byte slices can always be marshalled
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// setLogin sets the user name and password that an object holds. Both empty is no login; one
// without the other is an error.
func (b *connectionBuilder) setLogin(from, username, password string) error {
	switch {
	case username == "" && password == "":
		return nil
	case username == "":
		return unusable(from, "has a password but no username")
	case password == "":
		return unusable(from, "has a username but no password")
	}
	b.Origin, b.loginFrom, b.username, b.password = from, from, username, password
	return nil
}

// setClientCertificate sets the client certificate that an object holds. Both parts empty is no
// certificate; one without the other is an error.
func (b *connectionBuilder) setClientCertificate(from string, certificate, key []byte) error {
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
	b.ClientCertificate, b.ClientKey, b.Origin, b.clientFrom = certificate, key, from, from
	return nil
}
