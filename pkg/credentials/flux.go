package credentials

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// generic is Flux's name for no cloud at all.
const generic = "generic"

// flux finds what a HelmRepository or OCIRepository names, as source-controller 1.9
// does (internal/helm/getter, internal/controller). Two things it does not know apart: a
// login of user name and password counts in an OCIRepository too, and so do
// certificates beside the login, where Flux reads them for a HelmRepository only.
func (c *Connector) flux(ctx context.Context, access sourceauth.Auth, at chart.Location) (registry.Connection, error) {
	host := at.Host()
	draft := draft{to: c.permission(access, host)}
	if err := c.fluxTransport(ctx, access, &draft); err != nil {
		return registry.Connection{}, err
	}
	secrets, lacking, err := c.pullSecrets(ctx, access)
	switch {
	case err != nil:
		return registry.Connection{}, err
	case lacking != nil:
		draft.Lacking = lacking
		return draft.connection(), nil
	}
	if err := draft.secretTLS(access, secrets); err != nil {
		return registry.Connection{}, err
	}
	if len(secrets) == 0 {
		return c.fluxCloud(access, host, draft)
	}
	return draft.logIn(secrets, at)
}

// fluxTransport reads certSecretRef and proxySecretRef. Without what they name the
// registry cannot be reached as Flux reaches it, so every problem is an error.
func (c *Connector) fluxTransport(ctx context.Context, access sourceauth.Auth, draft *draft) error {
	if access.Certificates != "" {
		secret, perr := c.secret(ctx, access.Namespace, access.Certificates)
		if perr != nil {
			return perr
		}
		if err := draft.fluxTLS(secret); err != nil {
			return err
		}
	}
	if access.Proxy == "" {
		return nil
	}
	secret, perr := c.secret(ctx, access.Namespace, access.Proxy)
	if perr != nil {
		return perr
	}
	return draft.fluxProxy(secret)
}

// pullSecrets reads the Secrets that a source logs in with: its own first, then those
// of its service account. One that may be lacked leaves none: Flux pulls nothing
// without it.
func (c *Connector) pullSecrets(ctx context.Context, access sourceauth.Auth) (secrets []*corev1.Secret, lacking *problem.Error, err error) {
	names, perr := c.pullSecretNames(ctx, access)
	for _, name := range names {
		if perr != nil {
			break
		}
		var secret *corev1.Secret
		if secret, perr = c.secret(ctx, access.Namespace, name); perr == nil {
			secrets = append(secrets, secret)
		}
	}
	switch {
	case perr == nil:
		return secrets, nil, nil
	case mayLack(perr):
		return nil, perr, nil
	default:
		return nil, nil, perr
	}
}

func (c *Connector) pullSecretNames(ctx context.Context, access sourceauth.Auth) ([]string, *problem.Error) {
	var names []string
	if access.Secret != "" {
		names = append(names, access.Secret)
	}
	if access.ServiceAccount == "" {
		return names, nil
	}
	account, perr := c.serviceAccount(ctx, access.Namespace, access.ServiceAccount)
	if perr != nil {
		return nil, perr
	}
	if len(account.ImagePullSecrets) > maxPullSecrets {
		return nil, &problem.Error{Kind: problem.KindLimitExceeded, Detail: fmt.Sprintf("%s has %d imagePullSecrets; chartgate reads %d",
			nameOf("ServiceAccount", access.Namespace, access.ServiceAccount), len(account.ImagePullSecrets), maxPullSecrets)}
	}
	for _, reference := range account.ImagePullSecrets {
		names = append(names, reference.Name)
	}
	return names, nil
}

// fluxCloud is what a source without any Secret logs in with: nothing, or the cloud that
// provider names.
func (c *Connector) fluxCloud(access sourceauth.Auth, host string, draft draft) (registry.Connection, error) {
	switch access.Provider {
	case "", generic:
		return draft.connection(), nil
	}
	if access.ServiceAccount != "" {
		return registry.Connection{}, &problem.Error{
			Kind: problem.KindUnsupported,
			Detail: fmt.Sprintf("provider %s with serviceAccountName %s logs in as that service account, which chartgate cannot do",
				chart.Quote(access.Provider), chart.Quote(access.ServiceAccount)),
			Next: "remove serviceAccountName, so that chartgate logs in with its own " + access.Provider + " identity, or name a secretRef",
		}
	}
	return c.cloud(access.Provider, host, draft)
}
