"""The report's page in a browser: no errors, every shot reachable, filters, sorting and keys work."""

# ruff: noqa: E501 (lines of the script that drives the page)
from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dubcli.artifacts import report as model
from dubcli.report import page
from dubcli.report.pictures import Pictures
from dubcli.report.stills import Shown
from tests.unit.reports import HOSTILE, hostile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
JPEG = bytes.fromhex(  # one grey pixel
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f"
    "1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc4001f0000"
    "010501010101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d010203000411"
    "05122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445"
    "464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9"
    "aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda00080101"
    "00003f00fbd3ffd9"
)
KINDS = ("good", "look", "redo", None)

STEPS = """
const result = { errors: [] };
const names = () => [...list.querySelectorAll(".shot")].map(shot => shot.id.slice(1));
const set = (id, value) => { controls[id].value = value; controls[id].dispatchEvent(new Event(id === "search" ? "input" : "change")); };
const key = name => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const all = () => { const found = []; turn(0); for (;;) { found.push(...names()); if (next.disabled) return found; next.click(); } };
window.alert = () => result.errors.push("alert");
result.all = all();
set("verdict", "redo"); result.redo = all();
set("verdict", ""); set("person", "Person 1"); result.person = all();
set("person", ""); set("reason", "seam"); result.reason = all();
set("reason", ""); set("decision", "rejected"); result.rejected = all(); result.note = list.textContent;
set("decision", "noted"); result.noted = all(); set("decision", "approved"); result.approved = list.textContent;
set("decision", "open"); result.open = all();
set("decision", ""); set("order", "film"); result.film = all();
set("order", "worst"); set("search", "00000100"); result.search = all();
set("search", ""); turn(0); key("j"); key("j");
const bar = document.querySelector(".tools"), stuck = getComputedStyle(bar).position === "sticky";
result.covered = stuck ? bar.getBoundingClientRect().bottom - document.activeElement.getBoundingClientRect().top : 0;
key("n"); result.leafed = list.querySelector(".shot").getBoundingClientRect().top - (stuck ? bar.getBoundingClientRect().bottom : 0);
result.cells = Math.max(...[...document.querySelectorAll(".words td")].map(cell => cell.getBoundingClientRect().right));
turn(0); key("j"); result.focused = document.activeElement.id; key("2"); result.look = all(); key("0");
document.querySelector("svg rect[data-shot='00000100']").dispatchEvent(new MouseEvent("click", { bubbles: true }));
result.clicked = document.activeElement.id;
set("search", "00000010"); result.text = list.textContent; set("search", "00000100");
result.wide = document.documentElement.scrollWidth; result.window = window.innerWidth;
const pair = list.querySelector(".pair img:last-child").getBoundingClientRect(); result.right = pair.right;
document.body.textContent = ""; document.body.append(JSON.stringify(result));
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 130 shots of 10 frames: all kinds, hostile names in one of them."""
    source, shots = hostile(), []
    shot, face = source.shots[0], source.shots[0].faces[0]
    for number in range(130):
        start, kind = 10 * number, KINDS[number % len(KINDS)]
        name = f"{start:08d}"
        reasons = face.reasons if kind in ("look", "redo") else ()
        one: dict[str, Any] = {"name": f"{name}.0", "start": start, "stop": start + 9, "verdict": kind}
        one |= {"reasons": reasons, "person": f"Person {number % 7}" if number != 10 else HOSTILE}
        one |= {"cues": (), "skipped": (), "measures": face.measures if kind else None}
        faces = (face.model_copy(update=one),) if kind else ()
        told = number == 10
        what = {"what": HOSTILE if told else "changed", "timecode": "09:59:59:20" if told else None}
        span = {"name": name, "start": start, "stop": start + 10, "seconds": start / 24, "verdict": kind}
        state: dict[str, Any] = {"state": "changed" if kind else "untouched", "faces": faces}
        state |= {"settings": {"motion.amplitude": 0.8}} if number == 10 else {}
        shots.append(shot.model_copy(update=span | state | what))
    people = tuple(source.people[0].model_copy(update={"name": f"Person {k}"}) for k in range(7))
    film = source.film.model_copy(update={"frames": 1300, "seconds": 1300 / 24})
    made = source.model_copy(update={"shots": tuple(shots), "people": people, "film": film})
    shown = Shown([(104, JPEG, JPEG)], JPEG, 24)
    path = tmp_path_factory.mktemp("page") / "report.html"
    decided = {"00000100": ("rejected", 1, HOSTILE, 2), "00000020": ("approved", 0, "", 0)}
    text = page.page(made, Pictures(faces={"00000100.0": shown})).encode()
    path.write_bytes(model.named(text, path.name, {model.REVIEW: json.dumps(decided)}))
    assert model.Report.model_validate_json(made.model_dump_json()) == made
    return path


def _framed(path: Path, width: int) -> Path:
    """A page that shows another in a frame: a window of Chromium's is never narrower than 500 pixels."""
    text = html.escape(path.read_text("utf-8"))
    script = "onload = () => document.body.append(frames[0].document.body.textContent)"
    out = path.with_name("framed.html")
    out.write_text(
        f'<!doctype html><body><iframe style="width:{width}px;height:900px;border:0" srcdoc="{text}"></iframe>'
        f"<script>{script}</script></body>",
        "utf-8",
    )
    return out


def _opened(path: Path, width: int) -> tuple[str, list[str]]:
    """The page's document after its scripts, and what the browser's console says."""
    if BROWSER is None:
        pytest.skip("no Chromium: install chromium to test the report's page")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [
            BROWSER, "--headless=new", *root, "--disable-gpu", "--enable-logging=stderr", "--no-first-run",
            f"--user-data-dir={path.parent / 'profile'}", f"--window-size={width},900",
            "--virtual-time-budget=5000", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, check=True, timeout=120, encoding="utf-8", errors="replace",
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_page_opens_without_errors_and_shows_its_worst_shots(report: Path) -> None:
    text, console = _opened(report, 1280)
    assert console == []
    shown = re.findall(r'<section class="shot (\w+)"', text)
    assert len(shown) == 40
    assert shown == ["redo"] * 32 + ["look"] * 8


@pytest.mark.parametrize("width", [420, 900, 1280])
def test_every_shot_can_be_reached_filtered_sorted_and_focused(
    report: Path, tmp_path: Path, width: int
) -> None:
    page_text = report.read_text("utf-8").replace("</body>", f"<script>{STEPS}</script></body>")
    driven = tmp_path / "driven.html"
    driven.write_text(re.sub(r"script-src 'sha256-[^']*'", "script-src 'unsafe-inline'", page_text), "utf-8")
    text, console = _opened(_framed(driven, width) if width < 500 else driven, width)
    assert console == []
    body = re.search(r'(\{"errors":.*\})\s*</body>', text, re.DOTALL)
    assert body
    found = json.loads(html.unescape(body[1]))
    assert found["window"] == width
    names = [f"{10 * k:08d}" for k in range(130)]
    assert found["errors"] == []
    assert sorted(found["all"]) == names
    assert found["film"] == names
    assert sorted(found["redo"]) == names[2::4]
    assert sorted(found["look"]) == names[1::4]
    assert sorted(found["person"]) == [n for k, n in enumerate(names) if k % 7 == 1 and k % 4 != 3]
    assert sorted(found["reason"]) == sorted(names[1::4] + names[2::4])
    assert found["rejected"] == found["noted"] == ["00000100"]
    assert HOSTILE in found["note"]
    assert "10:00:00:00 · 0:04.3 · frame 104" in found["note"]
    assert "rejected, take 1 the film shows take 2" in found["note"]
    assert "approved, its own picture" in found["approved"]
    assert "the film shows" not in found["approved"]
    assert "settings of its own: motion.amplitude=0.8" in found["note"]
    changed = {name for k, name in enumerate(names) if k % 4 != 3}
    assert set(found["open"]) == changed - {"00000100", "00000020"}
    assert found["search"] == ["00000100"]
    assert found["focused"] == f"s{found['all'][0]}"
    assert found["clicked"] == "s00000100"
    assert HOSTILE in found["text"]
    assert found["wide"] <= found["window"]
    assert found["cells"] <= found["window"]  # nothing of what people or licences are told by is cut off
    assert found["covered"] <= 0  # the bar of filters does not lie over the shot that a key goes to
    assert -1 < found["leafed"] < 200
    assert found["right"] <= found["window"]
