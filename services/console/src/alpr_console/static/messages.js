// Messages to the field beside the hits: broadcasts, escalations, prompts to a unit in a pursuit. Newest first, none leaves by itself.
import { clock, h, post } from "./dom.js";
import { render } from "./morph.js";
import { codeWords } from "./speak.js";
import { owe } from "./receipts.js";
import { ring } from "./sound.js";

const HEADS = { broadcast: "Broadcast", escalation: "Escalated", pursuit: "Pursuit" };
const KINDS = { initial: "Hit", bolo: "Be on the lookout", clets_result: "Result of the check" };
const LABELS = { nature: "Kind of hit", vehicle: "Vehicle", plate: "Plate", fixed_location: "ALPR site", description: "Description", alert_info: "Alert information", direction: "Direction" };
const LONG = new Set(["description", "alert_info"]);
const TONES = { broadcast: "medium", escalation: "escalated", pursuit: "high" };

export class Messages {
  constructor(root, { said, picked }) {
    Object.assign(this, { root, said, picked, all: new Map(), heardOf: new Map(), answered: new Set() });
    root.addEventListener("click", (press) => {
      const button = press.target.closest("button[data-deed]");
      if (button) this.deed(button.dataset.deed, button.closest("[data-message]").dataset.message);
    });
    root.addEventListener("submit", (sent) => { sent.preventDefault(); this.answer(sent.target, sent.submitter?.value); });
  }
  get size() { return this.all.size; }
  get waiting() { return [...this.all.values()].filter((one) => !one.acknowledged_at).length; }
  clear() { this.all.clear(); }

  take(message) {
    this.all.set(message.delivery_id, message);
    if (message.presented_at || this.heardOf.has(message.delivery_id)) return;
    this.heardOf.set(message.delivery_id, Boolean(message.audible && ring(message.delivery_id, TONES[message.kind] ?? "medium")));
    document.getElementById("shout").textContent = `${HEADS[message.kind] ?? message.kind}: ${message.screen_text}`;
  }
  receipts() {
    for (const one of this.all.values()) if (!one.presented_at && this.heardOf.has(one.delivery_id)) owe(`/v1/deliveries/${one.delivery_id}/presented`, { sound: this.heardOf.get(one.delivery_id), screen: true });
  }

  async acknowledge(id) {
    const answer = await post(`/v1/deliveries/${id}/acknowledge`);
    const message = this.all.get(id);
    if (answer.ok && message) message.acknowledged_at = new Date().toISOString();
    this.said(answer.ok ? "Acknowledged." : "Not acknowledged, try again.");
    this.draw();
  }
  async acknowledgeFirst() {
    const first = [...this.all.values()].reverse().find((one) => !one.acknowledged_at);
    if (first) await this.acknowledge(first.delivery_id);
  }
  async deed(deed, id) {
    if (deed === "look") this.picked(this.all.get(id).hit_id);
    else await this.acknowledge(id);
  }
  // what the unit does about a pursuit: its own decision, recorded with its reason (OPS-01)
  async answer(form, outcome) {
    const message = this.all.get(form.closest("[data-message]").dataset.message);
    const answer = await post(`/v1/pursuits/${message.content.pursuit_id}/outcome`, { outcome, reason: form.elements.reason.value.trim() });
    const problem = answer.ok ? null : await answer.json().catch(() => ({}));
    this.said(answer.ok ? "Recorded." : `Not recorded. ${problem.detail ?? "Try again"}.`);
    form.querySelector(".refusal").textContent = problem ? `Not recorded: ${problem.detail ?? "try again"}.` : "";
    form.querySelector(".refusal").hidden = !problem;
    if (!answer.ok) return;
    this.answered.add(message.content.pursuit_id);
    await this.acknowledge(message.delivery_id);
  }

  draw() {
    const list = [...this.all.values()].sort((a, b) => Boolean(a.acknowledged_at) - Boolean(b.acknowledged_at) || b.notified_at.localeCompare(a.notified_at));
    render(this.root, list.map((one) => this.card(one)));
  }
  card(one) {
    const said = one.content.fields ?? {}, head = one.kind === "broadcast" ? `${HEADS.broadcast}: ${KINDS[one.content.kind] ?? codeWords(one.content.kind ?? "")}` : HEADS[one.kind] ?? one.kind;
    const asks = one.kind === "pursuit" && one.content.pursuit_id && !one.acknowledged_at && !this.answered.has(one.content.pursuit_id);
    return h("section", { class: `message ${one.kind}${one.acknowledged_at ? "" : " open"}`, "data-key": one.delivery_id, "data-message": one.delivery_id, "aria-label": head },
      h("header", { "data-key": "head" }, h("strong", { text: head }), h("span", { class: "dim", text: [one.content.by, clock(one.notified_at)].filter(Boolean).join(", ") })),
      h("p", { "data-key": "text", text: one.screen_text }),
      Object.keys(said).length > 0 && h("dl", { "data-key": "said" }, Object.entries(said).map(([name, words]) => h("div", { class: LONG.has(name) ? "wide" : null }, h("dt", { text: LABELS[name] ?? codeWords(name) }), h("dd", { class: name === "plate" ? "plate-text" : "", text: words })))),
      asks && h("form", { class: "stack", "data-key": "answer", "data-keep": one.delivery_id, "data-again": "yes" }, h("p", { class: "note bad refusal", role: "alert", hidden: true }), h("label", {}, "Reason", h("input", { name: "reason", required: true, maxlength: 500, autocomplete: "off" })),
        h("div", { class: "deeds" }, h("button", { type: "submit", class: "main", value: "ended", text: "We ended our part" }), h("button", { type: "submit", value: "continued", text: "We continue" }))),
      h("div", { class: "deeds", "data-key": "deeds" },
        one.hit_id && h("button", { type: "button", "data-deed": "look", text: "Show the hit" }),
        one.acknowledged_at ? h("span", { class: "done", text: `✓ Acknowledged ${clock(one.acknowledged_at)}` }) : !asks && h("button", { type: "button", class: "main", "data-deed": "acknowledge", text: "Acknowledge" })));
  }
}
