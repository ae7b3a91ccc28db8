package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// The node's network. Nothing of it exists outside of the namespaces.
const (
	// Address is that of the node on the bridge of the pods. The API server and the registry have it.
	Address  = "10.244.0.1"
	pods     = "10.244.0.0/24"
	firstPod = "10.244.0.10"
	services = "10.96.0.0/16"
	firstIP  = "10.96.0.1" // of the API server's Service
	bridge   = "cni0"
)

// prepare makes the new namespaces ready for a node.
func prepare(dir string) error {
	if err := mounts(dir); err != nil {
		return err
	}
	if err := createCgroups(filepath.Base(dir)); err != nil {
		return err
	}
	return network()
}

func mounts(dir string) error {
	type mount struct {
		source, target, kind string
		flags                uintptr
	}
	all := []mount{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE}, // nothing goes back to the machine
		{"proc", "/proc", "proc", 0},                       // of this process namespace
		{"", "/", "", syscall.MS_REC | syscall.MS_SHARED},  // as kubelet and runc want it
		{"tmpfs", "/run", "tmpfs", 0},                      // sockets and state of containerd and runc
	}
	// The kubelet has fixed paths below both.
	for _, path := range []string{"/var/lib", "/var/log"} {
		own := filepath.Join(dir, path)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		all = append(all, mount{own, path, "", syscall.MS_BIND})
	}
	for _, m := range all {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return protectKernel(dir)
}

// protectKernel gives the kubelet files of its own for settings that are of the whole machine.
func protectKernel(dir string) error {
	for _, setting := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	} {
		path, own := filepath.Join("/proc/sys", setting), filepath.Join(dir, strings.ReplaceAll(setting, "/", "."))
		value, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(own, value, 0o600); err != nil {
			return err
		}
		if err := syscall.Mount(own, path, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", path, err)
		}
	}
	return nil
}

// network makes the bridge that the pods join.
func network() error {
	ip, err := cluster.Tool("ip")
	if err != nil {
		return err
	}
	for _, arguments := range []string{
		"link set lo up",
		"link add " + bridge + " type bridge",
		"address add " + Address + "/24 dev " + bridge,
		"link set " + bridge + " up",
		"route add default dev " + bridge, // there is nothing behind it, but the kubelet looks for one
	} {
		if _, err := (cluster.Command{Name: ip, Args: strings.Fields(arguments)}).Run(context.Background()); err != nil {
			return err
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600)
}
