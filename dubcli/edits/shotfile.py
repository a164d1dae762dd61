"""`shots.yaml`: a person's edits of the shots.

    start: "01:00:00:00"          # timecode of the film's first frame, where its file has none or another
    cuts: [104, "01:00:07:12"]    # where shots begin; replaces the detected cuts
    merge: [104]                  # the shot that begins here goes on with the one before
    split: ["01:00:05:00"]        # a shot begins here
    skip: [0]                     # the shot that begins here is never touched

A position is a frame of the film, counted from 0, or its timecode. `cuts` comes first, then `merge`, then
`split`; `skip` names shots as they are then, by their first frame, so that it never applies to another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dubcli.edits.timecode import PATTERN, Clock
from dubcli.errors import ConfigError
from dubcli.settings.document import Document, Keys, read

if TYPE_CHECKING:
    from dubcli.artifacts.media import MediaInfo

NAME = "shots.yaml"


def _check_timecode(text: str) -> str:
    if text and not re.match(PATTERN, text):
        raise ValueError("write a timecode as HH:MM:SS:FF")
    return text


Timecode = Annotated[str, AfterValidator(_check_timecode)]
Position = Annotated[int, Field(ge=0)] | Timecode


class ShotFile(BaseModel):
    """The whole file; see the module's text."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)

    start: Timecode = ""
    cuts: tuple[Position, ...] | None = None
    merge: tuple[Position, ...] = ()
    split: tuple[Position, ...] = ()
    skip: tuple[Position, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing, as the template."""
        return self == ShotFile()


@dataclass(frozen=True)
class Edges:
    """Where shots begin after a person's edits, from frame 0 on, and the first frames of those to skip."""

    starts: tuple[int, ...]
    skipped: tuple[int, ...]


def clock(root: Path, info: MediaInfo) -> Clock:
    """The timecode of a job's film: from that in `shots.yaml` where there is one, else the film's own."""
    path = root / NAME
    return Clock.of(info, first_timecode(path) if path.is_file() else "")


def first_timecode(path: Path) -> str:
    """The timecode that the file gives to the film's first frame, "" where it gives none.

    Raises:
        ConfigError: the file is not well formed.
    """
    return load(path)[1].start


def load(path: Path) -> tuple[Document, ShotFile]:
    """Read the file and check it as far as possible without the film.

    Raises:
        ConfigError: it is not well formed; file, line and column are named.
    """
    document = read(path)
    return document, document.model(ShotFile)


def apply_edits(
    document: Document, file: ShotFile, detected: Sequence[int], count: int, clock: Clock
) -> Edges:
    """The shots after a person's edits.

    Args:
        document: for the positions of errors.
        file: the edits.
        detected: first frames of the detected shots, from 0 on.
        count: frames of the film.
        clock: the film's timecode.

    Raises:
        ConfigError: positions are outside the film, or name no shot; all of them, a line each.
    """
    work = _Work(document, clock, count)
    starts = set(detected)
    if file.cuts is not None:
        starts = {0, *(frame for _, frame in work.frames("cuts", file.cuts))}
    for row, frame in work.frames("merge", file.merge):
        if frame == 0 or frame not in starts:
            work.problem(("merge", row), f"no shot begins at {frame} that could go on with the one before")
        starts.discard(frame if frame else -1)
    for row, frame in work.frames("split", file.split):
        if frame in starts:
            work.problem(("split", row), f"a shot begins at {frame} already")
        starts.add(frame)
    skipped = work.frames("skip", file.skip)
    for row, frame in skipped:
        if frame not in starts:
            within = max(start for start in starts if start <= frame)
            work.problem(("skip", row), f"no shot begins at {frame}; the one there begins at {within}")
    if work.problems:
        raise ConfigError("\n".join(work.problems))
    return Edges(tuple(sorted(starts)), tuple(sorted({frame for _, frame in skipped})))


@dataclass
class _Work:
    """Resolves positions and collects what is wrong with them."""

    document: Document
    clock: Clock
    count: int
    problems: list[str] = field(default_factory=list)

    def problem(self, keys: Keys, text: str) -> None:
        self.problems.append(f"{self.document.at(keys)}: {text}")

    def frames(self, name: str, positions: Sequence[int | str]) -> list[tuple[int, int]]:
        """Row and frame of the positions of a list that are in the film."""
        found = []
        for row, position in enumerate(positions):
            try:
                frame = self.clock.frame(position) if isinstance(position, str) else position
            except ConfigError as error:
                self.problem((name, row), str(error))
                continue
            if frame >= self.count:
                last = self.clock.at(self.count - 1) if isinstance(position, str) else str(self.count - 1)
                self.problem((name, row), f"{position} is not in the film, which ends with {last}")
                continue
            found.append((row, frame))
        return found


def template(starts: Sequence[int]) -> str:
    """A `shots.yaml` that changes nothing yet, to be edited by hand."""
    rows = ", ".join(map(str, starts[:12])) + (", …" if len(starts) > 12 else "")
    return (
        "# Where shots begin: frames of the film from 0, or its timecode. The next dubcli run applies it.\n"
        f"# Shots begin now at: {rows}\n"
        "# merge: [104]              # the shot that begins here goes on with the one before\n"
        '# split: ["01:00:05:00"]    # a shot begins here\n'
        "# skip: [0]                 # the shot that begins here is never touched\n"
    )


def text(file: ShotFile) -> str:
    """The file's content."""
    import yaml

    data = file.model_dump(mode="json", exclude_defaults=True)  # no cuts at all are not the detected ones
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=100)
