package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	kubejson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/problem"
)

// decode reads the fields of o that into has. Names of fields are case-sensitive,
// as for the API server: encoding/json would take "Spec" for "spec". The error is a
// *problem.Error that names the field.
func decode(o Object, into any) error {
	err := kubejson.UnmarshalCaseSensitivePreserveInts(o.JSON, into)
	if err == nil {
		return nil
	}
	p := &problem.Error{Kind: problem.KindInvalid, Detail: "the " + o.Kind + " cannot be read", Err: err}
	wrong, found := misfit(o.JSON, reflect.TypeOf(into).Elem(), "")
	if !found {
		p.Detail += ": it is not an object in JSON"
		return p.WithNext("write the object again from its YAML; kubectl explain %s lists its fields", strings.ToLower(o.Kind))
	}
	p.Detail += ": " + wrong.String()
	return p.WithNext("%s", wrong.next(o.Kind))
}

// mismatch is a field whose value has another type than its field wants.
type mismatch struct {
	path  string // as in "spec.sources[1].targetRevision"
	value any    // decoded, numbers as json.Number
	want  reflect.Type
}

// misfit looks for the first value in raw that does not fit the type into which it is decoded.
func misfit(raw []byte, t reflect.Type, path string) (mismatch, bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return mismatch{}, false
	}
	return misfitValue(value, t, path)
}

func misfitValue(value any, t reflect.Type, path string) (mismatch, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil || t == reflect.TypeFor[json.RawMessage]() {
		return mismatch{}, false
	}
	fits := false
	switch t.Kind() {
	case reflect.Struct:
		if fields, ok := value.(map[string]any); ok {
			return misfitFields(fields, t, path)
		}
	case reflect.Slice:
		if items, ok := value.([]any); ok {
			for i, item := range items {
				if wrong, found := misfitValue(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); found {
					return wrong, true
				}
			}
			return mismatch{}, false
		}
	case reflect.Map, reflect.Interface:
		fits = true // the types that are decoded here do not contain them
	case reflect.String:
		_, fits = value.(string)
	case reflect.Bool:
		_, fits = value.(bool)
	default:
		number, isNumber := value.(json.Number)
		_, err := number.Int64()
		fits = isNumber && err == nil
	}
	return mismatch{path: path, value: value, want: t}, !fits
}

// misfitFields goes through the fields in their order in the type, so that the answer is the
// same each time.
func misfitFields(fields map[string]any, t reflect.Type, path string) (mismatch, bool) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, below := any(fields[name]), strings.TrimPrefix(path+"."+name, ".")
		if field.Anonymous && name == "" {
			value, below = fields, path
		}
		if wrong, found := misfitValue(value, field.Type, below); found {
			return wrong, true
		}
	}
	return mismatch{}, false
}

// String says what is wrong.
func (m mismatch) String() string {
	where := m.path
	if where == "" {
		where = "the whole"
	}
	text := fmt.Sprintf("%s is %s, and must be %s", where, typeOfValue(m.value), nameOfType(m.want))
	if _, isNumber := m.value.(json.Number); isNumber && m.want.Kind() == reflect.String {
		text += "; without quotes, YAML reads digits as a number, and drops zeros at its end"
	}
	return text
}

// next says what to write instead.
func (m mismatch) next(kind string) string {
	name := m.path[strings.LastIndexByte(m.path, '.')+1:]
	if m.want.Kind() != reflect.String || m.path == "" {
		return fmt.Sprintf("correct the field; kubectl explain %s.%s shows its form", strings.ToLower(kind), withoutIndices(m.path))
	}
	switch value := m.value.(type) {
	case json.Number:
		if isVersion(m.path) {
			return fmt.Sprintf("write the complete version, three numbers in quotes, as in %s: \"1.2.3\"", name)
		}
		if shortened(value.String()) != value.String() {
			return fmt.Sprintf("write it in quotes: %s: \"…\"", name)
		}
		if strings.Contains(value.String(), ".") && !strings.ContainsAny(value.String(), "eE") {
			return fmt.Sprintf("write it in quotes, as it was meant: %s: %q, or %s: %q", name, value, name, value+"0")
		}
		return fmt.Sprintf("write it in quotes: %s: %q", name, value)
	case bool:
		return fmt.Sprintf("write it in quotes, as it was meant: %s: \"%t\"", name, value)
	default:
		return fmt.Sprintf("write one text: %s: \"…\"", name)
	}
}

// isVersion reports whether a field holds the version of a chart. What YAML has read as a number is
// never a complete one, and its digits may be others than those written: 1.10 is 1.1, 007 is 7.
func isVersion(path string) bool {
	name := path[strings.LastIndexByte(path, '.')+1:]
	name, _, _ = strings.Cut(name, "[")
	switch name {
	case "version", "targetRevision", "tag", "semver", "revision", "revisions":
		return true
	default:
		return false
	}
}

func withoutIndices(path string) string {
	var b strings.Builder
	inside := false
	for _, r := range path {
		switch {
		case r == '[':
			inside = true
		case r == ']':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return strings.TrimSuffix(b.String(), ".")
}

func typeOfValue(value any) string {
	switch value := value.(type) {
	case json.Number:
		return "the number " + shortened(value.String())
	case bool:
		return fmt.Sprintf("the boolean %t", value)
	case string:
		return "the text " + problem.QuoteInput(value)
	case []any:
		return "a list"
	default:
		return "an object"
	}
}

// shortened bounds a number, which may have any length in JSON.
func shortened(number string) string {
	const enough = 40
	if len(number) > enough {
		return number[:enough] + "…"
	}
	return number
}

func nameOfType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "a list"
	default:
		return "a whole number"
	}
}
