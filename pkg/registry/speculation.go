package registry

import (
	"context"
	"errors"
	"fmt"
	"path"

	"oras.land/oras-go/v2/errdef"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/problem"
)

// speculation is a request for a manifest that is sent before it is known to be necessary, at the
// same time as a necessary one. It saves a round trip if it turns out to be necessary, and costs a
// request if not. It has no influence on the verdict: it is sent only if it does not have to wait
// for a slot of the host, it is not retried, and every result other than a manifest, or the answer
// that the manifest does not exist, is ignored. The search does not wait for it longer than for the
// request that it replaces, and cancels it when it has found enough.
type speculation struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when found and err are set
	found  content
	err    error
}

// speculate sends a request for the manifest under a tag. The speculation must be stopped.
func (r *repository) speculate(ctx context.Context, tag string) *speculation {
	ctx, cancel := context.WithCancel(ctx)
	s := &speculation{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer func() {
			if p := recover(); p != nil {
				s.err = fmt.Errorf("panic: %v", p)
			}
		}()
		s.found, s.err = r.get(ctx, "manifests/"+tag, requestOptions{maxBytes: maxManifest, speculative: true})
	}()
	return s
}

// answer waits for the outcome, and reports whether it can be used. A nil speculation has no
// result.
func (s *speculation) answer() (found content, err error, ok bool) {
	if s == nil {
		return content{}, nil, false
	}
	<-s.done
	known, _ := errors.AsType[requestError](s.err)
	usable := s.err == nil || errors.Is(s.err, errdef.ErrNotFound) || known.kind == problem.KindLimitExceeded
	return s.found, s.err, usable
}

// stop cancels the request and waits for its end.
func (s *speculation) stop() {
	if s != nil {
		s.cancel()
		<-s.done
	}
}

// folderKey is the key of the folder of the repository: most publishers sign all charts of a folder
// in the same way.
func (r *repository) folderKey() hostKey {
	key := r.key()
	key.host += "/" + path.Dir(r.at.Path())
	return key
}

// observeFormat records the format of the attachment that was sufficient, so that the next search
// in the folder sends no request for legacy signatures early if bundles are used there.
func (r *repository) observeFormat(format attachment.Format) {
	switch format {
	case attachment.Bundle:
		r.client.bundlesOnly.Add(r.folderKey(), struct{}{})
	case attachment.Legacy, attachment.LegacyAttestation:
		r.client.bundlesOnly.Remove(r.folderKey())
	}
}
