// What a hit says, laid out: the plate and how sure each character is, camera beside list, the list and its age, the trail in time.
import { ago, clock, dayAndClock, full, h, span } from "./dom.js";
import { codeWords, direction, known, spelled, state } from "./speak.js";

export const percent = (part) => `${Math.min(Math.round(part * 100), 99)} %`; // nothing a machine reads is certain
export const origin = (card) => (known(card.state) ? `State ${state(card.state)} ${percent(card.state_confidence)}` : "State unknown");

export function plate(card) {
  const letters = card.characters.length ? card.characters : [...card.plate].map((first) => ({ first, probability: 1 }));
  const differs = new Map(card.differences.map((difference) => [difference.position, difference]));
  const label = letters.map((letter) => letter.first + (letter.doubtful ? ` doubtful, ${percent(letter.probability)}` : "")).join(", ");
  return h("div", { class: "plate", role: "img", "aria-label": `Plate: ${label}` },
    letters.map((letter, position) => h("span", { class: `letter${letter.doubtful ? " doubtful" : ""}` },
      h("b", { text: letter.first }),
      letter.doubtful && h("small", {}, percent(letter.probability), letter.second && h("br"), letter.second && `or ${letter.second}`),
      differs.has(position) && h("small", { class: "listed" }, "list", h("br"), differs.get(position).listed))));
}
export const spelling = (card) => h("p", { class: "spelled", text: spelled(card.plate) });

// What decides at a glance: which list and how old, how good the match, where the vehicle was and when.
export function keys(card) {
  const cell = (name, value, note, amber) => h("div", {}, h("dt", { text: name }), h("dd", {}, h("strong", { text: value }), h("span", { class: amber ? "amber" : "dim" }, note)));
  return h("dl", { class: "keys", "data-key": "keys" },
    cell(`List ${card.list_code}`, card.list_name || card.list_code, `${span(card.list_age_seconds)} old when matched${card.list_stale ? ", older than it should be" : ""}`, card.list_stale),
    cell("Match", card.grade_words, card.state_match === "match" ? `${percent(card.probability)} sure that the read is right` : card.state_words, card.state_match !== "match"),
    cell("Seen at", card.device_name || card.device_id, direction(card.direction)),
    h("div", {}, h("dt", { text: card.delayed ? "Captured, delayed" : "Captured" }), h("dd", {}, h("strong", {}, h("span", { "data-since": card.captured_at, text: ago(card.captured_at) }), " ago"), h("span", { class: card.delayed ? "amber" : "dim", text: clock(card.captured_at) }))));
}

const fact = (name, value, className) => h("div", { class: className }, h("dt", { text: name }), h("dd", {}, value));
const SIGNS = { same: ["=", "agrees"], differs: ["≠", "differs"], open: ["?", "not known"] };

// Camera and list side by side: each line says itself whether they agree, by sign and word, not by color alone.
export function compared(card) {
  const others = (card.origins || []).slice(1).filter((other) => other.probability >= 0.01).map((other) => `${state(other.state)} ${percent(other.probability)}`);
  const read = known(card.state) ? `${state(card.state)} ${percent(card.state_confidence)}${others.length ? ` (or ${others.join(", ")})` : ""}` : "unknown";
  const seen = known(card.vehicle?.color) ? `${card.vehicle.color_words} ${percent(card.vehicle.color_probability)}` : "not seen";
  const listed = card.entry?.vehicle ?? "";
  const color = !known(card.vehicle?.color) || !listed ? "open" : listed.toLowerCase().includes(card.vehicle.color_words.toLowerCase()) ? "same" : "differs";
  const line = (name, camera, list, how, className, what = "") => h("tr", { class: how }, h("th", { scope: "row", text: name }), h("td", { class: className, text: camera }), h("td", { class: className, text: list }),
    h("td", { class: "verdict" }, h("span", { "aria-hidden": "true", text: SIGNS[how][0] }), ` ${what}${SIGNS[how][1]}`));
  return h("section", { class: "facts compared", "data-key": "compared" }, h("h3", { text: "Camera and list" }),
    h("table", {}, h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col", text: "Camera saw" }), h("th", { scope: "col", text: "List says" }), h("td"))),
      h("tbody", {},
        line("Plate", card.plate || "unreadable", card.entry_plate, card.plate === card.entry_plate ? "same" : "differs", "plate-text"),
        line("State", read, card.entry_state ? state(card.entry_state) : "not named", { match: "same", mismatch: "differs" }[card.state_match] ?? "open"),
        line("Vehicle", seen, listed || "not named", color, "", color === "open" ? "" : "color "))),
    card.state_match !== "match" && h("p", { class: "amber" }, `State: read ${read} · listed ${card.entry_state ? state(card.entry_state) : "not named"}`),
    h("p", { class: "dim fine" }, card.explanation || "The text read equals the text listed.", known(card.vehicle?.color) && " Color: estimated by machine, not verified."));
}

export function listFacts(card) {
  return h("section", { class: "facts", "data-key": "list" }, h("h3", { text: "The list" }), h("dl", {},
    card.entry?.synopsis && fact("What happened", card.entry.synopsis, "wide"),
    card.entry?.basis && fact("Why it is listed", card.entry.basis, "wide"),
    card.entry?.case_number && fact("Case", card.entry.case_number),
    card.entry?.officer_name && fact("Ask", h("span", {}, h("strong", { text: card.entry.officer_name }), card.entry.contact_phone && h("br"), card.entry.contact_phone)),
    card.entry?.originating_agency && fact("Entered by", card.entry.originating_agency),
    card.entry?.source_key && fact("Record", card.entry.source_key),
    card.entry?.notes && fact("Notes", card.entry.notes, "wide"),
    fact("Source time", dayAndClock(card.list_source_time)),
    fact("Loaded", dayAndClock(card.list_loaded_at)),
    fact("Camera", `${card.camera_id} (${codeWords(card.device_kind)})`),
    fact("Captured", full(card.captured_at)),
    fact("Not real-time", h("span", { class: "dim", text: "The entry may have changed since." }), "wide")));
}

export function trail(card) {
  const first = card.sightings[0];
  const stops = [["Captured", card.captured_at], ["Received", card.received_at], ["Read", card.read_at], ["Matched", card.matched_at], ["Notified", card.notified_at], ["Stored", card.stored_at], ["Shown", card.hit_shown_at]];
  if (card.acknowledged_at) stops.push(["Acknowledged", card.acknowledged_at]);
  let before = null;
  return h("section", { class: "trail", "data-key": "trail" }, h("h3", { text: "Time trail" }),
    h("ol", {}, stops.map(([name, moment]) => {
      const delta = moment && before ? (new Date(moment) - new Date(before)) / 1000 : null;
      if (moment) before = moment;
      const gap = delta === null ? "" : delta < 0 ? "earlier" : delta < 10 ? `+${delta.toFixed(1)} s` : `+${span(delta)}`;
      return h("li", { class: moment ? "" : "open", title: moment ? full(moment) : null }, h("span", { text: name }), h("time", { text: moment ? clock(moment) : "–" }), h("small", { text: gap }));
    })),
    card.sightings.length > 1 && h("p", { class: "dim" }, `First seen ${dayAndClock(first.at)} at ${first.place}.`));
}
