package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	fluxtar "github.com/fluxcd/pkg/tar"

	"github.com/fluxcd/pkg/sourceignore"

	"github.com/chartgate/chartgate/pkg/archive"
)

// TestExtractedAsFluxExtracts compares Extracted with what Flux's own libraries do in a folder on disk, for archives of
// all kinds of entries, names and rules.
func TestExtractedAsFluxExtracts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var same, refused int
	for range 800 {
		layer, ignore := randomLayer(t, r)
		want, err := onDisk(t, []byte(layer), ignore)
		got, gotErr := archive.Extracted(t.Context(), []byte(layer), ignore)
		switch {
		case err != nil && gotErr == nil:
			t.Fatalf("Flux extracts no such archive (%v), and Extracted does:\n%s", err, listing(t, layer))
		case err != nil:
			refused++
		case gotErr != nil:
			t.Fatalf("%v:\n%s", gotErr, listing(t, layer))
		case got.String() != want:
			t.Fatalf("the digest is %s, and Flux's %s, with the rules %q:\n%s", got, want, ignore, listing(t, layer))
		default:
			same++
		}
	}
	if same < 300 || refused < 10 {
		t.Errorf("%d archives were equal and %d refused", same, refused)
	}
}

func randomLayer(t *testing.T, r *rand.Rand) (layer, ignore string) {
	t.Helper()
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	folders := []string{"podinfo/", "podinfo/templates/", "podinfo/-a/", "podinfo/charts/sub/", "podinfo/.git/", ""}
	names := []string{"Chart.yaml", "a.yaml", "a", "a-b", ".sourceignore", ".sourceignore", "icon.png", "ci.sh", "ä.txt", ".gitignore", strings.Repeat("long", 40)}
	rules := []string{"*.yaml", "!a.yaml", "/podinfo/a", "templates/", "**/a", "a-b", "# a", "!icon.png", "[", "sub/*"}
	var entries []entry
	for range 1 + r.IntN(12) {
		e := entry{name: one(folders...) + one(names...), content: one("", "x", "y", strings.Repeat("z", 3000))}
		if strings.HasSuffix(e.name, ".sourceignore") {
			e.content = one(rules...) + "\n" + one(rules...) + "\n"
		}
		switch r.IntN(30) {
		case 0:
			e.kind = tar.TypeSymlink
		case 1, 2:
			e.name, e.kind = one(folders[:5]...), tar.TypeDir
		case 3:
			e.kind = tar.TypeLink
		case 4:
			e.name = one("./"+e.name, "podinfo//"+one(names...), "podinfo/./a")
		case 5:
			if r.IntN(4) == 0 {
				e.name = one("../x", "/x", `a\b`, "podinfo/../a")
			}
		case 6:
			if r.IntN(4) == 0 {
				e.kind = tar.TypeFifo
			}
		}
		entries = append(entries, e)
	}
	for range r.IntN(3) {
		ignore += one(rules...) + "\n"
	}
	return pack(t, entries...), ignore
}

// onDisk is what source-controller does: it extracts into a folder, and packs that.
func onDisk(t *testing.T, layer []byte, ignore string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := fluxtar.Untar(bytes.NewReader(layer), dir, fluxtar.WithMaxUntarSize(-1), fluxtar.WithSkipSymlinks()); err != nil {
		return "", err
	}
	domain := strings.Split(dir, string(filepath.Separator))
	rules, err := sourceignore.LoadIgnorePatterns(dir, domain)
	if err != nil {
		return "", err
	}
	rules = append(rules, sourceignore.ReadPatterns(strings.NewReader(ignore), domain)...)
	matcher := sourceignore.NewDefaultMatcher(nil, domain)
	if len(rules) > 0 {
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(domain), rules...))
	}
	hash := sha256.New()
	zipped := gzip.NewWriter(hash)
	packed := tar.NewWriter(zipped)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || matcher.Match(strings.Split(path, string(filepath.Separator)), entry.IsDir()) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		header, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		if header.Name, err = filepath.Rel(dir, path); err != nil {
			return err
		}
		header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
		header.ModTime, header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}, time.Time{}
		switch {
		case info.IsDir():
			header.Mode = 0o750
		case info.Mode()&0o111 != 0:
			header.Mode = 0o700
		default:
			header.Mode = 0o600
		}
		if err := packed.WriteHeader(header); err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = packed.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := packed.Close(); err != nil {
		return "", err
	}
	if err := zipped.Close(); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}

func listing(t *testing.T, layer string) string {
	t.Helper()
	zipped, err := gzip.NewReader(strings.NewReader(layer))
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for r := tar.NewReader(zipped); ; {
		header, err := r.Next()
		if err != nil {
			return b.String()
		}
		content, _ := io.ReadAll(r)
		fmt.Fprintf(&b, "%c %q %.40q\n", header.Typeflag, header.Name, content)
	}
}
