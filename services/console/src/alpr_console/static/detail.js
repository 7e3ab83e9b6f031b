// One hit in full: what kind of alert, whose it is, the plate, the pictures, and beside them the work to be done.
import { clock, h, serverTime } from "./dom.js";
import { render } from "./morph.js";
import { compared, keys, listFacts, origin, plate, spelling, trail } from "./facts.js";
import { drill, due, left, over, overdue, stateOf } from "./queue.js";
import { spot } from "./spot.js";

const PRIORITY = { high: "High priority", medium: "Medium priority", information: "Information" };
const ENDS = { misread: "Misread: do not act on this hit", wrong_state: "Wrong state: do not act on this hit", not_current: "Not current: the records check does not confirm it. Do not act on this hit", closed: "Closed" };
const RETRIES = 8; // the picture may reach its door some seconds after the hit

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
  return h("figure", { class: role }, h("button", { type: "button", class: "frame", "data-do": "larger", "aria-label": `${words}: larger` }, note, image), h("figcaption", { text: words }));
}

// A recall speaks of the first sighting's hit; place, direction, time and pictures are those of the newest.
function newest(card) {
  const last = card?.sightings.at(-1);
  if (!last?.hit_id || last.hit_id === card.hit_id) return card;
  const { hit_id, latitude, longitude } = last, place = last.place.replace(/, [NSEW]{1,2}$/, "");
  return { ...card, hit_id, latitude, longitude, direction: last.direction ?? card.direction, device_name: place, captured_at: last.at };
}

function head(card) {
  const owner = card.owner?.name ?? card.acknowledged_by;
  return h("header", { class: "band", "data-key": "band" },
    h("div", {}, h("h2", {}, card.advisory_words, drill(card) && h("span", { class: "tag drill", text: "Exercise" })),
      h("p", {}, h("strong", { text: PRIORITY[card.priority] }), card.reason !== card.advisory_class && ` · ${card.reason_words}`, !drill(card) && card.status !== "Actual" && h("span", { class: "tag", text: card.status }))),
    h("div", { class: "whose" }, card.acknowledged_at
      ? h("p", { class: "done" }, "✓ Acknowledged", h("br"), h("span", { text: `${card.acknowledged_by}, ${clock(card.acknowledged_at)}` }))
      : !over(card) && h("button", { type: "button", id: "acknowledge", class: "main", "data-do": "acknowledge" }, "Acknowledge ", h("kbd", { text: "A" })),
    card.acknowledged_at && !over(card) && card.owner && (card.owner.name !== card.acknowledged_by || owner !== document.body.dataset.person) && h("p", { class: "owner" }, h("span", { class: "dim", text: `Owner: ${owner}` }), card.owner.name === document.body.dataset.person ? null : h("button", { type: "button", id: "take-over", "data-do": "own", text: "Take over" }))));
}

function notices(card, notice) {
  const ended = card.kind === "recall" ? `WITHDRAWN: ${card.withdrawn_words}. Do not act on this hit` : ENDS[stateOf(card)] ?? "";
  const words = `${card.advisory_class === "information_only" ? " This list informs only: it is no basis for a stop or search." : ""} Check the picture, then confirm by CLETS/NCIC.`;
  const task = due(card);
  return [
    drill(card) && h("p", { class: "exercise", "data-key": "exercise" }, h("strong", { text: "Exercise." }), " Nobody's vehicle: work it as you would a real one. Say EXERCISE on the air."),
    h("p", { class: `notice${ended && stateOf(card) !== "closed" ? " ended" : ""}`, "data-key": "notice" }, h("strong", { text: ended || notice }), card.storm_words && ` ${card.storm_words}`, ended ? "" : words),
    card.escalated_at && !over(card) && h("p", { class: "note bad", "data-key": "escalated" }, h("strong", { text: `Escalated ${clock(card.escalated_at)}. ` }), "It waited longer than the policy allows; the supervisor has been told."),
    overdue(card) && h("p", { class: "note bad", "data-key": "overdue" }, h("strong", { text: `Overdue since ${clock(card.overdue_at)}. ` }), "The broadcast is later than the policy allows: broadcast now.", task && " ", task && h("span", { "data-due": task, text: left(task, serverTime()) })),
  ];
}

// What the agency's CAD made of it: a rejection means that nobody is being sent.
function cad(card) {
  const said = card.cad;
  if (!said) return null;
  const rejected = said.status === "rejected";
  return h("div", { class: `cad${rejected ? " rejected" : ""}`, "data-key": "cad", role: rejected ? "alert" : null },
    h("p", {}, h("strong", { text: "CAD " }), [said.words, rejected && said.reason, said.call_number, said.unit, said.at && clock(said.at)].filter(Boolean).join(" · "), said.simulated && h("span", { class: "test-stamp", text: "SIMULATION" })),
    (said.problems ?? []).map((problem) => h("p", { class: "amber", text: `${problem.words} (${clock(problem.at)})` })));
}
const hidden = (name, value) => h("input", { type: "hidden", name, value }); // a plate travels in the body, never in an address

function deeds(card) {
  return h("div", { class: "deeds", "data-key": "deeds" },
    card.kind === "storm" && h("button", { type: "button", id: "release-storm", "data-do": "release", text: "Announce the waiting hits" }),
    h("a", { class: "button", href: `/hits/${card.hit_id}/sources`, text: "CLETS verification and registration" }),
    h("form", { method: "post", action: "/search", id: "past-reads" }, hidden("csrf", document.querySelector('meta[name="csrf"]').content), hidden("fill_in", "1"), hidden("plate", card.plate),
      h("button", { type: "submit", text: "Search past reads of this plate" })));
}

export class Detail {
  constructor(root, steps) { Object.assign(this, { root, steps }); }

  show(told) {
    const root = this.root, card = newest(told);
    if (!card) { root.className = "detail"; render(root, h("div", { class: "blank", "data-key": "none" }, h("p", { text: "No hit selected." }))); return; }
    root.className = `detail ${card.priority}${drill(card) ? " drill" : ""}`;
    render(root, h("div", { class: "hit", "data-key": "hit" },
      h("div", { class: "top-of-hit", "data-key": "head" }, h("button", { type: "button", class: "back quiet", "data-do": "back", "data-key": "back", text: "‹ Queue" }), head(card), notices(card, root.dataset.notice), cad(card)),
      h("div", { class: "look", "data-key": "look" }, keys(card),
        h("div", { class: "see", "data-key": "see" },
          h("div", { class: "reading", "data-key": "reading" }, h("p", { class: "dim", text: origin(card) }), plate(card), spelling(card),
            card.characters.some((letter) => letter.doubtful) && h("p", { class: "dim fine", text: "Marked characters are doubtful: compare with the picture." })),
          h("div", { class: "pictures", "data-key": "pictures", "data-keep": `pictures ${card.hit_id}` })),
        compared(card)),
      h("aside", { class: "work", "data-key": "work", "data-keep": "work", "aria-label": "Work on this hit" }),
      h("div", { class: "more", "data-key": "more" }, h("div", { class: "columns" }, spot(card), listFacts(card)), trail(told), deeds(card),
        h("p", { class: "dim fine", text: `Notification: ${card.screen_text}` }))));
    const slot = root.querySelector(".pictures");
    if (!slot.firstChild) slot.append(picture(card, "closeup", "Close-up of the plate"), picture(card, "context", "Vehicle in context"));
    const aside = root.querySelector(".work");
    if (this.steps.root.parentElement !== aside) aside.replaceChildren(this.steps.root);
    this.steps.show(card);
  }
}
