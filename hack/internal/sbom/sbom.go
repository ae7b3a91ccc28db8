// Package sbom writes SPDX documents about what is released, from what the Go toolchain records in the binaries.
package sbom

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/image"
	"github.com/chartgate/chartgate/hack/internal/source"
)

// Image is the document about an image: its programs, the modules in them, and the certificate authorities.
func Image(c image.Content) ([]byte, error) {
	w := newWriter("chartgate-image", c.Version, c.Commit)
	w.root.Purpose = "CONTAINER"
	if err := w.programs(c.Binaries); err != nil {
		return nil, err
	}
	authorities, err := authorities(c.Authorities)
	if err != nil {
		return nil, err
	}
	w.add(authorities)
	w.relate(w.root, "CONTAINS", authorities)
	return w.bytes()
}

// Programs is the document about the programs for all platforms.
func Programs(version string, commit source.Commit, binaries []binary.Binary) ([]byte, error) {
	w := newWriter("chartgate", version, commit)
	w.root.Purpose = "APPLICATION"
	if err := w.programs(binaries); err != nil {
		return nil, err
	}
	return w.bytes()
}

// writer collects a document.
type writer struct {
	document
	root *pkg
	byID map[string]*pkg
	// content is a digest of all programs: documents about other content have other names.
	content []string
}

func newWriter(name, version string, commit source.Commit) *writer {
	root := ours("SPDXRef-"+name, name, version)
	root.SourceInfo = "built from " + source.URL + " at commit " + commit.Revision
	w := &writer{root: root, byID: map[string]*pkg{}, document: document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: name + "-" + version,
		Creation: creation{Created: commit.Time.UTC().Format(time.RFC3339), Creators: []string{"Organization: chartgate", "Tool: chartgate-hack-sbom"}},
	}}
	w.add(root)
	w.Relationships = append(w.Relationships, relationship{w.ID, "DESCRIBES", root.ID})
	return w
}

// ours is a package of this project.
func ours(id, name, version string) *pkg {
	return &pkg{
		ID: id, Name: name, Version: version, Supplier: "Organization: chartgate", DownloadLocation: source.URL,
		LicenseConcluded: noAssertion, LicenseDeclared: "Apache-2.0", CopyrightText: noAssertion,
	}
}

// theirs is a package of another project: who supplies it, and under which license, a binary does not say.
func theirs(id, name, version string) *pkg {
	return &pkg{
		ID: id, Name: name, Version: version, Supplier: noAssertion, DownloadLocation: noAssertion,
		LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, CopyrightText: noAssertion,
	}
}

func (w *writer) programs(binaries []binary.Binary) error {
	for _, b := range binaries {
		if err := w.program(b); err != nil {
			return fmt.Errorf("%s: %w", b.Path, err)
		}
	}
	return nil
}

func (w *writer) program(b binary.Binary) error {
	content, err := os.ReadFile(b.Path)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	p := ours("SPDXRef-"+b.OS+"-"+b.Arch, "chartgate for "+b.String(), w.root.Version)
	p.Purpose, p.Checksums = "APPLICATION", []checksum{{"SHA256", hex.EncodeToString(sum[:])}}
	w.content = append(w.content, p.Checksums[0].Value)
	w.add(p)
	w.relate(w.root, "CONTAINS", p)
	standard := &debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range append([]*debug.Module{standard}, info.Deps...) {
		if m.Replace != nil {
			m = m.Replace
		}
		dependency := module(m)
		w.add(dependency)
		w.relate(p, "DEPENDS_ON", dependency)
	}
	return nil
}

func module(m *debug.Module) *pkg {
	p := theirs(moduleID(m.Path, m.Version), m.Path, m.Version)
	p.Purpose = "LIBRARY"
	if m.Sum != "" {
		p.SourceInfo = "checksum in go.sum: " + m.Sum
	}
	p.References = []reference{{"PACKAGE-MANAGER", "purl", purl(m.Path, m.Version)}}
	return p
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func moduleID(path, version string) string {
	return "SPDXRef-" + notInID.ReplaceAllString(path+"-"+version, "-")
}

// purl is the package URL of a Go module (https://github.com/package-url/purl-spec), whose path is in lower case.
func purl(path, version string) string {
	return "pkg:golang/" + strings.ToLower(path) + "@" + url.QueryEscape(version)
}

// authoritiesLine is the first line of bin/ca-certificates.crt, which hack/tools/x509roots writes.
var authoritiesLine = regexp.MustCompile(`\A# (\S+) (v\S+)\n`)

func authorities(pem []byte) (*pkg, error) {
	found := authoritiesLine.FindSubmatch(pem)
	if found == nil {
		return nil, fmt.Errorf("the certificate authorities do not start with the module that they come from")
	}
	return module(&debug.Module{Path: string(found[1]), Version: string(found[2])}), nil
}

// add adds a package, unless it is there: programs for several platforms have the same modules.
func (w *writer) add(p *pkg) {
	if w.byID[p.ID] == nil {
		w.byID[p.ID] = p
		w.Packages = append(w.Packages, p)
	}
}

func (w *writer) relate(from *pkg, kind string, to *pkg) {
	w.Relationships = append(w.Relationships, relationship{from.ID, kind, to.ID})
}

func (w *writer) bytes() ([]byte, error) {
	sum := sha256.Sum256([]byte(strings.Join(w.content, "\n")))
	w.Namespace = source.URL + "/spdx/" + w.Name + "-" + hex.EncodeToString(sum[:])
	text, err := json.MarshalIndent(w.document, "", "  ")
	return append(text, '\n'), err
}
