"""The page of a report: its size, its texts, what it draws."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import groupby

import numpy as np

from dubcli.artifacts import report as model
from dubcli.artifacts.measures import Violation
from dubcli.report import page, plot
from dubcli.report.pictures import _MOST_POSTERS, _MOST_VISITED, Pictures
from dubcli.report.stills import Shown
from tests.unit.reports import HOSTILE, hostile, shots


def test_the_page_of_a_feature_film_stays_small() -> None:
    """2,500 shots, 40 people, two faces in each shot, as many pictures as there may be."""
    source, size, rng = hostile(), 70, np.random.default_rng(1)
    shot, face, shots = source.shots[0], source.shots[0].faces[0], []
    for number in range(2500):
        start, stop = number * size, (number + 1) * size
        lines = [tuple(np.round(rng.uniform(0, 0.3, size), 4).tolist()) for _ in range(3)]
        update = {
            "start": start,
            "stop": stop,
            "cues": (model.Cue(start=start + 5, stop=stop - 5, kind="speak", confidence=0.9),),
            "skipped": tuple(model.Skip(start=a, stop=a + 5, reason="lost") for a in (start, stop - 5)),
            "changed": ((start + 5, stop - 5),),
            "curves": model.Curves(start=start, source=lines[0], target=lines[1], dubbed=lines[2]),
            "person": f"Person {number % 40}",
        }
        faces = tuple(face.model_copy(update=update | {"name": f"{start:08}.{k}"}) for k in range(2))
        span = {"name": f"{start:08}", "start": start, "stop": stop, "seconds": start / 24}
        shots.append(shot.model_copy(update=span | {"faces": faces}))
    film = source.film.model_copy(update={"frames": 2500 * size, "seconds": 2500 * size / 24})
    report = source.model_copy(update={"film": film, "shots": tuple(shots)})
    side, wide, loop = (rng.integers(0, 256, count, np.uint8).tobytes() for count in (8_000, 5_000, 40_000))
    pictures = Pictures(
        posters={one.name: wide for one in shots[:_MOST_POSTERS]},
        faces={
            one.faces[0].name: Shown([(one.start + k, side, side) for k in range(3)], loop, 24)
            for one in shots[:_MOST_VISITED]
        },
    )
    assert len(page.page(report, pictures).encode()) < 30e6
    assert len(report.text().encode()) < 30e6


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("type") or "")
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_names_are_text_on_the_page_and_nothing_is_loaded() -> None:
    pictures = Pictures(
        posters={HOSTILE: b"x"}, faces={"0.0": Shown([(3, b"y", b"z")], b"w", 2)}, people={"p01": b"v"}
    )
    text = page.page(hostile(), pictures)
    seen = _Tags()
    seen.feed(text)
    assert seen.scripts == ["application/json", "application/json", ""]
    (own,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text  # nothing else runs
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", own)  # text goes in as text
    assert seen.tags.isdisjoint({"iframe", "object", "embed", "link", "base", "form"})
    assert all(link.startswith("data:image/jpeg;base64,") for link in seen.links)
    assert HOSTILE in seen.text
    assert shots(text)[0]["faces"][0]["reasons"] == [["seam", "look", HOSTILE, HOSTILE]]
    assert "url(" not in text


def test_a_missed_sound_is_told_with_its_own_source_timecode() -> None:
    """It was told by its shot's and a number of frames; here a minute drops two labels."""
    report = hostile()
    shot, face = report.shots[0], report.shots[0].faces[0]
    assert face.measures
    missed = Violation(frame=4, seconds=0.13, phone="P", kind="closure", measured=0.2, limit=0.05)
    measures = face.measures.model_copy(update={"violations": (missed,)})
    faces = (face.model_copy(update={"measures": measures}),)
    shot = shot.model_copy(update={"timecode": "00:00:59;28", "faces": faces})
    film = report.film.model_copy(update={"rate": (30000, 1001)})
    made = report.model_copy(update={"film": film, "shots": (shot,)})
    shown = Pictures(faces={"0.0": Shown([(3, b"y", b"z")], b"", 0)})
    assert shots(page.page(made, shown))[0]["timecodes"] == {"3": "00:01:00;03", "4": "00:01:00;04"}


def test_a_long_curve_is_thinned_and_keeps_its_peaks() -> None:
    line = [0.1] * 50_000
    line[31_234] = 0.3
    frames, values = plot.thinned(line, 480)
    assert len(frames) == len(values) <= 480
    assert values[frames.index(31_234)] == 300
    assert plot.thinned([None, None], 480) == [[], []]


def test_the_timeline_shows_as_spoken_only_what_was_changed() -> None:
    report = hostile()
    kinds = re.findall(r'<rect class="(speak|untouched)"', str(plot.timeline(report)))
    assert kinds == ["speak"]
    face = report.shots[0].faces[0].model_copy(update={"changed": ((1, 2), (3, 5)), "person": "Anna"})
    shot = report.shots[0].model_copy(update={"faces": (face,)})
    drawn = str(plot.timeline(report.model_copy(update={"shots": (shot,)})))
    assert re.findall(r'<rect class="(\w+)"[^>]*><title>Anna', drawn) == ["untouched", "speak"] * 2


def test_of_2500_shots_the_timeline_shows_those_to_be_redone() -> None:
    """Three of them, a pixel's third each, among good ones and some to look at."""
    source, redo = hostile(), {700, 1300, 2499}
    kinds = ["redo" if n in redo else "look" if n % 9 == 0 else "good" for n in range(2500)]
    found = [
        source.shots[0].model_copy(
            update={"name": f"{70 * n:08}", "start": 70 * n, "stop": 70 * n + 70, "seconds": 70 * n / 24}
            | {"verdict": kind, "faces": ()}
        )
        for n, kind in enumerate(kinds)
    ]
    film = source.film.model_copy(update={"frames": 175_000, "seconds": 175_000 / 24})
    drawn = str(plot.timeline(source.model_copy(update={"shots": tuple(found), "film": film})))
    rects = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="10" width="([\d.]+)".*?data-shot="(\d+)"', drawn)
    assert sorted(int(name) // 70 for *_, name in rects) == list(range(2500))
    shown: dict[int, str] = {}  # tenth of a pixel → what is seen there: the last that was drawn
    for kind, x, width, _ in rects:
        first = round(10 * float(x))
        shown |= dict.fromkeys(range(first, first + round(10 * float(width))), kind)
    runs = [(kind, len(list(run))) for kind, run in groupby(shown[at] for at in sorted(shown))]
    assert [tenths for kind, tenths in runs if kind == "redo"] == [30, 30, 30]
    assert min(tenths for kind, tenths in runs if kind == "look") > 0
    assert max(shown) < 9600


def test_clock() -> None:
    assert [plot.clock(s) for s in (0, 59.97, 61.25, 3725.5)] == ["0:00.0", "1:00.0", "1:01.2", "1:02:05.5"]
