package sigstore

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	pb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
)

const rekorHost = "rekor.sigstore.test"

// rekor is a Rekor v1 log: a Merkle tree that only grows.
type rekor struct {
	key *ecdsa.PrivateKey
	id  [sha256.Size]byte

	mu   sync.Mutex
	tree *testonly.Tree
}

// record is what the log keeps of one signature.
type record struct {
	kind, version string
	body          []byte
}

func newRekor() (*rekor, error) {
	key, id, err := newLogKey()
	return &rekor{key: key, id: id, tree: testonly.New(rfc6962.DefaultHasher)}, err
}

// append logs a record and answers with all the proof there is: the promise (SignedEntryTimestamp) and the
// proof of inclusion up to a signed checkpoint.
func (r *rekor) append(rec record, at time.Time) (*pb.TransparencyLogEntry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tree.AppendData(rec.body)
	index := int64(r.tree.Size()) - 1
	proof, err := r.prove(index)
	if err != nil {
		return nil, err
	}
	promise, err := r.promise(rec.body, index, at)
	if err != nil {
		return nil, err
	}
	return &pb.TransparencyLogEntry{
		LogIndex:          index,
		LogId:             &common.LogId{KeyId: r.id[:]},
		KindVersion:       &pb.KindVersion{Kind: rec.kind, Version: rec.version},
		IntegratedTime:    at.Unix(),
		InclusionPromise:  &pb.InclusionPromise{SignedEntryTimestamp: promise},
		InclusionProof:    proof,
		CanonicalizedBody: rec.body,
	}, nil
}

func (r *rekor) prove(index int64) (*pb.InclusionProof, error) {
	size := r.tree.Size()
	hashes, err := r.tree.InclusionProof(uint64(index), size)
	if err != nil {
		return nil, err
	}
	signer, err := signature.LoadECDSASigner(r.key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	checkpoint, err := util.CreateAndSignCheckpoint(context.Background(), rekorHost, 1, size, r.tree.Hash(), signer)
	if err != nil {
		return nil, err
	}
	return &pb.InclusionProof{
		LogIndex:   index,
		RootHash:   r.tree.Hash(),
		TreeSize:   int64(size),
		Hashes:     hashes,
		Checkpoint: &pb.Checkpoint{Envelope: string(checkpoint)},
	}, nil
}

func (r *rekor) promise(body []byte, index int64, at time.Time) ([]byte, error) {
	payload, err := json.Marshal(tlog.RekorPayload{
		Body:           base64.StdEncoding.EncodeToString(body),
		IntegratedTime: at.Unix(),
		LogIndex:       index,
		LogID:          hex.EncodeToString(r.id[:]),
	})
	if err != nil {
		return nil, err
	}
	canonical, err := jsoncanonicalizer.Transform(payload)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(canonical)
	return ecdsa.SignASN1(rand.Reader, r.key, sum[:])
}
