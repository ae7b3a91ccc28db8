package inventory

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/source"
)

// helmRelease is the HelmRelease apps/web.
func helmRelease(spec, status string) source.Object {
	return source.Object{ID: source.ID{Kind: "HelmRelease", Namespace: "apps", Name: "web"}, JSON: fmt.Appendf(nil, `{"spec": %s, "status": %s}`, spec, status)}
}

// TestStoredAs: where helm-controller keeps a release next, and what it has recorded.
func TestStoredAs(t *testing.T) {
	for _, c := range []struct{ sentence, spec, status, want string }{
		{"by its own name", `{}`, `{}`, "{apps web} map[]"},
		{"by another name", `{"releaseName": "shop"}`, `{}`, "{apps shop} map[]"},
		{"of another namespace's workloads", `{"targetNamespace": "prod"}`, `{}`, "{apps prod-web} map[]"},
		{"of another namespace's workloads, by a name of its own", `{"releaseName": "shop", "targetNamespace": "prod"}`, `{}`, "{apps shop} map[]"},
		{"in another namespace", `{"storageNamespace": "helm"}`, `{}`, "{helm web} map[]"},
		{"where it is now, until helm-controller has moved it", `{"storageNamespace": "helm"}`, `{"storageNamespace": "old"}`, "{old web} map[]"},
		{"under the name that it had", `{"releaseName": "shop"}`, `{"storageNamespace": "apps", "history": [{"name": "web", "version": 3}, {"name": "web", "version": 2}]}`, "{apps shop} map[{apps web}:[3 2]]"},
		{"unreadable", `"x"`, `{}`, "{ } map[]"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			next, recorded := storedAs(helmRelease(c.spec, c.status))
			if diff := cmp.Diff(c.want, fmt.Sprint(next, recorded)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAttackASuspendedHelmReleaseHidesARelease: a HelmRelease that names a release of helm's own, and is suspended so that
// helm-controller never looks at it, keeps the release in no list. One that helm-controller has recorded is left out.
func TestAttackASuspendedHelmReleaseHidesARelease(t *testing.T) {
	const named = `{"suspend": true, "releaseName": "shop", "storageNamespace": "victim"}`
	for _, c := range []struct {
		sentence, spec, status string
		pending, listed        bool
	}{
		{"named in a spec alone", named, `{}`, false, true},
		{"named in a spec, with a history of another namespace", named, `{"storageNamespace": "apps", "history": [{"name": "shop", "version": 4}]}`, false, true},
		{"named in a spec, with a history without a namespace", named, `{"history": [{"name": "shop", "version": 4}]}`, false, true},
		{"upgraded by hand after helm-controller", named, `{"storageNamespace": "victim", "history": [{"name": "shop", "version": 3}]}`, false, true},
		{"installed by helm-controller", named, `{"storageNamespace": "victim", "history": [{"name": "shop", "version": 4}]}`, false, false},
		{"installed by helm-controller, under a name that it had", `{}`, `{"storageNamespace": "victim", "history": [{"name": "web", "version": 1}, {"name": "shop", "version": 4}]}`, false, false},
		{"being upgraded by helm-controller", named, `{"storageNamespace": "victim", "history": [{"name": "shop", "version": 3}]}`, true, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			key := releaseKey{"victim", "shop"}
			found := map[releaseKey]newest{key: {revision: 4, pending: c.pending}}
			object := helmRelease(c.spec, c.status)
			leaveOut(found, map[source.ID]source.Object{object.ID: object})
			if _, listed := found[key]; listed != c.listed {
				t.Errorf("listed: %t", listed)
			}
		})
	}
}
