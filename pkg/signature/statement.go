package signature

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	intoto "github.com/in-toto/attestation/go/v1"
	kjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// payloadType is what an envelope with an in-toto statement says of its payload.
const payloadType = "application/vnd.in-toto+json"

// statement is an in-toto statement. It is parsed here and nowhere else, so that what is verified, matched and judged is
// the same thing. cosign and sigstore-go read the same bytes each in another way: one takes "SUBJECT" for subject, one
// takes the second of two predicates. Here, whatever two readers could take differently is refused.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// subject has the fields of in-toto's ResourceDescriptor. The digest alone says what it is.
type subject struct {
	Digest           map[string]string `json:"digest"`
	Name             json.RawMessage   `json:"name"`
	URI              json.RawMessage   `json:"uri"`
	Content          json.RawMessage   `json:"content"`
	DownloadLocation json.RawMessage   `json:"downloadLocation"`
	MediaType        json.RawMessage   `json:"mediaType"`
	Annotations      json.RawMessage   `json:"annotations"`
}

// parseStatement reads the payload of an envelope, which may be anybody's. What it returns is about the digest.
func parseStatement(digest chart.Digest, kind string, payload []byte) (*statement, error) {
	if values(payload) > maxStatement {
		return nil, tooLarge("the number of values in its statement", maxStatement)
	}
	s := new(statement)
	if err := strictly(payload, s); err != nil {
		return nil, invalid("holds no in-toto statement", err)
	}
	switch {
	case kind != payloadType:
		return nil, invalid("holds no in-toto statement", fmt.Errorf("payload type %q", kind))
	case s.Type != intoto.StatementTypeUri && s.Type != oldStatementType:
		return nil, invalid("holds no in-toto statement", fmt.Errorf("statement type %q", s.Type))
	case !s.isAbout(digest):
		return nil, invalid("made for another digest", nil)
	case s.PredicateType == "":
		return nil, invalid("its statement has no predicate type", nil)
	case len(s.Predicate) > 0 && s.Predicate[0] != '{':
		return nil, invalid("its predicate is not an object", nil)
	}
	return s, nil
}

// oldStatementType is what cosign 2 still writes.
const oldStatementType = "https://in-toto.io/Statement/v0.1"

// isAbout reports whether a subject has the digest. A statement about several things holds of each.
func (s *statement) isAbout(digest chart.Digest) bool {
	return slices.ContainsFunc(s.Subject, func(one subject) bool { return one.Digest["sha256"] == digest.Hex() })
}

// claim is what the statement says, once it is proven.
func (s *statement) claim() claim {
	if s.PredicateType == evidence.SignaturePredicate {
		return claim{statement: evidence.ChartSignature}
	}
	return claim{statement: evidence.Attestation, predicate: s.PredicateType, content: s.Predicate}
}

// forSigstore is the statement as far as sigstore-go looks at it.
func (s *statement) forSigstore() *intoto.Statement {
	out := &intoto.Statement{Type: s.Type, PredicateType: s.PredicateType}
	for _, one := range s.Subject {
		out.Subject = append(out.Subject, &intoto.ResourceDescriptor{Digest: one.Digest})
	}
	return out
}

// checkPredicate refuses a predicate in which an object has a name twice: which of the two counts would be the reader's
// choice. It takes several times the predicate's size in memory, so nobody asks it of what has not been verified.
func checkPredicate(predicate []byte) error {
	if len(predicate) == 0 {
		return nil
	}
	var content any
	if err := strictly(predicate, &content); err != nil {
		return invalid("its predicate can be read in more than one way", err)
	}
	return nil
}

// strictly reads JSON whose names are spelled exactly, known where they are declared, and occur once in each object.
func strictly(raw []byte, into any) error {
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return err
	}
	return errors.Join(strict...)
}
