package policy

import "testing"

func TestLanguagesMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want answer
	}{
		{"abc", "abc", yes},
		{"abc", "abd", no},
		{"a.*", ".*z", yes},
		{"^abc$", "abc", yes},
		{"a^bc", ".*", no},
		{"a$b", ".*", no},
		{`\babc\b`, "abc", yes},
		{`a\bb`, ".*", no},
		{`a\Bb`, "ab", yes},
		{"(?i)ABC", "abc", yes},
		{"(?i)abc", "ABC", yes},
		{"[a-c]+", "[c-e]+", yes},
		{"[a-c]+", "[d-e]+", no},
		{"[^a]", "a", no},
		{"github.com/acme/.*", "https://.*", no},
		{`(?:(?:(?:a*)*)*)*b`, "a*b", yes},
		{`(a|b)*a(a|b){14}c`, `(a|b)*a(a|b){15}d`, unknown},
		{"é+", "éé", yes},
	} {
		a, _ := languageOf(c.a)
		b, _ := languageOf(c.b)
		if got := a.meets(b); got != c.want {
			t.Errorf("%s meets %s: %v", c.a, c.b, got)
		}
		if got := b.meets(a); got != c.want && c.want != unknown {
			t.Errorf("%s meets %s: %v", c.b, c.a, got)
		}
	}
}

func TestPatternsCoverOneAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wide, narrow  string
		covers, meets bool
	}{
		{"oci://**", "oci://ghcr.io/acme/charts", true, true},
		{"oci://ghcr.io/**", "oci://ghcr.io/**", true, true},
		{"oci://ghcr.io/**", "oci://ghcr.io/acme/*", true, true},
		{"oci://ghcr.io/acme/*", "oci://ghcr.io/**", false, true},
		{"oci://ghcr.io/acme/*", "oci://ghcr.io/acme/**", false, true},
		{"oci://ghcr.io/*/charts/**", "oci://ghcr.io/acme/**", false, true},
		{"oci://ghcr.io/acme/charts", "oci://ghcr.io/acme/charts/sandbox/**", false, false},
		{"oci://ghcr.io/acme/charts/**", "oci://ghcr.io/acme/charts", false, false},
		{"oci://**", "https://**", false, false},
		{"https://acme.example/**", "https://acme.example/**?*", false, true},
		{"https://acme.example/*/x", "https://acme.example/a%2Fb/x", false, false},
		{"oci://*.acme.example/**", "oci://charts.acme.example/x", true, true},
	} {
		wide, err := parsePattern(c.wide)
		if err != nil {
			t.Fatal(err)
		}
		narrow, err := parsePattern(c.narrow)
		if err != nil {
			t.Fatal(err)
		}
		if got := wide.coversAll(narrow); got != c.covers {
			t.Errorf("%s covers %s: %v", c.wide, c.narrow, got)
		}
		if got := wide.meets(narrow); got != c.meets {
			t.Errorf("%s meets %s: %v", c.wide, c.narrow, got)
		}
	}
}
