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

// cacheOf is the directory of one TrustRoot. No two share one: what one mirror says must not count for another.
func cacheOf(dir, name string, where repository) (string, error) {
	if dir == "" {
		return "", errors.New("there is no directory for the cache")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", name, where.mirror, where.target, where.root))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])), nil
}

// versionOf returns the version of a root.json that enough of its own keys signed, 0 for anything else.
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

// dropUnreadable removes metadata that a crash or a full disk cut off: go-tuf would stop at them for ever.
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
	case "root.json": // is written anew each time
	case "timestamp.json":
		_, err = metadata.Timestamp().FromBytes(raw)
	case "snapshot.json":
		_, err = metadata.Snapshot().FromBytes(raw)
	default:
		_, err = metadata.Targets().FromBytes(raw)
	}
	return err == nil
}
