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

// The keys of a login of two parts, in Secrets of any type but Docker's.
const (
	keyUsername = "username"
	keyPassword = "password"
)

// logIn takes the login for a repository out of Secrets. Docker configurations are asked
// for it together, as one, and name its host themselves; a user name and password belong
// to the host of the source.
func (d draft) logIn(secrets []*corev1.Secret, at chart.Location) (registry.Connection, error) {
	var entries []dockerEntry
	for _, secret := range secrets {
		from := nameOf("Secret", secret.Namespace, secret.Name)
		switch secret.Type {
		case corev1.SecretTypeDockerConfigJson, corev1.SecretTypeDockercfg:
			found, err := dockerEntries(secret, from)
			if err != nil {
				return registry.Connection{}, err
			}
			entries = append(entries, found...)
		default:
			if err := d.setLogin(from, string(secret.Data[keyUsername]), string(secret.Data[keyPassword])); err != nil {
				return registry.Connection{}, err
			}
			if d.username != "" {
				return d.connection(), nil
			}
		}
	}
	entry := entryFor(entries, at)
	if entry == nil {
		return d.lack(noEntry(secrets, at.Host())), nil
	}
	username, password, err := entry.login()
	if err != nil {
		return registry.Connection{}, err
	}
	if err := d.setLogin(entry.from, username, password); err != nil {
		return registry.Connection{}, err
	}
	d.loginBound = true
	return d.connection(), nil
}

func noEntry(secrets []*corev1.Secret, host string) *problem.Error {
	var names []string
	for _, secret := range secrets {
		names = append(names, nameOf("Secret", secret.Namespace, secret.Name))
	}
	what := strings.Join(names, " and ")
	return &problem.Error{Kind: problem.KindUnauthorized, Detail: what + " holds no login for " + host, Next: "add a login for " + host + " to " + what}
}

// dockerEntry is one login of a Docker configuration.
type dockerEntry struct {
	from string
	// place is what the login is for: a host, with wildcards or without, and a path.
	place string
	auth  registry.DockerAuth
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
		// Not the error itself: it may quote the text.
		return nil, unusable(from, "is not a valid Docker configuration")
	}
	var entries []dockerEntry
	for place, auth := range auths {
		entries = append(entries, dockerEntry{from: from, place: place, auth: auth})
	}
	return entries, nil
}

// entryFor chooses the login for a repository, as source-controller 1.9 does, and where
// that takes any one of several, the one that fits best: the longest path that the
// repository is below, then the host's own, then one whose wildcards match (as the kubelet
// and OCIRepository know them), then a path that the repository's only begins with the
// letters of (OCIRepository: go-containerregistry compares text), then the only login for
// the host (HelmRepository: Docker's file store looks for the host alone). Nil is none.
func entryFor(entries []dockerEntry, at chart.Location) *dockerEntry {
	var best *dockerEntry
	var fit registry.DockerFit
	several := false
	for i := range entries {
		entry := &entries[i]
		found := registry.FitDocker(entry.place, at)
		switch order := found.Compare(fit); {
		case found.None() || order < 0:
		case best == nil || order > 0:
			best, fit, several = entry, found, false
		// Of equal places the first Secret's counts.
		case entry.from == best.from:
			several = several || entry.auth != best.auth
			if entry.place < best.place {
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

// canonicalHost returns a host as chart.Location names it, "" if it is none.
func canonicalHost(name string) string {
	location, err := chart.ParseLocation(chart.SchemeOCI + "://" + name)
	if err != nil || location.Path() != "" {
		return ""
	}
	return location.Host()
}
