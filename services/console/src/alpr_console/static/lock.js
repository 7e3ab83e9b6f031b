// Locks the screen when nobody has used it: the page stays, hidden, until its person proves who it is (CJIS AC-11).
(() => {
  const TOLD_AGAIN_MS = 60000;
  const LATE_MS = 1500;
  const meta = document.querySelector('meta[name="csrf"]');
  let timer = 0, told = 0, shield = null, title = "";

  const call = (method, path, body) => fetch(path, {
    method, headers: { "content-type": "application/json", "x-csrf-token": meta.content },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

  function renew(csrf) { // another tab may have proved the session: its token is the same for all
    if (!csrf || csrf === meta.content) return;
    meta.content = csrf;
    for (const input of document.querySelectorAll('input[name="csrf"]')) input.value = csrf;
  }

  async function ask() {
    clearTimeout(timer);
    let answer;
    try { answer = await fetch("/v1/session"); } catch { timer = setTimeout(ask, 5000); return; } // away: ask again
    if (answer.status === 401) { location.assign("/login"); return; }
    if (!answer.ok) { timer = setTimeout(ask, 5000); return; }
    const session = await answer.json();
    renew(session.csrf);
    if (session.limit === "SESSION_LOCKED") return lock(session);
    if (shield) unlock();
    const wait = new Date(session.locks_at) - new Date(answer.headers.get("date") ?? Date.now());
    timer = setTimeout(ask, Math.min(Math.max(wait, 0) + LATE_MS, 2 ** 30));
  }

  function used() {
    if (shield || Date.now() - told < TOLD_AGAIN_MS) return;
    told = Date.now();
    call("POST", "/v1/session/activity").then((answer) => { if (answer.ok || answer.status === 401) ask(); }, () => {});
  }

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== false) element.setAttribute(name, value === true ? "" : value);
    element.append(...children);
    return element;
  }

  function lock(session) {
    if (shield) return;
    title = document.title;
    document.title = "Locked – Plateline";
    const wrong = make("p", { class: "note bad", role: "alert", hidden: true });
    const field = (id, label, attributes) => make("div", { class: "field" }, make("label", { for: id }, label), make("input", { id, ...attributes }));
    const password = field("lock-password", "Password", { type: "password", autocomplete: "current-password" });
    const code = field("lock-code", "Code from your authenticator", { class: "code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: "7" });
    const key = make("button", { type: "button" }, "Use your security key");
    const form = make("form", { class: "stack" }, password, code, make("button", { type: "submit", class: "main" }, "Unlock"));
    code.hidden = !session.has_totp;
    key.hidden = !session.has_key;
    shield = make("dialog", { class: "lock", "aria-labelledby": "lock-title" },
      make("h2", { id: "lock-title" }, "This screen is locked"),
      make("p", { class: "dim" }, `${session.full_name}. Nobody used it for a while. Your page is kept.`), wrong, form, key,
      make("p", {}, make("a", { href: "/login" }, "Sign in as somebody else")));
    shield.addEventListener("cancel", (event) => event.preventDefault()); // Escape opens nothing
    const attempt = async (deed) => {
      wrong.hidden = true;
      try {
        const answer = await call("POST", "/v1/session/proof", await deed());
        const content = await answer.json();
        if (answer.ok) { renew(content.csrf); await ask(); return; }
        if (content.reason_code === "NO_SESSION") { location.assign("/login"); return; }
        wrong.textContent = `${content.detail.charAt(0).toUpperCase()}${content.detail.slice(1)}.`;
      } catch { wrong.textContent = "That did not work: try again."; }
      wrong.hidden = false;
      form.elements["lock-password"].value = form.elements["lock-code"].value = "";
      form.elements["lock-password"].focus();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(async () => ({ password: form.elements["lock-password"].value, code: form.elements["lock-code"].value }));
    });
    key.addEventListener("click", () => attempt(async () => {
      const options = await (await call("POST", "/v1/session/proof/options", {})).json();
      const signed = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      return { answer: signed.toJSON() };
    }));
    for (const child of document.body.children) child.classList.add("veiled");
    document.body.append(shield);
    shield.showModal();
    form.elements["lock-password"].focus();
  }

  function unlock() {
    shield.remove();
    shield = null;
    document.title = title;
    for (const child of document.body.children) child.classList.remove("veiled");
    document.dispatchEvent(new Event("unlocked"));
    used();
  }

  for (const type of ["pointerdown", "keydown", "wheel", "touchstart"]) addEventListener(type, used, { passive: true, capture: true });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  if (meta && location.pathname !== "/locked") ask();
})();
