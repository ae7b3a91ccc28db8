// What the page shows is a function of the inventory and of this state, which is in the URL's hash:
// whoever gets the link sees the same rows.
const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows || [];
const pageSize = 100;
const sorts = ["verdict", "ns", "object", "chart", "pinning", "signer", "deployed"];
const facets = ["ns", "verdict", "reason", "registry"];
const ranks = ["denied", "warned", "waived", "passed", "other"];

const firstState = () => ({ q: "", ns: "", verdict: "", reason: "", registry: "", status: "", fact: "", chart: "", sort: "verdict", dir: "", page: 1, open: new Set() });
let state = firstState();

const nameOf = (row) => (row.object.namespace ? row.object.namespace + "/" : "") + row.object.name;
const objectOf = (row) => row.object.kind + " " + row.object.name;
const facetOf = {
  ns: (row) => row.object.namespace || "",
  verdict: (row) => row.verdict || "",
  reason: (row) => row.reason || "",
  registry: (row) => row.registry || "",
};
const signs = (signer) => !signer.predicate && !signer.unverified;
const signerOf = (signer) => (signer.identities || []).join(", ") || signer.subject || (signer.key ? "key " + signer.key : "");
const signedBy = (row) => (row.signers || []).filter(signs).map(signerOf).join(", ");

// Each row knows its place in the file, which names it in links, and the text that is searched.
rows.forEach((row, i) => {
  row.at = i;
  row.text = [row.object.kind, nameOf(row), row.file, row.field, row.reference, row.digest, row.verdict, row.reason, row.message,
    (row.policies || []).join(" "), row.deployed && row.deployed.revision,
    (row.signers || []).map((s) => [s.key, s.subject, s.issuer, s.repository, (s.identities || []).join(" ")].join(" ")).join(" "),
  ].join("\n").toLowerCase();
});

const grouped = (keyOf) => {
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    if (!key) continue;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return groups;
};
const byReference = grouped((row) => row.reference);
const byDigest = grouped((row) => row.digest);
// The objects that use the chart of a row: by the same reference, or by another one for the same digest.
const usersOf = (row) => {
  const found = new Set([...(byReference.get(row.reference) || []), ...(byDigest.get(row.digest) || [])]);
  return [...found].sort((a, b) => a.at - b.at);
};
const usesChart = (row, chart) => row.reference === chart || row.digest === chart;

// matches says whether a row passes all filters but one.
const matches = (row, words, except) =>
  facets.every((facet) => facet === except || state[facet] === "" || facetOf[facet](row) === value(state[facet])) &&
  (state.status === "" || row.status === state.status) &&
  (state.fact === "" || (row.facts || []).includes(state.fact)) &&
  (state.chart === "" || usesChart(row, state.chart)) &&
  words.every((word) => row.text.includes(word));
const wordsOf = (q) => q.toLowerCase().split(/\s+/).filter(Boolean);

// "" is no filter, so that a row without a namespace or reason needs a value of its own.
const without = "\u0000";
const value = (chosen) => (chosen === without ? "" : chosen);

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const keyOf = {
  verdict: (row) => String(ranks.indexOf(row.status)) + row.verdict + (row.reason || ""),
  ns: (row) => row.object.namespace || "",
  object: objectOf,
  chart: (row) => row.reference || "",
  pinning: (row) => row.pinning || "",
  signer: signedBy,
  deployed: (row) => ((row.deployed && row.deployed.is) === "Moved" ? "0" : "1") + ((row.deployed && row.deployed.revision) || ""),
};

const selected = () => {
  const words = wordsOf(state.q);
  const found = rows.filter((row) => matches(row, words));
  const key = keyOf[state.sort];
  const sign = state.dir === "desc" ? -1 : 1;
  const keys = new Map(found.map((row) => [row, key(row)]));
  return found.sort((a, b) => sign * compare(keys.get(a), keys.get(b)) || a.at - b.at);
};

const toHash = () => {
  const params = new URLSearchParams();
  const first = firstState();
  for (const name of Object.keys(first)) {
    if (name !== "open" && state[name] !== first[name]) params.set(name, state[name]);
  }
  if (state.open.size) params.set("open", [...state.open].join(","));
  return params.toString();
};

// fromHash takes what it knows from a link, which anyone may have written, and ignores the rest.
// "at" names the row to go to.
const fromHash = (hash) => {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const next = firstState();
  for (const name of ["q", ...facets, "status", "fact", "chart"]) next[name] = params.get(name) || "";
  if (sorts.includes(params.get("sort"))) next.sort = params.get("sort");
  if (params.get("dir") === "desc") next.dir = "desc";
  next.page = Math.max(1, parseInt(params.get("page"), 10) || 1);
  const isRow = (i) => Number.isInteger(i) && i >= 0 && i < rows.length;
  next.open = new Set((params.get("open") || "").split(",").filter(Boolean).map(Number).filter(isRow));
  const at = params.has("at") ? Number(params.get("at")) : -1;
  return [next, isRow(at) ? rows[at] : null];
};
