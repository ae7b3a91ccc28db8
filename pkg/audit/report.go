package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// A flavor is one of the two APIs for reports. They have the fields in common that are used here,
// so there is one Go type for both. (The Go types of github.com/openreports/reports-api write a time
// into each result, 1970 if there is none.)
type flavor schema.GroupVersionKind

// flavors are tried in this order.
var flavors = []flavor{
	{Group: "openreports.io", Version: "v1alpha1", Kind: "Report"},
	{Group: "wgpolicyk8s.io", Version: "v1alpha2", Kind: "PolicyReport"},
}

// report says what was found about one object.
type report struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Scope             *corev1.ObjectReference `json:"scope,omitempty"`
	Summary           summary                 `json:"summary"`
	Results           []result                `json:"results,omitempty"`
}

type summary struct {
	Pass  int `json:"pass"`
	Fail  int `json:"fail"`
	Warn  int `json:"warn"`
	Error int `json:"error"`
	Skip  int `json:"skip"`
}

// result is about one row, or one finding about a row.
type result struct {
	Source     string            `json:"source"`
	Category   string            `json:"category"`
	Policy     string            `json:"policy"`
	Rule       string            `json:"rule"`
	Result     string            `json:"result"`
	Severity   string            `json:"severity,omitempty"`
	Message    string            `json:"message,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

// The properties of results. The report is also what chartgate remembers: field and reference
// identify a row, decided to accepted-digest are its past.
const (
	propertyField          = "field"
	propertyReference      = "reference"
	propertyVerdict        = "verdict"
	propertyDigest         = "digest"
	propertyDeployed       = "deployed"
	propertyFinding        = "finding"
	propertyDecided        = "decided"
	propertyAcceptedBy     = "accepted-by"
	propertyAcceptedDigest = "accepted-digest"
)

const (
	// reporter is the source of results and the reporting controller of Events.
	reporter = "chartgate"
	category = "Chart signatures"

	managedByLabel = "app.kubernetes.io/managed-by"
	// markAnnotation holds a mark, by which a run sees that nothing has changed.
	markAnnotation = "chartgate.dev/audit"

	// maxRows bounds a report, which must fit into an object of the API server: a message has up to
	// 4 KiB. Most objects have one row; an Application has one for each source and operation.
	maxRows = 64
)

// newReport makes the report about an object.
func newReport(kind flavor, of inventory.Object, rows []judged, m mark) report {
	apiVersion := schema.GroupVersion{Group: of.Group, Version: of.Version}.String()
	r := report{
		TypeMeta: metav1.TypeMeta{APIVersion: schema.GroupVersion{Group: kind.Group, Version: kind.Version}.String(), Kind: kind.Kind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: of.Namespace, Name: reportName(of),
			Labels:          map[string]string{managedByLabel: reporter},
			Annotations:     map[string]string{markAnnotation: m.String()},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: apiVersion, Kind: of.Kind, Name: of.Name, UID: types.UID(of.UID)}},
		},
		Scope: &corev1.ObjectReference{APIVersion: apiVersion, Kind: of.Kind, Namespace: of.Namespace, Name: of.Name, UID: types.UID(of.UID)},
	}
	for _, row := range rows[:min(len(rows), maxRows)] {
		r.Results = append(r.Results, resultsOf(row)...)
	}
	if more := len(rows) - maxRows; more > 0 {
		r.Results = append(r.Results, result{
			Source: reporter, Category: category, Policy: noPolicy, Rule: "MoreCharts", Result: "skip",
			Message: fmt.Sprintf("it names %d more charts; a report holds %d", more, maxRows),
		})
	}
	for _, each := range r.Results {
		r.Summary.count(each.Result)
	}
	return r
}

func (s *summary) count(result string) {
	switch result {
	case "pass":
		s.Pass++
	case "warn":
		s.Warn++
	case "skip":
		s.Skip++
	case "error":
		s.Error++
	default:
		s.Fail++
	}
}

// reportName is readable, and at most as long as a name can be.
func reportName(of inventory.Object) string {
	const longest = 253
	name := strings.ToLower(reporter + "-" + of.Kind + "-" + of.Name)
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:longest-9] + "-" + hex.EncodeToString(sum[:4])
}

// noPolicy is the policy of a result where no policy has a say: the field is required.
const noPolicy = "none"

func resultsOf(j judged) []result {
	of := result{
		Source: reporter, Category: category, Policy: cmp.Or(strings.Join(j.row.Policies, ", "), noPolicy),
		Rule: cmp.Or(string(j.row.Reason), j.row.Verdict), Message: j.row.Message,
		Properties: properties(
			propertyField, j.row.Field, propertyReference, j.row.Reference, propertyVerdict, j.row.Verdict,
			propertyDigest, j.row.Digest, propertyDeployed, j.row.Deployed.Revision, propertyDecided, string(j.now.decided),
			propertyAcceptedBy, j.now.acceptedBy, propertyAcceptedDigest, j.now.acceptedDigest,
		),
	}
	of.Result, of.Severity = grade(j)
	all := []result{of}
	for _, finding := range j.now.findings {
		about := of
		about.Rule, about.Message = string(finding.Kind), finding.Detail
		about.Result, about.Severity = gradeOf(finding.Kind)
		about.Properties = properties(propertyField, j.row.Field, propertyReference, j.row.Reference, propertyFinding, string(finding.Kind))
		all = append(all, about)
	}
	return all
}

// properties are pairs of names and values, without those that have no value.
func properties(pairs ...string) map[string]string {
	all := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			all[pair[0]] = pair[1]
		}
	}
	return all
}

// grade is the result of a row in the words of the report APIs.
func grade(j judged) (result, severity string) {
	switch {
	case j.row.Verdict == "Deferred" || j.row.Verdict == "Outside":
		return "skip", ""
	case j.outcome == passes:
		return "pass", ""
	case j.outcome == undecided:
		return "error", "medium"
	case j.row.Verdict == "Warned":
		return "warn", "medium"
	default:
		return "fail", "high"
	}
}

func gradeOf(finding inventory.FindingKind) (result, severity string) {
	switch finding {
	case inventory.WaiverEnding:
		return "warn", "low"
	case inventory.TagMoved:
		return "warn", "medium"
	default:
		return "fail", "high"
	}
}

// pasts reads back what is remembered of the rows.
func (r report) pasts() map[key]*past {
	all := map[key]*past{}
	of := func(about result) *past {
		k := key{about.Properties[propertyField], about.Properties[propertyReference]}
		if all[k] == nil {
			all[k] = &past{}
		}
		return all[k]
	}
	for _, each := range r.Results {
		switch {
		case each.Properties[propertyFinding] != "":
			p := of(each)
			p.findings = append(p.findings, inventory.Finding{Kind: inventory.FindingKind(each.Properties[propertyFinding]), Detail: each.Message})
		case each.Properties[propertyVerdict] != "":
			p := of(each)
			p.decided = outcome(each.Properties[propertyDecided])
			p.acceptedBy, p.acceptedDigest = each.Properties[propertyAcceptedBy], each.Properties[propertyAcceptedDigest]
		}
	}
	return all
}

// mark is what a run must know of an object to see that nothing has changed, and to count what has
// been found about it.
type mark struct {
	rows  string // identifies the rows
	found [len(findingKinds)]int
}

// findingKinds are the kinds of findings, in the order in which marks count them.
var findingKinds = [...]inventory.FindingKind{inventory.TagMoved, inventory.NoLongerTrusted, inventory.WaiverEnding}

// format is the version of what reports hold: a new one rewrites all reports.
const format = "1"

// identify returns what identifies rows: equal rows, an equal text.
func identify(of inventory.Object, rows []inventory.Row) (string, error) {
	text, err := json.Marshal(struct {
		Format, Version, UID string
		Rows                 []inventory.Row
	}{format, of.Version, of.UID, rows})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12]), nil
}

// markOf is the mark of rows that were judged.
func markOf(identity string, rows []judged) mark {
	m := mark{rows: identity}
	for _, row := range rows {
		for i, kind := range findingKinds {
			if has(row.now.findings, kind) {
				m.found[i]++
			}
		}
	}
	return m
}

func (m mark) String() string {
	text := m.rows
	for _, n := range m.found {
		text += fmt.Sprintf("/%d", n)
	}
	return text
}

// parseMark reads a mark. One that cannot be read belongs to no rows.
func parseMark(text string) mark {
	var m mark
	rows, counts, _ := strings.Cut(text, "/")
	if n, err := fmt.Sscanf(counts, "%d/%d/%d", &m.found[0], &m.found[1], &m.found[2]); err != nil || n != len(m.found) {
		return mark{}
	}
	m.rows = rows
	return m
}
