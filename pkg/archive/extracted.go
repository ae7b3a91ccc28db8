package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

const (
	// maxEntries bounds the files and folders, those that only a path names included.
	maxEntries = 10_000
	// maxDepth bounds the folders in folders.
	maxDepth = 32
	// maxMatching bounds the work of matching what is left out: the bytes of all rules times those of
	// all paths. 1,000 paths of 50 bytes with 20 rules of 20 bytes are 20 million.
	maxMatching = 1 << 30
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
// and reconcileArtifact of source-controller 1.9; Untar of fluxcd/pkg/tar 1.2, Storage.Archive of
// fluxcd/pkg/artifact 0.18). The bytes are those of Go's gzip at its default level, as in
// source-controller. Every error is a *problem.Error; a layer beyond the limits of this package is one.
func Extracted(ctx context.Context, layer []byte, ignore string) (chart.Digest, error) {
	digest, err := extracted(ctx, layer, ignore)
	switch {
	case ctx.Err() != nil:
		return chart.Digest{}, &problem.Error{Kind: problem.KindTimeout, Detail: "extracting the chart took too long", Err: ctx.Err()}
	case err != nil:
		return chart.Digest{}, failed(err)
	default:
		return digest, nil
	}
}

func extracted(ctx context.Context, layer []byte, ignore string) (chart.Digest, error) {
	files, err := extract(ctx, layer)
	if err != nil {
		return chart.Digest{}, err
	}
	leftOut, err := files.leaveOut(ignore)
	if err != nil {
		return chart.Digest{}, err
	}
	hash := sha256.New()
	if err := files.pack(ctx, hash, leftOut); err != nil {
		return chart.Digest{}, fmt.Errorf("pack the extracted files: %w", err)
	}
	return chart.ParseDigest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
}

// node is a file or folder that was extracted.
type node struct {
	folder, executable bool
	data               []byte
}

// folder is what was extracted, by path. The folder itself is ".".
type folder map[string]*node

// extract reads the files of a layer.
func extract(ctx context.Context, layer []byte) (folder, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return nil, fault{problem.KindNotAChart, "it is not a gzip archive"}.because(err)
	}
	// One byte more than is allowed shows that there is more.
	content := &io.LimitedReader{R: zipped, N: maxUnpacked + 1}
	files, err := readTar(ctx, tar.NewReader(content))
	if content.N <= 0 {
		return nil, tooLarge()
	}
	return files, err
}

func tooLarge() error {
	return fault{problem.KindLimitExceeded, fmt.Sprintf("it unpacks to more than %d MiB", maxUnpacked>>20)}
}

func readTar(ctx context.Context, r *tar.Reader) (folder, error) {
	files, size := folder{".": {folder: true}}, int64(0)
	for entries := 0; ctx.Err() == nil; entries++ {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, fault{problem.KindNotAChart, "it is not a tar archive"}.because(err)
		case entries >= maxEntries:
			return nil, tooMany()
		case header.Size > maxUnpacked-size: // a sparse file may be larger than the archive
			return nil, tooLarge()
		}
		size += header.Size
		if err := files.add(header, r); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

func tooMany() error {
	return fault{problem.KindLimitExceeded, fmt.Sprintf("it holds more than %d files and folders", maxEntries)}
}

// add extracts one entry as Untar does: the last of several files with a name counts, but for its
// permissions; symbolic links are left out; every other entry that is no folder becomes a file.
func (f folder) add(header *tar.Header, content io.Reader) error {
	name := header.Name
	if name == "" || strings.HasPrefix(name, "/") || strings.Contains(name, "../") || strings.Contains(name, `\`) {
		return fault{problem.KindNotAChart, "it holds a file called " + problem.QuoteInput(name) + ", which source-controller does not extract"}
	}
	at, mode := path.Join(".", name), header.FileInfo().Mode()
	switch {
	case strings.Count(at, "/") >= maxDepth:
		return fault{problem.KindLimitExceeded, fmt.Sprintf("it holds folders in folders, more than %d deep", maxDepth)}
	case at == "..": // "..": the folder above
		return fault{problem.KindNotAChart, "it holds a path out of its folder"}
	case mode.IsDir():
		return f.makeFolders(at)
	case mode&fs.ModeSymlink != 0:
		return nil
	case !mode.IsRegular():
		return fault{problem.KindNotAChart, "it holds " + problem.QuoteInput(name) + ", which is neither a file nor a folder"}
	}
	if err := f.makeFolders(path.Dir(at)); err != nil {
		return err
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return fault{problem.KindNotAChart, "it breaks off"}.because(err)
	}
	known := f[at]
	switch {
	case known == nil:
		f[at] = &node{data: data, executable: mode&0o111 != 0}
	case known.folder:
		return twice(at)
	default:
		known.data = data
	}
	return f.check()
}

// makeFolders adds a folder and those that it is in.
func (f folder) makeFolders(at string) error {
	for ; ; at = path.Dir(at) {
		switch known := f[at]; {
		case known == nil:
			f[at] = &node{folder: true}
		case known.folder:
			return f.check()
		default:
			return twice(at)
		}
	}
}

func (f folder) check() error {
	if len(f) > maxEntries {
		return tooMany()
	}
	return nil
}

func twice(at string) error {
	return fault{problem.KindNotAChart, "it holds " + problem.QuoteInput(at) + " as a file and as a folder"}
}

// paths returns all paths in the order in which a tree is walked: a folder before what is in it, and
// names in lexical order.
func (f folder) paths() []string {
	all := make([]string, 0, len(f))
	for at := range f {
		if at != "." {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	return append([]string{"."}, all...)
}

// root is the first element of the paths that rules are matched with.
const root = "chart"

// elements returns a path as rules are matched with it.
func elements(at string) []string {
	if at == "." {
		return []string{root}
	}
	return append([]string{root}, strings.Split(at, "/")...)
}

// leaveOut returns whether a file or folder is left out.
func (f folder) leaveOut(ignore string) (func(at string) bool, error) {
	var rules []gitignore.Pattern
	read, pathBytes := len(ignore), 0
	for _, at := range f.paths() {
		pathBytes += len(at)
		file := f[path.Join(at, sourceignore.IgnoreFile)]
		if !f[at].folder || file == nil || file.folder || slices.Contains(elements(at), ".git") {
			continue
		}
		read += len(file.data)
		rules = append(rules, sourceignore.ReadPatterns(bytes.NewReader(file.data), elements(at))...)
	}
	rules = append(rules, sourceignore.ReadPatterns(strings.NewReader(ignore), elements("."))...)
	if read > 0 && pathBytes > maxMatching/read {
		return nil, fault{problem.KindLimitExceeded, fmt.Sprintf("spec.ignore and its %s files are too long for its number of files", sourceignore.IgnoreFile)}
	}
	matcher := sourceignore.NewDefaultMatcher(nil, elements("."))
	if len(rules) > 0 { // they replace the rules for file types and CI, not those for version control
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(elements(".")), rules...))
	}
	return func(at string) bool { return matcher.Match(elements(at), f[at].folder) }, nil
}

// pack writes an archive as source-controller does. A folder that is left out is not packed; files in
// it are asked about one by one.
func (f folder) pack(ctx context.Context, w io.Writer, leftOut func(at string) bool) error {
	zipped := gzip.NewWriter(w)
	packed := tar.NewWriter(zipped)
	for _, at := range f.paths() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if leftOut(at) {
			continue
		}
		if err := packed.WriteHeader(f[at].header(at)); err != nil {
			return err
		}
		if _, err := packed.Write(f[at].data); err != nil {
			return err
		}
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return zipped.Close()
}

func (n *node) header(at string) *tar.Header {
	switch {
	case n.folder:
		return &tar.Header{Typeflag: tar.TypeDir, Name: at, Mode: folderMode}
	case n.executable:
		return &tar.Header{Typeflag: tar.TypeReg, Name: at, Mode: executableMode, Size: int64(len(n.data))}
	default:
		return &tar.Header{Typeflag: tar.TypeReg, Name: at, Mode: fileMode, Size: int64(len(n.data))}
	}
}
