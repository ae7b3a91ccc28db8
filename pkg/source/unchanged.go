package source

import (
	"bytes"
	"maps"
)

// fields names parts of a JSON object: nil stands for the whole value of a field.
type fields map[string]fields

// unchanged reports whether before and after hold the same bytes in all the fields.
// It decodes nothing, so it is some ten times faster than a comparison of claims: the
// writes that a cluster makes all day touch none of the fields, and are large. False
// means that nobody can tell without decoding.
func unchanged(before, after []byte, of fields) bool {
	old, ok := rawFields(before, of)
	if !ok {
		return false
	}
	found, ok := rawFields(after, of)
	return ok && maps.EqualFunc(old, found, bytes.Equal)
}

// rawFields returns the values of the fields as they are written, by their paths. It
// relies on the JSON being valid, as whatever is part of an AdmissionReview is, and
// gives up on names that are escaped or occur twice.
func rawFields(object []byte, of fields) (map[string][]byte, bool) {
	s := scanner{json: object, found: make(map[string][]byte, 4)}
	ok := s.object("", of) && s.next() == 0
	return s.found, ok
}

type scanner struct {
	json  []byte
	at    int
	found map[string][]byte
}

// next skips white space and returns the byte behind it, 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.json); s.at++ {
		switch c := s.json[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and the byte c.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.at++
	return true
}

// object reads an object and keeps the fields that are named.
func (s *scanner) object(path string, of fields) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		name, ok := s.name()
		if !ok || !s.take(':') {
			return false
		}
		if parts, named := of[string(name)]; named {
			ok = s.field(path+"."+string(name), parts)
		} else {
			ok = s.skip()
		}
		switch {
		case !ok:
			return false
		case s.take('}'):
			return true
		case !s.take(','):
			return false
		}
	}
}

// field keeps a value, or those of its parts that are named.
func (s *scanner) field(path string, parts fields) bool {
	if _, twice := s.found[path]; twice {
		return false
	}
	start, first := s.at, s.next()
	if parts != nil && first == '{' {
		s.found[path] = []byte("{")
		return s.object(path, parts)
	}
	ok := s.skip()
	s.found[path] = bytes.TrimSpace(s.json[start:s.at])
	return ok
}

// name reads the name of a field.
func (s *scanner) name() ([]byte, bool) {
	if s.next() != '"' {
		return nil, false
	}
	start := s.at + 1
	if !s.skipString() {
		return nil, false
	}
	name := s.json[start : s.at-1]
	return name, bytes.IndexByte(name, '\\') < 0
}

// skip passes over a value.
func (s *scanner) skip() bool {
	switch s.next() {
	case '"':
		return s.skipString()
	case '{', '[':
		return s.skipNested()
	}
	for start := s.at; s.at < len(s.json); s.at++ {
		switch s.json[s.at] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return s.at > start
		}
	}
	return false
}

// skipString passes over a string. It starts at the quotation mark.
func (s *scanner) skipString() bool {
	for i := s.at + 1; i < len(s.json); i++ {
		switch s.json[i] {
		case '\\':
			i++
		case '"':
			s.at = i + 1
			return true
		}
	}
	return false
}

// skipNested passes over an object or array. In valid JSON, brackets match.
func (s *scanner) skipNested() bool {
	depth := 0
	for s.at < len(s.json) {
		switch s.json[s.at] {
		case '"':
			if !s.skipString() {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				s.at++
				return true
			}
		}
		s.at++
	}
	return false
}
