// The shift: who is on duty, whose hits are whose, handing over, an exercise, and whether the whole chain is proven alive.
import { ago, clock, h, post } from "./dom.js";
import { render } from "./morph.js";

const EVERY_MS = 15000;
const $ = (id) => document.getElementById(id);
const get = async (path) => { const answer = await fetch(path); return answer.ok ? answer.json() : null; };
const words = async (answer) => { const content = await answer.json().catch(() => ({})); return content.detail ? `Refused: ${content.detail}${content.rule_id ? ` (${content.rule_id})` : ""}.` : "Not recorded, try again."; };

const counted = (one) => `${one.hits} hit${one.hits === 1 ? "" : "s"}${one.note ? `: ${one.note}` : ""}`;
const listed = (title, all, line) => [h("h3", { text: title }), all?.length ? h("ul", {}, all.map(line)) : h("p", { class: "dim", text: "None." })];
const toHit = (key, hit, text) => h("li", { "data-key": key }, h("button", { type: "button", class: "quiet", "data-hit": hit, text }));
const handover = (one) => h("p", { class: "handover", "data-key": one.handover_id }, `${one.incoming ? `From ${one.from}` : `To ${one.to}`}, ${clock(one.offered_at)}, ${counted(one)} `,
  h("button", { type: "button", class: one.incoming ? "main" : "", "data-handover": one.handover_id, "data-deed": one.incoming ? "acceptance" : "withdrawal", text: one.incoming ? "Take over" : "Withdraw" }));

export class Shift {
  constructor({ said, select }) {
    Object.assign(this, { said, select, duty: null });
    this.works = Boolean($("shift")); // whoever only watches has no shift to hand over
    if (this.works) this.listen();
    this.watch();
    setInterval(() => this.watch(), EVERY_MS);
  }
  listen() {
    $("exercise").addEventListener("click", () => this.exercise());
    $("hand-over").addEventListener("submit", (sent) => { sent.preventDefault(); this.offer(); });
    $("shift").addEventListener("click", (press) => {
      const deed = press.target.closest("[data-handover]");
      if (deed) this.answer(deed.dataset.handover, deed.dataset.deed);
      const hit = press.target.closest("[data-hit]");
      if (hit) { $("shift").close(); this.select(hit.dataset.hit); }
    });
  }

  async watch() {
    try { this.chain(await get("/v1/chain")); if (this.works) { this.duty = await get("/v1/duty"); this.draw(); } } catch { this.chain(null, true); }
  }

  // green only when it was proven: a camera that was not heard makes it red and is named
  chain(state, away = false) {
    const pill = $("chain"), bad = (state?.cameras ?? []).filter((camera) => !camera.ok);
    const said = away ? ["warn", "Chain unknown"] : !state ? ["", ""] : state.armed === null ? ["warn", "Chain not tested"] : state.armed ? ["good", "Chain armed"] : ["bad", `Chain broken${bad.length ? `: ${bad.length} of ${state.cameras.length} cameras` : ""}`];
    pill.hidden = !said[1];
    pill.className = `pill ${said[0]}`;
    pill.lastElementChild.textContent = said[1];
    pill.title = bad.map((camera) => `${camera.camera_id}: ${camera.last_at ? `last proven ${ago(camera.last_at)} ago` : "never proven"}`).join("; ");
  }

  draw() {
    const duty = this.duty;
    $("shift-open").hidden = !duty;
    if (!duty) return;
    const incoming = duty.handovers.filter((one) => one.incoming), mine = duty.mine ?? [];
    const waiting = incoming.length + (duty.escalations?.length ?? 0);
    $("shift-open").firstElementChild.textContent = waiting ? `Shift (${waiting})` : "Shift";
    this.banner(incoming, (duty.dispatchers ?? []).some((one) => one.watching) ? null : duty.unattended_since);
    this.offerTo((duty.dispatchers ?? []).filter((one) => one.name !== document.body.dataset.person));
    render($("shift-state"), [
      listed("On duty", duty.dispatchers, (one) => h("li", { "data-key": one.person_id, text: `${one.name}: ${one.watching ? "watching" : "not watching"}` })),
      listed(`My open hits (${mine.length})`, mine, (one) => toHit(one.hit_id, one.hit_id, `${one.reason_words}, ${one.place}, since ${clock(one.since)}`)),
      duty.escalations?.length > 0 && listed("Escalated", duty.escalations, (one) => toHit(`${one.hit_id} ${one.kind}`, one.hit_id, `${one.words}, since ${clock(one.since)}`)),
      duty.handovers.length > 0 && h("h3", { text: "Hand-overs" }), duty.handovers.map(handover),
    ]);
  }
  banner(incoming, unattended) {
    const banner = $("duty-banner"), [first] = incoming;
    banner.hidden = !first && !unattended;
    banner.firstElementChild.textContent = first ? `${first.from} hands over ${counted(first)}` : unattended ? `Nobody of dispatch has watched since ${clock(unattended)}.` : "";
  }
  // the choice that is being made stays while the same people are there
  offerTo(people) {
    const to = $("hand-over").elements.to, before = to.value;
    if ([...to.options].map((one) => one.value).join() === people.map((one) => one.person_id).join()) return;
    to.replaceChildren(...people.map((one) => h("option", { value: one.person_id, text: `${one.name}${one.watching ? "" : " (not watching)"}` })));
    to.value = people.some((one) => one.person_id === before) ? before : people[0]?.person_id ?? "";
  }

  async exercise() {
    const answer = await post("/v1/exercises");
    $("shift-said").textContent = answer.ok ? "An exercise hit is on its way." : await words(answer);
  }
  async offer() {
    const form = $("hand-over"), answer = await post("/v1/handovers", { to: form.elements.to.value, note: form.elements.note.value.trim() });
    $("shift-said").textContent = answer.ok ? "Offered: your hits stay yours until it is taken." : await words(answer);
    if (answer.ok) form.elements.note.value = "";
    await this.watch();
  }
  async answer(handover, deed) {
    const answer = await post(`/v1/handovers/${handover}/${deed}`);
    const content = answer.ok ? await answer.json().catch(() => ({})) : null;
    $("shift-said").textContent = answer.ok ? (deed === "acceptance" ? `Taken over: ${content.hits ?? ""} hits are yours.` : "Withdrawn.") : await words(answer);
    this.said($("shift-said").textContent);
    await this.watch();
  }
  async own(card) {
    const answer = await post(`/v1/hits/${card.hit_id}/ownership`);
    this.said(answer.ok ? "The hit is yours." : await words(answer));
    return answer.ok;
  }
}
