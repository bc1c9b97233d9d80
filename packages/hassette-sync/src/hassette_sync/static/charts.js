// Charts over time: a read-out under the pointer, by touch and by keyboard, and the selection of a range to zoom in.
//
// A live update replaces the elements of a chart. So the state refers to charts by id and to columns by their times.

const state = { chart: null, from: 0, until: 0, anchor: 0, pinned: false, dragging: false, pointer: false };
const MIN_DRAG_PX = 6;
let startX = 0;

const chartOf = (node) => node.closest?.("[data-chart]") ?? null;
const plotsOf = (chart) => chart.querySelector("[data-plots]");

function columnsOf(chart) {
  return [...chart.querySelectorAll(".areas > span")].map((span) => ({
    ...span.dataset, x: Number(span.dataset.x), width: Number(span.dataset.width),
    from: Number(span.dataset.from), until: Number(span.dataset.until),
  }));
}

function columnAt(chart, clientX) {
  const box = plotsOf(chart).getBoundingClientRect();
  const percent = ((clientX - box.left) / box.width) * 100;
  const columns = columnsOf(chart);
  return columns.find((column) => percent < column.x + column.width) ?? columns.at(-1);
}

function child(parent, tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

function address(base, parameters) {
  const url = new URL(base, location.href);
  for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
  url.searchParams.delete("cursor");
  return url;
}

const zoomed = () => address(location.href, { since: state.from, until: state.until });

function selected(chart) {
  return columnsOf(chart).filter((column) => column.until > state.from && column.from < state.until);
}

function texts(columns) {
  const [first, last] = [columns[0], columns.at(-1)];
  const title = first === last ? first.title : `${first.title} to ${last.title}`;
  const marks = columns.map((column) => column.marks).filter(Boolean).join("; ");
  return { title, text: first === last ? first.text : `${columns.length} periods`, marks };
}

function draw() {
  for (const old of document.querySelectorAll(".readout, .selection")) old.remove();
  const chart = state.chart && document.getElementById(state.chart);
  if (!chart) return;
  const columns = selected(chart);
  if (columns.length === 0) return;
  const plots = plotsOf(chart);
  const [first, last] = [columns[0], columns.at(-1)];
  const selection = child(plots, "div", columns.length > 1 || state.pinned ? "selection chosen" : "selection");
  selection.style.left = `${first.x}%`;
  selection.style.width = `${last.x + last.width - first.x}%`;
  const { title, text, marks } = texts(columns);
  const readout = child(plots, "div", "readout");
  child(readout, "strong", "", title);
  child(readout, "span", "", text);
  if (marks) child(readout, "span", "mark-text", marks);
  if (state.pinned) {
    const links = child(readout, "span", "links");
    child(links, "a", "", "Show runs").href = address(chart.dataset.runs, { since: state.from, until: state.until });
    child(links, "a", "", "Zoom in").href = zoomed();
  } else if (state.dragging) {
    child(readout, "span", "quiet", "release to zoom in");
  }
  const middle = first.x + (last.x + last.width - first.x) / 2;
  readout.style.left = `${middle}%`;
  // Near an edge, the read-out stays within the chart.
  const [box, inner] = [plots.getBoundingClientRect(), readout.getBoundingClientRect()];
  const shift = Math.max(box.left - inner.left, 0) - Math.max(inner.right - box.right, 0);
  readout.style.marginLeft = `${shift}px`;
  plots.setAttribute("aria-valuetext", [title, text, marks].filter(Boolean).join(", "));
  plots.setAttribute("aria-valuenow", columnsOf(chart).findIndex((column) => column.from === last.from));
}

function show(chart, from, until) {
  Object.assign(state, { chart: chart.id, from, until });
  draw();
}

function clear() {
  Object.assign(state, { chart: null, pinned: false, dragging: false, pointer: false });
  draw();
}

// Make the plots operable by keyboard. Without this script they are pictures, and the table has the figures.
function prepare() {
  for (const plots of document.querySelectorAll("[data-plots]:not([tabindex])")) {
    const columns = plots.querySelectorAll(".areas > span").length;
    plots.tabIndex = 0;
    plots.setAttribute("role", "slider");
    plots.setAttribute("aria-label", "Periods of the chart. Arrow keys move, Shift and arrow keys select, Enter shows links.");
    plots.setAttribute("aria-valuemin", 0);
    plots.setAttribute("aria-valuemax", columns - 1);
    plots.setAttribute("aria-valuenow", columns - 1);
    plots.setAttribute("aria-valuetext", plots.querySelector(".areas > span:last-child")?.dataset.title ?? "");
    const hint = plots.closest("[data-chart]").querySelector(".chart-hint");
    if (hint) hint.hidden = false;
  }
  draw();
}

document.addEventListener("pointermove", (event) => {
  if (state.dragging) {
    const chart = document.getElementById(state.chart);
    if (!chart || Math.abs(event.clientX - startX) < MIN_DRAG_PX) return;
    const column = columnAt(chart, event.clientX);
    const anchor = columnsOf(chart).find((one) => one.from === state.anchor) ?? column;
    show(chart, Math.min(anchor.from, column.from), Math.max(anchor.until, column.until));
    return;
  }
  const plots = event.target.closest?.("[data-plots]");
  if (!plots) {
    if (state.pointer && !state.pinned) clear();
    return;
  }
  if (state.pinned || event.pointerType === "touch") return;
  state.pointer = true;
  const chart = chartOf(plots);
  const column = columnAt(chart, event.clientX);
  if (column && (state.chart !== chart.id || state.from !== column.from || state.until !== column.until)) {
    show(chart, column.from, column.until);
  }
});

document.addEventListener("pointerdown", (event) => {
  if (event.target.closest?.(".readout")) return;
  const plots = event.target.closest?.("[data-plots]");
  if (!plots) {
    if (state.pinned) clear();
    return;
  }
  if (event.button !== 0) return;
  const chart = chartOf(plots);
  const column = columnAt(chart, event.clientX);
  if (!column) return;
  startX = event.clientX;
  Object.assign(state, { anchor: column.from, dragging: true, pinned: false });
  show(chart, column.from, column.until);
});

document.addEventListener("pointerup", (event) => {
  if (!state.dragging) return;
  state.dragging = false;
  if (Math.abs(event.clientX - startX) >= MIN_DRAG_PX) {
    location.href = zoomed();
    return;
  }
  state.pinned = true;
  draw();
});

document.addEventListener("pointercancel", () => { if (state.dragging) clear(); });

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.chart) {
    clear();
    return;
  }
  const plots = event.target;
  if (!plots.matches?.("[data-plots]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const chart = chartOf(plots);
  const columns = columnsOf(chart);
  if (event.key === "Enter" && state.chart === chart.id) {
    event.preventDefault();
    state.pinned = true;
    draw();
    plots.querySelector(".readout a")?.focus();
    return;
  }
  const at = state.chart === chart.id ? columns.findIndex((column) => column.from === state.anchor) : -1;
  const index = { ArrowLeft: at < 0 ? columns.length - 1 : at - 1, ArrowRight: at < 0 ? 0 : at + 1, Home: 0, End: columns.length - 1 }[event.key];
  if (index === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const column = columns[Math.min(Math.max(index, 0), columns.length - 1)];
  const extend = event.shiftKey && state.chart === chart.id;
  Object.assign(state, { anchor: column.from, pinned: false });
  show(chart, extend ? Math.min(state.from, column.from) : column.from, extend ? Math.max(state.until, column.until) : column.until);
});

document.addEventListener("focusout", (event) => {
  const plots = event.target.closest?.("[data-plots]");
  if (plots && plots.isConnected && !plots.contains(event.relatedTarget) && !state.pointer && !state.dragging) clear();
});

prepare();
document.addEventListener("hassette:replaced", prepare);
