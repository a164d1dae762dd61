"""Reads of an MP4 or MOV what PyAV does not tell (edits, languages, encryption, ambisonics, a camera's own
words), and writes what ffmpeg's muxer does not: languages, Dolby Vision in MOV, HDR10 of pictures that were
of another codec, tags of any name, a camera's own words, subtitles that are off, the end of the last picture.

Sources: ISO/IEC 14496-12 (mdhd 8.4.2, elng 8.4.6, stsd 8.5.2, tkhd 8.3.2, elst 8.6.6, udta 8.10.1, meta
8.11.1, uuid 11.1, protection 8.12, mdcv and clli 12.1.5); QuickTime File Format, language code values and
metadata (keys and ilst); Spatial Audio RFC of Google (SA3D); Dolby Vision Streams Within the ISO Base Media
File Format 2.1.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dubcli.language import iso639_2, says_more

if TYPE_CHECKING:
    from dubcli.artifacts.media import DolbyVision, VideoStream

Box = tuple[bytes, int, int]  # type, first byte of its content, byte after it
Pause = tuple[float, float]  # seconds of the film
Reference = tuple[int, str, tuple[int, ...]]  # stream, type, streams that it names
Words = tuple[int | None, str, bytes]  # stream, None for the whole film; type and content of a box
_MOST_EDITS = 1000  # that are looked at; set by hand
_MOST_SAID = 1 << 20  # bytes of a track's descriptions of samples, or of a camera's box; set by hand
_MOST_OWN = 64  # boxes of a camera that are kept, so that no file fills the memory; set by hand
_RUN_UP_SECONDS = 0.1  # of an encoder, which edit lists hide; more was cut by somebody: set by hand
_MOST_TAG = 256  # bytes of a language's tag that are read; set by hand
_ONE = 1 << 16  # the speed of an edit at which nothing is slowed down or stopped

# Boxes of the `udta` of a film or a track that FFmpeg reads (mov_read_udta_string and others), or makes anew.
_READ = re.findall(
    r"\S{4}",
    """
    ©ART ©PRD ©alb ©aut ©chp ©cmt ©com ©cpy ©day ©des ©dir ©dis ©ed1 ©enc ©fmt ©gen ©grp ©hst ©inf ©lyr ©mak
    ©mod ©nam ©ope ©prd ©prf ©req ©src ©st3 ©swr ©too ©trk ©url ©wrn ©wrt ©xyz @PRM @PRQ FIRM HMMT XMP_ aART
    akID apID catg chpl cpil cprt desc disk egid gnre hdvd hnti keyw kind ldes loci manu meta modl name pcst
    pgap purd rtng soaa soal soar soco sonm sosn stik trkn tven tves tvnn tvsh tvsn
    """,
)
# Boxes of a file that hold pictures and sound or say where these are.
_STRUCTURE = re.findall(
    rb"\w{4}", b"ftyp pdin moov mdat free skip wide pnot PICT styp sidx ssix moof mfra prft"
)
# How a track may belong to others. (Those of chapters and timecode are made anew, measurements do not stay.)
# The first three are of Apple: sound that stands in, subtitles that follow a sound, forced ones.
_RELATIONS = re.findall(rb"\w{4}", b"fall folw forc subt sync vdep vplx auxl thmb sbas ssrc")
_OF_TRACK = "meta"  # the only kind of `own` that stands beside `udta`
_PICTURES = (b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp09", b"mp4v", b"jpeg", b"mjpa")
_KNOWN_UUIDS = (
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),  # XMP
    bytes.fromhex("d8fec3d61b0e483c92975828877ec481"),  # C2PA
)


@dataclass(frozen=True)
class Edits:
    """How the edit list of a track plays it.

    Attributes:
        parted: what is played is not all that its packets hold from some time on: several parts, or one that
            begins late and from within. (Of others FFmpeg's muxers hide what comes before.)
        pauses: seconds of the film, from and to, between its parts.
        retimed: slower or faster than it was made, or standing still; FFmpeg plays it as it was made.
    """

    parted: bool
    pauses: tuple[Pause, ...]
    retimed: bool


def languages(path: Path) -> list[str]:
    """The BCP 47 tag of each track's language, "" where the ISO 639-2 code that FFmpeg reads says as much."""
    with path.open("rb") as file:
        return [_tag(file, track) for track in _tracks(file, path.stat().st_size)]


def _tag(file: BinaryIO, track: Box) -> str:
    for media in _inside(file, *track[1:], b"mdia"):
        for _, start, stop in _inside(file, *media[1:], b"elng"):
            file.seek(start + 4)
            tag = file.read(min(max(0, stop - start - 4), _MOST_TAG)).partition(b"\0")[0].decode("latin-1")
            return tag if says_more(tag) else ""
    return ""


def set_languages(path: Path, tags: Sequence[str]) -> None:
    """Write the languages of the first tracks as packed ISO 639-2/T codes, and what those do not say.

    ffmpeg writes the codes of Macintosh languages into MOV, a list from 1991 that lacks most.

    Args:
        path: an MP4 or MOV file whose `moov` comes after its pictures.
        tags: of the tracks in order, BCP 47, "" where it stays as it is.
    """
    for number, tag in enumerate(tags):
        with path.open("r+b") as file:
            size = path.stat().st_size
            movie, track = next(_inside(file, 0, size, b"moov")), _tracks(file, size)[number]
            media = next(_inside(file, *track[1:], b"mdia"))
            code = 0
            for letter in iso639_2(tag):
                code = code << 5 | (ord(letter) - 0x60) & 31
            for _, start, _ in _inside(file, *media[1:], b"mdhd") if code else ():
                _write(file, start + (32 if _number(file, start, 1) else 20), 2, code)
            if says_more(tag):
                _insert(file, size, _box(b"elng", bytes(4) + tag.encode() + b"\0"), (movie, track, media))


def turn_off(path: Path, streams: Sequence[int]) -> None:
    """Let players show these streams only where they are asked to: the muxer turns on the first of a kind."""
    with path.open("r+b") as file:
        for number, track in enumerate(_tracks(file, path.stat().st_size)):
            for _, start, _ in _inside(file, *track[1:], b"tkhd") if number in streams else ():
                _write(file, start + 3, 1, _number(file, start + 3, 1) & ~1)


def set_length(path: Path, seconds: Fraction) -> None:
    """Let the first track play until its last picture ends, where it has an edit list.

    The muxer takes a picture's end from the time until the next one is decoded.
    """
    with path.open("r+b") as file:
        size = path.stat().st_size
        tracks = _tracks(file, size)
        lists = (
            box
            for edits in _inside(file, *tracks[0][1:], b"edts")
            for box in _inside(file, *edits[1:], b"elst")
        )
        for movie, (_, start, _) in zip(_inside(file, 0, size, b"moov"), lists, strict=False):
            (head,) = _inside(file, *movie[1:], b"mvhd")
            scale = _scale(file, head)
            wide = 8 if _number(file, start, 1) else 4
            last = start + 8 + (2 * wide + 4) * (_number(file, start + 4, 4) - 1)
            heads = [box for track in tracks for box in _inside(file, *track[1:], b"tkhd")]
            first, whole = _duration(file, heads[0], 20), _duration(file, head, 16)
            length = round(seconds * scale)
            own = _number(file, *first) - _number(file, last, wide) + length
            _write(file, last, wide, length)
            _write(file, *first, own)
            _write(file, *whole, max(_number(file, *_duration(file, box, 20)) for box in heads))


def _scale(file: BinaryIO, head: Box) -> int:
    """Units of time a second, by a `mvhd` or `mdhd`."""
    return _number(file, head[1] + (20 if _number(file, head[1], 1) else 12), 4)


def _duration(file: BinaryIO, head: Box, place: int) -> tuple[int, int]:
    """Where the duration of a `tkhd` or `mvhd` stands and its bytes: `place` is that among narrow numbers."""
    wide = _number(file, head[1], 1)
    return (head[1] + place + 8, 8) if wide else (head[1] + place, 4)


def _write(file: BinaryIO, at: int, size: int, number: int) -> None:
    file.seek(at)
    file.write(number.to_bytes(size, "big"))


def edited(path: Path) -> dict[int, Edits]:
    """Id → edits of the tracks whose edit lists FFmpeg does not play as they say, or that were cut by them.

    FFmpeg plays the beginning of a track in its pauses.
    """
    found: dict[int, Edits] = {}
    with path.open("rb") as file:
        size = path.stat().st_size
        heads = (
            box for movie in _inside(file, 0, size, b"moov") for box in _inside(file, *movie[1:], b"mvhd")
        )
        scale = next((_scale(file, head) for head in heads), 0) or 1
        for track in _tracks(file, size):
            lists = (
                box
                for edits in _inside(file, *track[1:], b"edts")
                for box in _inside(file, *edits[1:], b"elst")
            )
            parts = [part for edits in lists for part in _parts(file, edits)]
            begins = [begin for _, begin, _ in parts if begin >= 0]
            late = bool(begins) and parts[0][1] < 0 < parts[0][0]
            cut = late and begins[0] > _RUN_UP_SECONDS * _own_scale(file, track)
            ends = list(itertools.accumulate(length / scale for length, _, _ in parts))
            between = zip(ends[:-1], ends[1:], parts[1:], strict=True) if len(begins) > 1 else ()
            edits = Edits(
                parted=len(begins) > 1 or cut,
                pauses=tuple((start, stop) for start, stop, (_, begin, _) in between if begin < 0),
                retimed=any(speed != _ONE for _, begin, speed in parts if begin >= 0),
            )
            if edits.parted or edits.retimed:
                found |= dict.fromkeys(_ids(file, track), edits)
    return found


def _own_scale(file: BinaryIO, track: Box) -> int:
    """Units of time a second of a track."""
    media = _inside(file, *track[1:], b"mdia")
    return next((_scale(file, head) for one in media for head in _inside(file, *one[1:], b"mdhd")), 0)


def redescribed(path: Path) -> set[int]:
    """Ids of tracks whose packets are of several descriptions, as where films were joined."""
    with path.open("rb") as file:
        found = set()
        for track in _tracks(file, path.stat().st_size):
            if any(_number(file, start + 4, 4) > 1 for _, start, _ in _descriptions(file, track)):
                found |= _ids(file, track)
        return found


def _descriptions(file: BinaryIO, track: Box) -> list[Box]:
    """The `stsd` of a track."""
    around = [track]
    for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
        around = [box for outer in around for box in _inside(file, *outer[1:], kind)]
    return around


def references(path: Path) -> Iterator[Reference]:
    """Which streams belong to others and how, as a sound that stands in for another: not those made anew."""
    with path.open("rb") as file:
        tracks = _tracks(file, path.stat().st_size)
        numbers = {one: number for number, track in enumerate(tracks) for one in _ids(file, track)}
        for number, track in enumerate(tracks):
            for outer in _inside(file, *track[1:], b"tref"):
                for kind, start, stop in itertools.islice(_inside(file, *outer[1:]), _MOST_OWN):
                    places = itertools.islice(range(start, stop - 3, 4), _MOST_OWN)
                    others = [numbers.get(_number(file, at, 4)) for at in places]
                    if kind in _RELATIONS and others and None not in others:
                        yield number, kind.decode(), tuple(one for one in others if one is not None)


def add_references(path: Path, found: Sequence[Reference]) -> None:
    """Add to a file whose `moov` comes after its pictures which of its tracks belong to others."""
    for number, kind, others in found:
        with path.open("r+b") as file:
            size = path.stat().st_size
            tracks = _tracks(file, size)
            ids = b"".join(min(_ids(file, tracks[other])).to_bytes(4, "big") for other in others)
            said = list(_inside(file, *tracks[number][1:], b"tref"))[:1]
            added = _box(kind.encode(), ids)
            movie = next(_inside(file, 0, size, b"moov"))
            _insert(file, size, added if said else _box(b"tref", added), (movie, tracks[number], *said))


def ambisonic(path: Path) -> set[int]:
    """Ids of the tracks whose sound is around a listener and has no speakers (SA3D), as 360° films have.

    FFmpeg's decoders give such channels those of speakers.
    """
    found: set[int] = set()
    with path.open("rb") as file:
        for track in _tracks(file, path.stat().st_size):
            for _, start, stop in _descriptions(file, track):
                file.seek(start)
                if b"SA3D" in file.read(min(stop - start, _MOST_SAID)):
                    found |= _ids(file, track)
    return found


def own(path: Path) -> list[Words]:
    """What a camera or a program says of a whole film, or of a stream, in boxes of its own."""
    with path.open("rb") as file:
        return [
            (stream, kind, file.read(stop - start))
            for stream, kind, start, stop in itertools.islice(_own(file, path.stat().st_size), _MOST_OWN)
            if stop - start <= _MOST_SAID and file.seek(start)
        ]


def unread(path: Path) -> Iterator[str]:
    """Types of boxes in which a camera or a program says something and which are not kept."""
    with path.open("rb") as file:
        size = path.stat().st_size
        found = [box for box in _inside(file, 0, size) if box[0] not in _STRUCTURE and box[2] <= size]
        found += [
            box for movie in _inside(file, 0, size, b"moov") for box in _inside(file, *movie[1:], b"uuid")
        ]
        for box, start, _ in found:
            file.seek(start)
            if box.isalnum() and not (box == b"uuid" and file.read(16) in _KNOWN_UUIDS):
                yield box.decode()
        for number, (_, kind, start, stop) in enumerate(_own(file, size)):
            if number >= _MOST_OWN or stop - start > _MOST_SAID:
                yield kind


def _own(file: BinaryIO, size: int) -> Iterator[tuple[int | None, str, int, int]]:
    movies = [(None, movie) for movie in _inside(file, 0, size, b"moov")]
    for stream, outer in (*movies, *enumerate(_tracks(file, size))):
        for said in _inside(file, *outer[1:], b"udta"):
            for box, start, stop in _inside(file, *said[1:]):
                if (kind := box.decode("latin-1")) not in _READ and stop <= said[2]:
                    yield stream, kind, start, stop
        # FFmpeg reads that of a film alone; telephones say of a track what lens it was taken with.
        for _, start, stop in _inside(file, *outer[1:], _OF_TRACK.encode()) if stream is not None else ():
            yield stream, _OF_TRACK, start, stop


def add_own(path: Path, content: Sequence[Words]) -> None:
    """Add a camera's own boxes to a file whose `moov` comes after its pictures (see `own`)."""
    for stream, kind, said in content:
        with path.open("r+b") as file:
            size = path.stat().st_size
            movie = next(_inside(file, 0, size, b"moov"))
            outer = (movie,) if stream is None else (movie, _tracks(file, size)[stream])
            there = list(_inside(file, *outer[-1][1:], b"udta"))[:1]
            added = _box(kind.encode("latin-1"), said)
            if kind == _OF_TRACK:
                _insert(file, size, added, outer)
            else:
                _insert(file, size, added if there else _box(b"udta", added), (*outer, *there))


def _ids(file: BinaryIO, track: Box) -> set[int]:
    heads = _inside(file, *track[1:], b"tkhd")
    return {_number(file, start + (20 if _number(file, start, 1) else 12), 4) for _, start, _ in heads}


def is_encrypted(path: Path) -> bool:
    """Whether picture or sound of the file is encrypted (ISO/IEC 14496-12 8.12)."""
    with path.open("rb") as file:
        return any(_entries(file, path.stat().st_size, (b"encv", b"enca")))


def _parts(file: BinaryIO, edits: Box) -> list[tuple[int, int, int]]:
    """Length, beginning and speed of the edits of a list; those that begin before 0 only wait."""
    _, start, stop = edits
    wide = 8 if _number(file, start, 1) else 4
    size = 2 * wide + 4
    last = min(stop, start + 8 + size * _number(file, start + 4, 4))
    places = itertools.islice(range(start + 8, last, size), _MOST_EDITS)
    return [
        (
            _number(file, at, wide),
            _number(file, at + wide, wide, signed=True),
            _number(file, at + 2 * wide, 4, signed=True),
        )
        for at in places
    ]


def _number(file: BinaryIO, at: int, size: int, *, signed: bool = False) -> int:
    file.seek(at)
    return int.from_bytes(file.read(size), "big", signed=signed)


def _tracks(file: BinaryIO, size: int) -> list[Box]:
    return [box for top in _inside(file, 0, size, b"moov") for box in _inside(file, *top[1:], b"trak")]


def add_dolby_vision(path: Path, record: DolbyVision) -> None:
    """Add Dolby Vision's record to the first HEVC track of a file whose `moov` comes after its pictures."""
    bits = record.profile << 9 | record.level << 3 | 1 << 2 | record.layered << 1 | 1  # metadata, layer, base
    content = bytes([1, 0]) + bits.to_bytes(2, "big") + bytes([record.compatibility << 4]) + bytes(19)
    _add(path, (b"hvc1", b"hev1"), b"dvvC" if record.profile > 7 else b"dvcC", content)


def add_hdr10(path: Path, video: VideoStream) -> None:
    """Add the mastering display and brightness to the first H.264 track of such a file."""
    if video.mastering:
        m = video.mastering
        places = (*m.green, *m.blue, *m.red, *m.white)
        content = b"".join(value.to_bytes(2, "big") for value in places)
        content += b"".join(value.to_bytes(4, "big") for value in reversed(m.luminance))
        _add(path, (b"avc1", b"avc3"), b"mdcv", content)
    if video.light:
        content = b"".join(value.to_bytes(2, "big") for value in video.light)
        _add(path, (b"avc1", b"avc3"), b"clli", content)


def add_full_range(path: Path) -> None:
    """Say that the pictures of such a file have the full range: the muxer does beside other tags alone."""
    unspecified = 3 * (2).to_bytes(2, "big")  # primaries, transfer, matrix (ITU-T H.273)
    _add(path, _PICTURES, b"colr", b"nclx" + unspecified + b"\x80")


def add_keys(path: Path, tags: Mapping[str, str], *, mov: bool) -> None:
    """Add tags of any name to a file whose `moov` comes after its pictures.

    They stand after those that the muxer has boxes for, which so stay where players look for them.
    """
    if not tags:
        return
    handler = _box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    names = b"".join(_box(b"mdta", name.encode()) for name in tags)
    values = b"".join(
        _box(number.to_bytes(4, "big"), _box(b"data", b"\0\0\0\1" + bytes(4) + value.encode()))  # UTF-8
        for number, value in enumerate(tags.values(), start=1)
    )
    keys = _box(b"keys", bytes(4) + len(tags).to_bytes(4, "big") + names)
    # In QuickTime's own files it has no version.
    content = (b"" if mov else bytes(4)) + handler + keys + _box(b"ilst", values)
    with path.open("r+b") as file:
        size = path.stat().st_size
        for movie in _inside(file, 0, size, b"moov"):
            _insert(file, size, _box(b"meta", content), (movie,))
            return


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def _add(path: Path, kinds: Sequence[bytes], name: bytes, content: bytes) -> None:
    """Add a box to the first sample entry of given kinds, unless it has one or pictures come after it."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        for entry, outer in _entries(file, size, kinds):
            if not any(_inside(file, entry[1] + 78, entry[2], name)):
                _insert(file, size, _box(name, content), (*outer, entry))
            return


def _insert(file: BinaryIO, size: int, box: bytes, around: Sequence[Box]) -> None:
    """Put a box at the end of the innermost of those around it, unless pictures come after it."""
    end = around[-1][2]
    if any(pictures[1] > end for pictures in _inside(file, 0, size, b"mdat")):
        return
    file.seek(end)
    rest = file.read()
    file.seek(end)
    file.write(box + rest)
    for _, body, stop in around:
        _write(file, body - 8, 4, stop - body + 8 + len(box))


def _entries(file: BinaryIO, size: int, kinds: Sequence[bytes]) -> Iterator[tuple[Box, tuple[Box, ...]]]:
    """Sample entries of given kinds, each with the boxes around it, the outermost first."""
    around: list[tuple[Box, ...]] = [(box,) for box in _inside(file, 0, size, b"moov")]
    for kind in (b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        around = [(*outer, box) for outer in around for box in _inside(file, *outer[-1][1:], kind)]
    for outer in around:
        for kind in kinds:
            for entry in _inside(file, outer[-1][1] + 8, outer[-1][2], kind):
                yield entry, outer


def _inside(file: BinaryIO, start: int, stop: int, wanted: bytes = b"") -> Iterator[Box]:
    """Boxes of a type, or of all, between two positions."""
    while start + 8 <= stop:
        file.seek(start)
        head = file.read(16)
        size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0:
            size = stop - start
        if size < body - start:
            return
        if kind == wanted or not wanted:
            yield kind, body, start + size
        start += size
