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

// createCgroups makes them, and puts this process and what it starts into one beside the pods: on a
// busy machine the node as a whole runs before other programs, so that a test sees what becomes of
// pods and not what a shortage of CPU makes of a node.
func createCgroups(name string) error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range hierarchies {
		path := filepath.Join(hierarchy, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		weighted, err := setWeight(path)
		if err != nil {
			return err
		}
		if weighted {
			if err := join(filepath.Join(path, "system")); err != nil {
				return err
			}
		}
	}
	return nil
}

// setWeight gives a cgroup ten times the CPU of another one, where it is one of those that share CPU.
func setWeight(path string) (weighted bool, err error) {
	for file, weight := range map[string]string{"cpu.shares": "10240", "cpu.weight": "1000"} {
		err := set(filepath.Join(path, file), weight)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		weighted = weighted || err == nil
	}
	return weighted, nil
}

// join puts this process into a new cgroup.
func join(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return set(filepath.Join(path, "cgroup.procs"), "0")
}

// set writes a setting, which exists or not: unlike os.WriteFile it does not try to make the file.
func set(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
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
