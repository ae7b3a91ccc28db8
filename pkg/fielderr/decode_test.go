package fielderr_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/fielderr"
)

// object has a field of each type that chartgate's resources have.
type object struct {
	Name  string            `json:"name"`
	Names []string          `json:"names"`
	Flag  bool              `json:"flag"`
	Count int               `json:"count"`
	Texts map[string]string `json:"texts"`
	At    *metav1.Time      `json:"at"`
	Inner struct {
		Names []string `json:"names"`
	} `json:"inner"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	const text = "must be a text, in quotes if it looks like a number or a truth value, and is "
	for _, c := range []struct{ sentence, json, want string }{
		{"an object", `{"name":"a","inner":{"names":["b"]},"at":"2027-01-01T00:00:00Z"}`, ""},
		{"a number for a text", `{"name":1}`, "spec.name: " + text + "a number"},
		{"a truth value for a text", `{"texts":{"a":true}}`, "spec.texts: " + text + "a truth value"},
		{"a text for a list", `{"inner":{"names":"b"}}`, "spec.inner.names: must be a list, and is a text"},
		{"a list for fields", `{"inner":["b"]}`, "spec.inner: must be a map of fields, and is a list"},
		{"fields for a text", `{"name":{}}`, "spec.name: " + text + "a map of fields"},
		{"a text for a truth value", `{"flag":"true"}`, "spec.flag: must be true or false, and is a text"},
		{"a text for a number", `{"count":"1"}`, "spec.count: must be a whole number, and is a text"},
		{"a fraction for a whole number", `{"count":1.5}`, "spec.count: must be a whole number, and is a number"},
		{"another type in all", `"x"`, "spec: must be a map of fields, and is a text"},
		{"a day for a time", `{"at":"2027-01-01"}`, `spec: "2027-01-01" is not a time such as "2027-01-01T00:00:00Z"`},
		{"an unknown field", `{"inner":{"nams":[]}}`, "spec.inner.nams: unknown field"},
		{"a field in other capitals", `{"Name":"a"}`, "spec.Name: unknown field"},
		{"a field twice", `{"name":"a","name":"b"}`, "spec.name: duplicate field"},
		{"two mistakes", `{"a":1,"b":2}`, "spec.a: unknown field; spec.b: unknown field"},
		{"no JSON", `{"name":}`, "spec: is not JSON: there is a mistake at byte 9"},
		{"nothing", ``, "spec: is not JSON: there is a mistake at byte 0"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			var into object
			got := ""
			if err := fielderr.Join(fielderr.Decode(field.NewPath("spec"), []byte(c.json), &into)); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for _, internal := range []string{"json:", "Go ", "unmarshal", "fielderr"} {
				if strings.Contains(got, internal) {
					t.Errorf("%q is shown: %s", internal, got)
				}
			}
		})
	}
}

// Lists are joined to their path without a dot, and the root of an object has no path.
func TestDecodeNamesPlaces(t *testing.T) {
	t.Parallel()
	var list []object
	var one object
	for want, errs := range map[string]field.ErrorList{
		"data[x][1].nam: unknown field":                      fielderr.Decode(field.NewPath("data").Key("x"), []byte(`[{},{"nam":1}]`), &list),
		"nam: unknown field":                                 fielderr.Decode(nil, []byte(`{"nam":1}`), &one),
		"the object: must be a map of fields, and is a list": fielderr.Decode(nil, []byte(`[]`), &one),
	} {
		if got := fielderr.Join(errs).Error(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
