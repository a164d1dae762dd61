"use strict";
const PAGE = 40; // shots that are in the document at a time
const store = document.getElementById("shots");
const shots = JSON.parse(store.textContent), rate = Number(store.dataset.rate);
const headings = JSON.parse(document.getElementById("measures").textContent);
const decided = document.getElementById("review").dataset.decisions; // {{…}} where nothing was published yet
const review = decided.startsWith("{{") ? {} : JSON.parse(decided);
for (const shot of shots) {
  [shot.decision, shot.take, shot.note, shot.current] = review[shot.name] || ["open", null, "", 0];
  shot.people = shot.faces.map(face => face.person);
  shot.reasons = shot.faces.flatMap(face => (face.reasons || []).map(reason => reason[0]));
  shot.text = [shot.name, shot.timecode || "", clock(shot.seconds), shot.what, shot.note, ...shot.people,
    ...shot.faces.flatMap(face => (face.reasons || []).map(reason => reason[2]))].join(" ").toLowerCase();
}
const list = document.getElementById("list"), tools = document.querySelector(".tools");
const controls = {};
for (const name of ["verdict", "person", "reason", "decision", "order", "search"]) controls[name] = document.getElementById(name);
const [previous, next] = [document.getElementById("previous"), document.getElementById("next")];
const RANK = { failed: 0, redo: 1, look: 2, good: 3, untouched: 4 };
const ORDERS = {
  worst: (a, b) => RANK[a.kind] - RANK[b.kind] || b.excess - a.excess || a.start - b.start,
  film: (a, b) => a.start - b.start,
  longest: (a, b) => b.stop - b.start - a.stop + a.start || a.start - b.start,
};
let found = [], first = 0, current = -1;

function select() {
  const words = controls.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = controls.verdict.value, person = controls.person.value, reason = controls.reason.value, decision = controls.decision.value;
  found = shots.filter(shot =>
    (!kind || (kind === "changed" ? shot.kind !== "untouched" : shot.kind === kind)) &&
    (!person || shot.people.includes(person)) &&
    (!reason || shot.reasons.includes(reason)) &&
    (!decision || (decision === "noted" ? shot.note : shot.decision === decision && (decision !== "open" || shot.kind !== "untouched"))) &&
    words.every(word => shot.text.includes(word)));
  found.sort(ORDERS[controls.order.value]);
  for (const button of document.querySelectorAll(".score button"))
    button.setAttribute("aria-pressed", String(button.dataset.verdict === kind));
  turn(0);
}

function turn(to) {
  first = Math.max(0, Math.min(to, Math.floor(Math.max(0, found.length - 1) / PAGE) * PAGE));
  const shown = found.slice(first, first + PAGE);
  list.replaceChildren(...shown.map(drawn));
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
  if (!shown[current]) return;
  uncovered();
  shown[current].focus({ preventScroll: true });
  shown[current].scrollIntoView({ block: "start" });
}

// What stays at the top of the window must not cover the shot that a key goes to. Its height is asked for then:
// an observer of it is told after the next layout only, and keys may be faster.
function uncovered() {
  const height = getComputedStyle(tools).position === "sticky" ? tools.offsetHeight : 0;
  document.documentElement.style.setProperty("--tools", `${height}px`);
}

function show(name) {
  let at = found.findIndex(shot => shot.name === name);
  if (at < 0) {
    for (const key of ["verdict", "person", "reason", "decision", "search"]) controls[key].value = "";
    select();
    at = found.findIndex(shot => shot.name === name);
  }
  if (at < 0) return;
  turn(Math.floor(at / PAGE) * PAGE);
  focus(at - first);
}


// What a shot looks like; text goes in as text.

function element(tag, content, attributes = {}) {
  const made = tag.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) :
    document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...[content].flat().filter(part => part !== null && part !== undefined));
  return made;
}
const picture = (data, alt, more = {}) => element("img", null, { src: `data:image/jpeg;base64,${data}`, alt, ...more });

function clock(seconds) {
  const tenths = Math.round(seconds * 10), hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60, rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function place(shot, frame) {
  const at = `${clock(shot.seconds + (frame - shot.start) / rate)} · frame ${frame}`;
  const code = shot.timecodes && shot.timecodes[frame];
  return code ? `${code} · ${at}` : at;
}

const take = number => number ? `take ${number}` : "its own picture";

function drawn(shot) {
  const name = shot.kind === "untouched" ? "unchanged" : shot.kind;
  const title = element("h3", [`${shot.timecode || clock(shot.seconds)} `, element("span", name, { class: `tag ${shot.kind}` })]);
  if (shot.decision !== "open") {
    title.append(" ", element("span", shot.decision + (shot.take === null ? "" : `, ${take(shot.take)}`), { class: `tag ${shot.decision}` }));
    if (shot.take !== null && shot.take !== shot.current) title.append(" ", element("span", `the film shows ${take(shot.current)}`, { class: "tag" }));
  }
  const facts = `shot ${shot.name} · ${shot.timecode ? `${clock(shot.seconds)} · ` : ""}${shot.stop - shot.start} frames`;
  const text = element("div", [title, element("p", shot.what), element("p", facts, { class: "soft" }),
    shot.settings ? element("p", `settings of its own: ${shot.settings}`) : null,
    shot.note ? element("p", shot.note, { class: "note" }) : null].filter(Boolean));
  const head = element("header", [shot.poster ? picture(shot.poster, "") : null, text]);
  const faces = shot.faces.map(face => drawnFace(shot, face));
  return element("section", [head, ...faces], { class: `shot ${shot.kind}`, id: `s${shot.name}`, tabindex: "-1" });
}

function drawnFace(shot, face) {
  const sure = face.confidence === undefined ? "" : ` · confidence ${face.confidence.toFixed(2)}`;
  const parts = [element("header", [
    element("strong", face.person), element("span", `face ${face.name}`, { class: "soft" }),
    face.verdict && shot.faces.length > 1 ? element("span", face.verdict, { class: `tag ${face.verdict}` }) : null,
    element("span", `${face.changed} of ${face.stop - face.start} frames changed${sure}${face.measured ? ` · ${face.measured} measured` : ""}`, { class: "soft" }),
    face.drawn ? element("span", `drawn by ${face.drawn}`, { class: "soft" }) : null,
  ])];
  if (face.reasons) parts.push(element("ul", face.reasons.map(([, verdict, text, advice]) =>
    element("li", [text, element("span", advice)], { class: verdict })), { class: "why" }));
  const strip = [];
  if (face.loop) strip.push(element("figure", [
    picture(face.loop[0], "loop: source above, dubbed below",
      { class: "loop", style: `--frames:${face.loop[1]};--time:${(face.loop[1] / rate).toFixed(2)}s` }),
    element("figcaption", "source above")], { class: "looped" }));
  for (const [frame, was, now] of face.stills || []) strip.push(element("figure", [
    element("div", [picture(was, "source"), picture(now, "dubbed")], { class: "pair" }),
    element("figcaption", [place(shot, frame) + (frame === face.worst ? " · worst fit" : ""), element("br"), "source, dubbed"])]));
  if (strip.length) parts.push(element("div", strip, { class: "strip" }));
  if (face.curves) parts.push(element("div", plot(shot, face), { class: "wide" }));
  if (face.rows) {
    const head = ["measure", "dubbed", "source", "look from", "redo from", "seen on"].map(text => element("th", text));
    const rows = face.rows.map(([number, dubbed, source, look, redo, seen, verdict]) => element("tr", [
      element("td", headings[number][0], { title: headings[number][1] }),
      element("td", dubbed, verdict ? { class: `bad ${verdict}` } : {}),
      ...[source, look, redo, seen].map(text => element("td", text))]));
    const table = element("div", element("table", [element("tr", head), ...rows]), { class: "wide" });
    parts.push(element("details", [element("summary", "measures"), table], face.verdict === "good" ? {} : { open: "" }));
  }
  if (face.missed) {
    const said = { closure: "the lips stay apart", contact: "the lip does not reach the teeth", rounding: "the lips are not round" };
    const lines = face.missed.map(([frame, phone, kind, measured, limit]) => element("li",
      `${place(shot, frame)}, /${phone}/: ${said[kind]} (${kind === "rounding" ? "width" : "aperture"} ${measured.toFixed(3)}, at most ${limit.toFixed(3)})`));
    const title = `${lines.length} sound${lines.length === 1 ? "" : "s"} for which the mouth does not do what it must`;
    parts.push(element("details", [element("summary", title), element("ul", lines, { class: "reasons" })]));
  }
  if (face.skipped) {
    const lines = face.skipped.slice(0, 8).map(([start, stop, reason]) => element("li",
      `${clock(shot.seconds + (start - shot.start) / rate)}–${clock(shot.seconds + (stop - shot.start) / rate)} not changed: ${reason}`));
    if (face.skipped.length > 8) lines.push(element("li", `and ${face.skipped.length - 8} more`));
    parts.push(element("ul", lines, { class: "reasons" }));
  }
  return element("div", parts, { class: "face" });
}

function plot(shot, face) {
  const [width, height, left, right, top, bottom] = [960, 170, 46, 8, 10, 22], floor = height - bottom;
  const last = Math.max(face.start + 1, face.stop - 1), most = Math.max(100, ...face.curves.flatMap(([, values]) => values)) * 1.08;
  const x = frame => left + (Math.min(Math.max(frame, face.start), last) - face.start) / (last - face.start) * (width - left - right);
  const y = value => top + (1 - Math.max(0, value) / most) * (floor - top); // pressed lips are below zero: a picture cannot show that
  const parts = [];
  const band = ([start, stop, kind], style) => parts.push(element("svg:rect", element("svg:title", kind),
    { class: `band ${style}`, x: x(start), y: top, width: Math.max(1, x(stop) - x(start)), height: floor - top }));
  for (const cue of face.cues || []) band(cue, cue[2]);
  for (const skip of face.skipped || []) band(skip, "skip");
  const step = [20, 50, 100, 200, 500, 1000, 2000, 5000].find(size => most / size <= 4) || most;
  for (let value = 0; value <= most; value += step) parts.push(
    element("svg:path", null, { class: "grid", d: `M${left} ${y(value)}H${width - right}` }),
    element("svg:text", String(value / 1000), { x: left - 6, y: y(value) + 4, "text-anchor": "end" }));
  const begin = shot.seconds + (face.start - shot.start) / rate, end = shot.seconds + (last - shot.start) / rate;
  const tick = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600].find(size => (end - begin) / size <= 11) || 3600;
  for (let k = Math.ceil(begin / tick); k * tick <= end; k++) {
    const at = left + (k * tick - begin) / Math.max(end - begin, 1e-6) * (width - left - right);
    parts.push(element("svg:path", null, { class: "grid", d: `M${at} ${floor}v4` }),
      element("svg:text", clock(k * tick), { x: Math.min(at, width - 24), y: floor + 16, "text-anchor": "middle" }));
  }
  ["source", "target", "dubbed"].forEach((name, line) => {
    const [frames, values] = face.curves[line];
    let path = "", pen = "M";
    frames.forEach((frame, k) => {
      if (values[k] === null) { pen = "M"; return; }
      // A frame that was measured alone is a dot.
      path += `${pen}${x(face.start + frame).toFixed(1)} ${y(values[k]).toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
    });
    if (path) parts.push(element("svg:path", null, { class: name, d: path }));
  });
  return element("svg:svg", parts, { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Lip aperture of ${face.person} in ${face.name}` });
}

for (const name of ["verdict", "person", "reason", "decision", "order"]) controls[name].addEventListener("change", select);
controls.search.addEventListener("input", select);
const leaf = by => { turn(first + by * PAGE); uncovered(); list.scrollIntoView(); };
previous.addEventListener("click", () => leaf(-1));
next.addEventListener("click", () => leaf(1));
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
    n: () => leaf(1), p: () => leaf(-1),
    "/": () => controls.search.focus(),
    0: () => pick(""), 1: () => pick("redo"), 2: () => pick("look"), 3: () => pick("good"), 4: () => pick("untouched"),
  };
  if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
});
function pick(kind) { controls.verdict.value = kind; select(); }
select();
if (location.hash.startsWith("#s")) show(location.hash.slice(2));
