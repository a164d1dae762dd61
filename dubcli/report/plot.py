"""The film's timeline as inline SVG, and curves thinned for the page."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from markupsafe import Markup

from dubcli.artifacts.report import Report, Shot
from dubcli.media import spans

# Sizes in pixels of the SVG's own coordinates, set by hand.
_WIDTH = 960
_RIGHT, _TOP, _BOTTOM = 8, 10, 22  # margins
_LANE = 18  # height of a row
_GAP = 0.8  # between blocks; the width that one has at least
# What a person looks for stays visible where a pixel has several shots: kind → least width, in the order in
# which they are drawn over the others. Of 3 pixels, 2 are left where the page is as narrow as it gets.
_MARKED = {"look": 2.0, "failed": 3.0, "redo": 3.0}
_MOST_PEOPLE = 8  # that have a lane
_NAMES = 80  # pixels for the names of lanes
_LABEL = 60  # pixels for a label of the time axis
_STEPS_SECONDS = (0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)  # of the time axis

Block = tuple[float, float, str, str]  # start and stop in seconds, kind, title


def clock(seconds: float) -> str:
    """Seconds as `1:02:03.4`, hours only where there are any."""
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"


def kind(shot: Shot) -> str:
    """What a shot is shown as: its verdict, `untouched`, `failed`, or `changed` where none was measured."""
    return str(shot.state if shot.state == "failed" else shot.verdict or shot.state)


def frame_seconds(report: Report, frame: int) -> float:
    """Time of a frame; within a shot, frames are taken as evenly spaced."""
    rate = report.film.rate[0] / report.film.rate[1]
    index = bisect_right(report.shots, frame, key=lambda shot: shot.start) - 1
    if index < 0:
        return frame / rate
    shot = report.shots[index]
    return shot.seconds + (frame - shot.start) / rate


def timeline(report: Report) -> Markup:
    """The film from left to right: its shots, the dub's speech, and which face speaks it."""
    length = max(report.film.seconds, 1e-6)
    edges = [shot.seconds for shot in report.shots] + [length]
    spoken: dict[str, list[Block]] = {}
    for face in (face for shot in report.shots for face in shot.faces):
        for cue in face.cues:
            span = (cue.start, cue.stop)
            rest = "failed" if face.state == "failed" else "untouched"
            parts = [(part, str(cue.kind)) for part in spans.clip(face.changed, span)]
            parts += [(part, rest) for part in spans.subtract(span, face.changed)]
            for (first, last), form in sorted(parts):
                start, stop = (frame_seconds(report, frame) for frame in (first, last))
                spoken.setdefault(face.person, []).append((start, stop, form, f"{face.person}: {form}"))
    people = sorted(spoken, key=lambda name: -sum(b - a for a, b, _, _ in spoken[name]))[:_MOST_PEOPLE]
    lanes: dict[str, list[Block]] = {
        "shots": [
            (start, stop, kind(shot), f"shot {shot.name}: {shot.what}")
            for shot, (start, stop) in zip(report.shots, pairwise(edges), strict=True)
        ],
        "dub": [(span.start, span.stop, "speech", "dub speech") for span in report.speech],
    }
    lanes |= {name: spoken[name] for name in people}
    if report.offscreen:
        lanes["off screen"] = [(span.start, span.stop, "off", "off screen") for span in report.offscreen]
    drawn: list[Markup] = []
    for number, (name, blocks) in enumerate(lanes.items()):
        y = _TOP + number * (_LANE + 6)
        drawn.append(Markup('<text x="0" y="{}" class="name">{}</text>').format(y + 13, _abbreviate(name)))
        for index, (start, stop, form, title) in sorted(enumerate(blocks), key=lambda one: _rank(one[1][2])):
            left, right = (_across(min(at, length) / length, _NAMES) for at in (start, stop))
            words = f"{title} {clock(start)}–{clock(stop)}"
            shot = report.shots[index].name if name == "shots" else ""
            width = max(_MARKED.get(form, _GAP), right - left - _GAP)
            drawn.append(_rect(form, left, y, width, _LANE, words, shot))
    bottom = _TOP + len(lanes) * (_LANE + 6)
    drawn += _time_axis(0, length, bottom, _NAMES)
    return _svg("Timeline of the film", bottom + _BOTTOM, drawn, "timeline")


def _rank(form: str) -> int:
    """Which kinds of blocks are drawn over which."""
    return list(_MARKED).index(form) if form in _MARKED else -1


def thinned(line: Sequence[float | None], most: int) -> list[list[int | None]]:
    """Points of a curve for the page: frames after its start, and values in thousandths.

    Args:
        line: one value a frame, None where it is not known.
        most: points at most; of a longer curve the lowest and highest of each short range are kept.
    """
    points = _decimate(line, most)
    if all(value is None for _, value in points):
        return [[], []]
    return [[at for at, _ in points], [None if value is None else round(1000 * value) for _, value in points]]


def _across(part: float, left: float) -> float:
    return left + part * (_WIDTH - left - _RIGHT)


def _time_axis(begin: float, end: float, y: float, left: float) -> Iterator[Markup]:
    span = max(end - begin, 1e-6)
    step = next((s for s in _STEPS_SECONDS if span / s <= 12), _STEPS_SECONDS[-1])
    for k in range(math.ceil(begin / step - 1e-9), math.floor(end / step + 1e-9) + 1):
        x = _across((k * step - begin) / span, left)
        yield Markup('<path class="grid" d="M{} {}v4"/>').format(_number(x), _number(y))
        # A label in the middle of the last tick would be cut off.
        at, anchor = (x, "middle") if x < _WIDTH - _LABEL / 2 else (_WIDTH, "end")
        yield _tick(at, y + 16, clock(k * step), anchor)


def _rect(form: str, x: float, y: float, width: float, height: float, title: str, shot: str = "") -> Markup:
    size = Markup('x="{}" y="{}" width="{}" height="{}"').format(*map(_number, (x, y, width, height)))
    link = Markup(' data-shot="{}"').format(shot) if shot else ""
    return Markup('<rect class="{}" {} rx="1.5"{}><title>{}</title></rect>').format(form, size, link, title)


def _tick(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        _number(x), _number(y), anchor, text
    )


def _decimate(line: Sequence[float | None], most: int) -> list[tuple[int, float | None]]:
    """Points of a curve; of a long one, the lowest and highest of each short range."""
    points = list(enumerate(line))
    size = -(-2 * len(points) // most)
    if size <= 2:
        return points
    kept: list[tuple[int, float | None]] = []
    for start in range(0, len(points), size):
        known = [(k, v) for k, v in points[start : start + size] if v is not None]
        if known:
            kept += sorted({min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])})
        else:
            kept.append((start, None))
    return kept


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _abbreviate(name: str) -> str:
    return name if len(name) <= 11 else name[:10] + "…"


def _svg(title: str, height: int, parts: Iterable[Markup], kind: str) -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, _WIDTH, height, title, Markup("").join(parts)
    )
