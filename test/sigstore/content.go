package sigstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/rekor/pkg/types"
	dsserecord "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
	hashedrekord "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1"
	intotorecord "github.com/sigstore/rekor/pkg/types/intoto/v0.0.1"
)

// content is what is signed, and how Rekor records its signature.
type content interface {
	digest() [sha256.Size]byte
	// record is refused by Rekor's own code unless the signature is the verifier's (a PEM key or certificate).
	record(signature, verifier []byte) (record, error)
	// other is a different content of the same kind.
	other() content
	// stamped is what a timestamp authority is shown.
	stamped(signature []byte) ([]byte, error)
}

// blob is bytes, of which only the digest matters.
type blob [sha256.Size]byte

func (b blob) digest() [sha256.Size]byte { return b }
func (b blob) other() content            { return blob(sha256.Sum256(b[:])) }

func (b blob) stamped(signature []byte) ([]byte, error) { return signature, nil }

func (b blob) record(signature, verifier []byte) (record, error) {
	body, err := canonical(&hashedrekord.V001Entry{}, types.ArtifactProperties{
		ArtifactHash:   hex.EncodeToString(b[:]),
		SignatureBytes: signature,
		PublicKeyBytes: [][]byte{verifier},
		PKIFormat:      "x509",
	})
	return record{kind: "hashedrekord", version: hashedrekord.APIVERSION, body: body}, err
}

// statement is an in-toto statement, to be wrapped in a DSSE envelope.
type statement []byte

const statementType = "application/vnd.in-toto+json"

func (s statement) digest() [sha256.Size]byte { return sha256.Sum256(dsse.PAE(statementType, s)) }
func (s statement) other() content            { return statement(`{"_type":"https://in-toto.io/Statement/v1"}`) }

func (s statement) stamped(signature []byte) ([]byte, error) { return signature, nil }

func (s statement) envelope(signature []byte) ([]byte, error) {
	return json.Marshal(dsse.Envelope{
		PayloadType: statementType,
		Payload:     base64.StdEncoding.EncodeToString(s),
		Signatures:  []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(signature)}},
	})
}

// legacyStatement is a statement that cosign 2 attests: timestamps are of the whole envelope.
type legacyStatement struct{ statement }

func (s legacyStatement) other() content { return legacyStatement{s.statement.other().(statement)} }

func (s legacyStatement) stamped(signature []byte) ([]byte, error) { return s.envelope(signature) }

// intotoStatement is logged in the way of cosign attest --rekor-entry-type intoto.
type intotoStatement struct{ legacyStatement }

func (s intotoStatement) other() content {
	return intotoStatement{s.legacyStatement.other().(legacyStatement)}
}

func (s intotoStatement) record(signature, verifier []byte) (record, error) {
	envelope, err := s.envelope(signature)
	if err != nil {
		return record{}, err
	}
	body, err := canonical(&intotorecord.V001Entry{}, types.ArtifactProperties{
		ArtifactBytes:  envelope,
		PublicKeyBytes: [][]byte{verifier},
		PKIFormat:      "x509",
	})
	return record{kind: "intoto", version: intotorecord.APIVERSION, body: body}, err
}

func (s statement) record(signature, verifier []byte) (record, error) {
	envelope, err := s.envelope(signature)
	if err != nil {
		return record{}, err
	}
	body, err := canonical(&dsserecord.V001Entry{}, types.ArtifactProperties{
		ArtifactBytes:  envelope,
		PublicKeyBytes: [][]byte{verifier},
		PKIFormat:      "x509",
	})
	return record{kind: "dsse", version: dsserecord.APIVERSION, body: body}, err
}

// canonical is a log entry's body, made by Rekor's own type.
func canonical(entry types.EntryImpl, properties types.ArtifactProperties) ([]byte, error) {
	proposed, err := entry.CreateFromArtifactProperties(context.Background(), properties)
	if err != nil {
		return nil, err
	}
	if err := entry.Unmarshal(proposed); err != nil {
		return nil, err
	}
	return types.CanonicalizeEntry(context.Background(), entry)
}

// newStatement says of the subject (a digest, "sha256:…") what the predicate says. A nil predicate is empty.
func newStatement(subject, predicateType string, predicate any) (statement, error) {
	digest, err := parseDigest(subject)
	if err != nil {
		return nil, err
	}
	if predicate == nil {
		predicate = struct{}{}
	}
	type resource struct {
		Digest map[string]string `json:"digest"`
	}
	return json.Marshal(struct {
		Type          string     `json:"_type"`
		Subject       []resource `json:"subject"`
		PredicateType string     `json:"predicateType"`
		Predicate     any        `json:"predicate"`
	}{
		Type:          "https://in-toto.io/Statement/v1",
		Subject:       []resource{{map[string]string{"sha256": hex.EncodeToString(digest[:])}}},
		PredicateType: predicateType,
		Predicate:     predicate,
	})
}

func parseDigest(digest string) (blob, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil || len(raw) != sha256.Size || !strings.HasPrefix(digest, "sha256:") {
		return blob{}, fmt.Errorf("digest %q is not sha256:<64 hex digits>", digest)
	}
	return blob(raw), nil
}
