"""The people of the film: what was done to each, and how well that could be expected to go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import gallery, tracks
from dubcli.artifacts.mouth import MouthFacts, PersonFit
from dubcli.artifacts.report import Face, Person
from dubcli.quality.forecast import forecast
from dubcli.report import stills
from dubcli.report.gather import Subject, Work

_STEP_DEGREES = 6.0  # cells of yaw and pitch; a pose is in the footage if its cell or a neighbour is
_CELLS = 31  # cells from -90 to 90 degrees
_PORTRAITS = 60  # people with a picture, those with most frames first; set by hand


@dataclass
class _Count:
    """What was seen of one person."""

    faces: int = 0
    faces_changed: int = 0
    frames_changed: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    posed: int = 0  # frames to dub
    covered: int = 0  # those whose pose the footage has


class Tally:
    """Counts what was done to each person, face by face."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._counts: dict[str, _Count] = {}
        self._cells: dict[str, tuple[NDArray[np.bool_], int]] = {}
        folder = work.inputs["learn"]
        self._fits: dict[str, PersonFit] = dict(MouthFacts.load(folder).people)

    def add(self, subject: Subject, face: Face) -> None:
        """Take in a face."""
        count = self._counts.setdefault(subject.owner, _Count())
        count.faces += 1
        count.faces_changed += face.state == "changed"
        count.frames_changed += face.frames_changed
        if face.verdict:
            count.verdicts[face.verdict] += 1
        if subject.cues and f"gallery/{subject.owner}" in self._work.inputs:
            cells, _ = self._footage(subject.owner)
            asked = np.zeros(len(subject.track.frames), bool)
            for cue in subject.cues:
                asked[max(0, cue.start - subject.start) : max(0, cue.stop - subject.start)] = True
            yaw, pitch = _cell(subject.track.pose[asked & subject.track.eligible])
            count.posed += len(yaw)
            count.covered += int(cells[yaw, pitch].sum())

    def people(self) -> tuple[Person, ...]:
        """The persons, those with most frames first."""
        found = []
        for person in self._work.cast.persons:
            count, fit = self._counts.get(person.id, _Count()), self._fits.get(person.id)
            told = None
            if count.posed:
                footage = self._footage(person.id)[1]
                known = (fit.seconds, fit.corr) if fit else (None, None)
                told = forecast(footage, *known, count.covered / count.posed)
            found.append(
                Person(
                    name=person.name or person.id,
                    id=person.id,
                    faces=count.faces,
                    faces_changed=count.faces_changed,
                    frames_changed=count.frames_changed,
                    good=count.verdicts["good"],
                    look=count.verdicts["look"],
                    redo=count.verdicts["redo"],
                    forecast=told.level if told else None,
                    because=told.because if told else "",
                    consent=person.consent,
                )
            )
        return tuple(found)

    def portraits(self) -> dict[str, bytes]:
        """A JPEG of each person that has a thumbnail, by id."""
        out = {}
        for person in self._work.cast.persons[:_PORTRAITS]:
            for shot, number in person.faces[:1]:
                if (folder := self._work.inputs.get(f"tracks/{shot}")) is not None:
                    thumbs = tracks.thumbs(folder, number)
                    if len(thumbs):
                        out[person.id] = stills.portrait(thumbs[len(thumbs) // 2])
        return out

    def _footage(self, person: str) -> tuple[NDArray[np.bool_], int]:
        """Cells of head pose that a person's footage has, and its number of frames."""
        if person not in self._cells:
            bank = gallery.load(self._work.inputs[f"gallery/{person}"])
            cells = np.zeros((_CELLS, _CELLS), bool)
            yaw, pitch = _cell(bank.pose)
            for right in (-1, 0, 1):
                for down in (-1, 0, 1):
                    cells[np.clip(yaw + right, 0, _CELLS - 1), np.clip(pitch + down, 0, _CELLS - 1)] = True
            self._cells[person] = cells, len(bank)
        return self._cells[person]


def _cell(pose: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells of yaw and pitch of poses (N, 3) in degrees."""
    cells = np.clip(np.round(pose[:, :2] / _STEP_DEGREES) + _CELLS // 2, 0, _CELLS - 1).astype(np.int64)
    return cells[:, 0], cells[:, 1]
