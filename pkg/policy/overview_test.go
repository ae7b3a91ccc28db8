package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
)

func TestOverview(t *testing.T) {
	t.Parallel()
	named := func(name string, spec v1alpha1.ChartPolicySpec) v1alpha1.ChartPolicy {
		p := v1alpha1.ChartPolicy{Spec: spec}
		p.Name = name
		return p
	}
	waived := &v1alpha1.AllowUnverified{Reason: "moving", Until: "2027-01-31"}
	list := "- {name: a, charts: ['oci://list.example/**'], keyless: {issuer: https://i.example, subject: s}}"
	for _, tc := range []struct {
		name string
		in   policy.Input
		want policy.Overview
	}{
		{"nothing", policy.Input{}, policy.Overview{Waivers: map[string]time.Time{}}},
		{
			"a waiver ends when its last day is over; classic hosts and wildcards name no registry",
			policy.Input{Policies: []v1alpha1.ChartPolicy{
				named("legacy", v1alpha1.ChartPolicySpec{
					Match:           v1alpha1.Match{Charts: []string{"https://classic.example/**", "oci://b.example:5000/**", "oci://*.example/**", "oci://**"}},
					AllowUnverified: waived,
				}),
			}},
			policy.Overview{Ready: 1, Waivers: map[string]time.Time{"legacy": time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)}, Hosts: []string{"b.example:5000"}},
		},
		{
			"a policy that does not compile is invalid, and has no waiver",
			policy.Input{Policies: []v1alpha1.ChartPolicy{
				named("broken", v1alpha1.ChartPolicySpec{Match: v1alpha1.Match{Charts: []string{"oci://a.example/**"}}, AllowUnverified: waived, Pinning: "Tight"}),
			}},
			policy.Overview{Invalid: 1, Waivers: map[string]time.Time{}, Hosts: []string{"a.example"}},
		},
		{"the ConfigMap is one policy", policy.Input{ConfigMap: &list}, policy.Overview{Ready: 1, Waivers: map[string]time.Time{}, Hosts: []string{"list.example"}}},
		{"a ConfigMap that is not YAML is invalid", policy.Input{ConfigMap: new("[")}, policy.Overview{Invalid: 1, Waivers: map[string]time.Time{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, _ := policy.Compile(tc.in)
			if diff := cmp.Diff(tc.want, set.Overview()); diff != "" {
				t.Errorf("overview (-want +got):\n%s", diff)
			}
		})
	}
}
