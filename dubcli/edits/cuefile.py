"""Cues as a person edits them: what `dubcli cue export` writes and `import` reads, and a job's `cues.json`.

A file is a list of cues, as JSON (`{"cues": [{...}]}`) or as CSV with the same names over its columns:

    shot,track,person,kind,start,stop
    00000120,0,p01,speak,131,178
    00000120,1,,still,0:00:05.24,0:00:07

The list is complete for a shot: a face without a cue there is not changed. `start` and `stop`
are frames of the film, half-open, or times. `track` may be left out where the person is in the shot once,
`person` always; other columns of an export are for display only. `amplitude` is how far the mouth moves, 1 by
default, and `style` the style in which it moves (`edits.stylefile`), not the person's; a line may be split
into adjacent cues, to give a word its own. `shots` names the shots that the list replaces; without it,
all. A job keeps in its `cues.json` only the shots that a person has changed.
"""

from __future__ import annotations

import bisect
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dubcli.edits import shotname
from dubcli.edits.persons import called
from dubcli.edits.stylefile import StyleName
from dubcli.errors import ConfigError, counted
from dubcli.settings.document import Document, Keys, suggestion
from dubcli.settings.table import read_rows, to_integer, to_number

COLUMNS = (
    "shot",
    "track",
    "person",
    "kind",
    "start",
    "stop",
    "amplitude",
    "style",
    "time",
    "name",
    "confidence",
    "why",
)

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,6})?)")


def _shot(value: Any) -> Any:
    """A shot's name; spreadsheets drop leading zeros."""
    number = str(to_integer(value))
    if isinstance(value, str) and not (number.isdecimal() and len(number) <= 12):
        raise ValueError("a shot is called by its first frame, such as 00000120")
    return number.zfill(8) if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    """A word in small letters; spreadsheets begin cells with a capital."""
    return value.lower() if isinstance(value, str) else value


def _moment(value: int | str) -> int | str:
    if isinstance(value, str) and not _CLOCK.fullmatch(value):
        raise ValueError("must be a frame, such as 131, or a time, such as 0:00:05.24")
    return value


Shot = Annotated[str, BeforeValidator(_shot), Field(pattern=r"^\d{8,12}$")]
Moment = Annotated[Annotated[int, Field(ge=0)] | str, BeforeValidator(to_integer), AfterValidator(_moment)]


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class Row(_Strict):
    """A cue as written; `time`, `name`, `confidence`, `why` and `evidence` are for display only."""

    shot: Shot
    track: Annotated[int | None, BeforeValidator(to_integer), Field(ge=0, le=9999)] = None
    person: str = ""
    kind: Annotated[Literal["speak", "still"], BeforeValidator(_lower)]
    start: Moment
    stop: Moment
    amplitude: Annotated[float, BeforeValidator(to_number), Field(gt=0, le=3)] = 1.0
    style: StyleName = ""
    time: Any = None
    name: Any = None
    confidence: Any = None
    why: Any = None
    evidence: Any = None


class CueFile(_Strict):
    """The whole file."""

    cues: tuple[Row, ...]
    shots: tuple[Shot, ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it replaces the cues of no shot."""
        return self.shots == ()

    def styles(self) -> Iterator[tuple[Keys, str]]:
        """The styles it names, each with its place."""
        return ((("cues", k, "style"), row.style) for k, row in enumerate(self.cues))


@dataclass(frozen=True, order=True)
class Edit:
    """A cue as a person has edited it: half-open frames of a track that speak, and how, or are kept still."""

    track: int
    start: int
    stop: int
    kind: Literal["speak", "still"]
    amplitude: float = 1.0
    style: str = ""


@dataclass(frozen=True)
class Face:
    """A track as cues need it: its frames, half-open, and whose it is (an id of the cast, or "")."""

    first: int
    stop: int
    person: str


@dataclass(frozen=True)
class Film:
    """What cues are checked against.

    Attributes:
        shots: name → first frame, frame after the last.
        faces: shot → its tracks in order.
        persons: id → name of everyone in the cast.
        seconds: time of every frame of the film.
    """

    shots: Mapping[str, tuple[int, int]]
    faces: Mapping[str, Sequence[Face]]
    persons: Mapping[str, str]
    seconds: Sequence[float]

    def person(self, word: str) -> str:
        """The id of a person called by id or name.

        Raises:
            ValueError: nobody is called so, or several are.
        """
        found = called(word, self.persons)
        if len(found) > 1:
            raise ValueError(f"{' and '.join(found)} are called {word!r}; write the id of one")
        if not found:
            known = [name or one for one, name in self.persons.items()]
            raise ValueError(f"there is no person {word!r} in the cast{suggestion(word, known)}")
        return found[0]


def film(split: Path, tracks: Mapping[str, Path], cast: Path) -> Film:
    """The film described by the artifacts of these stages.

    Args:
        split, cast: folders of their files.
        tracks: folders by shot.
    """
    from dubcli.artifacts.cast import Cast
    from dubcli.artifacts.shots import Frames, Shots
    from dubcli.artifacts.tracks import summaries

    people = Cast.load(cast)
    whose = {face: person.id for face, person in people.owners.items()}
    return Film(
        shots={shot.name: (shot.start, shot.stop) for shot in Shots.load(split).shots},
        faces={
            shot: [
                Face(one.first, one.stop, whose.get((shot, k), ""))
                for k, one in enumerate(summaries(path, shot))
            ]
            for shot, path in tracks.items()
        },
        persons=people.names,
        seconds=Frames.load(split).seconds.tolist(),
    )


def load(path: Path) -> tuple[Document, CueFile]:
    """Read the file and check it as far as possible without the film; a table or JSON.

    Raises:
        ConfigError: it is not well formed; file, line and column are named.
    """
    document = read_rows(path, "cues", COLUMNS, ("shot", "kind", "start", "stop"))
    return document, document.model(CueFile)


def resolve(document: Document, file: CueFile, film: Film) -> dict[str, list[Edit]]:
    """The edits of each shot in the file, in order.

    Raises:
        ConfigError: a shot, face or person is not there, a cue leaves its shot or its face's frames, or two
            cues of a face overlap; file, line and column are named.
    """
    for k, shot in enumerate(file.shots or ()):
        if shot not in film.shots:
            raise ConfigError(
                f"{document.at(('shots', k))}: there is no shot {shot}{shotname.nearest(shot, film.shots)}"
            )
    found: dict[str, list[Edit]] = {shot: [] for shot in (film.shots if file.shots is None else file.shots)}
    lines: dict[tuple[str, Edit], int] = {}
    for k, row in enumerate(file.cues):
        if row.shot not in film.shots:
            near = shotname.nearest(row.shot, film.shots)
            raise ConfigError(f"{document.at(('cues', k, 'shot'))}: there is no shot {row.shot}{near}")
        if row.shot not in found:
            place = document.at(("cues", k, "shot"))
            raise ConfigError(f"{place}: shot {row.shot} is not in the list of shots; add it there")
        edit = _edit(document, k, row, film)
        for other in found[row.shot]:
            if other.track == edit.track and other.start < edit.stop and edit.start < other.stop:
                place = document.at(("cues", k, "start"))
                first = document.at(("cues", lines[row.shot, other]))
                raise ConfigError(f"{place}: overlaps the cue of the same face at {first}; shorten one")
        lines[row.shot, edit] = k
        found[row.shot].append(edit)
    return {shot: sorted(edits) for shot, edits in found.items()}


def _edit(document: Document, k: int, row: Row, film: Film) -> Edit:
    faces = film.faces.get(row.shot, ())
    start, stop = (_frame(document, k, key, row, film) for key in ("start", "stop"))
    track = _track(document, k, row, film, start, stop)
    if stop <= start:
        place = document.at(("cues", k, "stop"))
        raise ConfigError(f"{place}: the cue stops at frame {stop}, not after its start at {start}")
    first, last = faces[track].first, faces[track].stop
    for key, frame, inside in (("start", start, start >= first), ("stop", stop, stop <= last)):
        if not inside:
            place, face = document.at(("cues", k, key)), f"{row.shot}/{track}"
            raise ConfigError(
                f"{place}: frame {frame} is out of range; face {face} is tracked from {first} to {last}"
            )
    return Edit(track, start, stop, row.kind, row.amplitude, row.style)


def _frame(document: Document, k: int, key: str, row: Row, film: Film) -> int:
    """A frame number, or the first frame displayed at a time or later, to the millisecond."""
    value = getattr(row, key)
    if isinstance(value, int):
        return value
    match = _CLOCK.fullmatch(value)
    assert match
    hours, minutes, seconds = match[1] or 0, match[2], match[3].replace(",", ".")
    if int(minutes) > 59 or float(seconds) >= 60:
        place = document.at(("cues", k, key))
        raise ConfigError(f"{place}: {value} is not a time; write it as 0:00:05.24")
    moment = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    return bisect.bisect_left(film.seconds, moment - 0.0006)


def _track(document: Document, k: int, row: Row, film: Film, start: int, stop: int) -> int:
    faces = film.faces.get(row.shot, ())
    try:
        person = film.person(row.person) if row.person else ""
    except ValueError as error:
        raise ConfigError(f"{document.at(('cues', k, 'person'))}: {error}") from None
    if row.track is None:
        place = document.at(("cues", k))
        if not person:
            raise ConfigError(f"{place}: no face is named; give a track or a person")
        own = [n for n, face in enumerate(faces) if face.person == person]
        here = [n for n in own if faces[n].first < stop and start < faces[n].stop] or own
        if not here:
            place = document.at(("cues", k, "person"))
            raise ConfigError(f"{place}: {row.person} is not in shot {row.shot}")
        if len(here) > 1:
            raise ConfigError(f"{place}: {row.person} has tracks {', '.join(map(str, here))} here; give one")
        return here[0]
    if row.track >= len(faces):
        place = document.at(("cues", k, "track"))
        raise ConfigError(
            f"{place}: shot {row.shot} has {counted(len(faces), 'face')}; there is no track {row.track}"
        )
    if person and faces[row.track].person != person:
        whose = faces[row.track].person or "nobody"
        place = document.at(("cues", k, "person"))
        raise ConfigError(
            f"{place}: face {row.shot}/{row.track} is {whose}, not {row.person}; leave out one of the two"
        )
    return row.track


def job_file(decisions: Mapping[str, Sequence[Edit]]) -> str:
    """A job's `cues.json`: the shots that a person has edited.

    It names faces and not whose they are, so that cues stay where people are merged or split afterwards.
    """
    rows = [
        {
            "shot": shot,
            "track": edit.track,
            "kind": edit.kind,
            "start": edit.start,
            "stop": edit.stop,
            "amplitude": edit.amplitude,
            "style": edit.style,
        }
        for shot, edits in sorted(decisions.items())
        for edit in edits
    ]
    return to_json(rows, sorted(decisions))


def to_json(rows: Iterable[Mapping[str, Any]], shots: Sequence[str] | None = None) -> str:
    """A file as JSON, a cue a line."""
    lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
    about = f'"shots": {json.dumps(shots)},\n' if shots is not None else ""
    return f'{{{about}"cues": [\n{lines}\n]}}\n'


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """A file as a table, with the columns of `COLUMNS`."""
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def clock(seconds: float) -> str:
    """A time as people read it, `0:00:05.240`."""
    whole = round(1000 * seconds)
    return f"{whole // 3600000}:{whole // 60000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def why(kind: str, evidence: Mapping[str, float]) -> str:
    """The reason of a cue, in words."""
    if "edited" in evidence:
        return "edited by hand"
    talked = f"mouth talks in {100 * evidence.get('talked', 0):.0f} % of it in the film"
    agrees = f"agreement with the film's sound {evidence.get('sync', 0):+.2f}"
    if kind == "still":
        return f"{talked}, the dub is silent; {agrees}"
    for source, fact in (("stem", "its stem speaks"), ("script", "the script names it")):
        if source in evidence:
            return f"{fact} in {100 * evidence[source]:.0f} % of it; {talked}; {agrees}"
    return f"{talked}; {agrees}"
