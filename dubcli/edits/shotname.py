"""A shot's name: its first frame, in eight digits."""

from __future__ import annotations

from collections.abc import Iterable


def named(frame: int) -> str:
    """The name of the shot that begins with a frame."""
    return f"{frame:08d}"


def nearest(name: str, shots: Iterable[str]) -> str:
    """`; the nearest is …`: the shot around or before a frame; "" where there is none."""
    known = sorted(shots)
    found = max((shot for shot in known if shot <= name), default=min(known, default=""))
    return f"; the nearest is {found}" if found else ""
