package trust

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/signature"
)

// repository is a TUF repository and a target in it.
type repository struct {
	mirror string
	root   []byte
	target string
}

func repositoryOf(spec v1alpha1.TUF) repository {
	return repository{mirror: spec.Mirror, root: []byte(spec.Root), target: cmp.Or(spec.Target, defaultTarget)}
}

func (r repository) equal(other repository) bool {
	return r.mirror == other.mirror && r.target == other.target && bytes.Equal(r.root, other.root)
}

// verifiedRoot is a trust root that TUF metadata prove.
type verifiedRoot struct {
	root    signature.Root
	version int64     // of root.json
	expires time.Time // when the first of the metadata expires
	fetched time.Time // zero if it comes from the cache
}

// update is one run of TUF's client workflow.
type update struct {
	repository repository
	cacheDir   string
	now        time.Time
	fetcher    *fetcher
	updater    *updater.Updater
}

// update returns the trust root that the mirror has now. Metadata older than those in the cache are
// refused.
func (r repository) update(ctx context.Context, client *http.Client, cacheDir string, now time.Time) (verifiedRoot, *updateError) {
	u := &update{repository: r, cacheDir: cacheDir, now: now, fetcher: &fetcher{ctx: ctx, client: client}}
	found, failure := u.run()
	found.fetched = now
	return found, failure
}

// cached returns the trust root that the cache alone proves.
func (r repository) cached(cacheDir string, now time.Time) (verifiedRoot, *updateError) {
	return (&update{repository: r, cacheDir: cacheDir, now: now, fetcher: &fetcher{offline: true}}).run()
}

func (u *update) run() (found verifiedRoot, failure *updateError) {
	// Some signed metadata, such as null for an object, make go-tuf panic.
	defer func() {
		if reason := recover(); reason != nil {
			err := fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
			found, failure = verifiedRoot{}, &updateError{refused: true, detail: u.fetcher.file + " cannot be understood", err: err}
		}
	}()
	if err := u.open(); err != nil {
		return verifiedRoot{}, u.classify(err)
	}
	if err := u.updater.Refresh(); err != nil {
		return verifiedRoot{}, u.classify(err)
	}
	info, err := u.updater.GetTargetInfo(u.repository.target)
	if failure := u.withoutTarget(err); failure != nil {
		return verifiedRoot{}, failure
	}
	text, err := u.download(info)
	if err != nil {
		return verifiedRoot{}, u.classify(err)
	}
	root, err := signature.ParseRoot(text)
	if err != nil {
		return verifiedRoot{}, &updateError{refused: true, detail: "the target " + u.repository.target + " is not a trusted_root.json", err: err}
	}
	trusted := u.updater.GetTrustedMetadataSet()
	return verifiedRoot{root: root, version: trusted.Root.Signed.Version, expires: earliest(trusted)}, nil
}

// withoutTarget recognizes the error that the target does not exist, for which go-tuf has no type.
func (u *update) withoutTarget(err error) *updateError {
	if err == nil {
		return nil
	}
	failure := u.classify(err)
	if !failure.refused && !u.fetcher.failed {
		return &updateError{refused: true, detail: "the repository has no target " + u.repository.target, err: err}
	}
	return failure
}

func (u *update) download(info *metadata.TargetFiles) ([]byte, error) {
	u.fetcher.file, u.fetcher.target = u.repository.target, true
	if _, text, err := u.updater.FindCachedTarget(info, ""); err == nil && text != nil {
		return text, nil
	}
	_, text, err := u.updater.DownloadTarget(info, "", "")
	u.fetcher.file = "the target " + u.repository.target
	var long *sizeError
	if errors.As(err, &long) {
		return nil, &metadata.ErrLengthOrHashMismatch{Msg: long.Error()}
	}
	return text, err
}

// earliest is when the first of the metadata expires.
func earliest(trusted trustedmetadata.TrustedMetadata) time.Time {
	first := trusted.Root.Signed.Expires
	ends := []time.Time{trusted.Timestamp.Signed.Expires, trusted.Snapshot.Signed.Expires}
	for _, role := range trusted.Targets {
		ends = append(ends, role.Signed.Expires)
	}
	for _, end := range ends {
		if end.Before(first) {
			first = end
		}
	}
	return first
}

// open starts from the newest root that was verified before. If it started from the one in the
// TrustRoot, a mirror could hide newer ones, and with them that a key was withdrawn.
func (u *update) open() error {
	if err := os.MkdirAll(filepath.Join(u.cacheDir, "targets"), 0o700); err != nil {
		return err
	}
	root := u.repository.root
	if newer, err := os.ReadFile(filepath.Join(u.cacheDir, "root.json")); err == nil && versionOf(newer) > versionOf(root) {
		root = newer
	}
	if err := dropUnreadable(u.cacheDir); err != nil {
		return err
	}
	cfg, err := config.New(u.repository.mirror, root)
	if err != nil {
		return err
	}
	cfg.MaxRootRotations, cfg.MaxDelegations = maxRotations, maxDelegations
	cfg.RootMaxLength, cfg.TimestampMaxLength = maxRoot, maxTimestamp
	cfg.SnapshotMaxLength, cfg.TargetsMaxLength = maxSnapshot, maxTargets
	cfg.LocalMetadataDir, cfg.LocalTargetsDir = u.cacheDir, filepath.Join(u.cacheDir, "targets")
	cfg.Fetcher, cfg.UnsafeLocalMode = u.fetcher, u.fetcher.offline
	if u.updater, err = updater.New(cfg); err != nil {
		return err
	}
	u.updater.UnsafeSetRefTime(u.now) // go-tuf would use time.Now
	return nil
}
