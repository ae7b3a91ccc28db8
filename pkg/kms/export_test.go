package kms

import "time"

// Within returns a Reader that gives up sooner.
func Within(timeout time.Duration) *Reader { return newReader(timeout) }
