package trust

import (
	"bytes"
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

// repository is a TUF repository, and the target in it that is wanted.
type repository struct {
	mirror string
	root   []byte
	target string
}

func repositoryOf(spec v1alpha1.TUF) repository {
	target := spec.Target
	if target == "" {
		target = defaultTarget
	}
	return repository{mirror: spec.Mirror, root: []byte(spec.Root), target: target}
}

func (r repository) equal(other repository) bool {
	return r.mirror == other.mirror && r.target == other.target && bytes.Equal(r.root, other.root)
}

// content is a trust root that TUF metadata prove.
type content struct {
	root    signature.Root
	version int64     // of root.json
	expires time.Time // the first of the metadata's ends
	fetched time.Time // zero if it comes from the cache
}

// update is one walk through the metadata of a repository, as TUF's client workflow has it.
type update struct {
	where   repository
	dir     string // of the cache
	now     time.Time
	fetcher *fetcher
	updater *updater.Updater
}

// run returns what the mirror has now. What was seen before, in the cache, is never rolled back.
func (r repository) run(ctx context.Context, client *http.Client, dir string, now time.Time) (content, *failure) {
	u := &update{where: r, dir: dir, now: now, fetcher: &fetcher{ctx: ctx, client: client}}
	found, failed := u.walk()
	found.fetched = now
	return found, failed
}

// cached returns what the cache alone proves.
func (r repository) cached(dir string, now time.Time) (content, *failure) {
	return (&update{where: r, dir: dir, now: now, fetcher: &fetcher{offline: true}}).walk()
}

func (u *update) walk() (found content, failed *failure) {
	// go-tuf follows what signed metadata say; some of it, such as null for an object, makes it panic.
	defer func() {
		if reason := recover(); reason != nil {
			err := fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
			found, failed = content{}, &failure{refused: true, clause: u.fetcher.file + " cannot be understood", err: err}
		}
	}()
	if err := u.open(); err != nil {
		return content{}, u.failed(err)
	}
	if err := u.updater.Refresh(); err != nil {
		return content{}, u.failed(err)
	}
	info, err := u.updater.GetTargetInfo(u.where.target)
	if failed := u.withoutTarget(err); failed != nil {
		return content{}, failed
	}
	text, err := u.download(info)
	if err != nil {
		return content{}, u.failed(err)
	}
	root, err := signature.ParseRoot(text)
	if err != nil {
		return content{}, &failure{refused: true, clause: "the target " + u.where.target + " is not a trusted_root.json", err: err}
	}
	trusted := u.updater.GetTrustedMetadataSet()
	return content{root: root, version: trusted.Root.Signed.Version, expires: earliest(trusted)}, nil
}

// withoutTarget tells that the target does not exist from every other error: go-tuf has no type for it.
func (u *update) withoutTarget(err error) *failure {
	if err == nil {
		return nil
	}
	failed := u.failed(err)
	if !failed.refused && !u.fetcher.failed {
		return &failure{refused: true, clause: "the repository has no target " + u.where.target, err: err}
	}
	return failed
}

func (u *update) download(info *metadata.TargetFiles) ([]byte, error) {
	u.fetcher.file, u.fetcher.target = u.where.target, true
	if _, text, err := u.updater.FindCachedTarget(info, ""); err == nil && text != nil {
		return text, nil
	}
	_, text, err := u.updater.DownloadTarget(info, "", "")
	u.fetcher.file = "the target " + u.where.target
	var long *tooLong
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

// open starts from the newest root that was proven before. From the one that the TrustRoot holds, a mirror could hide the
// newer ones, and with them that a key was withdrawn.
func (u *update) open() error {
	if err := os.MkdirAll(filepath.Join(u.dir, "targets"), 0o700); err != nil {
		return err
	}
	root := u.where.root
	if newer, err := os.ReadFile(filepath.Join(u.dir, "root.json")); err == nil && versionOf(newer) > versionOf(root) {
		root = newer
	}
	if err := dropUnreadable(u.dir); err != nil {
		return err
	}
	cfg, err := config.New(u.where.mirror, root)
	if err != nil {
		return err
	}
	cfg.MaxRootRotations, cfg.MaxDelegations = maxRotations, maxDelegations
	cfg.RootMaxLength, cfg.TimestampMaxLength = maxRoot, maxTimestamp
	cfg.SnapshotMaxLength, cfg.TargetsMaxLength = maxSnapshot, maxTargets
	cfg.LocalMetadataDir, cfg.LocalTargetsDir = u.dir, filepath.Join(u.dir, "targets")
	cfg.Fetcher, cfg.UnsafeLocalMode = u.fetcher, u.fetcher.offline
	if u.updater, err = updater.New(cfg); err != nil {
		return err
	}
	u.updater.UnsafeSetRefTime(u.now) // our clock; go-tuf's is time.Now
	return nil
}
