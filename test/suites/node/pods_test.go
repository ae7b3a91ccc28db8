package node_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// TestPods: what becomes of writes while something happens to a pod, which another one outlives. None
// fails where the pod is given the time to end. Where it is not, writes fail because of that pod and
// no other reason, and then go on. docs/operate.md has the table.
func TestPods(t *testing.T) {
	s := gated(t)
	flood := s.flood(t)
	flood.GoesOn(t)
	for _, tc := range []struct {
		sentence string
		happens  func(testing.TB)
		loses    bool
	}{
		{"the next release is rolled out", func(t testing.TB) { s.do(t, upgrade+"--version "+second) }, false},
		{"a pod is deleted", func(t testing.TB) { s.do(t, "kubectl delete pod --namespace chartgate-system "+s.asked(t)[0].Name) }, false},
		{"a pod is evicted", s.evict, false},
		{"the image of the next release is missing, and helm goes back", s.missingImage, false},
		{"a pod is killed", func(t testing.TB) { s.strike(t, syscall.SIGKILL, func() {}) }, true},
		{"a pod hangs, until the kubelet replaces its container", func(t testing.TB) { s.strike(t, syscall.SIGSTOP, func() { flood.GoesOn(t) }) }, true},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			tally := flood.During(func() {
				tc.happens(t)
				s.settled(t)
				flood.GoesOn(t)
			})
			t.Log(tally)
			if len(tally.Lost) > 0 && !tc.loses {
				t.Errorf("writes failed: %q", tally.Lost)
			}
			for _, message := range tally.Lost {
				if !ofOnePod.MatchString(message) {
					t.Errorf("a write failed for another reason: %s", message)
				}
			}
		})
	}
	flood.CheckStored(t)
}

// ofOnePod are the reasons for which a call fails whose pod is no longer there, or does not answer.
var ofOnePod = regexp.MustCompile(`connection refused|connection reset by peer|client connection lost|EOF|no route to host|i/o timeout|context deadline exceeded`)

// asked returns the pods, first the one that the API server asks most: it keeps connections.
func (s *site) asked(t testing.TB) []corev1.Pod {
	t.Helper()
	pods := s.settled(t)
	decided := map[string]int{}
	for _, pod := range pods {
		out, err := s.Kubectl(t.Context(), "", "logs", "--namespace", pod.Namespace, pod.Name, "--since=2s")
		if err != nil {
			t.Fatal(err)
		}
		decided[pod.Name] = strings.Count(out.Stdout, `"decided"`)
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return decided[b.Name] - decided[a.Name] })
	return pods
}

// evict evicts a pod, as the drain of a node does. The other one cannot be evicted meanwhile.
func (s *site) evict(t testing.TB) {
	t.Helper()
	pods := s.asked(t)
	evicted := func(pod corev1.Pod) error {
		return s.Client.SubResource("eviction").Create(t.Context(), &pod, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}})
	}
	if err := evicted(pods[0]); err != nil {
		t.Fatal(err)
	}
	if err := evicted(pods[1]); !apierrors.IsTooManyRequests(err) {
		t.Errorf("the eviction of the other pod: %v", err)
	}
	s.gone(t, pods[0])
}

// gone waits until a pod has ended.
func (s *site) gone(t testing.TB, pod corev1.Pod) {
	t.Helper()
	harness.Eventually(t, func() string {
		if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(&pod), &corev1.Pod{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("pod %s is still there: %v", pod.Name, err)
		}
		return ""
	})
}

// missingImage upgrades to an image that is not there, which helm does not see through, and goes back.
func (s *site) missingImage(t testing.TB) {
	t.Helper()
	if printed, err := s.shell.Run(upgrade+"--version "+second+" --set image.tag=missing --timeout 5s", true); err != nil {
		t.Fatalf("the upgrade: %v\n%s", err, printed)
	}
	harness.Eventually(t, func() string {
		for _, pod := range s.pods(t) {
			for _, container := range pod.Status.ContainerStatuses {
				if waiting := container.State.Waiting; waiting != nil && waiting.Reason == "ImagePullBackOff" {
					return ""
				}
			}
		}
		return "no pod waits for its image"
	})
	s.do(t, "helm rollback chartgate --namespace chartgate-system --wait")
}

// strike sends a signal to a pod that answers writes, and waits until its container is replaced.
func (s *site) strike(t testing.TB, signal syscall.Signal, meanwhile func()) {
	t.Helper()
	pod := s.asked(t)[0]
	before := pod.Status.ContainerStatuses[0].RestartCount
	if err := s.Signal(pod, signal); err != nil {
		t.Fatal(err)
	}
	meanwhile()
	harness.Eventually(t, func() string {
		var now corev1.Pod
		if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(&pod), &now); err != nil {
			return err.Error()
		}
		if restarts := now.Status.ContainerStatuses[0].RestartCount; restarts == before {
			return fmt.Sprintf("the container of pod %s has not been replaced", pod.Name)
		}
		return ""
	})
}
