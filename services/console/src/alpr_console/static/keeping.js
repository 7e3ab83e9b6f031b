// The pages of records: long work that is watched, what forms mean, documents that are attached, previews shown in place.
import { full, h, post, zoned } from "./dom.js";
import { refusal, say } from "./forms.js";
import { render } from "./morph.js";

const byId = (id) => document.getElementById(id);
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const count = (number) => Number(number ?? 0).toLocaleString("en-US");
const words = (code) => { const text = String(code ?? "").replaceAll("_", " "); return `${text.charAt(0).toUpperCase()}${text.slice(1)}`; };
const value = (form, name) => form.elements[name]?.value?.trim() ?? "";
const ticked = (form, name) => [...form.querySelectorAll(`[name="${name}"]:checked`)].map((box) => box.value);

// long work: the page asks itself every 2 s, brings the watched parts up to date, and comes anew when all is done
const watched = () => [...document.querySelectorAll('[data-watch="yes"]')];
const typing = () => document.activeElement?.closest("form") && document.activeElement.matches("input, textarea, select");
async function look() {
  if (!watched().length) return;
  const answer = await fetch(location.href, { headers: { "x-watch": "1" } }).catch(() => null);
  if (answer?.status === 401) { location.assign("/login"); return; }
  if (answer?.ok) {
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    let open = false;
    for (const place of watched()) {
      const found = next.getElementById(place.id);
      if (!found) continue;
      open ||= found.dataset.watch === "yes";
      render(place, [...found.childNodes]);
      place.dataset.watch = found.dataset.watch;
    }
    if (!open && !typing()) { location.reload(); return; }
  }
  setTimeout(look, 2000);
}
if (watched().length) setTimeout(look, 2000);

// a purge: previewed, then begun by whoever may
const preview = byId("purge-preview");
preview?.addEventListener("done", (made) => {
  made.preventDefault();
  const plan = made.detail, days = plan.days ?? [], place = byId("purge-plan");
  const sum = (name) => days.reduce((total, day) => total + (day[name] ?? 0), 0);
  const blocked = plan.blocked_by ?? [];
  place.replaceChildren(...[
    ...blocked.map((code) => h("div", { class: "note warn", role: "status", text: refusal({ detail: words(code.toLowerCase()), reason_code: code }) })),
    days.length === 0 ? h("p", { text: "Nothing is due." }) : h("div", { class: "kinds" }, h("p", {}, h("strong", { text: `${count(sum("reads"))} reads would go` }), `, ${count(sum("hits"))} hits, ${count(sum("images"))} images; ${count(sum("held"))} stay under hold.`),
      h("div", { class: "scroll" }, h("table", { class: "dense" },
        h("thead", {}, h("tr", {}, ["Due day", "Reads", "Hits", "Images", "Held back"].map((name, at) => h("th", { scope: "col", class: at ? "number" : "", text: name })))),
        h("tbody", {}, days.map((day) => h("tr", {}, h("th", { scope: "row", text: day.kind === "held" ? "no longer held" : day.day }), ["reads", "hits", "images", "held"].map((name) => h("td", { class: "number", text: count(day[name]) })))))))),
    days.length > 0 && h("div", { class: "deeds" }, h("button", { type: "button", class: "bad", id: "purge-run", text: "Begin this purge now" })),
  ].filter(Boolean));
  place.hidden = false;
  place.focus();
  byId("purge-run")?.addEventListener("click", async (press) => {
    if (!confirm("Destroy what is due now? It cannot be brought back.")) return;
    press.target.disabled = true;
    const asOf = value(preview, "as_of");
    const answer = await post("/v1/purges", asOf ? { as_of: asOf } : {}).catch(() => null);
    const run = await answer?.json().catch(() => ({}));
    if (answer?.ok) location.assign(run.run_id ? `/records/purges/${encodeURIComponent(run.run_id)}` : "/records/purges");
    else { press.target.disabled = false; say(preview, answer ? refusal(run, answer.status) : "Records do not answer. Whether it began stands under Runs."); }
  });
});

// the form for a hold: what it asks depends on the ground, what it covers on the kind chosen
const hold = byId("hold-form");
if (hold) {
  const ground = hold.elements.ground, hint = byId("ground-hint"), ends = hint.textContent;
  const kinds = byId("hold-kind");
  let kind = kinds?.querySelector("[aria-pressed=true]").dataset.kind ?? "";
  const asked = () => {
    const option = ground.selectedOptions[0], asks = (option?.dataset.asks ?? "").split(" ");
    byId("dvd").hidden = !asks.includes("dvd");
    hint.textContent = option?.dataset.foreign ? "This ground is not in the agency's policy: the hold binds at once and is provisional until it is confirmed." : ends;
    hint.classList.toggle("amber", Boolean(option?.dataset.foreign));
  };
  ground.addEventListener("change", asked);
  asked();
  const pick = () => {
    for (const button of kinds.children) button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    for (const part of hold.querySelectorAll(".kinds")) part.hidden = !part.dataset.of.split(" ").includes(kind);
  };
  kinds?.addEventListener("click", (press) => { const chosen = press.target.closest("button")?.dataset.kind; if (chosen) { kind = chosen; pick(); } });
  if (kinds) pick();
  hold.addEventListener("shape", ({ detail: body }) => {
    const chosen = JSON.parse(byId("chosen")?.textContent ?? "null"), entry = Number(hold.dataset.entry || (kind === "search" ? value(hold, "_entry") : ""));
    if (!byId("dvd").hidden) { const answer = ticked(hold, "_dvd")[0]; if (answer) body.dvd = { considered: answer === "yes", reason: value(hold, "_dvd_reason") }; }
    const forward = [...hold.querySelectorAll("[name=_forward]:checked")].some((box) => box.closest(".kinds")?.hidden !== true);
    if (chosen) body.read_ids = chosen;
    else if (entry) { body.entry = entry; if (forward) body.forward = true; } else {
      const query = {}, plate = value(hold, "_plate").toUpperCase().replace(/[\s-]/g, "");
      if (kind === "plate" && plate) query[/[?*]/.test(plate) ? "partial" : "plate"] = plate;
      if (kind === "plate" && hold.elements._lookalikes?.checked) query.lookalikes = true;
      for (const name of ["captured_from", "captured_to"]) if (value(hold, `_${name}`)) query[name] = zoned(value(hold, `_${name}`));
      const devices = [...ticked(hold, "_device_ids"), ...value(hold, "_device_text").split(/[\s,]+/).filter(Boolean)];
      if (devices.length) query.device_ids = devices;
      const sides = ["south", "west", "north", "east"].map((side) => [side, value(hold, `_${side}`)]);
      if (kind === "place" && sides.every(([, at]) => at !== "")) query.area = Object.fromEntries(sides.map(([side, at]) => [side, Number(at)]));
      body.query = query;
    }
  });
}

// evidence: serials by volume
byId("media")?.addEventListener("shape", ({ detail: body }) => {
  body.serials = Object.fromEntries([...byId("media").querySelectorAll("[data-serial]")].map((field) => [field.dataset.serial, field.value.trim()]));
});
for (const link of document.querySelectorAll("a[data-once]")) link.addEventListener("click", () => setTimeout(() => { link.replaceWith(h("span", { class: "dim", text: "being handed over" })); }, 100));

// a request: taken in, its document attached, then submitted; what fails leaves a draft that can be gone on with
async function attach(request, file) {
  const headers = { "x-csrf-token": token, "content-type": file.type || "application/octet-stream", "x-document-name": encodeURIComponent(file.name) };
  return fetch(`/v1/release-requests/${encodeURIComponent(request)}/document`, { method: "PUT", headers, body: file });
}
const asked = byId("request-form");
if (asked) {
  const kind = asked.elements.recipient_class, hint = byId("recipient_class-hint");
  const routes = { records: "It is handed to the Records function; nothing is released here.", refuse: "It is refused with the policy's basis, and a letter is written.", never: "The policy permits no release to them; the request is kept on file." };
  kind.addEventListener("change", () => { hint.textContent = routes[kind.selectedOptions[0]?.dataset.route] ?? ""; });
  let submits = true;
  asked.addEventListener("submit", (sent) => { submits = sent.submitter?.value !== "draft"; });
  asked.addEventListener("shape", ({ detail: body }) => {
    const chosen = JSON.parse(byId("chosen")?.textContent ?? "null");
    if (chosen) body.read_ids = chosen;
    if (asked.dataset.entry) body.query_id = Number(asked.dataset.entry);
  });
  asked.addEventListener("done", async (made) => {
    made.preventDefault();
    const request = made.detail.request_id, there = `/records/releases/${encodeURIComponent(request)}`, progress = byId("request-progress");
    const file = asked.elements._document.files[0], signed = value(asked, "_signed_by");
    try {
      progress.textContent = file ? "Attaching the document" : "";
      const kept = file ? await attach(request, file) : signed ? await post(`/v1/release-requests/${encodeURIComponent(request)}/signed-form`, { signed_by: signed }) : null;
      if (kept?.ok && submits) await post(`/v1/release-requests/${encodeURIComponent(request)}/submission`);
    } finally { location.assign(there); }
  });
}
byId("scope-form")?.addEventListener("shape", ({ detail: body }) => {
  delete body.request_id;
  body.read_ids = JSON.parse(byId("chosen").textContent);
  if (asked.dataset.entry) body.query_id = Number(asked.dataset.entry);
});
byId("document-form")?.addEventListener("submit", async (sent) => {
  sent.preventDefault();
  const form = sent.target, file = form.elements._document.files[0];
  if (!file || form.dataset.busy) return;
  form.dataset.busy = "yes";
  const answer = await attach(form.dataset.request, file).catch(() => null);
  delete form.dataset.busy;
  delete form.dataset.sent;
  if (answer?.ok) location.reload();
  else say(form, answer ? refusal(await answer.json().catch(() => ({})), answer.status) : "Not attached: the console does not answer.");
});

// to whom one read was disclosed
byId("disclosures-form")?.addEventListener("done", (made) => {
  made.preventDefault();
  const place = byId("disclosed"), line = (who, parts, link) => h("li", {}, h("strong", { text: who }), parts.filter(Boolean).map((text) => ` · ${text}`).join(""), link && " ", link);
  const released = (made.detail.deliveries ?? []).map((row) => line(row.recipient_agency || words(row.kind), [row.recipient_person, row.delivered_at ? full(row.delivered_at) : "", words(row.method)], row.request_id && h("a", { href: `/records/releases/${encodeURIComponent(row.request_id)}`, text: "The request" })));
  const sent = (made.detail.repositories ?? []).map((row) => line(String(row.adapter ?? "").toUpperCase(), [row.kind === "withdrawals" ? "withdrawn" : "standing repository", row.delivered_at ? full(row.delivered_at) : "not delivered yet"]));
  const media = (made.detail.evidence ?? []).map((row) => line("Evidence package", [row.booking_number || "not booked yet", words(row.medium), full(row.given_at)], h("a", { href: `/records/evidence/${encodeURIComponent(row.package_id)}`, text: "The package" })));
  place.replaceChildren(released.length + sent.length + media.length ? h("ul", {}, released, sent, media) : h("p", { text: "It was disclosed to nobody." }));
  place.focus();
});

// a person about their own vehicle: looked up once, the entry goes with the answer
byId("subject-form")?.addEventListener("done", (made) => {
  made.preventDefault();
  const found = made.detail, place = byId("subject-found"), days = [found.first_on, found.last_on].filter(Boolean).join(" to ");
  place.replaceChildren(h("p", {}, h("strong", { text: `${count(found.reads)} reads` }), days ? `, ${days}` : "", found.kept_until ? `, kept until ${found.kept_until}` : "", `. Ledger entry ${found.entry}.`));
  const answer = byId("answer-form");
  if (answer) { answer.elements.lookup_entry.value = found.entry; answer.elements.verified.value ||= value(made.target, "verified"); }
  place.focus();
});

// a decision: nothing ticked means all that was asked for
byId("decision-form")?.addEventListener("shape", ({ detail: body }) => { if (!body.read_ids?.length) delete body.read_ids; });
