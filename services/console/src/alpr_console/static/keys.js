// Security keys (WebAuthn): at sign-in, to prove again who one is, and a new one. Everything is decided by the server.
const trouble = document.getElementById("key-trouble");
const token = () => document.querySelector('meta[name="csrf"]')?.content ?? "";

async function send(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": token() }, body: JSON.stringify(body ?? {}) });
  const content = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw new Error(content.detail || "the server does not answer");
  return content;
}

function say(error) {
  // the browser's own words name no next step
  const words = error.name === "NotAllowedError" ? "the key was not touched in time, or is not one of yours: try again"
    : error.name === "InvalidStateError" ? "this key is set up already" : error.message;
  trouble.textContent = `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
  trouble.hidden = false;
}

async function attempt(button, deed) {
  trouble.hidden = true;
  button.disabled = true;
  try { await deed(); } catch (error) { say(error); } finally { button.disabled = false; }
}

const sign = async (options) => (await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON();

const use = document.getElementById("use-key");
use?.addEventListener("click", () => attempt(use, async () => {
  const answer = await sign(JSON.parse(use.dataset.options));
  await send("/v1/sign-in/second", { step: use.dataset.step, answer });
  location.assign("/");
}));

const prove = document.getElementById("prove-key");
prove?.addEventListener("click", () => attempt(prove, async () => {
  const answer = await sign(await send("/v1/session/proof/options"));
  await send("/v1/session/proof", { answer });
  location.assign(prove.dataset.next);
}));

const add = document.getElementById("add-key");
add?.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(add.querySelector("button"), async () => {
    const options = PublicKeyCredential.parseCreationOptionsFromJSON(await send("/v1/me/keys/options"));
    const made = await navigator.credentials.create({ publicKey: options });
    await send("/v1/me/keys", { label: add.elements.label.value, answer: made.toJSON() });
    location.assign(location.pathname === "/setup" ? "/setup" : "/account");
  });
});
