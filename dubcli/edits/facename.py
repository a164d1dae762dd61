"""A face's name, shot/track, from the ways in which lists, folders and people write it."""

from __future__ import annotations

import re


def named(text: str) -> str:
    """A face as `shot/track`, such as `00000120/0`; also from `120/0`, `00000120.0` and `lips/00000120.0`.

    Raises:
        ValueError: it is no face.
    """
    found = re.fullmatch(r"(?:[a-z]+/)?(\d{1,12})[/.](\d{1,4})", text)
    if not found:
        raise ValueError("a face is written shot/track, such as 00000812/1")
    return f"{found[1]:0>8}/{int(found[2])}"


def unit(face: str) -> str:
    """The name of a face's units and files, such as `00000120.0`, from its name."""
    return face.replace("/", ".")
