package archive

import (
	stdtar "archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/tar"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

const (
	// maxIgnore bounds the rules of what is left out, in bytes, in spec.ignore and in files.
	maxIgnore = 64 << 10
	// maxRules bounds their number: each is matched with every file.
	maxRules = 200
	// maxExtracted bounds the files of an archive whose rules are matched.
	maxExtracted = 10_000
)

// The permissions that source-controller gives to what it packs.
const (
	folderMode     = 0o750
	fileMode       = 0o600
	executableMode = 0o700
)

// Extracted returns the digest of the archive that Flux's source-controller makes of a layer for an
// OCIRepository that does not copy it: it extracts the layer, leaves out what .sourceignore files and
// ignore (spec.ignore) name, and packs the rest with fixed owners, times and permissions (reconcileSource
// and reconcileArtifact of source-controller 1.9, Storage.Archive of fluxcd/pkg/artifact 0.18). The bytes
// are those of Go's gzip at its default level, as in source-controller. It works in a temporary folder.
// Every error is a *problem.Error; a layer beyond the limits of this package is one.
func Extracted(layer []byte, ignore string) (chart.Digest, error) {
	dir, err := os.MkdirTemp("", "chartgate-extracted-")
	if err != nil {
		return chart.Digest{}, failed(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a folder that stays takes space of /tmp, which is limited
	if err := extract(layer, dir); err != nil {
		return chart.Digest{}, failed(err)
	}
	leftOut, err := leaveOut(dir, ignore)
	if err != nil {
		return chart.Digest{}, failed(err)
	}
	hash := sha256.New()
	if err := pack(hash, dir, leftOut); err != nil {
		return chart.Digest{}, failed(fmt.Errorf("pack the extracted files: %w", err))
	}
	digest, err := chart.ParseDigest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
	if err != nil {
		return chart.Digest{}, failed(err)
	}
	return digest, nil
}

// extract writes the files of a layer into dir.
func extract(layer []byte, dir string) error {
	entries := 0
	tooMany := func(string, os.FileInfo) bool {
		entries++
		return entries > maxExtracted
	}
	err := tar.Untar(bytes.NewReader(layer), dir, tar.WithMaxUntarSize(maxUnpacked), tar.WithSkipSymlinks(), tar.WithFilter(tooMany))
	switch {
	case entries > maxExtracted:
		return fault{problem.KindLimitExceeded, fmt.Sprintf("it holds more than %d files", maxExtracted)}
	case err != nil:
		return fault{problem.KindNotAChart, "it cannot be extracted"}.because(err)
	default:
		return nil
	}
}

// leaveOut returns whether a file or folder in dir is left out.
func leaveOut(dir, ignore string) (func(path string, folder bool) bool, error) {
	size := int64(len(ignore))
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != sourceignore.IgnoreFile || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if size > maxIgnore {
		return nil, fault{problem.KindLimitExceeded, fmt.Sprintf("spec.ignore and its %s files have more than %d KiB", sourceignore.IgnoreFile, maxIgnore>>10)}
	}
	domain := strings.Split(dir, string(filepath.Separator))
	rules, err := sourceignore.LoadIgnorePatterns(dir, domain)
	if err != nil {
		return nil, fmt.Errorf("read the %s files: %w", sourceignore.IgnoreFile, err)
	}
	rules = append(rules, sourceignore.ReadPatterns(strings.NewReader(ignore), domain)...)
	if len(rules) > maxRules {
		return nil, fault{problem.KindLimitExceeded, fmt.Sprintf("spec.ignore and its %s files have more than %d rules", sourceignore.IgnoreFile, maxRules)}
	}
	matcher := sourceignore.NewDefaultMatcher(nil, domain)
	if len(rules) > 0 { // they replace the rules for file types and CI, not those for version control
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(domain), rules...))
	}
	return func(path string, folder bool) bool {
		return matcher.Match(strings.Split(path, string(filepath.Separator)), folder)
	}, nil
}

// pack writes dir as source-controller does. A folder that is left out is not packed; files in it are
// asked about one by one.
func pack(w io.Writer, dir string, leftOut func(path string, folder bool) bool) error {
	zipped := gzip.NewWriter(w)
	packed := stdtar.NewWriter(zipped)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() || leftOut(path, entry.IsDir()) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return packOne(packed, dir, path, info)
	})
	if err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return zipped.Close()
}

func packOne(packed *stdtar.Writer, dir, path string, info fs.FileInfo) error {
	header, err := stdtar.FileInfoHeader(info, "")
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
		header.Mode = folderMode
	case info.Mode()&0o111 != 0:
		header.Mode = executableMode
	default:
		header.Mode = fileMode
	}
	if err := packed.WriteHeader(header); err != nil || info.IsDir() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	_, err = io.Copy(packed, file)
	return err
}
