// Makes this session a vehicle or a desktop. What is refused is said on the form.
import { post } from "./dom.js";

const form = document.getElementById("sign-on"), refused = document.getElementById("sign-on-refused"), device = document.getElementById("of-vehicle");
const kind = () => form.elements.client_kind.value;
const drawn = () => { if (device) device.hidden = kind() !== "vehicle"; };

form.addEventListener("change", drawn);
form.addEventListener("submit", async (sent) => {
  sent.preventDefault();
  const value = (name) => (form.elements[name]?.value ?? "").trim();
  let words = "The console does not answer: try again.";
  try {
    const answer = await post("/v1/session/unit", { client_kind: kind(), unit: value("unit"), shift: value("shift"), device_id: kind() === "vehicle" ? value("device_id") : "" });
    if (answer.ok) { location.assign("/unit"); return; }
    const problem = await answer.json();
    words = `${problem.detail.charAt(0).toUpperCase()}${problem.detail.slice(1)} (${problem.reason_code}).`;
  } catch { /* said below */ }
  refused.textContent = words;
  refused.hidden = false;
  refused.focus();
  delete form.dataset.sent;
});
drawn();
form.elements.unit.focus();
