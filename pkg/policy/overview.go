package policy

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Overview is what operators watch of a Set.
type Overview struct {
	// Ready and Invalid count the policies: those in force as they are written, and those that deny
	// what they match. The ConfigMap with the identities counts as one policy.
	Ready, Invalid int
	// Waivers are the first moments after the waivers of the policies that have one, by the name of
	// the policy.
	Waivers map[string]time.Time
	// Hosts are the registries that policies name literally, sorted.
	Hosts []string
}

// Overview sums the Set up.
func (s *Set) Overview() Overview {
	o := Overview{Waivers: map[string]time.Time{}}
	hosts := map[string]bool{}
	for _, p := range s.policies {
		o.count(p.broken == "")
		if p.waiver != nil {
			o.Waivers[p.name] = p.waiver.ends
		}
	}
	if s.list != nil {
		o.count(s.list.broken == "")
	}
	charts := [][]pattern{}
	for _, p := range s.policies {
		hosts[p.signatures.Host()] = true
		charts = append(charts, p.charts)
	}
	for _, entry := range s.list.all() {
		charts = append(charts, entry.charts)
	}
	for _, p := range slices.Concat(charts...) {
		if host := p.segments[0]; p.names(host) && !strings.Contains(host, "*") {
			hosts[host] = true
		}
	}
	delete(hosts, "")
	o.Hosts = slices.Sorted(maps.Keys(hosts))
	return o
}

func (o *Overview) count(ready bool) {
	if ready {
		o.Ready++
	} else {
		o.Invalid++
	}
}
