package credentials

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
)

// The keys of a login of two parts, in Secrets of any type but Docker's.
const (
	keyUsername = "username"
	keyPassword = "password"
)

// identityToken is the user name by which registry.Connection knows an identity token.
const identityToken = "<token>"

// logIn takes the login for host out of Secrets. Docker configurations are asked for
// the host together, as one; a user name and password belong to the source's host.
func (d draft) logIn(secrets []*corev1.Secret, host string) (registry.Connection, error) {
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
	entry, err := entryFor(entries, host)
	switch {
	case err != nil:
		return registry.Connection{}, err
	case entry == nil:
		return d.lack(noEntry(secrets, host)), nil
	}
	username, password, err := entry.login()
	if err != nil {
		return registry.Connection{}, err
	}
	if err := d.setLogin(entry.from, username, password); err != nil {
		return registry.Connection{}, err
	}
	return d.connection(), nil
}

func noEntry(secrets []*corev1.Secret, host string) *chart.Problem {
	var names []string
	for _, secret := range secrets {
		names = append(names, nameOf("Secret", secret.Namespace, secret.Name))
	}
	what := strings.Join(names, " and ")
	return &chart.Problem{Kind: chart.KindUnauthorized, Detail: what + " holds no login for " + host, Next: "add a login for " + host + " to " + what}
}

// dockerEntry is one login of a Docker configuration.
type dockerEntry struct {
	from string
	// place is what the login is for: a host, with wildcards or without, and a path.
	place string
	auth  dockerAuth
}

type dockerAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// dockerEntries reads a Secret of Docker's types.
func dockerEntries(secret *corev1.Secret, from string) ([]dockerEntry, error) {
	var auths map[string]dockerAuth
	var err error
	if secret.Type == corev1.SecretTypeDockercfg {
		err = json.Unmarshal(secret.Data[corev1.DockerConfigKey], &auths)
	} else {
		var config struct {
			Auths map[string]dockerAuth `json:"auths"`
		}
		err = json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &config)
		auths = config.Auths
	}
	if err != nil {
		// Not the error itself: it may quote the text.
		return nil, unusable(from, "is no valid Docker configuration")
	}
	var entries []dockerEntry
	for place, auth := range auths {
		entries = append(entries, dockerEntry{from: from, place: place, auth: auth})
	}
	return entries, nil
}

// entryFor chooses the login for a host: the one that names exactly it, then one whose
// wildcards match (as the kubelet and OCIRepository know them), then one for a path
// below it. Several that differ are nobody's choice.
func entryFor(entries []dockerEntry, host string) (*dockerEntry, error) {
	var best []dockerEntry
	for _, fits := range []func(name, path string) bool{
		func(name, path string) bool { return path == "" && canonicalHost(name) == host },
		func(name, path string) bool { return path == "" && matchesHost(name, host) },
		func(name, path string) bool { return canonicalHost(name) == host || matchesHost(name, host) },
	} {
		for _, entry := range entries {
			if fits(splitPlace(entry.place)) {
				best = append(best, entry)
			}
		}
		if len(best) > 0 {
			break
		}
	}
	if len(best) == 0 {
		return nil, nil
	}
	// Of equal places the first Secret's counts; within one Secret, places differ.
	first := best[0]
	for _, other := range best[1:] {
		if other.from == first.from && other.auth != first.auth {
			return nil, unusable(first.from, "has several logins for "+host+", and chartgate cannot tell which one counts")
		}
	}
	return &first, nil
}

// splitPlace takes the place of an entry apart: scheme and API version do not matter.
func splitPlace(place string) (name, path string) {
	place = strings.TrimPrefix(strings.TrimPrefix(place, "https://"), "http://")
	name, path, _ = strings.Cut(place, "/")
	path = strings.Trim(path, "/")
	if path == "v1" || path == "v2" {
		path = ""
	}
	return name, path
}

// canonicalHost returns a host as chart.Location names it, "" if it is none.
func canonicalHost(name string) string {
	location, err := chart.ParseLocation(chart.SchemeOCI + "://" + name)
	if err != nil || location.Path() != "" {
		return ""
	}
	return location.Host()
}

// matchesHost matches label by label, so that a wildcard never crosses a dot.
func matchesHost(pattern, host string) bool {
	if !strings.Contains(pattern, "*") {
		return false
	}
	patternName, patternPort, _ := strings.Cut(pattern, ":")
	hostName, hostPort, _ := strings.Cut(host, ":")
	patterns, labels := strings.Split(patternName, "."), strings.Split(hostName, ".")
	return patternPort == hostPort && slices.EqualFunc(patterns, labels, func(pattern, label string) bool {
		matched, err := path.Match(pattern, label)
		return matched && err == nil
	})
}

// login returns the user name and password of an entry. As in Docker, "auth" beats the
// two by themselves.
func (e dockerEntry) login() (username, password string, err error) {
	username, password = e.auth.Username, e.auth.Password
	if e.auth.Auth != "" {
		if username, password, err = decodeAuth(e.auth.Auth); err != nil {
			return "", "", unusable(e.from, "is no valid Docker configuration: an auth is not base64 of user:password")
		}
	}
	switch {
	case username != "" || password != "":
	case e.auth.IdentityToken != "":
		return identityToken, e.auth.IdentityToken, nil
	case e.auth.RegistryToken != "":
		return "", "", unusable(e.from, "holds a registry token, which chartgate cannot use, instead of a user name and password")
	}
	return username, password, nil
}

func decodeAuth(auth string) (username, password string, err error) {
	decoded, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		// Without padding it is as good for go-containerregistry.
		if decoded, err = base64.RawStdEncoding.DecodeString(auth); err != nil {
			return "", "", err
		}
	}
	username, password, found := strings.Cut(string(decoded), ":")
	if !found {
		return "", "", errors.New("no colon")
	}
	return username, strings.TrimRight(password, "\x00"), nil
}
