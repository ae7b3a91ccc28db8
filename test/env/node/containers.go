package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// Signal sends a signal to every process of a pod's containers. Without one it is an error.
func (n *Node) Signal(pod corev1.Pod, signal syscall.Signal) error {
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return err
	}
	var sent int
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !inContainerOf(pod, string(text)) {
			continue // it has ended, or is another one's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return err
		}
		errs = append(errs, syscall.Kill(pid, signal))
		sent++
	}
	if sent == 0 {
		return fmt.Errorf("no process of pod %s runs", pod.Name)
	}
	return errors.Join(errs...)
}

// inContainerOf reports whether a process with these cgroups is in one of the pod's containers.
func inContainerOf(pod corev1.Pod, cgroups string) bool {
	for _, container := range pod.Status.ContainerStatuses {
		_, id, is := strings.Cut(container.ContainerID, "://")
		if is && strings.Contains(cgroups, "/"+id) {
			return true
		}
	}
	return false
}
