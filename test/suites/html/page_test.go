// Package html_test opens the HTML page of a scan in a real Chromium, as its readers do: from a file.
package html_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/page"
	"github.com/chartgate/chartgate/test/env/browser"
)

var chromium *browser.Browser

func TestMain(m *testing.M) {
	var err error
	if chromium, err = browser.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	chromium.Stop()
	os.Exit(code)
}

// reader is somebody who has opened a page.
type reader struct {
	*browser.Tab
	t    *testing.T
	file string
}

// read opens the page of an inventory. At the end of the test the page must have logged nothing, and
// have asked for nothing but its own file.
func read(t *testing.T, found inventory.Inventory, hash string, look browser.Look) reader {
	t.Helper()
	tab, err := chromium.Open(look)
	if err != nil {
		t.Fatal(err)
	}
	r := reader{tab, t, write(t, found)}
	t.Cleanup(func() {
		for _, url := range tab.Requests() {
			if url != r.file {
				t.Errorf("the page asked for %s", url)
			}
		}
		for _, text := range tab.Errors() {
			t.Errorf("in the console: %s", text)
		}
		tab.Close()
	})
	open(t, tab, r.file+hash)
	return r
}

// write writes the page of an inventory, and returns its URL.
func write(t *testing.T, found inventory.Inventory) string {
	t.Helper()
	var out bytes.Buffer
	if err := page.Render(&out, found); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "scan.html")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + file
}

func open(t *testing.T, tab *browser.Tab, url string) {
	t.Helper()
	if err := tab.Do(chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
}

func (r reader) do(steps ...chromedp.Action[chromedp.Void]) {
	r.t.Helper()
	if err := r.Do(steps...); err != nil {
		r.t.Fatal(err)
	}
}

// value is that of an expression in the page.
func value[T any](r reader, expression string) T {
	r.t.Helper()
	v, err := browser.Script[T](r.Tab, expression)
	if err != nil {
		r.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// text is what an element shows.
func (r reader) text(selector string) string {
	r.t.Helper()
	return value[string](r, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// objects are the names in the rows of the table, from top to bottom.
func (r reader) objects() string {
	r.t.Helper()
	return strings.Join(value[[]string](r, `[...document.querySelectorAll("#rows .row td:nth-child(3) bdi:first-child")].map((e) => e.textContent)`), " ")
}

func (r reader) hash() string { return value[string](r, "location.hash") }

func choose(id, option string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.Focus(chromedp.ID(id)), chromedp.KeyEvent(option))
}

func want[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestFilters(t *testing.T) {
	click := func(selector string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(selector)) }
	for _, tc := range []struct {
		sentence string
		do       chromedp.Action[chromedp.Void]
		objects  string
		hash     string
	}{
		{"nothing is filtered", chromedp.Steps(), "edge cache ledger reports web worker", ""},
		{"a namespace", choose("ns", "shop"), "cache web worker", "#ns=shop"},
		{"a verdict", choose("verdict", "Denied"), "edge cache", "#verdict=Denied"},
		{"a reason", choose("reason", "NotPinned"), "ledger", "#reason=NotPinned"},
		{"a registry", choose("registry", "registry"), "edge", "#registry=registry.partner.example"},
		{"a verdict in a namespace", chromedp.Steps(choose("ns", "shop"), choose("verdict", "Denied")), "cache", "#ns=shop&verdict=Denied"},
		{"words in any order, in the message too", chromedp.SendKeys(chromedp.ID("q"), "beside REDIS"), "cache", "#q=beside+REDIS"},
		{"a signer", chromedp.SendKeys(chromedp.ID("q"), "c0ffee"), "edge", "#q=c0ffee"},
		{"no row", chromedp.SendKeys(chromedp.ID("q"), "nowhere"), "", "#q=nowhere"},
		{"a tile of a verdict", click(`[data-status="denied"].tile`), "edge cache", "#status=denied"},
		{"a tile of a fact", click(`[data-fact="moved"].tile`), "ledger", "#fact=moved"},
		{"the same tile again", chromedp.Steps(click(`[data-fact="moved"].tile`), click(`[data-fact="moved"].tile`)), "edge cache ledger reports web worker", ""},
		{"a filter that is removed", chromedp.Steps(click(`[data-fact="moved"].tile`), click(".chip")), "edge cache ledger reports web worker", ""},
		{"reset", chromedp.Steps(choose("ns", "shop"), chromedp.SendKeys(chromedp.ID("q"), "web"), click("#reset")), "edge cache ledger reports web worker", ""},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			r := read(t, shop(), "", browser.Look{})
			r.do(tc.do)
			want(t, "objects", tc.objects, r.objects())
			want(t, "hash", tc.hash, r.hash())
			again := read(t, shop(), tc.hash, browser.Look{})
			want(t, "objects of whoever opens the link", tc.objects, again.objects())
		})
	}
}

// The numbers beside the values of a filter are those under the other filters.
func TestFiltersCount(t *testing.T) {
	r := read(t, shop(), "#ns=shop", browser.Look{})
	want(t, "rows", "3 of 6 rows", r.text("#count"))
	const options = `[...document.querySelectorAll("#%s option")].map((o) => o.textContent)`
	want(t, "verdicts", []string{"All", "Denied (1)", "Verified (2)"}, value[[]string](r, fmt.Sprintf(options, "verdict")))
	want(t, "namespaces", []string{"All", "argocd (1)", "billing (1)", "legacy (1)", "shop (3)"}, value[[]string](r, fmt.Sprintf(options, "ns")))
	want(t, "reasons", []string{"All", "(none) (2)", "SignatureMissing (1)"}, value[[]string](r, fmt.Sprintf(options, "reason")))
	r.do(choose("reason", "(none)"))
	want(t, "objects without a reason", "web worker", r.objects())
}

func TestSort(t *testing.T) {
	for _, tc := range []struct{ column, up, down string }{
		{"verdict", "edge cache ledger reports web worker", "web worker reports ledger cache edge"},
		{"ns", "edge ledger reports cache web worker", "cache web worker reports ledger edge"},
		{"object", "edge cache ledger reports web worker", "worker web reports ledger cache edge"},
		{"chart", "reports web worker ledger cache edge", "edge cache ledger web worker reports"},
		{"pinning", "ledger edge cache reports web worker", "edge cache reports web worker ledger"},
		{"signer", "edge cache reports ledger web worker", "ledger web worker edge cache reports"},
		{"deployed", "ledger edge reports web worker cache", "cache web worker edge reports ledger"},
	} {
		t.Run(tc.column, func(t *testing.T) {
			r := read(t, shop(), "#sort=object&dir=desc", browser.Look{})
			if tc.column == "object" {
				r = read(t, shop(), "", browser.Look{})
			}
			header := chromedp.CSS(fmt.Sprintf(`[data-sort="%s"] button`, tc.column))
			sorted := (`[...document.querySelectorAll("[aria-sort]")].map((e) => e.dataset.sort + " " + e.getAttribute("aria-sort")).join()`)
			r.do(chromedp.Click(header))
			want(t, "upwards", tc.up, r.objects())
			want(t, "what is announced", tc.column+" ascending", value[string](r, sorted))
			r.do(chromedp.Click(header))
			want(t, "downwards", tc.down, r.objects())
			want(t, "what is announced", tc.column+" descending", value[string](r, sorted))
		})
	}
}

func TestDetails(t *testing.T) {
	r := read(t, shop(), "#ns=shop", browser.Look{})
	r.do(chromedp.Click(chromedp.CSS(".row td:nth-child(4)")))
	details := r.text(".details")
	cache := shop().Rows[2]
	for _, line := range append(strings.Split(cache.Message, "\n"), cache.Next, "spec.chart.spec", cache.Digest, cache.Reference) {
		if !strings.Contains(details, strings.TrimSpace(line)) {
			t.Errorf("the details lack %q:\n%s", line, details)
		}
	}
	want(t, "hash", "#ns=shop&open=1", r.hash())
	r.do(chromedp.Click(chromedp.CSS(".row td:nth-child(4)")))
	want(t, "details after another click", 0, value[int](r, `document.querySelectorAll(".details").length`))
	want(t, "hash", "#ns=shop", r.hash())
}

func TestCopy(t *testing.T) {
	r := read(t, shop(), "#open=1", browser.Look{})
	// Chromium asks before a page reads what was copied, so the test looks at what is written.
	value[bool](r, `navigator.clipboard.writeText = async (s) => { window.copied = s; }, true`)
	r.do(chromedp.Click(chromedp.CSS(".copy")))
	want(t, "copied", shop().Rows[2].Next, value[string](r, "window.copied"))
	want(t, "the button", "Copied", r.text(".copy"))
	value[bool](r, `navigator.clipboard.writeText = async () => { throw new Error("no"); }, true`)
	r.do(chromedp.Click(chromedp.CSS(".copy")), chromedp.WaitReady(chromedp.CSS(".copy")))
	want(t, "selected, where copying is not allowed", shop().Rows[2].Next, value[string](r, "getSelection().toString()"))
}

// A chart leads to all that use it, wherever the filters and pages have put them.
func TestConsumers(t *testing.T) {
	found := city(600)
	r := read(t, found, "#q=web-0000", browser.Look{})
	want(t, "before", "web-0000", r.objects())
	r.do(chromedp.Click(chromedp.CSS(".toggle")))
	if text := r.text(".users"); !strings.Contains(text, "HelmRelease team-01/worker-0001") || !strings.Contains(text, "Show all 200 in the table") {
		t.Errorf("the consumers are %s", text)
	}
	_, first, _ := strings.Cut(r.text(".users a"), "/")
	// The page goes there after the click, by its hash.
	r.do(chromedp.Click(chromedp.CSS(".users a")), chromedp.Poll[chromedp.Void](`document.activeElement.closest(".row") !== null`))
	want(t, "the row with the focus", first, value[string](r, `document.activeElement.closest(".row").querySelector("td:nth-child(3) bdi").textContent`))
	want(t, "the filter", "", value[string](r, `document.getElementById("q").value`))
	r.do(chromedp.Click(chromedp.CSS(".users li:last-child a")), chromedp.WaitVisible(chromedp.CSS(".chip")))
	want(t, "rows", "200 of 600 rows", strings.TrimSpace(value[string](r, `document.getElementById("count").firstChild.textContent`)))
}

func TestKeyboard(t *testing.T) {
	focused := func(r reader) string {
		return value[string](r, `(document.activeElement.id || document.activeElement.textContent).trim()`)
	}
	r := read(t, shop(), "", browser.Look{})
	r.do(chromedp.KeyEvent("/"))
	want(t, "after /", "q", focused(r))
	value[string](r, `document.activeElement.value = ""`) // the driver types the character all the same
	r.do(chromedp.KeyEvent("shop/"))
	want(t, "a slash in the search", "shop/", value[string](r, `document.getElementById("q").value`))
	var order []string
	for range 8 {
		r.do(chromedp.KeyEvent(kb.Tab))
		order = append(order, focused(r))
	}
	want(t, "order of the focus", []string{"ns", "verdict", "reason", "registry", "reset", "Verdict", "Namespace", "Object"}, order)
	r.do(chromedp.KeyEvent(kb.Enter))
	want(t, "Enter on a column", "object ascending", value[string](r, `document.querySelector("[aria-sort]").dataset.sort + " " + document.querySelector("[aria-sort]").getAttribute("aria-sort")`))
	for range 5 {
		r.do(chromedp.KeyEvent(kb.Tab))
	}
	want(t, "the first row", "b1", focused(r))
	r.do(chromedp.KeyEvent(kb.ArrowDown))
	want(t, "the next row", "b4", focused(r))
	r.do(chromedp.KeyEvent(" "))
	want(t, "what a screen reader hears", "true", value[string](r, `document.activeElement.getAttribute("aria-expanded")`))
	want(t, "what opens", "true", value[string](r, `String(document.getElementById(document.activeElement.getAttribute("aria-controls")).classList.contains("details"))`))
	want(t, "names without a text", []string{}, value[[]string](r, `[...document.querySelectorAll("button, a, input, select")].filter((e) => e.checkVisibility() && !(e.textContent.trim() || e.ariaLabel || (e.labels && e.labels.length))).map((e) => e.outerHTML)`))
}

// A link that somebody made up shows a page, and nothing else.
func TestLinks(t *testing.T) {
	for _, hash := range []string{
		"#page=9999999", "#page=-1&sort=__proto__&dir=up", "#open=1e9,-1,NaN,x,1.5", "#at=77", "#%ff%00", "#sort=constructor",
		"#q=" + strings.Repeat("a", 20_000), "#ns=%3Cimg+src=x+onerror=document.title=1%3E", "#fact=<script>1</script>&status=__proto__&chart=javascript:alert(1)",
	} {
		r := read(t, shop(), hash, browser.Look{})
		if len(hash) < 40 && r.objects() != "edge cache ledger reports web worker" {
			t.Errorf("%s shows %q", hash, r.objects())
		}
		want(t, "title", "Helm charts in production-eu", value[string](r, "document.title"))
	}
}

// Five thousand rows take no more elements than a hundred do.
func TestManyRows(t *testing.T) {
	elements := `document.querySelectorAll("*").length`
	r := read(t, city(5000), "", browser.Look{})
	want(t, "rows", "5,000 rows", r.text("#count"))
	const most = 6000
	if n := value[int](r, elements); n > most {
		t.Errorf("%d elements, more than %d", n, most)
	}
	r.do(chromedp.Click(chromedp.CSS("[data-page]:last-child")))
	if text := r.text("#pages"); !strings.HasPrefix(text, "Page 2 of 50") {
		t.Errorf("the pages are %q", text)
	}
	first := r.objects()
	r.do(chromedp.SendKeys(chromedp.ID("q"), "team-07 ledger"))
	if got := r.objects(); got == first || strings.Count(got, "ledger-") != len(strings.Fields(got)) || r.text("#count") != "23 of 5,000 rows" {
		t.Errorf("%s: %s", r.text("#count"), got)
	}
	if n := value[int](r, elements); n > most {
		t.Errorf("%d elements after a search, more than %d", n, most)
	}
}

func TestWithoutJavaScript(t *testing.T) {
	r := read(t, city(600), "", browser.Look{NoScript: true})
	shown, err := browser.Run(r.Tab, chromedp.Text(chromedp.CSS("main")))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"200 of 600 uses of a chart would be denied", "only the first 500 of 600 rows", "has no signature", "ingress-nginx", "Applications in all namespaces"} {
		if !strings.Contains(shown, text) {
			t.Errorf("%q is not on the page", text)
		}
	}
	if strings.Contains(shown, "Reset") {
		t.Error("a filter that does nothing is on the page")
	}
}

// On paper each denial has its message, and nothing that only a screen can do.
func TestPaper(t *testing.T) {
	r := read(t, shop(), "", browser.Look{})
	value[bool](r, `addEventListener("beforeprint", () => { window.paper = document.getElementById("rows").innerText; }), true`)
	if _, err := browser.Run(r.Tab, chromedp.PrintToPDF()); err != nil {
		t.Fatal(err)
	}
	paper := value[string](r, "window.paper")
	for _, text := range []string{"has no signature", "no policy matches", "is not pinned", "podinfo:6.7.1"} {
		if !strings.Contains(paper, text) {
			t.Errorf("%q is not on paper:\n%s", text, paper)
		}
	}
	want(t, "details on the screen afterwards", 0, value[int](r, `document.querySelectorAll(".details").length`))

	many := read(t, city(700), "", browser.Look{})
	want(t, "a long list", "500 … and 200 more rows, which are in the file", value[string](many,
		`(dispatchEvent(new Event("beforeprint")), document.querySelectorAll(".row").length + " " + document.getElementById("rows").lastChild.innerText)`))
}

// Whatever the width and the texts, nothing has to be moved sideways.
func TestPhone(t *testing.T) {
	for _, width := range []int64{320, 390, 768, 1280} {
		r := read(t, hostile(), "#open=0,1,2", browser.Look{Width: width})
		if wide := value[int64](r, "document.documentElement.scrollWidth"); wide > width {
			t.Errorf("%d pixels on a screen of %d", wide, width)
		}
	}
}

// Texts and statuses have the contrast that WCAG 2.2 AA asks for, 4.5 to 1, in both schemes.
func TestContrast(t *testing.T) {
	const weak = `(() => {
		const parse = (c) => c.match(/[\d.]+/g).slice(0, 3).map(Number);
		const light = (c) => { const [r, g, b] = parse(c).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } return "rgb(255,255,255)"; };
		const found = new Set();
		for (const e of document.querySelectorAll("body *")) {
			if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
			const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
			if ((a + 0.05) / (b + 0.05) < 4.5) found.add(e.tagName + "." + e.className + " " + ((a + 0.05) / (b + 0.05)).toFixed(2));
		}
		return [...found];
	})()`
	for _, dark := range []bool{false, true} {
		r := read(t, shop(), "#open=0,1,2", browser.Look{Dark: dark})
		want(t, fmt.Sprintf("too weak, dark %v", dark), []string{}, value[[]string](r, weak))
		if ground := value[string](r, "getComputedStyle(document.body).backgroundColor"); (ground == "rgb(15, 18, 23)") != dark {
			t.Errorf("dark %v has the ground %s", dark, ground)
		}
	}
}

// Without policies nothing is judged, and the page does not say that anything would be denied.
func TestWithoutPolicies(t *testing.T) {
	found := shop()
	found.Policies = ""
	for i := range found.Rows {
		found.Rows[i].Verdict, found.Rows[i].Reason = "NotJudged", ""
	}
	r := read(t, found, "", browser.Look{})
	want(t, "headline", "2 of 6 uses of a chart have no verified signature.", r.text("#headline"))
	if strings.Contains(strings.ToLower(r.text("body")), "denied.") {
		t.Error("something would be denied by no policy")
	}
}

func TestNothing(t *testing.T) {
	r := read(t, inventory.Inventory{From: "empty", Policies: "no policy"}, "", browser.Look{})
	want(t, "the table", "No charts were found.", r.text("#rows"))
	want(t, "the headline", "No charts were found.", r.text("#headline"))
}
