// The pages about lists: preview, dry run and load of one chosen file; entries that become active; patterns and their past.
import { full, h, span, wall, zoned } from "./dom.js";
import { refusal, say } from "./forms.js";

const byId = (id) => document.getElementById(id);
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const count = (number) => Number(number ?? 0).toLocaleString("en-US");
const minutes = (moment) => wall(moment).slice(0, 16);
const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

const codes = JSON.parse(byId("codes")?.textContent ?? "{}");

// one file, chosen once: previewed, tried on yesterday's reads, then put in force
const upload = byId("upload");
const grades = { exact: "plate and state agree", exact_state_unknown: "plate agrees, state not read", state_mismatch: "state differs", lookalike: "look-alike", partial: "partial" };
let previewed = null;

function parts(more = {}) {
  const given = new FormData(upload), body = new FormData();
  for (const name of ["file", "layout", "mode", "entries", "permissible_use"]) if (given.get(name)) body.set(name, given.get(name));
  if (given.get("source_time")) body.set("source_time", zoned(given.get("source_time")));
  const sources = [1, 2, 3].filter((n) => given.get(`source_name_${n}`) && given.get(`source_at_${n}`)).map((n) => ({ name: given.get(`source_name_${n}`), as_of: zoned(given.get(`source_at_${n}`)) }));
  if (sources.length) body.set("sources", JSON.stringify(sources));
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  return body;
}

async function send(act, more) {
  const answer = await fetch(`${upload.dataset.address}/${act}`, { method: "POST", headers: { "x-csrf-token": token }, body: parts(more) });
  if (answer.status === 401) { location.assign("/login"); return null; }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) { say(upload, refusal(content, answer.status)); return null; }
  upload.querySelector("[data-refusal]")?.remove();
  return content;
}

const figure = (name, value, tone = "") => h("div", { class: tone }, h("dt", { text: name }), h("dd", {}, h("strong", { text: count(value) })));

function showPreview(found) {
  previewed = found;
  const guards = found.guards ?? [], rejects = found.rejects ?? [];
  byId("preview").replaceChildren(...[
    h("h3", { text: "What this file would change" }),
    h("dl", { class: "pairs figures" }, figure("Entries", found.entries), figure("Added", found.added), figure("Changed", found.changed), figure("Removed", found.removed), figure("Unchanged", found.unchanged), figure("Left out", found.rejected, found.rejected ? "amber" : "")),
    guards.length > 0 && h("div", { class: "note bad", role: "alert" }, h("strong", { text: "It would be refused. " }), h("ul", {}, guards.map((guard) => h("li", { text: refusal(guard) })))),
    rejects.length > 0 && h("details", {}, h("summary", { text: `${many(found.rejected, "line")} left out` }), h("div", { class: "scroll" }, h("table", { class: "dense" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "Line" }), h("th", { scope: "col", text: "Why" }))),
      h("tbody", {}, rejects.slice(0, 200).map((row) => h("tr", {}, h("td", { text: row.line }), h("td", { text: codes[row.reason_code] ?? row.reason_code.toLowerCase().replaceAll("_", " ") })))))))].filter(Boolean));
  byId("guards").hidden = guards.length === 0;
  byId("force_reason").required = guards.length > 0;
  byId("put-in-force").hidden = false;
  byId("preview").hidden = false;
  byId("preview").focus();
}

function showDryRun(found) {
  const place = byId("preview"), before = place.querySelector(".dry");
  // small counts are not told, so that nobody learns of one vehicle: they come as null
  const told = (number, one) => (typeof number === "number" ? many(number, one) : `fewer than ${found.fewer_than ?? 20} ${one}s`);
  const by = Object.entries(found.by_grade ?? {}).filter(([, number]) => number).map(([grade, number]) => h("li", { text: `${count(number)} ${grades[grade] ?? grade.replaceAll("_", " ")}` }));
  const hours = found.since ? Math.max(1, Math.round((Date.now() - Date.parse(found.since)) / 3600000)) : 24;
  const box = h("div", { class: `note ${found.alerts ? "warn" : "good"} dry` }, h("strong", { text: `It would have made ${told(found.alerts, "alert")} in the last ${hours} h` }), ` among ${told(found.reads, "read")}. Nothing was alerted and nothing is kept.`, by.length ? h("ul", {}, by) : null);
  if (before) before.replaceWith(box); else place.append(box);
  place.hidden = false;
  place.focus();
}

upload?.addEventListener("submit", async (sent) => {
  sent.preventDefault();
  if (upload.dataset.busy) return;
  const act = sent.submitter?.value ?? "previews", words = sent.submitter?.textContent;
  upload.dataset.busy = "yes";
  if (sent.submitter) sent.submitter.textContent = act === "previews" ? "Reading the file" : "Comparing with the reads of a day";
  try {
    const found = await send(act);
    if (found) (act === "previews" ? showPreview : showDryRun)(found);
  } catch { say(upload, "The console does not answer; nothing was changed."); } finally {
    delete upload.dataset.busy;
    if (sent.submitter) sent.submitter.textContent = words;
  }
});
upload?.addEventListener("change", () => { previewed = null; byId("put-in-force").hidden = true; byId("preview").hidden = true; byId("preview").replaceChildren(); });
byId("put-in-force")?.addEventListener("submit", async (sent) => {
  sent.preventDefault();
  const form = sent.target, button = form.querySelector("button");
  if (!previewed || form.dataset.busy) return;
  form.dataset.busy = "yes";
  const bar = h("progress", { max: 100, "aria-label": "Loading" }), line = h("p", { class: "loading", role: "status" }, bar, " Loading");
  form.append(line);
  button.disabled = true;
  const watch = setInterval(async () => {
    const row = await state(upload.dataset.address);
    if (row?.loading?.buckets) bar.value = (100 * row.loading.published) / row.loading.buckets;
    else if (row?.loading?.lines) line.lastChild.textContent = ` ${count(row.loading.lines)} lines read`;
  }, 1000);
  const reason = byId("force_reason").value.trim();
  const done = await send("loads", { against: previewed.version ?? "", ...(previewed.guards?.length ? { force: "true", note: reason } : {}) }).catch(() => say(upload, "The console does not answer. Whether it was loaded stands under Loads: reload the page."));
  clearInterval(watch);
  delete form.dataset.busy;
  button.disabled = false;
  line.remove();
  if (done) location.assign(`/lists/${encodeURIComponent(upload.dataset.list)}`);
});

async function state(address) {
  const answer = await fetch(address).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

// loads that run while somebody looks
for (const place of document.querySelectorAll("[data-loading]")) {
  const look = async () => {
    const row = await state(`/v1/hotlists/${encodeURIComponent(place.dataset.loading)}`);
    if (!row) return setTimeout(look, 5000);
    if (!row.loading) return location.reload();
    place.querySelector("progress").value = (100 * (row.loading.published ?? 0)) / (row.loading.buckets || 1);
    return setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}

// an entry says "not active yet" until it is matched; it is asked for a minute, then the page says to look again
for (const row of document.querySelectorAll("tr[data-waits]")) {
  const began = Date.now(), badge = row.querySelector(".badge");
  const look = async () => {
    const found = await state(`/v1${location.pathname}/${encodeURIComponent(row.dataset.entry)}`);
    if (found?.entry_state === "active") {
      row.dataset.entryState = "active";
      badge.className = "badge good";
      badge.replaceChildren(h("i", { "aria-hidden": "true", text: "✓" }), "Active");
      byId("said").textContent = `${row.querySelector(".plate-text").textContent} is active: it is matched from now on.`;
    } else if (Date.now() - began < 60000) setTimeout(look, Date.now() - began < 10000 ? 1000 : 5000); // each look is recorded
    else badge.after(h("p", { class: "amber", text: "Still not active after a minute: tell the ALPR administrator." }));
  };
  setTimeout(look, 700);
}
const lasting = () => {
  for (const place of document.querySelectorAll("[data-left]")) {
    const left = (Date.parse(place.dataset.left) - Date.now()) / 1000;
    place.textContent = left > 0 ? `${span(left)} left` : "over";
    place.className = left < 7200 ? "amber" : "dim";
  }
};
lasting();
setInterval(lasting, 30000);

// sources of a feed, one in a line
byId("feed-fields")?.addEventListener("shape", ({ detail: body }) => { body.sources = (body.sources ?? "").split("\n").map((name) => name.trim()).filter(Boolean); });

// the forms for plates: the longest time is filled in, and what depends on an answer appears with it
const entry = byId("hot-plate") ?? byId("partial-plate");
if (entry) {
  const ends = entry.elements.expires_at;
  // what a person typed stays; only a limit that is shorter moves it, and the form says so
  let typed = null;
  const until = (hours) => {
    ends.max = minutes(Date.now() + hours * 3600000);
    const late = typed > ends.max; // both as 2026-03-02T20:15; nothing typed is never late
    ends.value = typed === null || late ? ends.max : typed;
    return late;
  };
  until(Number(entry.dataset.hours));
  ends.addEventListener("input", () => { typed = ends.value; });
  entry.addEventListener("shape", ({ detail: body }) => {
    if (/^[a-z]{2}$/i.test(body.state ?? "")) body.state = `US-${body.state.toUpperCase()}`; // as reads carry it (ISO 3166-2)
    const vehicle = {};
    for (const name of ["make", "model", "color", "year"]) { if (body[`vehicle_${name}`]) vehicle[name] = body[`vehicle_${name}`]; delete body[`vehicle_${name}`]; }
    if (Object.keys(vehicle).length) body.vehicle = vehicle;
  });
  if (entry.id === "hot-plate") {
    const boxes = [...entry.querySelectorAll("[name=also_entered_in]")], none = entry.elements._none, hint = byId("expires_at-hint");
    const also = (changed) => {
      if (changed === none && none.checked) for (const box of boxes) box.checked = false;
      if (changed !== none && changed?.checked) none.checked = false;
      const short = boxes.some((box) => box.checked), hours = Number(short ? entry.dataset.stateHours : entry.dataset.hours);
      const moved = changed && until(hours);
      hint.textContent = `${short ? `At most ${hours} hours, because a state system takes over` : `At most ${hours / 24} days from now`}${moved ? ". Your end was later and has been moved to this limit" : ""}`;
      hint.classList.toggle("amber", Boolean(moved));
    };
    hint.setAttribute("aria-live", "polite");
    for (const box of [...boxes, none]) box.addEventListener("change", () => also(box));
    const told = () => {
      const kind = entry.elements._kind.value;
      byId("usernames-part").hidden = kind !== "several";
      byId("several-part").hidden = kind === "one";
      for (const name of ["contact_phone", "case_number", "synopsis"]) entry.elements[name].required = kind !== "one";
    };
    for (const radio of entry.elements._kind) radio.addEventListener("change", told);
    told();
    entry.addEventListener("shape", ({ detail: body }) => {
      if (!body.also_entered_in.length && !none.checked) body.also_entered_in = null; // not answered is not the same as none
      const kind = entry.elements._kind.value;
      body.distribution = { kind, usernames: kind === "several" ? entry.elements._usernames.value.split(/[\s,]+/).filter(Boolean) : [] };
      if (kind === "one") for (const name of ["contact_phone", "case_number", "synopsis"]) delete body[name];
    });
    entry.addEventListener("done", async (made) => {
      if (!entry.dataset.canvass) return;
      made.preventDefault();
      const joined = await join("hot_plate", made.detail.entry_id).catch(() => null);
      if (joined?.ok) location.assign(`/canvasses/${entry.dataset.canvass}`);
      else say(entry, "The plate is entered, but it could not be noted at the canvass. See Hot plates; do not enter it again.");
    });
  } else {
    const past = byId("past-part"), wanted = entry.elements._back_search;
    const asked = () => { for (const field of past.querySelectorAll("textarea")) field.required = wanted.checked; if (entry.elements._attest) entry.elements._attest.required = wanted.checked; for (const part of past.querySelectorAll(".field, .check:has([name=_attest])")) part.hidden = !wanted.checked; };
    wanted?.addEventListener("change", asked);
    if (wanted) asked();
    entry.addEventListener("shape", ({ detail: body }) => {
      if (!wanted?.checked) return;
      body.back_search = { attest_no_first_amendment: Boolean(entry.elements._attest?.checked) };
      for (const name of ["justification", "reasonable_suspicion", "need_to_know"]) if (entry.elements[`_${name}`]) body.back_search[name] = entry.elements[`_${name}`].value;
    });
    entry.addEventListener("done", (made) => { made.preventDefault(); showPast(made.detail); });
  }
}

// a plate that is entered for a canvass is noted there
function join(kind, entry_id) {
  if (!entry.dataset.canvass) return null;
  return fetch(`/v1/canvasses/${encodeURIComponent(entry.dataset.canvass)}/entries`, { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": token }, body: JSON.stringify({ kind, entry_id }) });
}

async function showPast(made) {
  const found = made.past, rows = found?.rows ?? [], place = byId("past");
  const joined = await join("partial", made.entry_id);
  entry.hidden = true;
  const words = !found ? "Past reads were not asked for." : found.status >= 400 ? `Past reads were not searched. ${refusal(found, found.status)} The entry stands: search from the list of partial plates.`
    : rows.length ? `${many(rows.length, "past read")} ${rows.length === 1 ? "fits" : "fit"}${found.next ? ", and there are more" : ""}.` : "No past read fits.";
  place.replaceChildren(...[
    h("div", { class: "note good" }, h("strong", { text: "Entered. " }), "Vehicles that fit are reported as soon as it is active."),
    joined && !joined.ok ? h("div", { class: "note bad", role: "alert", text: "It could not be attached to the canvass: attach it there again." }) : null,
    h("h2", { text: "Past reads" }), h("p", { text: words }),
    rows.length ? h("div", { class: "scroll" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, ["Plate", "State", "Captured", "Camera"].map((name) => h("th", { scope: "col", text: name })))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row", class: "plate-text", "data-label": "Plate", text: row.plate }), h("td", { "data-label": "State", text: (row.state || "unknown").replace("US-", "") }), h("td", { "data-label": "Captured" }, h("time", { datetime: row.captured_at, text: full(row.captured_at) })), h("td", { "data-label": "Camera", text: row.device_name || row.device_id })))))) : null,
    h("div", { class: "deeds" }, entry.dataset.canvass ? h("a", { class: "button main", href: `/canvasses/${entry.dataset.canvass}`, text: "Back to the canvass" }) : h("a", { class: "button main", href: "/partial-plates", text: "Partial plates" }))].filter(Boolean));
  place.hidden = false;
  place.focus();
}
