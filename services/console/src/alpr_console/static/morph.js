// Brings a piece of the page up to date without rebuilding it: what is focused, typed, scrolled or playing stays as it is.
// data-key names a child among its brothers; data-keep="…" is the screen's own and is left alone while its name stays.
const OWN = new Set(["open"]); // what a person opened stays open

// of two with the same key, only the one with the same keep is the same thing
const name = (node) => (node.nodeType === 1 ? [node.dataset.key, node.dataset.keep].filter(Boolean).join(" ") || node.id || "" : "");
const same = (live, next) => live.nodeType === next.nodeType && live.nodeName === next.nodeName && name(live) === name(next);

function attributes(live, next) {
  for (const { name: one } of [...live.attributes]) if (!next.hasAttribute(one) && !OWN.has(one)) live.removeAttribute(one);
  for (const { name: one, value } of next.attributes) if (live.getAttribute(one) !== value && !OWN.has(one)) live.setAttribute(one, value);
}

function one(live, next) {
  if (live.nodeType !== 1) { if (live.data !== next.data) live.data = next.data; return; }
  attributes(live, next);
  if (!live.dataset.keep) children(live, next);
}

function children(live, next) {
  const named = new Map([...live.childNodes].filter(name).map((node) => [name(node), node]));
  let at = live.firstChild;
  for (const wish of [...next.childNodes]) {
    const called = name(wish);
    let found = called ? named.get(called) : at && !name(at) && same(at, wish) ? at : null;
    if (found && !same(found, wish)) found = null;
    if (!found) { live.insertBefore(wish, at); continue; }
    if (found === at) at = at.nextSibling; else live.insertBefore(found, at);
    one(found, wish);
  }
  while (at) { const after = at.nextSibling; at.remove(); at = after; }
}

// Shows `wished` (elements, or false for none) inside `root`; the focus survives a move of what has it.
export function render(root, wished) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  const wish = document.createElement(root.nodeName);
  wish.append(...[wished].flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  children(root, wish);
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}
