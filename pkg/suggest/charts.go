package suggest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/inventory"
)

// notOCI is why charts elsewhere have a waiver.
const notOCI = "not in an OCI registry, so it cannot be signed"

// used is a chart with what is known of its uses.
type used struct {
	at       chart.Location
	objects  []string
	signers  []identity // those that are needed to accept all of its uses; none: a waiver
	why      string     // why it has a waiver
	floating bool
	// asks is set where only a person can say which of the signers is the right one: anyone who can push to a registry
	// can add a signature to a chart.
	asks bool
	// unverified describes the signers beside them whose signatures could not be verified.
	unverified []string
}

// locationOf returns the location in the reference of a row.
func locationOf(row inventory.Row) (chart.Location, error) {
	where := row.Reference
	if scheme, _, _ := strings.Cut(where, "://"); scheme == chart.SchemeGit || scheme == chart.SchemeBucket {
		where, _, _ = strings.Cut(where, "?ref=")
	} else if row.Pinning != "" {
		where, _, _ = strings.Cut(where, "@sha256:")
		if colon := strings.LastIndexByte(where, ':'); colon > strings.LastIndexByte(where, '/') {
			where = where[:colon]
		}
	}
	return chart.ParseLocation(where)
}

// bystanders are the OCI artifacts that no policy is about today: Flux pulls plain manifests, too. A
// policy that matched them would deny them.
func bystanders(rows []inventory.Row, charts []used) []used {
	var all []used
	for _, row := range rows {
		at, err := locationOf(row)
		if row.Object.Kind != "OCIRepository" || row.NamesChart() || row.Reference == "" || err != nil {
			continue
		}
		is := func(c used) bool { return c.at == at }
		if !slices.ContainsFunc(charts, is) && !slices.ContainsFunc(all, is) {
			all = append(all, used{at: at})
		}
	}
	return all
}

// objectOf names the object of a row.
func objectOf(row inventory.Row) string {
	name := row.Object.Name
	if row.Object.Namespace != "" {
		name = row.Object.Namespace + "/" + name
	}
	return oneLine(row.Object.Kind + " " + name)
}

// chartsOf returns the charts of an inventory by their locations, and notes about what cannot be
// suggested.
func chartsOf(rows []inventory.Row) (charts []used, open []string) {
	byLocation := map[chart.Location][]inventory.Row{}
	for _, row := range rows {
		if !row.NamesChart() {
			continue
		}
		at, err := locationOf(row)
		switch {
		case err != nil, row.Reference == "":
			open = append(open, fmt.Sprintf("%s: its reference cannot be read, so nothing is suggested for it. Fix the object: %s", objectOf(row), oneLine(cmp.Or(row.Next, row.Message))))
		case at.IsOCI() && row.Digest == "":
			open = append(open, fmt.Sprintf("%s: %s could not be examined, so nothing is suggested for this use. Fix it and run chartgate suggest again: %s", objectOf(row), oneLine(row.Reference), oneLine(cmp.Or(row.Next, row.Message))))
		default:
			byLocation[at] = append(byLocation[at], row)
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(byLocation), func(a, b chart.Location) int { return cmp.Compare(a.String(), b.String()) }) {
		c, notes := chartOf(at, byLocation[at])
		open = append(open, notes...)
		if c != nil {
			charts = append(charts, *c)
		}
	}
	return charts, open
}

// chartOf says how a chart with these uses can be accepted; nil if not safely.
func chartOf(at chart.Location, rows []inventory.Row) (*used, []string) {
	c := &used{at: at}
	for _, row := range rows {
		if name := objectOf(row); !slices.Contains(c.objects, name) {
			c.objects = append(c.objects, name)
		}
		c.floating = c.floating || row.Pinning == chart.Floating.String()
	}
	slices.Sort(c.objects)
	if !at.IsOCI() {
		c.why = notOCI
		return c, nil
	}
	unsigned := slices.DeleteFunc(slices.Clone(rows), func(row inventory.Row) bool { return !row.Unsigned() })
	if foreign := unverified(unsigned); len(foreign) > 0 {
		return nil, []string{fmt.Sprintf("%s is signed, but by a signer that could not be verified (%s), so it is neither trusted nor waived here. Name the signer in a TrustedIdentity (key.pem for a key, trustRoot for a Sigstore of your own), and run chartgate suggest again with --policy and that file",
			at, strings.Join(foreign, "; "))}
	}
	if len(unsigned) > 0 {
		c.why = "no signature of the chart was found"
		return c, nil
	}
	c.signers, c.asks = signersOf(rows)
	c.unverified = unverified(rows)
	if c.asks = c.asks || len(c.unverified) > 0; !c.asks {
		return c, nil
	}
	return c, []string{fmt.Sprintf("%s has signatures by several signers, and a scan cannot know which of them you trust, so no policy for it is in force: %s. Delete those that are not right from its policy below, and uncomment the rest with the identities that it names",
		at, strings.Join(append(described(c.signers), c.unverified...), "; "))}
}

// described names signers for people.
func described(signers []identity) []string {
	var all []string
	for _, id := range signers {
		all = append(all, oneLine(cmp.Or(id.subject, id.key)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unverified describes the signers of charts whose signatures could not be verified.
func unverified(rows []inventory.Row) []string {
	var all []string
	for _, row := range rows {
		for _, s := range row.Signers {
			if s.Predicate != "" || s.Unverified == "" {
				continue
			}
			who := cmp.Or(s.Subject, s.Key, "an unknown key")
			if text := oneLine(who + ": " + s.Unverified); !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	slices.Sort(all)
	return all
}

// signersOf returns the signers of the uses of a chart, each as one identity or as few as accept all of its uses. It
// reports whether one use has several: then no rule, such as the most frequent one, can tell the right one from one that
// a stranger has added.
func signersOf(rows []inventory.Row) (signers []identity, several bool) {
	sets := map[identity][][]identity{} // by who it is, of each use that it has signed
	for _, row := range rows {
		of := map[identity][]identity{}
		for _, s := range row.Signers {
			if s.Signs() {
				id := identityOf(s)
				of[id.who()] = append(of[id.who()], id)
			}
		}
		for who, ids := range of {
			sets[who] = append(sets[who], ids)
		}
		several = several || len(of) > 1
	}
	for _, each := range sets {
		signers = append(signers, needed(each)...)
	}
	slices.SortFunc(signers, compareIdentities)
	return signers, several
}

// needed returns few identities of one signer, of which each use has one. They differ in what else was verified: one
// signature may have an entry in a log, and another one none.
func needed(sets [][]identity) []identity {
	var chosen []identity
	for len(sets) > 0 {
		counts := map[identity]int{}
		for _, set := range sets {
			for _, id := range set {
				counts[id]++
			}
		}
		best := slices.SortedFunc(maps.Keys(counts), func(a, b identity) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), compareIdentities(a, b))
		})[0]
		chosen = append(chosen, best)
		sets = slices.DeleteFunc(sets, func(set []identity) bool { return slices.Contains(set, best) })
	}
	return chosen
}
