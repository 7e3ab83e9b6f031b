// The work on one hit as its profile lays it out: a checklist whose steps open into forms. Fetches and posts by itself;
// what is being typed is kept apart from what is redrawn, also while other hits are looked at.
import { clock, h } from "./dom.js";
import { render } from "./morph.js";
import { natureReview, readCheck, verification } from "./checks.js";
import { broadcast, call, describe } from "./telling.js";
import { action, closure, disposition } from "./ending.js";
import { records } from "./records.js";
import { left } from "./queue.js";
import { inWords } from "./kit.js";

const FORMS = {
  read_check: readCheck, verify: verification, broadcast: (make) => broadcast(make), broadcast_result: (make) => broadcast(make, "clets_result"),
  call, describe, nature_review: natureReview, action, disposition, closure,
};
const LABELS = {
  read_check: "Check the read", verify: "Records check", broadcast: "Broadcast", broadcast_result: "Broadcast the result", call: "Call for service", describe: "Description and direction",
  nature_review: "Review the nature", action: "Action taken", disposition: "Outcome", closure: "Close the hit",
};
const EXTRA = ["call", "action", "disposition"]; // done as needed, where the profile does not list them
const GATES = { hard: "required", soft: "or a reason", off: "optional" };
const SEQUENCES = { fixed: "Fixed camera", mobile: "Mobile camera", desktop: "Desktop" };
const TASKS = {
  confirm_after: "Confirm what was acted upon", clets_result: "Broadcast the result of the check", broadcast: "Broadcast", call: "Open a call",
};
let born = 0; // which building of a form it is: a new one takes a new place
const DUTIES = { confirm_after: "verify", clets_result: "broadcast_result", broadcast: "broadcast", call: "call" };
const ENDED = new Set(["closed", "misread", "wrong_state", "not_current", "withdrawn"]);

export class Steps {
  // said(words): for the status line; changed(work): after each answer; now(): the server's time
  constructor(root, { said = () => {}, changed = () => {}, now = () => Date.now(), owner = true } = {}) {
    Object.assign(this, { root, said, changed, now, owner, works: new Map(), forms: new Map(), chosen: new Map(), card: null, asking: null, again: false });
    root.addEventListener("click", (press) => {
      const head = press.target.closest("[data-step]");
      if (head) this.toggle(head.dataset.step);
    });
  }

  show(card) {
    const other = this.card?.incident_id !== card?.incident_id;
    this.card = card;
    if (other) this.held = false;
    if (other) this.draw();
    if (card) this.refresh();
  }
  // drops what was kept of hits that left the screen
  forget(left) {
    const gone = (key) => !left.has(key.split("/")[0]);
    for (const kept of [this.works, this.chosen, this.forms]) for (const key of [...kept.keys()]) if (gone(key)) kept.delete(key);
  }
  get key() { return this.card?.incident_id ?? this.card?.hit_id; }
  get work() { return this.works.get(this.key); }

  async refresh() {
    if (this.asking) { this.again = true; return this.asking; }
    const key = this.key, hit = this.card.hit_id;
    this.asking = (async () => {
      try {
        const answer = await fetch(`/v1/hits/${hit}/work`);
        if (answer.ok) { const work = await answer.json(); this.works.set(key, work); this.changed(work); }
        this.away = !answer.ok && answer.status !== 404;
      } catch { this.away = true; }
    })();
    await this.asking;
    this.asking = null;
    this.draw();
    if (this.again || this.key !== key) { this.again = false; if (this.card) await this.refresh(); }
  }

  // every step in the order of the screen: the profile's, then what may be recorded besides, then the closing
  rows() {
    const work = this.work;
    if (!work) return [];
    const listed = work.steps.filter((step) => step.listed !== false);
    const others = work.steps.filter((step) => step.listed === false && this.offered(step));
    const { ok = false, refusal = null } = work.closable ?? {};
    return [
      ...listed.map((step) => ({ ...step, listed: true })),
      ...others.map((step) => ({ ...step, status: step.status === "open" ? "extra" : step.status })),
      { step: "closure", status: this.closed ? "done" : ok ? "open" : "waiting", gate: "off", needs: [], by: work.closed?.by, at: work.closed?.at, refusal },
    ];
  }
  // a hit that is over takes what its rules still take of it: the service refuses the rest
  takes(row) { return !this.closed && (!this.ended || row.step === "closure" || !row.refusal); }
  // what the profile does not list is offered where it can mean something here
  offered(step) {
    const work = this.work;
    const waitedFor = work.steps.some((other) => other.listed && other.status !== "done" && other.needs?.includes(step.step));
    if (EXTRA.includes(step.step) || step.status === "done" || waitedFor) return Boolean(FORMS[step.step]);
    if (this.ended && !step.refusal) return Boolean(FORMS[step.step]);
    return { describe: work.calls?.length > 0, broadcast: true, verify: true, broadcast_result: work.verifications?.length > 0 && work.broadcasts?.length > 0 }[step.step] ?? false;
  }
  get closed() { return this.work?.state === "closed" || Boolean(this.work?.closed); } // a hit that was not current may be closed, too
  get ended() { return ENDED.has(this.work?.state) || this.card?.kind === "recall"; }

  current() {
    const chosen = this.chosen.get(this.key);
    if (chosen !== undefined) return chosen;
    return this.next();
  }
  // what to do next: the profile's order, then a duty that is open, then the closing
  next() {
    const work = this.work;
    if (!work) return "";
    const by = new Map(work.steps.map((step) => [step.step, step]));
    const ready = (step) => step?.status === "open" && !(this.ended && step.refusal);
    // a step that waits leads to what it waits for, also where the profile does not list that
    const lead = (step) => (ready(step) ? step.step : step.needs?.find((name) => ready(by.get(name))));
    const undone = work.steps.filter((step) => step.listed !== false && ["open", "waiting"].includes(step.status));
    const listed = undone.map(lead).find(Boolean);
    const duty = (work.tasks ?? []).find((task) => !task.closed_at && DUTIES[task.kind]);
    if (this.ended && work.closable?.ok) return this.closed ? "" : "closure"; // nothing has to be added to what is over
    return listed ?? DUTIES[duty?.kind] ?? (this.closed ? "" : "closure");
  }

  // by click or Enter on its head, or by its number: opens a step and puts the focus into its form
  toggle(step) {
    if (this.current() !== step) { this.open(step); return; }
    this.chosen.set(this.key, "");
    this.draw();
  }
  open(step) {
    if (!step) return false;
    this.chosen.set(this.key, step);
    this.draw();
    this.enter(step);
    return true;
  }
  enter(step) {
    const row = this.root.querySelector(`[data-key="step-${step}"]`);
    const field = [...(row?.querySelectorAll("form :is(input, select, textarea, button)") ?? [])].find((one) => one.checkVisibility() && one.type !== "hidden" && !one.readOnly);
    this.reveal(row, field ?? row?.querySelector("[data-step]"));
  }
  // the list of steps scrolls, the hit beside it stays where it is
  reveal(row, field) {
    if (!row) return;
    const box = row.closest(".work");
    field?.focus({ preventScroll: true });
    if (!box || box.scrollHeight <= box.clientHeight) { row.scrollIntoView({ block: "nearest" }); return; }
    const [inner, outer] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
    if (inner.top < outer.top || inner.height > outer.height) box.scrollTop += inner.top - outer.top - 4;
    else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 4;
  }
  label(step) { return this.work?.steps.find((one) => one.step === step)?.label ?? LABELS[step] ?? step; }
  number(n) { return this.open(this.rows()[n - 1]?.step); }
  openNext() { const next = this.next(); return next ? this.open(next) : (this.root.querySelector("[data-step]")?.focus(), false); }

  form(step) {
    const name = `${this.key}/${step}`;
    if (this.forms.has(name)) return this.forms.get(name);
    const card = this.card, work = this.work, found = work.steps.find((one) => one.step === step) ?? (step === "closure" ? { gate: "off", refusal: work.closable?.refusal } : {});
    const hit = work.hit_id ?? card.hit_id, label = found.label ?? LABELS[step] ?? step;
    const form = FORMS[step]?.({
      card, work, forms: work.forms ?? {}, path: (deed) => `/v1/hits/${hit}/${deed}`,
      form: { key: step, label, needsReason: Boolean(found.needs_reason), sent: (answer, button) => this.sent(name, step, label, button) },
    });
    if (form?.nodeName === "P") return form; // a word instead of a form: made anew each time
    if (form) { form.dataset.born = `${name} ${(born += 1)}`; this.forms.set(name, form); }
    return form ?? null;
  }

  async sent(name, step, label, button) {
    const hadFocus = this.root.contains(document.activeElement);
    const key = name.slice(0, name.lastIndexOf("/"));
    this.chosen.delete(key);
    this.held = this.key === key; // the form that was sent stays in sight, with the focus, until it is known what follows
    await this.refresh();
    this.held = false;
    this.forms.delete(name);
    const stays = this.key === key; // meanwhile the person may have gone to another hit
    const next = stays ? this.next() : "";
    if (stays) this.chosen.set(this.key, ""); // nothing opens by itself: the keys of one step never fall into the next one's form
    this.draw();
    this.said(`${button.words}: recorded.${next ? ` Next: ${this.label(next)}. Enter or S opens it.` : ""}`);
    const row = this.root.querySelector(`[data-key="step-${next || step}"]`);
    if (stays && hadFocus) this.reveal(row, row?.querySelector("[data-step]"));
  }

  draw() {
    if (this.held && this.card) return;
    if (!this.card) { render(this.root, []); return; }
    const work = this.work;
    if (!work) { render(this.root, [this.title(), h("p", { class: "dim", text: this.away ? "The steps cannot be fetched. The console tries again with the next event." : "Fetching the steps." })]); return; }
    const opened = `${this.key}/${this.current()}`;
    for (const [name, form] of this.forms) {
      const touched = form.dataset.dirty || form.contains(document.activeElement) || name === opened;
      if (name.startsWith(`${this.key}/`) && !touched) this.forms.delete(name); // made anew from what is known then
    }
    const rows = this.rows(), current = this.current();
    const item = (row, at) => this.item(row, at + 1, row.step === current);
    const listed = rows.filter((row) => row.listed).length;
    render(this.root, [
      this.title(), this.ended && h("p", { class: "note", "data-key": "over" }, this.closed ? "Closed." : "This hit is over: nothing more is to be done on the road. What is still to be recorded goes into its file, then it can be closed."), this.tasks(),
      h("ol", { class: "checklist", "data-key": "listed", "aria-label": "Steps of the profile" }, rows.slice(0, listed).map(item)),
      h("h4", { class: "besides", "data-key": "besides", text: "As needed, then close" }),
      h("ol", { class: "checklist", "data-key": "extra", "aria-label": "As needed" }, rows.slice(listed).map((row, at) => item(row, at + listed))),
    ]);
    for (const slot of this.root.querySelectorAll(".step-slot")) {
      const form = this.form(slot.dataset.slot);
      if (form && form.parentElement !== slot) slot.replaceChildren(form);
    }
  }

  title() {
    const work = this.work;
    return h("header", { class: "work-head", "data-key": "title" }, h("h3", { text: "Steps" }),
      work && h("span", { class: "dim", text: SEQUENCES[work.sequence] ?? "" }));
  }
  tasks() {
    const open = (this.work.tasks ?? []).filter((task) => !task.closed_at);
    if (!open.length) return null;
    return h("ul", { class: "tasks", "data-key": "tasks", "aria-label": "Open tasks" }, open.map((task) => h("li", { "data-key": task.task_id, class: task.due_at && new Date(task.due_at) < this.now() ? "late" : "" },
      h("strong", { text: task.label ?? TASKS[task.kind] ?? task.kind }), " ", task.due_at && h("span", { "data-due": task.due_at, text: left(task.due_at, this.now()) }), task.escalated_at && h("span", { class: "tag bad", text: `Escalated ${clock(task.escalated_at)}` }))));
  }

  words(row) {
    if (row.status === "done") return [row.by && `${row.by}, `, row.at ? clock(row.at) : "done"].filter(Boolean).join("");
    if (this.ended && row.listed && ["open", "waiting"].includes(row.status)) return row.refusal || this.closed ? "no longer to be done" : this.work.closable?.ok ? "may still be recorded" : "still to be recorded";
    if (row.status === "left_out") return "left out";
    if (row.status === "not_needed") return "not needed";
    if (row.status === "waiting" && row.needs?.length) return `after: ${row.needs.map((name) => this.work.steps.find((one) => one.step === name)?.label ?? LABELS[name] ?? name).join(", ")}`;
    if (row.step === "closure") return row.status === "open" ? "everything is done" : "not yet";
    return row.status === "open" ? "to do" : row.status === "extra" ? "" : "waiting";
  }
  item(row, number, opened) {
    const label = row.label ?? LABELS[row.step] ?? row.step, id = `step-${row.step}`;
    const refusal = row.refusal && row.status !== "done" && h("p", { class: "step-refusal" }, inWords(row.refusal.detail), " ", h("code", { text: [row.refusal.rule_id, row.refusal.reason_code].filter(Boolean).join(" · ") }));
    const sign = { done: "✓", left_out: "–", not_needed: "–" }[row.status] ?? (number < 10 ? String(number) : "");
    return h("li", { class: `step ${row.status}${opened ? " opened" : ""}`, "data-key": id },
      h("h4", {}, h("button", { type: "button", "data-step": row.step, "aria-expanded": String(opened), "aria-controls": `${id}-body` },
        h("span", { class: "sign", "aria-hidden": "true", text: sign }), h("span", { class: "step-name", text: label }),
        h("span", { class: "step-state", text: this.words(row) }),
        row.listed && row.status !== "done" && h("span", { class: `gate ${row.gate}`, text: GATES[row.gate] ?? row.gate }))),
      h("div", { class: "step-body", id: `${id}-body` },
        records(row.step, this.work),
        opened && refusal,
        opened && this.takes(row) && h("div", { class: "step-slot", "data-slot": row.step, "data-keep": this.form(row.step)?.dataset.born ?? "none" })));
  }
}
