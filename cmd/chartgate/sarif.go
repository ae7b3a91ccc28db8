package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// sarif writes what is denied, or admitted with a warning, for tools that show findings at lines of
// files. Go-sarif v2 and not v3: v3 writes "byteOffset": -1, which the schema forbids.
func (r report) sarif(w io.Writer) error {
	log, err := sarif.New(sarif.Version210)
	if err != nil {
		return err
	}
	run := sarif.NewRunWithInformationURI("chartgate", "https://github.com/chartgate/chartgate")
	run.Tool.Driver.WithVersion(version())
	run.AddInvocation(true)
	for _, result := range r.results {
		if result.Reason == "" {
			continue
		}
		describeRule(run.AddRule(string(result.Reason)), result.Reason)
		found := run.CreateResultForRule(string(result.Reason)).
			WithLevel(result.level()).
			WithMessage(sarif.NewTextMessage(result.Message)).
			WithPartialFingerPrints(map[string]any{"chartgate/v1": result.fingerprint()})
		found.AddLocation(result.location())
		found.Properties = sarif.Properties{"verdict": result.Verdict}
		for name, value := range map[string]string{"reference": result.Reference, "digest": result.Digest, "policy": result.Policy} {
			if value != "" {
				found.Properties[name] = value
			}
		}
	}
	log.AddRun(run)
	if err := log.PrettyWrite(w); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w)
	return err
}

// describeRule gives a rule the section of docs/reasons.md.
func describeRule(rule *sarif.ReportingDescriptor, reason verdict.Reason) {
	e, ok := explain(reason)
	if !ok {
		return
	}
	rule.WithName(string(reason)).
		WithShortDescription(sarif.NewMultiformatMessageString(e.summary())).
		WithHelpURI(reasonsURL + "reasons.md#" + string(reason)).
		WithMarkdownHelp(e.linked())
	text := plainText(e.markdown, 0)
	rule.Help.Text = &text
}

// level is that of SARIF.
func (r result) level() string {
	if r.admitted {
		return "warning"
	}
	return "error"
}

// fingerprint is equal for the same finding in another commit, wherever the object has moved to.
func (r result) fingerprint() string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join([]string{r.Object.Kind, r.Object.Namespace, r.Object.Name, r.Field, r.Reference, string(r.Reason)}, "\x00"))))
}

// location is the field in the file, and the object. A chart that was named on the command line is in
// no file.
func (r result) location() *sarif.Location {
	name, full := r.names()
	object := sarif.NewLogicalLocation().WithName(name).WithKind("object").WithFullyQualifiedName(full)
	location := sarif.NewLocation().WithLogicalLocations([]*sarif.LogicalLocation{object})
	if r.at.file == "" {
		return location
	}
	at := r.at.find(r.Field)
	return location.WithPhysicalLocation(sarif.NewPhysicalLocation().
		WithArtifactLocation(sarif.NewSimpleArtifactLocation(fileURI(r.at.file))).
		WithRegion(sarif.NewRegion().WithStartLine(at.line).WithStartColumn(at.column)))
}

// fileURI is a path as a URI: a relative one stays relative, to the directory of the run.
func fileURI(path string) string {
	if path == "-" {
		return "stdin"
	}
	path = filepath.ToSlash(filepath.Clean(path))
	if strings.HasPrefix(path, "/") {
		return (&url.URL{Scheme: "file", Path: path}).String()
	}
	return (&url.URL{Path: path}).EscapedPath()
}
