package main

import (
	"os"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	got := theShop(t).command(t, "", "version")
	if got.Code != exitAdmitted || !strings.HasPrefix(got.Stdout, "chartgate ") || strings.TrimSpace(got.Stdout) == "chartgate" {
		t.Errorf("%+v", got)
	}
}

func TestMain(m *testing.M) {
	// The commands' errors go to standard error; the tests compare them themselves.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err == nil {
		os.Stderr = null
	}
	os.Exit(m.Run())
}
