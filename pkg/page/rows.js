// Everything here makes elements and text: no string ever becomes markup.
const el = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes || {})) {
    if (given !== null && given !== undefined && given !== false) made.setAttribute(name, given === true ? "" : given);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
};
const svgSpace = "http://www.w3.org/2000/svg";
const icon = (symbol, classes) => {
  const svg = document.createElementNS(svgSpace, "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(svgSpace, "use");
  use.setAttribute("href", "#" + symbol);
  svg.append(use);
  return svg;
};
const text = (s, classes) => el("bdi", { class: classes }, s);

// A reference in two lines: what tells charts apart, and where it is.
const chartCell = (reference) => {
  if (!reference) return el("span", { class: "none" }, "not readable");
  const cut = reference.replace(/@sha256:.*/, "").lastIndexOf("/") + 1;
  const short = reference.slice(cut).replace(/(@sha256:[0-9a-f]{8})[0-9a-f]{56}$/, "$1…");
  return el("div", { title: reference }, text(short || reference, "lead"), short && cut > 0 ? text(reference.slice(0, cut), "sub") : null);
};

// A code in one word may break where a new word begins.
const code = (word) => word.split(/(?<=[a-z])(?=[A-Z])/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));
const verdictWord = (row) => (row.verdict ? code(row.verdict) : "not judged");
const cell = (label, ...children) => el("td", { role: "cell", "data-label": label }, el("div", {}, ...children));
const faint = (s) => el("span", { class: "none" }, s);

const signerCell = (row) => {
  const good = (row.signers || []).filter(signs);
  if (good.length) return [text(signerOf(good[0]), "lead"), good.length > 1 ? el("span", { class: "sub" }, "and " + (good.length - 1) + " more") : null];
  if ((row.signers || []).some((s) => s.unverified)) return [el("span", { class: "flag" }, "not verified")];
  return [faint(row.digest ? "no signature" : "unknown")];
};

const deployedCell = (row) => {
  const deployed = row.deployed || {};
  if (!deployed.revision && !deployed.is) return [faint("–")];
  const [version, hash] = (deployed.revision || "").split("@");
  return [text(version, "lead"), hash ? text(hash.slice(0, 15) + "…", "sub") : null, deployed.is === "Moved" ? el("span", { class: "flag" }, "moved") : null];
};

const rowOf = (row) => {
  const open = state.open.has(row.at);
  const button = el("button", { type: "button", class: "toggle " + row.status, "aria-expanded": String(open), "aria-controls": "d" + row.at, id: "b" + row.at },
    icon("s-open", "shape turn"), icon("s-" + row.status, "shape"), el("span", {}, verdictWord(row)),
    el("span", { class: "hidden" }, ", details of " + row.object.kind + " " + nameOf(row)));
  return el("tr", { class: open ? "row open" : "row", role: "row", "data-at": row.at, "data-status": row.status },
    el("td", { role: "cell" }, el("div", {}, button, row.reason ? el("bdi", { class: "reason" }, code(row.reason)) : null)),
    cell("Namespace", row.object.namespace ? text(row.object.namespace) : faint("–")),
    cell("Object", text(row.object.name, "lead"), text(row.object.kind, "sub")),
    cell("Chart", chartCell(row.reference)),
    cell("Pinned by", row.pinning === "Floating" ? el("span", { class: "flag" }, "Floating") : row.pinning || faint("–")),
    cell("Signed by", ...signerCell(row)),
    cell("Deployed", ...deployedCell(row)));
};

const block = (title, ...children) => [el("h3", {}, title), ...children];
const pairs = (list) => el("dl", {}, list.filter(([, shown]) => shown && shown.length !== 0).map(([name, shown]) => [el("dt", {}, name), el("dd", {}, shown)]));
const copyable = (s, what) => el("div", { class: "fix" }, el("pre", {}, s), el("button", { type: "button", class: "copy", "data-copy": s, "aria-label": "Copy " + what }, "Copy"));

const signerLines = (row) => (row.signers || []).map((s) => el("li", {}, text(signerOf(s) || "unknown signer"), el("span", { class: "sub" },
  [s.unverified ? "not verified: " + s.unverified : "verified", s.predicate ? "attestation " + s.predicate : "signature", s.subject && (s.identities || []).length && "subject " + s.subject, s.issuer && "issuer " + s.issuer, s.key && (s.identities || []).length && "key " + s.key,
    s.repository && "repository " + s.repository, s.trustRoot && "trust root " + s.trustRoot].filter(Boolean).join(" · "))));

const maxUsers = 20;
const link = (params, label) => el("a", { href: "#" + new URLSearchParams(params) }, label);
const userLines = (row) => {
  const others = usersOf(row).filter((other) => other !== row && (other.object.kind !== row.object.kind || nameOf(other) !== nameOf(row)));
  if (others.length === 0) return null;
  const lines = others.slice(0, maxUsers).map((other) => el("li", {}, link({ at: other.at }, text(other.object.kind + " " + nameOf(other)))));
  lines.push(el("li", { class: "no-print" }, link({ chart: row.digest || row.reference }, "Show all " + usersOf(row).length + " in the table")));
  return el("ul", { class: "users" }, lines);
};

// What needs work: the part of the details that paper gets, too.
const workOf = (row) => el("div", {},
  row.message ? block("Message", el("pre", {}, row.message)) : null,
  row.next ? block("How to fix it", copyable(row.next, "how to fix it")) : null,
  (row.findings || []).length ? block("Findings", el("ul", {}, row.findings.map((f) => el("li", {}, el("strong", {}, f.kind), ": ", text(f.detail))))) : null);
const factsOf = (row) => {
  const deployed = row.deployed || {};
  const users = userLines(row);
  const signers = signerLines(row);
  return el("div", {}, ...block("Chart", pairs([
    ["Object", text(row.object.kind + " " + nameOf(row))], ["Field", row.field && text(row.field, "code")], ["File", row.file && text(row.file, "code")],
    ["Reference", row.reference && text(row.reference, "code")], ["Pinned by", row.pinning], ["Digest", row.digest && text(row.digest, "code")],
    ["Deployed", deployed.revision && text(deployed.revision, "code")], ["Its manifest", deployed.manifest && text(deployed.manifest, "code")],
    ["Its archive", deployed.archive && text(deployed.archive, "code")],
    ["Compared", { Same: "what is deployed is what the reference means now", Moved: "the reference now means another digest than the one deployed", Unknown: "no digest tells whether this is what the reference means now" }[deployed.is]],
    ["Policies", (row.policies || []).length && text(row.policies.join(", "))]])),
    signers.length ? block("Signatures and attestations", el("ul", {}, signers)) : null,
    users ? block("The same chart is used by", users) : null);
};
const details = (row, ...parts) => el("tr", { class: "details", role: "row", id: "d" + row.at },
  el("td", { colspan: sorts.length, role: "cell" }, el("div", { class: "box" }, ...parts)));
const detailsOf = (row) => details(row, workOf(row), factsOf(row));
const printedOf = (row) => details(row, workOf(row));
