// Keeps a page up to date. When a WebSocket reports runs that have ended, the script fetches the page again and
// replaces its live parts. If no WebSocket can be opened, it fetches the page every few seconds. Only the server renders
// HTML. Without JavaScript the page works but does not update.

const connection = document.getElementById("connection");
const connectionText = document.getElementById("connection-text");
const hint = document.getElementById("live-hint");
const pauseButton = document.getElementById("pause");
const pauseVerb = document.getElementById("pause-verb");
const announcement = document.getElementById("announcement");

const SETTLE_MS = 120; // several runs often end at the same time
const HISTORY_LAG_MS = 600; // a run is in the database at most 500 ms after its end
const MIN_PAUSE_MS = 1000;
const MAX_RECONNECT_MS = 30_000;
const MAX_RETRY_MS = 300_000; // longest wait while pages can be fetched but no WebSocket can be opened
const HELLO_WITHIN_MS = 10_000;
const POLL_MS = 5_000;
const HIDDEN_MS = 30_000; // a page that is hidden for longer closes its connection
const MAX_RUNS = 100; // if more runs are new at once, for example after the computer slept, the server sends "reload"
const STALE_US = 60_000_000; // failures older than this are not announced

let lastId = document.body.dataset.newest || "0";
let socket = null;
let isLive = false; // the WebSocket has sent its first message
let attempts = 0; // failed attempts to open the WebSocket, since it was live
let reconnectTimer = null;
let pollTimer = null;
let serverResponds = true;
let explained = false;
let timer = null;
let busy = false;
let refreshAgain = false;
let pause = MIN_PAUSE_MS;
let lastRefresh = 0;
let announced = 0;
let paused = false;
let hiddenTimer = null;
let resting = false; // the page is hidden, and has closed its connection
const shownParts = new WeakMap(); // the HTML of each live part as the server has rendered it

function showState(state, text) {
  connection.hidden = false;
  connection.dataset.state = state;
  pauseButton.hidden = false;
  if (connectionText.textContent !== text) connectionText.textContent = text;
}

function announce(text) {
  announcement.textContent = text;
}

function isNewer(a, b) {
  // Ids have 63 bits, so they are compared as text. A number would lose the last digits.
  return a.length === b.length ? a > b : a.length > b.length;
}

function connect() {
  reconnectTimer = null;
  const { stream, key } = document.body.dataset;
  const address = new URL(`${stream}?after=${encodeURIComponent(lastId)}&at_most=${MAX_RUNS}&key=${encodeURIComponent(key)}`, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  let opened;
  try {
    opened = new WebSocket(address);
  } catch {
    disconnected(); // the browser or an extension does not allow it
    return;
  }
  socket = opened;
  // A proxy may accept the connection and pass nothing on.
  const noHello = setTimeout(() => { opened.close(); disconnected(); }, HELLO_WITHIN_MS);
  opened.addEventListener("message", (event) => {
    if (socket !== opened) return;
    clearTimeout(noHello);
    receive(JSON.parse(event.data));
  });
  opened.addEventListener("close", () => {
    clearTimeout(noHello);
    if (socket === opened) disconnected();
  });
}

function disconnected() {
  socket = null;
  if (resting) return;
  if (isLive) announce("Live updates are interrupted.");
  isLive = false;
  attempts += 1;
  // One failure may be a restart of Hassette. After two failures, something between the browser and Hassette probably
  // refuses WebSockets.
  if (attempts < 2) showState("off", "Reconnecting…");
  else if (pollTimer === null) poll();
  const longest = serverResponds ? MAX_RETRY_MS : MAX_RECONNECT_MS;
  const wait = Math.min(500 * 2 ** Math.min(attempts, 12), longest) * (0.75 + Math.random() / 2);
  reconnectTimer = setTimeout(connect, wait);
}

// Fetch the page again and again, until the WebSocket is open.
async function poll() {
  pollTimer = -1;
  if (resting) {
    pollTimer = null;
    return;
  }
  if (!document.hidden && !paused && !busy && timer === null) await refresh();
  if (isLive) {
    pollTimer = null;
    return;
  }
  showState(serverResponds ? "poll" : "off", serverResponds ? `Updated every ${POLL_MS / 1000} s` : "Reconnecting…");
  if (serverResponds && !explained) explain();
  pollTimer = setTimeout(poll, Math.max(POLL_MS, pause));
}

async function explain() {
  explained = true;
  try {
    const answer = await fetch(document.body.dataset.stream, { cache: "no-store" });
    hint.textContent = answer.status === 426 ? (await answer.json()).detail : "";
    hint.hidden = !hint.textContent;
  } catch {
    explained = false; // the server is down; explain later
  }
}

function receive(message) {
  if (message.type === "hello") {
    if (attempts > 0) {
      announce("Live updates are back.");
      refreshSoon(0);
    }
    attempts = 0;
    isLive = true;
    hint.hidden = true;
    showState("on", message.source === "feed" ? "Live" : "Live (from the database)");
    return;
  }
  if (message.type !== "runs" && message.type !== "reload") return;
  lastId = message.last_id; // lower than before if the clock of Hassette's machine was set back
  const failures = message.runs.filter((run) => run.status !== "success" && run.status !== "cancelled"
    && message.at_us - run.started_us - run.duration_us < STALE_US);
  if (failures.length > 0 && Date.now() - announced > 10_000) {
    announced = Date.now();
    announce(`${failures[0].app} ${failures[0].name} failed.`);
  }
  refreshSoon(message.source === "feed" ? HISTORY_LAG_MS : SETTLE_MS);
}

function refreshSoon(delay) {
  if (busy) {
    refreshAgain = true;
    return;
  }
  if (timer !== null || document.hidden || paused) return;
  const wait = Math.max(delay, pause - (Date.now() - lastRefresh));
  timer = setTimeout(refresh, wait);
}

async function refresh() {
  timer = null;
  busy = true;
  lastRefresh = Date.now();
  try {
    // While the tag is the same, the page shows everything, and the server does not make it again.
    const { tag } = document.body.dataset;
    const headers = { accept: "text/html", ...(tag && { "if-none-match": tag }) };
    const answer = await fetch(location.href, { headers, cache: "no-store" });
    if (answer.redirected) {
      location.reload();
      return;
    }
    serverResponds = answer.ok || answer.status === 304 || answer.status === 503; // a proxy sends 502 if Hassette is down
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const isComplete = replaceLiveParts(page);
      document.body.dataset.tag = isComplete ? page.body.dataset.tag ?? "" : "";
      useKeyOf(page);
    }
  } catch {
    serverResponds = false; // the page is fetched again later
  } finally {
    busy = false;
    // With this pause, rendering takes at most a fifth of the server's time, even on a slow machine.
    pause = Math.max(MIN_PAUSE_MS, 5 * (Date.now() - lastRefresh));
    if (refreshAgain) {
      refreshAgain = false;
      refreshSoon(0);
    }
  }
}

// After a restart of Hassette, the old key is not valid, so connect again with the new key.
function useKeyOf(page) {
  const { key, keyName } = page.body.dataset;
  if (!key || keyName === document.body.dataset.keyName) return;
  Object.assign(document.body.dataset, { key, keyName });
  if (reconnectTimer !== null) {
    clearTimeout(reconnectTimer);
    connect();
  }
}

// Replace what has changed. Return whether the page now shows everything.
function replaceLiveParts(page) {
  if (document.title !== page.title) document.title = page.title;
  const newest = page.body.dataset.newest || "0"; // the page already shows runs up to this id
  if (isNewer(newest, lastId)) lastId = newest;
  const known = new Set([...document.querySelectorAll("tr[data-id]")].map((row) => row.dataset.id));
  const freshParts = [...page.querySelectorAll("[data-live]")];
  const parts = [...document.querySelectorAll("[data-live]")];
  let skipped;
  if (freshParts.length !== parts.length || freshParts.some((part, index) => part.id !== parts[index].id)) {
    // A part was added or removed, such as the first failure: replace the whole content.
    skipped = ["main", "updated"].filter((id) => !replace(document.getElementById(id), page.getElementById(id)));
  } else {
    skipped = parts.filter((part, index) => !replace(part, freshParts[index]));
  }
  if (known.size > 0) {
    for (const row of document.querySelectorAll("tr[data-id]")) {
      if (!known.has(row.dataset.id)) row.classList.add("new");
    }
  }
  return skipped.length === 0;
}

// A hidden page needs nothing from the server. When it is shown again, it asks for the runs since the last known id.
function rest() {
  resting = true;
  isLive = false;
  attempts = 0;
  clearTimeout(reconnectTimer);
  reconnectTimer = null;
  const closing = socket;
  socket = null;
  closing?.close();
}

function visibilityChanged() {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(rest, HIDDEN_MS);
    return;
  }
  if (resting) {
    resting = false;
    connect();
  }
  refreshSoon(0);
}

// The key in a form has another form on each page, which is no change.
function markup(part) {
  return part.innerHTML.replace(/name="key" value="[^"]*"/g, "");
}

// The runs of a folded row, with the run that the row shows.
function runsOf(link) {
  const rows = link.closest("table").querySelectorAll(`tr[data-fold="${CSS.escape(link.dataset.unfold)}"]`);
  return [link.closest("tr"), ...rows];
}

function unfoldedRuns(part) {
  const links = [...part.querySelectorAll('a[data-unfold][aria-expanded="true"]')];
  return new Set(links.flatMap(runsOf).map((row) => row.dataset.id));
}

// A new run takes over the row of its burst, so each run of the burst identifies the row.
function unfoldAgain(part, unfolded) {
  if (unfolded.size === 0) return;
  for (const link of part.querySelectorAll("a[data-unfold]")) {
    const [, ...rows] = runsOf(link);
    if (!rows.some((row) => unfolded.has(row.dataset.id))) continue;
    link.setAttribute("aria-expanded", "true");
    for (const row of rows) row.hidden = false;
  }
}

// Replace a part if it has changed. Return false if it must be kept for now.
function replace(part, fresh) {
  if (!part || !fresh || (shownParts.get(part) ?? markup(part)) === markup(fresh)) return true;
  const selection = getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return false; // do not interrupt copying
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const selector = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.href && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  const opened = [...part.querySelectorAll("details[open][id]")].map((fold) => fold.id);
  const unfolded = unfoldedRuns(part);
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  shownParts.set(part, markup(fresh));
  part.className = fresh.className;
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  part.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] ?? 0; });
  for (const id of opened) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  unfoldAgain(part, unfolded);
  if (selector) part.querySelector(selector)?.focus({ preventScroll: true });
  part.dispatchEvent(new CustomEvent("hassette:replaced", { bubbles: true })); // other scripts prepare the new content
  return true;
}

// The address has changed, so the page shows something else.
document.addEventListener("hassette:refresh", () => {
  clearTimeout(timer);
  if (busy) refreshAgain = true;
  else refresh();
});

// Pausing keeps the page as it is. Resuming shows everything that is new.
pauseButton.addEventListener("click", () => {
  paused = !paused;
  pauseVerb.textContent = paused ? "Resume" : "Pause";
  document.body.classList.toggle("paused", paused);
  announce(paused ? "Live updates are paused." : "Live updates go on.");
  if (!paused) refreshSoon(0);
});

if ("follow" in document.body.dataset) {
  connect();
  document.addEventListener("visibilitychange", visibilityChanged);
  // Runs in progress and due jobs change even if no run ends.
  setInterval(() => { if (isLive) refreshSoon(0); }, 15_000);
}
