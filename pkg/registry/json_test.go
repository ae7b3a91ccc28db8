package registry

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/problem"
)

// FuzzCheckJSON: an accepted document is valid, and no object has two names that a parser could
// confuse.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1,"A":2}`, `{"annotations":{"a":1,"A":2}}`, `[[[[1]]]]`, `{"layerſ":1,"LAYERS":2}`, "null", `"`, `{}{}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if checkJSON([]byte(raw), problem.KindNotAChart) != nil {
			return
		}
		if !json.Valid([]byte(raw)) {
			t.Fatalf("%q is not valid", raw)
		}
		var names map[string]json.RawMessage
		if json.Unmarshal([]byte(raw), &names) != nil {
			return
		}
		for name := range names {
			for other := range names {
				if name != other && strings.EqualFold(name, other) {
					t.Errorf("%q has both %q and %q", raw, name, other)
				}
			}
		}
	})
}
