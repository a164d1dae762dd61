"""Defects put into a dubbed face: into its patches before they are blended, or into the sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.measures import Measures
from dubcli.engines.trackers.mediapipe import Finder
from dubcli.face import mesh as regions
from dubcli.media import decode, spans
from dubcli.media.patches import Placed
from dubcli.quality import face, observe
from dubcli.quality.subject import Sound, Subject


@dataclass
class Case:
    """A changed face with its patches in memory.

    Attributes:
        name: job and face.
        subject: the face.
        frames: decoded, those that are measured.
        patches: by frame number.
        own: descriptors of the person's footage.
        shifted: what the dub asks for when it is that many seconds later.
        clean: what was seen without a defect.
    """

    name: str
    subject: Subject
    frames: list[decode.Frame]
    patches: dict[int, Placed]
    own: list[Any]
    shifted: Callable[[float], Sound]
    clean: observe.Seen | None = None

    def seen(self, finder: Finder, change: Change | None = None) -> observe.Seen:
        """Observe the face, with each patch changed."""
        made = {
            index: change(self, index, patch) if change else patch for index, patch in self.patches.items()
        }
        table = _Table(made)
        every = [(self.frames[0].index, self.frames[-1].index + 1)]
        return observe.observe(self.subject, every, self.frames, table, finder, self.own)


Change = Callable[[Case, int, Placed], Placed]


@dataclass
class _Table:
    made: dict[int, Placed]

    def at(self, index: int) -> Placed | None:
        return self.made.get(index)


# Defects in the picture: each changes one patch.


def blurred(share: float) -> Change:
    """Blurred by that share of the eye distance."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        rgb, mask, x, y = patch
        return cv2.GaussianBlur(rgb, (0, 0), share * _eyes(case, index)), mask, x, y

    return change


def flickering(gain: float) -> Change:
    """Brighter and darker by that share, from frame to frame."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        rgb, mask, x, y = patch
        return _gained(rgb, 1 + gain * (1 if index % 2 else -1)), mask, x, y

    return change


def hard_edge(gain: float) -> Change:
    """Without a feather, and brighter by that share."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        rgb, mask, x, y = patch
        return (
            _gained(rgb, 1 + gain),
            np.where(mask > mask.max() // 10, np.iinfo(mask.dtype).max, 0).astype(mask.dtype),
            x,
            y,
        )

    return change


def coloured(gain: float) -> Change:
    """Redder by that share, feathered as it was."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        rgb, mask, x, y = patch
        return np.clip(rgb * np.array([1 + gain, 1, 1 - gain]), 0, 255).astype(np.uint8), mask, x, y

    return change


def held(frames: int) -> Change:
    """One picture for that many frames; 0 for all."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        numbers = sorted(case.patches)
        at = numbers.index(index)
        return _moved(case, numbers[at - at % frames if frames else 0], index)

    return change


def dropped(part: float) -> Change:
    """That part of all closures shows the most open mouth near it."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        subject, first = case.subject, int(case.subject.track.frames[0])
        runs = spans.runs_of_true(subject.closed > 0.5)
        for number, (start, stop) in enumerate(runs):
            if start - 2 <= index - first < stop + 2 and number < round(part * len(runs)):
                near = [n for n in case.patches if start - 8 <= n - first < stop + 8]
                target = np.nan_to_num(subject.target)
                return _moved(case, max(near, key=lambda n: float(target[n - first])), index)
        return patch

    return change


def partly(change: Change) -> Change:
    """The defect for `PART_SECONDS` in the second half of what was changed."""

    def part(case: Case, index: int, patch: Placed) -> Placed:
        numbers = sorted(case.patches)
        start = numbers[len(numbers) // 2]
        return change(case, index, patch) if 0 <= index - start < PART_SECONDS * case.subject.rate else patch

    return part


def anothers(other: Case, matched: bool) -> Change:
    """Another person's mouth, its colours matched or not."""

    def change(case: Case, index: int, patch: Placed) -> Placed:
        rgb, mask, x, y = patch
        frame = other.frames[index % len(other.frames)]
        track = other.subject.track
        points = list(regions.RIGID) + list(regions.LIPS_OUTER)
        theirs = track.mesh[frame.index - track.frames[0]][points, :2]
        ours = case.subject.track.mesh[index - case.subject.track.frames[0]][points, :2] - (x, y)
        matrix, _ = cv2.estimateAffinePartial2D(theirs, ours, method=cv2.LMEDS)
        picture = cv2.warpAffine(frame.eight_bit(), matrix, rgb.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        if matched:
            inside = mask > 0
            mean, own = picture[inside].mean(axis=0), rgb[inside].mean(axis=0)
            picture = np.clip(picture * (own / np.maximum(mean, 1)), 0, 255).astype(np.uint8)
        return picture, mask, x, y

    return change


def _moved(case: Case, source: int, index: int) -> Placed:
    """The patch of one frame where the head is in another one."""
    rgb, mask, x, y = case.patches[source]
    mesh, first = case.subject.track.mesh, int(case.subject.track.frames[0])
    step = mesh[index - first, regions.NOSE_BASE, :2] - mesh[source - first, regions.NOSE_BASE, :2]
    return rgb, mask, x + round(float(step[0])), y + round(float(step[1]))


def _gained(rgb: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(rgb * gain), 0, 255), np.uint8)


def _eyes(case: Case, index: int) -> float:
    mesh = case.subject.track.mesh[index - case.subject.track.frames[0]]
    return float(np.linalg.norm(mesh[regions.EYE_LEFT] - mesh[regions.EYE_RIGHT]))


def silenced(subject: Subject, part: float) -> Subject:
    """The face, with the dub silent in that part of its frames and the mouth to be kept still there."""
    still = subject.still.copy()
    still[: round(part * len(still))] = True
    return dataclasses.replace(subject, still=still)


PART_SECONDS = 1.5
PICTURE: tuple[tuple[str, tuple[tuple[float, bool], ...], Callable[[float], Change]], ...] = (
    ("blurred, share of the eye distance", ((0.01, False), (0.03, True), (0.05, True)), blurred),
    ("gain flickers by", ((0.01, False), (0.04, True), (0.08, True)), flickering),
    ("blurred for 1.5 s", ((0.05, True),), lambda share: partly(blurred(share))),
    ("another colour for 1.5 s", ((0.15, True),), lambda gain: partly(coloured(gain))),
    ("hard edge, brighter by", ((0.02, False), (0.06, True), (0.12, True)), hard_edge),
    ("another colour, redder by", ((0.02, False), (0.08, True), (0.15, True)), coloured),
    ("held for so many frames (0: all)", ((3, False), (12, True), (0, True)), lambda n: held(int(n))),
    ("closures dropped, part", ((0.34, False), (1.0, True)), dropped),
)
SHIFTS = ((-0.08, False), (-0.2, True), (-0.28, True), (0.04, False), (0.12, False), (0.2, True))
SILENCES = ((0.5, True), (1.0, True))


def injected(case: Case, other: Case, finder: Finder) -> Iterator[tuple[str, float, bool, Measures]]:
    """Defect, strength, whether a viewer notices it, and what is measured."""
    assert case.clean
    for later, noticed in SHIFTS:
        subject = dataclasses.replace(case.subject, dub=case.shifted(later))
        yield "dub later by, s", later, noticed, face.measures(subject, case.clean)
    for part, noticed in SILENCES:
        yield "moves in silence, part", part, noticed, face.measures(silenced(case.subject, part), case.clean)
    for matched in (False, True):
        seen = case.seen(finder, anothers(other, matched))
        yield "another's mouth (1: colours matched)", float(matched), True, face.measures(case.subject, seen)
    for name, strengths, make in PICTURE:
        for strength, noticed in strengths:
            if make is dropped and case.clean is not None:
                closed = face.measures(case.subject, case.clean).closures
                if closed < 3:  # too few for a viewer, or a measure, to go by
                    continue
            yield name, strength, noticed, face.measures(case.subject, case.seen(finder, make(strength)))
