package trust_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/trust"
)

// TestCheck: what is refused when it is written, also where no schema was looked at.
func TestCheck(t *testing.T) {
	root, content := newRepository(t).Root(), string(sigstoreRoot(t))
	tuf := func(mirror string, root []byte, target string) v1alpha1.TrustRootSpec {
		return v1alpha1.TrustRootSpec{TUF: &v1alpha1.TUF{Mirror: mirror, Root: string(root), Target: target}}
	}
	const good = "https://tuf.example.com/mirror"
	const (
		noURL  = "spec.tuf.mirror: is not a URL such as https://tuf.example.com"
		bare   = "spec.tuf.mirror: must have no user, query or fragment"
		noRoot = "spec.tuf.root: is not TUF root metadata (root.json) that enough of its own keys signed"
		one    = "spec: exactly one of tuf, trustedRoot and configMapRef must be set"
	)
	noName := func(target string) string {
		return fmt.Sprintf("spec.tuf.target: Invalid value: %q: is not the name of a target", target)
	}
	for _, c := range []struct {
		sentence string
		spec     v1alpha1.TrustRootSpec
		want     string
	}{
		{"a TUF repository", tuf(good, root, ""), ""},
		{"a TUF repository over plain HTTP, with a target in a directory", tuf("http://localhost:8080", root, "corp/trusted_root.json"), ""},
		{"a trusted_root.json", v1alpha1.TrustRootSpec{TrustedRoot: content}, ""},
		{"a ConfigMap", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "x"}}, ""},
		{"nothing", v1alpha1.TrustRootSpec{}, one},
		{"two things", v1alpha1.TrustRootSpec{TrustedRoot: content, ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "x"}}, one},
		{"a ConfigMap without a name", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{}}, "spec.configMapRef.name: Required value: a ConfigMap must be named"},
		{"a mirror without scheme", tuf("tuf.example.com", root, ""), noURL},
		{"a mirror without host", tuf("https:///x", root, ""), noURL},
		{"a mirror of another scheme", tuf("file:///etc/passwd", root, ""), noURL},
		{"a mirror that is no URL", tuf("https://%zz", root, ""), noURL},
		{"a mirror with a password", tuf("https://user:secret@tuf.example.com", root, ""), bare},
		{"a mirror with a query", tuf(good+"?a=b", root, ""), bare},
		{"a mirror with an empty query", tuf(good+"?", root, ""), bare},
		{"a mirror with a fragment", tuf(good+"#a", root, ""), bare},
		{"a target that climbs", tuf(good, root, "../trusted_root.json"), noName("../trusted_root.json")},
		{"a target that climbs later", tuf(good, root, "a/../../trusted_root.json"), noName("a/../../trusted_root.json")},
		{"an absolute target", tuf(good, root, "/trusted_root.json"), noName("/trusted_root.json")},
		{"no root", tuf(good, nil, ""), noRoot},
		{"a root that is a trusted_root.json", tuf(good, []byte(content), ""), noRoot},
		{"a root that is null", tuf(good, []byte("null"), ""), noRoot},
		{"a root that was changed", tuf(good, bytes.Replace(root, []byte(`"version":1`), []byte(`"version":9`), 1), ""), noRoot},
		{"a root with a key that is null", tuf(good, []byte(`{"signatures":[],"signed":{"_type":"root","keys":{"a":null},"roles":{"root":{"keyids":["a"],"threshold":1}}}}`), ""), noRoot},
		{"a trusted_root.json that is a root", v1alpha1.TrustRootSpec{TrustedRoot: string(root)}, "spec.trustedRoot: the content is not a trusted_root.json"},
		{"a trusted_root.json that is empty JSON", v1alpha1.TrustRootSpec{TrustedRoot: "{}"}, "spec.trustedRoot: the content is not a trusted_root.json"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := ""
			if errs := trust.Check(item("x", c.spec).Object); len(errs) > 0 {
				got = fielderr.Join(errs).Error()
			}
			if got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			// What got into the cluster all the same is of no use.
			roots := trust.New(trust.Options{CacheDir: t.TempDir()})
			t.Cleanup(roots.Close)
			roots.Set([]trust.Item{item("x", c.spec)})
			mustDeny(t, roots, "x", "the TrustRoot x cannot be used: "+c.want)
		})
	}
}

// TestConfigMaps: what the ConfigMap holds decides.
func TestConfigMaps(t *testing.T) {
	content := sigstoreRoot(t)
	ref := v1alpha1.ConfigMapKeyReference{Name: "roots", Key: "corp.json"}
	of := func(data map[string]string) trust.Item {
		i := item("corp", v1alpha1.TrustRootSpec{ConfigMapRef: &ref})
		i.Content, i.Err = trust.ItemOf(data, ref)
		return i
	}
	missing := item("corp", v1alpha1.TrustRootSpec{ConfigMapRef: &ref})
	missing.Err = errors.New("the ConfigMap roots does not exist")
	for _, c := range []struct {
		sentence string
		item     trust.Item
		want     string
	}{
		{"it holds a trust root", of(map[string]string{"corp.json": string(content)}), ""},
		{"it does not exist", missing, "the ConfigMap roots does not exist"},
		{"it lacks the key", of(map[string]string{"trusted_root.json": string(content)}), "the ConfigMap roots has no key corp.json"},
		{"it holds something else", of(map[string]string{"corp.json": "x"}), "ConfigMap roots, key corp.json: the content is not a trusted_root.json"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			w.roots.Set([]trust.Item{c.item})
			if c.want == "" {
				mustTrust(t, w.roots, "corp", content)
				w.mustShow(t, "True Loaded: the trust root is in use")
				return
			}
			mustDeny(t, w.roots, "corp", "the TrustRoot corp cannot be used: "+c.want)
			w.mustShow(t, "False Unavailable: "+c.want)
		})
	}
	if _, err := trust.ItemOf(map[string]string{"trusted_root.json": "x"}, v1alpha1.ConfigMapKeyReference{Name: "x"}); err != nil {
		t.Errorf("the default key: %v", err)
	}
}
