// The queue: what waits stands first, the gravest and then the oldest on top; what is over stays below until its day ends.
import { ago, clock, h, span } from "./dom.js";
import { state } from "./speak.js";

const RANK = { high: 0, medium: 1, information: 2 };
const ENDED = new Set(["misread", "wrong_state", "not_current", "closed", "withdrawn"]);
const ENDS = { misread: "Misread", wrong_state: "Wrong state", not_current: "Not current", closed: "Closed" };
const GROUPS = [["new", "Waiting"], ["work", "In work"], ["over", "Over"]];

export const stateOf = (card) => (card.kind === "recall" ? "withdrawn" : card.work?.state ?? card.workflow_state ?? "unverified");
export const over = (card) => ENDED.has(stateOf(card));
export const open = (card) => !card.acknowledged_at && !over(card);
// The vehicle passed once more after its hit was closed: the work is over, the vehicle is not gone.
export const again = (card) => Boolean(card.work?.closed_at) && Date.parse(card.captured_at) > Date.parse(card.work.closed_at);
export const group = (card) => (over(card) ? "over" : card.acknowledged_at ? "work" : "new");
export const drill = (card) => card.status === "Exercise" || card.exercise === true;
export const due = (card) => (card.work?.tasks ?? []).filter((task) => !task.closed_at && task.due_at).map((task) => task.due_at).sort()[0];

// late is a broadcast that is still to be made: one that was made late is history
export const overdue = (card) => Boolean(card.overdue_at) && !over(card) && (card.work?.tasks ?? []).some((task) => task.kind === "broadcast" && !task.closed_at);

const first = (a, b) => a.opened_at.localeCompare(b.opened_at) || a.incident_id.localeCompare(b.incident_id);
const byGravity = (a, b) => RANK[a.priority] - RANK[b.priority] || first(a, b);
export const graver = (a, b) => RANK[a.priority] < RANK[b.priority];
const ORDER = { new: byGravity, work: byGravity, over: (a, b) => first(b, a) };

// Everything in the order of the screen: [group, words, cards] for groups that hold something.
export function arranged(cards) {
  return GROUPS.map(([name, words]) => [name, words, cards.filter((card) => group(card) === name).sort(ORDER[name])]).filter(([, , list]) => list.length);
}
export const ordered = (cards) => arranged(cards).flatMap(([, , list]) => list);

function marks(card) {
  const found = [], tag = (words, tone = "") => found.push(h("span", { class: `tag ${tone}`, text: words }));
  if (drill(card)) tag("Exercise", "drill"); else if (card.status !== "Actual") tag(card.status);
  if (card.kind === "recall") tag(`WITHDRAWN: ${card.withdrawn_words}`, "bad");
  if (card.kind === "storm") tag("Alert storm", "warn");
  if (ENDS[stateOf(card)]) tag(ENDS[stateOf(card)], stateOf(card) === "closed" ? "" : "bad");
  if (again(card)) tag("Seen again after closing", "warn");
  if (card.escalated_at && !over(card)) tag("Escalated", "bad");
  if (overdue(card)) tag("Overdue", "bad");
  if (card.cad?.status === "rejected") tag("CAD rejected", "bad");
  if (card.delayed) tag("Delayed", "warn");
  if (card.sightings.length > 1) tag(`Seen ${card.sightings.length}×`);
  return found;
}

function progress(card) {
  const steps = (card.work?.steps ?? []).filter((step) => step.status !== "not_needed");
  if (!steps.length) return null;
  const done = steps.filter((step) => step.status === "done").length;
  return h("span", { class: "progress", role: "img", "aria-label": `${done} of ${steps.length} steps done` }, steps.map((step) => h("i", { class: step.status })));
}

function ticket(card, selected) {
  const whose = card.owner?.name ?? card.acknowledged_by;
  return h("li", { "data-key": card.incident_id }, h("button", {
    type: "button", class: `ticket ${card.priority}${open(card) ? " open" : ""}${over(card) ? " ended" : ""}`, "data-incident": card.incident_id, "data-do": "select",
    "aria-current": card.incident_id === selected ? "true" : null,
  },
  h("span", { class: "line" }, h("span", { class: "class", text: card.advisory_words }), h("span", { class: "age dim", "data-since": card.opened_at, text: ago(card.opened_at) })),
  h("span", { class: "line" }, h("span", { class: "plate-text", text: card.plate || "Unreadable" }), h("span", { class: "dim", text: state(card.state).replace("unknown", "") })),
  h("span", { class: "line dim" }, h("span", { class: "where", text: card.device_name || card.device_id })),
  h("span", { class: "line marks" }, marks(card), open(card)
    ? h("span", { class: "tag new", text: card.priority === "high" ? "New, high" : "New" })
    : card.acknowledged_at && h("span", { class: "dim done", text: `✓ ${whose}, ${clock(card.acknowledged_at)}` }), progress(card))));
}

export function drawn(cards, selected) {
  return arranged(cards).map(([name, words, list]) => h("section", { "data-key": name, class: `group is-${name}`, "aria-labelledby": `group-${name}` },
    h("h3", { id: `group-${name}` }, words, " ", h("span", { class: "dim", text: String(list.length) })),
    h("ol", {}, list.map((card) => ticket(card, selected)))));
}

// A timer that runs down, then up: "4 min left", "overdue by 12 s".
export function left(moment, now) {
  const seconds = (new Date(moment) - now) / 1000;
  return seconds >= 0 ? `${span(seconds)} left` : `overdue by ${span(-seconds)}`;
}
