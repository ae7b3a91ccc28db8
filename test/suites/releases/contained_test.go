package releases_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootVariable names the variable with the root of a container. A process of this test with the variable becomes the
// container's program: it enters the root as a runtime would, with the pod's securityContext.
const rootVariable = "CHARTGATE_TEST_ROOT"

// The user and the entry point of the image.
const (
	nobody  = 65532
	program = "/usr/local/bin/chartgate"
)

// contained replaces this process by the program in the image: as its user, on a root file system that is read-only, without
// capabilities and without the way to get new ones. The working directory, which holds what a kubelet would mount, is there
// under the same path; nothing else of this machine's files is.
func contained() error {
	runtime.LockOSThread()
	root, dir := os.Getenv(rootVariable), os.Getenv("HOME")
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"leave the mounts of this machine", func() error { return unix.Unshare(unix.CLONE_NEWNS) }},
		{"keep mounts from this machine", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount the root", func() error { return unix.Mount(root, root, "", unix.MS_BIND, "") }},
		{"mount /tmp", func() error { return mountTmp(filepath.Join(root, "tmp")) }},
		{"mount the volumes", func() error { return bind(dir, filepath.Join(root, dir)) }},
		{"make the root read-only", func() error {
			return unix.Mount("", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
		}},
		{"give the volumes to the user", func() error { return give(dir) }},
		{"enter the root", func() error { return unix.Chroot(root) }},
		{"drop capabilities", dropCapabilities},
		{"drop groups", func() error { return unix.Setgroups(nil) }},
		{"change the group", func() error { return unix.Setresgid(nobody, nobody, nobody) }},
		{"change the user", func() error { return unix.Setresuid(nobody, nobody, nobody) }},
		{"forbid privileges", func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
		{"enter the working directory", func() error { return os.Chdir("/") }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	environment := []string{"HOME=/tmp", "PATH=/usr/local/bin"} // the image's (TestWhatIsInTheImage)
	return fmt.Errorf("start %s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), environment))
}

func mountTmp(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmpfs", path, "tmpfs", 0, "mode=1777")
}

func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return unix.Mount(from, to, "", unix.MS_BIND, "")
}

// give makes the user the owner of a folder, as fsGroup would for a volume.
func give(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
}

// dropCapabilities empties the bounding set, up to the last capability that the kernel knows. The others are empty once
// the user is not root any more.
func dropCapabilities() error {
	for capability := uintptr(0); ; capability++ {
		switch err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); {
		case err == unix.EINVAL && capability > unix.CAP_SYSLOG:
			return nil
		case err != nil:
			return err
		}
	}
}
