package controller

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

// discoveryTimeout bounds each question to the API server about what it serves. It
// answers them from memory.
const discoveryTimeout = 5 * time.Second

// NewMapper returns a mapper that asks the API server what it serves. Without a
// timeout of the client's, client-go repeats a question for as long as the API
// server tells it to come back later, and the mapper lets nobody else ask.
func NewMapper(config *rest.Config, web *http.Client) (meta.RESTMapper, error) {
	bounded := *web
	bounded.Timeout = discoveryTimeout
	return apiutil.NewDynamicRESTMapper(config, &bounded)
}

// versions finds served versions, and gives up at the caller's deadline: a mapper
// knows none.
type versions struct {
	mapper meta.RESTMapper
	asking singleflight.Group
}

func (v *versions) of(ctx context.Context, kind schema.GroupKind) (*meta.RESTMapping, error) {
	result := v.asking.DoChan(kind.String(), func() (mapping any, err error) {
		// singleflight turns a panic into the death of the process.
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
		}()
		return v.mapper.RESTMapping(kind)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		mapping, _ := r.Val.(*meta.RESTMapping)
		return mapping, r.Err
	}
}
