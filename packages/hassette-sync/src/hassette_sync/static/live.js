// Keeps a page up to date: a WebSocket says that something has ended, the page's live parts are fetched again and
// put in place. One renderer (the server), no markup made here. Without JavaScript, the page is simply as of its loading.

const connection = document.getElementById("connection");
const connectionText = document.getElementById("connection-text");
const announcement = document.getElementById("announcement");

const SETTLE_MS = 120; // several runs often end together
const HISTORY_LAG_MS = 600; // a run is history at most half a second after its end
const SHORTEST_PAUSE_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const MOST_RUNS = 100; // more at once, after a night asleep, say, and the server says "reload" in their place
const STALE_US = 60_000_000; // a failure older than this is no news

let lastId = document.body.dataset.newest || "0";
let socket = null;
let attempts = 0;
let timer = null;
let busy = false;
let again = false;
let pause = SHORTEST_PAUSE_MS;
let lastRefresh = 0;
let announced = 0;

function show(state, text) {
  connection.hidden = false;
  connection.dataset.state = state;
  if (connectionText.textContent !== text) connectionText.textContent = text;
}

function announce(text) {
  announcement.textContent = text;
}

function longer(a, b) {
  // Ids have 63 bits: as text, since a number would lose the last ones.
  return a.length === b.length ? a > b : a.length > b.length;
}

function listen() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/api/live?after=${encodeURIComponent(lastId)}&at_most=${MOST_RUNS}`);
  socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    socket = null;
    if (attempts === 0) announce("The live connection was lost.");
    show("off", "Reconnecting…");
    attempts += 1;
    const wait = Math.min(500 * 2 ** Math.min(attempts, 6), LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
    setTimeout(listen, wait);
  });
}

function hear(message) {
  if (message.type === "hello") {
    if (attempts > 0) {
      announce("The live connection is back.");
      refreshSoon(0);
    }
    attempts = 0;
    show("on", message.source === "feed" ? "Live" : "Following the file");
    return;
  }
  if (message.type !== "runs" && message.type !== "reload") return;
  if (longer(message.last_id, lastId)) lastId = message.last_id;
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
    again = true;
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
    if (answer.ok) put(page);
  } catch {
    // The server is away; the WebSocket's reconnection tells when it is back.
  } finally {
    busy = false;
    // A slow machine is asked less often: it spends at most a fifth of its time on us.
    pause = Math.max(SHORTEST_PAUSE_MS, 5 * (Date.now() - lastRefresh));
    if (again) {
      again = false;
      refreshSoon(0);
    }
  }
}

function put(page) {
  if (document.title !== page.title) document.title = page.title;
  const newest = page.body.dataset.newest || "0"; // what the page shows need not be told again
  if (longer(newest, lastId)) lastId = newest;
  const known = new Set([...document.querySelectorAll("tr[data-id]")].map((row) => row.dataset.id));
  const wanted = [...page.querySelectorAll("[data-live]")];
  const here = [...document.querySelectorAll("[data-live]")];
  if (wanted.length !== here.length || wanted.some((part, index) => part.id !== here[index].id)) {
    // A part has come or gone (the first failure, say): all of the content is exchanged.
    exchange(document.getElementById("main"), page.getElementById("main"));
  } else {
    here.forEach((part, index) => exchange(part, wanted[index]));
  }
  if (known.size > 0) {
    for (const row of document.querySelectorAll("tr[data-id]")) {
      if (!known.has(row.dataset.id)) row.classList.add("new");
    }
  }
}

function exchange(part, fresh) {
  if (!part || !fresh || part.innerHTML === fresh.innerHTML) return;
  const selection = getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return; // someone is copying
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const mark = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.href && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  const opened = [...part.querySelectorAll("details[open][id]")].map((fold) => fold.id);
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  part.className = fresh.className;
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  part.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] ?? 0; });
  for (const id of opened) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  if (mark) part.querySelector(mark)?.focus({ preventScroll: true });
}

// On a narrow screen the tabs scroll; the one of this page must be seen.
document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

if ("follow" in document.body.dataset) {
  listen();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshSoon(0);
  });
  // What is running and due changes without any run ending.
  setInterval(() => { if (socket) refreshSoon(0); }, 15_000);
}
