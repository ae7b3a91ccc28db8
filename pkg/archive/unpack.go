package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

const (
	// maxUnpacked bounds what an archive holds, with the archives in it: 16 MiB of gzip
	// can hold 16 GiB. The largest public charts, with their sub-charts and CRDs, have
	// some 20 MiB; helm itself stops at 100 MiB.
	maxUnpacked = 64 << 20
	// maxFiles bounds the entries: each costs more than its content.
	maxFiles = 20_000
	// maxNesting bounds archives in archives: a sub-chart's sub-charts. An archive can
	// hold itself.
	maxNesting = 5
)

// file is a regular file of a chart, by its path below the chart's folder.
type file struct {
	name string
	data []byte
}

// unpack reads an archive, and measures those in it that helm would unpack.
func unpack(archive []byte) ([]file, error) {
	budget := &budget{bytes: maxUnpacked, files: maxFiles}
	return budget.unpack(archive, maxNesting)
}

// budget is what may still be unpacked.
type budget struct {
	bytes int64
	files int
}

func (b *budget) unpack(archive []byte, nesting int) ([]file, error) {
	if nesting == 0 {
		return nil, fault{problem.KindLimitExceeded, fmt.Sprintf("it holds archives in archives, more than %d deep", maxNesting)}
	}
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fault{problem.KindNotAChart, "it is not a gzip archive"}.because(err)
	}
	files, err := b.read(tar.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if strings.HasPrefix(f.name, "charts/") && path.Ext(f.name) == ".tgz" {
			if _, err := b.unpack(f.data, nesting-1); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// read reads the files. Tools disagree on the meaning of links, several folders, several files of
// one name, and names that are not plain paths, so they are rejected. helm package does not produce
// them.
func (b *budget) read(r *tar.Reader) ([]file, error) {
	var files []file
	root, seen := "", map[string]bool{}
	for {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, fault{problem.KindNotAChart, "it is not a tar archive"}.because(err)
		}
		if b.files--; b.files < 0 {
			return nil, fault{problem.KindLimitExceeded, fmt.Sprintf("it holds more than %d files", maxFiles)}
		}
		switch header.Typeflag {
		case tar.TypeReg:
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		default:
			return nil, fault{problem.KindNotAChart, "it holds " + problem.QuoteInput(header.Name) + ", which is neither a file nor a folder"}
		}
		folder, name, found := strings.Cut(header.Name, "/")
		switch {
		case !found || path.Clean(header.Name) != header.Name || path.IsAbs(header.Name) || folder == ".." || strings.Contains(header.Name, `\`):
			return nil, fault{problem.KindNotAChart, "it holds a file called " + problem.QuoteInput(header.Name) + ", which is not a plain path in the chart's folder"}
		case root != "" && root != folder:
			return nil, fault{problem.KindNotAChart, "it holds two folders, " + problem.QuoteInput(root) + " and " + problem.QuoteInput(folder)}
		case seen[name]:
			return nil, fault{problem.KindNotAChart, "it holds two files called " + problem.QuoteInput(name)}
		}
		root, seen[name] = folder, true
		data, err := b.content(r)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, data: data})
	}
}

func (b *budget) content(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, b.bytes+1))
	if err != nil {
		return nil, fault{problem.KindNotAChart, "it breaks off"}.because(err)
	}
	if b.bytes -= int64(len(data)); b.bytes < 0 {
		return nil, fault{problem.KindLimitExceeded, fmt.Sprintf("it unpacks to more than %d MiB", maxUnpacked>>20)}
	}
	return data, nil
}

// fault is what is wrong with an archive, in a clause for people.
type fault struct {
	kind problem.Kind
	text string
}

func (f fault) Error() string { return f.text }

func (f fault) because(err error) error { return fmt.Errorf("%w: %w", f, err) }

// problem is the one place where faults become problems.
func failed(err error) error {
	p := &problem.Error{Kind: problem.KindInternal, Detail: "the chart's archive cannot be judged", Err: err}
	if own, ok := errors.AsType[fault](err); ok {
		p.Kind, p.Detail = own.kind, p.Detail+": "+own.text
	}
	return p
}
