package contract

import (
	"math/rand/v2"
	"reflect"
	"strings"
)

// The strings from which Applications are made: sound ones first, then what people
// and attackers write. Each name is that of a field's last word.
var pools = map[string][]string{
	"repoURL": {
		"ghcr.io/acme/charts", "oci://ghcr.io/acme/charts/podinfo", "https://charts.acme.example", "https://github.com/acme/app.git",
		"git@github.com:acme/app.git", "ssh://git@github.com/acme/app", "registry.acme.example:5000/charts", "localhost:5000/charts",
		"", " ", "ghcr.io", "ghcr.io/", "ghcr.io/acme/charts/", "ghcr.io:443/acme/charts", "GHCR.IO/acme/charts", "ghcr.io/acme/../evil",
		"ghcr.io/acme//charts", " ghcr.io/acme/charts", "ghcr.io/acme/charts ", "ghcr.io/acme/charts:1.0.0", "ghcr.io/acme/charts?x=://",
		"ghcr.io/acme/charts#x", "user:secret@ghcr.io/acme/charts", "ghcr.io/%61cme/charts", "127.0.0.1:5000/charts", "0x7f.1/charts",
		"docker.io/acme", "registry-1.docker.io/acme", "index.docker.io/acme", "docker.io", "oci://docker.io/podinfo",
		"oci://ghcr.io/acme/charts", "oci://ghcr.io/acme/charts/podinfo:1.0.0", "oci://ghcr.io/acme/charts/podinfo@" + digest,
		"oci://ghcr.io/acme/charts/podinfo/", "oci://ghcr.io", "oci://", "oci:/ghcr.io/acme/charts/podinfo", "oci:ghcr.io/acme/charts/podinfo",
		"OCI://ghcr.io/acme/charts/podinfo", "Oci://ghcr.io/acme/charts", " oci://ghcr.io/acme/charts/podinfo", "oci://oci://ghcr.io/acme",
		"//ghcr.io/acme/charts", "https:/ghcr.io/acme", "https:ghcr.io/acme", "HTTPS://charts.acme.example", "http://charts.acme.example",
		"https://charts.acme.example:443/stable/", "file:///charts", "s3://bucket/charts", "ghcr.io/acmé/charts", "ghcr.io/acme\x00/charts",
	},
	"chart": {
		"", "", "podinfo", "podinfo", "nested/podinfo", "../evil/podinfo", "./podinfo", "podinfo:1.0.0", "podinfo@" + digest, "Podinfo",
		" ", "podinfo ", "/podinfo", "podinfo/", "--plain-http", "oci://ghcr.io/evil/podinfo", "https://evil.example/podinfo.tgz", "pod%69nfo",
	},
	"revision": {
		"", "1.2.3", "1.2.3", "2.0.0", "v1.2.3", "1.2.3+build.1", "1.2.3_build.1", "1", "1.2", "1.x", "*", ">=1.0.0", "^1.2", "1.0.0 - 2.0.0", "latest",
		"HEAD", "main", "refs/heads/main", digest, "1.2.3@" + digest, "@" + digest, "sha256:abc", " ", "1.2.3 ", "1.2.3-rc.1", "01.2.3", "--version",
		"0f6b2e0f9a4f4c0d8c0b7c5d6e3f2a1b0c9d8e7f",
	},
	"manifests": {"{}", `{"kind":"ConfigMap"}`},
	"ref":       {"", "values"},
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// poolOf returns the strings for a field; nil if any will do.
func poolOf(field string) []string {
	switch field {
	case "revisions", "targetRevision", "targetBranch":
		field = "revision"
	}
	return pools[field]
}

// filler sets fields of Argo CD's types at random.
type filler struct {
	*rand.Rand
	// keep is the share of the fields that stay as they are.
	keep float64
	// sound is the share of the strings that come from the sound start of their pool.
	sound float64
}

// application fills the fields that may name a source, in any depth, and what lies
// beside and below them. All else stays empty: it is of no interest here.
func (f filler) application(v reflect.Value) {
	for _, name := range []string{"Spec", "Operation", "Status"} {
		f.fill(v.FieldByName(name), "", 0)
	}
}

func (f filler) fill(v reflect.Value, field string, depth int) {
	if depth > 12 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.fillStruct(v, depth)
	case reflect.Pointer:
		switch {
		case !interesting(v.Type()) && f.Float64() < 0.9, f.Float64() < f.keep && !v.IsNil():
		case f.Float64() < 0.3:
			v.SetZero()
			return
		case v.IsNil():
			v.Set(reflect.New(v.Type().Elem()))
		}
		if !v.IsNil() {
			f.fill(v.Elem(), field, depth+1)
		}
	case reflect.Slice:
		if f.Float64() >= f.keep && (interesting(v.Type()) || poolOf(field) != nil) {
			v.Set(reflect.MakeSlice(v.Type(), f.IntN(4), 4))
		}
		for i := range v.Len() {
			f.fill(v.Index(i), field, depth+1)
		}
	default:
		if f.Float64() >= f.keep {
			f.fillScalar(v, field)
		}
	}
}

func (f filler) fillStruct(v reflect.Value, depth int) {
	if !strings.Contains(v.Type().PkgPath(), "argoproj/argo-cd") {
		return
	}
	for i := range v.NumField() {
		name := jsonName(v.Type().Field(i))
		if interesting(v.Field(i).Type()) || namesSources(v.Type()) {
			f.fill(v.Field(i), name, depth+1)
		}
	}
}

func (f filler) fillScalar(v reflect.Value, field string) {
	pool := poolOf(field)
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(f.Float64() < 0.2)
	case v.CanInt():
		v.SetInt(f.Int64N(3))
	case v.Kind() != reflect.String:
	case pool == nil:
		v.SetString([]string{"", "x"}[f.IntN(2)])
	case f.Float64() < f.sound:
		v.SetString(pool[f.IntN(min(4, len(pool)))])
	default:
		v.SetString(pool[f.IntN(len(pool))])
	}
}

// sourceTypes are Argo CD's types that name a source.
var sourceTypes = map[string]bool{"ApplicationSource": true, "DrySource": true, "SyncSource": true, "HydrateTo": true}

// reviewedTypes are those of Fields, made once.
var reviewedTypes = Fields()

// namesSources reports whether t is one of the types whose fields are reviewed.
func namesSources(t reflect.Type) bool {
	_, reviewed := reviewedTypes[t.Name()]
	return reviewed && strings.Contains(t.PkgPath(), "argoproj/argo-cd")
}

var interestingTypes = map[reflect.Type]bool{}

// interesting reports whether a value of type t may name a source.
func interesting(t reflect.Type) bool {
	known, ok := interestingTypes[t]
	if !ok {
		walk("", t, func(_ string, t reflect.Type) { known = known || namesSources(t) })
		interestingTypes[t] = known
	}
	return known
}

// walk visits t and every type that is reachable from it, with the path of JSON
// fields that leads there: "spec.sources" for an element of spec.sources.
func walk(path string, t reflect.Type, visit func(path string, t reflect.Type)) {
	walkBelow(path, t, visit, nil)
}

func walkBelow(path string, t reflect.Type, visit func(string, reflect.Type), above []reflect.Type) {
	for _, a := range above {
		if a == t {
			return
		}
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		walkBelow(path, t.Elem(), visit, above)
	case reflect.Struct:
		visit(path, t)
		for i := range t.NumField() {
			below := path
			if name := jsonName(t.Field(i)); name != "" {
				below = strings.TrimPrefix(path+"."+name, ".")
			}
			walkBelow(below, t.Field(i).Type, visit, above)
		}
	}
}

// jsonName is the name of a field in JSON; "" if its fields are inlined.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
