// What changes without a new page: the focus stays where it was, and what a person must hear is said once.
"use strict";

function say(words) {
  const region = document.getElementById("said");
  if (!region) return;
  region.textContent = "";
  setTimeout(() => { region.textContent = words; }, 50); // the same words twice are said twice
}

// An element with data-announce says that attribute, or its own text where the attribute is empty.
function announcementIn(part) {
  const found = part?.matches?.("[data-announce]") ? part : part?.querySelector?.("[data-announce]");
  return found ? (found.dataset.announce || found.textContent).replace(/\s+/g, " ").trim() : "";
}

// By what the same control is found again in what replaces it.
function likeness(element) {
  const named = (name) => element.hasAttribute(name) && `${element.localName}[${name}="${CSS.escape(element.getAttribute(name))}"]`;
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.matches("[data-primary]")) return "[data-primary]";
  if (element.hasAttribute("form")) return named("form");
  if (element.localName === "button" && element.form?.hasAttribute("action")) return `form[action="${CSS.escape(element.form.getAttribute("action"))}"] button`;
  if (element.name && element.matches("[type='checkbox'], [type='radio']")) return `${named("name")}[value="${CSS.escape(element.value)}"]`;
  return named("href") || named("name");
}

function firstField(form) {
  return [...form.elements].find((field) => field.matches("input:not([type='hidden']), select, textarea") && !field.disabled);
}

// Where an address with # or a key leads: into the form, not merely beside it.
function arriveAt(element) {
  if (element.localName === "details") element.open = true;
  const form = element.matches("form") ? element : element.querySelector("form");
  const goal = (form && firstField(form)) ?? (form ? document.querySelector("[data-primary]") : element);
  if (goal && goal.tabIndex < 0) goal.tabIndex = -1;
  goal?.focus();
}

let held = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const active = document.activeElement;
  const row = active.closest("[data-row]");
  held = {
    active,
    like: active === document.body ? "" : likeness(active),
    at: row ? [...document.querySelectorAll("[data-row]")].indexOf(row) : -1,
    caret: active.selectionStart == null ? null : [active.selectionStart, active.selectionEnd],
    said: announcementIn(event.detail.target),
  };
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!held) return;
  const { active, like, at, caret, said } = held;
  held = null;
  if (!active.isConnected) {
    const rows = document.querySelectorAll("[data-row]");
    const next = (like && document.querySelector(like)) || rows[Math.min(at, rows.length - 1)]?.querySelector("a");
    next?.focus({ preventScroll: true });
    if (caret && next?.setSelectionRange) next.setSelectionRange(...caret);
  }
  const now = announcementIn(document.getElementById(event.detail.target.id));
  const asked = event.detail.requestConfig?.triggeringEvent; // a page that refreshes itself was asked by nobody
  if (now && (asked || now !== said)) say(now);
});

// Not before the whole page is there: the browser itself leaves the focus nowhere when it goes to a #.
addEventListener("load", () => {
  const fault = document.querySelector("main [aria-invalid='true']");
  const goal = location.hash && document.getElementById(location.hash.slice(1));
  if (fault) fault.focus();
  else if (goal) arriveAt(goal);
  const results = [...document.querySelectorAll("#notices [role='status']")].map((note) => note.textContent.trim());
  if (results.length) say(results.join(" "));
});
addEventListener("hashchange", () => {
  const goal = document.getElementById(location.hash.slice(1));
  if (goal?.matches("details, form")) arriveAt(goal);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

function notice(words) {
  const note = document.createElement("p");
  note.className = "note danger";
  note.setAttribute("role", "alert");
  note.textContent = words;
  document.getElementById("notices")?.replaceChildren(note);
}

document.addEventListener("htmx:sendError", () => notice("The server does not answer. Nothing was saved. Try again in a moment."));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status >= 500) notice("This went wrong on our side. Nothing was saved. The fault is in the server's log.");
});
