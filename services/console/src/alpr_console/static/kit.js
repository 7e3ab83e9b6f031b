// Pieces that the forms of a hit are made of. A form is built once and kept while a person may be typing in it; what the
// service refuses is said inside it, in the rule's own words, and a gate that can be passed asks for its reason there.
import { h, post } from "./dom.js";
import { codeWords } from "./speak.js";

let numbers = 0;
const next = (name) => `f${(numbers += 1)}-${name}`;

// Codes come as ["clets"] or as [{code, label}]
export const options = (list) => (list ?? []).map((item) => (typeof item === "string" ? { code: item, label: codeWords(item) } : { code: item.code, label: item.label ?? codeWords(item.code) }));

function labelled(name, label, control, hint, id = control.id) {
  const about = hint && h("span", { class: "hint", id: `${id}-hint`, text: hint });
  if (about) control.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field", "data-field": name }, h("label", { for: id, text: label }), control, about);
}

export function line(name, label, value = "", { hint, required, id, ...more } = {}) {
  return labelled(name, label, h("input", { id: id ?? next(name), name, value, required, autocomplete: "off", ...more }), hint);
}
export function area(name, label, value = "", { hint, required, rows = 2, id } = {}) {
  return labelled(name, label, h("textarea", { id: id ?? next(name), name, rows, required, text: value }), hint);
}
export function pick(name, label, list, value = "", { hint, required, id, empty } = {}) {
  const found = options(list);
  return labelled(name, label, h("select", { id: id ?? next(name), name, required },
    empty !== undefined && h("option", { value: "", text: empty }),
    found.map((item) => h("option", { value: item.code, selected: item.code === value, text: item.label }))), hint);
}
export function choose(name, legend, list, value = "", { required } = {}) {
  return h("fieldset", { class: "choose", "data-field": name }, h("legend", { text: legend }),
    h("div", { class: "segments" }, options(list).map((item) => h("label", {},
      h("input", { type: "radio", name, value: item.code, checked: item.code === value, required }), h("span", { text: item.label })))));
}
export const tick = (name, label) => h("label", { class: "check" }, h("input", { type: "checkbox", name, value: "1" }), h("span", { text: label }));
export const row = (...fields) => h("div", { class: "pair" }, fields);

export function values(form) {
  const body = {};
  for (const [name, value] of new FormData(form)) if (!name.startsWith("_") && String(value).trim() !== "") body[name] = typeof value === "string" ? value.trim() : value;
  return body;
}

function reasonField(id) {
  return h("div", { class: "field reason", hidden: true }, h("label", { for: id, text: "Why go on? Your reason is recorded." }), h("textarea", { id, name: "override_reason", rows: 2, maxlength: 500 }));
}

// Asked for only while the service says that a reason passes; the service, not the browser, says whether one is missing.
// What was written stays where it is asked again.
function askReason(form, asked) {
  const field = form.querySelector(".reason"), text = field.querySelector("textarea");
  field.hidden = !asked;
  text.disabled = !asked;
  return asked ? text : null;
}

// how a program calls a field is no word for a person
export const inWords = (detail) => detail.replace(/\b[a-z]+(?:_[a-z]+)+\b/g, (name) => name.replaceAll("_", " "));
const takesReason = (problem) => problem.status !== 403 && /give a reason/.test(problem.detail ?? "");
const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;

// A refusal: what is refused, in words, then the rule and its code for whoever reports it.
function refused(form, problem) {
  const place = form.querySelector(".refusal");
  const codes = [problem.rule_id, problem.reason_code].filter(Boolean).join(" · ");
  place.replaceChildren(h("strong", { text: "Not recorded. " }), sentence(inWords(problem.detail ?? "the console does not answer; try again")), codes && " ", codes && h("code", { text: codes }));
  place.hidden = false;
  const reason = askReason(form, takesReason(problem));
  (reason ?? place).focus();
}

// `buttons`: [{words, id?, main?, path(values), body(values)}]; sent(answer, button) after a success.
export function stepForm({ key, label, fields, buttons, needsReason = false, sent, foot = null }) {
  const id = next("reason");
  const form = h("form", { class: "step-form", "data-step-form": key, "aria-label": label, novalidate: false },
    h("p", { class: "note bad refusal", role: "alert", tabindex: "-1", hidden: true }), fields, reasonField(id),
    h("div", { class: "deeds" }, buttons.map((button, at) => h("button", { type: "submit", class: button.main ? "main" : "", id: button.id, name: "_deed", value: String(at), formnovalidate: button.unchecked, text: button.words }))), foot);
  askReason(form, needsReason);
  form.addEventListener("input", () => { form.dataset.dirty = "yes"; });
  form.addEventListener("keydown", (press) => {
    if (press.key === "Enter" && (press.ctrlKey || press.metaKey)) { press.preventDefault(); form.requestSubmit(form.querySelector("button.main")); }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy) return;
    const button = buttons[Number(event.submitter?.value ?? 0)];
    const given = values(form);
    form.dataset.busy = "yes";
    form.querySelector(".refusal").hidden = true;
    try {
      const answer = await post(button.path, button.body(given));
      const content = await answer.json().catch(() => ({}));
      if (answer.ok) { delete form.dataset.dirty; await sent(content, button); } else refused(form, typeof content.detail === "string" ? content : { detail: `refused (${answer.status})`, status: answer.status });
    } catch { refused(form, {}); } finally { delete form.dataset.busy; }
  });
  return form;
}
