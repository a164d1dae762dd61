"""The BCP 47 tags of Matroska's tracks, which FFmpeg neither reads nor writes beside the ISO 639-2 codes, and
what it does not read of chapters, tags and subtitles.

ffmpeg takes any text for a language, so it is given a placeholder as long as both elements, which
then replace it: nothing in the file moves.

Source: RFC 9559, 5.1.1 (SeekHead), 5.1.2 (Info), 5.1.4.1.3 (TrackType), 5.1.4.1.19 (Language), 5.1.4.1.20
(LanguageBCP47), 5.1.4.1.4 (FlagEnabled), 5.1.4.1.21 (CodecID), 5.1.4.1.31 (ContentEncodings), 5.1.7
(Chapters), 5.1.8 (Tags) and 12 (codes); RFC 8794, 4.4 (sizes) and 11.3.1 (CRC-32).
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubcli.errors import CheckError
from dubcli.language import iso639_2, says_more

_LANGUAGE, _BCP47, _TRACKS, _CRC = b"\x22\xb5\x9c", b"\x22\xb5\x9d", b"\x16\x54\xae\x6b", b"\xbf\x84"
_SEGMENT, _CLUSTER, _TRACK, _TYPE = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xae", b"\x83"
_CHAPTERS, _EDITION, _ATOM, _DISPLAY = b"\x10\x43\xa7\x70", b"\x45\xb9", b"\xb6", b"\x80"
_ORDERED, _UNSEEN = b"\x45\xdd", b"\x98"
_INFO, _LINKS = b"\x15\x49\xa9\x66", {b"\x3c\xb9\x23", b"\x3e\xb9\x23"}  # what comes before, and after
_LOOKUP, _SEEK, _SOUGHT, _PLACE = b"\x11\x4d\x9b\x74", b"\x4d\xbb", b"\x53\xab", b"\x53\xac"
_TAGS, _TAG, _TARGETS, _SIMPLE = b"\x12\x54\xc3\x67", b"\x73\x73", b"\x63\xc0", b"\x67\xc8"
_NAME, _TONGUE = b"\x45\xa3", b"\x44\x7a"
_PARTS = {b"\x63\xc5", b"\x63\xc9", b"\x63\xc4", b"\x63\xc6"}  # a track, edition, chapter, attachment
_CODEC, _ENABLED = b"\x86", b"\xb9"
_ENCODINGS, _ENCODING, _ENCRYPTION = b"\x6d\x80", b"\x62\x40", b"\x50\x35"
_STREAMS = (1, 2, 17, 33)  # picture, sound, subtitles, metadata: what FFmpeg makes streams of
Place = tuple[int, int]  # where the content of an element begins and ends
_DEEPEST = 8  # tags within tags that are looked at; set by hand
_FIRST = 4096  # bytes in which a segment begins; set by hand
_HEAD = 4 << 20  # bytes at a file's head that hold the description of its tracks; set by hand


@dataclass(frozen=True)
class Track:
    """What FFmpeg does not read of a track.

    Attributes:
        language: its BCP 47 tag, where that says more than an ISO 639-2 code, else "".
        webvtt: it is WebVTT as mkvmerge writes it, of which FFmpeg knows its own kind alone.
        disabled: it is switched off.
        encrypted: its packets are.
    """

    language: str
    webvtt: bool
    disabled: bool
    encrypted: bool


def tracks(path: Path) -> list[Track]:
    """The tracks that FFmpeg makes streams of, in its order."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    found = []
    for track in _below(head, _in_segment(head, _TRACKS), _TRACK):
        values = {kind: head[slice(*where)] for kind, where in _elements(head, *track)}
        if int.from_bytes(values.get(_TYPE, b""), "big") not in _STREAMS:
            continue
        language, off = _text(values, _BCP47), _ENABLED in values and not any(values[_ENABLED])
        webvtt = _text(values, _CODEC) == "S_TEXT/WEBVTT"
        encrypted = bool(_below(head, [track], _ENCODINGS, _ENCODING, _ENCRYPTION))
        found.append(Track(language if says_more(language) else "", webvtt, off, encrypted))
    return found


def end(path: Path) -> int:
    """The byte after the last of a file's segment, 0 where its size is not said, as where it was streamed."""
    with path.open("rb") as file:
        head = file.read(_FIRST)
    at = next((stop for _, (_, stop) in _elements(head, 0, len(head))), 0) + len(_SEGMENT)
    if head[at - len(_SEGMENT) : at] != _SEGMENT or at >= len(head) or not head[at]:
        return 0
    size, begin = _size(head, at)
    return 0 if size is None else begin + size


def _text(values: Mapping[bytes, bytes], kind: bytes) -> str:
    return values.get(kind, b"").rstrip(b"\0").decode("ascii", "replace")


def chapters_lost(path: Path) -> Iterator[str]:
    """What FFmpeg does not read of chapters: it takes a name each, those of the first level, and no order."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    editions = _below(head, _in_segment(head, _CHAPTERS), _EDITION)
    atoms = _below(head, editions, _ATOM)

    def is_set(outer: Sequence[Place], kind: bytes) -> bool:
        return any(any(head[slice(*where)]) for where in _below(head, outer, kind))

    if len(editions) > 1:
        yield "orders of chapters but the first"
    if is_set(editions, _ORDERED):
        yield "the order in which players show chapters, of this file or of others"
    if is_set(atoms, _UNSEEN):
        yield "that some chapters are not to be shown"
    if _below(head, atoms, _ATOM):
        yield "chapters within chapters"
    if any(len(_below(head, [atom], _DISPLAY)) > 1 for atom in atoms):
        yield "names of chapters in further languages"


def links_lost(path: Path) -> Iterator[str]:
    """That players go on with another file, or come from one: FFmpeg reads no such links."""
    for data in _anywhere(path, _INFO):
        if _LINKS & {kind for kind, _ in _elements(data, 0, len(data))}:
            yield "that it is played together with other files (linked segments)"


def tags_lost(path: Path) -> list[str]:
    """Names of tags of the film that stand more than once, as actors do: FFmpeg takes the last one each."""
    counts: Counter[str] = Counter()
    for data in _anywhere(path, _TAGS):
        for tag in _below(data, [(0, len(data))], _TAG):
            targets = {kind for where in _below(data, [tag], _TARGETS) for kind, _ in _elements(data, *where)}
            if not targets & _PARTS:
                counts.update(_names(data, tag))
    return sorted(name for name, count in counts.items() if count > 1)


def _names(data: bytes, outer: Place, before: str = "") -> Iterator[str]:
    """Names of tags, and of tags within them, as FFmpeg says them."""
    for simple in _below(data, [outer], _SIMPLE):
        inside = _elements(data, *simple)
        told = {kind: data[slice(*where)].decode("utf-8", "replace") for kind, where in inside}
        name, tongue = before + told.get(_NAME, ""), told.get(_TONGUE, "und")
        yield name if tongue == "und" else f"{name}-{tongue}"
        if name.count("/") < _DEEPEST:
            yield from _names(data, simple, f"{name}/")


def _anywhere(path: Path, wanted: bytes) -> list[bytes]:
    """Contents of the elements of a kind that a file's head holds, or says the place of."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        found = {where[0]: head[slice(*where)] for where in _in_segment(head, wanted)}
        begin = next((where[0] for kind, where in _elements(head, 0, len(head)) if kind == _SEGMENT), 0)
        for seek in _below(head, _in_segment(head, _LOOKUP), _SEEK):
            told = {kind: head[slice(*where)] for kind, where in _elements(head, *seek)}
            at = begin + int.from_bytes(told.get(_PLACE, b""), "big")
            if told.get(_SOUGHT) != wanted or at >= 1 << 63:
                continue
            file.seek(at)
            data = file.read(_HEAD)
            for kind, where in itertools.islice(_elements(data, 0, len(data)), 1):
                found |= {at + where[0]: data[slice(*where)]} if kind == wanted else {}
    return list(found.values())


def _in_segment(head: bytes, wanted: bytes) -> list[Place]:
    """Contents of the elements of a kind directly in a file's segment, whatever size that says it has."""
    return [where for kind, where in _elements(head, 0, len(head), _SEGMENT) if kind == wanted]


def _below(data: bytes, outer: Sequence[Place], *path: bytes) -> list[Place]:
    """Contents of the elements at a path of kinds below some others."""
    found = [*outer]
    for wanted in path:
        found = [where for one in found for kind, where in _elements(data, *one) if kind == wanted]
    return found


def _elements(data: bytes, at: int, stop: int, through: bytes = b"") -> Iterator[tuple[bytes, Place]]:
    """Kind and content of elements one after the other, and of those in elements of the kind `through`."""
    while at + 2 <= stop:
        wide = 9 - data[at].bit_length()
        kind, at = data[at : at + wide], at + wide
        if wide > 8 or kind == _CLUSTER or at >= stop or not data[at]:  # after all tracks, or damaged
            return
        size, at = _size(data, at)
        end = stop if size is None else min(stop, at + size)
        yield kind, (at, end)
        at = at if kind == through else end


def _size(data: bytes | bytearray, at: int) -> tuple[int | None, int]:
    """How large an element is, None where it does not say, and where its content begins, after its size."""
    wide = 9 - data[at].bit_length()
    most = (1 << 7 * wide) - 1
    size = int.from_bytes(data[at : at + wide], "big") & most
    return None if size == most else size, at + wide


def placeholder(tag: str) -> str:
    """The text to give ffmpeg as a track's language: the ISO 639-2 code alone where that suffices."""
    code = iso639_2(tag, bibliographic=True) or "und"
    return f"{code}-{tag}---" if says_more(tag) else code


def set_languages(path: Path, tags: Sequence[str]) -> None:
    """Replace placeholders of tracks by their codes and tags.

    Args:
        path: a Matroska file.
        tags: of the tracks in order, BCP 47.

    Raises:
        CheckError: one is not there.
    """
    longer = [placeholder(tag) for tag in tags if says_more(tag)]
    if not longer:
        return
    with path.open("r+b") as file:
        head = bytearray(file.read(_HEAD))
        at = 0
        for text in map(str.encode, longer):
            at = head.find(_LANGUAGE + bytes([0x80 | len(text)]) + text, at)
            if at < 0:
                raise CheckError(f"{path.name} lacks the language of a track; run it again")
            code, _, tag = text.removesuffix(b"---").partition(b"-")
            both = _element(_LANGUAGE, code) + _element(_BCP47, tag)
            head[at : at + len(both)] = both
            _update_checksum(head, head.rfind(_TRACKS, 0, at))
        file.seek(0)
        file.write(head)


def _element(kind: bytes, content: bytes) -> bytes:
    return kind + bytes([0x80 | len(content)]) + content


def _update_checksum(head: bytearray, tracks: int) -> None:
    """Update the checksum of the tracks' description, where it has one."""
    size, start = _size(head, tracks + len(_TRACKS))
    if size is not None and head[start : start + 2] == _CRC:
        value = zlib.crc32(bytes(head[start + 6 : start + size]))
        head[start + 2 : start + 6] = value.to_bytes(4, "little")
