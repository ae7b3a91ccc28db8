package contract

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Argo is one version of Argo CD.
type Argo struct {
	// Module is the path of its Go module.
	Module string
	// Application is the type of an Application, not a pointer.
	Application reflect.Type
	// Pulls returns everything that Argo CD may fetch for an application, which is a
	// pointer to Application: for its spec, for its operation, for the operation that
	// its status says is running, and for retries of both.
	Pulls func(application any) []Pull
	// HelmPull lets Argo CD's client fetch a chart and returns the arguments with
	// which it calls helm; nil if it gives up before.
	HelmPull func(t *testing.T, repoURL, chart, revision string) []string
	// NativePull lets Argo CD's client resolve an OCI source in a registry with these
	// tags and returns what it asks for, as in "HEAD ghcr.io/v2/acme/x/manifests/1.0.0".
	// It is nil in versions that know no OCI sources.
	NativePull func(t *testing.T, repoURL, revision string, tags []string) []string
	// IsHelmOciRepo, SameURL and MaxVersion are Argo CD's functions of these names, and
	// IsVersion tells which revisions it takes literally.
	IsHelmOciRepo func(repoURL string) bool
	SameURL       func(a, b string) bool
	IsVersion     func(revision string) bool
	MaxVersion    func(revision string, tags []string) (string, error)
	// Sources and Fields are the reviewed lists: see TestSources and TestFields.
	Sources map[string]Treatment
	Fields  map[string]map[string]Treatment
	// Transcribed are the functions that Pulls repeats, as "file.go Name", and the
	// fingerprint of each when it was read.
	Transcribed map[string]string
}

// Kind is the way in which Argo CD fetches a source.
type Kind string

// The kinds of pulls.
const (
	Git       Kind = "Git"
	Helm      Kind = "Helm repository"
	HelmOCI   Kind = "Helm-OCI"
	OCI       Kind = "OCI"
	Manifests Kind = "manifests of the operation's own"
)

// Pull is one thing that Argo CD may fetch for an Application.
type Pull struct {
	// Field is where the Application says so, as pkg/source writes it.
	Field string
	Kind  Kind
	// The source's fields, and the revision that is fetched: a sync may name another
	// one than the source's own.
	RepoURL, Chart, Revision string
	// How says by which rule Argo CD comes to it, where that is not the plain one.
	How How
}

// How is a rule by which Argo CD comes to a source or a revision.
type How string

// The rules that a reader of an Application does not expect.
const (
	// Spec.GetSource makes a source of drySource.repoURL and syncSource.targetBranch.
	Hydrated How = "the hydrator's sync source"
	// CompareAppState then forgets all revisions of the sync.
	Uneven How = "the sync has not as many revisions as sources"
	// processRequestedAppOperation then forgets the revisions before it retries.
	Refreshed How = "a retry refreshes"
	// SyncAppState of Argo CD 2 resumes with the revision alone from syncResult.
	Crossed How = "the operation's source is resumed at the result's revision"
)

// Replace returns the pull of manifests that a sync brings instead of what it would fetch; no pull
// if they are not a chart.
func Replace(field string, replaced []Pull) []Pull {
	charts := slices.DeleteFunc(slices.Clone(replaced), func(p Pull) bool { return !p.isChart() })
	if len(charts) == 0 {
		return nil
	}
	p := Pull{Field: field, Kind: Manifests}
	if !slices.ContainsFunc(charts, func(p Pull) bool { return p.How != Hydrated && !strings.Contains(p.Field, "sourceHydrator") }) {
		p.How = Hydrated
	}
	return []Pull{p}
}

// isChart reports whether p fetches a chart, or what may be one.
func (p Pull) isChart() bool { return p.Kind == Helm || p.Kind == HelmOCI || p.Kind == OCI }

func (p Pull) String() string {
	s := p.Field + ": " + string(p.Kind) + " " + p.RepoURL
	if p.Chart != "" {
		s += " chart " + p.Chart
	}
	s += " at " + p.Revision
	if p.How != "" {
		s += " (" + string(p.How) + ")"
	}
	return s
}
