// Keyboard shortcuts, copy buttons and folded rows. Without JavaScript, the pages work without them.

const GO_WITHIN_MS = 1_500;
const COPIED_FOR_MS = 1_500;
const dialog = document.getElementById("keys");
let goUntil = 0;

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
}

function rows() {
  return [...document.querySelectorAll("#main [data-row], #main tbody tr")].filter((row) => row.offsetParent && linkOf(row));
}

function linkOf(row) {
  return row.querySelector("a[data-open]") ?? row.querySelector("a[href]");
}

// Move the focus to the link of the next or previous row.
function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  linkOf(all[next]).focus();
  all[next].scrollIntoView({ block: "nearest" });
}

function search() {
  const field = document.querySelector("#main input[type=search]:not([hidden])");
  if (field) {
    field.focus();
    field.select();
  } else {
    // The overview has the box that answers questions.
    location.href = document.querySelector("a.brand").href;
  }
}

const KEYS = {
  "/": search,
  "?": () => dialog.showModal(),
  j: () => move(1),
  k: () => move(-1),
  p: () => document.getElementById("pause").click(),
  g: () => { goUntil = Date.now() + GO_WITHIN_MS; },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const link = Date.now() < goUntil && document.querySelector(`.top nav a[data-key="${CSS.escape(event.key)}"]`);
  const action = link ? () => { location.href = link.href; } : KEYS[event.key];
  goUntil = 0;
  if (!action) return;
  event.preventDefault();
  action();
});

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const copy = target?.closest("button[data-copy]");
  if (copy) copyFrom(copy);
  const unfold = target?.closest("a[data-unfold]");
  if (unfold && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const folded = unfold.closest("table").querySelectorAll(`tr[data-fold="${CSS.escape(unfold.dataset.unfold)}"]`);
    const hide = unfold.getAttribute("aria-expanded") === "true";
    for (const row of folded) row.hidden = hide;
    unfold.setAttribute("aria-expanded", String(!hide));
  }
});

// The clipboard of the browser needs a secure page. On others, select the text, so that the visitor can copy it.
async function copyFrom(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = button.dataset.copy === "page" ? location.href : button.dataset.text ?? source?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
    flash(button, "Copied");
  } catch {
    if (source) getSelection().selectAllChildren(source);
    flash(button, source ? "Selected" : "Not allowed");
  }
}

function flash(button, text) {
  const before = button.dataset.label ?? button.textContent;
  button.dataset.label = before;
  button.textContent = text;
  setTimeout(() => { button.textContent = before; }, COPIED_FOR_MS);
}

function showButtons(part) {
  for (const button of part.querySelectorAll("button[data-copy][hidden]")) button.hidden = false;
}

const help = document.getElementById("help");
help.hidden = false;
help.addEventListener("click", () => dialog.showModal());
showButtons(document);
document.addEventListener("hassette:replaced", (event) => showButtons(event.target));
