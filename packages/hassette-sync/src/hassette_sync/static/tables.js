// Sort lists in the page and filter them by typing. Without JavaScript, the head of a column is a link, and the server
// sorts. The address holds the choice, so that a live update and a reload show the same view. If the page holds only a
// part of a list, the server sorts and filters.

const TYPING_MS = 300;
let asking = null;

function valueOf(row, column) {
  const cell = row.cells[column];
  const value = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
  const number = Number(value);
  return value === "" ? null : Number.isNaN(number) ? value.toLowerCase() : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sort(link) {
  const head = link.closest("th");
  const table = head.closest("table");
  const column = head.cellIndex;
  const first = link.dataset.sort.startsWith("-") ? "descending" : "ascending";
  const opposite = first === "ascending" ? "descending" : "ascending";
  const direction = head.getAttribute("aria-sort") === first ? opposite : first;
  const factor = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
  // Rows without a value come last in both directions.
  rows.sort(([a], [b]) => (a === null) - (b === null) || factor * compare(a, b));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  for (const other of table.tHead.rows[0].cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", direction);
  const key = link.dataset.sort.replace(/^-/, "");
  remember("sort", direction === "ascending" ? key : `-${key}`);
}

function remember(key, value) {
  const address = new URL(location.href);
  if (value) address.searchParams.set(key, value);
  else address.searchParams.delete(key);
  history.replaceState(history.state, "", address);
}

function isPart(list) {
  return list?.querySelector("table")?.dataset.part === "yes";
}

// Let the server filter when the visitor has stopped typing.
function ask() {
  clearTimeout(asking);
  asking = setTimeout(() => document.dispatchEvent(new CustomEvent("hassette:refresh")), TYPING_MS);
}

function filter(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const list = document.getElementById(field.dataset.filter);
  const count = document.getElementById(`${field.id}-count`);
  if (isPart(list)) {
    if (count) count.textContent = "";
    return;
  }
  let shown = 0;
  for (const row of list?.querySelectorAll("[data-row], tbody tr") ?? []) {
    const text = row.textContent.toLowerCase();
    const matches = words.every((word) => text.includes(word));
    row.classList.toggle("filtered", !matches);
    if (matches) shown += 1;
  }
  if (count) count.textContent = words.length > 0 ? `${shown} shown` : "";
}

// A live update may have replaced the fields.
function filterAll() {
  const words = new URL(location.href).searchParams.get("find") ?? "";
  for (const field of document.querySelectorAll("input[data-filter]")) {
    field.closest("[hidden]")?.removeAttribute("hidden");
    if (field !== document.activeElement || !field.value) field.value = words;
    if (field.value) filter(field);
  }
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("th a[data-sort]") : null;
  // The server sorts a list of several pages, because the page holds only a part of it.
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || link.closest("table").dataset.part === "yes") return;
  event.preventDefault();
  sort(link);
});
document.addEventListener("input", (event) => {
  const field = event.target instanceof Element ? event.target.closest("input[data-filter]") : null;
  if (!field) return;
  const list = document.getElementById(field.dataset.filter);
  remember("find", field.value);
  // The server has left out rows, or there are none that match.
  if (isPart(list) || !list?.querySelector("table")) {
    remember("cursor", "");
    ask();
  } else filter(field);
});
filterAll();
document.addEventListener("hassette:replaced", filterAll);
