package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/source"
)

// document is one object of a file.
type document struct {
	file   string
	object unstructured.Unstructured
}

// readDocuments reads every YAML or JSON document of the paths: a file, "-" for
// standard input, or a directory with *.yaml, *.yml and *.json. Lists are taken
// apart. A document that is no Kubernetes object is an error, and so is a field
// that occurs twice: tools disagree on which one counts.
func readDocuments(stdin io.Reader, paths []string) ([]document, error) {
	var documents []document
	for _, path := range paths {
		files, err := filesOf(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			content, err := readFile(stdin, file)
			if err != nil {
				return nil, err
			}
			found, err := parseDocuments(content)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			for _, object := range found {
				documents = append(documents, document{file: file, object: object})
			}
		}
	}
	return documents, nil
}

func filesOf(path string) ([]string, error) {
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name())) && !entry.IsDir() {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	return files, nil
}

func readFile(stdin io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

func parseDocuments(content []byte) ([]unstructured.Unstructured, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var objects []unstructured.Unstructured
	for n := 1; ; n++ {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		found, err := parseDocument(raw)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		objects = append(objects, found...)
	}
}

func parseDocument(raw []byte) ([]unstructured.Unstructured, error) {
	var fields map[string]any
	if err := yaml.UnmarshalStrict(raw, &fields); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, nil // a comment, or nothing between two separators
	}
	return takeApart(unstructured.Unstructured{Object: fields})
}

// takeApart returns an object or, of a list, the objects in it and in its lists.
func takeApart(object unstructured.Unstructured) ([]unstructured.Unstructured, error) {
	switch {
	case object.GetKind() == "" || object.GetAPIVersion() == "":
		return nil, errors.New("not a Kubernetes object: apiVersion or kind is missing")
	case object.GetKind() == "List" && !object.IsList():
		return nil, errors.New("a List without items")
	case !strings.HasSuffix(object.GetKind(), "List") || !object.IsList():
		return []unstructured.Unstructured{object}, nil
	}
	list, err := object.ToList()
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for i, item := range list.Items {
		found, err := takeApart(item)
		if err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// siblings are the objects of the given documents, as if they were in a cluster.
type siblings []source.Object

// toObjects converts documents. An object without a namespace is in "default", as
// for kubectl.
func toObjects(documents []document) (siblings, error) {
	var objects siblings
	for _, d := range documents {
		raw, err := json.Marshal(d.object.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.file, err)
		}
		id := source.ID{
			Group: d.object.GroupVersionKind().Group, Kind: d.object.GetKind(),
			Namespace: d.object.GetNamespace(), Name: d.object.GetName(),
		}
		if id.Namespace == "" {
			id.Namespace = "default"
		}
		if id.Name != "" && objects.find(id) != nil {
			return nil, fmt.Errorf("%s: %s is given twice", d.file, id)
		}
		objects = append(objects, source.Object{ID: id, JSON: raw})
	}
	return objects, nil
}

// Read implements source.Reader.
func (s siblings) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	return s.find(id), nil
}

// Releases implements source.Reader.
func (s siblings) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return source.ReleasesOf(s, from), nil
}

func (s siblings) find(id source.ID) []source.Object {
	var found []source.Object
	for _, object := range s {
		if object.Group == id.Group && object.Kind == id.Kind &&
			(id.Namespace == "" || object.Namespace == id.Namespace) &&
			(id.Name == "" || object.Name == id.Name) {
			found = append(found, object)
		}
	}
	return found
}
