package sigstore

import (
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"

	pb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// signed is a signature with everything that vouches for it.
type signed struct {
	*credential
	signature []byte
	entry     *pb.TransparencyLogEntry // nil: not logged
	timestamp []byte                   // nil: not timestamped
}

func (s *Sigstore) sign(by Signer, what content, o *options) (*signed, error) {
	credential, err := by.credential(o)
	if err != nil {
		return nil, fmt.Errorf("make credential: %w", err)
	}
	out := &signed{credential: credential}
	if out.signature, err = credential.sign(what); err != nil {
		return nil, err
	}
	if !o.noLog {
		if out.entry, err = s.log(out, what, o); err != nil {
			return nil, fmt.Errorf("log signature: %w", err)
		}
	}
	if !o.noTimestamp {
		stamped, err := what.stamped(out.signature)
		if err != nil {
			return nil, err
		}
		if out.timestamp, err = o.stamper.tsa.stamp(stamped, o.stampedAt); err != nil {
			return nil, fmt.Errorf("timestamp signature: %w", err)
		}
	}
	return out, nil
}

func (c *credential) sign(what content) ([]byte, error) {
	digest := what.digest()
	return ecdsa.SignASN1(rand.Reader, c.key, digest[:])
}

func (s *Sigstore) log(sig *signed, what content, o *options) (*pb.TransparencyLogEntry, error) {
	signature := sig.signature
	if o.unrelatedEntry {
		var err error
		what = what.other()
		if signature, err = sig.sign(what); err != nil {
			return nil, err
		}
	}
	verifier, err := sig.pem()
	if err != nil {
		return nil, err
	}
	rec, err := what.record(signature, verifier)
	if err != nil {
		return nil, err
	}
	return s.rekor.append(rec, o.signedAt)
}
