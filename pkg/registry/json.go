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

// checkJSON accepts one JSON document that all parsers read in the same way and that is cheap to
// decode. encoding/json takes the last of several equal names and ignores their case; others take
// the first, or respect case. What chartgate verifies must be what they install, so names that are
// equal, also by case, are refused. kind is the kind of the error, except for documents that are
// too large.
func checkJSON(raw []byte, kind problem.Kind) error {
	if !utf8.Valid(raw) {
		return requestError{kind, "it is not valid JSON", ""}
	}
	w := jsonChecker{decoder: json.NewDecoder(bytes.NewReader(raw)), kind: kind, left: maxJSONValues}
	err := w.value(0, false)
	if err == nil {
		if _, end := w.decoder.Token(); end != io.EOF {
			err = errors.New("trailing data")
		}
	}
	if _, known := errors.AsType[requestError](err); err == nil || known {
		return err
	}
	return requestError{kind, "it is not valid JSON", ""}
}

// jsonChecker reads a document token by token.
type jsonChecker struct {
	decoder *json.Decoder
	kind    problem.Kind
	left    int // values that it may still read
}

// value reads one value. Within annotations, whose names the author chooses, names that differ in
// case are different names.
func (w *jsonChecker) value(depth int, caseMatters bool) error {
	if w.left--; w.left < 0 || depth > maxJSONDepth {
		return requestError{problem.KindLimitExceeded, "its JSON has more values or levels than chartgate reads", ""}
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

func (w *jsonChecker) object(depth int, caseMatters bool) error {
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
			return requestError{w.kind, "its JSON is ambiguous: it has one name twice in one object", ""}
		}
		seen[name] = true
		if err := w.value(depth+1, caseMatters || annotations); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return err
}

// fold returns one form for all names that encoding/json treats as equal, as its foldName does:
// each rune becomes the smallest of those that differ from it in case only.
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
