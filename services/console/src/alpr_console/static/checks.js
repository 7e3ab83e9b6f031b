// The forms that judge: is the read right, does the records check say so, what kind of advisory is it.
import { h } from "./dom.js";
import { area, choose, line, options, pick, row, stepForm } from "./kit.js";

const METHODS = { image_review: "By the pictures", visual_on_vehicle: "On the vehicle itself" };
const RESULTS = [{ code: "active", label: "Active" }, { code: "not_active", label: "Not active" }, { code: "no_record", label: "No record" }, { code: "error", label: "Error" }];
const STATES = [{ code: "unknown", label: "Cannot tell" }, { code: "match", label: "As listed" }, { code: "mismatch", label: "Differs from the list" }];

export function readCheck(make) {
  const methods = (make.forms.read_check?.methods ?? Object.keys(METHODS)).map((item) => (typeof item === "string" ? { code: item, label: METHODS[item] ?? item } : item));
  const body = (result) => (given) => ({ result, method: given.method, state_confirmed: given.state_confirmed, corrected_text: result === "misread" ? given.corrected_text ?? "" : "", ...reason(given) });
  return stepForm({ ...make.form, fields: [
    row(pick("method", "Compared how", methods, methods[0]?.code, { id: "check-method" }), pick("state_confirmed", "State on the plate", STATES, "unknown", { id: "check-state" })),
    line("corrected_text", "If misread: what the plate says", "", { id: "corrected", class: "plate-input", maxlength: "16", autocapitalize: "characters", spellcheck: "false" }),
  ], buttons: [
    { words: "Read is correct", id: "read-correct", main: true, path: make.path("read-check"), body: body("correct") },
    { words: "Misread", id: "read-misread", path: make.path("read-check"), body: body("misread") },
    { words: "Wrong state", id: "read-wrong-state", path: make.path("read-check"), body: (given) => ({ ...body("wrong_state")(given), state_confirmed: "mismatch" }) },
  ] });
}

export const reason = (given) => (given.override_reason ? { override_reason: given.override_reason } : {});

export function verification(make) {
  const spec = make.forms.verification ?? {};
  const sources = options(spec.sources ?? ["CLETS", "NCIC", "other"]), routes = options(spec.routes);
  const asks = spec.adapter && spec.adapter !== "manual";
  const way = (given) => ({ source: given.source ?? sources[0]?.code, ...(given.route ? { route: given.route } : {}) });
  const buttons = [{ words: "Record the result", main: !asks, path: make.path("verifications"), body: (given) => ({ ...way(given), result: given.result, reference: given.reference ?? "", text: given.text ?? "", ...reason(given) }) }];
  if (asks) buttons.unshift({ words: `Ask ${sources[0]?.label ?? "the records system"}`, id: "ask-adapter", main: true, unchecked: true, path: make.path("confirmations"), body: (given) => ({ ...way(given), ...reason(given) }) });
  return stepForm({ ...make.form, fields: [
    spec.adapter === "stub" && h("p", { class: "test-stamp", text: "TEST: a made-up records system answers here. Never act on it." }),
    row(pick("source", "Records system", sources, sources[0]?.code), routes.length > 0 && pick("route", "Asked by", routes, (routes.find((item) => item.code === "dispatch") ?? routes[0]).code)),
    choose("result", asks ? "Or enter what it said yourself" : "What it said", RESULTS, "", { required: true }),
    row(line("reference", "Reference", "", { maxlength: "80" }), area("text", "Answer in its words", "", { rows: 1 })),
  ], buttons });
}

export function natureReview(make) {
  const listed = make.forms.nature?.classes ?? [{ code: make.card.advisory_class, label: make.card.advisory_words }];
  return stepForm({ ...make.form, fields: [pick("nature", "It is this kind of advisory", listed, make.card.advisory_class)],
    buttons: [{ words: "Nature reviewed", main: true, path: make.path("nature-review"), body: (given) => ({ nature: given.nature }) }] });
}
