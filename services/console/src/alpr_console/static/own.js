// A unit's own detections of this shift, asked through the query door: with a purpose, recorded before anything is answered.
import { clock, h, post } from "./dom.js";

const state = (code) => (code || "").replace(/^US-|^unknown$/, "");

function body(form) {
  const given = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]).filter(([name, value]) => value && name !== "csrf"));
  const criteria = { own_detections: true, captured_from: form.dataset.since };
  if (form.dataset.device) criteria.device_id = form.dataset.device;
  const query = { purpose_code: given.purpose_code, justification: given.justification, attest_no_first_amendment: Boolean(given.attest_no_first_amendment), criteria };
  for (const name of ["case_number", "no_case_number_reason"]) if (given[name]) query[name] = given[name];
  for (const name of ["reasonable_suspicion", "need_to_know"]) if (given[name]) query[name] = { basis: given[name] };
  return query;
}

export function ask(form, place, refused) {
  form?.addEventListener("submit", async (sent) => {
    sent.preventDefault();
    const button = form.querySelector("button.main");
    button.disabled = true;
    refused.hidden = true;
    try {
      const answer = await post("/v1/queries", body(form)), content = await answer.json();
      if (answer.ok) {
        const rows = content.rows ?? [];
        place.replaceChildren(h("p", { class: "dim", role: "status", text: `${rows.length}${content.next ? " or more" : ""} read${rows.length === 1 ? "" : "s"}, recorded as entry ${content.query_id}.` }),
          rows.length ? h("ol", { class: "own-rows" }, rows.map((row) => h("li", {}, h("span", { class: "plate-text", text: row.plate ?? row.plate_text ?? "" }), h("span", { class: "dim", text: [state(row.state), row.device_name || row.device_id, clock(row.captured_at)].filter(Boolean).join(" · ") })))) : "");
        place.focus();
      } else {
        refused.textContent = `Not answered. ${content.detail ?? "Try again"} (${content.reason_code ?? answer.status}).`;
        refused.hidden = false;
        refused.focus();
      }
    } catch {
      refused.textContent = "Not answered: the console cannot be reached. It may have been recorded all the same.";
      refused.hidden = false;
      refused.focus();
    } finally { button.disabled = false; delete form.dataset.sent; }
  });
}
