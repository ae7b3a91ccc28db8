package helmusers_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestHostileRegistries: a registry that changes its mind while helm downloads cannot hand over
// anything but the chart that was verified.
func TestHostileRegistries(t *testing.T) {
	both(t, func(t *testing.T, u *user) {
		layer := fmt.Sprintf("/blobs/sha256:%x", sha256.Sum256(u.published["podinfo:6.7.1"].archive))
		for _, row := range []struct {
			sentence string
			// hostile changes a registry with the signed podinfo 6.7.1 and the unsigned 7.0.0.
			hostile func(*registrytest.Registry)
			denied  string // "" if helm gets the chart that was verified
		}{
			{"control: an honest one", func(*registrytest.Registry) {}, ""},
			{"the tag moves to an unsigned chart once it was resolved", func(r *registrytest.Registry) {
				r.Fail("/manifests/6.7.1$", func(w http.ResponseWriter, request *http.Request, healthy http.Handler) {
					healthy.ServeHTTP(w, request)
					if err := r.Tag(folder+"/podinfo", "6.7.1", u.published["podinfo:7.0.0"].digest); err != nil {
						panic(err)
					}
				})
			}, ""},
			{"the archive is that of an unsigned chart", func(r *registrytest.Registry) {
				r.Fail(layer, registrytest.Body(u.published["podinfo:7.0.0"].archive))
			}, "Chart denied ("},
			{"the manifest behind the digest is that of an unsigned chart", func(r *registrytest.Registry) {
				unsigned, err := r.Manifest(folder+"/podinfo", "7.0.0")
				if err != nil {
					t.Fatal(err)
				}
				r.Fail("/manifests/"+u.published["podinfo:6.7.1"].digest, registrytest.Body(unsigned))
			}, "Chart denied ("},
			{"the archive ends half-way", func(r *registrytest.Registry) {
				r.Fail(layer, registrytest.Truncated())
			}, "Chart denied ("},
		} {
			t.Run(row.sentence, func(t *testing.T) {
				r := registrytest.New(registrytest.Options{})
				t.Cleanup(r.Close)
				for version, subject := range map[string]string{"6.7.1": workflow, "7.0.0": ""} {
					if _, err := u.fill(r, "podinfo", version, subject); err != nil {
						t.Fatal(err)
					}
				}
				row.hostile(r)
				ended := u.at(t, r.Host()).try(t, "pull", "chartgate://ghcr.io/acme/charts/podinfo/podinfo-6.7.1.tgz")
				if row.denied == "" {
					u.took(t, "podinfo:6.7.1", "podinfo-6.7.1.tgz")
				} else {
					u.denied(t, ended, row.denied, "")
				}
			})
		}
	})
}
