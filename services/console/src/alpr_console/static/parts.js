// Dialogs, and what every page does by itself: the first wrong field gets the focus, long choices filter as one types.
document.addEventListener("click", (press) => {
  const opener = press.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  const closer = press.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(press.target)) menu.open = false;
});
document.addEventListener("keydown", (press) => {
  const menu = press.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});
// a form that is under way cannot be sent twice: a second query would be a second entry
document.addEventListener("submit", (sent) => {
  if (sent.defaultPrevented) return;
  if (sent.target.dataset.sent) sent.preventDefault();
  else if (!sent.target.dataset.again) sent.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });
const wrong = document.querySelector('[aria-invalid="true"]');
if (wrong) wrong.focus();
for (const button of document.querySelectorAll("[data-prints]")) button.addEventListener("click", () => print());
// what scrolls sideways must scroll by keyboard too
function reachable() {
  for (const region of document.querySelectorAll(".scroll")) {
    const wide = region.scrollWidth > region.clientWidth;
    if (wide) region.setAttribute("tabindex", "0"); else region.removeAttribute("tabindex");
  }
}
addEventListener("resize", reachable);
reachable();
