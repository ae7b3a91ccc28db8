package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	kubejson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// argoSource holds the fields of an Application's source that decide which chart is rendered.
// chartgate decodes them itself: argo-cd/v2's typed API doubles the binary and does not know Argo
// CD 3's fields. test/contract compares this with the real types of both.
type argoSource struct {
	RepoURL        string `json:"repoURL"`
	Chart          string `json:"chart"`
	TargetRevision string `json:"targetRevision"`
	// Path is the folder in a Git repository. In an OCI artifact it leads to a part of what was
	// verified as a whole.
	Path string `json:"path"`
}

// isEmpty reports whether the source names nothing that Argo CD could fetch.
func (s argoSource) isEmpty() bool {
	s.Path = ""
	return s == argoSource{}
}

// maxSources bounds the sources in one list: real Applications have some ten. 3 MiB hold a million
// of "{}", each of which takes fifty bytes, and is compared with those of the old object.
const maxSources = 1000

// argoSources is a list that is not decoded if it is too long.
type argoSources []argoSource

// UnmarshalJSON counts before it decodes.
func (s *argoSources) UnmarshalJSON(raw []byte) error {
	list := json.NewDecoder(bytes.NewReader(raw))
	if first, err := list.Token(); err == nil && first == json.Delim('[') {
		for n := 0; list.More(); n++ {
			if n == maxSources {
				return fmt.Errorf("there are more than %d sources", maxSources)
			}
			if err := list.Decode(new(json.RawMessage)); err != nil {
				return err
			}
		}
	}
	return kubejson.UnmarshalCaseSensitivePreserveInts(raw, (*[]argoSource)(s))
}

// isGit reports whether Argo CD fetches the source with git: no chart, and no oci://
// (ApplicationSource.IsHelm and IsOCI of Argo CD 3.2). Argo CD takes "OCI://" for Git too and
// fails; here it is kept, to be denied with a hint.
func (s argoSource) isGit() bool {
	scheme, _, _ := strings.Cut(s.RepoURL, ":")
	return s.Chart == "" && !strings.EqualFold(scheme, chart.SchemeOCI)
}

// argoField is one source of an Application.
type argoField struct {
	path string
	argoSource
	// project scopes the repository Secrets that Argo CD looks for.
	project string
	// unseen is set where Argo CD reads the source's own revision later on, without a write that
	// chartgate would be asked about.
	unseen bool
	// when makes the same source a change at another time. For the state of an operation it is how
	// far that is: a user who sets a finished operation going deploys its source again. For spec it
	// is which of its sources Argo CD takes.
	when string
}

// argoFields reads a source and a list of sources below path.
func (e *Extractor) argoFields(path string, source *argoSource, sources []argoSource, at *revisions) []gatedField {
	var fields []gatedField
	if source != nil {
		fields = e.argoField(path+".source", *source, at, onlySource)
	}
	at = at.forSources(len(sources))
	for i, s := range sources {
		fields = append(fields, e.argoField(fmt.Sprintf("%s.sources[%d]", path, i), s, at, i)...)
	}
	return fields
}

// argoField reads one source. Git sources are outside the gate, whatever policies match their names,
// unless the admin denies those that no policy waives.
func (e *Extractor) argoField(path string, s argoSource, at *revisions, position int) []gatedField {
	switch {
	case s.isGit() && !e.options.DenyArgoGit:
		return nil
	case !s.isGit():
		s.Path = ""
	}
	return []gatedField{argoField{path: path, argoSource: at.apply(s, position), unseen: at.unseen(position), when: at.whenOf()}}
}

func (f argoField) key() gatedField {
	f.project = ""
	return f
}

func (f argoField) use(_ context.Context, e *Extractor) Use {
	reference, err := f.reference(e)
	if f.unseen && !f.settled(reference.Selector) {
		reference.Selector = reference.Selector.Floating()
	}
	found := Chart{
		Reference: reference,
		Auth:      sourceauth.Auth{Consumer: sourceauth.ArgoCD, URL: f.RepoURL, Project: f.project},
	}
	if strings.HasPrefix(f.RepoURL, "oci://") {
		found.LayerRule = artifact.WholeContent()
	}
	return Use{Field: f.path, Target: found.unless(err)}
}

// settled reports whether Argo CD pulls the same with this revision whenever it reads it, as in the
// syncs without a revision that an ApplicationSet with RollingSync starts (syncApplication, v3.2). A
// digest and a commit stay what they are. A complete version of a Helm source is not looked up, but
// taken as it stands (newHelmClientResolveRevision, v2.14 and v3.2): a sync that names it pulls the
// same. A tag of a native source is looked up each time, where a sync that names a revision has its
// digest. Each retry reads spec again, with or without retry.refresh, but spec does not change
// unseen: while there is an operation, a write of spec is a write of what the operation deploys too.
func (f argoField) settled(revision chart.Selector) bool {
	switch revision.Pinning() {
	case chart.ByDigest:
		return true
	case chart.Version:
		return f.Chart != ""
	default:
		return false
	}
}

func (f argoField) reference(e *Extractor) (chart.Reference, error) {
	// Argo CD looks a repository up by its URL without ".git" (git.SameURL), and then pulls from
	// the URL that it finds.
	if !f.isGit() && strings.HasSuffix(strings.TrimSuffix(f.RepoURL, "/"), ".git") {
		return chart.Reference{}, problem.Invalid("repoURL %s ends in .git, which Argo CD does not take for part of the name", problem.QuoteInput(f.RepoURL)).
			WithNext("use a repository whose name does not end in .git")
	}
	native := strings.HasPrefix(f.RepoURL, "oci://")
	_, _, scheme := strings.Cut(f.RepoURL, "://")
	switch {
	case f.isGit():
		return f.git(e)
	case native && f.Chart != "":
		// Argo CD 3 ignores chart here; 2.x appends it.
		return chart.Reference{}, problem.Invalid("repoURL %s starts with oci:// and chart is set too: Argo CD versions disagree on what that means", problem.QuoteInput(f.RepoURL)).
			WithNext("either remove oci:// from repoURL, or put the whole reference into repoURL and remove chart")
	case native:
		return f.native(e)
	case f.Chart == "":
		return chart.Reference{}, problem.Invalid("repoURL %s: the scheme is spelled oci://, in lower case", problem.QuoteInput(f.RepoURL))
	case scheme:
		return f.helm(e, f.RepoURL)
	default:
		return f.helm(e, "oci://"+f.RepoURL)
	}
}

// git reads a folder in a Git repository: a chart, or other manifests. A commit says which content,
// and not who could push it: see docs/security.md.
func (f argoField) git(e *Extractor) (chart.Reference, error) {
	repository, plain, err := chart.ParseGitURL(f.RepoURL)
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkEncrypted(repository, plain, "repoURL"); err != nil {
		return chart.Reference{}, err
	}
	location, err := repository.Folder(cmp.Or(f.Path, "."))
	if err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseGitRevision(f.TargetRevision)
	return chart.Reference{Location: location, Selector: selector}, err
}

// native reads an oci:// source: the whole reference is in repoURL. Argo CD ignores a tag or digest
// in it, so it is important that ParseChart refuses them.
func (f argoField) native(e *Extractor) (chart.Reference, error) {
	location, err := chart.ParseChart(f.RepoURL)
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkTransport(location, false, ""); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseArgoNativeRevision(f.TargetRevision)
	return chart.Reference{Location: location, Selector: selector}, err
}

// helm reads a source with a chart: Helm-OCI without a scheme, otherwise a classic repository.
func (f argoField) helm(e *Extractor, url string) (chart.Reference, error) {
	base, err := parseHelmURL(url)
	if err != nil {
		return chart.Reference{}, err
	}
	location, err := base.Join(f.Chart)
	if err != nil {
		return chart.Reference{}, err
	}
	if err := e.checkTransport(location, false, ""); err != nil {
		return chart.Reference{}, err
	}
	selector, err := chart.ParseArgoHelmRevision(f.TargetRevision)
	return chart.Reference{Location: location, Selector: selector}, err
}
