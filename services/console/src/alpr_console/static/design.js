// The page of the visual language: measures its own colors, plays the tones.
import { NAMES, test } from "./sound.js";

const channel = (value) => { const part = value / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
const light = (color) => { const [r, g, b] = color.match(/[0-9.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
const ratio = (a, b) => { const [one, two] = [light(a), light(b)]; return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05); };

function measure() {
  const surface = getComputedStyle(document.querySelector(".card")).backgroundColor;
  for (const swatch of document.querySelectorAll("[data-token]")) {
    const patch = swatch.querySelector("i");
    patch.style.background = `var(--${swatch.dataset.token})`;
    swatch.querySelector("[data-ratio]").textContent = `${ratio(getComputedStyle(patch).backgroundColor, surface).toFixed(1)} to 1`;
  }
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  for (const button of document.querySelectorAll("[data-theme-is]")) button.setAttribute("aria-pressed", String((button.dataset.themeIs === "dark") === dark));
}
for (const button of document.querySelectorAll("[data-theme-is]")) button.addEventListener("click", () => { document.documentElement.dataset.theme = button.dataset.themeIs; measure(); });
for (const button of document.querySelectorAll("[data-tone]")) button.addEventListener("click", async () => {
  const heard = await test(button.dataset.tone);
  document.getElementById("tone-said").textContent = heard ? `Played: ${NAMES[button.dataset.tone]}.` : "The browser gives no sound.";
});
document.getElementById("theme")?.addEventListener("click", () => setTimeout(measure));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
measure();
