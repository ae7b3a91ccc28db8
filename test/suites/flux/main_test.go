package flux_test

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// shared is the one control plane, with one pair of controllers, of all tests. Each has a namespace
// of its own.
var shared *site

// TestMain starts and stops it.
func TestMain(m *testing.M) {
	var err error
	shared, err = openSite(context.Background())
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := shared.stop(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}
