// An area that is drawn on our own map or given by its sides: fields #polygon, #south … #east, dialog #area-dialog.
import { Ground } from "./ground.js";

const field = (name) => document.getElementById(name);
export const devices = JSON.parse(field("positions")?.textContent || "[]");
export const outline = (async () => {
  if (!field("positions")?.dataset.outline) return null;
  const found = await fetch("/search/outline");
  return found.ok ? found.json() : null;
})().catch(() => null);

export function area() {
  const shape = field("polygon").value.trim();
  if (shape) return shape.split(/\s+/).map((corner) => corner.split(",").map(Number));
  const [south, west, north, east] = ["south", "west", "north", "east"].map((side) => field(side).value.trim());
  if (!south || !west || !north || !east) return [];
  return [[south, west], [south, east], [north, east], [north, west]].map((corner) => corner.map(Number));
}

// where there is a form to draw for
if (field("draw")) {
  let ground = null;
  const tell = () => {
    const corners = area();
    field("area-words").textContent = corners.length ? (field("polygon").value.trim() ? `A drawn shape with ${corners.length} corners.` : "A rectangle with these sides.") : field("area-words").dataset.none;
    field("area-clear").hidden = !corners.length;
  };
  const clear = () => { for (const side of ["polygon", "south", "west", "north", "east"]) field(side).value = ""; tell(); };
  const said = () => { const count = ground.shape().length; field("area-state").textContent = ground.tool === "rectangle" ? (count === 4 ? "The rectangle is drawn." : "A rectangle takes two corners.") : `${count} corner${count === 1 ? "" : "s"}; a shape takes 3 to 50.`; field("area-use").disabled = count < 3; };
  field("draw").addEventListener("click", async () => {
    field("area-dialog").showModal();
    if (!ground) {
      ground = new Ground(field("area-map"), { label: "Map to draw on. Arrow keys move, plus and minus zoom, Enter sets a corner at the cross.", devices, outline: await outline });
      Object.assign(ground, { drawing: true, tool: "rectangle", changed: said });
    }
    ground.corners = area();
    if (ground.corners.length) { choose("shape"); ground.area = ground.corners; }
    ground.fit();
    said();
    ground.svg.focus();
  });
  function choose(tool) {
    for (const button of field("tools").children) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    if (tool === "move") { ground.drawing = false; } else { ground.drawing = true; if (ground.tool !== tool && ground.corners.length) ground.corners = tool === "shape" ? ground.shape() : []; ground.tool = tool; }
    ground.draw();
    said();
  }
  field("tools").addEventListener("click", (press) => { const tool = press.target.closest("button")?.dataset.tool; if (tool) choose(tool); });
  field("area-undo").addEventListener("click", () => { ground.area = []; ground.set([]); });
  field("area-clear").addEventListener("click", clear);
  field("area-use").addEventListener("click", () => {
    const corners = ground.shape();
    if (corners.length < 3) return;
    clear();
    if (ground.tool === "rectangle") {
      const [latitudes, longitudes] = [corners.map((c) => c[0]), corners.map((c) => c[1])];
      for (const [side, value] of [["south", Math.min(...latitudes)], ["north", Math.max(...latitudes)], ["west", Math.min(...longitudes)], ["east", Math.max(...longitudes)]]) field(side).value = value.toFixed(6);
    } else field("polygon").value = corners.map((corner) => corner.map((value) => value.toFixed(6)).join(",")).join(" ");
    tell();
    field("area-dialog").close();
    field("draw").focus();
  });
  tell();
}
