package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds a file with manifests: real ones hold some MiB, and what is read is
// held in memory several times.
const maxFile = 64 << 20

var errTooLarge = fmt.Errorf("it is larger than %d MiB", maxFile>>20)

// file is a file to read. Inside is set where it was found in a directory, and err where
// it could not even be looked at.
type file struct {
	path   string
	inside bool
	err    error
}

// filesOf returns the files of a path: itself, or of a directory and its subdirectories
// those called *.yaml, *.yml and *.json. Symbolic links are followed; what several of
// them lead to is returned once, which also ends their circles. Only .git is left out:
// controllers read other hidden folders.
func filesOf(path string) ([]file, error) {
	if path == "-" {
		return []file{{path: path}}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return []file{{path: path}}, nil
	}
	return filesBelow(path, map[string]bool{})
}

func filesBelow(dir string, seen map[string]bool) ([]file, error) {
	if isKnown(dir, seen) {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		manifest := slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path)))
		info, err := os.Stat(path)
		switch {
		case err != nil && manifest:
			files = append(files, file{path: path, inside: true, err: err})
		case err != nil:
			// A broken link to something else than a manifest.
		case info.IsDir() && entry.Name() != ".git":
			below, err := filesBelow(path, seen)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		case info.Mode().IsRegular() && manifest && !isKnown(path, seen):
			files = append(files, file{path: path, inside: true})
		}
	}
	return files, nil
}

// isKnown reports whether what path leads to was seen before.
func isKnown(path string, seen map[string]bool) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false // the caller finds out why
	}
	known := seen[real]
	seen[real] = true
	return known
}

func readFile(stdin io.Reader, f file) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	from := stdin
	if f.path != "-" {
		opened, err := os.Open(f.path)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		from = opened
	}
	content, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errTooLarge
	}
	return content, err
}

// reasonOf takes the path off an error of package os: messages name it already.
func reasonOf(err error) string {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		err = failed.Err
	}
	return err.Error()
}
