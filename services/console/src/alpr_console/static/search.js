// The answer's views, pictures on demand (each recorded before it is opened), copies through the door.
import { area, devices, outline } from "./area.js";
import { full, h, post, span } from "./dom.js";
import { Ground, meters } from "./ground.js";

const data = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
const rows = data("shown") || [];
const answer = document.getElementById("answer-rows");
const field = (name) => document.getElementById(name);
// pictures
function load(read, role, words) {
  const frame = h("div", { class: "frame" }, h("span", { class: "waiting", text: "Recording, then opening" }));
  const fail = (text) => frame.replaceChildren(h("span", { class: "waiting", role: "alert", text }));
  (async () => {
    const recorded = await post("/v1/image-views", { read_id: read, role, query_id: Number(answer.dataset.query) });
    const entry = await recorded.json().catch(() => ({}));
    if (!recorded.ok) { fail(recorded.status === 503 ? "Not opened: the access ledger cannot record right now." : entry.detail || "The picture was refused."); return; }
    const opened = await fetch(`/v1/images/${encodeURIComponent(entry.entry)}`);
    if (!opened.ok) { fail((await opened.json().catch(() => ({}))).detail || "The picture is not available."); return; }
    const image = h("img", { alt: words, class: "there" });
    image.src = URL.createObjectURL(await opened.blob());
    frame.replaceChildren(image);
  })().catch(() => fail("The picture is not available."));
  return h("figure", { class: role }, frame, h("figcaption", { text: words }));
}
const pictures = (row) => h("div", { class: "pictures" }, load(row.read_id, "closeup", "Close-up of the plate"), load(row.read_id, "context", "Vehicle in context"));
const reasons = (row) => h("ul", { class: "reasons" }, row.why.map((words) => h("li", { text: words })));

// list: reasons and pictures under the row that was asked for
answer?.querySelector("table").addEventListener("click", (press) => {
  const button = press.target.closest("button.show, button.reason");
  if (!button) return;
  const line = button.closest("tr"), row = rows[[...line.parentElement.querySelectorAll("tr[data-read]")].indexOf(line)];
  const kind = button.classList.contains("show") ? "shown" : "because";
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (kind === "shown") button.firstChild.textContent = open ? "Show " : "Hide ";
  let below = line.nextElementSibling;
  while (below && !below.dataset.read && !below.classList.contains(kind)) below = below.nextElementSibling;
  if (open) { if (below?.classList.contains(kind)) below.remove(); return; }
  line.after(h("tr", { class: `under ${kind}` }, h("td", { colspan: "7" }, kind === "shown" ? pictures(row) : reasons(row))));
});

// images, map and timeline are built when they are first looked at; no picture opens by itself
const name = (row) => row.plate || "unreadable";
const place = (row) => row.device_name || row.device_id || "unknown place";
function card(row) {
  const button = h("button", { type: "button", text: "Open pictures" });
  const box = h("article", { class: "card shot" }, h("h3", { class: "plate-text", text: name(row) }), h("p", {}, h("span", { text: full(row.captured_at) }), h("br"), h("span", { class: "dim", text: place(row) })), reasons(row));
  if (row.read_id) box.append(button);
  button.addEventListener("click", () => button.replaceWith(pictures(row)), { once: true });
  return box;
}
function grouped(items) {
  const groups = new Map();
  for (const row of items) {
    if (typeof row.latitude !== "number") continue;
    const key = `${row.latitude.toFixed(5)},${row.longitude.toFixed(5)}`;
    if (!groups.has(key)) groups.set(key, { latitude: row.latitude, longitude: row.longitude, items: [] });
    groups.get(key).items.push(row);
  }
  for (const group of groups.values()) group.label = `${group.items.length} at ${place(group.items[0])}`;
  return [...groups.values()];
}
const build = {
  list: () => {},
  images: (host) => host.append(h("div", { class: "cards" }, rows.map(card))),
  map: async (host) => {
    const spot = h("div"), side = h("div", { class: "picked", "aria-live": "polite" }, h("p", { class: "dim", text: "Choose a place on the map to see what was read there." }));
    host.append(spot, side);
    const pick = (group) => side.replaceChildren(h("h3", { text: group.label }), h("div", { class: "cards" }, group.items.map(card)));
    new Ground(spot, { label: `Map of ${rows.length} ${answer.dataset.by}s. Arrow keys move, plus and minus zoom, zero shows everything.`, devices, outline: await outline, groups: grouped(rows), area: area(), pick });
    const lost = rows.filter((row) => typeof row.latitude !== "number").length;
    if (lost) side.before(h("p", { class: "hint", text: `${lost} without a position` }));
  },
  timeline: (host) => {
    const ordered = [...rows].sort((a, b) => new Date(a.captured_at) - new Date(b.captured_at));
    const list = h("ol", { class: "timeline" });
    ordered.forEach((row, n) => {
      const last = ordered[n - 1];
      if (last) {
        const far = typeof row.latitude === "number" && typeof last.latitude === "number" ? meters(last, row) : null;
        const away = far === null ? "" : far < 25 ? ", same place" : `, ${(far / 1609.344).toFixed(1)} mi (${(far / 1000).toFixed(1)} km) in a straight line`;
        list.append(h("li", { class: "gap", text: `${span((new Date(row.captured_at) - new Date(last.captured_at)) / 1000)} later${away}` }));
      }
      list.append(h("li", { class: "moment" }, h("time", { datetime: row.captured_at, text: full(row.captured_at) }), h("strong", { class: "plate-text", text: name(row) }), h("span", { text: place(row) }), row.direction ? h("span", { class: "dim", text: row.direction }) : null));
    });
    host.append(h("p", { class: "dim", text: "Oldest first, in the agency's time. These are the reads of this answer only." }), list);
  },
};
const built = new Set(["list"]);
field("views")?.addEventListener("click", (press) => {
  const view = press.target.closest("button")?.dataset.view;
  if (!view) return;
  for (const button of field("views").children) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  for (const part of answer.querySelectorAll(".view")) {
    part.hidden = part.dataset.of !== view;
    if (!part.hidden && !built.has(view)) { built.add(view); build[view](part); }
  }
});

// receipt and copies
function save(blob, title) {
  const link = h("a", { href: URL.createObjectURL(blob), download: title });
  document.body.append(link);
  link.click();
  link.remove();
}
const receipt = data("receipt-data");
field("receipt-save")?.addEventListener("click", () => save(new Blob([JSON.stringify(receipt, null, 2)], { type: "application/json" }), `receipt-${receipt.index}.json`));
field("take-form")?.addEventListener("submit", async (sent) => {
  sent.preventDefault();
  const form = sent.target, wrong = field("take-wrong"), chosen = form.querySelector("[name=take_format]:checked").value;
  wrong.hidden = true;
  const answered = await post("/v1/exports", { query_id: Number(answer.dataset.query), format: chosen, purpose_code: field("take_purpose").value, justification: field("take_justification").value });
  if (!answered.ok) {
    const problem = await answered.json().catch(() => ({}));
    wrong.textContent = answered.status === 503 ? "Nothing was taken: the access ledger cannot record right now." : problem.detail || "The copy was refused.";
    wrong.hidden = false;
    return;
  }
  form.closest("dialog").close();
  if (chosen !== "print") {
    const title = /filename="?([^";]+)/.exec(answered.headers.get("content-disposition") || "")?.[1] || `answer-${answer.dataset.query}.${chosen}`;
    save(await answered.blob(), title);
    return;
  }
  const { export_id, mark, watermark } = await answered.json();
  document.querySelector(".printed").append(h("br"), [mark, watermark, `Copy ${export_id}`].filter(Boolean).join(" · "));
  document.body.classList.add("recorded");
  print();
});
addEventListener("afterprint", () => document.body.classList.remove("recorded"));

// what was asked for is answered: begin reading there, not at the top of the form
field("result")?.focus();
