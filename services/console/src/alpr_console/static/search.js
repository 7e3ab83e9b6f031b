// Search results: local times, and pictures on demand. Each picture is recorded in the ledger before it is opened.
import { full, h, post } from "./dom.js";

for (const time of document.querySelectorAll(".answer time")) if (time.dateTime) time.textContent = full(time.dateTime);

async function load(read, query, role, words) {
  const frame = h("div", { class: "frame" }, h("span", { class: "waiting", text: "Recording, then opening" }));
  const figure = h("figure", { class: role }, frame, h("figcaption", { text: words }));
  const fail = (text) => frame.replaceChildren(h("span", { class: "waiting", text }));
  (async () => {
    const recorded = await post("/v1/image-views", { read_id: read, role, query_id: query });
    const answer = await recorded.json().catch(() => ({}));
    if (!recorded.ok) { fail(answer.detail || "The picture was refused."); return; }
    const opened = await fetch(`/v1/images/${encodeURIComponent(answer.entry)}`);
    if (!opened.ok) { fail((await opened.json().catch(() => ({}))).detail || "The picture is not available."); return; }
    const image = h("img", { alt: words, class: "there" });
    image.src = URL.createObjectURL(await opened.blob());
    frame.replaceChildren(image);
  })().catch(() => fail("The picture is not available."));
  return figure;
}

document.querySelector(".answer").addEventListener("click", async (press) => {
  const button = press.target.closest("button.show");
  if (!button) return;
  const row = button.closest("tr");
  const query = Number(button.closest("table").dataset.query);
  if (row.nextElementSibling?.classList.contains("shown")) { row.nextElementSibling.remove(); button.firstChild.textContent = "Show "; return; }
  button.firstChild.textContent = "Hide ";
  const figures = await Promise.all([load(row.dataset.read, query, "closeup", "Close-up of the plate"), load(row.dataset.read, query, "context", "Vehicle in context")]);
  row.after(h("tr", { class: "shown" }, h("td", { colspan: "7" }, h("div", { class: "pictures" }, figures))));
});
