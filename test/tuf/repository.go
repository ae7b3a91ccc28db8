// Package tuf is a repository of The Update Framework, made with go-tuf, and a server that shows it, or something else.
// Clients verify it as they verify a real one.
package tuf

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Repository is a repository with keys of its own. Every change is published at once, with consistent snapshots. It is not
// safe for concurrent use.
type Repository struct {
	root      *metadata.Metadata[metadata.RootType]
	targets   *metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]
	keys      map[string]signature.Signer // by role
	files     map[string][]byte           // by path below the mirror's URL
}

// New makes a repository, whose metadata expire at that time, and publishes these targets.
func New(expires time.Time, targets map[string][]byte) (*Repository, error) {
	r := &Repository{
		root: metadata.Root(expires), targets: metadata.Targets(expires),
		snapshot: metadata.Snapshot(expires), timestamp: metadata.Timestamp(expires),
		keys: map[string]signature.Signer{}, files: map[string][]byte{},
	}
	for _, role := range roles() {
		if err := r.addKey(role); err != nil {
			return nil, err
		}
	}
	if err := r.signRoot(r.keys[metadata.ROOT]); err != nil {
		return nil, err
	}
	r.addTargets(targets)
	return r, r.publish()
}

func roles() []string {
	return []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP}
}

// addKey gives a role a new key beside those that it has.
func (r *Repository) addKey(role string) error {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	signer, err := signature.LoadSigner(private, crypto.Hash(0))
	if err != nil {
		return err
	}
	key, err := metadata.KeyFromPublicKey(private.Public())
	if err != nil {
		return err
	}
	r.keys[role] = signer
	return r.root.Signed.AddKey(key, role)
}

// Root is the newest root.json.
func (r *Repository) Root() []byte {
	return r.files[fmt.Sprintf("%d.root.json", r.root.Signed.Version)]
}

// Files are what the repository consists of now, by path.
func (r *Repository) Files() map[string][]byte { return maps.Clone(r.files) }

// Publish replaces targets by name, and makes new versions of targets, snapshot and timestamp.
func (r *Repository) Publish(targets map[string][]byte) error {
	r.addTargets(targets)
	return r.Refresh()
}

// Refresh makes new versions of targets, snapshot and timestamp.
func (r *Repository) Refresh() error {
	r.targets.Signed.Version++
	r.snapshot.Signed.Version++
	r.timestamp.Signed.Version++
	return r.publish()
}

// Withdraw is Publish without a target.
func (r *Repository) Withdraw(name string) error {
	delete(r.targets.Signed.Targets, name)
	return r.Refresh()
}

// Expire sets when a role's metadata expire, and publishes them anew.
func (r *Repository) Expire(role string, at time.Time) error {
	switch role {
	case metadata.ROOT:
		r.root.Signed.Expires = at
		r.root.Signed.Version++
		return r.signRoot(r.keys[metadata.ROOT])
	case metadata.TARGETS:
		r.targets.Signed.Expires = at
	case metadata.SNAPSHOT:
		r.snapshot.Signed.Expires = at
	case metadata.TIMESTAMP:
		r.timestamp.Signed.Expires = at
	default:
		return fmt.Errorf("no role %q", role)
	}
	return r.Refresh()
}

// Rotate gives a role a new key instead of the one that it has, in a new version of the root. One of the root itself is
// signed by the old key and by the new one.
func (r *Repository) Rotate(role string) error {
	old := r.keys[metadata.ROOT]
	if err := r.replaceKey(role); err != nil {
		return err
	}
	r.root.Signed.Version++
	signers := []signature.Signer{r.keys[metadata.ROOT]}
	if role == metadata.ROOT {
		signers = append(signers, old)
	}
	if err := r.signRoot(signers...); err != nil {
		return err
	}
	return r.Refresh()
}

// Usurp makes a new version of the root with a new key that the old one did not sign.
func (r *Repository) Usurp() error {
	if err := r.replaceKey(metadata.ROOT); err != nil {
		return err
	}
	r.root.Signed.Version++
	return r.signRoot(r.keys[metadata.ROOT])
}

func (r *Repository) replaceKey(role string) error {
	for _, id := range slices.Clone(r.root.Signed.Roles[role].KeyIDs) {
		if err := r.root.Signed.RevokeKey(id, role); err != nil {
			return err
		}
	}
	return r.addKey(role)
}

func (r *Repository) signRoot(signers ...signature.Signer) error {
	r.root.ClearSignatures()
	for _, signer := range signers {
		if _, err := r.root.Sign(signer); err != nil {
			return err
		}
	}
	raw, err := r.root.ToBytes(false)
	r.files[fmt.Sprintf("%d.root.json", r.root.Signed.Version)] = raw
	return err
}

func (r *Repository) addTargets(targets map[string][]byte) {
	for name, content := range targets {
		sum := sha256.Sum256(content)
		r.targets.Signed.Targets[name] = &metadata.TargetFiles{
			Path: name, Length: int64(len(content)), Hashes: metadata.Hashes{"sha256": sum[:]},
		}
		r.files[TargetPath(name, content)] = content
	}
}

// TargetPath is where a target without directory is below the mirror's URL.
func TargetPath(name string, content []byte) string {
	sum := sha256.Sum256(content)
	return "targets/" + hex.EncodeToString(sum[:]) + "." + name
}

// publish signs what hangs together: targets, the snapshot of them, the timestamp of that.
func (r *Repository) publish() error {
	targets, err := sign(r.targets, r.keys[metadata.TARGETS])
	if err != nil {
		return err
	}
	r.files[fmt.Sprintf("%d.targets.json", r.targets.Signed.Version)] = targets
	r.snapshot.Signed.Meta["targets.json"] = metaFile(r.targets.Signed.Version, targets)
	snapshot, err := sign(r.snapshot, r.keys[metadata.SNAPSHOT])
	if err != nil {
		return err
	}
	r.files[fmt.Sprintf("%d.snapshot.json", r.snapshot.Signed.Version)] = snapshot
	r.timestamp.Signed.Meta["snapshot.json"] = metaFile(r.snapshot.Signed.Version, snapshot)
	r.files["timestamp.json"], err = sign(r.timestamp, r.keys[metadata.TIMESTAMP])
	return err
}

// metaFile carries length and hash, as those of Sigstore do.
func metaFile(version int64, content []byte) *metadata.MetaFiles {
	sum := sha256.Sum256(content)
	return &metadata.MetaFiles{Version: version, Length: int64(len(content)), Hashes: metadata.Hashes{"sha256": sum[:]}}
}

func sign[T metadata.Roles](m *metadata.Metadata[T], signer signature.Signer) ([]byte, error) {
	m.ClearSignatures()
	if _, err := m.Sign(signer); err != nil {
		return nil, err
	}
	raw, err := m.ToBytes(false)
	return bytes.Clone(raw), err
}

// Hollow publishes a timestamp that names no snapshot, signed by the right key.
func (r *Repository) Hollow() error {
	r.timestamp.Signed.Version++
	clear(r.timestamp.Signed.Meta)
	var err error
	r.files["timestamp.json"], err = sign(r.timestamp, r.keys[metadata.TIMESTAMP])
	return err
}
