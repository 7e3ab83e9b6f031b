// What the page says about its sound: never silent without saying so. One click arms it; after a reload, the first touch does.
import { clock } from "./dom.js";
import { arm, mute, muted, mutedEnd, pulse, state, test, wake } from "./sound.js";

const $ = (id) => document.getElementById(id);
const before = () => { try { return sessionStorage.getItem("armed") === "yes"; } catch { return false; } };

export function drawSound() {
  pulse();
  const now = state(), on = now === "armed";
  $("unarmed").hidden = now !== "off";
  $("silent").hidden = now !== "stopped";
  $("sound-state").className = `pill ${on ? (muted() ? "warn" : "good") : now === "stopped" ? "bad" : "warn"}`;
  $("sound-state").lastElementChild.textContent = on ? (muted() ? `Muted to ${clock(mutedEnd())}, high still rings` : "Sound armed") : now === "stopped" ? "Sound stopped" : "Sound off";
  $("mute").hidden = !on;
  $("mute").textContent = muted() ? "Unmute" : `Mute ${$("mute").dataset.minutes} min`;
}

export async function muteOrNot() {
  if (state() !== "armed") return;
  await mute(muted() ? 0 : Number($("mute").dataset.minutes));
  drawSound();
}

export function armFrom(drawn) {
  for (const id of ["arm", "arm-again"]) $(id).addEventListener("click", async () => { await arm(); drawn(); });
  $("mute").addEventListener("click", muteOrNot);
  $("test-tone").addEventListener("click", async () => { await test(); drawn(); });
  // this screen was armed before it was loaded anew, or its sound was suspended: any touch brings it back
  const again = async () => { if (state() === "stopped") await wake(); else if (state() === "off" && before()) await arm(); drawn(); };
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, again);
}
