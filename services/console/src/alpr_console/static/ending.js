// The forms that end it: what was done on the road, how it turned out, and the closing.
import { h, serverTime, wall, zoned } from "./dom.js";
import { area, choose, line, options, pick, row, stepForm, tick, values } from "./kit.js";
import { reason } from "./checks.js";

const OUTCOMES = ["stopped", "arrest", "recovered", "gone_on_arrival", "not_located", "no_action", "other"];

export function action(make) {
  const spec = make.forms.action ?? {};
  const types = options(spec.types ?? ["traffic_stop", "other"]), exigency = options(spec.exigency);
  return stepForm({ ...make.form, fields: [
    row(pick("type", "What is done", types, "", { required: true, empty: "Choose" }), line("reason", "Why, if the check was not practicable", "", {})),
    spec.independent_basis && h("fieldset", { class: "set" }, h("legend", { text: "Basis that is independent of the hit" }),
      pick("basis_type", "Kind", spec.basis_types ?? ["reasonable_suspicion", "probable_cause"], "", { empty: "None" }), area("basis_narrative", "What was seen or known besides the hit", "")),
    exigency.length > 0 && pick("exigency", "Acting before confirmation", exigency, "", { empty: "No: confirmed, or not needed" }),
    area("narrative", "What happened", ""),
  ], buttons: [{ words: "Record the action", main: true, path: make.path("actions"), body: (given) => ({
    type: given.type, reason: given.reason ?? "", narrative: given.narrative ?? "", ...(given.exigency ? { exigency: given.exigency } : {}),
    ...(given.basis_type ? { independent_basis: { type: given.basis_type, narrative: given.basis_narrative ?? "" } } : {}), ...reason(given) }) }] });
}

export function disposition(make) {
  const spec = make.forms.disposition ?? {};
  const outcomes = options(spec.outcomes ?? OUTCOMES);
  const when = line("recovered_at", "Recovered when", wall(serverTime()).slice(0, 16), { type: "datetime-local" });
  const form = stepForm({ ...make.form, fields: [
    pick("outcome", "How it turned out", outcomes, "", { required: true, empty: "Choose" }),
    choose("occupied", "The vehicle was", [{ code: "yes", label: "Occupied" }, { code: "no", label: "Unoccupied" }, { code: "unknown", label: "Not known" }], "", { required: true }),
    choose("recovered", "Recovered", [{ code: "yes", label: "Yes" }, { code: "no", label: "No" }], "no"),
    row(line("place", "Where", "", {}), when), line("note", "Note", "", {}),
    tick("wrong_vehicle", "The wrong vehicle was stopped (opens a review)"),
  ], buttons: [{ words: "Record the outcome", main: true, path: make.path("disposition"), body: (given) => ({
    outcome: given.outcome, occupied: given.occupied, recovered: given.recovered === "yes", ...(given.recovered === "yes" && given.recovered_at ? { recovered_at: zoned(given.recovered_at) } : {}), place: given.place ?? "", note: given.note ?? "", wrong_vehicle: given.wrong_vehicle === "1" }) }] });
  const ask = () => { when.hidden = values(form).recovered !== "yes"; };
  form.addEventListener("change", ask);
  ask();
  return form;
}

export const closure = (make) => stepForm({ ...make.form, fields: [], buttons: [{ words: "Close the hit", id: "close-hit", main: true, path: make.path("closure"), body: (given) => reason(given) }] });
