// Canvasses: the window is filled in with the last hours, corners leave as numbers, reads are listed under the form.
import { area } from "./area.js";
import { full, h, wall } from "./dom.js";

const opening = document.getElementById("canvass");
if (opening) {
  opening.elements.captured_to.value = wall(Date.now()).slice(0, 16);
  opening.elements.captured_from.value = wall(Date.now() - 3 * 3600000).slice(0, 16);
  opening.addEventListener("shape", ({ detail: body }) => {
    for (const name of ["south", "west", "north", "east"]) delete body[name];
    body.polygon = area();
  });
}
for (const field of document.querySelectorAll("[data-wall]")) field.value = wall(field.dataset.wall).slice(0, 16);

document.getElementById("reads")?.addEventListener("done", (answer) => {
  answer.preventDefault();
  const { rows = [], next, receipt } = answer.detail, place = document.getElementById("found");
  place.replaceChildren(...[
    h("h3", { text: rows.length ? `${rows.length} read${rows.length === 1 ? "" : "s"}${next ? " on this page, there are more: open it as a search" : ""}` : "No read lies inside area and time." }),
    receipt ? h("p", { class: "dim", text: `Recorded as ledger entry ${receipt.index}.` }) : null,
    rows.length ? h("div", { class: "scroll" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, ["Plate", "State", "Captured", "Camera"].map((name) => h("th", { scope: "col", text: name })))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row", class: "plate-text", "data-label": "Plate", text: row.plate || "unreadable" }), h("td", { "data-label": "State", text: (row.state || "unknown").replace("US-", "") }), h("td", { "data-label": "Captured" }, h("time", { datetime: row.captured_at, text: full(row.captured_at) })), h("td", { "data-label": "Camera", text: row.device_name || row.device_id })))))) : null].filter(Boolean));
  place.hidden = false;
  place.focus();
});
