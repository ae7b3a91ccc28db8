package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// cacheDir returns the directory of one TrustRoot. Two TrustRoots never share one: the metadata of
// one mirror must not count for another.
func cacheDir(dir, name string, of repository) (string, error) {
	if dir == "" {
		return "", errors.New("the cache has no directory")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", name, of.mirror, of.target, of.root))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])), nil
}

// versionOf returns the version of a root.json that enough of its own keys have signed, 0 for any
// other content.
func versionOf(rootJSON []byte) (version int64) {
	defer func() {
		if recover() != nil { // go-tuf panics on null for a key
			version = 0
		}
	}()
	trusted, err := trustedmetadata.New(rootJSON)
	if err != nil {
		return 0
	}
	return trusted.Root.Signed.Version
}

// dropUnreadable removes metadata that a crash or a full disk truncated. With them, every update of
// go-tuf would fail.
func dropUnreadable(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !readable(filepath.Base(path), raw) {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func readable(file string, raw []byte) bool {
	if !isMetadata(raw) {
		return false
	}
	var err error
	switch file {
	case "root.json": // is written again by each update
	case "timestamp.json":
		_, err = metadata.Timestamp().FromBytes(raw)
	case "snapshot.json":
		_, err = metadata.Snapshot().FromBytes(raw)
	default:
		_, err = metadata.Targets().FromBytes(raw)
	}
	return err == nil
}
