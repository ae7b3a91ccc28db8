package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
)

// Summary counts what an inventory holds. A row counts if it names a chart; the others are
// repositories of charts, and objects that deploy none.
type Summary struct {
	// Objects and Charts are the numbers of rows, and of different references in them.
	Objects int `json:"objects"`
	Charts  int `json:"charts"`
	// Verdicts are the numbers of rows by their verdict, of rows that name a chart.
	Verdicts map[string]int `json:"verdicts"`
	// Unsigned have been examined, and carry no signature of the chart that could be verified.
	Unsigned int `json:"unsigned"`
	// Foreign are those of Unsigned with signatures that could not be verified.
	Foreign int `json:"foreign"`
	// NoPolicy are denied or not judged because no policy matches.
	NoPolicy int `json:"noPolicy"`
	// NoPin float: the same reference means other content tomorrow.
	NoPin int `json:"noPin"`
	// Unknown could not be examined: the registry did not give what that needs.
	Unknown int `json:"unknown"`
	// TagMoved and WaiverEnding are the numbers of rows with these findings.
	TagMoved     int `json:"tagMoved"`
	WaiverEnding int `json:"waiverEnding"`
	// NotOCI are the numbers of rows by namespace whose charts come from classic Helm repositories,
	// Git or buckets: the migration list.
	NotOCI map[string]int `json:"notOCI,omitempty"`
}

// Summarize counts rows.
func Summarize(rows []Row) Summary {
	s := Summary{Objects: len(rows), Verdicts: map[string]int{}, NotOCI: map[string]int{}}
	charts := map[string]bool{}
	for _, row := range rows {
		s.count(row, charts)
	}
	s.Charts = len(charts)
	return s
}

func (s *Summary) count(row Row, charts map[string]bool) {
	if row.Elsewhere() {
		s.NotOCI[row.Object.Namespace]++
	}
	if !row.NamesChart() {
		return
	}
	if row.Reference != "" {
		charts[row.Reference] = true
	}
	s.Verdicts[row.Verdict]++
	for is, n := range map[*int]bool{
		&s.Unsigned:     row.Unsigned(),
		&s.Foreign:      row.Unsigned() && len(row.Signers) > 0,
		&s.NoPolicy:     row.Reason == "NoPolicy",
		&s.NoPin:        row.Pinning == chart.Floating.String(),
		&s.Unknown:      row.Digest == "" && !row.Elsewhere(),
		&s.TagMoved:     row.Has(TagMoved),
		&s.WaiverEnding: row.Has(WaiverEnding),
	} {
		if n {
			*is++
		}
	}
}

// NamesChart reports whether the row is about a chart, readable or not.
func (r Row) NamesChart() bool { return r.Object.Kind != "HelmRepository" && r.Verdict != "Outside" }

// Elsewhere reports whether the row's charts come from somewhere else than an OCI registry.
func (r Row) Elsewhere() bool {
	return r.Reference != "" && !strings.HasPrefix(r.Reference, chart.SchemeOCI+"://") || r.Reason == "NotOCI"
}

// Unsigned reports whether the chart was examined, and carries no verified signature of the chart.
func (r Row) Unsigned() bool { return r.Digest != "" && !slices.ContainsFunc(r.Signers, Signer.Signs) }

// Signs reports whether a signer is proven to have signed the chart itself.
func (s Signer) Signs() bool { return s.Predicate == "" && s.Unverified == "" }

// Has reports whether the row has a finding of that kind.
func (r Row) Has(kind FindingKind) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == kind })
}

// Words says what the inventory holds, for people, in lines.
func (i Inventory) Words() []string {
	s := i.Summary
	named := 0
	for _, n := range s.Verdicts {
		named += n
	}
	lines := []string{fmt.Sprintf("%s %s, with %s.", count(named, "place", "places"), verb(named, "names a chart", "name charts"), count(s.Charts, "different reference", "different references"))}
	if i.Policies == "" {
		lines = append(lines, "There are no policies, so nothing is judged.")
	} else {
		pass := named - s.Verdicts[denied] - s.Verdicts["Warned"] - s.Verdicts["Deferred"]
		lines = append(lines, fmt.Sprintf("Under %s, %d would pass, %d would pass with a warning, and %d would be denied.", i.Policies, pass, s.Verdicts["Warned"]+s.Verdicts["Deferred"], s.Verdicts[denied]))
	}
	if denied := i.deniedRepositories(); denied > 0 {
		lines = append(lines, fmt.Sprintf("%s would be denied when %s written.", count(denied, "HelmRepository", "HelmRepositories"), verb(denied, "it is", "they are")))
	}
	lines = append(lines, fmt.Sprintf("Without a verified signature: %d (%d of them signed by an unknown signer). Without a policy: %d. Without a pin: %d.", s.Unsigned, s.Foreign, s.NoPolicy, s.NoPin))
	if s.Unknown > 0 {
		lines = append(lines, fmt.Sprintf("%d could not be examined: their messages say why.", s.Unknown))
	}
	if s.TagMoved > 0 {
		lines = append(lines, fmt.Sprintf("%d deploy another digest than their tag means now.", s.TagMoved))
	}
	if s.WaiverEnding > 0 {
		lines = append(lines, fmt.Sprintf("%d pass by a waiver that ends within 14 days.", s.WaiverEnding))
	}
	if len(i.Outside) > 0 {
		lines = append(lines, fmt.Sprintf("Outside the gate: helm itself installed %s.", count(len(i.Outside), "release", "releases")))
	}
	return append(lines, s.migration()...)
}

// deniedRepositories counts what is denied and names no chart.
func (i Inventory) deniedRepositories() (n int) {
	for _, row := range i.Rows {
		if row.Denied() && !row.NamesChart() {
			n++
		}
	}
	return n
}

// migration lists the namespaces whose charts do not come from OCI registries.
func (s Summary) migration() []string {
	if len(s.NotOCI) == 0 {
		return nil
	}
	lines := []string{"To be moved to an OCI registry, because they use classic repositories, Git or buckets, by namespace:"}
	for _, namespace := range slices.Sorted(maps.Keys(s.NotOCI)) {
		lines = append(lines, fmt.Sprintf("  %s: %s", namespace, count(s.NotOCI[namespace], "object", "objects")))
	}
	return lines
}

func count(n int, one, many string) string { return fmt.Sprintf("%d %s", n, verb(n, one, many)) }

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
