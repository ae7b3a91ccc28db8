// Package airgap_test follows docs/air-gapped.md on a machine without a network: the steps outside
// here, and the steps inside in a network namespace that has only the loopback interface.
package airgap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// insideDir names the variable with the folder of what was carried in. A process with this variable
// is the one inside.
const insideDir = "CHARTGATE_AIRGAP_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(insideDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := inside(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestAirGappedWalkthrough follows the page.
func TestAirGappedWalkthrough(t *testing.T) {
	blocks, err := readPage()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	publisher := publish(t)
	env := append(publisher.env(), "HOME="+dir)
	if err := follow(t.Context(), dir, publisher.dir, env, blocks, isOutside, publisher.adapted().Replace, nil); err != nil {
		t.Fatal(err)
	}
	// Only what was carried in is available.
	carried := t.TempDir()
	if err := os.Rename(filepath.Join(dir, "carry.tar"), filepath.Join(carried, "carry.tar")); err != nil {
		t.Fatal(err)
	}
	publisher.close()
	enter(t, carried)
}

// enter runs this program again, in namespaces of its own: without a network, and with mounts that
// no other process sees.
func enter(t *testing.T, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), insideDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 { // who is not root becomes it in a namespace of users
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("inside: %v\n%s", err, out)
	}
}

// inside follows the rest of the page.
func inside(ctx context.Context, dir string) (err error) {
	if err := prepare(dir); err != nil {
		return err
	}
	blocks, err := readPage()
	if err != nil {
		return err
	}
	c, err := cluster.Start(ctx, cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{"apps"}})
	defer func() { err = errors.Join(err, c.Stop()) }()
	if err != nil {
		return err
	}
	var gate *cluster.Process
	defer func() {
		if gate != nil {
			err = errors.Join(err, gate.Stop())
		}
	}()
	install := func() error {
		values := map[string]any{}
		text, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
		if err != nil {
			return err
		}
		if err := yaml.Unmarshal(text, &values); err != nil {
			return err
		}
		installation, err := c.Install(ctx, values, false)
		if err != nil {
			return err
		}
		gate, err = installation.Run(ctx)
		return err
	}
	same := func(text string) string { return text }
	if err := follow(ctx, dir, dir, []string{"KUBECONFIG=" + c.Kubeconfig, "HOME=" + dir}, blocks, isInside, same, install); err != nil {
		if gate != nil {
			err = fmt.Errorf("%w\n%s", err, gate.Log())
		}
		return err
	}
	return nil
}

// prepare makes the machine the one of the page: it has only the loopback interface, to which the
// registry's name resolves.
func prepare(dir string) error {
	if err := bringUp("lo"); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("there is a network: %s", i.Name)
		}
	}
	if conn, err := net.Dial("udp", "192.0.2.1:53"); err == nil {
		_ = conn.Close()
		return errors.New("there is a route out")
	}
	hosts := filepath.Join(dir, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost registry.corp.example\n"), 0o644); err != nil {
		return err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := syscall.Mount(hosts, "/etc/hosts", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /etc/hosts: %w", err)
	}
	return nil
}

// bringUp does what `ip link set NAME up` does, which not every machine has.
func bringUp(name string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() { _ = unix.Close(socket) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(request))); errno != 0 {
		return errno
	}
	return nil
}
