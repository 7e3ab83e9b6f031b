// The live page: one stream in, one queue on the left, one hit in detail. Nothing leaves the queue by itself.
import { ago, h, post, setServerTime, clock } from "./dom.js";
import { show } from "./detail.js";
import { arm, armed, mute, muted, mutedEnd, ring } from "./sound.js";

const $ = (id) => document.getElementById(id);
const incidents = new Map(); // incident_id -> card, as the server last told it
const presented = new Set(); // hit_ids whose receipt is on its way or in
const STALE_AFTER_MS = 15000; // the server is heard at least every 10 s
const HANDS_OFF_MS = 4000;
let selected = null;
let lastHeard = 0;
let pageTitle = document.title;

const ordered = () => [...incidents.values()].sort((a, b) => b.opened_at.localeCompare(a.opened_at) || a.incident_id.localeCompare(b.incident_id));
const open = (card) => !card.acknowledged_at && card.kind !== "recall";

function take(card, fresh) {
  const known = incidents.get(card.incident_id);
  if (known && known.revision > card.revision) return;
  incidents.set(card.incident_id, card);
  // one vehicle, one incident, one ring: an update refreshes the card in silence
  const rings = fresh && !known && open(card) && card.audible; // audible: any notification of the incident was
  const sound = rings ? ring(card.incident_id, card.priority) : false;
  if (!presented.has(card.hit_id)) receipt(card, sound);
  if (fresh && known && open(known) && card.kind === "recall") $("say").textContent = `Withdrawn: plate ${[...card.plate].join(" ")}, ${card.withdrawn_words}.`;
  if (rings) {
    announce(card);
    if (free()) selected = card.incident_id;
  }
}

// A new hit takes the screen, unless someone chose another one or has a hand on it: nobody acknowledges the wrong hit.
let touched = 0;
for (const type of ["pointermove", "keydown", "pointerdown"]) $("detail").addEventListener(type, () => { touched = Date.now(); });
const free = () => !document.body.classList.contains("picked") && Date.now() - touched > HANDS_OFF_MS;

async function receipt(card, sound) {
  presented.add(card.hit_id);
  const screen = document.visibilityState === "visible";
  try {
    const response = await post(`/v1/hits/${card.hit_id}/presented`, { sound, screen });
    if (response.status >= 500) presented.delete(card.hit_id);
  } catch { presented.delete(card.hit_id); }
}

function announce(card) {
  const text = `${card.advisory_words}. ${card.priority} priority. Plate ${[...card.plate].join(" ")}, ${card.device_name}.`;
  $(card.priority === "high" ? "shout" : "say").textContent = text;
}

function row(card) {
  const marks = [];
  if (card.kind === "recall") marks.push(h("span", { class: "tag bad", text: `WITHDRAWN: ${card.withdrawn_words}` }));
  if (card.kind === "storm") marks.push(h("span", { class: "tag warn", text: "Alert storm" }));
  if (card.workflow_state === "misread") marks.push(h("span", { class: "tag bad", text: "Misread" }));
  if (card.status !== "Actual") marks.push(h("span", { class: "tag", text: card.status }));
  if (card.delayed) marks.push(h("span", { class: "tag warn", text: "Delayed" }));
  if (card.sightings.length > 1) marks.push(h("span", { class: "tag", text: `Seen ${card.sightings.length}×` }));
  return h("li", {}, h("button", {
    type: "button", class: `ticket ${card.priority}${open(card) ? " open" : ""}`, "data-incident": card.incident_id,
    "aria-current": card.incident_id === selected ? "true" : null, on: { click: () => select(card.incident_id, true) },
  },
  h("span", { class: "line" }, h("span", { class: "class", text: card.advisory_words }), h("span", { class: "age dim", "data-since": card.opened_at, text: ago(card.opened_at) })),
  h("span", { class: "line" }, h("span", { class: "plate-text", text: card.plate || "Unreadable" }), h("span", { class: "dim", text: (card.state || "").replace(/^US-|^unknown$/, "") })),
  h("span", { class: "line dim" }, h("span", { class: "where", text: card.device_name || card.device_id })),
  h("span", { class: "line marks" }, marks, open(card)
    ? h("span", { class: "tag new", text: "New" })
    : card.acknowledged_at && h("span", { class: "dim done", text: `✓ ${card.acknowledged_by}, ${clock(card.acknowledged_at)}` }))));
}

function draw() {
  const list = ordered();
  const focused = document.activeElement?.dataset?.incident;
  $("queue").replaceChildren(...list.map(row));
  if (focused) $("queue").querySelector(`[data-incident="${focused}"]`)?.focus({ preventScroll: true });
  const waiting = list.filter(open).length;
  $("empty").hidden = list.length > 0;
  $("count").textContent = list.length ? `${waiting} new of ${list.length}` : "";
  document.title = waiting ? `(${waiting}) ${pageTitle}` : pageTitle;
  const current = incidents.get(selected);
  if (!current || (!open(current) && !document.body.classList.contains("picked"))) {
    const next = list.find(open) || list[0];
    if (next) selected = next.incident_id;
  }
  for (const button of $("queue").querySelectorAll("button")) {
    if (button.dataset.incident === selected) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  }
  show($("detail"), incidents.get(selected), { acknowledge, release, back: () => document.body.classList.remove("picked") });
}

function select(incident, byPerson) {
  selected = incident;
  if (byPerson) document.body.classList.add("picked");
  draw();
}

async function acknowledge(card) {
  const response = await post(`/v1/hits/${card.hit_id}/acknowledge`);
  if (response.ok) document.body.classList.remove("picked");
}

async function release(card, button) {
  button.disabled = true;
  const response = await post(`/v1/storms/${card.storm_id}/releases`);
  button.textContent = response.ok ? "Released: the hits are being announced" : response.status === 403 ? "A supervisor releases alert storms" : "Not released, try again";
  button.disabled = response.ok || response.status === 403;
}

$("queue").addEventListener("keydown", (press) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[press.key];
  if (!step) return;
  press.preventDefault();
  const buttons = [...$("queue").querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (next) { const id = next.dataset.incident; next.focus(); selected = id; document.body.classList.add("picked"); draw(); }
});

function clear() {
  incidents.clear();
  draw();
  $("detail").replaceChildren();
  location.assign("/login");
}

const stream = new EventSource("/v1/events");
const heard = () => { lastHeard = Date.now(); };
stream.addEventListener("snapshot", (message) => {
  heard();
  const cards = JSON.parse(message.data).incidents;
  incidents.clear();
  for (const card of cards.reverse()) take(card, !card.shown_at);
  draw();
});
stream.addEventListener("incident", (message) => { heard(); take(JSON.parse(message.data), true); draw(); });
stream.addEventListener("heartbeat", (message) => { heard(); setServerTime(JSON.parse(message.data).at); });
stream.addEventListener("signed-out", (message) => {
  stream.close();
  if (JSON.parse(message.data).limit) location.reload(); // locked, or something has to be done first: the page says what
  else clear();
});
stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) fetch("/v1/session").then((answer) => { if (answer.status === 401) clear(); }); });

$("arm").addEventListener("click", async () => { await arm(); tick(); });
$("mute").addEventListener("click", async () => { await mute(muted() ? 0 : Number($("mute").dataset.minutes)); tick(); });

function tick() {
  const live = stream.readyState === EventSource.OPEN && Date.now() - lastHeard < STALE_AFTER_MS;
  $("feed").className = `pill ${live ? "good" : "bad"}`;
  $("feed").lastElementChild.textContent = live ? "Live" : lastHeard ? "Reconnecting" : "Connecting";
  $("stale").hidden = live || !lastHeard || Date.now() - lastHeard < 4000; // a short reconnection is no alarm
  if (lastHeard) $("stale-since").textContent = `since ${clock(lastHeard)}.`;
  const on = armed();
  $("unarmed").hidden = on;
  $("sound-state").className = `pill ${on ? (muted() ? "warn" : "good") : "warn"}`;
  $("sound-state").lastElementChild.textContent = on ? (muted() ? `Muted to ${clock(mutedEnd())}, high still rings` : "Sound armed") : "Sound off";
  $("mute").hidden = !on;
  $("mute").textContent = muted() ? "Unmute" : `Mute ${$("mute").dataset.minutes} min`;
  for (const age of document.querySelectorAll("[data-since]")) age.textContent = ago(age.dataset.since);
}
setInterval(tick, 1000);
tick();
