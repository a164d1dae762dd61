"""`cast`'s artifact: who is who, and a contact sheet of each person."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document, Strict

Face = tuple[str, int]
"""A shot's name, and the number of a track in it."""


class Person(Strict):
    """A person of the film.

    Attributes:
        id: `p01` …, the most seen person first.
        name, consent: as `cast.yaml` has them, "" where it does not.
        amplitude: how far their mouth moves; 1 is as in the film.
        touch: whether their mouth may be changed; `why` says why not.
        frames: frames of all their tracks.
        faces: their tracks.
        style: name of a file of the job's `styles/`, None for their own.
    """

    id: str
    name: str = ""
    consent: str = ""
    amplitude: float = 1.0
    touch: bool = True
    why: str = ""
    frames: int = 0
    faces: tuple[Face, ...] = ()
    style: str | None = None


class Cast(Document):
    """`cast.json`."""

    FILE: ClassVar[str] = "cast.json"

    persons: tuple[Person, ...]

    @property
    def names(self) -> dict[str, str]:
        """Name of each person, by id."""
        return {person.id: person.name for person in self.persons}

    @property
    def owners(self) -> dict[Face, Person]:
        """Who each face is."""
        return {face: person for person in self.persons for face in person.faces}


def sheet(folder: Path, person: str) -> Path:
    """Where the contact sheet of a person lies, a PNG."""
    return folder / f"sheet-{person}.png"
