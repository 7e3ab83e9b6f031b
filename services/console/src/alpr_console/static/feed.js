// The live feed. The browser reconnects by itself when the network was away, and says what it had last; where a proxy
// answered in the place of the console, the browser gives up for good: then a new feed goes on where the old one stood.
const AGAIN_MS = 2000;

// `handlers`: {event: (data) => …}; `gone()`: nobody is signed in here any more.
export function follow(handlers, gone) {
  let source = null, last = null, closed = false;

  function start() {
    source = new EventSource(last === null ? "/v1/events" : `/v1/events?after=${last}`);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (told) => {
        if (told.lastEventId) last = told.lastEventId;
        handle(JSON.parse(told.data));
      });
    }
    source.addEventListener("error", () => { if (!closed && source.readyState === EventSource.CLOSED) again(); });
  }
  async function again() {
    try {
      const answer = await fetch("/v1/session");
      if (answer.status === 401) { gone(); return; }
    } catch { /* still away */ }
    setTimeout(() => { if (!closed) start(); }, AGAIN_MS);
  }
  start();
  return {
    get open() { return source.readyState === EventSource.OPEN; },
    close() { closed = true; source.close(); },
  };
}
