// A map drawn by ourselves: no tile server learns where we look. Positions, graticule, scale bar, the operator's outline.
const NS = "http://www.w3.org/2000/svg";
const AROUND = 40075016.686; // meters around the equator
const CLOSEST = AROUND / 0.2, FARTHEST = 256; // 20 cm a pixel; the world in 256 pixels

function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}
const across = (longitude) => (longitude + 180) / 360;
const down = (latitude) => { const a = Math.min(85, Math.max(-85, latitude)) * Math.PI / 180; return (1 - Math.asinh(Math.tan(a)) / Math.PI) / 2; };
const longitudeAt = (x) => x * 360 - 180;
const latitudeAt = (y) => Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI;
const nice = (wish) => { const power = 10 ** Math.floor(Math.log10(wish)); return [5, 2, 1].map((n) => n * power).find((n) => n <= wish) ?? power; };

function rings(geo) {
  if (!geo) return [];
  if (geo.type === "FeatureCollection") return geo.features.flatMap(rings);
  if (geo.type === "Feature") return rings(geo.geometry);
  if (geo.type === "GeometryCollection") return geo.geometries.flatMap(rings);
  const lines = { LineString: (c) => [c], MultiLineString: (c) => c, Polygon: (c) => c, MultiPolygon: (c) => c.flat() };
  return lines[geo.type]?.(geo.coordinates) ?? [];
}

export function meters(a, b) { // haversine, on a sphere of 6,371 km
  const [p, q] = [a.latitude, b.latitude].map((d) => d * Math.PI / 180);
  const half = Math.sin((q - p) / 2) ** 2 + Math.cos(p) * Math.cos(q) * Math.sin((b.longitude - a.longitude) * Math.PI / 360) ** 2;
  return 12742000 * Math.asin(Math.sqrt(half));
}

export class Ground {
  constructor(host, { label, devices = [], outline = null, groups = [], area = [], pick = null }) {
    Object.assign(this, { devices, groups, area, pick, outline: rings(outline), x: 0.5, y: 0.5, scale: FARTHEST, tool: "move", corners: [], changed: () => {} });
    this.drawing = false;
    this.svg = s("svg", { class: "ground", tabindex: "0", role: "application", "aria-label": label, "aria-roledescription": "map" });
    const button = (words, sign, act) => { const b = document.createElement("button"); b.type = "button"; b.textContent = sign; b.setAttribute("aria-label", words); b.addEventListener("click", act); return b; };
    const tools = document.createElement("div");
    tools.className = "ground-tools";
    tools.append(button("Zoom in", "+", () => this.zoom(1.6)), button("Zoom out", "−", () => this.zoom(1 / 1.6)), button("Show everything", "⤢", () => this.fit()));
    host.classList.add("ground-host");
    host.replaceChildren(this.svg, tools);
    new ResizeObserver(() => { if (!this.fitted) this.fit(); this.draw(); }).observe(this.svg);
    this.svg.addEventListener("keydown", (press) => this.key(press));
    this.svg.addEventListener("wheel", (turn) => { if (document.activeElement !== this.svg && !turn.ctrlKey) return; turn.preventDefault(); this.zoom(turn.deltaY < 0 ? 1.25 : 0.8, this.at(turn)); }, { passive: false });
    this.svg.addEventListener("pointerdown", (press) => this.press(press));
  }

  get size() { return [this.svg.clientWidth || 600, this.svg.clientHeight || 380]; }
  at(event) { const box = this.svg.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; }
  place(longitude, latitude) { const [w, h] = this.size; return [(across(longitude) - this.x) * this.scale + w / 2, (down(latitude) - this.y) * this.scale + h / 2]; }
  spot([px, py]) { const [w, h] = this.size; return [latitudeAt((py - h / 2) / this.scale + this.y), longitudeAt((px - w / 2) / this.scale + this.x)]; }

  fit() {
    const points = [...this.groups, ...this.devices].map((p) => [across(p.longitude), down(p.latitude)]).concat(this.area.map(([a, o]) => [across(o), down(a)]));
    if (!points.length) points.push(...this.outline.flat().map(([o, a]) => [across(o), down(a)]));
    if (!points.length) { this.x = across(-98.6); this.y = down(39.8); this.scale = 3000; this.draw(); return; } // the middle of the United States
    const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [w, h] = this.size;
    [this.x, this.y] = [(left + right) / 2, (top + bottom) / 2];
    const least = 400 / AROUND; // never closer than 400 m across, or one camera alone shows no surroundings
    this.scale = Math.min((w - 90) / Math.max(right - left, least), (h - 90) / Math.max(bottom - top, least));
    this.fitted = this.svg.clientWidth > 0;
    this.draw();
  }
  zoom(times, [px, py] = this.size.map((n) => n / 2)) {
    const [w, h] = this.size;
    const next = Math.min(CLOSEST, Math.max(FARTHEST, this.scale * times));
    this.x += (px - w / 2) * (1 / this.scale - 1 / next);
    this.y += (py - h / 2) * (1 / this.scale - 1 / next);
    this.scale = next;
    this.draw();
  }
  pan(dx, dy) { this.x += dx / this.scale; this.y += dy / this.scale; this.draw(); }

  key(press) {
    const moves = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, -60], ArrowDown: [0, 60] };
    if (press.target !== this.svg) return;
    if (moves[press.key]) this.pan(...moves[press.key]);
    else if (press.key === "+" || press.key === "=") this.zoom(1.6);
    else if (press.key === "-") this.zoom(1 / 1.6);
    else if (press.key === "0") this.fit();
    else if (press.key === "Enter" && this.drawing) this.corner(this.spot(this.size.map((n) => n / 2)));
    else if (press.key === "Backspace" && this.drawing) this.set(this.corners.slice(0, -1));
    else return;
    press.preventDefault();
  }
  press(press) {
    if (press.button !== 0 || press.target.closest(".dot")) return;
    this.svg.focus({ preventScroll: true });
    const start = this.at(press), from = this.spot(start), [x, y] = [this.x, this.y];
    const rectangle = this.drawing && this.tool === "rectangle";
    const follow = (moved) => {
      const now = this.at(moved);
      if (rectangle) { if (Math.hypot(now[0] - start[0], now[1] - start[1]) > 4) this.set([from, this.spot(now)]); return; }
      if (this.drawing && this.tool === "shape") return;
      this.x = x - (now[0] - start[0]) / this.scale; this.y = y - (now[1] - start[1]) / this.scale;
      this.draw();
    };
    const end = (let_go) => {
      this.svg.removeEventListener("pointermove", follow);
      const now = this.at(let_go);
      if (this.drawing && this.tool !== "move" && Math.hypot(now[0] - start[0], now[1] - start[1]) <= 4) this.corner(from);
    };
    this.svg.setPointerCapture(press.pointerId);
    this.svg.addEventListener("pointermove", follow);
    this.svg.addEventListener("pointerup", end, { once: true });
    this.svg.addEventListener("pointercancel", () => this.svg.removeEventListener("pointermove", follow), { once: true });
  }
  corner(spot) { this.set(this.tool === "rectangle" && this.corners.length >= 2 ? [spot] : [...this.corners, spot].slice(0, 50)); }
  set(corners) { this.corners = corners; this.draw(); this.changed(); }
  shape() { // the corners of what is drawn, a rectangle as its four
    if (this.tool !== "rectangle" || this.corners.length !== 2) return this.corners;
    const [[a, b], [c, d]] = this.corners;
    return [[a, b], [a, d], [c, d], [c, b]];
  }

  draw() {
    if (!this.queued) this.queued = requestAnimationFrame(() => { this.queued = 0; this.paint(); });
  }
  path(points, close) { return points.map(([o, a], n) => `${n ? "L" : "M"}${this.place(o, a).map((v) => v.toFixed(1)).join(" ")}`).join("") + (close ? "Z" : ""); }
  paint() {
    const [w, h] = this.size, focused = document.activeElement?.closest?.(".dot")?.dataset.group;
    const layer = s("g");
    const [north, west] = this.spot([0, 0]), [south, east] = this.spot([w, h]);
    const step = nice(Math.max((east - west) / w * 150, 1e-5)), digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let o = Math.ceil(west / step) * step; o < east; o += step) { const [px] = this.place(o, 0); layer.append(s("line", { class: "grid", x1: px, x2: px, y1: 0, y2: h }), this.words("grid-words", px + 4, h - 6, `${Math.abs(o).toFixed(digits)}° ${o < 0 ? "W" : "E"}`)); }
    for (let a = Math.ceil(south / step) * step; a < north; a += step) { const [, py] = this.place(0, a); layer.append(s("line", { class: "grid", y1: py, y2: py, x1: 0, x2: w }), this.words("grid-words", 6, py - 4, `${Math.abs(a).toFixed(digits)}° ${a < 0 ? "S" : "N"}`)); }
    for (const ring of this.outline) layer.append(s("path", { class: "outline", d: this.path(ring) }));
    if (this.area.length) layer.append(s("path", { class: "asked", d: this.path(this.area.map(([a, o]) => [o, a]), true) }));
    const taken = [];
    for (const device of this.devices) {
      const [px, py] = this.place(device.longitude, device.latitude);
      if (px < -20 || py < -20 || px > w + 20 || py > h + 20) continue;
      layer.append(s("path", { class: "device", d: `M${px} ${py - 7}l7 12h-14z` }));
      const box = [px - 8, py + 6, px + 8 + device.name.length * 7, py + 24];
      if (taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
      taken.push(box);
      layer.append(this.words("device-words", px + 10, py + 16, device.name));
    }
    this.groups.forEach((group, n) => {
      const [px, py] = this.place(group.longitude, group.latitude), r = 11 + 3 * Math.log2(group.items.length);
      const dot = s("g", { class: "dot", tabindex: "0", role: "button", "aria-label": group.label, "data-group": n }, s("circle", { cx: px, cy: py, r }), this.words("dot-words", px, py + 4, String(group.items.length)));
      dot.addEventListener("click", () => this.pick?.(group));
      dot.addEventListener("keydown", (press) => { if (press.key === "Enter" || press.key === " ") { press.preventDefault(); this.pick?.(group); } });
      layer.append(dot);
    });
    const drawn = this.shape();
    if (drawn.length) layer.append(s("path", { class: "drawn", d: this.path(drawn.map(([a, o]) => [o, a]), drawn.length > 2) }), ...drawn.map(([a, o]) => { const [px, py] = this.place(o, a); return s("circle", { class: "corner", cx: px, cy: py, r: 4 }); }));
    if (this.drawing) layer.append(s("path", { class: "cross", d: `M${w / 2 - 9} ${h / 2}h18M${w / 2} ${h / 2 - 9}v18` }));
    const pixel = AROUND * Math.cos(latitudeAt(this.y) * Math.PI / 180) / this.scale, bar = nice(pixel * 130), long = bar / pixel;
    layer.append(s("path", { class: "bar", d: `M${w - 16 - long} ${h - 30}v6h${long}v-6` }), this.words("bar-words", w - 16 - long, h - 36, `${bar >= 1000 ? `${bar / 1000} km` : `${bar} m`} · ${bar >= 800 ? `${(bar / 1609.344).toFixed(1)} mi` : `${Math.round(bar * 3.28084)} ft`}`));
    this.svg.replaceChildren(layer);
    if (focused !== undefined) this.svg.querySelector(`.dot[data-group="${focused}"]`)?.focus();
  }
  words(kind, x, y, text) { const element = s("text", { class: kind, x, y }); element.textContent = text; return element; }
}
