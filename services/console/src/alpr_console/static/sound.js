// Alert tones made by the browser, one per priority; armed by a click because browsers demand one. A sound that stops is
// found out: the audio clock is watched, and each tone is measured on its way out.
import { post } from "./dom.js";

let context = null, out = null, meter = null;
let mutedUntil = 0;
let beat = { clock: -1, at: 0 };
let silent = false; // a tone was played and no signal came
const heard = new Set();
const STALLED_AFTER_MS = 3500;

// [frequency in Hz, start, length in s]; distinct by number and pitch, so that they differ over a bad speaker too
const TONES = {
  high: [[880, 0, 0.14], [1245, 0.16, 0.14], [880, 0.32, 0.14], [1245, 0.48, 0.14], [880, 0.64, 0.14], [1245, 0.8, 0.3]],
  medium: [[660, 0, 0.18], [880, 0.24, 0.26]],
  information: [[520, 0, 0.22]],
  escalated: [[988, 0, 0.1], [988, 0.14, 0.1], [740, 0.28, 0.34], [988, 0.8, 0.1], [988, 0.94, 0.1], [740, 1.08, 0.34]],
  due: [[784, 0, 0.1], [587, 0.14, 0.1], [784, 0.28, 0.16]],
  armed: [[523, 0, 0.08], [784, 0.1, 0.14]],
};
export const NAMES = { high: "High priority", medium: "Medium priority", information: "Information", escalated: "Escalated to you", due: "A task is overdue", armed: "Sound armed" };
const QUIETER = { information: 0.25, armed: 0.25 };

// off: never armed here; stopped: the browser suspended it, its clock stands still, or a tone gave no signal
export function state() {
  if (!context) return "off";
  if (context.state !== "running" || silent) return "stopped";
  return beat.at && Date.now() - beat.at > STALLED_AFTER_MS ? "stopped" : "armed";
}
export const armed = () => state() === "armed";
export const muted = () => Date.now() < mutedUntil;
export const mutedEnd = () => mutedUntil;

// The heartbeat of the audio clock: called every second, also in a hidden tab.
export function pulse() {
  if (!context) return;
  const now = Date.now();
  // a page that slept was not watching: it starts to count again, instead of accusing the sound
  if (context.currentTime !== beat.clock || now - beat.asked > STALLED_AFTER_MS) beat = { clock: context.currentTime, at: now };
  beat.asked = now;
}

// Only looks that fell into the tone, by the audio clock, are evidence: a busy page proves nothing.
function measure(length) {
  const sample = new Float32Array(meter.fftSize), end = context.currentTime + length;
  let looks = 0, peak = 0;
  const look = () => {
    if (context.currentTime > end) return;
    meter.getFloatTimeDomainData(sample);
    for (const value of sample) peak = Math.max(peak, Math.abs(value));
    looks += 1;
  };
  for (let at = 60; at < length * 1000; at += 60) setTimeout(look, at);
  setTimeout(() => { if (context.state === "running" && (peak > 0.001 || looks > 3)) silent = peak <= 0.001; }, length * 1000 + 400);
}

function play(name, later = 0) {
  const begin = context.currentTime + 0.02 + later;
  for (const [frequency, start, length] of TONES[name]) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.type = "triangle";
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0, begin + start);
    volume.gain.linearRampToValueAtTime(QUIETER[name] ?? 0.5, begin + start + 0.01);
    volume.gain.setTargetAtTime(0, begin + start + length - 0.05, 0.02);
    tone.connect(volume).connect(out);
    tone.start(begin + start);
    tone.stop(begin + start + length + 0.1);
  }
  const [, start, length] = TONES[name].at(-1);
  return start + length;
}

export async function wake() {
  if (!context) {
    context = new AudioContext();
    [out, meter] = [context.createGain(), context.createAnalyser()];
    out.connect(meter).connect(context.destination);
  }
  await Promise.race([context.resume(), new Promise((done) => { setTimeout(done, 1500); })]); // a device that is gone never answers
  pulse();
  return context.state === "running";
}

export async function arm() {
  silent = false;
  if (!await wake()) return false;
  measure(play("armed"));
  mutedUntil = 0;
  try { sessionStorage.setItem("armed", "yes"); } catch { /* private window: armed for this page */ }
  await post("/v1/session/sound");
  return true;
}

// One tone after the other, or the one named: only an ear can tell whether the speaker is on.
export async function test(name) {
  if (!await wake()) return false;
  let later = 0;
  for (const one of name ? [name] : ["high", "medium", "information"]) later += play(one, later) + 0.5;
  measure(later);
  return true;
}

export async function mute(minutes) {
  const response = await post("/v1/session/mute", { minutes });
  if (response.ok) mutedUntil = minutes ? Date.now() + minutes * 60000 : 0;
}

// Rings once per occasion; answers whether it could be heard. High priority and escalations break through a mute.
export function ring(occasion, name) {
  pulse(); // a hidden tab is asked once a minute only
  if (!armed() || (muted() && name !== "high" && name !== "escalated")) return false;
  if (!heard.has(occasion)) measure(play(name));
  if (heard.size > 5000) heard.clear(); // a screen runs for weeks
  heard.add(occasion);
  return true;
}
