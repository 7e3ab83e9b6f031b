// Every step by keys. Single letters work while nobody types, are listed under "?", and can be switched off (WCAG 2.1.4).
const KEPT = "shortcuts";
const TYPES = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";

const read = () => { try { return localStorage.getItem(KEPT) !== "off"; } catch { return true; } };
let on = read();
export const switchedOn = () => on;

export function switchTo(wish) {
  on = wish;
  try { localStorage.setItem(KEPT, wish ? "on" : "off"); } catch { /* private window: the choice lasts for this page */ }
}

// `deeds`: {key: act()}; digits go to `digit(n)`. Escape leaves a field, so that the letters work again.
export function listen(deeds, digit, leave) {
  document.addEventListener("keydown", (press) => {
    if (press.defaultPrevented || press.ctrlKey || press.altKey || press.metaKey || document.querySelector("dialog[open]")) return;
    const typing = press.target.closest?.(TYPES);
    if (press.key === "Escape" && press.target.closest?.("form")) { leave(press.target); return; }
    if (typing || !on) return;
    const act = deeds[press.key.toLowerCase()] ?? (/^[1-9]$/.test(press.key) ? () => digit(Number(press.key)) : null);
    if (!act || (press.key === "Enter" || press.key === " ")) return;
    press.preventDefault();
    act();
  });
}
