const $ = (id) => document.getElementById(id);
let shown = []; // the rows that the filters select

const labels = { denied: "denied", warned: "admitted with a warning", waived: "admitted unverified", passed: "verified", other: "not judged",
  unsigned: "without a verified signature", floating: "without a fixed version", moved: "whose tag has moved", unknown: "that could not be examined", classic: "not in an OCI registry" };

const renderFacets = () => {
  const words = wordsOf(state.q);
  for (const facet of facets) {
    const counts = new Map();
    for (const row of rows) {
      if (matches(row, words, facet)) counts.set(facetOf[facet](row), (counts.get(facetOf[facet](row)) || 0) + 1);
    }
    const chosen = state[facet];
    if (chosen && !counts.has(value(chosen))) counts.set(value(chosen), 0);
    const options = [...counts].sort((a, b) => compare(a[0], b[0])).map(([name, n]) =>
      el("option", { value: name || without, selected: chosen !== "" && value(chosen) === name }, (name || "(none)") + " (" + n + ")"));
    $(facet).replaceChildren(el("option", { value: "" }, "All"), ...options);
    $(facet).className = chosen ? "set" : "";
  }
  if ($("q").value !== state.q) $("q").value = state.q;
};

const chip = (name, label) => el("button", { type: "button", class: "chip", "data-clear": name, "aria-label": "Remove the filter: " + label }, label + " ✕");
const renderCount = () => {
  const n = (number) => number.toLocaleString("en");
  const all = (shown.length === rows.length ? "" : n(shown.length) + " of ") + n(rows.length) + (rows.length === 1 ? " row" : " rows");
  $("count").replaceChildren(all,
    state.status ? chip("status", labels[state.status] || state.status) : "",
    state.fact ? chip("fact", labels[state.fact] || state.fact) : "",
    state.chart ? chip("chart", "chart " + state.chart) : "");
};

const renderPages = () => {
  const last = Math.max(1, Math.ceil(shown.length / pageSize));
  state.page = Math.min(state.page, last);
  $("pages").hidden = last === 1;
  const go = (page, label) => el("button", { type: "button", "data-page": page, disabled: page < 1 || page > last }, label);
  $("pages").replaceChildren(el("span", {}, "Page " + state.page + " of " + last), go(state.page - 1, "Previous"), go(state.page + 1, "Next"));
};

const renderTable = (list, openOf = detailsOf) => {
  const body = list.flatMap((row) => (state.open.has(row.at) ? [rowOf(row), openOf(row)] : [rowOf(row)]));
  $("rows").replaceChildren(...(body.length ? body : [el("tr", { role: "row" }, el("td", { colspan: sorts.length, class: "empty", role: "cell" }, rows.length ? "No row matches the filters." : "No charts were found."))]));
  for (const head of document.querySelectorAll("#table th[data-sort]")) {
    if (head.dataset.sort === state.sort) head.setAttribute("aria-sort", state.dir === "desc" ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
};
const onPage = () => shown.slice((state.page - 1) * pageSize, state.page * pageSize);

const render = () => {
  shown = selected();
  renderPages();
  renderFacets();
  renderCount();
  renderTable(onPage());
  for (const tile of document.querySelectorAll("[data-status].tile")) tile.setAttribute("aria-pressed", String(tile.dataset.status === state.status));
  for (const tile of document.querySelectorAll("[data-fact].tile")) tile.setAttribute("aria-pressed", String(tile.dataset.fact === state.fact));
};

// remember puts the state into the address, without an entry in the history for each letter.
const remember = () => history.replaceState(null, "", "#" + toHash());
const change = (changes) => {
  Object.assign(state, { page: 1 }, changes);
  render();
  remember();
};

const goTo = (row) => {
  shown = selected();
  const at = shown.indexOf(row);
  if (at < 0) return;
  state.page = Math.floor(at / pageSize) + 1;
  state.open.add(row.at);
  render();
  remember();
  $("b" + row.at).focus();
  $("b" + row.at).scrollIntoView({ block: "center" });
};
const readHash = () => {
  const sections = ["charts", "classic", "outside"];
  if (sections.includes(location.hash.slice(1))) return;
  const [next, at] = fromHash(location.hash);
  state = next;
  if (at) goTo(at);
  else render();
};

const toggle = (at) => {
  const row = document.querySelector('.row[data-at="' + at + '"]');
  const opening = !state.open.has(at);
  if (opening) {
    state.open.add(at);
    row.after(detailsOf(rows[at]));
  } else {
    state.open.delete(at);
    $("d" + at).remove();
  }
  row.classList.toggle("open", opening);
  $("b" + at).setAttribute("aria-expanded", String(opening));
  remember();
};

const copy = async (button) => {
  const pre = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(pre);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
};

const move = (from, step) => {
  const buttons = [...document.querySelectorAll(".toggle")];
  const to = buttons[buttons.indexOf(from) + step];
  if (to) to.focus();
};

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest(selector);
  const tile = hit("button.tile");
  if (tile) {
    const name = tile.dataset.status ? "status" : "fact";
    return change({ [name]: state[name] === tile.dataset[name] ? "" : tile.dataset[name] });
  }
  if (hit(".copy")) return copy(hit(".copy"));
  if (hit("[data-clear]")) { change({ [hit("[data-clear]").dataset.clear]: "" }); return $("q").focus(); }
  if (hit("[data-page]")) { change({ page: Number(hit("[data-page]").dataset.page) }); $("charts").scrollIntoView(); return $("charts").focus({ preventScroll: true }); }
  if (hit("[data-sort] button")) {
    const sort = hit("[data-sort]").dataset.sort;
    return change({ sort, dir: state.sort === sort && state.dir === "" ? "desc" : "" });
  }
  // A click on a row opens it, but marking text in it does not.
  if (hit(".row") && getSelection().isCollapsed) toggle(Number(hit(".row").dataset.at));
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select");
  if (event.key === "/" && !typing) { event.preventDefault(); $("q").focus(); }
  const from = event.target.closest(".toggle");
  if (from && (event.key === "ArrowDown" || event.key === "ArrowUp")) { event.preventDefault(); move(from, event.key === "ArrowDown" ? 1 : -1); }
});
$("q").addEventListener("input", () => change({ q: $("q").value }));
for (const facet of facets) $(facet).addEventListener("change", () => change({ [facet]: $(facet).value }));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", (event) => { event.preventDefault(); state = { ...firstState(), sort: state.sort, dir: state.dir }; change({}); });
addEventListener("hashchange", readHash);

// Paper has no pages of the table and nothing to open: it gets the selected rows, with the message
// of each that needs work. Chromium takes some milliseconds of CPU time for each row, and as many again
// for details that paper does not show: they are not made.
const maxPrinted = 500;
addEventListener("beforeprint", () => {
  const kept = state.open;
  state.open = new Set(shown.filter((row) => row.status === "denied" || row.status === "warned").map((row) => row.at));
  renderTable(shown.slice(0, maxPrinted), printedOf);
  if (shown.length > maxPrinted) $("rows").append(el("tr", { role: "row" }, el("td", { colspan: sorts.length, role: "cell" }, "… and " + (shown.length - maxPrinted).toLocaleString("en") + " more rows, which are in the file")));
  state.open = kept;
});
addEventListener("afterprint", () => renderTable(onPage()));

for (const id of ["filters", "count", "table"]) $(id).hidden = false;
readHash();
