// The forms that tell others: the broadcast, filled in so that it can be read aloud, and the call for service.
import { h } from "./dom.js";
import { area, line, options, pick, row, stepForm, values } from "./kit.js";
import { aloud, codeWords, filled } from "./speak.js";
import { reason } from "./checks.js";

const LABELS = { nature: "Kind of hit", vehicle: "Vehicle", plate: "Plate", fixed_location: "ALPR site", description: "Description", alert_info: "Alert information", direction: "Direction", result: "Result of the check" };
const LONG = new Set(["description", "alert_info"]);
const PARTS = ["nature", "vehicle", "plate", "fixed_location", "description", "alert_info", "direction"];
const listed = (text) => (text ?? "").split(",").map((one) => one.trim()).filter(Boolean);

// What the check said, for those who are on their way.
const RESULTS = { active: "Confirmed active", not_active: "Not active: cancel", no_record: "No record: cancel" };
// the newest answer that counts: an error answers nothing, and a source that the policy does not name confirms nothing
function answer(make) {
  const counted = make.forms.verification?.sources;
  return (make.work.verifications ?? []).findLast((one) => one.result !== "error" && (!counted || counted.includes(one.source)));
}
const result = (last) => (last ? `${RESULTS[last.result] ?? codeWords(last.result)}, ${last.source}` : "");

export function broadcast(make, kind) {
  const spec = make.forms.broadcast ?? {}, later = kind === "clets_result";
  const called = kind ?? spec.kind ?? "initial", audience = (later ? spec.result_audience : null) ?? spec.audience ?? [];
  const start = { ...spec.given, ...filled(make.card) };
  if (later) start.result = start.alert_info = result(answer(make));
  const asked = later ? (spec.result_required?.includes("result") ? spec.result_required : [...new Set([...(spec.result_required ?? ["plate"]), "alert_info"])]) : spec.required ?? ["plate", "description"];
  const names = asked.includes("direction") || later ? asked : [...asked, "direction"];
  const field = (name) => (LONG.has(name) ? area : line)(name, `${LABELS[name] ?? codeWords(name)}${asked.includes(name) ? "" : " (optional)"}`, start[name] ?? "", { required: asked.includes(name), ...(name === "plate" ? { readonly: true, hint: "the plate of the hit" } : {}) });
  const text = h("p", { class: "aloud", tabindex: "0", role: "group", "aria-label": "Text to read aloud" });
  const content = (given) => Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]));
  const form = stepForm({ ...make.form, fields: [
    h("div", { class: "read-aloud" }, h("h5", { text: "Read aloud" }), text),
    names.map(field),
    row(line("channels", "Channels", (spec.channels ?? []).join(", "), { hint: spec.channels?.length ? `must contain: ${spec.channels.join(", ")}` : "separate with commas" }), line("audience", "For", audience.join(", "), {})),
  ], buttons: [{ words: kind === "clets_result" ? "Result was broadcast" : "Broadcast and record", main: true, path: make.path("broadcasts"),
    body: (given) => ({ kind: called, content: content(given), channels: listed(given.channels), audience: listed(given.audience), ...reason(given) }) }] });
  const say = () => { text.textContent = aloud(make.card, called, content(values(form)), answer(make)?.result === "active"); };
  form.addEventListener("input", say);
  say();
  return form;
}

// What the dispatcher learned since: it belongs to the call that is open.
export function describe(make) {
  const open = make.work.calls?.at(-1), start = filled(make.card);
  if (!open) return h("p", { class: "dim", text: "Open the call first: description and direction are entered with it." });
  return stepForm({ ...make.form, fields: [
    line("vehicle_description", "Vehicle description", open.vehicle_description || start.description, { required: true }),
    line("direction_of_travel", "Direction of travel", open.direction_of_travel || "unknown", { required: true, hint: "a direction, or: unknown" }),
  ], buttons: [{ words: "Record", main: true, path: make.path(`calls/${open.call_id}/description`), body: (given) => ({ vehicle_description: given.vehicle_description ?? "", direction_of_travel: given.direction_of_travel ?? "" }) }] });
}

export function call(make) {
  const start = filled(make.card), types = options(make.forms.call?.types);
  const stolen = make.card.reason === "stolen_vehicle" && answer(make)?.result === "active";
  const usual = [stolen ? "stolen_vehicle" : "", `tas_${make.card.reason}`, make.card.reason].map((code) => types.find((item) => item.code === code)).find(Boolean);
  return stepForm({ ...make.form, fields: [
    pick("call_type", "Call type", types, "", { required: true, empty: "Choose", hint: usual && `for this hit: ${usual.label}` }),
    line("vehicle_description", "Vehicle description", start.description, {}),
    line("direction_of_travel", "Direction of travel", make.card.direction && make.card.direction !== "unknown" ? start.direction : "unknown", { hint: "a direction, or: unknown" }),
  ], buttons: [{ words: "Open the call", main: true, path: make.path("calls"), body: (given) => ({ call_type: given.call_type, vehicle_description: given.vehicle_description ?? "", direction_of_travel: given.direction_of_travel ?? "" }) }] });
}
