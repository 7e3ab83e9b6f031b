// Colors before the first paint: the system's choice, or the person's own, kept in this browser.
(() => {
  const order = ["auto", "light", "dark"];
  const signs = { auto: "◐", light: "☀", dark: "☾" };
  const words = { auto: "follow the system", light: "light", dark: "dark" };
  const read = () => { try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; } };
  const apply = (choice) => {
    if (choice === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = choice;
    const button = document.getElementById("theme");
    if (button) { button.textContent = signs[choice]; button.setAttribute("aria-label", `Colors: ${words[choice]}`); }
  };
  apply(read());
  addEventListener("DOMContentLoaded", () => {
    apply(read());
    document.getElementById("theme").addEventListener("click", () => {
      const next = order[(order.indexOf(read()) + 1) % order.length];
      try { localStorage.setItem("theme", next); } catch { /* private window: the choice lasts for this page */ }
      apply(next);
    });
  });
})();
