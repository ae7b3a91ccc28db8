package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The pods of a node are in cgroups below one of its own, so that its kubelet does not take the pods
// of another node on this machine for its own.

func createCgroups(name string) error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range hierarchies {
		if err := os.MkdirAll(filepath.Join(hierarchy, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes them after the last process in them has ended.
func removeCgroups(name string) error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, hierarchy := range hierarchies {
		errs = append(errs, removeTree(filepath.Join(hierarchy, name)))
	}
	return errors.Join(errs...)
}

// removeTree removes folders only: those of a cgroup hold files that cannot be removed, and need not.
func removeTree(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, folder := range slices.Backward(folders) {
		errs = append(errs, removeFolder(folder))
	}
	return errors.Join(append(errs, err)...)
}

// removeFolder waits while the kernel still takes down what was in it.
func removeFolder(path string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Rmdir(path)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// cgroupHierarchies are where they are mounted: one for cgroup v2, several for v1.
func cgroupHierarchies() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var hierarchies []string
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[2], "cgroup") {
			hierarchies = append(hierarchies, fields[1])
		}
	}
	return hierarchies, nil
}
