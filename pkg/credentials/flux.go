package credentials

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
)

// generic is Flux's name for no cloud at all.
const generic = "generic"

// flux finds what a HelmRepository or OCIRepository names, as source-controller 1.9
// does (internal/helm/getter, internal/controller). Two things it does not know apart: a
// login of user name and password counts in an OCIRepository too, and so do
// certificates beside the login, where Flux reads them for a HelmRepository only.
func (c *Connector) flux(ctx context.Context, access chart.Access, at chart.Location) (registry.Connection, error) {
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
func (c *Connector) fluxTransport(ctx context.Context, access chart.Access, draft *draft) error {
	if access.Certificates != "" {
		secret, problem := c.secret(ctx, access.Namespace, access.Certificates)
		if problem != nil {
			return problem
		}
		if err := draft.fluxTLS(secret); err != nil {
			return err
		}
	}
	if access.Proxy == "" {
		return nil
	}
	secret, problem := c.secret(ctx, access.Namespace, access.Proxy)
	if problem != nil {
		return problem
	}
	return draft.fluxProxy(secret)
}

// pullSecrets reads the Secrets that a source logs in with: its own first, then those
// of its service account. One that may be lacked leaves none: Flux pulls nothing
// without it.
func (c *Connector) pullSecrets(ctx context.Context, access chart.Access) (secrets []*corev1.Secret, lacking *chart.Problem, err error) {
	names, problem := c.pullSecretNames(ctx, access)
	for _, name := range names {
		if problem != nil {
			break
		}
		var secret *corev1.Secret
		if secret, problem = c.secret(ctx, access.Namespace, name); problem == nil {
			secrets = append(secrets, secret)
		}
	}
	switch {
	case problem == nil:
		return secrets, nil, nil
	case mayLack(problem):
		return nil, problem, nil
	default:
		return nil, nil, problem
	}
}

func (c *Connector) pullSecretNames(ctx context.Context, access chart.Access) ([]string, *chart.Problem) {
	var names []string
	if access.Secret != "" {
		names = append(names, access.Secret)
	}
	if access.ServiceAccount == "" {
		return names, nil
	}
	account, problem := c.serviceAccount(ctx, access.Namespace, access.ServiceAccount)
	if problem != nil {
		return nil, problem
	}
	if len(account.ImagePullSecrets) > maxPullSecrets {
		return nil, &chart.Problem{Kind: chart.KindLimitExceeded, Detail: fmt.Sprintf("%s has %d imagePullSecrets; chartgate reads %d",
			nameOf("ServiceAccount", access.Namespace, access.ServiceAccount), len(account.ImagePullSecrets), maxPullSecrets)}
	}
	for _, reference := range account.ImagePullSecrets {
		names = append(names, reference.Name)
	}
	return names, nil
}

// fluxCloud is what a source without any Secret logs in with: nothing, or the cloud that
// provider names.
func (c *Connector) fluxCloud(access chart.Access, host string, draft draft) (registry.Connection, error) {
	switch access.Provider {
	case "", generic:
		return draft.connection(), nil
	}
	if access.ServiceAccount != "" {
		return registry.Connection{}, &chart.Problem{
			Kind: chart.KindUnsupported,
			Detail: fmt.Sprintf("provider %s with serviceAccountName %s logs in as that service account, which chartgate cannot do",
				chart.Quote(access.Provider), chart.Quote(access.ServiceAccount)),
			Next: "remove serviceAccountName, so that chartgate logs in with its own " + access.Provider + " identity, or name a secretRef",
		}
	}
	return c.cloud(access.Provider, host, draft)
}
