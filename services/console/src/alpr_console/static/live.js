// The live page: one stream in, one queue on the left, one hit in detail, its work beside it. Nothing leaves by itself.
import { ago, clock, h, post, setServerTime, serverTime } from "./dom.js";
import { render } from "./morph.js";
import { Detail } from "./detail.js";
import { again, drawn, drill, graver, left, open, ordered, over } from "./queue.js";
import { listen, switchedOn, switchTo } from "./hotkeys.js";
import { loadOutline } from "./spot.js";
import { follow } from "./feed.js";
import { flush, owe } from "./receipts.js";
import { Shift } from "./shift.js";
import { Steps } from "./steps.js";
import { ring } from "./sound.js";
import { armFrom, drawSound, muteOrNot } from "./soundbar.js";

const $ = (id) => document.getElementById(id);
const incidents = new Map(); // incident_id -> card, as the server last told it
const heardOf = new Map(); // hit_id -> whether it was heard here; its receipt goes when it was heard or can be seen
const STALE_AFTER_MS = 15000; // the server is heard at least every 10 s
const HANDS_OFF_MS = 4000;
const JUST_CAME_MS = 700; // no hand answers faster to what it has read
const DAY_MS = 86400000;
let selected = null;
let lastHeard = 0;
const pageTitle = document.title;
const say = (words) => { $("say").textContent = words; };

const steps = new Steps(h("div", { class: "steps-of-hit" }), { said: say, now: serverTime });
const detail = new Detail($("detail"), steps);
const shift = new Shift({ said: say, select: (hit) => { const card = [...incidents.values()].find((one) => one.hit_id === hit); if (card) select(card.incident_id, true); } });
const cards = () => ordered([...incidents.values()]);
const current = () => incidents.get(selected);
const picked = (wish) => document.body.classList.toggle("picked", wish);

function take(card, fresh) {
  const known = incidents.get(card.incident_id);
  if (known && known.revision > card.revision) return false;
  incidents.set(card.incident_id, card);
  // one vehicle, one incident, one ring: an update refreshes the card in silence, an escalation rings once more, and so does a passage after the work was closed
  const rings = fresh && !known && open(card) && card.audible; // audible: any notification of the incident was
  const sound = rings ? ring(card.incident_id, card.priority) : false;
  if (!heardOf.has(card.hit_id)) heardOf.set(card.hit_id, sound);
  if (fresh && known && open(known) && card.kind === "recall") say(`Withdrawn: plate ${[...card.plate].join(" ")}, ${card.withdrawn_words}.`);
  if (known && card.escalated_at && !known.escalated_at && !over(card)) {
    ring(`escalated ${card.incident_id}`, "escalated");
    $("shout").textContent = `Escalated: ${card.advisory_words}, plate ${[...card.plate].join(" ")}.`;
  }
  if (fresh && known && again(card) && card.hit_id !== known.hit_id) {
    ring(`again ${card.hit_id}`, card.priority);
    $("shout").textContent = `Seen again after it was closed: ${card.advisory_words}, plate ${[...card.plate].join(" ")}, ${card.device_name}.`;
  }
  if (rings) announce(card);
  return rings;
}

// A new hit takes the screen, unless someone chose another one or has a hand on it, or what is there waits and is as grave.
function bring(rung) {
  const next = ordered(rung)[0], now = current();
  if (next && free() && (!now || !open(now) || graver(next, now))) selected = next.incident_id;
}

// Which hit is on the screen since when, and whether a person chose it: what came by itself is no target at once.
let there = { incident: null, since: 0, chosen: false };
const justCame = () => !there.chosen && performance.now() - there.since < JUST_CAME_MS;
// A hand on the hit keeps it there: nobody acknowledges the wrong one.
let touched = 0;
for (const type of ["pointermove", "keydown", "pointerdown"]) $("detail").addEventListener(type, () => { touched = Date.now(); });
const free = () => !document.body.classList.contains("picked") && Date.now() - touched > HANDS_OFF_MS && !document.activeElement?.closest("#detail form");

// A receipt says that a person could notice it: a hidden page that made no sound owes it until it is looked at.
function receipts() {
  const screen = document.visibilityState === "visible";
  for (const { hit_id: hit } of incidents.values()) {
    const sound = heardOf.get(hit);
    if (sound || (sound === false && screen)) { heardOf.set(hit, null); owe(`/v1/hits/${hit}/presented`, { sound, screen }); }
  }
}
document.addEventListener("visibilitychange", receipts);

function announce(card) {
  const text = `${drill(card) ? "Exercise. " : ""}${card.advisory_words}. ${card.priority} priority. Plate ${[...card.plate].join(" ")}, ${card.device_name}.`;
  $(card.priority === "high" ? "shout" : "say").textContent = text;
}

function draw() {
  receipts();
  const list = cards(), waiting = list.filter(open).length;
  $("empty").hidden = list.length > 0;
  $("count").textContent = list.length ? `${waiting} new of ${list.length}` : "";
  document.title = waiting ? `(${waiting}) ${pageTitle}` : pageTitle;
  if (!current() || (!open(current()) && !document.body.classList.contains("picked") && free())) selected = (list.find(open) ?? current() ?? list[0])?.incident_id ?? null;
  render($("queue"), drawn([...incidents.values()], selected));
  if (selected !== there.incident) there = { incident: selected, since: performance.now(), chosen: false };
  detail.show(current());
}

function select(incident, byPerson) {
  selected = incident;
  there = { incident, since: performance.now(), chosen: byPerson };
  if (byPerson) picked(true);
  draw();
}

async function acknowledge() {
  const card = current();
  if (!card || card.acknowledged_at) return;
  if (justCame()) return say("Another hit has just come on the screen: look, then acknowledge.");
  const response = await post(`/v1/hits/${card.hit_id}/acknowledge`);
  if (!response.ok) return say("Not acknowledged, try again.");
  picked(true); // whoever takes a hit goes on with it
  say("Acknowledged.");
}

async function release(button) {
  button.disabled = true;
  const response = await post(`/v1/storms/${current().storm_id}/releases`);
  button.textContent = response.ok ? "Released: the hits are being announced" : response.status === 403 ? "A supervisor releases alert storms" : "Not released, try again";
  button.disabled = response.ok || response.status === 403;
}
function larger(button) {
  const image = button.querySelector("img");
  if (!image?.naturalWidth) return;
  $("large").querySelector("img").src = image.src;
  $("large").querySelector("img").alt = image.alt;
  $("large-title").textContent = image.alt;
  $("large").showModal();
}
const own = () => { const card = current(); if (card?.acknowledged_at && !over(card)) shift.own(card); };
const back = () => { picked(false); focusTicket(); };

document.addEventListener("click", (press) => {
  const deed = press.target.closest("[data-do]");
  const act = { select: () => select(deed.dataset.incident, true), acknowledge, own, back, release: () => release(deed), larger: () => larger(deed) }[deed?.dataset.do];
  act?.();
});

const focusTicket = () => $("queue").querySelector(`[data-incident="${selected}"]`)?.focus();
function move(by) {
  const list = cards(), at = list.findIndex((card) => card.incident_id === selected), next = list[Math.min(Math.max(at + by, 0), list.length - 1)];
  if (next) { select(next.incident_id, true); focusTicket(); }
}
$("queue").addEventListener("keydown", (press) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[press.key];
  if (!by) return;
  press.preventDefault();
  selected = press.target.closest("[data-incident]")?.dataset.incident ?? selected;
  move(by);
});

function readAloud() {
  const text = $("detail").querySelector(".aloud");
  if (text) text.focus();
  else steps.open(steps.rows().find((row) => row.step.startsWith("broadcast") && row.status !== "done")?.step);
}

listen({
  "?": () => $("keys").showModal(), j: () => move(1), k: () => move(-1), q: focusTicket,
  n: () => { const waiting = cards().find(open); if (waiting) { select(waiting.incident_id, true); focusTicket(); } else say("Nothing waits."); },
  a: acknowledge, s: () => steps.openNext(), c: () => steps.open("closure"), o: own, h: () => $("shift-open")?.click(),
  v: () => $("detail").querySelector("[data-do=larger]")?.click(),
  t: () => $("test-tone").click(), m: muteOrNot, r: readAloud,
  "/": () => $("past-reads")?.requestSubmit(),
}, (n) => steps.number(n), (field) => { const head = field.closest("[data-key^=step-]")?.querySelector("[data-step]"); if (head) head.focus(); else field.blur(); });
$("letters").checked = switchedOn();
$("letters").addEventListener("change", () => switchTo($("letters").checked));

function clear() {
  incidents.clear();
  draw();
  $("detail").replaceChildren();
  location.assign("/login");
}

const heard = () => { lastHeard = Date.now(); };
const stream = follow({
  snapshot: ({ incidents: told }) => {
    heard();
    // a snapshot holds the newest only: what this screen showed before stays until its day is over
    for (const [incident, card] of incidents) if (Date.now() - new Date(card.opened_at) > DAY_MS && !told.some((one) => one.incident_id === incident)) incidents.delete(incident);
    bring(told.reverse().filter((card) => take(card, !card.shown_at)));
    draw();
  },
  incident: (card) => { heard(); if (take(card, true)) bring([card]); draw(); },
  heartbeat: ({ at }) => { heard(); setServerTime(at); },
  "signed-out": ({ limit }) => { stream.close(); if (limit) location.reload(); else clear(); }, // locked, or something has to be done first: the page says what
  "signed-on": () => location.assign("/"), // this session became a vehicle or a desktop elsewhere
}, clear);

// A screen runs for weeks: what is over leaves with its day, except what is looked at.
setInterval(() => {
  for (const [incident, card] of incidents) {
    if (incident === selected || !over(card) || Date.now() - new Date(card.opened_at) < DAY_MS) continue;
    incidents.delete(incident);
    heardOf.delete(card.hit_id);
  }
  steps.forget(new Set(incidents.keys()));
  draw();
}, 60000);

function tick() {
  const live = stream.open && Date.now() - lastHeard < STALE_AFTER_MS;
  $("feed").className = `pill ${live ? "good" : "bad"}`;
  $("feed").lastElementChild.textContent = live ? "Live" : lastHeard ? "Reconnecting" : "Connecting";
  $("stale").hidden = live || !lastHeard || Date.now() - lastHeard < 4000; // a short reconnection is no alarm
  if (lastHeard) $("stale-since").textContent = `since ${clock(lastHeard)}.`;
  drawSound();
  if (live) flush(); // receipts that a lost network kept back
  for (const age of document.querySelectorAll("[data-since]")) age.textContent = ago(age.dataset.since);
  for (const task of document.querySelectorAll("[data-due]")) { task.textContent = left(task.dataset.due, serverTime()); task.classList.toggle("late", new Date(task.dataset.due) < serverTime()); }
}
armFrom(tick);
setInterval(tick, 1000);
tick();
if ($("detail").dataset.outline) loadOutline().then(draw);
