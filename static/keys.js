// Keys. Every screen works without this file, and a person may turn the keys off in their sheet.
//
// data-row       a row that j and k come to; the row's first link has the focus then, so that it is ringed and read out.
//                data-row="case": a, r, e and s open that case where they lead to.
// data-key="a"   what this key presses: in the cursor's row, else on the page. A form is not sent but entered, details are opened.
// data-ticked    beside data-key: works on the ticked rows. Where none is ticked, the cursor's row is.
"use strict";

const MAY = "keys"; // what the browser remembers: "off", or nothing
const OF_CASE = { a: "claim", r: "action", e: "hand-over", s: "snooze" }; // key -> id on a case's page
const TICKS = "[data-row] input[type='checkbox']";

const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.checkVisibility());
const cursor = () => document.querySelector("[data-cursor]");
const tickOf = (row) => row?.querySelector("input[type='checkbox']");
let lastTicked = null;

function step(by) {
  const all = rows();
  if (!all.length) return false;
  const next = all[Math.min(Math.max(all.indexOf(cursor()) + by, 0), all.length - 1)];
  const goal = next.querySelector("a") ?? next;
  if (goal === next) next.tabIndex = -1;
  goal.focus();
  return true;
}

function tick(reaching) {
  const row = cursor();
  const box = tickOf(row);
  if (!box) return;
  const all = rows();
  const [from, to] = [all.indexOf(reaching && lastTicked?.isConnected ? lastTicked : row), all.indexOf(row)].sort((a, b) => a - b);
  const wanted = reaching || !box.checked;
  for (const each of all.slice(from, to + 1).map(tickOf)) if (each && each.checked !== wanted) each.click();
  lastTicked = row;
  say(`${wanted ? "Ticked" : "Not ticked"}. ${document.querySelectorAll(`${TICKS}:checked`).length} ticked.`);
}

function press(key) {
  const row = cursor();
  const control = row?.querySelector(`[data-key="${key}"]`) ?? document.querySelector(`[data-key="${key}"]`);
  if (!control) {
    if (row?.dataset.row === "case" && OF_CASE[key]) location.assign(`${row.querySelector("a").href}#${OF_CASE[key]}`);
    return;
  }
  if (control.matches("[data-ticked]") && !document.querySelector(`${TICKS}:checked`)) tick(false);
  if (control.matches("form, details")) arriveAt(control);
  else control.click();
}

let before = null; // what had the focus before the sheet or the search took it
const leave = () => (before?.isConnected ? before : cursor()?.querySelector("a"))?.focus();

function sheet(open) {
  const keys = document.getElementById("keys");
  if (!keys || keys.open === open) return;
  if (open) before = document.activeElement;
  keys.open = open;
  if (open) keys.querySelector("summary").focus();
  else leave();
}

const KEYS = {
  j: () => step(1) || press("j"),
  k: () => step(-1) || press("k"),
  x: () => tick(false),
  X: () => tick(true),
  o: () => cursor()?.querySelector("a")?.click(),
  "?": () => sheet(!document.getElementById("keys")?.open),
  "/": () => {
    before = document.activeElement;
    document.querySelector("[data-find]")?.focus();
  },
};

const typing = (element) => element.closest("select, textarea, [contenteditable], input:not([type='checkbox'], [type='radio'])");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.key === "Enter") return document.querySelector("[data-primary]")?.click();
  if (event.key === "Escape") {
    if (event.target.matches("[data-find]")) leave();
    return sheet(false);
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target) || localStorage.getItem(MAY)) return;
  const does = KEYS[event.key] ?? (event.key in OF_CASE ? () => press(event.key) : null);
  if (!does) return;
  event.preventDefault();
  does();
});

document.addEventListener("focusin", (event) => {
  const row = event.target.closest("[data-row]");
  if (!row || row === cursor()) return;
  cursor()?.removeAttribute("data-cursor");
  row.setAttribute("data-cursor", "");
});

document.addEventListener("DOMContentLoaded", () => {
  const may = document.querySelector("[data-keys]");
  if (!may) return;
  may.checked = !localStorage.getItem(MAY);
  may.addEventListener("change", () => (may.checked ? localStorage.removeItem(MAY) : localStorage.setItem(MAY, "off")));
});
