package gitops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/git"
	"github.com/chartgate/chartgate/test/env/pods"
	"github.com/chartgate/chartgate/test/harness"
)

// site is a cluster in which pods run, and the page.
type site struct {
	*harness.Site
	*releases
	page page
	pods *pods.Pods
}

// scene is a part of a life, which starts where the one before has ended.
type scene struct {
	sentence string
	play     func(*testing.T)
}

// play plays scenes up to the first that fails: the next ones would only repeat it.
func play(t *testing.T, scenes []scene) {
	t.Helper()
	for _, scene := range scenes {
		if !t.Run(scene.sentence, scene.play) {
			t.FailNow()
		}
	}
}

// open starts a cluster without chartgate. The registry of the releases has that address there.
func open(t *testing.T, registry string, options cluster.Options) *site {
	t.Helper()
	s := &site{releases: published(t), page: readPage(t)}
	network, err := pods.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	options.APIServer = network.Flags()
	s.Site = harness.OpenForTest(t, harness.Setup{Options: options, Absent: true, Local: s.on(registry)})
	s.pods = pods.Start(s.Cluster, network, t.TempDir())
	t.Cleanup(func() {
		s.pods.Stop()
		if t.Failed() {
			t.Log(s.pods.Log())
		}
	})
	return s
}

// newRepository serves a Git repository.
func newRepository(t *testing.T) *git.Repository {
	t.Helper()
	repository, err := git.NewRepository(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repository.Close)
	return repository
}

// shell is a user's, at the cluster.
func (s *site) shell(t *testing.T) *harness.Shell {
	t.Helper()
	shell, err := harness.OpenShell(t.Context(), t.TempDir(), t.TempDir(), []string{"KUBECONFIG=" + s.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shell.Close)
	return shell
}

// repairs runs commands of the page.
func (s *site) repairs(t *testing.T, commands string) {
	t.Helper()
	if printed, err := s.shell(t).Run(commands, false); err != nil {
		t.Fatalf("%s\n%v\n%s", commands, err, printed)
	}
}

// asked is what the API server answers to a user who names a registry that no policy is about, without storing anything:
// "NoPolicy" if chartgate denies it, "Warned" if it warns, "" if nobody asks it, and an error otherwise.
func (s *site) asked(t *testing.T) string {
	t.Helper()
	probe := s.Object(t, harness.Source("HelmRepository", "apps/probe", `spec: {type: oci, url: "oci://probe.example/charts"}`))
	answer, err := s.Try(t, harness.Admin, func(c dynamic.Interface) error {
		_, err := harness.ResourceOf(c, probe).Create(t.Context(), probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	})
	warned := func(warning string) bool { return strings.Contains(warning, "(NoPolicy)") }
	switch {
	case err != nil:
		return err.Error()
	case slices.Equal(answer.Causes, []string{"NoPolicy spec.url"}):
		return "NoPolicy"
	case slices.ContainsFunc(answer.Warnings, warned):
		return "Warned"
	}
	return fmt.Sprint(answer.Message)
}

// answers waits until the API server answers a user as asked says.
func (s *site) answers(t *testing.T, want string) {
	t.Helper()
	harness.Eventually(t, func() string {
		if got := s.asked(t); !strings.Contains(got, want) || want == "" && got != "" {
			return fmt.Sprintf("want the answer %q, got %q; pods: %v", want, got, s.pods.Trouble())
		}
		return ""
	})
}

// deployment is chartgate's; nil if there is none.
func (s *site) deployment(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	return s.Stored(t, s.Object(t, harness.Object("apps/v1", "Deployment", namespace+"/chartgate", "")))
}

// container is the Deployment's.
func (s *site) container(t *testing.T) map[string]any {
	t.Helper()
	found := s.deployment(t)
	if found == nil {
		return nil
	}
	containers, _, err := unstructured.NestedSlice(found.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatalf("containers %v: %v", containers, err)
	}
	container, _ := containers[0].(map[string]any)
	return container
}

// runs waits until the Deployment has the image and all of its pods are ready.
func (s *site) runs(t *testing.T, image string) {
	t.Helper()
	harness.Eventually(t, func() string {
		container := s.container(t)
		if container == nil || container["image"] != image {
			return fmt.Sprintf("want the image %s, the Deployment has %v", image, container["image"])
		}
		progress := harness.Condition(s.deployment(t), "Progressing")
		if !strings.Contains(progress, "NewReplicaSetAvailable") {
			return fmt.Sprintf("%s; pods: %v", progress, s.pods.Trouble())
		}
		return ""
	})
}

// cas are the CAs in the webhook configuration; nil if there is none.
func (s *site) cas(t *testing.T) []string {
	t.Helper()
	found := s.Stored(t, s.configuration(t))
	if found == nil {
		return nil
	}
	webhooks, _, err := unstructured.NestedSlice(found.Object, "webhooks")
	if err != nil {
		t.Fatal(err)
	}
	cas := []string{}
	for _, webhook := range webhooks {
		ca, _, _ := unstructured.NestedString(webhook.(map[string]any), "clientConfig", "caBundle")
		cas = append(cas, ca)
	}
	return cas
}

func (s *site) configuration(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	return s.Object(t, "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: chartgate}}")
}

// verdicts counts what chartgate has said about its own chart in an object called chartgate, as the audit log has it.
func (s *site) verdicts(t *testing.T, resource, namespace string) map[string]int {
	t.Helper()
	events, err := s.Audit(resource, namespace, "chartgate")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, event := range events {
		for name, value := range event.Annotations {
			if strings.HasSuffix(name, ".chartgate.dev/verdict") {
				count[value]++
			}
		}
	}
	return count
}

// isGone waits until chartgate was uninstalled, and more objects are gone. The definitions, the policies and the namespace stay.
func (s *site) isGone(t *testing.T, more ...*unstructured.Unstructured) {
	t.Helper()
	gone := s.Objects(t, harness.Object("apps/v1", "Deployment", namespace+"/chartgate", "")+
		harness.Object("v1", "Service", namespace+"/chartgate", "")+
		harness.Object("v1", "Secret", namespace+"/chartgate-certificate", ""))
	gone = append(append(gone, s.configuration(t)), more...)
	harness.Eventually(t, func() string {
		for _, object := range gone {
			if s.Stored(t, object) != nil {
				return fmt.Sprintf("%s %s is there", object.GetKind(), object.GetName())
			}
		}
		return ""
	})
	for _, object := range s.Objects(t, harness.Policy("chartgate", "{}")+harness.Identity("chartgate-release", "{}")+
		"---\n{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}\n") {
		if found := s.Stored(t, object); found == nil || found.GetDeletionTimestamp() != nil {
			t.Errorf("%s %s does not stay", object.GetKind(), object.GetName())
		}
	}
	s.answers(t, "")
}
