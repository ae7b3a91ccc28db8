package fielderr_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/fielderr"
)

func TestJoin(t *testing.T) {
	t.Parallel()
	at := field.NewPath("spec", "mode")
	for _, c := range []struct {
		sentence string
		errs     field.ErrorList
		want     string
	}{
		{"no mistake", nil, ""},
		{"a mistake without its value", fielderr.New(at, "is\nnot good"), "spec.mode: is not good"},
		{"a mistake with its value", field.ErrorList{field.Invalid(at, "x\n", "is not good")}, `spec.mode: Invalid value: "x\n": is not good`},
		{"two mistakes", append(fielderr.New(at, "a"), field.Required(at, "b")), "spec.mode: a; spec.mode: Required value: b"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := fielderr.Join(c.errs); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}
