package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
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

// part is a document of a file.
type part struct {
	text []byte
	line int // of the file on which text begins, from 1
}

// split takes a stream of documents apart at its markers. YAML documents also end at
// "...": what follows is not seen by parsers of one document.
func split(content []byte) []part {
	content = toUTF8(content)
	content = bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	var parts []part
	number, current := 0, part{line: 1}
	for line := range bytes.Lines(content) {
		number++
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
		switch rest, begins := bytes.CutPrefix(line, []byte("---")); {
		case begins && isBlank(rest):
			parts, current = append(parts, current), part{slices.Clone(rest), number}
		case bytes.HasPrefix(line, []byte("...")) && isBlank(line[3:]):
			parts, current = append(parts, current), part{nil, number + 1}
		default:
			current.text = append(current.text, line...)
		}
	}
	var found []part
	for _, document := range append(parts, current) {
		if !isEmpty(document.text) {
			found = append(found, splitJSON(document)...)
		}
	}
	return found
}

// isBlank reports whether text that follows a marker is not the end of a longer word.
func isBlank(rest []byte) bool { return len(rest) == 0 || strings.ContainsRune(" \t\n", rune(rest[0])) }

// isEmpty reports whether a document holds comments and YAML directives only.
func isEmpty(document []byte) bool {
	for line := range bytes.Lines(document) {
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' && line[0] != '%' {
			return false
		}
	}
	return true
}

// splitJSON takes JSON values apart that follow each other. Other text is one document.
func splitJSON(document part) []part {
	decoder := json.NewDecoder(bytes.NewReader(document.text))
	var values []part
	for {
		var value json.RawMessage
		switch err := decoder.Decode(&value); {
		case errors.Is(err, io.EOF):
			return values
		case err != nil:
			return []part{document}
		}
		before := document.text[:int(decoder.InputOffset())-len(value)]
		values = append(values, part{value, document.line + bytes.Count(before, []byte("\n"))})
	}
}

// toUTF8 decodes UTF-16, which YAML parsers take by its byte order mark.
func toUTF8(content []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return content
	}
	var units []uint16
	for i := 2; i+1 < len(content); i += 2 {
		units = append(units, order.Uint16(content[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}
