package registry

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
)

// TestHandEvenInPanic: the gate recovers from whatever a verifier does; the place of its
// material must be free again.
func TestHandEvenInPanic(t *testing.T) {
	t.Parallel()
	done := 0
	func() {
		defer func() { _ = recover() }()
		hand(func(attachment.Attachment, error) bool { panic("verifier") }, item{done: func() { done++ }})
	}()
	if more := hand(func(attachment.Attachment, error) bool { return true }, item{done: func() { done++ }}); !more || done != 2 {
		t.Errorf("%d places are free, more: %v", done, more)
	}
}
