package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifyLinks(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"..2026/repository.yaml": acmeRepository, "..2026/release.yaml": release("podinfo", ""), "elsewhere/unsigned.yaml": release("unsigned", "")})
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// A mounted ConfigMap: each file is a link through a link to a hidden folder.
	link("..2026", "..data")
	link("..data/repository.yaml", "repository.yaml")
	link("..data/release.yaml", "release.yaml")
	link(".", "circle")
	if files, err := filesOf(dir); err != nil || len(files) != 3 {
		t.Errorf("three files are found as %v, %v", files, err)
	}
	got := s.verifyFolder(t, dir)
	if got.Code != exitDenied || strings.Count(got.Stdout, podinfoVerified) != 1 || strings.Count(got.Stdout, "HelmRelease apps/unsigned denied") != 1 {
		t.Errorf("%+v", got)
	}
	link("nowhere", "gone.yaml")
	got = s.verifyFolder(t, dir)
	if got.Code != exitDenied || !strings.Contains(got.Stdout, "gone.yaml denied (ReferenceInvalid): the file cannot be read") || !strings.Contains(got.Stdout, podinfoVerified) {
		t.Errorf("a broken link: %+v", got)
	}
}

func TestVerifyHugeFiles(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"repository.yaml": acmeRepository, "release.yaml": release("podinfo", "")})
	huge, err := os.Create(filepath.Join(dir, "huge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer huge.Close()
	if err := huge.Truncate(maxFile + 1); err != nil {
		t.Fatal(err)
	}
	got := s.verifyFolder(t, dir)
	if got.Code != exitDenied || !strings.Contains(got.Stdout, "huge.yaml denied (LimitExceeded)") || !strings.Contains(got.Stdout, podinfoVerified) {
		t.Errorf("%+v", got)
	}
}
