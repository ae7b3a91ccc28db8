package credentials

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
)

// draft is a connection in the making.
type draft struct {
	registry.Connection
	// username and password, or the cloud, are what Login will answer with.
	username, password, cloud string
	// loginFrom and clientFrom name where the login and the client certificate come from;
	// loginBound and clientBound are set where that says for which host they are.
	loginFrom, clientFrom   string
	loginBound, clientBound bool
	to                      permission
}

// connection returns the connection, with an ID if it is another way than chartgate's
// own. It is the one place where a login becomes part of a connection.
func (d draft) connection() registry.Connection {
	d.withhold()
	if d.username != "" {
		username, password := d.username, d.password
		d.Login = func(context.Context) (string, string, error) { return username, password, nil }
	}
	if d.Login != nil || !d.direct() {
		d.ID = d.id()
	} else {
		d.ownIdentity()
	}
	return d.Connection
}

// direct reports whether nobody but the admin chose the way to the registry.
func (d draft) direct() bool {
	return d.Proxy == nil && len(d.ClientCertificate) == 0 && len(d.CAs) == 0
}

// id digests all that makes the connection. JSON keeps the parts apart, and none of
// them can be told from the digest.
func (d draft) id() string {
	parts := [][]byte{
		[]byte(d.username), []byte(d.password), []byte(d.cloud),
		d.CAs, []byte(fmt.Sprint(d.AddCAs)), d.ClientCertificate, d.ClientKey,
	}
	if d.Proxy != nil {
		parts = append(parts, []byte(d.Proxy.String()))
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // byte slices can always be marshalled
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// setLogin takes a user name and password over. Both empty is no login; one alone is a
// mistake in what they come from.
func (d *draft) setLogin(from, username, password string) error {
	switch {
	case username == "" && password == "":
		return nil
	case username == "":
		return unusable(from, "has a password but no username")
	case password == "":
		return unusable(from, "has a username but no password")
	}
	d.Origin, d.loginFrom, d.username, d.password = from, from, username, password
	return nil
}

// lack is a connection without a login, for a reason that only a registry that wants
// one makes matter.
func (d draft) lack(perr *problem.Error) registry.Connection {
	d.Lacking = perr
	return d.connection()
}
