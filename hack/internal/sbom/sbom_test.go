package sbom

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/image"
	"github.com/chartgate/chartgate/hack/internal/source"
)

// checker checks SPDX documents, and is built of modules, as chartgate is.
const checker = "../../../bin/spdx"

// ofTheChecker is about that program.
func ofTheChecker() image.Content {
	path := checker
	return image.Content{
		Binaries: []binary.Binary{
			{Platform: binary.Platform{OS: "linux", Arch: "amd64"}, Path: path},
			{Platform: binary.Platform{OS: "linux", Arch: "arm64"}, Path: path},
		},
		Authorities: []byte("# golang.org/x/crypto/x509roots/fallback v0.0.0-20261030153154-30a33513ff6d\n"),
		Version:     "0.1.0", Commit: source.Commit{Revision: "4f2d1c9", Time: time.Unix(1_795_000_000, 0)},
	}
}

// TestImageDocument: SPDX's own library reads the document, and it has what is in the programs, each once.
func TestImageDocument(t *testing.T) {
	t.Parallel()
	c := ofTheChecker()
	text, err := Image(c)
	if err != nil {
		t.Fatal(err)
	}
	check(t, text)
	again, err := Image(c)
	if err != nil || string(text) != string(again) {
		t.Errorf("a second document about the same differs, error %v", err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ name, version, purl string }{
		{"stdlib", runtime.Version()[len("go"):], "pkg:golang/stdlib@" + runtime.Version()[len("go"):]},
		{"github.com/spdx/tools-golang", "v0.5.7", "pkg:golang/github.com/spdx/tools-golang@v0.5.7"},
		{"golang.org/x/crypto/x509roots/fallback", "v0.0.0-20261030153154-30a33513ff6d", "pkg:golang/golang.org/x/crypto/x509roots/fallback@v0.0.0-20261030153154-30a33513ff6d"},
	} {
		named := slices.DeleteFunc(slices.Clone(d.Packages), func(p *pkg) bool { return p.Name != want.name })
		if len(named) != 1 || named[0].Version != want.version || len(named[0].References) != 1 || named[0].References[0].Locator != want.purl {
			t.Errorf("%s: found %+v", want.name, named)
		}
	}
	id := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	seen := map[string]bool{}
	for _, p := range d.Packages {
		if !id.MatchString(p.ID) || seen[p.ID] {
			t.Errorf("the ID %q is malformed or there twice", p.ID)
		}
		seen[p.ID] = true
		if p.Name == "" || p.Supplier == "" || p.DownloadLocation == "" || p.LicenseDeclared == "" {
			t.Errorf("%+v lacks a field", p)
		}
	}
}

// TestProgramsDocument: a document about other programs has another name.
func TestProgramsDocument(t *testing.T) {
	t.Parallel()
	c := ofTheChecker()
	one, err := Programs(c.Version, c.Commit, c.Binaries[:1])
	if err != nil {
		t.Fatal(err)
	}
	check(t, one)
	two, err := Programs(c.Version, c.Commit, c.Binaries)
	if err != nil {
		t.Fatal(err)
	}
	var first, second document
	if err := json.Unmarshal(one, &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(two, &second); err != nil {
		t.Fatal(err)
	}
	if first.Namespace == second.Namespace {
		t.Errorf("both are called %s", first.Namespace)
	}
}

// check runs bin/spdx.
func check(t *testing.T, document []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sbom.spdx.json")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), checker, path).CombinedOutput(); err != nil {
		t.Errorf("bin/spdx (run `make tools`): %v\n%s", err, out)
	}
}

// TestWhatNoDocumentIsMadeOf: the document would not be complete.
func TestWhatNoDocumentIsMadeOf(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "chartgate")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	noProgram := ofTheChecker()
	noProgram.Binaries[0].Path = script
	noVersion := ofTheChecker()
	noVersion.Authorities = []byte("-----BEGIN CERTIFICATE-----\n")
	for name, c := range map[string]image.Content{"a program of another compiler": noProgram, "certificates of unknown origin": noVersion} {
		if _, err := Image(c); err == nil {
			t.Errorf("%s: a document is made", name)
		}
	}
}

func TestPackageURLs(t *testing.T) {
	t.Parallel()
	got := []string{purl("github.com/Masterminds/semver/v3", "v3.5.0"), purl("github.com/docker/cli", "v29.4.0+incompatible")}
	want := []string{"pkg:golang/github.com/masterminds/semver/v3@v3.5.0", "pkg:golang/github.com/docker/cli@v29.4.0%2Bincompatible"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
