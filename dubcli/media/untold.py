"""What the container of a film says and FFmpeg does not read, of MP4, MOV and Matroska."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dubcli.media import matroska
from dubcli.media.mov import read
from dubcli.media.mov.boxes import opened


@dataclass(frozen=True)
class Untold:
    """What a container says and FFmpeg does not read; streams are named by their numbers, or by their ids.

    Attributes:
        languages: stream → BCP 47 tag, where that says more than an ISO 639-2 code.
        volumes: stream → volume, where it is not the full one (`mov.read.volumes`).
        foreign: streams of WebVTT as mkvmerge writes it.
        edits: id → how an edit list plays the stream, where FFmpeg does not play it so.
        redescribed: ids of streams whose packets are of several descriptions.
        ambisonic: ids of those whose sound is around a listener.
        references: which streams belong to others.
        own: types of boxes in which a camera or a program says something that is kept.
        lost: what is not kept, in words.
    """

    languages: Mapping[int, str] = field(default_factory=dict)
    volumes: Mapping[int, int] = field(default_factory=dict)
    foreign: Collection[int] = ()
    edits: Mapping[int, read.Edits] = field(default_factory=dict)
    redescribed: Collection[int] = ()
    ambisonic: Collection[int] = ()
    references: tuple[read.Reference, ...] = ()
    own: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def of(path: Path, form: str, tracks: Sequence[matroska.Track]) -> Untold:
    """What the container of a file says.

    Args:
        path: the file.
        form: FFmpeg's name of its format.
        tracks: those of a Matroska.
    """
    if "mov" in form:
        return _mov(path)
    return _matroska(path, tracks) if "matroska" in form else Untold()


def _mov(path: Path) -> Untold:
    with opened(path) as file:
        unread = sorted(set(read.unread(file)))
        return Untold(
            languages={number: tag for number, tag in enumerate(read.languages(file)) if tag},
            volumes=read.volumes(file),
            edits=read.edited(file),
            redescribed=read.redescribed(file),
            ambisonic=read.ambisonic(file),
            references=tuple(read.references(file)),
            own=tuple(kind for _, kind, _ in read.own(file)),
            lost=(f"what a camera or a program says in boxes of its own ({', '.join(unread)})",)
            if unread
            else (),
        )


def _matroska(path: Path, tracks: Sequence[matroska.Track]) -> Untold:
    lost = [*matroska.chapters_lost(path), *matroska.links_lost(path)]
    if often := matroska.tags_lost(path):
        lost.append(f"tags that stand more than once, but for the last ({', '.join(often)})")
    lost += [f"that stream {number} is switched off" for number, one in enumerate(tracks) if one.disabled]
    return Untold(
        languages={number: one.language for number, one in enumerate(tracks) if one.language},
        foreign={number for number, one in enumerate(tracks) if one.webvtt},
        lost=tuple(lost),
    )
