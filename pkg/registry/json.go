package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chartgate/chartgate/pkg/problem"
)

// checkJSON accepts one JSON document that every consumer reads alike and that is
// cheap to decode. encoding/json takes the last of several equal names and
// ignores case, others take the first or heed it: what chartgate verifies must be
// what they install. So equal names, also by case, are refused. kind is that of
// the faults, except for documents that are too large.
func checkJSON(raw []byte, kind problem.Kind) error {
	if !utf8.Valid(raw) {
		return fault{kind, "it is not valid JSON"}
	}
	w := walker{decoder: json.NewDecoder(bytes.NewReader(raw)), kind: kind, left: maxJSONValues}
	err := w.value(0, false)
	if err == nil {
		if _, end := w.decoder.Token(); end != io.EOF {
			err = errors.New("trailing data")
		}
	}
	if _, own := errors.AsType[fault](err); err == nil || own {
		return err
	}
	return fault{kind, "it is not valid JSON"}
}

type walker struct {
	decoder *json.Decoder
	kind    problem.Kind
	left    int
}

// value reads one value. In annotations, whose names are the author's own, names
// that differ in case are different names.
func (w *walker) value(depth int, caseMatters bool) error {
	if w.left--; w.left < 0 || depth > maxJSONDepth {
		return fault{problem.KindLimitExceeded, "its JSON has more values or levels than chartgate reads"}
	}
	token, err := w.decoder.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return w.object(depth, caseMatters)
	case json.Delim('['):
		for w.decoder.More() {
			if err := w.value(depth+1, caseMatters); err != nil {
				return err
			}
		}
		_, err = w.decoder.Token()
	}
	return err
}

func (w *walker) object(depth int, caseMatters bool) error {
	seen := map[string]bool{}
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		annotations := strings.EqualFold(name, "annotations")
		if !caseMatters {
			name = fold(name)
		}
		if seen[name] {
			return fault{w.kind, "its JSON is ambiguous: it has one name twice in one object"}
		}
		seen[name] = true
		if err := w.value(depth+1, caseMatters || annotations); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return err
}

// fold gives names that encoding/json takes for the same one form, as its foldName
// does: each rune becomes the smallest of those that differ from it in case only.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
