// One hit in full: what kind of alert, the plate and how sure each character is, the pictures, why, where, since when.
import { ago, clock, dayAndClock, full, h, post, span } from "./dom.js";

const hidden = (name, value) => h("input", { type: "hidden", name, value }); // a plate travels in the body, never in an address

const PRIORITY = { high: "High priority", medium: "Medium priority", information: "Information" };
const state = (code) => (code || "unknown").replace(/^US-/, "");
const percent = (part) => `${Math.min(Math.round(part * 100), 99)} %`; // nothing a machine reads is certain
const known = (code) => code && code !== "unknown";
const origin = (card) => (known(card.state) ? `State ${state(card.state)} ${percent(card.state_confidence)}` : "State unknown");
const RETRIES = 8; // the picture may reach its door some seconds after the hit
let pictures = null;
let picturesOf = "";
let checkForm = null;
let checkFormOf = "";

function picture(card, role, words) {
  const image = h("img", { alt: words, decoding: "async" });
  const note = h("span", { class: "waiting", text: "Picture is coming" });
  const place = `/v1/live-hits/${card.hit_id}/images/${role}`;
  let tries = 0;
  image.addEventListener("load", () => { note.remove(); image.classList.add("there"); });
  image.addEventListener("error", () => {
    tries += 1;
    if (tries > RETRIES) { note.textContent = "Picture not available"; return; }
    setTimeout(() => { image.src = `${place}?try=${tries}`; }, 1000 * tries);
  });
  image.src = place;
  return h("figure", { class: role }, h("div", { class: "frame" }, note, image), h("figcaption", { text: words }));
}

function plate(card) {
  const letters = card.characters.length ? card.characters : [...card.plate].map((first) => ({ first, probability: 1 }));
  const differs = new Map(card.differences.map((difference) => [difference.position, difference]));
  const label = letters.map((letter) => letter.first + (letter.doubtful ? ` doubtful, ${percent(letter.probability)}` : "")).join(", ");
  return h("div", { class: "plate", role: "img", "aria-label": `Plate: ${label}` },
    letters.map((letter, position) => h("span", { class: `letter${letter.doubtful ? " doubtful" : ""}` },
      h("b", { text: letter.first }),
      letter.doubtful && h("small", {}, percent(letter.probability), letter.second && h("br"), letter.second && `or ${letter.second}`),
      differs.has(position) && h("small", { class: "listed" }, "list", h("br"), differs.get(position).listed))));
}

const headings = { N: "northbound", S: "southbound", E: "eastbound", W: "westbound", NE: "northeastbound", NW: "northwestbound", SE: "southeastbound", SW: "southwestbound" };
const direction = (code) => headings[code] || (code && code !== "unknown" ? code : "direction unknown");

// What decides at a glance: which list and how old, how good the match, where the vehicle was and when.
function keys(card) {
  const cell = (name, value, note, amber) => h("div", {}, h("dt", { text: name }), h("dd", {}, h("strong", { text: value }), h("span", { class: amber ? "amber" : "dim" }, note)));
  return h("dl", { class: "keys" },
    cell(`List ${card.list_code}`, card.list_name || card.list_code, `${span(card.list_age_seconds)} old when matched${card.list_stale ? ", older than it should be" : ""}`, card.list_stale),
    cell("Match", card.grade_words, card.state_match === "match" ? `${percent(card.probability)} sure that the read is right` : card.state_words, card.state_match !== "match"),
    cell("Seen at", card.device_name || card.device_id, direction(card.direction)),
    h("div", {}, h("dt", { text: card.delayed ? "Captured, delayed" : "Captured" }), h("dd", {}, h("strong", {}, h("span", { "data-since": card.captured_at, text: ago(card.captured_at) }), " ago"), h("span", { class: card.delayed ? "amber" : "dim", text: clock(card.captured_at) }))));
}

const fact = (name, value, className) => h("div", { class: className }, h("dt", { text: name }), h("dd", {}, value));

function trail(card) {
  const first = card.sightings[0];
  const stops = [["Captured", card.captured_at], ["Received", card.received_at], ["Read", card.read_at], ["Matched", card.matched_at], ["Notified", card.notified_at], ["Shown", card.hit_shown_at]];
  if (card.acknowledged_at) stops.push(["Acknowledged", card.acknowledged_at]);
  let before = null;
  return h("section", { class: "trail" }, h("h3", { text: "Time trail" }),
    h("ol", {}, stops.map(([name, moment]) => {
      const delta = moment && before ? (new Date(moment) - new Date(before)) / 1000 : null;
      if (moment) before = moment;
      const gap = delta === null ? "" : delta < 0 ? "earlier" : delta < 10 ? `+${delta.toFixed(1)} s` : `+${span(delta)}`;
      return h("li", { class: moment ? "" : "open", title: moment ? full(moment) : null }, h("span", { text: name }), h("time", { text: moment ? clock(moment) : "–" }), h("small", { text: gap }));
    })),
    card.sightings.length > 1 && h("p", { class: "dim" }, `First seen ${dayAndClock(first.at)} at ${first.place}. Seen ${card.sightings.length} times: `,
      card.sightings.map((sighting) => `${clock(sighting.at)} ${sighting.place}`).join(" → ")));
}

function listFacts(card) {
  return h("section", { class: "facts" }, h("h3", { text: "The list" }), h("dl", {},
    card.entry?.vehicle && fact("Vehicle listed", h("strong", { text: card.entry.vehicle }), "wide"),
    known(card.vehicle?.color) && fact("Color seen", h("span", {}, h("strong", { text: card.vehicle.color_words }), " ", percent(card.vehicle.color_probability), h("br"), h("span", { class: "dim", text: "estimated by machine, not verified" })), "wide"),
    card.entry?.synopsis && fact("What happened", card.entry.synopsis, "wide"),
    card.entry?.basis && fact("Why it is listed", card.entry.basis, "wide"),
    card.entry?.case_number && fact("Case", card.entry.case_number),
    card.entry?.officer_name && fact("Ask", h("span", {}, h("strong", { text: card.entry.officer_name }), card.entry.contact_phone && h("br"), card.entry.contact_phone)),
    card.entry?.originating_agency && fact("Entered by", card.entry.originating_agency),
    card.entry?.source_key && fact("Record", card.entry.source_key),
    card.entry?.notes && fact("Notes", card.entry.notes, "wide"),
    fact("Source time", dayAndClock(card.list_source_time)),
    fact("Loaded", dayAndClock(card.list_loaded_at)),
    fact("Not real-time", h("span", { class: "dim", text: "The entry may have changed since." }), "wide")));
}

function whyFacts(card) {
  const others = (card.origins || []).slice(1).filter((other) => other.probability >= 0.01).map((other) => `${state(other.state)} ${percent(other.probability)}`);
  const read = known(card.state) ? `${state(card.state)} ${percent(card.state_confidence)}` : "unknown";
  const states = `read ${read}${others.length ? ` (or ${others.join(", ")})` : ""} · listed ${card.entry_state ? state(card.entry_state) : "not named"}`;
  return h("section", { class: "facts" }, h("h3", { text: "Why it matched" }), h("dl", {},
    fact("Explanation", card.explanation || "The text read equals the text listed.", "wide"),
    fact("State", h("span", { class: card.state_match === "match" ? "" : "amber", text: states }), "wide"),
    fact("Listed plate", h("span", { class: "plate-text", text: card.entry_plate })),
    fact("Read is right", percent(card.probability))));
}

function whereFacts(card) {
  const quality = { live: "live position", registered: "registered position", stale: `position ${span(card.location_age_seconds)} old` }[card.location_quality];
  return h("section", { class: "facts" }, h("h3", { text: "Where and when" }), h("dl", {},
    fact("Camera", card.camera_id, "wide"), fact("Device", card.device_kind), fact("Direction", direction(card.direction)),
    fact("Captured", full(card.captured_at), "wide"),
    fact("Position", h("span", {}, `${card.latitude.toFixed(5)}, ${card.longitude.toFixed(5)} `, h("span", { class: card.location_quality === "stale" ? "amber" : "dim", text: quality })), "wide")));
}

// The dispatcher's own look at the picture: what was read is kept, a corrected text stands beside it.
function readCheck(card) {
  if (checkFormOf !== card.hit_id) {
    checkFormOf = card.hit_id;
    const corrected = h("input", { class: "plate-input", id: "corrected", maxlength: "16", autocomplete: "off", autocapitalize: "characters", spellcheck: "false" });
    const method = h("select", { id: "check-method" }, h("option", { value: "image_review", text: "By the pictures" }), h("option", { value: "visual_on_vehicle", text: "On the vehicle itself" }));
    const origins = h("select", { id: "check-state" }, h("option", { value: "unknown", text: "Cannot tell" }), h("option", { value: "match", text: "As listed" }), h("option", { value: "mismatch", text: "Differs from the list" }));
    const said = h("p", { class: "dim", role: "status" });
    const send = async (result) => {
      const answer = await post(`/v1/hits/${card.hit_id}/read-check`, { result, method: method.value, state_confirmed: origins.value, corrected_text: result === "misread" ? corrected.value : "" });
      said.textContent = answer.ok ? "Recorded." : (await answer.json()).detail;
    };
    checkForm = h("div", { class: "check-form" },
      h("label", {}, "How", method), h("label", {}, "State on the plate", origins),
      h("button", { type: "button", id: "read-correct", text: "Read is correct", on: { click: () => send("correct") } }),
      h("label", {}, "What the plate says", corrected),
      h("button", { type: "button", id: "read-misread", text: "Misread", on: { click: () => send("misread") } }), said);
  }
  const check = card.read_check;
  const found = check && (check.result === "misread"
    ? h("p", { class: "amber", id: "read-check" }, h("strong", { text: "Misread" }), check.corrected_text ? `: the plate says ${check.corrected_text}, read as ${check.plate_text}` : ": the plate says something else", ` · ${check.by}, ${clock(check.at)}`)
    : h("p", { id: "read-check" }, h("strong", { text: "Read is correct" }), ` · ${check.by}, ${clock(check.at)}`));
  return h("section", { class: "facts check" }, h("h3", { text: "Read check" }), found || h("p", { class: "dim", id: "read-check", text: "Nobody has compared this read with its picture yet." }), checkForm);
}

export function show(root, card, actions) {
  if (!card) { root.replaceChildren(h("div", { class: "blank" }, h("p", { text: "No hit selected." }))); picturesOf = ""; return; }
  const wasFocused = root.contains(document.activeElement) && document.activeElement.id;
  if (picturesOf !== card.hit_id) {
    pictures = h("div", { class: "pictures" }, picture(card, "closeup", "Close-up of the plate"), picture(card, "context", "Vehicle in context"));
    picturesOf = card.hit_id;
  }
  const over = card.kind === "recall" ? `WITHDRAWN: ${card.withdrawn_words}. Do not act on this hit` : card.workflow_state === "misread" ? "Misread: do not act on this hit" : "";
  root.className = `detail ${card.priority}`;
  root.replaceChildren(
    h("button", { type: "button", class: "back quiet", text: "‹ Queue", on: { click: actions.back } }),
    h("header", { class: "band" },
      h("div", {}, h("h2", { text: card.advisory_words }), h("p", {}, h("strong", { text: PRIORITY[card.priority] }), card.reason !== card.advisory_class && ` · ${card.reason_words}`, card.status !== "Actual" && h("span", { class: "tag", text: card.status }))),
      card.acknowledged_at
        ? h("p", { class: "done" }, "✓ Acknowledged", h("br"), h("span", { text: `${card.acknowledged_by}, ${clock(card.acknowledged_at)}` }))
        : h("button", { type: "button", id: "acknowledge", class: "main", text: "Acknowledge", on: { click: () => actions.acknowledge(card) } })),
    h("p", { class: "notice" }, h("strong", { text: over || root.dataset.notice }), card.storm_words && ` ${card.storm_words}`, over ? "" : `${card.advisory_class === "information_only" ? " This list informs only: it is no basis for a stop or search." : ""} Check the plate against the picture, then confirm by CLETS/NCIC.`),
    keys(card),
    h("div", { class: "see" },
      h("div", { class: "reading" }, h("p", { class: "dim", text: origin(card) }), plate(card),
        h("p", { class: "dim", text: card.characters.some((letter) => letter.doubtful) ? "Marked characters are doubtful: compare with the picture." : "All characters read with confidence." })),
      pictures),
    readCheck(card),
    h("div", { class: "deeds" },
      card.kind === "storm" && h("button", { type: "button", id: "release-storm", text: "Announce the waiting hits", on: { click: (press) => actions.release(card, press.target) } }),
      h("a", { class: "button", href: `/hits/${card.hit_id}/sources`, text: "CLETS verification and registration" }),
      h("form", { method: "post", action: "/search" }, hidden("csrf", document.querySelector('meta[name="csrf"]').content), hidden("fill_in", "1"), hidden("plate", card.plate),
        h("button", { type: "submit", text: "Search past reads of this plate" }))),
    h("div", { class: "columns" }, whyFacts(card), whereFacts(card), listFacts(card)),
    trail(card),
    h("p", { class: "dim fine", text: `Notification: ${card.screen_text}` }));
  if (wasFocused) document.getElementById(wasFocused)?.focus();
}
