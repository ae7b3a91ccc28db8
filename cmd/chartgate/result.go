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
	at       place // of the object; zero for a reference
	verdict  verdict.Verdict
}

// names are the object's name, and that with its kind and the field. A chart that was named on the
// command line has that name.
func (r result) names() (short, full string) {
	short = strings.TrimPrefix(r.Object.Namespace+"/"+r.Object.Name, "/")
	if r.Object.Kind == "Chart" {
		short = r.Reference
	}
	full = r.Object.Kind + " " + short
	if r.Field != "" && r.Field != r.at.String() { // that of a broken document is its place
		full += " " + r.Field
	}
	return short, full
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
		verdict:   v,
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

// line is the result as text; that of a denial has several lines.
func (r result) line() string {
	if r.Verdict == "Verified" {
		return fmt.Sprintf("%s: %s, digest %s, signed by %s", r.Message, r.Reference, r.Digest, r.Signer)
	}
	return r.Message
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

// report is everything that "chartgate verify" says on standard output.
type report struct {
	results []result
	skipped int // documents that were not verified
}

// outputs are the values of --output.
func outputs() []string { return []string{"text", "json", "sarif", "junit"} }

// print writes the report in a format, and returns errDenied if a result denies.
func (r report) print(w io.Writer, format string) error {
	write := r.text
	switch format {
	case "json":
		write = r.json
	case "sarif":
		write = r.sarif
	case "junit":
		write = r.junit
	}
	if err := write(w); err != nil {
		return err
	}
	for _, result := range r.results {
		if !result.admitted {
			return errDenied
		}
	}
	return nil
}

// manyResults is the number of documents from which on their counts are printed: the lines of so
// many no longer fit on one screen.
const manyResults = 5

func (r report) text(w io.Writer) error {
	for _, result := range r.results {
		if _, err := fmt.Fprintln(w, result.line()); err != nil {
			return err
		}
	}
	if len(r.results)+r.skipped >= manyResults {
		if _, err := fmt.Fprintln(w, r.counts()); err != nil {
			return err
		}
	}
	if hint := r.hint(); hint != "" && isTerminal(w) {
		_, err := fmt.Fprintln(w, hint)
		return err
	}
	return nil
}

// hint says how to learn more of the denials, for the person at a terminal.
func (r report) hint() string {
	var reasons []string
	for _, result := range r.results {
		if reason := string(result.Reason); !result.admitted && reason != "" && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return "causes and ways out: chartgate explain " + strings.Join(reasons, ", chartgate explain ")
}

// counts sums up many results.
func (r report) counts() string {
	var admitted, denied, warned int
	for _, result := range r.results {
		switch {
		case !result.admitted:
			denied++
		case result.Verdict == "Warned":
			warned++
		default:
			admitted++
		}
	}
	return fmt.Sprintf("%d admitted, %d denied, %d warned, %d skipped", admitted, denied, warned, r.skipped)
}

func (r report) json(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string][]result{"results": r.results})
}
