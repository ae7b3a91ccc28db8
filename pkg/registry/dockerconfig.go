package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	docker "oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/chartgate/chartgate/pkg/chart"
)

// DockerAuth is a login in a Docker configuration ("auths").
type DockerAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// ErrRegistryToken is the error for a login that is a token for one repository, valid for minutes.
var ErrRegistryToken = errors.New("a registry token serves one repository for some minutes")

// errNotAnAuth contains nothing of the login.
var errNotAnAuth = errors.New("its auth is not base64 of user:password")

// Login returns the user name and password; if both are empty, there is no login. As in Docker,
// "auth" takes precedence over the two fields. The error contains nothing of the login.
func (a DockerAuth) Login() (username, password string, err error) {
	username, password = a.Username, a.Password
	if a.Auth != "" {
		if username, password, err = decodeAuth(a.Auth); err != nil {
			return "", "", err
		}
	}
	switch {
	case a.IdentityToken != "" && password == "":
		return identityToken, a.IdentityToken, nil // beside a user name without meaning, as for Azure
	case username != "" || password != "":
		return username, password, nil
	case a.RegistryToken != "":
		return "", "", ErrRegistryToken
	default:
		return "", "", nil
	}
}

func decodeAuth(auth string) (username, password string, err error) {
	decoded, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		// go-containerregistry accepts it without padding too.
		if decoded, err = base64.RawStdEncoding.DecodeString(auth); err != nil {
			return "", "", errNotAnAuth
		}
	}
	username, password, found := strings.Cut(string(decoded), ":")
	if !found {
		return "", "", errNotAnAuth
	}
	return username, strings.TrimRight(password, "\x00"), nil
}

// DockerFit says how well the key of a Docker login fits a repository. The zero value does not fit.
type DockerFit struct {
	class  fitClass
	length int // of the path
	exact  bool
}

type fitClass int

const (
	fitsNot      fitClass = iota
	fitsHostOnly          // the login is for another path of the same host
	fitsText              // "team1" is how "team10" begins, but no part of its path
	fitsWildcard          // the host matches by wildcards, and the path
	fitsPath              // the host, or a path that the repository is at or below
)

// None reports that the login does not fit.
func (f DockerFit) None() bool { return f.class == fitsNot }

// Certain reports whether the login names the repository's host, and a path at or above the
// repository: containers/image uses such logins.
func (f DockerFit) Certain() bool { return f.class == fitsPath }

// AnyPath reports whether the login is for another path of the same host.
func (f DockerFit) AnyPath() bool { return f.class == fitsHostOnly }

// Compare returns which login fits better: positive if f does.
func (f DockerFit) Compare(other DockerFit) int {
	spelled := func(f DockerFit) int {
		if f.exact {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(f.class, other.class), cmp.Compare(f.length, other.length), cmp.Compare(spelled(f), spelled(other)))
}

// FitDocker compares the key of a login with a repository. Keys are hosts, or hosts with a path;
// the scheme, a slash at the end and the API's version are ignored ("https://index.docker.io/v1/").
func FitDocker(key string, at chart.Location) DockerFit {
	name, below := splitKey(key)
	fit := DockerFit{length: len(below), exact: key == dockerKey(at.Host(), below)}
	inPath := below == "" || at.Path() == below || strings.HasPrefix(at.Path(), below+"/")
	sameHost := hostOf(name) == at.Host() && at.Host() != ""
	switch {
	case sameHost && inPath:
		fit.class = fitsPath
	case inPath && matchesHost(name, at.Host()):
		fit.class = fitsWildcard
	case strings.HasPrefix(at.Path(), below) && (sameHost || matchesHost(name, at.Host())):
		fit.class = fitsText
	case sameHost || matchesHost(name, at.Host()):
		fit.class, fit.length, fit.exact = fitsHostOnly, 0, false
	default:
		return DockerFit{}
	}
	return fit
}

// dockerKey returns the key that docker login writes.
func dockerKey(host, below string) string {
	switch {
	case below != "":
		return host + "/" + below
	case host == dockerHub:
		return "https://index.docker.io/v1/"
	default:
		return host
	}
}

// splitKey splits a key into a host and a path.
func splitKey(key string) (name, below string) {
	rest, hasScheme := strings.CutPrefix(key, "https://")
	if !hasScheme {
		rest, hasScheme = strings.CutPrefix(key, "http://")
	}
	name, below, _ = strings.Cut(rest, "/")
	below = strings.Trim(below, "/")
	for _, version := range []string{"v1", "v2"} {
		if below == version {
			return name, ""
		}
		if under, found := strings.CutPrefix(below, version+"/"); found && hasScheme {
			return name, under
		}
	}
	return name, below
}

// hostOf returns a host as chart.Location spells it, or "" if name is not a host.
func hostOf(name string) string {
	location, err := chart.ParseLocation(chart.SchemeOCI + "://" + strings.ToLower(name))
	if err != nil || location.Path() != "" {
		return ""
	}
	return location.Host()
}

// matchesHost matches label by label, so that a wildcard never matches a dot.
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

// dockerFile contains the fields of a Docker configuration file that are used.
type dockerFile struct {
	// Auths are decoded one by one: an error in the login of one host does not affect others.
	Auths       map[string]json.RawMessage `json:"auths"`
	Helpers     map[string]string          `json:"credHelpers"`
	HelperOfAll string                     `json:"credsStore"`
}

// DockerConfig returns the logins in a Docker configuration file for Options.Credentials: as docker
// login and Secrets of type kubernetes.io/dockerconfigjson contain them, and those of credential
// helpers. The file is read each time that a registry asks for credentials, because mounted Secrets
// are renewed in place.
//
// Of several entries for a host, the one with the longest path at or above the repository is used,
// as in containers/image; otherwise the host's own, from its credential helper if it has one.
func DockerConfig(path string) Login {
	return func(ctx context.Context, at chart.Location) (string, string, error) {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", "", err // it names the path
		}
		var file dockerFile
		if len(content) > 0 {
			if err := json.Unmarshal(content, &file); err != nil {
				return "", "", fmt.Errorf("read %s: it is not a valid Docker configuration", path) // the error may quote a login
			}
		}
		key, fit := file.best(at)
		address := docker.ServerAddressFromRegistry(at.Host())
		if helper := file.Helpers[address] != "" || file.HelperOfAll != ""; helper && fit.length == 0 {
			return fromHelper(ctx, path, address)
		}
		login, err := file.auth(key)
		if err != nil {
			return "", "", fmt.Errorf("read %s: the login of %s is of another type than Docker's", path, key)
		}
		username, password, err := login.Login()
		if err != nil {
			return "", "", fmt.Errorf("read %s: the login of %s: %w", path, key, err)
		}
		return username, password, nil
	}
}

// best returns the key of the entry that is used, or "". Empty entries only mark hosts that have a
// credential helper.
func (f dockerFile) best(at chart.Location) (key string, best DockerFit) {
	for _, candidate := range slices.Sorted(maps.Keys(f.Auths)) {
		fit := FitDocker(candidate, at)
		if !fit.Certain() || fit.Compare(best) <= 0 {
			continue
		}
		if login, err := f.auth(candidate); err == nil && login == (DockerAuth{}) {
			continue
		}
		key, best = candidate, fit
	}
	return key, best
}

// auth returns the login under a key, or the zero value.
func (f dockerFile) auth(key string) (login DockerAuth, err error) {
	if raw, ok := f.Auths[key]; ok {
		err = json.Unmarshal(raw, &login)
	}
	return login, err
}

// fromHelper asks the credential helper of a host.
func fromHelper(ctx context.Context, path, address string) (username, password string, err error) {
	store, err := docker.NewStore(path, docker.StoreOptions{})
	if err != nil {
		return "", "", fmt.Errorf("read %s: %w", path, err)
	}
	found, err := store.Get(ctx, address)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("read %s: %w", path, err)
	case found.RefreshToken != "":
		return identityToken, found.RefreshToken, nil
	default:
		return found.Username, found.Password, nil
	}
}
