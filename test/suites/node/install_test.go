package node_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestInstall: the commands of README.md lead from nothing to a gate that denies, an uninstallation
// leaves nothing but what it says, and then they do it again. Each time the pods are ready in their
// first container, without a wait for a mounted certificate, and have logged no error.
func TestInstall(t *testing.T) {
	s := running(t)
	s.install(t)
	s.checkStart(t)
	s.enforce(t)
	t.Run("it decides", func(t *testing.T) { s.flood(t).GoesOn(t) })
	s.uninstall(t)
	s.checkLeft(t)
	s.install(t)
	s.checkStart(t)
}

// slowestStart is far more than a pod takes on a busy machine, and less than it took when it waited
// until the kubelet looked at its volumes again, in intervals of a minute and more.
const slowestStart = time.Minute

// checkStart checks how new pods have started.
func (s *site) checkStart(t *testing.T) {
	t.Helper()
	for _, pod := range s.settled(t) {
		took := startOf(pod)
		t.Logf("pod %s was ready %s after its container had started", pod.Name, took)
		if took > slowestStart {
			t.Errorf("pod %s was ready only %s after its container had started", pod.Name, took)
		}
		if restarts := pod.Status.ContainerStatuses[0].RestartCount; restarts != 0 {
			t.Errorf("pod %s was restarted %d times", pod.Name, restarts)
		}
		if slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Secret != nil }) {
			t.Errorf("pod %s mounts a Secret", pod.Name)
		}
		s.checkLog(t, pod)
	}
}

// startOf is the time from the start of a pod's container until the pod was ready. Kubernetes records
// both in whole seconds.
func startOf(pod corev1.Pod) time.Duration {
	running := pod.Status.ContainerStatuses[0].State.Running
	if running == nil {
		return 0
	}
	return readySince(pod).Sub(running.StartedAt.Time)
}

// checkLog checks that every line that a pod has logged is JSON, and none of them an error.
func (s *site) checkLog(t *testing.T, pod corev1.Pod) {
	t.Helper()
	out, err := s.Kubectl(t.Context(), "", "logs", "--namespace", pod.Namespace, pod.Name)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(out.Stdout) {
		lines++
		var logged struct {
			Level string `json:"level"`
		}
		if err := json.Unmarshal([]byte(line), &logged); err != nil {
			t.Errorf("pod %s logs what is no JSON: %s", pod.Name, line)
		} else if logged.Level == "error" {
			t.Errorf("pod %s logs an error: %s", pod.Name, line)
		}
	}
	if lines == 0 {
		t.Errorf("pod %s has logged nothing", pod.Name)
	}
}

// checkLeft checks that an uninstallation has left nothing but what helm says, the definitions; also
// after the pods have ended, which could have made their Secret or their Lease again.
func (s *site) checkLeft(t *testing.T) {
	t.Helper()
	all := strings.Join(s.names(t, "api-resources", "--verbs=list", "--output=name"), ",")
	namespaced := strings.Join(s.names(t, "api-resources", "--verbs=list", "--output=name", "--namespaced"), ",")
	// What belongs to what was deleted goes a moment later.
	harness.Eventually(t, func() string {
		left := s.names(t, "get", all, "--all-namespaces", "--selector", "app.kubernetes.io/instance=chartgate", "--output", "name")
		left = append(left, slices.DeleteFunc(s.names(t, "get", namespaced, "--namespace", cluster.Namespace, "--output", "name"), ofNamespace)...)
		return strings.Join(left, " ")
	})
}

// ofNamespace reports whether a namespace holds something without chartgate: what every namespace
// has, and Events, which end by themselves.
func ofNamespace(name string) bool {
	return strings.HasPrefix(name, "event") || name == "configmap/kube-root-ca.crt" || name == "serviceaccount/default"
}

// uninstall uninstalls chartgate and waits until its pods have ended.
func (s *site) uninstall(t testing.TB) {
	t.Helper()
	s.do(t, "helm uninstall chartgate --namespace chartgate-system --wait")
	s.installed, s.enforces = false, false
	harness.Eventually(t, func() string {
		if pods := s.pods(t); len(pods) > 0 {
			return fmt.Sprintf("%d pods", len(pods))
		}
		return ""
	})
}

// names are the lines that kubectl prints, in order.
func (s *site) names(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := s.Kubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(out.Stdout)
	slices.Sort(names)
	return names
}
