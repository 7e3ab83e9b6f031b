// Alert tones made by the browser, one per priority; armed by a click because browsers demand one.
import { post } from "./dom.js";

let context = null;
let mutedUntil = 0;
const heard = new Set();

// [frequency in Hz, start, length in s]; distinct by number and pitch, so that they differ over a bad speaker too
const TONES = {
  high: [[880, 0, 0.14], [1245, 0.16, 0.14], [880, 0.32, 0.14], [1245, 0.48, 0.14], [880, 0.64, 0.14], [1245, 0.8, 0.3]],
  medium: [[660, 0, 0.18], [880, 0.24, 0.26]],
  information: [[520, 0, 0.22]],
  armed: [[523, 0, 0.08], [784, 0.1, 0.14]],
};

export const armed = () => context !== null && context.state === "running";
export const muted = () => Date.now() < mutedUntil;
export const mutedEnd = () => mutedUntil;

function play(name) {
  const begin = context.currentTime + 0.02;
  for (const [frequency, start, length] of TONES[name]) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.type = "triangle";
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0, begin + start);
    volume.gain.linearRampToValueAtTime(name === "information" ? 0.25 : 0.5, begin + start + 0.01);
    volume.gain.setTargetAtTime(0, begin + start + length - 0.05, 0.02);
    tone.connect(volume).connect(context.destination);
    tone.start(begin + start);
    tone.stop(begin + start + length + 0.1);
  }
}

export async function arm() {
  context ??= new AudioContext();
  await context.resume();
  if (!armed()) return false;
  play("armed");
  await post("/v1/session/sound");
  mutedUntil = 0;
  return true;
}

export async function mute(minutes) {
  const response = await post("/v1/session/mute", { minutes });
  if (response.ok) mutedUntil = minutes ? Date.now() + minutes * 60000 : 0;
}

// Rings once per incident; answers whether it could be heard. High priority breaks through a mute.
export function ring(incident, priority) {
  if (!armed() || (muted() && priority !== "high")) return false;
  if (!heard.has(incident)) play(priority);
  heard.add(incident);
  return true;
}
