"""Names are data, and damaged media is passed on with a warning or refused in one line; nothing hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.errors import CheckError, MediaError
from dubcli.media import sound
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import probe as stage_probe
from tests.media import films

NAMES = [
    "-y", "-i film", "film%03d", "%d%s", "film\nline", "quo'te\"s", "concat:a|b", "http:film",
    "file:film", "pipe:1",
    "a|b;c&d$(x)`y`", "üñïçødé 映画", " space ", "[0:v]", "tee=x", "#hash", "back\\slash", "data:,x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_only_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as a relative name, where a dash or a protocol would stand first."""
    films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), seconds=0.5)
    films.wav(tmp_path / "dub.wav", films.noise(0.5))
    monkeypatch.chdir(tmp_path)
    film, dub = Path(name + ".mp4"), Path(name + ".wav")
    os.rename("film.mp4", film)
    os.rename("dub.wav", dub)
    assert len(sound.audio(dub)[0]) == 8000
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4))
    assert films.decoded(done.path).times == films.decoded(tmp_path / film).times
    assert sorted(os.listdir(tmp_path)) == sorted([film.name, dub.name, "job"])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "film.mp4"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n", "film.mp4"),
        (
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 1 RTP/AVP 96\n",
            "film.sdp",
        ),
        (b"", "film.mp4"),
        (b"RIFF", "film.avi"),
        (b"\0" * 5000, "film.mkv"),
        (b"just words\n" * 100, "film.txt"),
    ],
)
def test_what_is_no_media_is_refused(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(MediaError):
        sound.audio(path)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        probe(tmp_path / "film.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)


def test_sound_alone_is_no_film(tmp_path: Path, dub: Path) -> None:
    info = probe(dub)
    assert info.video is None
    with pytest.raises(MediaError, match="no video"):
        _ = info.film


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    films.ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", url(tmp_path / "cover.png"))
    films.ffmpeg(
        "-f", "lavfi", "-t", "1", "-i", films.TONE, "-i", url(tmp_path / "cover.png"),
        "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic",
        url(tmp_path / "song.m4a"),
    )  # fmt: skip
    info = probe(tmp_path / "song.m4a")
    assert info.video is None
    assert sound.audio(tmp_path / "song.m4a")[0].size


def test_a_film_without_sound_gets_the_dub(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), sound="")
    for k, touched in enumerate([(), range(9, 12)]):
        done = films.dubbed(tmp_path / f"job{k}", film, dub, touched)
        with av.open(str(done.path)) as container:
            assert [s.type for s in container.streams] == ["video", "audio"]


def test_a_dub_without_samples_is_refused_before_any_work(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    empty = films.wav(tmp_path / "empty.wav", np.zeros(0))
    with pytest.raises(MediaError, match="no sound"):
        sound.audio(empty)
    stages = films.Stages(tmp_path / "job", film, empty)
    with pytest.raises(MediaError, match="no sound"):
        stages.run(stage_probe)


def test_a_film_that_changed_since_it_was_read_is_noticed(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    stages.touch(range(9, 12))
    films.ffmpeg(*films.moving(), "-vf", "negate", *films.x264("-g", "8"), url(film))
    with pytest.raises((MediaError, CheckError), match="changed since"):
        stages.finish()


CASES = 160
SECONDS = 60


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """In a process of its own: not even the libraries may crash or hang."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.media.fuzz", str(tmp_path), str(CASES)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=SECONDS * 5,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    counts = json.loads(done.stdout)
    assert counts["cases"] == CASES
    assert counts["read"] > CASES // 20
    assert counts["refused"] > CASES // 20
    assert counts["slowest"] < SECONDS


def test_what_is_empty_or_no_media_is_called_so(tmp_path: Path) -> None:
    for name, data, why in (
        ("empty.wav", b"", "is empty"),
        ("list.m3u8", b"#EXTM3U\na.wav\n", "cannot be read: it is no film or sound"),
        ("session.aup", b"<?xml version='1.0'?><project/>", "cannot be read: it is no film or sound"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=f"{name} {why}"):
            probe(tmp_path / name)


def test_a_format_that_is_not_read_is_called_so(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.gif", sound="")
    with pytest.raises(MediaError, match="no format that is read here; convert it first"):
        probe(film)
