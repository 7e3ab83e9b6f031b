// Findings by button or key: each is sent as it is made, so that nothing is lost when the page is left.
import { h, post } from "./dom.js";

const items = document.getElementById("items"), progress = document.getElementById("progress");
const words = { ok: ["In order", "good", "✓"], question: ["Question", "warn", "!"], violation: ["Violation", "bad", "✕"] };
const all = () => [...items.querySelectorAll(".item")];
const tell = () => { progress.textContent = `${all().filter((item) => item.dataset.result).length} of ${progress.dataset.items} decided`; };

async function judge(item, result) {
  const form = item.querySelector("form.judge");
  if (!form) return;
  const note = form.elements.note, wrong = form.querySelector(".wrong");
  const fail = (text) => { wrong.textContent = text; wrong.hidden = false; note.focus(); };
  wrong.hidden = true;
  if (result !== "ok" && !note.value.trim()) { form.dataset.chosen = result; fail(`Say in the note what ${result === "question" ? "the question" : "the violation"} is, then press Enter.`); return; }
  const answered = await post(`/v1/audit/tasks/${encodeURIComponent(items.dataset.task)}/findings`, { entry: Number(item.dataset.entry), result, note: note.value.trim() });
  if (!answered.ok) { fail(answered.status === 503 ? "Not recorded: the ledger does not answer." : (await answered.json().catch(() => ({}))).detail || "This was refused."); return; }
  const [text, tone, sign] = words[result];
  item.dataset.result = result;
  item.querySelector(".verdict").replaceChildren(h("span", { class: `badge ${tone}` }, h("i", { "aria-hidden": "true", text: sign }), text));
  if (note.value.trim()) form.before(h("p", { class: "dim", text: note.value.trim() }));
  form.remove();
  tell();
  go(1, item);
}
function go(step, from) {
  const list = all(), at = list.indexOf(from ?? document.activeElement?.closest?.(".item"));
  const next = from && step === 1 ? list.slice(at + 1).find((item) => !item.dataset.result) ?? document.getElementById("statement") : list[Math.min(list.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
items.addEventListener("submit", (sent) => {
  const form = sent.target.closest("form.judge");
  if (!form) return;
  sent.preventDefault();
  // Enter in the note stands for what was chosen before it, never for the first button by accident
  const pressed = document.activeElement?.name === "note" ? form.dataset.chosen : sent.submitter?.value;
  if (pressed) judge(form.closest(".item"), pressed);
});
document.addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey || press.target.closest("input, textarea, select")) return;
  const key = press.key.toLowerCase(), item = document.activeElement?.closest?.(".item");
  if (key === "j" || key === "k") go(key === "j" ? 1 : -1);
  else if (["1", "2", "3"].includes(key) && item) judge(item, Object.keys(words)[Number(key) - 1]);
  else return;
  press.preventDefault();
});
tell();
