package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/source"
)

// nothing is a cluster without objects: Applications do not refer to other objects.
type nothing struct{}

func (nothing) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	return nil, fmt.Errorf("read %s: an Application refers to no object", id)
}

// uses returns what pkg/source sees in a write by a user other than Argo CD itself. old is nil for
// a creation.
func uses(application, old []byte) ([]source.Use, error) {
	e := source.NewExtractor(nothing{}, source.Options{})
	changes, err := e.Changes(source.Write{
		Object: source.Object{
			ID:   source.ID{Group: argo.Group, Kind: argo.ApplicationKind, Namespace: "argocd", Name: "app"},
			JSON: application,
		},
		Old:  old,
		User: "somebody",
	})
	if err != nil {
		return nil, err
	}
	return e.Uses(context.Background(), changes), nil
}

// sentences renders uses for people: "spec.source: oci://ghcr.io/acme/x:1.0.0".
func sentences(uses []source.Use) []string {
	var all []string
	for _, u := range uses {
		if found, ok := u.Target.(source.Chart); ok {
			all = append(all, u.Field+": "+found.Reference.String())
		} else {
			all = append(all, u.Field+": denied")
		}
	}
	return all
}

// wrong returns why an admission that looks at these uses lets Argo CD fetch something
// unverified; nil if it does not. What was verified at an earlier write counts as well.
func wrong(pulls []Pull, uses, earlier []source.Use) []string {
	var all []string
	for _, p := range pulls {
		complaint := ""
		if p.Kind == Git {
			complaint = p.wrongGit(uses)
		} else {
			complaint = p.wrongChart(append(slices.Clone(uses), earlier...))
		}
		if complaint != "" {
			all = append(all, p.String()+": "+complaint)
		}
	}
	return all
}

// wrongGit returns what is wrong with the uses for something that is no chart.
func (p Pull) wrongGit(uses []source.Use) string {
	// pkg/source reads a chart in a drySource: Argo CD does not know that field, and the API server
	// prunes it. And for a sync it sees the sources that a hydrator takes precedence over.
	if p.Field == "spec.sourceHydrator.drySource" || p.How == Hydrated {
		return ""
	}
	for _, u := range uses {
		if found, ok := u.Target.(source.Chart); ok && u.Field == p.Field && !p.nativeLater() && p.RepoURL != "" {
			return "Argo CD fetches it with git, chartgate takes it for the chart " + found.Reference.String()
		}
	}
	return ""
}

// wrongChart returns what is wrong with the uses for something that must be seen.
func (p Pull) wrongChart(uses []source.Use) string {
	instead := ""
	for _, u := range uses {
		found, _ := u.Target.(source.Chart)
		unresolved, denied := u.Target.(source.Unresolved)
		switch {
		// The state of an operation that runs is denied as a whole.
		case u.Field == "status.operationState" && denied && strings.HasPrefix(p.Field, u.Field+"."):
			return ""
		case u.Field != p.Field:
		case denied && !u.Defers(unresolved.Err):
			return ""
		case p.is(found.Reference):
			return ""
		default:
			instead += " " + found.Reference.String()
		}
	}
	if instead != "" {
		return "chartgate verifies" + instead + " in its place"
	}
	return "chartgate does not see it"
}

// nativeLater reports whether Argo CD 3 fetches as OCI what 2.x tries to fetch with
// git, in vain: git has no transport of that name. chartgate reads it as 3 does.
func (p Pull) nativeLater() bool { return strings.HasPrefix(p.RepoURL, "oci://") }

// is reports whether p fetches what was verified. It does not use pkg/chart to read
// what Argo CD asks for: a mistake there must not hide itself.
func (p Pull) is(verified chart.Reference) bool {
	return p.vain() || p.location() == verified.Location.String() && p.Revision == verified.Selector.String()
}

// vain reports whether Argo CD takes p for a chart in a Helm repository that helm
// cannot reach, since its URL has no scheme: an IP address with a port, or "//host".
func (p Pull) vain() bool { return p.Kind == Helm && !strings.Contains(p.RepoURL, "://") }

// location is the URL that Argo CD asks for. Of chartgate's canonical form it knows
// no more than the default port and the names of Docker Hub.
func (p Pull) location() string {
	var scheme, where string
	switch p.Kind {
	case OCI, Git:
		scheme, where = "oci", strings.TrimPrefix(p.RepoURL, "oci://")
	case HelmOCI:
		// helm pull refuses the empty segment that a trailing slash makes: nothing is
		// fetched then, so it does not matter that chartgate reads past the slash.
		scheme, where = "oci", strings.TrimSuffix(p.RepoURL, "/")+"/"+p.Chart
	case Helm:
		scheme, where, _ = strings.Cut(strings.TrimSuffix(p.RepoURL, "/")+"/"+p.Chart, "://")
	}
	host, path, _ := strings.Cut(where, "/")
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	host = strings.TrimSuffix(host, port)
	if p.Kind == Helm {
		host = strings.ToLower(host) // as DNS and HTTP do
	}
	switch host {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		host = "docker.io"
	}
	return scheme + "://" + host + "/" + path
}

func (nothing) Releases(context.Context, source.ID) ([]source.Object, error) {
	return nil, errors.New("no HelmRelease is needed for an Application")
}
