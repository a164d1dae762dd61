"""What stands before a file's own beginning: tags of another kind of file, a photograph, a server's words.

FFmpeg skips some of it before some kinds of files. Elsewhere it finds nothing, or guesses: of FLAC it then
misses the head that says its times.

Sources: the beginnings of files by RIFF WAVE, EBU Tech 3306, AIFF, Sony's W64, Apple's CAF, RFC 3533 6 (Ogg),
RFC 9639 8 (FLAC), ISO/IEC 14496-12 4.3 (ftyp), RFC 8794 11.2 (Matroska), Adobe's FLV E.2, Microsoft's ASF,
SMPTE ST 377-1 6.5 (MXF), WavPack 5, True Audio 1, ISO/IEC 13818-1 2.4.3, ID3v2.4.0 3.1.
"""

from __future__ import annotations

import re
from pathlib import Path

from dubcli.errors import MediaError

_CODE = b"\0\0\1"  # with which every part of MPEG-1 and MPEG-2 begins
GUESSED = {"flac": (b"fLaC", b"ID3"), "mpeg": (_CODE,), "mpegvideo": (_CODE,)}
"""By FFmpeg's names of formats that it guesses from what stands anywhere in a file: how such files begin."""
_BEGINNING = re.compile(
    rb"(?:RIFF|RF64|BW64).{4}(?:WAVEfmt |WAVEJUNK|WAVEbext|WAVEds64|AVI LIST)|FORM.{4}AIF[CF]"
    rb"|OggS\x00\x02\x00{8}|fLaC[\x00\x80]\x00\x00\x22|riff\x2e\x91\xcf\x11|caff\x00\x01\x00\x00desc"
    rb"|\x00\x00[\x00-\x03].(?:ftyp|wide\x00\x00)|\x1a\x45\xdf\xa3.{0,60}\x42\x82.(?:matroska|webm)"
    rb"|FLV\x01[\x01\x04\x05]\x00\x00\x00\x09|\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
    rb"|\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02|wvpk.{4}[\x00-\x10]\x04.{6}\x00{4}|TTA1\x01\x00"
    rb"|\x47(?:.{187}\x47){9}",
    re.DOTALL,
)
_SEARCHED_BYTES = 1 << 24  # in which a beginning is looked for: a photograph may stand before it; set by hand


def check(path: Path, form: str = "") -> None:
    """Refuse a file whose beginning stands behind something else.

    Args:
        path: the file.
        form: FFmpeg's name of the format that it guessed, "" for none.

    Raises:
        MediaError: it is one.
    """
    with path.open("rb") as file:
        head = file.read(len(_CODE) + 1)  # no more of ordinary files, which are opened often
        if head.startswith(GUESSED.get(form, ())):
            return
        found = _BEGINNING.search(head + file.read(_SEARCHED_BYTES))
    if found and found.start():
        raise MediaError(
            f"{path} has {found.start():,} bytes of something else before its beginning; cut them off, as "
            f"with tail -c +{found.start() + 1} FILE > NEW{path.suffix}"
        )
