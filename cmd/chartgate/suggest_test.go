package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// ociRelease deploys a chart of the shop; floating by a range.
func ociRelease(chart string, floating bool) string {
	return documentsOf(ociSource(chart, floating), fmt.Sprintf(`
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %[1]s, namespace: apps}
spec: {chartRef: {kind: OCIRepository, name: %[1]s}}
`, nameOf(chart)))
}

// ociSource pulls an artifact of the shop.
func ociSource(chart string, floating bool) string {
	ref := "tag: 1.0.0"
	if floating {
		ref = `semver: ">=1.0.0"`
	}
	return fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: %s, namespace: apps}
spec: {url: "oci://ghcr.io/acme/%s", ref: {%s}}
`, nameOf(chart), chart, ref)
}

func nameOf(chart string) string { return strings.ReplaceAll(chart, "/", "-") }

// suggest runs the command on manifests, with the trust root of the shop.
func (s *shop) suggest(t *testing.T, manifests string, more ...string) ran {
	t.Helper()
	dir := s.files(t, map[string]string{"root.json": string(s.root), "objects.yaml": manifests})
	return s.command(t, "", append([]string{"suggest", "-f", dir + "/objects.yaml", "--trusted-root", dir + "/root.json", "--plain-http", s.host}, more...)...)
}

// under scans manifests under policies: the verdicts by object, and what was said beside them.
func (s *shop) under(t *testing.T, manifests, policies string) (map[string]string, ran) {
	t.Helper()
	dir := s.files(t, map[string]string{"policy.yaml": policies, "root.json": string(s.root), "objects.yaml": manifests})
	got := s.command(t, "", "scan", "-o", "json", "-f", dir+"/objects.yaml", "--policy", dir+"/policy.yaml", "--trusted-root", dir+"/root.json", "--plain-http", s.host)
	verdicts := map[string]string{}
	for _, row := range scanJSON(t, got) {
		verdicts[row.Object] = row.Verdict
	}
	return verdicts, got
}

// What is suggested admits everything that was found. Of a chart that a stranger signs instead, it
// denies that chart and no other.
func TestWhatIsSuggestedAdmitsExactlyWhatRuns(t *testing.T) {
	const workflow = "https://github.com/acme/charts/.github/workflows/"
	subjects := []string{
		"", "release@acme.example", "vendor@partner.example", workflow + "release.yaml@refs/heads/main",
		workflow + "release.yaml@refs/tags/v1.0.0", workflow + "release.yaml@refs/tags/v2.0.0", workflow + "other.yaml@refs/tags/v1.0.0",
	}
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 11))
			signers := map[string]string{}
			for range 2 + random.IntN(14) {
				var segments []string
				for range 1 + random.IntN(3) {
					segments = append(segments, string(rune('a'+random.IntN(3))))
				}
				signers[strings.Join(segments, "/")] = subjects[random.IntN(len(subjects))]
			}
			charts := slices.Sorted(maps.Keys(signers))
			var sources []string
			for _, chart := range charts {
				sources = append(sources, ociRelease(chart, random.IntN(4) == 0))
			}
			// Manifests that Flux pulls from the same registry, of which no policy speaks today.
			bystander := "c/" + string(rune('a'+random.IntN(3))) + "/manifests"
			signers[bystander] = ""
			sources = append(sources, ociSource(bystander, false))
			manifests := documentsOf(sources...)
			s, err := newShop(signers)
			if err != nil {
				t.Fatal(err)
			}
			suggested := s.suggest(t, manifests)
			if suggested.Code != exitAdmitted {
				t.Fatalf("%+v", suggested)
			}
			verdicts, said := s.under(t, manifests, suggested.Stdout)
			if said.Stderr != "" {
				t.Errorf("the suggestion is not without warnings: %s\n%s", said.Stderr, suggested.Stdout)
			}
			for _, chart := range charts {
				want := "Verified"
				if signers[chart] == "" {
					want = "AllowedUnverified"
				}
				if got := verdicts["HelmRelease/"+nameOf(chart)]; got != want {
					t.Errorf("%s, signed by %q: %s, want %s\n%s", chart, signers[chart], got, want, suggested.Stdout)
				}
			}
			if got := verdicts["OCIRepository/"+nameOf(bystander)]; got != "Outside" {
				t.Errorf("manifests are %s\n%s", got, suggested.Stdout)
			}
			for _, swapped := range charts {
				if signers[swapped] == "" {
					continue
				}
				others := maps.Clone(signers)
				others[swapped] = "mallory@evil.example"
				evil, err := newShop(others)
				if err != nil {
					t.Fatal(err)
				}
				now, _ := evil.under(t, manifests, suggested.Stdout)
				for _, chart := range charts {
					object := "HelmRelease/" + nameOf(chart)
					if want := verdicts[object]; chart != swapped && now[object] != want || chart == swapped && now[object] != "Denied" {
						t.Errorf("with %s signed by a stranger, %s is %s", swapped, chart, now[object])
					}
				}
				break
			}
		})
	}
}

// uncommented are the policies of a suggestion with those that it leaves to a person.
func uncommented(text string) string {
	var b strings.Builder
	within := false
	for line := range strings.Lines(text) {
		within = line == "# ---\n" || within && strings.HasPrefix(line, "# ")
		if within {
			line = strings.TrimPrefix(line, "# ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// What cannot be suggested safely is a comment that says what to do, and no policy.
func TestSuggestedComments(t *testing.T) {
	s := theShop(t)
	manifests := documentsOf(acmeRepository, release("podinfo", ""), release("unsigned", ""), release("absent", ""), classicRepository)
	got := s.suggest(t, manifests, "--until", "2099-01-31")
	for _, text := range []string{
		"# - HelmRelease apps/absent: oci://ghcr.io/acme/absent:1.0.0 could not be examined",
		"# - HelmRepository legacy/classic: no chart of https://charts.example.com is used, so nothing is suggested for it",
		"until: \"2099-01-31\"", "no signature of the chart was found", "- oci://ghcr.io/acme/unsigned\n", "- oci://ghcr.io/acme/podinfo\n", "subject: release@acme.example",
	} {
		if !strings.Contains(got.Stdout, text) {
			t.Errorf("%q is missing in\n%s", text, got.Stdout)
		}
	}
	if strings.Contains(got.Stdout, "acme/absent\n") || got.Code != exitAdmitted {
		t.Errorf("%+v", got)
	}
	for policies, want := range map[string]string{got.Stdout: "Denied", uncommented(got.Stdout): "Covered"} {
		if verdicts, _ := s.under(t, manifests, policies); verdicts["HelmRepository/classic"] != want || verdicts["HelmRelease/podinfo"] != "Verified" {
			t.Errorf("want %s, got %v under\n%s", want, verdicts, policies)
		}
	}
}

// A key must log its signatures if it has logged the one that was found.
func TestSuggestedKeys(t *testing.T) {
	s, err := newShop(map[string]string{"keyed": "by a key", "logged": "by a key"})
	if err != nil {
		t.Fatal(err)
	}
	known := documentsOf(acmePolicy, fmt.Sprintf("apiVersion: chartgate.dev/v1alpha1\nkind: TrustedIdentity\nmetadata: {name: release}\nspec: {key: {pem: %q, transparencyLog: NotRequired}}\n", s.key))
	dir := s.files(t, map[string]string{"known.yaml": known})
	manifests := documentsOf(acmeRepository, release("keyed", ""), release("logged", ""))
	got := s.suggest(t, manifests, "--policy", dir+"/known.yaml")
	for text, want := range map[string]int{"kind: TrustedIdentity\n": 2, "transparencyLog: NotRequired\n": 1, "was verified, so none is required.\n": 1} {
		if n := strings.Count(got.Stdout, text); n != want {
			t.Errorf("%d times %q, want %d: %+v", n, text, want, got)
		}
	}
	verdicts, _ := s.under(t, manifests, got.Stdout)
	if verdicts["HelmRelease/keyed"] != "Verified" || verdicts["HelmRelease/logged"] != "Verified" {
		t.Errorf("%v under\n%s", verdicts, got.Stdout)
	}
	strict := strings.Replace(got.Stdout, "transparencyLog: NotRequired", "transparencyLog: Required", 1)
	if verdicts, _ := s.under(t, manifests, strict); verdicts["HelmRelease/keyed"] != "Denied" || verdicts["HelmRelease/logged"] != "Verified" {
		t.Errorf("%v under\n%s", verdicts, strict)
	}
}

func TestUntil(t *testing.T) {
	for until, want := range map[string]string{
		"soon":       `--until is "soon", not a date such as 2027-01-31`,
		"2020-01-31": "--until is 2020-01-31, which is over: every waiver would deny",
	} {
		if got := theShop(t).suggest(t, release("podinfo", ""), "--until", until); got.Error != want || got.Code != exitNotAsked {
			t.Errorf("%+v", got)
		}
	}
}
