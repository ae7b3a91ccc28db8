package html_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/test/env/browser"
)

// attacks are texts that take over a page, or lie to its reader, where a page lets them.
var attacks = []string{
	`</script><script>window.hacked=1</script>`,
	`<img src=x onerror="window.hacked=1">`,
	`"><svg onload=window.hacked=1>`,
	`' onclick='window.hacked=1' x='`,
	`<!--<script>`, `]]>`, `</noscript><script>window.hacked=1</script>`, `</style><style>*{display:none}`, `{{.Data}}`,
	`javascript:window.hacked=1//`, `data:text/html,<script>window.hacked=1</script>`,
	"line\u2028separator\u2029paragraph",
	"safe\u202egpj.exe\u2066x\u200b\ufeff", "nul\x00bell\x07esc\x1b[31m", "\xff\xfe not UTF-8",
	`https://evil.example/x.png`, `url(https://evil.example/x)`,
	`__proto__`, `constructor`,
	strings.Repeat("long", 5000), strings.Repeat("W", 300),
}

// hostile is an inventory in which each attack stands in each field that takes a text.
func hostile() inventory.Inventory {
	found := inventory.Inventory{At: scannedAt, From: strings.Join(attacks[:5], " "), Policies: attacks[1]}
	for i, a := range attacks {
		verdict := "Denied"
		if i%2 == 1 {
			verdict = a
		}
		found.Rows = append(found.Rows, inventory.Row{
			Object: inventory.Object{Group: a, Kind: a, Namespace: a, Name: a}, File: a, Field: a, Reference: "https://" + a, Registry: a, Pinning: a, Digest: a,
			Deployed: inventory.Deployed{Revision: a, Manifest: a, Archive: a, Is: inventory.Comparison(a)},
			Signers: []inventory.Signer{
				{Key: a, Issuer: a, Subject: a, Repository: a, TrustRoot: a, Identities: []string{a}},
				{Subject: a, Predicate: a, Unverified: a},
			},
			Verdict: verdict, Reason: "Reason", Policies: []string{a}, Findings: []inventory.Finding{{Kind: inventory.FindingKind(a), Detail: a}}, Message: a + "\n" + a, Next: a,
		})
		found.Outside = append(found.Outside, inventory.HelmRelease{Namespace: a, Name: a, Chart: a, Version: a})
		found.Problems = append(found.Problems, inventory.Problem{What: a, Why: a, Next: a})
	}
	return found
}

func TestHostileTexts(t *testing.T) {
	for _, look := range []browser.Look{{}, {NoScript: true}} {
		r := read(t, hostile(), "#open=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", look)
		for what, expression := range map[string]string{
			"a script ran":                    `window.hacked !== undefined`,
			"an element that the page lacks":  `document.querySelectorAll("img, iframe, object, embed, base, main script, main style").length > 0`,
			"more than its two scripts":       `document.querySelectorAll("script").length !== 2`,
			"an attribute that runs":          `[...document.querySelectorAll("*")].some((e) => [...e.attributes].some((a) => a.name.startsWith("on")))`,
			"a link that leaves the page":     `[...document.querySelectorAll("a")].some((a) => !a.getAttribute("href").startsWith("#"))`,
			"a character that cannot be seen": `/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/.test(document.body.innerText)`,
			"a name that is missing":          `!document.body.innerText.includes("</script><script>window.hacked=1</script>") || !document.body.innerText.includes("safe\\u202egpj.exe")`,
		} {
			if value[bool](r, expression) {
				t.Errorf("with %+v: %s", look, what)
			}
		}
	}
}

// The policy of the page stops a script that got into it after all.
func TestPolicyOfThePage(t *testing.T) {
	for what, script := range map[string]string{
		"a script of a stranger": `(() => { const s = document.createElement("script"); s.append("window.hacked = 1"); document.body.append(s); })()`,
		"an attribute":           `document.body.setAttribute("onclick", "window.hacked = 1"), document.body.click()`,
		"eval":                   `window.setTimeout("window.hacked = 1", 0)`,
		"markup":                 `document.body.innerHTML = "<p>"`,
		"a request":              `fetch("https://127.0.0.1:1/")`,
		"a picture":              `(() => { const i = document.createElement("img"); i.src = "https://127.0.0.1:1/"; document.body.append(i); return new Promise((done) => { i.onerror = () => done("stopped"); i.onload = () => done("loaded"); }); })()`,
		"a form":                 `(() => { const f = document.createElement("form"); f.action = "https://127.0.0.1:1/"; document.body.append(f); f.submit(); })()`,
	} {
		t.Run(what, func(t *testing.T) {
			tab, err := chromium.Open(browser.Look{})
			if err != nil {
				t.Fatal(err)
			}
			defer tab.Close()
			file := write(t, shop())
			open(t, tab, file)
			_, err = browser.Script[any](tab, "(async () => { let failed = ''; try { await ("+strings.TrimSuffix(script, ";")+"); } catch (e) { failed = String(e); } await new Promise((r) => setTimeout(r, 50)); return failed; })()")
			if err != nil {
				t.Fatal(err)
			}
			hacked, err := browser.Script[bool](tab, "window.hacked !== undefined || !document.querySelector('main')")
			if err != nil || hacked {
				t.Errorf("it ran (%v)", err)
			}
			if violations := strings.Join(tab.Errors(), "\n"); !strings.Contains(violations, "Content Security Policy") && !strings.Contains(violations, "requires 'Trusted") {
				t.Errorf("the browser reported no violation: %q", violations)
			}
		})
	}
}
