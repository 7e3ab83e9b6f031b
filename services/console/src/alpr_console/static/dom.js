// Small helpers: elements without innerHTML, times in the agency's zone, calls with the page's token.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const zone = document.body.dataset.timezone || "UTC";
const clockForm = new Intl.DateTimeFormat("en-US", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayForm = new Intl.DateTimeFormat("en-US", { timeZone: zone, month: "short", day: "numeric" });
const fullForm = new Intl.DateTimeFormat("en-US", { timeZone: zone, year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" });

export const clock = (moment) => clockForm.format(new Date(moment));
export const full = (moment) => fullForm.format(new Date(moment));
export const dayAndClock = (moment) => `${dayForm.format(new Date(moment))}, ${clock(moment)}`;

// What is typed into a form is the agency's time, wherever the browser stands: from there to a moment, and back.
const wallForm = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
export const wall = (moment) => wallForm.format(new Date(moment)).replace(" ", "T");
export function zoned(text) {
  const wish = Date.parse(`${text}Z`);
  let at = wish;
  for (let round = 0; round < 2; round += 1) at += wish - Date.parse(`${wall(at)}Z`);
  return new Date(at).toISOString();
}

// "12 s", "4 min", "9 h", "3 d": one unit, because it is read at a glance
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d`;
}

// how long ago, on the server's clock as far as the stream has told it
let ahead = 0;
export const setServerTime = (moment) => { ahead = new Date(moment) - Date.now(); };
export const serverTime = () => Date.now() + ahead;
export const ago = (moment) => span((serverTime() - new Date(moment)) / 1000);

export async function post(path, body) {
  const token = document.querySelector('meta[name="csrf"]').content;
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": token },
    body: JSON.stringify(body ?? {}),
  });
  if (response.status === 401) location.assign("/login");
  return response;
}
