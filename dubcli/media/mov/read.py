"""Reads of an open MP4 or MOV what PyAV does not tell: edits, languages, encryption, ambisonics, what belongs
to what, and a camera's or a program's own words.

Sources: ISO/IEC 14496-12 (tkhd 8.3.2, elng 8.4.6, stsd 8.5.2, elst 8.6.6, udta 8.10.1, meta 8.11.1, uuid
11.1, protection 8.12); QuickTime File Format (tapt); Spatial Audio RFC of Google (SA3D).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dubcli.language import says_more
from dubcli.media.mov.boxes import Box, Boxes

Pause = tuple[float, float]  # seconds of the film
Reference = tuple[int, str, tuple[int, ...]]  # stream, type, streams that it names
Words = tuple[int | None, str, bytes]  # stream, None for the whole film; type and content of a box
OF_TRACK = ("meta", "tapt")  # the kinds of `own` that stand beside `udta`
_MOST_EDITS = 1000  # that are looked at; set by hand
_MOST_SAID = 1 << 20  # bytes of a track's descriptions of samples, or of a camera's box; set by hand
_MOST_OWN = 64  # boxes of a camera that are kept, so that no file fills the memory; set by hand
_RUN_UP_SECONDS = 0.1  # of an encoder, which edit lists hide; more was cut by somebody: set by hand
_MOST_TAG = 256  # bytes of a language's tag that are read; set by hand
FULL_VOLUME = 256
"""The volume at which a sound is played as it is."""
_SOUND = int.from_bytes(b"soun", "big")
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
_KNOWN_UUIDS = (
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),  # XMP
    bytes.fromhex("d8fec3d61b0e483c92975828877ec481"),  # C2PA
)
_DESCRIPTIONS = (b"mdia", b"minf", b"stbl", b"stsd")  # of a track's samples, below it


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


def languages(file: Boxes) -> list[str]:
    """The BCP 47 tag of each track's language, "" where the ISO 639-2 code that FFmpeg reads says as much."""
    return [_tag(file, track) for track in file.tracks]


def _tag(file: Boxes, track: Box) -> str:
    for _, start, stop in file.below(track, b"mdia", b"elng"):
        tag = file.read(start + 4, min(stop - start - 4, _MOST_TAG)).partition(b"\0")[0].decode("latin-1")
        return tag if says_more(tag) else ""
    return ""


def edited(file: Boxes) -> dict[int, Edits]:
    """Id → edits of the tracks whose edit lists FFmpeg does not play as they say, or that were cut by them.

    FFmpeg plays the beginning of a track in its pauses.
    """
    found: dict[int, Edits] = {}
    scale = next(map(file.scale, file.below(file.whole, b"moov", b"mvhd")), 0) or 1
    for track in file.tracks:
        parts = [part for edits in file.edit_lists(track) for part in _parts(file, edits)]
        begins = [begin for _, begin, _ in parts if begin >= 0]
        late = bool(begins) and parts[0][1] < 0 < parts[0][0]
        own_scale = next(map(file.scale, file.below(track, b"mdia", b"mdhd")), 0)
        cut = late and begins[0] > _RUN_UP_SECONDS * own_scale
        ends = list(itertools.accumulate(length / scale for length, _, _ in parts))
        between = zip(ends[:-1], ends[1:], parts[1:], strict=True) if len(begins) > 1 else ()
        edits = Edits(
            parted=len(begins) > 1 or cut,
            pauses=tuple((start, stop) for start, stop, (_, begin, _) in between if begin < 0),
            retimed=any(speed != _ONE for _, begin, speed in parts if begin >= 0),
        )
        if edits.parted or edits.retimed:
            found |= dict.fromkeys(file.ids(track), edits)
    return found


def _parts(file: Boxes, edits: Box) -> list[tuple[int, int, int]]:
    """Length, beginning and speed of the edits of a list; those that begin before 0 only wait."""
    _, start, stop = edits
    wide = 8 if file.number(start, 1) else 4
    size = 2 * wide + 4
    last = min(stop, start + 8 + size * file.number(start + 4, 4))
    places = itertools.islice(range(start + 8, last, size), _MOST_EDITS)
    return [
        (
            file.number(at, wide),
            file.number(at + wide, wide, signed=True),
            file.number(at + 2 * wide, 4, signed=True),
        )
        for at in places
    ]


def redescribed(file: Boxes) -> set[int]:
    """Ids of tracks whose packets are of several descriptions, as where films were joined."""
    found = set[int]()
    for track in file.tracks:
        if any(file.number(start + 4, 4) > 1 for _, start, _ in file.below(track, *_DESCRIPTIONS)):
            found |= file.ids(track)
    return found


def references(file: Boxes) -> Iterator[Reference]:
    """Which streams belong to others and how, as a sound that stands in for another: not those made anew."""
    tracks = file.tracks
    numbers = {one: number for number, track in enumerate(tracks) for one in file.ids(track)}
    for number, track in enumerate(tracks):
        for outer in file.inside(track, b"tref"):
            for kind, start, stop in itertools.islice(file.inside(outer), _MOST_OWN):
                places = itertools.islice(range(start, stop - 3, 4), _MOST_OWN)
                others = [numbers.get(file.number(at, 4)) for at in places]
                if kind in _RELATIONS and others and None not in others:
                    yield number, kind.decode(), tuple(one for one in others if one is not None)


def ambisonic(file: Boxes) -> set[int]:
    """Ids of the tracks whose sound is around a listener and has no speakers (SA3D), as 360° films have.

    FFmpeg's decoders give such channels those of speakers.
    """
    found: set[int] = set()
    for track in file.tracks:
        for _, start, stop in file.below(track, *_DESCRIPTIONS):
            if b"SA3D" in file.read(start, min(stop - start, _MOST_SAID)):
                found |= file.ids(track)
    return found


def is_encrypted(file: Boxes) -> bool:
    """Whether picture or sound of the file is encrypted (ISO/IEC 14496-12 8.12)."""
    return any(
        kind in (b"encv", b"enca")
        for track in file.tracks
        for said, start, stop in file.below(track, *_DESCRIPTIONS)
        for kind, _, _ in file.inside((said, start + 8, stop))
    )


def own(file: Boxes) -> list[Words]:
    """What a camera or a program says of a whole film, or of a stream, in boxes of its own."""
    return [
        (stream, kind, file.read(start, stop - start))
        for stream, kind, start, stop in itertools.islice(_own(file), _MOST_OWN)
        if stop - start <= _MOST_SAID
    ]


def unread(file: Boxes) -> Iterator[str]:
    """Types of boxes in which a camera or a program says something and which are not kept."""
    end = file.whole[2]
    found = [box for box in file.inside(file.whole) if box[0] not in _STRUCTURE and box[2] <= end]
    for kind, start, _ in (*found, *file.below(file.whole, b"moov", b"uuid")):
        if kind.isalnum() and not (kind == b"uuid" and file.read(start, 16) in _KNOWN_UUIDS):
            yield kind.decode()
    for number, (_, said, start, stop) in enumerate(_own(file)):
        if number >= _MOST_OWN or stop - start > _MOST_SAID:
            yield said


def _own(file: Boxes) -> Iterator[tuple[int | None, str, int, int]]:
    movies = [(None, movie) for movie in file.inside(file.whole, b"moov")]
    for stream, outer in (*movies, *enumerate(file.tracks)):
        for said in file.inside(outer, b"udta"):
            for box, start, stop in file.inside(said):
                if (kind := box.decode("latin-1")) not in _READ and stop <= said[2]:
                    yield stream, kind, start, stop
        # FFmpeg reads that of a film alone; telephones say of a track what lens it was taken with.
        for _, start, stop in file.inside(outer, b"meta") if stream is not None else ():
            yield stream, "meta", start, stop
        # How much of a picture is to be shown is worth a word where it is not all of it.
        for aperture in file.inside(outer, b"tapt") if stream is not None else ():
            if len({file.read(start, stop - start) for _, start, stop in file.inside(aperture)}) > 1:
                yield stream, "tapt", *aperture[1:]


def volumes(file: Boxes) -> dict[int, int]:
    """Stream → volume at which players play it, where that is not the full one, in steps of 1/256.

    FFmpeg neither reads nor writes it.
    """
    found = {
        number: file.number(volume_at(file, head), 2)
        for number, track in enumerate(file.tracks)
        if any(file.number(start + 8, 4) == _SOUND for _, start, _ in file.below(track, b"mdia", b"hdlr"))
        for head in file.inside(track, b"tkhd")
    }
    return {number: volume for number, volume in found.items() if volume != FULL_VOLUME}


def volume_at(file: Boxes, head: Box) -> int:
    """Where the volume of a `tkhd` stands."""
    return head[1] + (48 if file.number(head[1], 1) else 36)
