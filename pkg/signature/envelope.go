package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// envelope is a DSSE envelope in cosign 2's form.
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     canonicalBase64     `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string          `json:"keyid"`
	Sig   canonicalBase64 `json:"sig"`
}

// parseEnvelope reads an envelope in which cosign, which reads it twice, finds nothing else: no name that it would take
// for another one, no second signature, whose signer would vouch for the first, and no second way to write the payload.
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

// canonicalBase64 is bytes in standard base64, encoded in the one way.
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
