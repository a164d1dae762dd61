"""People of the cast, by the ids and names that lists, scripts and commands call them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping


def called(word: str, persons: Mapping[str, str]) -> list[str]:
    """The ids of the persons of that id or name, in any case, however its accents are encoded."""
    if word in persons:
        return [word]
    return [one for one, name in persons.items() if name and _folded(name) == _folded(word)]


def find_person(word: str, persons: Mapping[str, str]) -> str | None:
    """The id of the one person of that id or name; None where nobody or several have that name."""
    found = called(word, persons)
    return found[0] if len(found) == 1 else None


def _folded(name: str) -> str:
    # macOS writes é in names of files, and in what is completed from them, as two characters.
    return unicodedata.normalize("NFC", name.strip()).casefold()
