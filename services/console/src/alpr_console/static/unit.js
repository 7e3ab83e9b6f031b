// The page of a vehicle and of a desktop: one stream in, what this session was told, and the work on the hit beside it.
import { clock, h, post, setServerTime, serverTime } from "./dom.js";
import { render } from "./morph.js";
import { Detail } from "./detail.js";
import { drawn, due, left, open, ordered, over } from "./queue.js";
import { listen, switchedOn, switchTo } from "./hotkeys.js";
import { Messages } from "./messages.js";
import { follow } from "./feed.js";
import { flush, owe } from "./receipts.js";
import { ask } from "./own.js";
import { Steps } from "./steps.js";
import { ring } from "./sound.js";
import { armFrom, drawSound, muteOrNot } from "./soundbar.js";

const $ = (id) => document.getElementById(id);
const incidents = new Map(); // incident_id -> card, as the server last told it
const heardOf = new Map(); // delivery_id -> whether it was heard here; its receipt goes when a person can see it
const STALE_AFTER_MS = 15000; // the server is heard at least every 10 s
const DAY_MS = 86400000;
const pageTitle = document.title;
let selected = null, lastHeard = 0, touched = 0;
const say = (words) => { $("say").textContent = words; };
const shout = (words) => { $("shout").textContent = words; };

const steps = new Steps(h("div", { class: "steps-of-hit" }), { said: say, now: serverTime, owner: false });
const detail = new Detail($("detail"), steps);
const messages = new Messages($("messages"), { said: say, picked: (hit) => { const card = cards().find((one) => one.hit_id === hit); if (card) select(card.incident_id); } });

// What this unit took notice of is its own: on its screen that, and not the dispatcher's, says whether a hit is new.
function mine(card) {
  const sent = card.deliveries, last = sent.at(-1), seen = sent.every((one) => one.acknowledged_at);
  return { ...card, owner: null, acknowledged_at: seen && last ? last.acknowledged_at : null, acknowledged_by: seen ? "This unit" : "" };
}
const cards = () => ordered([...incidents.values()].map(mine));
const current = () => { const card = incidents.get(selected); return card && mine(card); };
const picked = (wish) => document.body.classList.toggle("picked", wish);
for (const type of ["pointermove", "keydown", "pointerdown"]) $("detail").addEventListener(type, () => { touched = Date.now(); });
const free = () => !document.body.classList.contains("picked") && Date.now() - touched > 4000 && !document.activeElement?.closest("#detail form");

function take(card) {
  const known = incidents.get(card.incident_id);
  if (known && known.revision > card.revision) return;
  incidents.set(card.incident_id, card);
  const fresh = card.deliveries.filter((one) => !one.presented_at && !heardOf.has(one.delivery_id));
  const rings = fresh.some((one) => one.audible) && open(mine(card));
  const sound = rings && ring(card.incident_id, card.priority);
  for (const one of fresh) heardOf.set(one.delivery_id, sound && one.audible);
  if (known && card.kind === "recall" && known.kind !== "recall") shout(`Withdrawn: plate ${[...card.plate].join(" ")}, ${card.withdrawn_words}.`);
  if (!rings) return;
  shout(`${card.advisory_words}. ${card.priority} priority. Plate ${[...card.plate].join(" ")}, ${card.device_name}.`);
  if (free()) selected = card.incident_id;
}

// A receipt says that a person could see it: a hidden or sleeping page owes it until it is looked at.
function receipts() {
  if (document.visibilityState !== "visible") return;
  for (const card of incidents.values()) {
    for (const one of card.deliveries) if (!one.presented_at && heardOf.has(one.delivery_id)) owe(`/v1/deliveries/${one.delivery_id}/presented`, { sound: heardOf.get(one.delivery_id), screen: true });
  }
  messages.receipts();
  flush();
}

function draw() {
  const list = cards();
  $("empty").hidden = list.length > 0 || messages.size > 0;
  render($("queue"), drawn(list, selected));
  const waiting = list.filter(open).length + messages.waiting;
  $("count").textContent = list.length || messages.size ? `${waiting} new` : "";
  document.title = waiting ? `(${waiting}) ${pageTitle}` : pageTitle;
  if (!current()) selected = (list.find(open) ?? list[0])?.incident_id ?? null;
  for (const button of $("queue").querySelectorAll("[data-incident]")) {
    if (button.dataset.incident === selected) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  }
  messages.draw();
  detail.show(current());
}

function select(incident) {
  selected = incident;
  picked(true);
  draw();
}
function step(by) {
  const list = cards(), at = list.findIndex((card) => card.incident_id === selected), next = list[Math.min(Math.max(at + by, 0), list.length - 1)];
  if (next) { select(next.incident_id); $("queue").querySelector(`[data-incident="${next.incident_id}"]`)?.focus(); }
}

async function acknowledge() {
  const card = current();
  if (!card || card.acknowledged_at) { await messages.acknowledgeFirst(); draw(); return; }
  const answer = await post(`/v1/deliveries/${card.deliveries.at(-1).delivery_id}/acknowledge`);
  say(answer.ok ? "Acknowledged: dispatch sees it." : "Not acknowledged, try again.");
}

const DEEDS = { acknowledge, back: () => { picked(false); draw(); }, select: (button) => select(button.dataset.incident) };
document.addEventListener("click", (press) => {
  const button = press.target.closest("[data-do]");
  if (button) DEEDS[button.dataset.do]?.(button);
});
listen({
  a: acknowledge, j: () => step(1), k: () => step(-1), n: () => { const waiting = cards().find(open); if (waiting) select(waiting.incident_id); else say("Nothing waits."); }, s: () => steps.openNext(), c: () => steps.open("closure"), m: muteOrNot, d: () => $("own").showModal(),
  "?": () => $("keys").showModal(), escape: () => { picked(false); draw(); },
}, (number) => steps.number(number), (field) => { field.blur(); $("detail").focus(); });
$("letters").checked = switchedOn();
$("letters").addEventListener("change", () => switchTo($("letters").checked));

function clear(page) {
  incidents.clear();
  messages.clear();
  selected = null;
  draw();
  $("detail").replaceChildren();
  document.title = pageTitle;
  location.assign(page);
}
$("sign-off").addEventListener("click", async () => {
  const token = document.querySelector('meta[name="csrf"]').content;
  const answer = await fetch("/v1/session/unit", { method: "DELETE", headers: { "x-csrf-token": token } });
  if (answer.ok || answer.status === 404) clear("/unit"); else say("Not signed off, try again.");
});

// night: the dark colors, dimmer, so that the eye stays used to the dark outside
const nightly = (wish) => { document.documentElement.classList.toggle("night", wish); $("night").setAttribute("aria-pressed", String(wish)); };
const keptNight = () => { try { return localStorage.getItem("night") === "yes"; } catch { return false; } };
nightly(keptNight());
$("night").addEventListener("click", () => {
  const wish = !document.documentElement.classList.contains("night");
  try { localStorage.setItem("night", wish ? "yes" : "no"); } catch { /* private window: for this page */ }
  nightly(wish);
});

const feed = follow({
  snapshot: (told) => {
    incidents.clear();
    for (const card of told.incidents) take(card);
    messages.clear();
    for (const message of told.messages) messages.take(message);
    shown();
  },
  incident: (card) => { take(card); shown(); },
  message: (message) => { messages.take(message); shown(); },
  heartbeat: (told) => { lastHeard = Date.now(); setServerTime(told.at); },
  "signed-out": (told) => {
    feed.close();
    if (told.limit === "SESSION_LOCKED") document.addEventListener("unlocked", () => location.reload(), { once: true });
    else clear("/login");
  },
  "signed-on": () => { feed.close(); clear("/"); },
}, () => clear("/login"));
function shown() {
  lastHeard = Date.now();
  draw();
  receipts();
}
document.addEventListener("visibilitychange", receipts);

function tick() {
  const live = feed.open && Date.now() - lastHeard < STALE_AFTER_MS;
  $("feed").className = `pill ${live ? "good" : "bad"}`;
  $("feed").lastElementChild.textContent = live ? "Live" : lastHeard ? "Reconnecting" : "Connecting";
  $("stale").hidden = live || !lastHeard || Date.now() - lastHeard < 4000; // a short reconnection is no alarm
  if (lastHeard) $("stale-since").textContent = `since ${clock(lastHeard)}.`;
  drawSound();
  for (const timer of document.querySelectorAll("[data-due]")) timer.textContent = left(timer.dataset.due, serverTime());
  if (lastHeard && live) receipts();
}
armFrom(tick);
ask($("own-form"), $("own-answer"), $("own-refused"));
setInterval(tick, 1000);
setInterval(() => {
  for (const [name, card] of incidents) if (over(card) && Date.now() - new Date(card.opened_at) > DAY_MS) incidents.delete(name);
  const kept = new Set([...incidents.values()].flatMap((card) => card.deliveries.map((one) => one.delivery_id)));
  for (const id of heardOf.keys()) if (!kept.has(id)) heardOf.delete(id);
}, 60000);
tick();
