"""A film whose picture or sound is encrypted is called that, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dubcli.errors import MediaError
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe as probed
from tests.media import films


def test_an_encrypted_film_is_called_that(tmp_path: Path) -> None:
    key = ["-encryption_key", 16 * "7a", "-encryption_kid", 16 * "5b"]
    film = films.make(tmp_path / "film.mp4", *films.x264(), "-encryption_scheme", "cenc-aes-ctr", *key)
    dub = tmp_path / "dub.m4a"
    films.ffmpeg(
        "-f", "lavfi", "-t", "1", "-i", films.TONE, "-encryption_scheme", "cenc-aes-ctr", *key, url(dub)
    )
    for path in (film, dub):
        with pytest.raises(MediaError, match="is encrypted; name a copy"):
            probed(path, whole=False)


def scrambled_transport(plain: bytes) -> bytes:
    """As pay TV is recorded: packets of picture and sound are noise, tables are not."""
    data = bytearray(plain)
    for at in range(0, len(data), 188):
        if data[at + 1] & 0x1F == 1 and data[at + 3] & 0x10:
            data[at + 3] |= 0x80
            begin = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
            data[begin : at + 188] = np.random.default_rng(at).bytes(at + 188 - begin)
    return bytes(data)


def scrambled_disc(plain: bytes) -> bytes:
    """As files of a DVD are: of sectors of picture, all but the first 128 bytes is noise."""
    data = bytearray(plain)
    for at in range(0, len(data), 2048):
        if data[at + 17] == 0xE0:
            data[at + 20] |= 0x30
            data[at + 128 : at + 2048] = np.random.default_rng(at).bytes(1920)
    return bytes(data)


def scrambled_blu_ray(plain: bytes) -> bytes:
    data = bytearray(plain)
    for at in range(0, len(data), 6144):
        stop = min(at + 6144, len(data))
        data[at] |= 0xC0
        data[at + 16 : stop] = np.random.default_rng(at).bytes(stop - at - 16)
    return bytes(data)


def protected_asf(plain: bytes) -> bytes:
    size, count = int.from_bytes(plain[16:24], "little"), int.from_bytes(plain[24:28], "little")
    said = 4 * b"\4\0\0\0DRM\0"  # secret, type, key and address of the licence
    more = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + (24 + len(said)).to_bytes(8, "little") + said
    head = (size + len(more)).to_bytes(8, "little") + (count + 1).to_bytes(4, "little")
    return plain[:16] + head + plain[28:size] + more + plain[size:]


def encrypted_matroska(plain: bytes) -> bytes:
    """The picture's packets are (AES), in place of its number, lacing and language."""
    at = plain.index(b"\x73\xc5\x88")
    how = bytes.fromhex("6d808e 62408b 50338101 503584 47e18105 ec820000")
    return plain[:at] + how + plain[at + len(how) :]


@pytest.mark.parametrize(
    ("name", "options", "scramble"),
    [
        ("film.ts", films.x264("-g", "8"), scrambled_transport),
        ("film.vob", ["-c:v", "mpeg2video", "-c:a", "mp2", "-b:v", "2M"], scrambled_disc),
        ("film.m2ts", films.x264("-g", "8", "-crf", "5"), scrambled_blu_ray),
        ("film.wmv", ["-c:v", "wmv2", "-c:a", "wmav2"], protected_asf),
        ("film.mkv", films.x264(), encrypted_matroska),
    ],
    ids=["transport", "dvd", "blu-ray", "asf", "matroska"],
)
def test_a_protected_film_of_any_kind_is_called_encrypted(
    name: str, options: list[str], scramble: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    film = films.make(tmp_path / name, *options)
    probed(film)
    film.write_bytes(scramble(film.read_bytes()))
    with pytest.raises(MediaError, match="is encrypted; name a copy without protection"):
        probed(film)
