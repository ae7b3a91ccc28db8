package registry

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
)

// TestContentIsReleasedAfterAPanic: the gate recovers from a panic of the verifier; the slot of the
// content in memory must be free afterwards.
func TestContentIsReleasedAfterAPanic(t *testing.T) {
	t.Parallel()
	done := 0
	func() {
		defer func() { _ = recover() }()
		yieldResult(func(attachment.Attachment, error) bool { panic("verifier") }, result{done: func() { done++ }})
	}()
	if more := yieldResult(func(attachment.Attachment, error) bool { return true }, result{done: func() { done++ }}); !more || done != 2 {
		t.Errorf("%d slots are free, more: %v", done, more)
	}
}
