package contract

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (a Argo) testSources(t *testing.T) {
	var found []string
	walk("", a.Application, func(path string, typ reflect.Type) {
		if sourceTypes[typ.Name()] {
			found = append(found, path)
		}
	})
	slices.Sort(found)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(a.Sources)), found); diff != "" {
		t.Errorf("fields that name a source (-reviewed +%s):\n%s", a.Module, diff)
	}
}

func (a Argo) testFields(t *testing.T) {
	found := map[string][]string{}
	walk("", a.Application, func(_ string, typ reflect.Type) {
		if _, reviewed := a.Fields[typ.Name()]; !reviewed || !namesSources(typ) {
			return
		}
		var names []string
		for i := range typ.NumField() {
			names = append(names, jsonName(typ.Field(i)))
		}
		slices.Sort(names)
		found[typ.Name()] = names
	})
	reviewed := map[string][]string{}
	for typ, fields := range a.Fields {
		reviewed[typ] = slices.Sorted(maps.Keys(fields))
	}
	if diff := cmp.Diff(reviewed, found); diff != "" {
		t.Errorf("fields of the types that name sources (-reviewed +%s):\n%s", a.Module, diff)
	}
}

// testGates writes a chart at each reviewed field and looks whether it is a use
// there. A field that becomes gated fails until the list says so.
func (a Argo) testGates(t *testing.T) {
	for path, treatment := range a.Sources {
		app := reflect.New(a.Application)
		plant(app.Elem(), strings.Split(path, "."))
		seen, err := uses(marshal(app.Interface()), nil)
		if err != nil {
			t.Fatal(err)
		}
		field := path
		if slices.Contains([]string{"sources"}, path[strings.LastIndexByte(path, '.')+1:]) {
			field += "[0]"
		}
		want := field + ": oci://ghcr.io/acme/podinfo:1.2.3"
		if got := slices.Contains(sentences(seen), want); got != (treatment == Gated) {
			t.Errorf("%s is reviewed as %q; pkg/source sees %q", path, treatment, sentences(seen))
		}
	}
}

// plant sets a chart at a path, in every string that names one.
func plant(v reflect.Value, path []string) {
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		plant(v.Elem(), path)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		plant(v.Index(0), path)
	case len(path) > 0:
		plant(v.FieldByIndex(fieldOf(v.Type(), path[0])), path[1:])
		if v.Type().Name() == "SourceHydrator" && path[0] != "drySource" {
			plant(v.FieldByName("DrySource"), nil) // it holds the URL for its neighbours
			v.FieldByName("DrySource").FieldByName("TargetRevision").SetString("9.9.9")
		}
	default:
		for name, value := range map[string]string{
			"RepoURL": "oci://ghcr.io/acme/podinfo", "TargetRevision": "1.2.3", "TargetBranch": "1.2.3",
		} {
			if f := v.FieldByName(name); f.IsValid() {
				f.SetString(value)
			}
		}
	}
}

func fieldOf(t reflect.Type, name string) []int {
	f, ok := t.FieldByNameFunc(func(goName string) bool {
		f, _ := t.FieldByName(goName)
		return jsonName(f) == name
	})
	if !ok {
		panic(fmt.Sprintf("%s has no field %s", t, name))
	}
	return f.Index
}

func (a Argo) testTranscribed(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", a.Module).Output()
	if err != nil {
		t.Fatalf("find the source of %s: %v", a.Module, err)
	}
	got := map[string]string{}
	for function := range a.Transcribed {
		file, name, _ := strings.Cut(function, " ")
		got[function] = fingerprint(t, filepath.Join(strings.TrimSpace(string(dir)), file), name)
	}
	if diff := cmp.Diff(a.Transcribed, got); diff != "" {
		t.Errorf("functions that were transcribed (-then +now): read them again, and Pulls with them:\n%s", diff)
	}
}

// fingerprint is the start of the digest of a function's code, without comments.
func fingerprint(t *testing.T, file, function string) string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		f.Doc = nil
		var code bytes.Buffer
		if err := printer.Fprint(&code, files, f); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(code.Bytes()))[:12]
	}
	return "gone"
}
