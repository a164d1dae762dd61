"""`cast.yaml`: what a person says about the cast, over what the computer found.

    persons:
      p01: {name: Anna, consent: "release of 2 May 2025", face: 00000000/0}
      p02: {name: a guest, touch: false}
      p03: {name: Ben, amplitude: 0.8, style: anchor}
    merge:
      - [p01, p04]                   # one person: p04 joins p01
    split:
      - [00000812/1, 00001377/0]     # these faces are somebody else than the person they were put with

Persons are called by the ids that `dubcli cast show` and the contact sheets give; `split` is done first, then
`merge`. A face is `shot/track`. Where `face` is given and is no longer that person's, the run stops: so a
note like `touch: false` never goes over to somebody else when the film or a setting changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dubcli.artifacts.cast import Face
from dubcli.errors import ConfigError
from dubcli.settings.document import Document, Keys, read, suggestion
from dubcli.speech.style import StyleName


def _is_face(text: str) -> str:
    if not re.fullmatch(r"\d{8,12}/\d{1,4}", text):
        raise ValueError("a face is written shot/track, such as 00000812/1")
    return text


FaceName = Annotated[str, AfterValidator(_is_face)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Note(_Strict):
    """What is said of one person.

    Attributes:
        name: how people call them.
        touch: whether their mouth may be changed at all.
        consent: what shows their consent, "" for nothing recorded.
        face: a face that must be theirs.
        amplitude: how far their mouth moves; 1 is as in the film.
        style: name of the style in which it moves (`speech.style`), "" for their own.
    """

    name: str = Field(default="", max_length=80, pattern=r"^[^\n\r\t]*$")
    touch: bool = True
    consent: str = Field(default="", max_length=400)
    face: FaceName | None = None
    amplitude: float = Field(default=1.0, gt=0, le=3)
    style: StyleName = ""


class CastFile(_Strict):
    """The whole file."""

    persons: dict[str, Note] = {}
    merge: tuple[tuple[str, ...], ...] = ()
    split: tuple[tuple[FaceName, ...], ...] = ()

    def styles(self) -> Iterator[tuple[Keys, str]]:
        """The styles it names, each with its place."""
        return ((("persons", name, "style"), note.style) for name, note in self.persons.items())


@dataclass
class Person:
    """One of the cast: an id, the faces (shot, track), and what is noted."""

    id: str
    faces: list[Face]
    note: Note = field(default_factory=Note)


def load(path: Path) -> tuple[Document, CastFile]:
    """Read and check what can be checked without the cast.

    Raises:
        ConfigError: it is not well formed; file, line and column are named.
    """
    document = read(path)
    return document, document.model(CastFile)


def template(persons: Sequence[Mapping[str, Any]]) -> str:
    """A `cast.yaml` that changes nothing yet, from the persons of `cast.json`, to be edited by hand."""
    lines = [
        "# Who is who. A line may be changed or deleted; the next dubcli run does what it says.",
        "# touch: false never changes a mouth; consent says what shows that it was given;",
        "# face is one of theirs, so that a line never goes over to somebody else.",
        "# merge:",
        "#   - [p01, p04]          # these are one person",
        "# split:",
        "#   - [00000812/1]        # this face is somebody else",
        "persons:" if persons else "persons: {}",
    ]
    for person in persons:
        faces = [f"{shot}/{track}" for shot, track in person["faces"]]
        more = f" and {len(faces) - 8} more" if len(faces) > 8 else ""
        lines += [
            f"  {person['id']}:  # {person['frames']} frames: {' '.join(faces[:8])}{more}",
            f"    name: {json.dumps(person['name'], ensure_ascii=False)}",
            "    touch: true",
            f"    consent: {json.dumps(person['consent'], ensure_ascii=False)}",
            f"    face: {faces[0]}",
        ]
    return "\n".join(lines) + "\n"


def edited(groups: Sequence[Sequence[Face]], document: Document, file: CastFile) -> list[Person]:
    """The cast after a person's edits.

    Args:
        groups: faces by person as found, the most seen first.
        document: for the places of errors.
        file: the edits.

    Raises:
        ConfigError: an edit names a person or a face that is not there, or contradicts another.
    """
    persons = named(groups)
    _split(persons, document, file)
    _merge(persons, document, file)
    for name, note in file.persons.items():
        person = _person(persons, name, document, ("persons", name))
        if note.face is not None and _face(note.face) not in person.faces:
            place = document.at(("persons", name, "face"))
            raise ConfigError(f"{place}: {note.face} is no face of {name}; look at: dubcli cast show")
        person.note = note
    return list(persons.values())


def named(groups: Sequence[Sequence[Face]]) -> dict[str, Person]:
    """Persons by id, `p01` for the most seen."""
    found = (Person(f"p{number:02d}", list(faces)) for number, faces in enumerate(groups, 1))
    return {person.id: person for person in found}


def _split(persons: dict[str, Person], document: Document, file: CastFile) -> None:
    letters: dict[str, int] = {}
    done: set[Face] = set()
    for row, faces in enumerate(file.split):
        if not faces:
            raise ConfigError(f"{document.at(('split', row))}: name the faces that are somebody else")
        moved: list[Face] = []
        origin = ""
        for column, text in enumerate(faces):
            face, place = _face(text), document.at(("split", row, column))
            owner = next((person for person in persons.values() if face in person.faces), None)
            if owner is None:
                raise ConfigError(f"{place}: there is no face {text}; look at: dubcli cast show")
            if face in done:
                raise ConfigError(f"{place}: face {text} stands in split twice; leave one of them")
            done.add(face)
            owner.faces.remove(face)
            moved.append(face)
            origin = origin or owner.id
        letters[origin] = letters.get(origin, 0) + 1
        if letters[origin] > 25:
            raise ConfigError(f"{document.at(('split', row))}: {origin} is split more than 25 times")
        new = Person(origin + chr(ord("a") + letters[origin]), sorted(moved))
        persons[new.id] = new
    for empty in [person.id for person in persons.values() if not person.faces]:
        del persons[empty]


def _merge(persons: dict[str, Person], document: Document, file: CastFile) -> None:
    for row, names in enumerate(file.merge):
        if len(names) < 2:
            raise ConfigError(f"{document.at(('merge', row))}: name at least two persons who are one")
        first = _person(persons, names[0], document, ("merge", row, 0))
        for column, name in enumerate(names[1:], 1):
            other = _person(persons, name, document, ("merge", row, column))
            if other is first:
                place = document.at(("merge", row, column))
                raise ConfigError(f"{place}: {name} is merged with itself; leave it out")
            first.faces = sorted({*first.faces, *other.faces})
            del persons[other.id]


def _person(
    persons: Mapping[str, Person], name: str, document: Document, keys: tuple[str | int, ...]
) -> Person:
    if name not in persons:
        raise ConfigError(f"{document.at(keys)}: there is no person {name!r}{suggestion(name, persons)}")
    return persons[name]


def _face(text: str) -> Face:
    shot, track = text.split("/")
    return shot, int(track)
