"""`cast.yaml`: a person's edits of the detected cast: names, consent, merges, splits.

    persons:
      p01: {name: Anna, consent: "release of 2 May 2025", face: 00000000/0}   # more in `edits.consent`
      p02: {name: a guest, touch: false}
      p03: {name: Ben, amplitude: 0.8, style: anchor}
    merge:
      - [p01, p04]                   # one person: p04 joins p01
    split:
      - [00000812/1, 00001377/0]     # these faces are somebody else than the person they were put with

Persons are called by the ids that `dubcli cast show` and the contact sheets give; `split` is done first, then
`merge`. The entry of somebody who was merged into another may stay as long as it is empty. A face is
`shot/track`. Where `face` is given and is no longer that person's, the run stops: so a note like `touch:
false` never applies to somebody else when the film or a setting changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from dubcli.artifacts.cast import Face
from dubcli.edits import facename
from dubcli.edits.consent import ConsentField
from dubcli.edits.stylefile import StyleName
from dubcli.errors import ConfigError
from dubcli.settings.document import Document, Keys, read, suggestion

FaceName = Annotated[str, AfterValidator(facename.named)]


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class Note(_Strict):
    """The notes on one person.

    Attributes:
        name: the name to display.
        touch: whether their mouth may be changed at all.
        consent: the record of their consent, None where there is none.
        face: a face that must be theirs.
        amplitude: how far their mouth moves; 1 is as in the film.
        style: name of the style in which it moves (`edits.stylefile`), "" for their own.
    """

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^\n\r\t]*$")] = (
        ""
    )
    touch: bool = True
    consent: ConsentField = None
    face: FaceName | None = None
    amplitude: float = Field(default=1.0, gt=0, le=3)
    style: StyleName = ""

    @property
    def is_empty(self) -> bool:
        """Whether it notes nothing, as in the template."""
        return self.model_copy(update={"face": None}) == Note()


class CastFile(_Strict):
    """The whole file."""

    persons: dict[str, Note] = {}
    merge: tuple[tuple[str, ...], ...] = ()
    split: tuple[tuple[FaceName, ...], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing, as the template."""
        return not (self.merge or self.split) and all(note.is_empty for note in self.persons.values())

    def styles(self) -> Iterator[tuple[Keys, str]]:
        """The styles it names, each with its position."""
        return ((("persons", name, "style"), note.style) for name, note in self.persons.items())


@dataclass
class Person:
    """One of the cast: an id, the faces (shot, track), and what is noted."""

    id: str
    faces: list[Face]
    note: Note = field(default_factory=Note)


def load(path: Path) -> tuple[Document, CastFile]:
    """Read the file and check it as far as possible without the cast.

    Raises:
        ConfigError: it is not well formed; file, line and column are named.
    """
    document = read(path)
    return document, document.model(CastFile)


def template(persons: Sequence[Mapping[str, Any]]) -> str:
    """A `cast.yaml` that changes nothing yet, from the persons of `cast.json`, to be edited by hand."""
    lines = [
        "# Who is who. A line may be changed or deleted; the next dubcli run applies it.",
        "# touch: false never changes a mouth; consent records their agreement, such as",
        "#   consent: {state: given, document: release 118, languages: [fr], until: 2030-12-31}",
        "# (state: given, pending or refused; date: the first day; all but document may be left out);",
        "# face is one of theirs, so that a line never applies to somebody else.",
        "# merge:",
        "#   - [p01, p04]          # these are one person",
        "# split:",
        "#   - [00000812/1]        # this face is somebody else",
        "persons:",
    ]
    for person in persons:
        faces = [f"{shot}/{track}" for shot, track in person["faces"]]
        more = f" and {len(faces) - 8} more" if len(faces) > 8 else ""
        lines += [
            f"  {person['id']}:  # {person['frames']} frames: {' '.join(faces[:8])}{more}",
            f"    name: {json.dumps(person['name'], ensure_ascii=False)}",
            "    touch: true",
            '    consent: ""',
            f"    face: {faces[0]}",
        ]
    return "\n".join(lines) + "\n"


def apply_edits(groups: Sequence[Sequence[Face]], document: Document, file: CastFile) -> list[Person]:
    """The cast after a person's edits.

    Args:
        groups: detected faces by person, the most frequent first.
        document: for the positions of errors.
        file: the edits.

    Raises:
        ConfigError: an edit names a person or a face that is not there, or contradicts another.
    """
    cast = _Cast(number_persons(groups), document)
    moved = _split(cast, file)
    _merge(cast, file)
    for name, note in file.persons.items():
        if note.is_empty and (name in cast.gone or note.face in moved):
            continue  # the template's own entry, made obsolete by the split or the merge
        person = cast.person(name, ("persons", name))
        if note.face is not None and _face(note.face) not in person.faces:
            to = f" but was split off as {moved[note.face]}" if note.face in moved else ""
            place = document.at(("persons", name, "face"))
            raise ConfigError(
                f"{place}: {note.face} is no face of {name}{to}; to list them: dubcli cast show"
            )
        person.note = note
    return list(cast.persons.values())


def number_persons(groups: Sequence[Sequence[Face]]) -> dict[str, Person]:
    """Persons by id, `p01` for the most frequent."""
    found = (Person(f"p{number:02d}", list(faces)) for number, faces in enumerate(groups, 1))
    return {person.id: person for person in found}


@dataclass
class _Cast:
    """The cast while it is edited.

    Attributes:
        persons: by id.
        document: for the positions of errors.
        gone: id of somebody who is no longer there → what became of them.
    """

    persons: dict[str, Person]
    document: Document
    gone: dict[str, str] = field(default_factory=dict)

    def person(self, name: str, keys: Keys) -> Person:
        """The person of that id, named at a position of the file.

        Raises:
            ConfigError: nobody has that id, or no longer.
        """
        if name in self.gone:
            raise ConfigError(f"{self.document.at(keys)}: {name} {self.gone[name]}")
        if name not in self.persons:
            hint = suggestion(name, self.persons)
            raise ConfigError(f"{self.document.at(keys)}: there is no person {name!r}{hint}")
        return self.persons[name]


def _split(cast: _Cast, file: CastFile) -> dict[str, str]:
    """Face → the new person it is."""
    letters: dict[str, int] = {}
    done: dict[str, str] = {}
    for row, faces in enumerate(file.split):
        if not faces:
            raise ConfigError(f"{cast.document.at(('split', row))}: name the faces that are somebody else")
        moved: list[Face] = []
        origin = ""
        for column, text in enumerate(faces):
            face, place = _face(text), cast.document.at(("split", row, column))
            if text in done or face in moved:
                raise ConfigError(f"{place}: face {text} is in split twice; delete one")
            owner = next((person for person in cast.persons.values() if face in person.faces), None)
            if owner is None:
                raise ConfigError(f"{place}: there is no face {text}; to list them: dubcli cast show")
            owner.faces.remove(face)
            moved.append(face)
            origin = origin or owner.id
        letters[origin] = letters.get(origin, 0) + 1
        if letters[origin] > 25:
            raise ConfigError(f"{cast.document.at(('split', row))}: {origin} is split more than 25 times")
        new = Person(origin + chr(ord("a") + letters[origin]), sorted(moved))
        cast.persons[new.id] = new
        done |= dict.fromkeys(faces, new.id)
        for empty in [person.id for person in cast.persons.values() if not person.faces]:
            del cast.persons[empty]
            cast.gone[empty] = f"has no face left, all were split off; write {new.id} in its place"
    return done


def _merge(cast: _Cast, file: CastFile) -> None:
    for row, names in enumerate(file.merge):
        if len(names) < 2:
            raise ConfigError(f"{cast.document.at(('merge', row))}: name at least two persons who are one")
        first = cast.person(names[0], ("merge", row, 0))
        for column, name in enumerate(names[1:], 1):
            if name in names[:column]:
                place = cast.document.at(("merge", row, column))
                raise ConfigError(f"{place}: {name} is merged with itself; leave it out")
            other = cast.person(name, ("merge", row, column))
            first.faces = sorted({*first.faces, *other.faces})
            del cast.persons[name]
            place = cast.document.at(("merge", row, column))
            cast.gone[name] = f"was merged into {first.id} ({place}); write {first.id} in its place"


def _face(text: str) -> Face:
    shot, track = text.split("/")
    return shot, int(track)
