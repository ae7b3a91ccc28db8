package helmusers_test

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// guardRail is the manifest on the page.
func guardRail() (string, error) {
	blocks, err := harness.ReadPage("docs", "helm-users.md")
	if err != nil {
		return "", err
	}
	for _, block := range blocks {
		if block.Mark == "guard rail" {
			return block.Text, nil
		}
	}
	return "", errors.New("docs/helm-users.md has no block with the mark of the guard rail")
}

// Accounts: two that the page names, and one that it does not.
const (
	helmController = harness.HelmController
	deployer       = "system:serviceaccount:ci:deployer"
	jane           = "system:serviceaccount:ci:jane"
	refusal        = jane + " does not deploy with helm in this cluster: let Flux or Argo CD deploy the chart, or ask the platform team"
)

// as is an account with every right of RBAC.
func (s *site) as(t *testing.T, account string) client.Client {
	t.Helper()
	config := rest.CopyConfig(s.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: account, Groups: []string{"system:masters"}}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// waitForRail waits until the API server has read the guard rail.
func (u *user) waitForRail(t *testing.T) {
	t.Helper()
	as := u.as(t, jane)
	harness.Eventually(t, func() string {
		err := as.Create(t.Context(), u.secret("sh.helm.release.v1.probe.v1", "", nil), client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), refusal) {
			return "the guard rail does not refuse a record, and the answer is " + errorText(err)
		}
		return ""
	})
}

func errorText(err error) string {
	if err == nil {
		return "success"
	}
	return err.Error()
}

func (u *user) secret(name string, kind corev1.SecretType, labels map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: name, Labels: labels}, Type: kind}
}

// TestGuardRail: an account that the page does not name cannot install, upgrade or roll back with
// helm, whatever its rights. One that it names can, as in every other test of this suite.
func TestGuardRail(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		u.waitForRail(t)
		u.helm(t, "install", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.7.0")
		u.helm(t, "upgrade", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1")
		before := u.objects(t)
		as := u.with("KUBECONFIG=" + u.kubeconfig("jane"))
		for _, row := range []struct {
			sentence string
			env      []string
			args     []string
		}{
			{"install", nil, []string{"install", "other", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1"}},
			{"install with records in ConfigMaps", []string{"HELM_DRIVER=configmap"}, []string{"install", "other", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1"}},
			{"upgrade", nil, []string{"upgrade", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.8.0"}},
			{"rollback", nil, []string{"rollback", "web", "1"}},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				ended := as.with(row.env...).try(t, row.args...)
				if ended.Code == 0 || !strings.Contains(ended.Stderr, refusal) {
					t.Errorf("helm ends with %d and prints\n%s%s", ended.Code, ended.Stdout, ended.Stderr)
				}
				u.deployed(t, before...)
			})
		}
		t.Run("what a refused installation leaves behind", func(t *testing.T) {
			namespace := u.namespace + "-new"
			ended := as.try(t, "install", "cron", "chartgate://ghcr.io/acme/charts/crontab-"+u.version+":1.0.0", "--namespace", namespace, "--create-namespace")
			if ended.Code == 0 || !strings.Contains(ended.Stderr, refusal) {
				t.Errorf("helm ends with %d and prints\n%s%s", ended.Code, ended.Stdout, ended.Stderr)
			}
			for _, left := range []string{"namespace/" + namespace, "crd/crontabs." + u.version + ".example.com"} {
				if _, err := u.Kubectl(t.Context(), "", "get", left); err != nil {
					t.Error(err)
				}
			}
			if objects := objectsIn(t, u.Cluster, namespace); len(objects) > 0 {
				t.Errorf("it leaves %v", objects)
			}
		})
	})
}

// TestWhatTheGuardRailDoesNotStop: what the page says of its limits.
func TestWhatTheGuardRailDoesNotStop(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		u.waitForRail(t)
		u.helm(t, "install", "web", "chartgate://ghcr.io/acme/charts/podinfo:6.7.1")
		as := u.with("KUBECONFIG=" + u.kubeconfig("jane"))
		command := u.local("helm template hidden chartgate://ghcr.io/acme/charts/podinfo:6.7.1 | kubectl apply --namespace " + u.namespace + " -f -")
		if printed, err := as.shell(t, u.dir).Run(command, false); err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		u.deployed(t, "hidden: podinfo 6.7.1", "sh.helm.release.v1.web.v1", "web: podinfo 6.7.1")
		as.helm(t, "uninstall", "web")
		u.deployed(t, "hidden: podinfo 6.7.1")
	})
}

// TestGuardRailIsAboutRecordsOnly: what is a record of helm's cannot be written, and neither disguised
// nor taken over, and no other Secret or ConfigMap is touched.
func TestGuardRailIsAboutRecordsOnly(t *testing.T) {
	u := theSite(t).user(t, "helm3")
	u.waitForRail(t)
	owned := map[string]string{"owner": "helm"}
	configMap := func(name string, labels map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: name, Labels: labels}}
	}
	const record = "sh.helm.release.v1.web.v1"
	if err := u.as(t, deployer).Create(t.Context(), u.secret(record, "helm.sh/release.v1", owned)); err != nil {
		t.Fatal(err)
	}
	create := func(o client.Object) func(client.Client) error {
		return func(c client.Client) error {
			return c.Create(t.Context(), o.DeepCopyObject().(client.Object), client.DryRunAll)
		}
	}
	update := func(o client.Object, labels map[string]string) func(client.Client) error {
		return func(c client.Client) error {
			stored := o.DeepCopyObject().(client.Object)
			if err := u.Client.Get(t.Context(), client.ObjectKeyFromObject(o), stored); err != nil {
				return err
			}
			stored.SetLabels(labels)
			return c.Update(t.Context(), stored, client.DryRunAll)
		}
	}
	plain := u.secret("plain", "Opaque", map[string]string{"owner": "jane"})
	if err := u.Client.Create(t.Context(), plain.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		sentence string
		act      func(client.Client) error
		refused  bool
	}{
		{"a Secret of helm's type", create(u.secret("x", "helm.sh/release.v1", nil)), true},
		{"a Secret of a record's name", create(u.secret("sh.helm.release.v1.x.v1", "Opaque", nil)), true},
		{"a Secret that helm would list", create(u.secret("x", "Opaque", owned)), true},
		{"a ConfigMap that helm would list", create(configMap("x", owned)), true},
		{"a Secret that becomes one", update(plain, owned), true},
		{"a record whose label is taken off", update(u.secret(record, "", nil), nil), true},
		{"control: another Secret", create(u.secret("x", "Opaque", nil)), false},
		{"control: another owner", create(configMap("x", map[string]string{"owner": "jane"})), false},
		{"control: another Secret that changes", update(plain, nil), false},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			for account, refused := range map[string]bool{jane: row.refused, deployer: false, helmController: false} {
				err := row.act(u.as(t, account))
				if refused != (apierrors.IsForbidden(err) && strings.Contains(err.Error(), refusal)) || !refused && err != nil {
					t.Errorf("%s: %v", account, err)
				}
			}
		})
	}
}
