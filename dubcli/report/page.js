"use strict";
const PAGE = 40; // shots that are in the document at a time
const shots = JSON.parse(document.getElementById("shots").textContent);
const list = document.getElementById("list");
const controls = {};
for (const name of ["verdict", "person", "reason", "order", "search"]) controls[name] = document.getElementById(name);
const [previous, next] = [document.getElementById("previous"), document.getElementById("next")];
const RANK = { failed: 0, redo: 1, look: 2, good: 3, untouched: 4 };
const ORDERS = {
  worst: (a, b) => RANK[a.kind] - RANK[b.kind] || b.excess - a.excess || a.start - b.start,
  film: (a, b) => a.start - b.start,
  longest: (a, b) => b.frames - a.frames || a.start - b.start,
};
let found = [], first = 0, current = -1;

function select() {
  const words = controls.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = controls.verdict.value, person = controls.person.value, reason = controls.reason.value;
  found = shots.filter(shot =>
    (!kind || (kind === "changed" ? shot.kind !== "untouched" : shot.kind === kind)) &&
    (!person || shot.people.includes(person)) &&
    (!reason || shot.reasons.includes(reason)) &&
    words.every(word => shot.text.includes(word)));
  found.sort(ORDERS[controls.order.value]);
  for (const button of document.querySelectorAll(".score button"))
    button.setAttribute("aria-pressed", String(button.dataset.verdict === kind));
  turn(0);
}

function turn(to) {
  first = Math.max(0, Math.min(to, Math.floor(Math.max(0, found.length - 1) / PAGE) * PAGE));
  const shown = found.slice(first, first + PAGE);
  list.innerHTML = shown.map(shot => shot.html).join("");
  const last = first + shown.length;
  document.getElementById("count").textContent = found.length ?
    `${first + 1}–${last} of ${found.length} shots` : "no shot fits";
  previous.disabled = first === 0;
  next.disabled = last >= found.length;
  current = -1;
}

function focus(index) {
  const shown = list.querySelectorAll(".shot");
  if (index >= shown.length && !next.disabled) { turn(first + PAGE); focus(0); return; }
  if (index < 0 && !previous.disabled) { turn(first - PAGE); focus(list.children.length - 1); return; }
  current = Math.max(0, Math.min(index, shown.length - 1));
  if (shown[current]) { shown[current].focus({ preventScroll: true }); shown[current].scrollIntoView({ block: "start" }); }
}

function show(name) {
  let at = found.findIndex(shot => shot.name === name);
  if (at < 0) {
    for (const key of ["verdict", "person", "reason", "search"]) controls[key].value = "";
    select();
    at = found.findIndex(shot => shot.name === name);
  }
  if (at < 0) return;
  turn(Math.floor(at / PAGE) * PAGE);
  focus(at - first);
}

for (const name of ["verdict", "person", "reason", "order"]) controls[name].addEventListener("change", select);
controls.search.addEventListener("input", select);
previous.addEventListener("click", () => { turn(first - PAGE); list.scrollIntoView(); });
next.addEventListener("click", () => { turn(first + PAGE); list.scrollIntoView(); });
document.addEventListener("click", event => {
  const button = event.target.closest("[data-verdict]"), place = event.target.closest("[data-shot]");
  if (button) { controls.verdict.value = controls.verdict.value === button.dataset.verdict ? "" : button.dataset.verdict; select(); }
  if (place) show(place.dataset.shot);
});
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select")) { if (event.key === "Escape") event.target.blur(); return; }
  const keys = {
    j: () => focus(current + 1), k: () => focus(current - 1),
    n: () => turn(first + PAGE), p: () => turn(first - PAGE),
    "/": () => controls.search.focus(),
    0: () => pick(""), 1: () => pick("redo"), 2: () => pick("look"), 3: () => pick("good"), 4: () => pick("untouched"),
  };
  if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
});
function pick(kind) { controls.verdict.value = kind; select(); }
select();
if (location.hash.startsWith("#s")) show(location.hash.slice(2));
