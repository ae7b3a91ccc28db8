package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// result is one verdict as "chartgate verify -o json" prints it. Scripts depend on
// the field names.
type result struct {
	Object    objectName     `json:"object"`
	Field     string         `json:"field,omitempty"`
	Reference string         `json:"reference,omitempty"`
	Digest    string         `json:"digest,omitempty"`
	Verdict   string         `json:"verdict"`
	Reason    verdict.Reason `json:"reason,omitempty"`
	Signer    string         `json:"signer,omitempty"`
	Policy    string         `json:"policy,omitempty"`
	Message   string         `json:"message"`

	admitted bool
}

type objectName struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

func toResult(v verdict.Verdict) result {
	r := result{
		Object:    objectName{Kind: v.Subject.Kind, Namespace: v.Subject.Namespace, Name: v.Subject.Name},
		Field:     v.Subject.Field,
		Reference: v.Subject.Reference.String(),
		Digest:    v.Subject.Digest.String(),
		Verdict:   v.String(),
		Reason:    v.Reason(),
		Message:   v.Message(),
		admitted:  v.Admits(),
	}
	var signers, policies []string
	add := func(to *[]string, text string) {
		if !slices.Contains(*to, text) {
			*to = append(*to, text)
		}
	}
	for _, a := range v.Acceptances() {
		add(&policies, a.Policy)
		if a.Identity != "" {
			add(&signers, fmt.Sprintf("%s (%s)", a.Identity, a.Evidence.Signer))
		}
	}
	r.Signer, r.Policy = strings.Join(signers, ", "), strings.Join(policies, ", ")
	return r
}

// noChart is the result for a gated object that makes no chart deployable, such as
// a suspended HelmRelease or an Application from Git.
func noChart(id source.ID) result {
	return result{
		Object:   objectName{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name},
		Verdict:  "Outside",
		Message:  fmt.Sprintf("%s admitted: it makes no chart deployable", id),
		admitted: true,
	}
}

// manyResults is from how many objects on the counts are printed: their lines no longer
// fit on one screen together with their reasons.
const manyResults = 5

func printText(w io.Writer, results []result, passed int) error {
	for _, r := range results {
		text := r.Message
		if r.Verdict == "Verified" {
			text += fmt.Sprintf(": %s, digest %s, signed by %s", r.Reference, r.Digest, r.Signer)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	if len(results)+passed < manyResults {
		return nil
	}
	_, err := fmt.Fprintln(w, counts(results, passed))
	return err
}

// counts sums up what many results say.
func counts(results []result, passed int) string {
	var admitted, denied, warned int
	for _, r := range results {
		switch {
		case !r.admitted:
			denied++
		case r.Verdict == "Warned":
			warned++
		default:
			admitted++
		}
	}
	return fmt.Sprintf("%d admitted, %d denied, %d warned, %d skipped", admitted, denied, warned, passed)
}

func printJSON(w io.Writer, results []result) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string][]result{"results": results})
}

// report prints results; errDenied if one of them denies.
func report(w io.Writer, format string, results []result, passed int) error {
	print := func(w io.Writer, results []result) error { return printText(w, results, passed) }
	if format == "json" {
		print = printJSON
	}
	if err := print(w, results); err != nil {
		return err
	}
	for _, r := range results {
		if !r.admitted {
			return errDenied
		}
	}
	return nil
}
