package credentials

import (
	"slices"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// permission says which logins may go to a host. The zero value lets none go.
//
// The host of a chart is a tenant's choice wherever a policy's pattern has a wildcard in
// the host, and what a request says of an object is anyone's who reaches the webhook. So
// a login goes to hosts that the platform team has named, and one that its Secret does not
// bind to a host goes only where the stored object sends it.
type permission struct {
	host string
	// named is set where a policy, or the admin, names the host literally.
	named bool
	// stored is set where the stored source object sends its logins to the host.
	stored bool
	// identity is the cloud that chartgate logs in to by itself at this host, if any.
	identity string
}

func (c *Connector) permission(access sourceauth.Auth, host string) permission {
	p := permission{
		host:   host,
		named:  host != "" && (access.NamedHost == host || slices.Contains(c.loginHosts, host)),
		stored: host != "" && access.StoredHost == host,
	}
	for _, name := range c.identities {
		if c.clouds != nil && c.clouds.Owns(name, host) {
			p.identity = name
		}
	}
	return p
}

// refusal is why a login, named by what, may not go to the host; nil if it may. bound is
// set where the Secret itself says that the login is for this host.
func (p permission) refusal(what string, bound bool) *problem.Error {
	switch {
	case !p.named:
		return &problem.Error{
			Kind:   problem.KindUnauthorized,
			Detail: what + " is not sent to " + p.host + ", because no policy names this host literally",
			Next: "ask the platform team to name " + p.host + " in match.charts of a ChartPolicy (oci://" + p.host +
				"/**), or the admin with --login-hosts (chart value registry.loginHosts)",
		}
	case !bound && !p.stored:
		return &problem.Error{
			Kind:   problem.KindNotStored,
			Detail: what + " is not sent to " + p.host + " before an object that names both is stored",
			Next:   "apply the source with this URL and this Secret, or use a Secret of type kubernetes.io/dockerconfigjson, which names its host",
		}
	default:
		return nil
	}
}

// withhold takes off what may not go to the host.
func (d *draft) withhold() {
	if d.username != "" || d.Login != nil {
		what, bound := "the login of "+d.loginFrom, d.loginBound
		if d.cloud != "" {
			what, bound = d.Origin, true // it goes to hosts of its cloud alone
		}
		if why := d.to.refusal(what, bound); why != nil {
			d.username, d.password, d.cloud, d.Login = "", "", "", nil
			d.lacks(why)
		}
	}
	if len(d.ClientCertificate) > 0 || len(d.ClientKey) > 0 {
		if why := d.to.refusal("the client certificate of "+d.clientFrom, d.clientBound); why != nil {
			d.ClientCertificate, d.ClientKey = nil, nil
			d.lacks(why)
		}
	}
}

// ownIdentity lets chartgate log in by itself, if that may go to the host.
func (d *draft) ownIdentity() {
	if d.to.named {
		d.Identity = true
		return
	}
	if d.to.identity != "" {
		d.lacks(d.to.refusal("chartgate's own "+d.to.identity+" identity", true))
	}
}

// lacks keeps the first problem: it is about what comes first in the object.
func (d *draft) lacks(why *problem.Error) {
	if d.Lacking == nil {
		d.Lacking = why
	}
}
