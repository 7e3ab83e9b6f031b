// What has been recorded about a step, in one line each: what, by whom, when.
import { clock, dayAndClock, h } from "./dom.js";
import { codeWords } from "./speak.js";

const RESULTS = { active: "Active", not_active: "Not active", no_record: "No record", error: "Error" };
const by = (one) => [one.by ?? one.by_name ?? one.person, one.at && clock(one.at)].filter(Boolean).join(", ");
const line = (key, tone, words, one, ...more) => h("li", { "data-key": key, class: tone }, h("strong", { text: words }), " ", h("span", { class: "dim", text: by(one) }), more);
const given = (reason) => reason && h("span", { class: "why", text: `Reason: ${reason}` });

function check(one) {
  const found = one.result === "misread"
    ? h("li", { "data-key": "check", class: "amber", id: "read-check" }, h("strong", { text: "Misread" }), one.corrected_text ? `: the plate says ${one.corrected_text}, read as ${one.plate_text ?? one.read}` : ": the plate says something else")
    : h("li", { "data-key": "check", id: "read-check" }, h("strong", { text: one.result === "wrong_state" ? "Wrong state" : "Read is correct" }), one.state_confirmed && one.state_confirmed !== "unknown" && ` · state ${one.state_confirmed === "match" ? "as listed" : "differs"}`, given(one.override_reason));
  return [found];
}
const verification = (one, at) => line(`v${at}`, one.result === "active" ? "" : "amber", `${one.source}: ${RESULTS[one.result] ?? one.result}`, one,
  one.reference && ` · ${one.reference}`, (one.test || one.adapter === "stub") && h("span", { class: "test-stamp", text: "TEST" }), given(one.override_reason));
const broadcast = (one, at) => line(`b${at}`, "", codeWords(one.kind), one, one.channels?.length > 0 && ` · ${one.channels.join(", ")}`, given(one.override_reason));
const callType = (one, work) => work.forms?.call?.types?.find((type) => type.code === one.call_type)?.label ?? codeWords(one.call_type);
const call = (work) => (one, at) => line(`c${at}`, "", callType(one, work), one, one.state && ` · ${codeWords(one.state)}`, one.call_number && ` · ${one.call_number}`, one.direction_of_travel && ` · ${one.direction_of_travel}`);
const action = (one, at) => line(`a${at}`, "", codeWords(one.type), one, one.unverified_action && h("span", { class: "tag warn", text: "Not verified" }), one.exigency && ` · ${codeWords(one.exigency)}`, given(one.override_reason || one.reason));
const disposition = (one) => [line("d", "", codeWords(one.outcome), one, one.occupied && ` · ${codeWords(one.occupied)}`, one.recovered && ` · recovered${one.recovered_at ? ` ${dayAndClock(one.recovered_at)}` : ""}`, one.place && ` · ${one.place}`)];

const OF = {
  read_check: (work) => (work.read_check ? check(work.read_check) : []),
  verify: (work) => (work.verifications ?? []).map(verification),
  broadcast: (work) => (work.broadcasts ?? []).filter((one) => one.kind !== "clets_result").map(broadcast),
  broadcast_result: (work) => (work.broadcasts ?? []).filter((one) => one.kind === "clets_result").map(broadcast),
  call: (work) => (work.calls ?? []).map(call(work)),
  action: (work) => (work.actions ?? []).map(action),
  disposition: (work) => (work.disposition ? disposition(work.disposition) : []),
};

export function records(step, work) {
  const found = OF[step]?.(work) ?? [];
  return found.length > 0 && h("ul", { class: "records", "data-key": "records" }, found);
}
