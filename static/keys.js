// Keys for lists and cases, the company switch, and words when the server does not answer. Every screen works without this file.
"use strict";

const rows = () => [...document.querySelectorAll("[data-row]")];

function step(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.findIndex((row) => row.hasAttribute("data-cursor"));
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  all.forEach((row) => row.removeAttribute("data-cursor"));
  next.setAttribute("data-cursor", "");
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function openRow() {
  document.querySelector("[data-cursor] a")?.click();
}

function notice(words) {
  const note = document.createElement("p");
  note.className = "note danger";
  note.setAttribute("role", "alert");
  note.textContent = words;
  document.getElementById("notices")?.replaceChildren(note);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.key === "Enter") {
    document.querySelector("[data-primary]")?.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (event.key === "j" || event.key === "k") {
    if (!step(event.key === "j" ? 1 : -1)) document.querySelector(`[data-key="${event.key}"]`)?.click();
  } else if (event.key === "Enter" && !event.target.closest("a, button, summary")) {
    openRow();
  } else if (event.key === "/") {
    event.preventDefault();
    document.querySelector("[data-find]")?.focus();
  } else if (event.key === "?") {
    const sheet = document.getElementById("keys");
    sheet.open = !sheet.open;
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("htmx:sendError", () => notice("The server does not answer. Nothing was saved. Try again in a moment."));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status >= 500) notice("This went wrong on our side. Nothing was saved. The fault is in the server's log.");
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.xhr?.status === 422) event.detail.target.querySelector?.("[aria-invalid='true']")?.focus();
});
