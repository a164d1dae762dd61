"""A file behind something else is read, or refused with the command that cuts that off."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import av
import pytest

from dubcli.errors import MediaError
from dubcli.media import soundtrack
from dubcli.media.probe import probe
from tests.media import films

TAG = b"ID3\3\0\0\0\0\7\x68" + bytes(1000)
JUNK = bytes(random.Random(3).choices(range(0x80), k=90_000))
SOUND = {
    "dub.wav": [],
    "rf64.wav": ["-rf64", "always"],
    "dub.aiff": [],
    "dub.w64": [],
    "dub.caf": [],
    "dub.flac": [],
    "dub.ogg": ["-c:a", "libvorbis"],
    "dub.opus": ["-c:a", "libopus"],
    "dub.wv": [],
    "dub.tta": [],
    "dub.mp3": [],
    "dub.m4a": [],
    "dub.mka": ["-c:a", "flac"],
    "dub.wma": [],
    "dub.aac": [],
    "dub.ac3": [],
    "dub.ts": [],
}
PICTURE = {
    "film.mp4": films.x264("-c:a", "aac"),
    "film.mkv": films.x264(),
    "film.avi": ["-c:v", "mjpeg"],
    "film.flv": films.x264("-c:a", "aac"),
    "film.ogv": ["-c:v", "libtheora", "-c:a", "libvorbis"],
    "film.mxf": ["-c:v", "mpeg2video", "-c:a", "pcm_s16le"],
    "film.ts": films.x264("-c:a", "aac"),
}
KINDS = {name: ["-vn", *options] for name, options in SOUND.items()} | PICTURE
READ = {"dub.mp3", "dub.aac", "dub.ac3", "film.ts"}  # where FFmpeg looks for the beginning, however far


def samples(path: Path) -> int:
    """How many samples FFmpeg decodes of a file's first sound."""
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


@pytest.mark.parametrize("before", [TAG, JUNK], ids=["tag", "junk"])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_behind_something_else_is_read_or_refused_with_what_cuts_it_off(
    name: str, before: bytes, tmp_path: Path
) -> None:
    whole, path = films.make(tmp_path / f"whole-{name}", *KINDS[name], seconds=2), tmp_path / name
    path.write_bytes(before + whole.read_bytes())
    refused: MediaError | None = None
    try:
        info = probe(path)
    except MediaError as error:
        refused = error
    if refused is None:
        assert name in READ or before == TAG
        assert info.format == probe(whole).format
        assert soundtrack.duration(path, info.audio[0]) == pytest.approx(
            2, abs=0.2
        )  # some of it may look like sound
    else:
        assert name not in READ, refused
        assert films.advised(str(refused), path).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", ["dub.ogg", "dub.wv", "film.ogv"])
def test_a_file_before_something_else_is_refused_with_what_cuts_it_off(name: str, tmp_path: Path) -> None:
    whole, path = films.make(tmp_path / f"whole-{name}", *KINDS[name], seconds=2), tmp_path / name
    path.write_bytes(whole.read_bytes() + JUNK)
    with pytest.raises(MediaError, match="or behind its end; write it anew") as refused:
        probe(path)
    assert samples(films.advised(str(refused.value), path)) == samples(whole)


def test_a_photograph_that_moves_is_refused_with_what_makes_a_film_of_it(tmp_path: Path) -> None:
    """Telephones put a film behind a photograph."""
    whole = films.make(tmp_path / "whole.mp4", *PICTURE["film.mp4"])
    path = tmp_path / "photograph.jpg"
    films.ffmpeg(*films.moving(), "-frames:v", "1", str(path))
    with path.open("ab") as file, whole.open("rb") as film:
        shutil.copyfileobj(film, file)
    with pytest.raises(MediaError, match="something else before its beginning") as refused:
        probe(path)
    assert films.advised(str(refused.value), path).read_bytes() == whole.read_bytes()
