// Package archive reads what a chart's archive says of its dependencies, in memory
// and within limits (unpack.go). It reads an archive as Argo CD does, which unpacks it
// and lets helm load the folder: helm loads archives a little differently. It also makes
// the archive that Flux makes where it extracts a chart (extracted.go).
package archive

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"

	"github.com/chartgate/chartgate/pkg/problem"
)

// MissingDependencies returns the names of the dependencies that a chart declares and
// does not contain, as helm template finds them (action.CheckDependencies, v3.22): by
// name, whatever their version or condition. For any of those Argo CD runs helm
// dependency build (reposerver/repository, v2.14 and v3.2), which fetches them. An
// archive that cannot be judged is a *problem.Error.
func MissingDependencies(archive []byte) ([]string, error) {
	files, err := unpack(archive)
	if err != nil {
		return nil, failed(err)
	}
	visible, err := loadable(files)
	if err != nil {
		return nil, failed(err)
	}
	loaded, err := loader.LoadFiles(visible)
	if err != nil {
		return nil, failed(fault{problem.KindNotAChart, "helm cannot load it"}.because(err))
	}
	contained := map[string]bool{}
	for _, sub := range loaded.Dependencies() {
		contained[sub.Name()] = true
	}
	var missing []string
	for _, declared := range loaded.Metadata.Dependencies {
		switch {
		case declared == nil:
			return nil, failed(fault{problem.KindNotAChart, "it declares a dependency that is null"})
		case !contained[declared.Name]:
			missing = append(missing, problem.QuoteInput(declared.Name))
		}
	}
	return missing, nil
}

// loadable leaves of a chart's files those that decide about its dependencies, and of
// these the ones that its .helmignore lets helm see: loader.LoadDir obeys it, so that a
// pattern may hide sub-charts that are in the archive.
func loadable(files []file) ([]*loader.BufferedFile, error) {
	rules, err := ignored(files)
	if err != nil {
		return nil, err
	}
	var kept []*loader.BufferedFile
	for _, f := range files {
		decides := f.name == "Chart.yaml" || f.name == "requirements.yaml" || strings.HasPrefix(f.name, "charts/")
		if decides && !hides(rules, f) {
			kept = append(kept, &loader.BufferedFile{Name: f.name, Data: f.data})
		}
	}
	return kept, nil
}

func ignored(files []file) (*ignore.Rules, error) {
	rules := ignore.Empty()
	if i := slices.IndexFunc(files, func(f file) bool { return f.name == ignore.HelmIgnore }); i >= 0 {
		parsed, err := ignore.Parse(bytes.NewReader(files[i].data))
		if err != nil {
			return nil, fault{problem.KindNotAChart, "its .helmignore cannot be read"}.because(err)
		}
		rules = parsed
	}
	rules.AddDefaults()
	return rules, nil
}

// hides reports whether the rules hide a file, or a folder that it is in.
func hides(rules *ignore.Rules, f file) bool {
	for folder := path.Dir(f.name); folder != "."; folder = path.Dir(folder) {
		if rules.Ignore(folder, info{name: path.Base(folder), mode: fs.ModeDir}) {
			return true
		}
	}
	return rules.Ignore(f.name, info{name: path.Base(f.name)})
}

// info is what the rules ask of a file.
type info struct {
	fs.FileInfo // nil: nothing else is asked
	name        string
	mode        fs.FileMode
}

func (i info) Name() string      { return i.name }
func (i info) IsDir() bool       { return i.mode.IsDir() }
func (i info) Mode() fs.FileMode { return i.mode }
