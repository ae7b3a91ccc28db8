package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/config/samples"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := runDemo(t.Context(), &out, expectations()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"All 15 verdicts are the expected ones.", "What a developer reads:",
		"HelmRelease apps/stranger denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/stranger:1.0.0@sha256:",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "UNEXPECTED") {
		t.Error(out.String())
	}
}

// A demo that cannot fail shows nothing.
func TestDemoFails(t *testing.T) {
	for _, c := range []struct {
		sentence string
		want     expectation
	}{
		{"what is admitted should have been denied", expectation{"flux/helmrelease.yaml", verdict.SignatureMissing}},
		{"what is denied should have been admitted", expectation{"denied/unsigned.yaml", ""}},
		{"what is denied should have another reason", expectation{"denied/unsigned.yaml", verdict.IdentityNotAllowed}},
		{"the manifest does not exist", expectation{"denied/absent.yaml", verdict.NoPolicy}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var out bytes.Buffer
			if err := runDemo(t.Context(), &out, []expectation{c.want}); err == nil {
				t.Errorf("no error:\n%s", out.String())
			}
		})
	}
}

// Every sample of an object is in the demo.
func TestDemoIsComplete(t *testing.T) {
	var shown []string
	for _, e := range expectations() {
		shown = append(shown, e.manifest)
	}
	for _, folder := range []string{"flux", "argo", "denied"} {
		entries, err := samples.FS().ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if name := folder + "/" + entry.Name(); !slices.Contains(shown, name) {
				t.Errorf("%s is not shown", name)
			}
		}
	}
}
