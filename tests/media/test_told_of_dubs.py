"""What `probe` tells of a dub before any work: its length and speed, its beginning, its language."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media import length, soundtrack
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import probe as probing
from tests.media import films


def test_a_dub_of_several_tracks_is_told_of(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mov", *films.x264("-g", "8"))
    noise = films.wav(tmp_path / "a.wav", films.noise(1))
    for count in (1, 2):
        dub = tmp_path / f"{count}.mov"
        films.ffmpeg("-i", url(noise), *(count * ["-map", "0"]), "-c:a", "pcm_s24le", url(dub))
        stages = films.Stages(tmp_path / f"job{count}", film, dub)
        stages.run(probing)
        assert sum("2 sound tracks" in line for line in stages.warnings) == count - 1


@pytest.mark.parametrize(
    ("seconds", "offset", "told"),
    [
        (10.0, 0.0, ""),
        (10.6, 0.0, ""),
        (9.591, 0.0, "4.1% less, as between 25 and 24 .* atempo=0.959"),
        (10.427, 0.0, "4.3% more, as between 25 and 24 .* atempo=1.042"),
        (20.0, 0.0, "10.0 s of it will be cut off"),
        (10.0, 2.0, "2.0 s of it will be cut off"),
        (4.0, 0.0, "the last 6.0 s will be silent"),
        (4.0, 5.5, ""),
    ],
)
def test_a_dub_of_another_length_is_told_of_before_any_work(
    seconds: float, offset: float, told: str, tmp_path: Path
) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264(), seconds=10, size="64x64", rate="25")
    dub = tmp_path / "dub.wav"
    films.ffmpeg("-f", "lavfi", "-t", f"{seconds}", "-i", films.TONE, url(dub))
    stages = films.Stages(tmp_path / "job", film, dub, align={"offset": offset})
    stages.run(probing)
    lines = [line for line in stages.warnings if "dub.wav lasts" in line]
    assert len(lines) == bool(told)
    assert all(re.search(told, line) for line in lines)


def test_subtitles_after_the_end_make_no_film_longer(tmp_path: Path, dub: Path) -> None:
    """Matroska says of the whole file how long it is, and programs of each track."""
    picture, film = films.make(tmp_path / "picture.mkv", *films.x264()), tmp_path / "film.mkv"
    text = tmp_path / "a.srt"
    text.write_text("1\n00:00:04,000 --> 00:00:09,000\nFin\n")
    films.ffmpeg("-i", url(picture), "-i", url(text), "-map", "0", "-map", "1", "-c", "copy", url(film))
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.run(probing)
    assert not stages.warnings


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (5405.4, "0.1% more, as between 24 and 23.976 pictures .* atempo=1.00100"),
        (5394.6, "0.1% less, as between 24 and 23.976 pictures .* atempo=0.99900"),
        (5877.6, "8.8% more, as between 48,000 and 44,100 samples .* asetrate=48000,aresample=48000"),
        (5408.0, "8.0 s of it will be cut off"),
        (5400.5, "^$"),
    ],
)
def test_a_dub_at_another_speed_is_told_of(seconds: float, told: str) -> None:
    assert re.search(told, length.misfit(5400.0, "dub.wav", seconds, 44_100, 0.0))


@pytest.mark.parametrize("apart", [1.0422, 1 / 1.0422, 1.001, 48 / 44.1, 44.1 / 48])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_an_encoders_padding_is_no_other_speed(seconds: float, apart: float) -> None:
    """Of a short film it may be the share by which 25 pictures are more than 24."""
    assert not length.misfit(seconds, "dub.aac", seconds * apart, 48_000, 0.0)


@pytest.mark.parametrize(
    ("name", "options"),
    [("dub.rm", ["-c:a", "real_144", "-ar", "8000", "-ac", "1"]), ("dub.wma", []), ("dub.wav", [])],
)
def test_a_dub_whose_times_stand_still_or_begin_before_it_is_heard_is_as_long_as_it_is(
    name: str, options: list[str], tmp_path: Path
) -> None:
    """RealAudio's packets are all at 0; the first of WMA are not heard."""
    dub = tmp_path / name
    films.ffmpeg("-f", "lavfi", "-t", "5", "-i", films.TONE, *options, url(dub))
    track = soundtrack.with_decoded_start(dub, soundtrack.main_track(probe(dub, whole=False)))
    assert soundtrack.duration(dub, track) == pytest.approx(5.0, abs=0.06)
    assert not length.misfit(5.0, name, soundtrack.duration(dub, track), track.rate, 0.0)


def leadered(pop: float, frequency: float = 1000.0, seconds: float = 0.04) -> NDArray[np.float64]:
    """Six seconds of sound that begins at 4 s, with a tone at a time before it."""
    wave = np.concatenate([np.zeros(4 * 48000), films.noise(2)])
    at, count = round(pop * 48000), round(seconds * 48000)
    wave[at : at + count] = 0.1 * np.sin(2 * np.pi * frequency * np.arange(count) / 48000)
    return wave


@pytest.mark.parametrize(
    ("wave", "offset", "told"),
    [
        (leadered(1.0), 0.0, "align.offset=-3.000"), (leadered(2.0), 0.0, "align.offset=-4.000"),
        (leadered(1.0), -3.0, ""), (leadered(1.0, frequency=300), 0.0, ""),
        (leadered(1.0, seconds=0.5), 0.0, ""), (leadered(3.5), 0.0, ""),
        (films.noise(2), 0.0, ""), (np.zeros(96000), 0.0, ""),
    ],
)  # fmt: skip
def test_the_pop_of_a_leader_is_told_of(
    wave: NDArray[np.float64], offset: float, told: str, tmp_path: Path
) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264(), seconds=4, size="64x64", rate="25")
    dub = films.wav(tmp_path / "dub.wav", wave)
    stages = films.Stages(tmp_path / "job", film, dub, align={"offset": offset})
    stages.run(probing)
    lines = [line for line in stages.warnings if "sync pop" in line]
    assert len(lines) == bool(told)
    assert all(told in line for line in lines)


@pytest.mark.parametrize(
    ("name", "settings", "count"),
    [("dub.wav", "", 1), ("vostfr.wav", "", 1), ("dub_fr.wav", "", 0), ("dub.wav", "fr", 0)],
)
def test_a_dub_whose_language_is_not_known_is_told_of(
    name: str, settings: str, count: int, tmp_path: Path
) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = films.wav(tmp_path / name, films.noise(1))
    stages = films.Stages(tmp_path / "job", film, dub, remux={"language": settings})
    stages.run(probing)
    assert sum("--set remux.language=fr" in line for line in stages.warnings) == count


def test_the_film_itself_as_its_dub_is_told_of(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    voice = films.wav(tmp_path / "dub.wav", films.noise(1))
    with pytest.raises(MediaError, match=r"dub\.wav has no video"):
        films.Stages(tmp_path / "other", voice, film, ".mp4").run(probing)
    copy = tmp_path / "dub_fr.mp4"
    copy.write_bytes(film.read_bytes())
    stages = films.Stages(tmp_path / "job", film, copy)
    stages.run(probing)
    assert any("the dub is the film itself" in line for line in stages.warnings)


@pytest.mark.parametrize(
    ("name", "inside", "tag"),
    [("mix.mka", "fre", "fr"), ("mix.m4a", "eng", "en"), ("mix.mka", "eng", ""), ("mix_de.mka", "fre", "de")],
)
def test_the_dubs_language_may_stand_in_its_file(name: str, inside: str, tag: str, tmp_path: Path) -> None:
    """Its name comes first; Matroska says English where nobody said anything."""
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = tmp_path / name
    said = ["-metadata:s:a", f"language={inside}", "-c:a", "aac"]
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, *said, url(dub))
    stages = films.Stages(tmp_path / "job", film, dub, ".mp4")
    stages.run(probing)
    assert stages.view.language == tag


@pytest.mark.parametrize(
    ("samples", "code", "rate", "offset"),
    [
        (172_704_000, "01:00:00:00", "25", -2.0),  # two seconds of leader before the first hour
        (172_800_000, "01:00:00:00", "25", None),
        (172_972_800, "01:00:00:00", "24000/1001", None),  # 3,600 s of timecode are 3603.6 s
        (172_800_000, "01:00:00:00", "24000/1001", None),
        (172_848_000, "01:00:00;00", "30000/1001", 1.0036),
        (0, "01:00:00:00", "25", None),
        (4_800_000, "01:00:00:00", "25", None),
    ],
)
def test_a_dub_that_is_stamped_beside_the_films_timecode_is_told_of(
    samples: int, code: str, rate: str, offset: float | None, tmp_path: Path
) -> None:
    film = films.make(tmp_path / "film.mov", *films.x264("-timecode", code), rate=rate)
    dub = tmp_path / "dub_fr.wav"
    stamp = ["-write_bext", "1", "-metadata", f"time_reference={samples}"]
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, *stamp, url(dub))
    stages = films.Stages(tmp_path / "job", film, dub, ".mov")
    stages.run(probing)
    lines = [line for line in stages.warnings if "by its timecode" in line]
    assert len(lines) == (offset is not None)
    assert all(f"--set align.offset={offset}" in line for line in lines)


def test_segments_of_a_broadcast_are_as_long_as_their_pictures(tmp_path: Path) -> None:
    fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-bf", "0", "-g", "5"]
    film = films.make(tmp_path / "film.mp4", *films.x264(*fragments), sound="")
    assert length.of_picture(film) == pytest.approx(1)
    data = bytearray(film.read_bytes())
    for found in re.finditer(b"tfdt", bytes(data)):
        at, wide = found.end() + 4, 8 if data[found.end()] else 4
        begin = int.from_bytes(data[at : at + wide], "big") + 60 * 12800  # its ticks a second
        data[at : at + wide] = begin.to_bytes(wide, "big")
    film.write_bytes(data)
    assert films.decoded(film).times[0] == 60
    assert length.of_picture(film) == pytest.approx(1)
