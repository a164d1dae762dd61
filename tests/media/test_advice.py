"""The commands that messages say to type do what they say: each is typed here."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.cli import jobs, output
from dubcli.errors import MediaError
from dubcli.media import length, soundtrack
from dubcli.media.ffmpeg import url
from dubcli.media.layout import layout
from dubcli.media.probe import probe
from dubcli.stages import probe as probing
from tests.media import films

TWO = ["-map", "0", "-map", "1", "-map", "1"]  # a picture and two sounds


def streams(path: Path) -> list[str]:
    """Types of a file's streams."""
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def peak(path: Path) -> float:
    """The loudest frequency of a sound, in Hz."""
    samples, _, rate = films.sound(path)
    spectrum = np.abs(np.fft.rfft(samples[0] * np.hanning(samples.shape[1])))
    return float(spectrum.argmax() * rate / samples.shape[1])


@pytest.mark.parametrize("wide", [2, 3])
def test_coded_sound_in_pcm_is_decoded_by_the_command_that_is_told(
    wide: int, tmp_path: Path, dub: Path
) -> None:
    """AC-3 in the second pair of four channels."""
    film, path = films.make(tmp_path / "film.mp4", *films.x264()), tmp_path / "dub.wav"
    coded, words = tmp_path / "a.ac3", tmp_path / "a.raw"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, "-c:a", "ac3", url(coded))
    films.ffmpeg("-i", url(coded), "-c", "copy", "-f", "spdif", url(words))
    pair = np.frombuffer(words.read_bytes(), "<i2").reshape(-1, 2).astype("<i4") << 8 * (wide - 2)
    samples = np.concatenate([np.zeros_like(pair), pair], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((4, wide, 48000, len(samples), "NONE", ""))
        file.writeframes(samples.reshape(-1, 1).view(np.uint8)[:, :wide].tobytes())
    with pytest.raises(MediaError, match="holds AC-3 in the form of PCM") as refused:
        films.Stages(tmp_path / "job", film, path).run(probing)
    assert peak(films.advised(str(refused.value), path)) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("rate", "true"), [(44100, 48000), (48000, 44100)])
def test_sound_at_another_rate_gets_its_speed_and_pitch(rate: int, true: int, tmp_path: Path) -> None:
    dub = films.wav(tmp_path / "dub.wav", 0.4 * np.sin(440 * 2 * np.pi * np.arange(20 * true) / true), rate)
    told = length.misfit(20.0, dub.name, 20 * true / rate, rate, 0.0)
    new = films.advised(told, dub)
    assert peak(new) == pytest.approx(440, abs=1)
    assert soundtrack.duration(new, probe(new).audio[0]) == pytest.approx(20, abs=0.01)


def test_sound_at_another_speed_keeps_its_depth(tmp_path: Path) -> None:
    dub = tmp_path / "dub.wav"
    films.ffmpeg("-f", "lavfi", "-t", "20.85", "-i", films.TONE, "-c:a", "pcm_s24le", url(dub))
    new = films.advised(length.misfit(20.0, dub.name, 20.85, 48000, 0.0), dub)
    track = probe(new).audio[0]
    assert track.codec == "pcm_s24le"
    assert soundtrack.duration(new, track) == pytest.approx(20, abs=0.03)


def test_a_film_whose_times_begin_late_keeps_every_stream(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.ts", *films.x264("-output_ts_offset", "3000", "-c:a", "mp2"), *TWO)
    done = films.dubbed(tmp_path / "job", film, dub, suffix=".mkv")
    (told,) = (line for line in done.warnings if "some players show nothing until then" in line)
    new = films.advised(told, film)
    assert streams(new) == streams(film) == ["video", "audio", "audio"]
    assert not any(
        "some players" in line for line in films.dubbed(tmp_path / "new", new, dub, (), ".mkv").warnings
    )


def test_the_picture_that_is_meant_gets_a_film_of_its_own(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.ts", *films.x264("-c:a", "mp2"), "-map", "0", *TWO)
    stages = films.Stages(tmp_path / "job", film, dub, ".mkv")
    stages.run(probing)
    (told,) = (line for line in stages.warnings if "the film has 2 pictures" in line)
    assert streams(films.advised(told, film)) == ["video", "audio", "audio"]


@pytest.mark.parametrize("late", [7, 60], ids=["late", "never"])
def test_a_sound_that_does_not_come_at_the_beginning_is_left_out_unless_what_is_told_is_done(
    late: int, tmp_path: Path, dub: Path
) -> None:
    """As a broadcast announces, and as FFmpeg makes of TrueHD on a disc."""
    film = tmp_path / "film.ts"
    second = ["-itsoffset", "7", "-f", "lavfi", "-t", "1", "-i", "sine=880:r=48000"]
    kinds = films.x264("-g", "12", "-c:a", "ac3")
    films.ffmpeg(
        *films.moving(seconds=9),
        *second,
        "-f",
        "lavfi",
        "-t",
        "9",
        "-i",
        films.TONE,
        "-map",
        "0",
        "-map",
        "2",
        "-map",
        "1",
        *kinds,
        url(film),
    )
    if late > 9:
        data = film.read_bytes()
        packets = [data[at : at + 188] for at in range(0, len(data), 188)]
        film.write_bytes(b"".join(one for one in packets if one[1] & 0x1F != 1 or one[2] != 2))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), ".mkv")
    assert [track.rate for track in probe(done.path).audio] == [48000, 48000]
    (told,) = (line for line in done.note["left_out"] if "sound track 2 (ac3): nothing of it comes" in line)
    if late < 9:
        done = films.dubbed(tmp_path / "again", films.advised(told, film), dub, range(3, 5), ".mkv")
        assert [track.rate for track in probe(done.path).audio] == [48000, 48000, 48000]
        assert not done.note["left_out"]


@pytest.mark.parametrize("pix_fmt", ["pal8", "monob", "gbrpf32le"])
def test_pictures_of_a_layout_that_is_not_read_become_some_that_are(pix_fmt: str, tmp_path: Path) -> None:
    codec = {"pal8": "png", "monob": "rawvideo", "gbrpf32le": "exr"}[pix_fmt]
    film = films.make(tmp_path / "film.mov", "-c:v", codec, "-pix_fmt", pix_fmt)
    with pytest.raises(MediaError, match="write the film anew") as refused:
        layout(pix_fmt)
    new = films.advised(str(refused.value), film)
    assert layout(probe(new).film.pix_fmt).bits == 10
    assert streams(new) == ["video", "audio"]


def test_files_of_split_mono_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(output.out, "warn", told.append)
    film = films.make(tmp_path / "film.mp4", *films.x264())
    tone = ["-f", "lavfi", "-t", "1", "-i", "sine=440:r=48000", "-ac", "1", "-c:a", "pcm_s24le"]
    for side in "LR":
        films.ffmpeg(*tone, url(tmp_path / f"dub.{side}.wav"))
    jobs.open_job(jobs.Request(film, tmp_path / "dub.L.wav"), save=False)
    new = films.advised(told[0].replace(" L.", " dub.L.").replace(" R.", " dub.R."), tmp_path / "dub.L.wav")
    (track,) = probe(new).audio
    assert (track.codec, track.layout) == ("pcm_s24le", "stereo")
