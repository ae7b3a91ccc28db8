package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// policyTestKind is the kind of files for "chartgate test". It looks like a resource, so that editors
// and reviewers find their way, and it is none: no cluster knows it.
const policyTestKind = "PolicyTest"

// policyTest is such a file: docs/cli.md.
type policyTest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// Policies are paths, relative to the file.
	Policies []string   `json:"policies,omitempty"`
	Cases    []testCase `json:"cases"`

	at place
}

// testCase is something to judge, and what is expected of the verdict.
type testCase struct {
	Name string `json:"name"`
	// Exactly one of these is what is judged. Files are relative to the file of the test.
	Reference string           `json:"reference,omitempty"`
	Files     []string         `json:"files,omitempty"`
	Objects   []map[string]any `json:"objects,omitempty"`
	// Judge is one of the objects, as "HelmRelease apps/podinfo"; the others are what it refers to.
	// Without it, all of them must be as expected.
	Judge string `json:"judge,omitempty"`
	// At is the day or time of the judgement; today if empty.
	At     string      `json:"at,omitempty"`
	Expect expectation `json:"expect"`
}

// expectation is what a verdict must be. What is not given is not compared.
type expectation struct {
	Verdict string         `json:"verdict,omitempty"`
	Reason  verdict.Reason `json:"reason,omitempty"`
	// Policy is one of the policies that match.
	Policy string `json:"policy,omitempty"`
	// Asks are the identities that the matching policies ask for; an empty list is none of them.
	Asks []string `json:"asks,omitempty"`
}

// admitted stands for every verdict that admits.
const admitted = "Admitted"

// verdictNames are what expectation.Verdict can be.
func verdictNames() []string {
	return []string{admitted, "Verified", "AllowedUnverified", "Warned", "Covered", "Outside", "Deferred", "Denied"}
}

var testKinds = kinds{
	names:   map[string][]string{v1alpha1.Group: {policyTestKind}},
	mention: regexp.MustCompile(`\b` + policyTestKind + `\b`),
}

// readTests returns the PolicyTests of files and directories, all of which can be judged. Other
// documents are left alone: they may be policies and manifests.
func readTests(stdin io.Reader, paths []string) ([]policyTest, error) {
	read, err := readDocuments(stdin, paths, testKinds)
	if err != nil {
		return nil, err
	}
	for _, b := range read.broken {
		return nil, fmt.Errorf("%s: %w", b.where, b.err)
	}
	var tests []policyTest
	for _, d := range read.documents {
		if d.object.GetKind() != policyTestKind {
			continue
		}
		if want := v1alpha1.GroupVersion().String(); d.object.GetAPIVersion() != want {
			return nil, fmt.Errorf("%s: write apiVersion: %s for the PolicyTest", d.where, want)
		}
		var decoded []policyTest
		if err := appendStrict(&decoded, d); err != nil {
			return nil, fmt.Errorf("%s: %w", d.where, err)
		}
		test := decoded[0]
		test.at = d.at
		if err := test.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", d.where, err)
		}
		tests = append(tests, test)
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("no PolicyTest found in %s", strings.Join(paths, ", "))
	}
	return tests, nil
}

// check refuses tests that could not fail, and cases that cannot be told apart.
func (t policyTest) check() error {
	if len(t.Cases) == 0 {
		return errors.New("cases: at least one case is needed")
	}
	seen := map[string]bool{}
	for i, c := range t.Cases {
		err := c.check()
		if err == nil && seen[c.Name] {
			err = fmt.Errorf("there are two cases %q", c.Name)
		}
		if err != nil {
			return fmt.Errorf("cases[%d]: %w", i, err)
		}
		seen[c.Name] = true
	}
	return nil
}

func (c testCase) check() error {
	subjects := 0
	for _, given := range []bool{c.Reference != "", len(c.Files) > 0, len(c.Objects) > 0} {
		if given {
			subjects++
		}
	}
	_, err := c.time()
	switch {
	case strings.TrimSpace(c.Name) == "":
		return errors.New("name is missing: say in a sentence what is expected")
	case subjects != 1:
		return errors.New("exactly one of reference, files and objects must be set")
	case c.Judge != "" && c.Reference != "":
		return errors.New("judge is for files and objects: a reference is one chart")
	case err != nil:
		return err
	}
	return c.Expect.check()
}

func (e expectation) check() error {
	switch {
	case e.Verdict == "" && e.Reason == "" && e.Policy == "" && e.Asks == nil:
		return errors.New("expect: verdict, reason, policy or asks must be set, or the case could not fail")
	case e.Verdict != "" && !slices.Contains(verdictNames(), e.Verdict):
		return fmt.Errorf("expect.verdict: %q is not one of %s", e.Verdict, strings.Join(verdictNames(), ", "))
	case e.Reason != "" && !slices.Contains(verdict.Reasons(), e.Reason):
		return fmt.Errorf("expect.reason: there is no reason %q: chartgate explain lists all reasons", e.Reason)
	case e.Reason != "" && e.Verdict != "" && e.Verdict != "Denied" && e.Verdict != "Warned" && e.Verdict != "Deferred" && e.Verdict != admitted:
		return fmt.Errorf("expect.reason: a verdict %s has no reason", e.Verdict)
	default:
		return nil
	}
}

// time is when the case is judged; zero is now.
func (c testCase) time() (time.Time, error) {
	if c.At == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, c.At); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("at: %q is not a day such as 2027-01-31 or a time such as 2027-01-31T12:00:00Z", c.At)
}

// reading returns what the case judges, but for a reference.
func (t policyTest) reading(index int) (reading, error) {
	c := t.Cases[index]
	if len(c.Files) > 0 {
		return readDocuments(strings.NewReader(""), t.relative(c.Files), gatedKinds)
	}
	r := reading{kinds: gatedKinds}
	for i, fields := range c.Objects {
		r.value(place{file: fmt.Sprintf("%s: cases[%d].objects[%d]", t.at, index, i)}, fields)
	}
	return r, nil
}

// relative returns paths that are relative to the file of the test.
func (t policyTest) relative(paths []string) []string {
	var found []string
	for _, path := range paths {
		if path != clusterPath && !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(t.at.file), path)
		}
		found = append(found, path)
	}
	return found
}
