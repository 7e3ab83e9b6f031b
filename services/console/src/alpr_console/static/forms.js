// Forms that speak to /v1: data-send="PUT /v1/…"; what was refused is said at the form, in the rule's own words, and
// with what to do about it where the page knows (#advice). Events: "shape" before the body leaves, "done" after.
import { zoned } from "./dom.js";

const advice = JSON.parse(document.getElementById("advice")?.textContent ?? "{}");
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const list = (form, name) => (form.dataset[name] ?? "").split(" ").filter(Boolean);

function bodyOf(form) {
  const body = {};
  const many = list(form, "many"), flags = list(form, "flags"), moments = list(form, "moments"), times = list(form, "times"), numbers = list(form, "numbers");
  for (const name of many) body[name] = [];
  for (const name of flags) body[name] = false;
  for (const [name, value] of new FormData(form)) {
    if (name === "csrf" || name.startsWith("_")) continue;
    if (many.includes(name)) body[name].push(...(form.elements[name].type === "text" ? value.split(/[\s,]+/).filter(Boolean) : [value]));
    else if (flags.includes(name)) body[name] = value !== "";
    else if (value === "") continue;
    else if (moments.includes(name)) body[name] = new Date(`${value}T23:59:59`).toISOString();
    else if (times.includes(name)) body[name] = zoned(value);
    else body[name] = numbers.includes(name) ? Number(value) : value;
  }
  for (const [name, value] of Object.entries(JSON.parse(form.dataset.also ?? "{}"))) body[name] = value;
  form.dispatchEvent(new CustomEvent("shape", { detail: body }));
  return body;
}

export const refusal = (content, status) => {
  const words = content.detail ?? `refused (${status})`;
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."} ${advice[content.reason_code] ?? ""}`.trim();
};

// The door names a field as its body does: the form marks it and says it as its label does.
function named(form, content) {
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  const [name] = /^[a-z_.]+/.exec(content.detail ?? "") ?? [""];
  const called = JSON.parse(form.dataset.called ?? "{}")[name];
  if (called) return { detail: called };
  const field = name && form.elements[name.split(".").at(-1)];
  if (!field?.labels?.length) return content;
  field.setAttribute("aria-invalid", "true");
  return { ...content, detail: `${field.labels[0].textContent.trim()}${content.detail.slice(name.length)}` };
}

// A form that leaves the page as it is says what was saved: data-says="Granted" with the boxes that are ticked.
function saved(form) {
  form.querySelectorAll("[data-refusal], [data-saved]").forEach((place) => place.remove());
  const ticked = [...form.querySelectorAll("input:checked")].map((box) => box.closest("label").textContent.trim());
  const place = document.createElement("p");
  place.dataset.saved = "";
  place.className = "note good";
  place.setAttribute("role", "status");
  form.append(place);
  place.textContent = `Saved. ${form.dataset.says}: ${ticked.join(", ") || "none"}.`;
  form.addEventListener("change", () => place.remove(), { once: true });
}

export function say(form, words) {
  form.querySelector("[data-saved]")?.remove();
  form.querySelectorAll("[data-result]").forEach((place) => place.replaceChildren()); // an earlier answer is none to this
  let place = form.querySelector("[data-refusal]");
  if (!place) {
    place = document.createElement("p");
    place.dataset.refusal = "";
    place.className = "note bad";
    place.setAttribute("role", "alert");
    place.tabIndex = -1;
    form.prepend(place);
  }
  place.textContent = words;
  place.focus();
}

async function send(form) {
  const [method, path] = form.dataset.send.split(" ");
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(form.elements[name].value));
  const body = method === "DELETE" ? undefined : JSON.stringify(bodyOf(form));
  const answer = await fetch(filled, { method, body, headers: { "content-type": "application/json", "x-csrf-token": token } });
  if (answer.status === 401) return location.assign("/login");
  const content = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) return say(form, refusal(named(form, content), answer.status));
  if (!form.dispatchEvent(new CustomEvent("done", { detail: content, cancelable: true }))) return;
  if (form.dataset.says) return saved(form);
  const shown = form.dataset.shows && form.querySelector("output");
  if (!shown) return form.dataset.then ? location.assign(form.dataset.then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(content[name] ?? form.elements[name]?.value ?? ""))) : location.reload();
  shown.textContent = content[form.dataset.shows];
  shown.hidden = false;
  for (const button of form.querySelectorAll("button")) button.disabled = true;
}

for (const form of document.querySelectorAll("form[data-send]")) {
  form.addEventListener("submit", (sent) => {
    sent.preventDefault();
    if (form.dataset.busy || (form.dataset.asks && !confirm(form.dataset.asks))) return;
    form.dataset.busy = "yes";
    send(form).catch(() => say(form, "the console does not answer; nothing was changed")).finally(() => { delete form.dataset.busy; });
  });
}
