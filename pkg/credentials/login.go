package credentials

import (
	"encoding/json"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
)

// The keys of a user name and password, in Secrets of any type but Docker's.
const (
	keyUsername = "username"
	keyPassword = "password"
)

// buildWithSecrets returns the connection with the login for a repository that the Secrets hold.
// Docker configurations are searched together, as one, and name its host themselves. A user name
// and password belong to the host of the source.
func (b connectionBuilder) buildWithSecrets(secrets []*corev1.Secret, at chart.Location) (registry.Connection, error) {
	var entries []dockerEntry
	for _, secret := range secrets {
		from := nameOfSecret(secret)
		switch secret.Type {
		case corev1.SecretTypeDockerConfigJson, corev1.SecretTypeDockercfg:
			found, err := dockerEntries(secret, from)
			if err != nil {
				return registry.Connection{}, err
			}
			entries = append(entries, found...)
		default:
			if err := b.setLogin(from, string(secret.Data[keyUsername]), string(secret.Data[keyPassword])); err != nil {
				return registry.Connection{}, err
			}
			if b.username != "" {
				return b.build(), nil
			}
		}
	}
	entry := entryFor(entries, at)
	if entry == nil {
		return b.buildWithout(noEntry(secrets, at.Host())), nil
	}
	username, password, err := entry.login()
	if err != nil {
		return registry.Connection{}, err
	}
	if err := b.setLogin(entry.from, username, password); err != nil {
		return registry.Connection{}, err
	}
	b.loginBound = true
	return b.build(), nil
}

func noEntry(secrets []*corev1.Secret, host string) *problem.Error {
	var names []string
	for _, secret := range secrets {
		names = append(names, nameOfSecret(secret))
	}
	what := strings.Join(names, " and ")
	return &problem.Error{Kind: problem.KindUnauthorized, Detail: what + " holds no login for " + host, Next: "add a login for " + host + " to " + what}
}

// dockerEntry is one login of a Docker configuration.
type dockerEntry struct {
	from string
	// pattern is what the login is for: a host, with wildcards or without, and a path.
	pattern string
	auth    registry.DockerAuth
}

// dockerEntries reads a Secret of Docker's types.
func dockerEntries(secret *corev1.Secret, from string) ([]dockerEntry, error) {
	var auths map[string]registry.DockerAuth
	var err error
	if secret.Type == corev1.SecretTypeDockercfg {
		err = json.Unmarshal(secret.Data[corev1.DockerConfigKey], &auths)
	} else {
		var config struct {
			Auths map[string]registry.DockerAuth `json:"auths"`
		}
		err = json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &config)
		auths = config.Auths
	}
	if err != nil {
		// Without the error, which may quote the text.
		return nil, unusable(from, "is not a valid Docker configuration")
	}
	var entries []dockerEntry
	for pattern, auth := range auths {
		entries = append(entries, dockerEntry{from: from, pattern: pattern, auth: auth})
	}
	return entries, nil
}

// entryFor chooses the login for a repository as source-controller 1.9 does; nil if no login fits.
// Where source-controller takes an arbitrary one of several, it chooses the best fit: the longest
// path that the repository is below, then the host's own, then one whose wildcards match (as the
// kubelet and OCIRepository match them), then a path that is a prefix of the repository's as text
// (OCIRepository: go-containerregistry compares text), then the only login for the host
// (HelmRepository: Docker's file store looks for the host alone).
func entryFor(entries []dockerEntry, at chart.Location) *dockerEntry {
	var best *dockerEntry
	var fit registry.DockerFit
	several := false
	for i := range entries {
		entry := &entries[i]
		found := registry.FitDocker(entry.pattern, at)
		switch order := found.Compare(fit); {
		case found.None() || order < 0:
		case best == nil || order > 0:
			best, fit, several = entry, found, false
		// Of equal patterns, the one in the first Secret counts.
		case entry.from == best.from:
			several = several || entry.auth != best.auth
			if entry.pattern < best.pattern {
				best = entry
			}
		}
	}
	if several && fit.AnyPath() {
		return nil
	}
	return best
}

// login returns the user name and password of an entry.
func (e dockerEntry) login() (username, password string, err error) {
	username, password, err = e.auth.Login()
	switch {
	case errors.Is(err, registry.ErrRegistryToken):
		return "", "", unusable(e.from, "holds a registry token, which chartgate cannot use, instead of a user name and password")
	case err != nil:
		return "", "", unusable(e.from, "is not a valid Docker configuration: an auth is not base64 of user:password")
	}
	return username, password, nil
}
