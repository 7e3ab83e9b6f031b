// Where a vehicle was seen, drawn by ourselves: no outside server learns where we look. North is up; the trail runs from the
// first sighting to the last, the arrow shows the direction of travel. The same in words stands below it.
import { clock, h } from "./dom.js";
import { direction, known } from "./speak.js";

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 460, HEIGHT = 230, EDGE = 34, LEAST_M = 700, METERS_A_DEGREE = 111195;
const TURN = { N: 0, NE: 45, E: 90, SE: 135, S: 180, SW: 225, W: 270, NW: 315 };
const POINTS = ["north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"];

function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const text = (kind, x, y, words, anchor) => s("text", { class: kind, x, y, "text-anchor": anchor }, words);

function lines(geo) {
  if (!geo) return [];
  if (geo.type === "FeatureCollection") return geo.features.flatMap(lines);
  if (geo.type === "Feature") return lines(geo.geometry);
  if (geo.type === "GeometryCollection") return geo.geometries.flatMap(lines);
  return { LineString: (c) => [c], MultiLineString: (c) => c, Polygon: (c) => c, MultiPolygon: (c) => c.flat() }[geo.type]?.(geo.coordinates) ?? [];
}
let outline = [];
export async function loadOutline() {
  try { const answer = await fetch("/search/outline"); if (answer.ok) outline = lines(await answer.json()); } catch { /* the map stands without it */ }
}

// every sighting that has a position; the card's own where the sightings name none
function stops(card) {
  const found = card.sightings.filter((one) => typeof one.latitude === "number");
  const named = found.map((one) => ({ ...one, place: one.place.replace(/, [NSEW]{1,2}$/, "") })); // the direction is drawn and said beside it
  return named.length ? named : [{ at: card.captured_at, place: card.device_name || card.device_id, latitude: card.latitude, longitude: card.longitude, direction: card.direction }];
}
function apart(a, b) { // meters and the point of the compass from a to b, on a plane: sightings lie close together
  const [x, y] = [(b.longitude - a.longitude) * METERS_A_DEGREE * Math.cos(a.latitude * Math.PI / 180), (b.latitude - a.latitude) * METERS_A_DEGREE];
  return [Math.hypot(x, y), POINTS[Math.round(((Math.atan2(x, y) * 180 / Math.PI + 360) % 360) / 45) % 8]];
}
const far = (meters) => (meters < 400 ? `${Math.round(meters * 3.28084 / 10) * 10} ft` : `${(meters / 1609.344).toFixed(1)} mi`);

function drawn(card, all) {
  const last = all.at(-1), squeeze = Math.cos(last.latitude * Math.PI / 180);
  const [lats, lons] = [all.map((one) => one.latitude), all.map((one) => one.longitude)];
  const middle = [(Math.min(...lats) + Math.max(...lats)) / 2, (Math.min(...lons) + Math.max(...lons)) / 2];
  const meters = Math.max(LEAST_M, (Math.max(...lons) - Math.min(...lons)) * METERS_A_DEGREE * squeeze, (Math.max(...lats) - Math.min(...lats)) * METERS_A_DEGREE * (WIDTH - 2 * EDGE) / (HEIGHT - 2 * EDGE));
  const scale = (WIDTH - 2 * EDGE) / meters; // pixels a meter
  const at = (latitude, longitude) => [WIDTH / 2 + (longitude - middle[1]) * METERS_A_DEGREE * squeeze * scale, HEIGHT / 2 - (latitude - middle[0]) * METERS_A_DEGREE * scale];
  const path = (points) => points.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const layer = [];
  const step = [5, 2, 1].flatMap((n) => [10000, 1000, 100].map((power) => n * power)).sort((a, b) => b - a).find((one) => one * scale <= 130) ?? 100;
  for (let x = (WIDTH / 2) % (step * scale); x < WIDTH; x += step * scale) layer.push(s("line", { class: "grid", x1: x, x2: x, y1: 0, y2: HEIGHT }));
  for (let y = (HEIGHT / 2) % (step * scale); y < HEIGHT; y += step * scale) layer.push(s("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  for (const line of outline) layer.push(s("path", { class: "outline", d: path(line.map(([o, a]) => at(a, o))) }));
  const points = all.map((one) => at(one.latitude, one.longitude));
  if (points.length > 1) layer.push(s("path", { class: "way", d: path(points) }));
  points.forEach(([x, y], n) => { if (n < points.length - 1) layer.push(s("circle", { class: "seen", cx: x, cy: y, r: 9 }), text("seen-words", x, y + 4, String(n + 1), "middle")); });
  const [x, y] = points.at(-1), turn = TURN[last.direction ?? card.direction];
  if (turn !== undefined) layer.push(s("path", { class: "heading", d: "M0 -14V-44M-7 -35L0 -46L7 -35", transform: `translate(${x} ${y}) rotate(${turn})` }));
  layer.push(s("circle", { class: "here", cx: x, cy: y, r: 12 }), all.length > 1 ? text("here-words", x, y + 4.5, String(all.length), "middle") : s("circle", { class: "here-eye", cx: x, cy: y, r: 4 }));
  const label = last.place.length > 44 ? `${last.place.slice(0, 43)}…` : last.place;
  layer.push(text("place-words", Math.min(Math.max(x, 8 + label.length * 4), WIDTH - 8 - label.length * 4), y + (turn !== undefined && turn > 90 && turn < 270 ? -20 : 30), label, "middle"));
  layer.push(s("path", { class: "bar", d: `M${WIDTH - 14 - step * scale} ${HEIGHT - 16}v5h${step * scale}v-5` }), text("bar-words", WIDTH - 14, HEIGHT - 22, `${step >= 1000 ? `${step / 1000} km` : `${step} m`} · ${far(step)}`, "end"), text("north", 16, 20, "N ↑"));
  return layer;
}

function said(card, all) {
  const last = all.at(-1), before = all.at(-2);
  const words = [`Last seen ${clock(last.at)} at ${last.place}, ${direction(last.direction ?? card.direction)}.`];
  if (before) { const [meters, point] = apart(before, last); words.push(meters < 30 ? "At the same place as before." : `That is ${far(meters)} ${point} of the sighting before.`); }
  return words.join(" ");
}

export function spot(card) {
  const all = stops(card), last = all.at(-1);
  const svg = s("svg", { class: "spot-map", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Map: ${said(card, all)}` }, drawn(card, all));
  const stamp = `${all.length} ${outline.length} ${last.latitude} ${last.longitude} ${last.direction}`;
  return h("section", { class: "facts spot", "data-key": "spot" }, h("h3", { text: "Where" }),
    h("div", { class: "map", "data-keep": `map ${card.incident_id} ${stamp}` }, svg),
    h("p", { text: said(card, all) }),
    all.length > 1 && h("ol", { class: "sightings", "aria-label": "Sightings, first to last" }, all.map((one, n) => h("li", {}, h("b", { text: String(n + 1) }), ` ${clock(one.at)} ${one.place}${known(one.direction) ? `, ${direction(one.direction)}` : ""}`))),
    h("p", { class: "dim fine" }, `${last.latitude.toFixed(5)}, ${last.longitude.toFixed(5)} · `, h("span", { class: card.location_quality === "stale" ? "amber" : "", text: { live: "live position", registered: "registered position", stale: "position is old" }[card.location_quality] ?? "" })));
}
