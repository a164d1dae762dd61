"""Writes into an MP4 or MOV what ffmpeg's muxer does not: languages, Dolby Vision in MOV, HDR10 of pictures
that were of another codec, tags of any name, what belongs to what, a camera's own words, subtitles that are
off, volumes, the end of the last picture.

All files are such that `moov` comes after pictures and sound.

Sources: ISO/IEC 14496-12 (mdhd 8.4.2, elng 8.4.6, tkhd 8.3.2, elst 8.6.6, udta 8.10.1, mdcv and clli 12.1.5);
QuickTime File Format, language code values and metadata (keys and ilst); Dolby Vision Streams Within the ISO
Base Media File Format 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.language import iso639_2, says_more
from dubcli.media import names
from dubcli.media.mov.boxes import Box, Boxes, made, opened
from dubcli.media.mov.read import OF_TRACK, Reference, Words, volume_at

if TYPE_CHECKING:
    from dubcli.artifacts.media import DolbyVision, VideoStream

_PICTURES = (b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp09", b"mp4v", b"jpeg", b"mjpa")


def set_languages(path: Path, tags: Sequence[str]) -> None:
    """Write the languages of the first tracks as packed ISO 639-2/T codes, and what those do not say.

    ffmpeg writes the codes of Macintosh languages into MOV, a list from 1991 that lacks most.

    Args:
        path: the file.
        tags: of the tracks in order, BCP 47, "" where it stays as it is; covers, which are none, are last.
    """
    with opened(path, "r+b") as file:
        for number, tag in enumerate(tags[: len(file.tracks)]):
            track = file.tracks[number]
            media = next(file.inside(track, b"mdia"))
            code = 0
            for letter in iso639_2(tag):
                code = code << 5 | (ord(letter) - 0x60) & 31
            for _, start, _ in file.inside(media, b"mdhd") if code else ():
                file.write(start + (32 if file.number(start, 1) else 20), 2, code)
            if says_more(tag):
                said = made(b"elng", bytes(4) + tag.encode() + b"\0")
                file.insert(said, (file.movie, track, media))


def turn_off(path: Path, streams: Sequence[int]) -> None:
    """Let players show these streams only where they are asked to: the muxer turns on the first of a kind."""
    with opened(path, "r+b") as file:
        for number, track in enumerate(file.tracks):
            for _, start, _ in file.inside(track, b"tkhd") if number in streams else ():
                file.write(start + 3, 1, file.number(start + 3, 1) & ~1)


def set_volumes(path: Path, volumes: Mapping[int, int]) -> None:
    """Let players play streams at volumes, in steps of 1/256."""
    with opened(path, "r+b") as file:
        for number, track in enumerate(file.tracks):
            for head in file.inside(track, b"tkhd") if number in volumes else ():
                file.write(volume_at(file, head), 2, volumes[number])


def set_length(path: Path, seconds: Fraction) -> None:
    """Let the first track play until its last picture ends, where it has an edit list.

    The muxer takes a picture's end from the time until the next one is decoded.
    """
    with opened(path, "r+b") as file:
        tracks = file.tracks
        (head,) = file.below(file.whole, b"moov", b"mvhd")
        for _, start, _ in file.edit_lists(tracks[0])[:1]:
            wide = 8 if file.number(start, 1) else 4
            last = start + 8 + (2 * wide + 4) * (file.number(start + 4, 4) - 1)
            heads = [box for track in tracks for box in file.inside(track, b"tkhd")]
            first, whole = _duration(file, heads[0], 20), _duration(file, head, 16)
            length = round(seconds * file.scale(head))
            own = file.number(*first) - file.number(last, wide) + length
            file.write(last, wide, length)
            file.write(*first, own)
            file.write(*whole, max(file.number(*_duration(file, box, 20)) for box in heads))


def _duration(file: Boxes, head: Box, place: int) -> tuple[int, int]:
    """Where the duration of a `tkhd` or `mvhd` stands and its bytes: `place` is that among narrow numbers."""
    wide = file.number(head[1], 1)
    return (head[1] + place + 8, 8) if wide else (head[1] + place, 4)


def add_references(path: Path, found: Sequence[Reference]) -> None:
    """Say which tracks belong to others."""
    with opened(path, "r+b") as file:
        for number, kind, others in found:
            tracks = file.tracks
            ids = b"".join(min(file.ids(tracks[other])).to_bytes(4, "big") for other in others)
            _add_within(file, (file.movie, tracks[number]), b"tref", made(kind.encode(), ids))


def add_own(path: Path, content: Sequence[Words]) -> None:
    """Add a camera's own boxes (see `read.own`)."""
    with opened(path, "r+b") as file:
        for stream, kind, said in content:
            around = (file.movie,) if stream is None else (file.movie, file.tracks[stream])
            new = made(kind.encode("latin-1"), said)
            if kind in OF_TRACK and stream is not None:
                there = [
                    box for box in file.inside(around[-1], kind.encode()) if box[2] - box[1] == len(said)
                ]
                for _, start, _ in there:  # made anew by the muxer
                    file.write(start, len(said), int.from_bytes(said, "big"))
                if not there:
                    file.insert(new, around)
            else:
                _add_within(file, around, b"udta", new)


def _add_within(file: Boxes, around: tuple[Box, ...], kind: bytes, new: bytes) -> None:
    """Put a box into the one of a kind in the innermost of some, which is made where there is none."""
    there = list(file.inside(around[-1], kind))[:1]
    file.insert(new if there else made(kind, new), (*around, *there))


def add_dolby_vision(path: Path, record: DolbyVision) -> None:
    """Add Dolby Vision's record to the first HEVC track."""
    bits = record.profile << 9 | record.level << 3 | 1 << 2 | record.layered << 1 | 1  # metadata, layer, base
    content = bytes([1, 0]) + bits.to_bytes(2, "big") + bytes([record.compatibility << 4]) + bytes(19)
    _describe(path, (b"hvc1", b"hev1"), b"dvvC" if record.profile > 7 else b"dvcC", content)


def set_code(path: Path, code: str) -> None:
    """Give the first track's pictures a four-character code that the muxer does not take everywhere."""
    with opened(path, "r+b") as file:
        described = file.below(file.tracks[0], b"mdia", b"minf", b"stbl", b"stsd")
        for name, start, stop in described:
            for _, body, _ in file.inside((name, start + 8, stop)):
                file.write(body - 4, 4, int.from_bytes(code.encode(), "big"))


def add_hdr10(path: Path, video: VideoStream) -> None:
    """Add the mastering display and brightness to the first H.264 track."""
    if video.mastering:
        m = video.mastering
        places = (*m.green, *m.blue, *m.red, *m.white)
        content = b"".join(value.to_bytes(2, "big") for value in places)
        content += b"".join(value.to_bytes(4, "big") for value in reversed(m.luminance))
        _describe(path, (b"avc1", b"avc3"), b"mdcv", content)
    if video.light:
        content = b"".join(value.to_bytes(2, "big") for value in video.light)
        _describe(path, (b"avc1", b"avc3"), b"clli", content)


def add_colour(path: Path, video: VideoStream) -> None:
    """Say what is known of the pictures' colours: the muxer does where all of it is."""
    told = names.colours(video.primaries, video.transfer, video.matrix)
    full = video.range == "pc"
    if full or told != names.UNTOLD:
        content = b"".join(number.to_bytes(2, "big") for number in told)
        _describe(path, _PICTURES, b"colr", b"nclx" + content + bytes([full << 7]))


def _describe(path: Path, kinds: Sequence[bytes], name: bytes, content: bytes) -> None:
    """Add a box to the first description of pictures of given kinds, unless it has one."""
    with opened(path, "r+b") as file:
        for around in file.chains(file.whole, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
            said, start, stop = around[-1]
            for kind, body, end in file.inside((said, start + 8, stop)):
                if kind in kinds:
                    if not any(file.inside((kind, body + 78, end), name)):
                        file.insert(made(name, content), (*around, (kind, body, end)))
                    return


def add_keys(path: Path, tags: Mapping[str, str], *, mov: bool) -> None:
    """Add tags of any name.

    They stand after those that the muxer has boxes for, which so stay where players look for them.
    """
    if not tags:
        return
    handler = made(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    names = b"".join(made(b"mdta", name.encode()) for name in tags)
    utf8 = b"\0\0\0\1" + bytes(4)
    values = b"".join(
        made(number.to_bytes(4, "big"), made(b"data", utf8 + value.encode()))
        for number, value in enumerate(tags.values(), start=1)
    )
    keys = made(b"keys", bytes(4) + len(tags).to_bytes(4, "big") + names)
    # In QuickTime's own files it has no version.
    content = (b"" if mov else bytes(4)) + handler + keys + made(b"ilst", values)
    with opened(path, "r+b") as file:
        file.insert(made(b"meta", content), (file.movie,))
