package inventory

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/source"
)

// TestStoredAs: a release of helm-controller is not one that helm itself installed, under whatever
// name and in whatever namespace helm-controller keeps it.
func TestStoredAs(t *testing.T) {
	for _, c := range []struct{ sentence, spec, status, want string }{
		{"by its own name", `{}`, `{}`, "[{apps web}]"},
		{"by another name", `{"releaseName": "shop"}`, `{}`, "[{apps shop}]"},
		{"of another namespace's workloads", `{"targetNamespace": "prod"}`, `{}`, "[{apps prod-web}]"},
		{"of another namespace's workloads, by a name of its own", `{"releaseName": "shop", "targetNamespace": "prod"}`, `{}`, "[{apps shop}]"},
		{"in another namespace", `{"storageNamespace": "helm"}`, `{}`, "[{helm web}]"},
		{"where it is now, until helm-controller has moved it", `{"storageNamespace": "helm"}`, `{"storageNamespace": "old"}`, "[{old web}]"},
		{"under the name that it had", `{"releaseName": "shop"}`, `{"history": [{"name": "web"}]}`, "[{apps shop} {apps web}]"},
		{"unreadable", `"x"`, `{}`, "[]"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			object := source.Object{ID: source.ID{Kind: "HelmRelease", Namespace: "apps", Name: "web"}, JSON: fmt.Appendf(nil, `{"spec": %s, "status": %s}`, c.spec, c.status)}
			if diff := cmp.Diff(c.want, fmt.Sprint(storedAs(object))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
