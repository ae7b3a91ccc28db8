package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/policy"
)

// lintPolicies writes to w the warnings that the webhook gives for the same policies, and returns
// an error for one that the webhook would not let into a cluster. What was read from a cluster is
// in there already, and stays in force.
func lintPolicies(w io.Writer, documents []document, in policy.Input, now time.Time) error {
	lint := policy.NewLinter(in, now)
	report := func(is func(document) bool, what string, found policy.Findings) error {
		at := slices.IndexFunc(documents, is)
		if at < 0 {
			return nil
		}
		d := documents[at]
		if d.isStored() {
			found = found.Since(found)
		}
		if refused := fielderr.Join(found.Refused()); refused != nil {
			return fmt.Errorf("%s: %s: %w", d.where, what, refused)
		}
		for _, line := range found.Lines() {
			fmt.Fprintf(w, "warning: %s: %s: %s\n", d.where, what, line)
		}
		return nil
	}
	named := func(kind, name string) func(document) bool {
		return func(d document) bool { return d.isKind(kind) && d.object.GetName() == name }
	}
	for _, obj := range in.Identities {
		if err := report(named("TrustedIdentity", obj.Name), "TrustedIdentity "+obj.Name, lint.Identity(obj)); err != nil {
			return err
		}
	}
	for _, obj := range in.Policies {
		if err := report(named("ChartPolicy", obj.Name), "ChartPolicy "+obj.Name, lint.Policy(obj)); err != nil {
			return err
		}
	}
	if in.ConfigMap == nil {
		return nil
	}
	return report(document.isIdentities, "the identities ConfigMap", lint.ConfigMap(*in.ConfigMap))
}

// isStored reports whether a document was read from a cluster.
func (d document) isStored() bool {
	return d.object.GetResourceVersion() != "" || d.object.GetUID() != ""
}
