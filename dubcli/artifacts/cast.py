"""`cast`'s artifact: the persons of the film, and a contact sheet of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dubcli.artifacts.base import Document, Strict

if TYPE_CHECKING:
    from dubcli.artifacts.shots import Shot

Face = tuple[str, int]
"""A shot's name, and the number of a track in it."""


class Consent(Strict):
    """What is known here of the record of a person's consent: the record itself stays in `cast.yaml`.

    Attributes:
        state: `given`, `pending` or `refused`.
        sha256: of the record's canonical JSON, in hex.
    """

    state: str
    sha256: str


class Person(Strict):
    """A person of the film.

    Attributes:
        id: `p01` …, the person with most frames first.
        name: from `cast.yaml`, "" where it has none.
        consent: about the record of their consent, None where there is none.
        amplitude: factor on the motion of their mouth; 1 is as in the film.
        touch: whether their mouth may be changed; `why` gives the reason if not.
        frames: number of frames of all their tracks.
        faces: their tracks.
        style: name of a file of the job's `styles/`, None for the person's style in the film.
    """

    id: str
    name: str = ""
    consent: Consent | None = None
    amplitude: float = 1.0
    touch: bool = True
    why: str = ""
    frames: int = 0
    faces: tuple[Face, ...] = ()
    style: str | None = None

    def footage(self, shots: Mapping[str, Shot]) -> list[Face]:
        """Their tracks, each picture once however often the film shows it, in an order that no cut changes.

        Args:
            shots: the film's, by name.
        """
        first = {(shots[shot].picture, track): (shot, track) for shot, track in reversed(self.faces)}
        return [first[known] for known in sorted(first)]


class Cast(Document):
    """`cast.json`."""

    FILE: ClassVar[str] = "cast.json"

    persons: tuple[Person, ...]

    @property
    def names(self) -> dict[str, str]:
        """Id → name of each person."""
        return {person.id: person.name for person in self.persons}

    @property
    def owners(self) -> dict[Face, Person]:
        """Face → its person."""
        return {face: person for person in self.persons for face in person.faces}


def sheet(folder: Path, person: str) -> Path:
    """Path of the contact sheet of a person, a PNG."""
    return folder / f"sheet-{person}.png"
