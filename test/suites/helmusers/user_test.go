package helmusers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// helms are the programs of bin/, by what rows call them.
func helms() map[string]string { return map[string]string{"helm3": "helm", "helm4": "helm4"} }

// both runs a test with each helm, at the same time.
func both(t *testing.T, test func(t *testing.T, u *user)) {
	t.Helper()
	s := theSite(t)
	for version := range helms() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(t, s.user(t, version))
		})
	}
}

// user is someone with a helm of one version and chartgate's plugins, who trusts the site's policies.
// Users share nothing but the plugins.
type user struct {
	*site
	version   string // "helm3"
	program   string
	namespace string
	home      string
	dir       string // the working directory, empty at first
	host      string // what ghcr.io stands for
	env       []string
}

func (s *site) user(t *testing.T, version string) *user {
	t.Helper()
	program, err := cluster.Tool(helms()[version])
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: version + "-"}}
	if err := s.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	u := &user{
		site: s, version: version, program: program, namespace: namespace.Name, home: home, dir: t.TempDir(),
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home,
			"HELM_DATA_HOME=" + s.data(version), "HELM_CACHE_HOME=" + filepath.Join(home, "cache"), "HELM_CONFIG_HOME=" + filepath.Join(home, "config"),
			"KUBECONFIG=" + s.kubeconfig("deployer"), "HELM_NAMESPACE=" + namespace.Name, "CHARTGATE_TRUSTED_ROOT=" + s.trustedRoot(),
		},
	}
	return u.at(t, s.registry.Host())
}

// at is the user for whom ghcr.io stands for a host.
func (u *user) at(t *testing.T, host string) *user {
	t.Helper()
	policies := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(policies, []byte(u.policies(host)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := u.with("CHARTGATE_POLICY="+policies, "CHARTGATE_PLAIN_HTTP="+host+","+u.private.Host())
	other.host = host
	return other
}

// local translates the name that rows use to that of this machine, and public translates it back.
func (u *user) local(text string) string  { return strings.ReplaceAll(text, "ghcr.io", u.host) }
func (u *user) public(text string) string { return strings.ReplaceAll(text, u.host, "ghcr.io") }

// with is the user with other variables of the environment.
func (u *user) with(variables ...string) *user {
	other := *u
	other.env = append(slices.Clone(u.env), variables...)
	return &other
}

// try runs helm, which may fail.
func (u *user) try(t *testing.T, args ...string) harness.Ended {
	t.Helper()
	var translated []string
	for _, arg := range args {
		translated = append(translated, u.local(arg))
	}
	ended := harness.Program{Path: u.program, Args: translated, Dir: u.dir, Env: u.env}.Run(t)
	ended.Stdout, ended.Stderr = u.public(ended.Stdout), u.public(ended.Stderr)
	return ended
}

// helm runs helm, which must not fail.
func (u *user) helm(t *testing.T, args ...string) harness.Ended {
	t.Helper()
	ended := u.try(t, args...)
	if ended.Code != 0 {
		t.Fatalf("helm %s: exit code %d\n%s%s", strings.Join(args, " "), ended.Code, ended.Stdout, ended.Stderr)
	}
	return ended
}

// files are those in the working directory, by their paths.
func (u *user) files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(u.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, strings.TrimPrefix(path, u.dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// objects are what helm has written to the user's namespace: ConfigMaps with their message, and
// release records.
func (u *user) objects(t *testing.T) []string { return objectsIn(t, u.Cluster, u.namespace) }

func objectsIn(t *testing.T, c *cluster.Cluster, namespace string) []string {
	t.Helper()
	var (
		configMaps corev1.ConfigMapList
		secrets    corev1.SecretList
		found      []string
	)
	for _, list := range []client.ObjectList{&configMaps, &secrets} {
		if err := c.Client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range configMaps.Items {
		found = append(found, strings.TrimSuffix(o.Name+": "+o.Data["message"], ": "))
	}
	for _, o := range secrets.Items {
		found = append(found, o.Name)
	}
	slices.Sort(found)
	return found
}
