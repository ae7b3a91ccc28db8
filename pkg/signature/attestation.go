package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	intoto "github.com/in-toto/attestation/go/v1"
	kjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// envelope is a DSSE envelope in the format of cosign 2.
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     canonicalBase64     `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string          `json:"keyid"`
	Sig   canonicalBase64 `json:"sig"`
}

// parseEnvelope reads an envelope. cosign parses it twice, so everything that two parsers could
// read in different ways is refused: unknown names, a second signature (whose signer would count
// for the first), and a payload that is not encoded canonically.
func parseEnvelope(content []byte) (*envelope, error) {
	if values(content) > maxValues {
		return nil, tooLarge("the number of values in the envelope", maxValues)
	}
	e := new(envelope)
	if err := strictly(content, e); err != nil {
		return nil, invalid("not an attestation's envelope", err)
	}
	if len(e.Signatures) != 1 {
		return nil, invalid("its envelope does not have exactly one signature", fmt.Errorf("%d signatures", len(e.Signatures)))
	}
	return e, nil
}

// canonicalBase64 is bytes in standard base64, of which only the canonical encoding is accepted.
type canonicalBase64 []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *canonicalBase64) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	if err == nil && len(text) != base64.StdEncoding.EncodedLen(len(raw)) {
		err = errors.New("line breaks in base64") // which decoders skip, the strict ones too
	}
	*b = raw
	return err
}

// payloadType is what an envelope with an in-toto statement says of its payload.
const payloadType = "application/vnd.in-toto+json"

// statement is an in-toto statement. It is parsed here and in no other place, so that the same
// content is verified, matched and evaluated. cosign and sigstore-go parse the same bytes in
// different ways: one accepts "SUBJECT" as subject, one takes the second of two predicates. Here,
// everything that two parsers could read in different ways is refused.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// subject has the fields of in-toto's ResourceDescriptor. Only the digest identifies it.
type subject struct {
	Digest           map[string]string `json:"digest"`
	Name             json.RawMessage   `json:"name"`
	URI              json.RawMessage   `json:"uri"`
	Content          json.RawMessage   `json:"content"`
	DownloadLocation json.RawMessage   `json:"downloadLocation"`
	MediaType        json.RawMessage   `json:"mediaType"`
	Annotations      json.RawMessage   `json:"annotations"`
}

// parseStatement reads the payload of an envelope, which anyone may have written. The statement
// that it returns is about the digest.
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

// isAbout reports whether a subject has the digest. A statement about several subjects holds for
// each.
func (s *statement) isAbout(digest chart.Digest) bool {
	return slices.ContainsFunc(s.Subject, func(one subject) bool { return one.Digest["sha256"] == digest.Hex() })
}

// signedContent is what an attachment says about the chart.
type signedContent struct {
	kind          evidence.Statement
	predicateType string // of an attestation
	predicate     []byte // of an attestation, as it was signed
}

// chartSignature is the content of a signature of the chart itself.
func chartSignature() signedContent { return signedContent{kind: evidence.ChartSignature} }

// content returns what the statement says. An attestation is not a signature: only cosign's own
// predicate type signs the chart, and a statement of any other type is an attestation about it
// (CVE-2022-35929). The same signer, key and log entry make no difference.
func (s *statement) content() signedContent {
	if s.PredicateType == evidence.SignaturePredicate {
		return chartSignature()
	}
	return signedContent{kind: evidence.Attestation, predicateType: s.PredicateType, predicate: s.Predicate}
}

// forSigstore returns the parts of the statement that sigstore-go reads.
func (s *statement) forSigstore() *intoto.Statement {
	out := &intoto.Statement{Type: s.Type, PredicateType: s.PredicateType}
	for _, one := range s.Subject {
		out.Subject = append(out.Subject, &intoto.ResourceDescriptor{Digest: one.Digest})
	}
	return out
}

// checkPredicate refuses a predicate in which an object has a name twice: parsers differ in which
// of the two counts. It takes several times the size of the predicate in memory, so it is called
// after the verification only.
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

// strictly parses JSON. It refuses names in another case, unknown names of declared types, and
// names that an object has twice.
func strictly(raw []byte, into any) error {
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return err
	}
	return errors.Join(strict...)
}
