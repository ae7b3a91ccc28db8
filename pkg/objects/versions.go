package objects

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// discoveryTimeout bounds each question to the API server about what it serves, which it answers
// from memory.
const discoveryTimeout = 5 * time.Second

// NewMapper returns a mapper that asks the API server what it serves. Without a timeout of its
// client, client-go repeats a question for as long as the API server tells it to come back later,
// and the mapper blocks all other callers for that time.
func NewMapper(config *rest.Config, web *http.Client) (meta.RESTMapper, error) {
	bounded := *web
	bounded.Timeout = discoveryTimeout
	return apiutil.NewDynamicRESTMapper(config, &bounded)
}

// Versions finds the version of a kind that the API server prefers, and gives up at the caller's
// deadline, which a mapper does not know. Make one with NewVersions.
type Versions struct {
	// Mapper asks the API server.
	Mapper meta.RESTMapper
	// asking is golang.org/x/sync's and not package coalesce's: the mapper answers one question at
	// a time, so a caller must join a question that another caller has given up on, and not ask
	// again.
	asking singleflight.Group
}

// NewVersions returns Versions that ask mapper.
func NewVersions(mapper meta.RESTMapper) *Versions { return &Versions{Mapper: mapper} }

// Of returns the mapping of a kind. meta.IsNoMatchError tells that the cluster does not serve it.
func (v *Versions) Of(ctx context.Context, kind schema.GroupKind) (*meta.RESTMapping, error) {
	result := v.asking.DoChan(kind.String(), func() (mapping any, err error) {
		// singleflight ends the process when the work panics.
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
		}()
		return v.Mapper.RESTMapping(kind)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		mapping, _ := r.Val.(*meta.RESTMapping)
		return mapping, r.Err
	}
}
