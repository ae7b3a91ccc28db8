package policy

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
)

// ownerRegistries are registries whose first path segment is an owner: no chart is there. Anyone
// can push to them, below an owner of their own.
func ownerRegistries() []string {
	return []string{"ghcr.io", "docker.io", "quay.io", "registry.gitlab.com", "public.ecr.aws"}
}

// ownerForges are Git servers on which anyone can have a repository, and ownerStores are stores in
// which anyone can have a bucket.
func ownerForges() []string {
	return []string{"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}
}

func ownerStores() []string { return []string{"s3.amazonaws.com", "storage.googleapis.com"} }

// knownRegistries are hosts that a misspelled host is compared with. Those that differ in one
// letter only are here so that none is taken for another one.
func knownRegistries() []string {
	return append(ownerRegistries(), "gcr.io", "lscr.io", "nvcr.io", "mcr.microsoft.com", "registry.k8s.io", "cgr.dev", "registry-1.docker.io")
}

// websites are hosts that are taken for registries, and the registries that are meant.
func websites() map[string]string {
	return map[string]string{
		"github.com": "ghcr.io", "www.github.com": "ghcr.io", "gitlab.com": "registry.gitlab.com",
		"hub.docker.com": "docker.io", "docker.com": "docker.io", "artifacthub.io": "the registry that Artifact Hub shows for the chart",
	}
}

// folderNames are names of folders of charts. A chart is seldom called so.
func folderNames() []string { return []string{"charts", "chart", "helm", "helm-charts", "helmcharts"} }

// stranger is a name that no author writes into a pattern or expression: what matches it matches
// any name.
const stranger = "zzstrangerzz"

// readable returns the patterns that can be read, with their places in the list.
func readable(texts []string) map[int]pattern {
	patterns := map[int]pattern{}
	for i, text := range texts {
		if p, err := parsePattern(text); err == nil {
			patterns[i] = p
		}
	}
	return patterns
}

func (l Linter) lintMatch(found *Findings, path *field.Path, spec v1alpha1.ChartPolicySpec) {
	lintCharts(found, path.Child("charts"), spec)
	lintTwice(found, path.Child("exclude"), spec.Match.Exclude)
	lintExclude(found, path, spec.Match)
}

func lintCharts(found *Findings, path *field.Path, spec v1alpha1.ChartPolicySpec) {
	lintTwice(found, path, spec.Match.Charts)
	patterns := readable(spec.Match.Charts)
	for i := range spec.Match.Charts {
		p, ok := patterns[i]
		if !ok {
			continue
		}
		if why := p.unlikely(); why != "" {
			found.warn(path.Index(i), why)
			continue
		}
		switch {
		case spec.AllowUnverified != nil:
			if who := p.anyone(); who != "" {
				found.warn(path.Index(i), fmt.Sprintf("the waiver admits every chart of %s without verification until %s; "+
					"name the repository of the charts that it is for", who, spec.AllowUnverified.Until))
			}
		case p.scheme != chart.SchemeOCI && spec.Mode != v1alpha1.ModeWarn:
			found.warn(path.Index(i), fmt.Sprintf("denies every chart that it matches, because a chart outside of OCI registries (%s://) "+
				"cannot carry a signature; to admit these charts, write a policy with allowUnverified", p.scheme))
		}
	}
}

// unlikely says why the pattern hardly matches the charts that are meant, "" if nothing is known
// against it.
func (p pattern) unlikely() string {
	host, rest := p.segments[0], p.segments[1:]
	last := p.segments[len(p.segments)-1]
	replaced := func(host string) string { return p.scheme + "://" + strings.Join(append([]string{host}, rest...), "/") }
	website := websites()[host]
	switch {
	case p.scheme == chart.SchemeOCI && website != "":
		return fmt.Sprintf("%s is not a registry; its charts are at %s", quoted(host), website)
	case p.scheme != chart.SchemeOCI && slices.Contains(knownRegistries(), host):
		return fmt.Sprintf("charts at %s are in an OCI registry; write %s", host, chart.SchemeOCI+strings.TrimPrefix(replaced(host), p.scheme))
	case p.scheme == chart.SchemeOCI && misspelled(host, knownRegistries()) != "":
		return fmt.Sprintf("%s is almost %s; write %s if that is meant", quoted(host), misspelled(host, knownRegistries()), replaced(misspelled(host, knownRegistries())))
	case p.scheme != chart.SchemeOCI:
		return ""
	case slices.Contains(ownerRegistries(), host) && len(rest) == 1 && last == "*":
		return fmt.Sprintf(`matches no chart, because %s has charts at OWNER/CHART or deeper; write %s`, host, p.scheme+"://"+host+"/**")
	case slices.Contains(ownerRegistries(), host) && len(rest) == 1 && last != anyDepth:
		return fmt.Sprintf("matches no chart, because %s names an owner at %s; for the charts below it, write %s/**", quoted(last), host, p)
	case slices.Contains(folderNames(), last) && len(rest) > 0:
		return fmt.Sprintf("matches only a chart that is called %s; for the charts below it, write %s/**", quoted(last), p)
	default:
		return ""
	}
}

// misspelled returns the name of the list that differs from a name in one letter, "" if there is
// none, or if the name is in the list itself.
func misspelled(name string, known []string) string {
	if slices.Contains(known, name) || len(name) < 5 {
		return ""
	}
	for _, right := range known {
		if editDistance(name, right) == 1 {
			return right
		}
	}
	return ""
}

// anyone says whose charts the pattern matches if these are everyone's, "" otherwise.
func (p pattern) anyone() string {
	any, _ := languageOf(p.scheme + `://(?:[a-z]+\.)?` + stranger + `\.(?:com|io)/.*`)
	switch {
	case languageOfPattern(p).meets(any) != yes:
	case p.scheme == chart.SchemeOCI:
		return "every OCI registry"
	default:
		return "every server"
	}
	hosts := ownerRegistries()
	switch p.scheme {
	case chart.SchemeGit:
		hosts = ownerForges()
	case chart.SchemeBucket:
		hosts = ownerStores()
	}
	for _, host := range hosts {
		owner, _ := languageOf(p.scheme + "://" + strings.ReplaceAll(host, ".", `\.`) + "/[a-z]*" + stranger + "[a-z]*/.*")
		if languageOfPattern(p).meets(owner) == yes {
			return "every owner at " + host + ", where anyone can push,"
		}
	}
	return ""
}

func lintExclude(found *Findings, path *field.Path, match v1alpha1.Match) {
	charts, exclude := readable(match.Charts), readable(match.Exclude)
	if len(charts) < len(match.Charts) {
		return // the policy is broken, and what it matches is not known
	}
	for i := range match.Exclude {
		e, ok := exclude[i]
		if !ok {
			continue
		}
		at := path.Child("exclude").Index(i)
		var covered, met []int
		for c := range match.Charts {
			if e.coversAll(charts[c]) {
				covered = append(covered, c)
			}
			if e.meets(charts[c]) {
				met = append(met, c)
			}
		}
		switch {
		case len(covered) == len(match.Charts) && len(covered) > 0:
			found.refuse(at, match.Exclude[i], "excludes everything that charts names, so the policy applies to no chart; exclude less, or delete the policy")
		case len(covered) > 0:
			found.warn(at, fmt.Sprintf("excludes all of charts[%d], %s; exclude less, or remove that pattern", covered[0], match.Charts[covered[0]]))
		case len(met) == 0:
			found.warn(at, excludesNothing(e, match.Charts, charts))
		}
	}
}

// excludesNothing explains an exclusion that no pattern of charts meets.
func excludesNothing(e pattern, texts []string, charts map[int]pattern) string {
	const none = "excludes nothing, because no pattern of charts matches anything below it"
	for i, text := range texts {
		deep := charts[i]
		deep.segments = append(slices.Clone(deep.segments), anyDepth)
		if e.meets(deep) {
			return fmt.Sprintf("excludes nothing, because charts[%d], %s, does not match charts below it; write %s/** there if they are meant", i, text, text)
		}
	}
	return none
}

func lintTwice(found *Findings, path *field.Path, texts []string) {
	for i, text := range texts {
		if first := slices.Index(texts, text); first < i {
			found.warn(path.Index(i), fmt.Sprintf("is the same as %s[%d]; remove one of them", path.String()[strings.LastIndex(path.String(), ".")+1:], first))
		}
	}
}

// lintWaiver checks the last day of a waiver. It never refuses: the day passes while the policy is
// in Git, and applying it again must not fail with everything that is applied beside it.
func (l Linter) lintWaiver(found *Findings, path *field.Path, spec v1alpha1.ChartPolicySpec) {
	if spec.AllowUnverified == nil {
		return
	}
	at := path.Child("allowUnverified", "until")
	day, err := parseDay(spec.AllowUnverified.Until)
	switch {
	case err != nil: // CheckPolicy refuses it
	case !l.now.Before(day.AddDate(0, 0, 1)):
		found.warn(at, fmt.Sprintf("%s has passed, so the policy denies every chart that it matches; write a later day, or delete the policy", spec.AllowUnverified.Until))
	case day.Year() >= endless:
		found.warn(at, fmt.Sprintf("%s is no end; write a day on which you want to look at the waiver again", spec.AllowUnverified.Until))
	}
}

// endless is the first year that cannot be meant as the end of a waiver.
const endless = 2100
