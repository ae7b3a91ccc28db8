package credentials

import (
	"slices"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// permission says which logins may go to a host. The zero value permits no host.
//
// A tenant chooses the host of a chart wherever the pattern of a policy has a wildcard in the host,
// and anyone who can reach the webhook can send a request with any object in it. Therefore logins
// go only to hosts that the platform team has named, and a login that its Secret does not bind to a
// host goes only where the stored object sends it.
type permission struct {
	host string
	// named is set where a policy, or the admin, names the host literally.
	named bool
	// stored is set where the stored source object sends its logins to the host.
	stored bool
	// identity is the cloud at this host that chartgate logs in to with its own identity, if any.
	identity string
}

func (r *Resolver) permission(auth sourceauth.Auth, host string) permission {
	p := permission{
		host:   host,
		named:  host != "" && (r.anyHost || auth.NamedHost == host || slices.Contains(r.loginHosts, host)),
		stored: host != "" && auth.StoredHost == host,
	}
	for _, name := range r.identities {
		if r.clouds != nil && r.clouds.Owns(name, host) {
			p.identity = name
		}
	}
	return p
}

// refusal says why a login, described by what, may not go to the host; nil if it may. bound is set
// where the Secret itself says that the login is for this host.
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
