// Keeps a page up to date. When a WebSocket reports runs that have ended, the script fetches the page again and
// replaces its live parts. Only the server renders HTML. Without JavaScript the page works but does not update.

const connection = document.getElementById("connection");
const connectionText = document.getElementById("connection-text");
const announcement = document.getElementById("announcement");

const SETTLE_MS = 120; // several runs often end at the same time
const HISTORY_LAG_MS = 600; // a run is in the database at most 500 ms after its end
const MIN_PAUSE_MS = 1000;
const MAX_RECONNECT_MS = 30_000;
const MAX_RUNS = 100; // if more runs are new at once, for example after the computer slept, the server sends "reload"
const STALE_US = 60_000_000; // failures older than this are not announced

let lastId = document.body.dataset.newest || "0";
let socket = null;
let attempts = 0;
let timer = null;
let busy = false;
let refreshAgain = false;
let pause = MIN_PAUSE_MS;
let lastRefresh = 0;
let announced = 0;

function showState(state, text) {
  connection.hidden = false;
  connection.dataset.state = state;
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
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/api/live?after=${encodeURIComponent(lastId)}&at_most=${MAX_RUNS}`);
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    socket = null;
    if (attempts === 0) announce("Live updates are interrupted.");
    showState("off", "Reconnecting…");
    attempts += 1;
    const wait = Math.min(500 * 2 ** Math.min(attempts, 6), MAX_RECONNECT_MS) * (0.75 + Math.random() / 2);
    setTimeout(connect, wait);
  });
}

function receive(message) {
  if (message.type === "hello") {
    if (attempts > 0) {
      announce("Live updates are back.");
      refreshSoon(0);
    }
    attempts = 0;
    showState("on", message.source === "feed" ? "Live" : "Live (from the database)");
    return;
  }
  if (message.type !== "runs" && message.type !== "reload") return;
  if (isNewer(message.last_id, lastId)) lastId = message.last_id;
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
  if (timer !== null || document.hidden) return;
  const wait = Math.max(delay, pause - (Date.now() - lastRefresh));
  timer = setTimeout(refresh, wait);
}

async function refresh() {
  timer = null;
  busy = true;
  lastRefresh = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (answer.redirected) {
      location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) replaceLiveParts(page);
  } catch {
    // The server is down. The page is fetched again when the WebSocket has reconnected.
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

function replaceLiveParts(page) {
  if (document.title !== page.title) document.title = page.title;
  const newest = page.body.dataset.newest || "0"; // the page already shows runs up to this id
  if (isNewer(newest, lastId)) lastId = newest;
  const known = new Set([...document.querySelectorAll("tr[data-id]")].map((row) => row.dataset.id));
  const freshParts = [...page.querySelectorAll("[data-live]")];
  const parts = [...document.querySelectorAll("[data-live]")];
  if (freshParts.length !== parts.length || freshParts.some((part, index) => part.id !== parts[index].id)) {
    // A part was added or removed, such as the first failure: replace the whole content.
    replace(document.getElementById("main"), page.getElementById("main"));
  } else {
    parts.forEach((part, index) => replace(part, freshParts[index]));
  }
  if (known.size > 0) {
    for (const row of document.querySelectorAll("tr[data-id]")) {
      if (!known.has(row.dataset.id)) row.classList.add("new");
    }
  }
}

function replace(part, fresh) {
  if (!part || !fresh || part.innerHTML === fresh.innerHTML) return;
  const selection = getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return; // do not interrupt copying
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const selector = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.href && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  const opened = [...part.querySelectorAll("details[open][id]")].map((fold) => fold.id);
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  part.className = fresh.className;
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  part.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] ?? 0; });
  for (const id of opened) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  if (selector) part.querySelector(selector)?.focus({ preventScroll: true });
}

// On a narrow screen the navigation scrolls; make the entry of this page visible.
document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

if ("follow" in document.body.dataset) {
  connect();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshSoon(0);
  });
  // Runs in progress and due jobs change even if no run ends.
  setInterval(() => { if (socket) refreshSoon(0); }, 15_000);
}
