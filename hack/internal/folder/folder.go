// Package folder makes room for what a build writes.
package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Renew makes a folder empty, or makes it. What is in it is removed only if the marker is there: then an earlier build wrote it.
func Renew(dir, marker string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Lstat(filepath.Join(dir, marker)); err != nil {
			return fmt.Errorf("%s holds something else than an earlier build, which would have %s: name another folder", dir, marker)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}
