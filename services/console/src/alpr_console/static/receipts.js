// Receipts that are owed to the server: kept until it has them, also while the network is away; it counts each once.
import { post } from "./dom.js";

const owed = new Map();
const sent = new Set();
let busy = false;

export function owe(path, body) {
  if (!owed.has(path) && !sent.has(path)) owed.set(path, body);
  return flush();
}
export async function flush() {
  if (busy) return;
  busy = true;
  try {
    for (const [path, body] of [...owed]) {
      const answer = await post(path, body);
      if (answer.status >= 500) break;
      owed.delete(path);
      sent.add(path);
    }
  } catch { /* no network: the next beat tries again */ } finally { busy = false; }
}
