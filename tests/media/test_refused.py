"""What cannot be written is refused before any work, with what to type instead."""

from __future__ import annotations

import os
import re
import struct
import wave as pcm
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pydantic import ValidationError

from dubcli.artifacts.media import MediaInfo
from dubcli.core.job import Job
from dubcli.core.places import default_out
from dubcli.errors import MediaError, UsageError
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe as probed
from dubcli.settings.config import ComposeSettings, Settings
from dubcli.stages import probe
from tests.media import films

REFUSED = [
    (
        "film.webm",
        [
            "-c:v",
            "libvpx-vp9",
            "-pix_fmt",
            "yuv420p",
            "-vf",
            "scale=97:65",
            "-deadline",
            "realtime",
            "-c:a",
            "libopus",
        ],
        "97x65",
        ".mkv",
        "ffv1",
    ),
    (
        "film.dv",
        ["-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-r", "30000/1001", "-ac", "2"],
        "720x480",
        ".mov",
        "ffv1",
    ),
    (
        "film.mov",
        ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"],
        "96x64",
        ".mov",
        "ffv1",
    ),
    ("film.mkv", ["-c:v", "libx264", "-pix_fmt", "yuv420p"], "96x64", ".mkv", ""),
]


@pytest.mark.parametrize(
    ("name", "options", "size", "result", "way"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_what_no_encoder_takes_is_refused_by_probe_with_what_to_type(
    name: str, options: list[str], size: str, result: str, way: str, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / name, *options, size=size)
    asked: dict[str, Any] = {} if way else {"compose": {"codec": "prores", "profile": "nonsense"}}
    stages = films.Stages(tmp_path / "job", film, dub, result, **asked)
    with pytest.raises(MediaError, match=r"ffv1 -o film\.mkv") as caught:
        stages.run(probe)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "job" / "split").exists()
    # What it says to type does it, and loses nothing.
    done = films.dubbed(tmp_path / "lossless", film, dub, range(3, 6), ".mkv", compose={"codec": "ffv1"})
    with av.open(str(done.path)) as after:
        assert after.streams.video[0].codec_context.name == "ffv1"
    before, after_ = films.decoded(film, keep=True), films.decoded(done.path, keep=True)
    assert (
        all(np.array_equal(a, b) for a, b in zip(before.frames[0], after_.frames[0], strict=False))
        or before.name != after_.name
    )


def test_a_picture_that_no_encoder_takes_is_copied_where_that_is_asked_for(tmp_path: Path, dub: Path) -> None:
    """ProRes 4444 decodes to 12 bits. Where a frame is changed no film is written; layers can be taken."""
    film = films.make(
        tmp_path / "film.mov", "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"
    )
    done = films.dubbed(tmp_path / "job", film, dub, compose={"video": "copy"})
    assert (done.note["copied"], done.note["encoded"]) == (25, 0)
    assert films.decoded(done.path).hashes == films.decoded(film).hashes
    assert films.decoded(done.path).name == "yuva444p12le"
    with pytest.raises(MediaError, match=r"3 frames are changed.*dubcli layers export") as caught:
        films.dubbed(tmp_path / "touched", film, dub, range(3, 6), compose={"video": "copy"})
    assert caught.value.exit_code == 3
    with pytest.raises(ValidationError, match=r"leave .* out"):
        ComposeSettings(video="copy", codec="ffv1")


@pytest.mark.parametrize(("wide", "valid"), [(4, 24), (4, 20), (4, 16), (3, 16), (3, 20)])
def test_samples_narrower_than_their_places_are_refused_with_what_mends_them(
    wide: int, valid: int, tmp_path: Path
) -> None:
    """FFmpeg makes noise of them; 20 bits in 24 it reads."""
    wave = films.noise(0.1)
    samples = np.round(wave * 2 ** (valid - 1)).astype("<i8") << (8 * wide - valid)
    data = samples.reshape(-1, 1).view(np.uint8)[:, :wide].tobytes()
    kind = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    said = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 48000, 48000 * wide, wide, 8 * wide, 22, valid, 4) + kind
    form = b"WAVEfmt " + struct.pack("<I", len(said)) + said + b"data" + struct.pack("<I", len(data)) + data
    dub = tmp_path / "dub.wav"
    dub.write_bytes(b"RIFF" + struct.pack("<I", len(form)) + form)
    if (wide, valid) != (3, 20):
        with pytest.raises(MediaError, match=r"ffmpeg (-c:a pcm\S+) -i DUB (-c:a pcm\S+) NEW") as caught:
            probed(dub, whole=False)
        before, after = re.findall(r"-c:a (\w+)", str(caught.value))
        films.ffmpeg("-c:a", before, "-i", url(dub), "-c:a", after, url(tmp_path / "new.wav"))
        dub = tmp_path / "new.wav"
    probed(dub, whole=False)
    heard, _, _ = films.sound(dub)
    assert np.abs(heard[0] - wave).max() < 2.0 ** (1 - valid)


@pytest.mark.parametrize(
    ("first", "second", "kind", "bits", "told"),
    [
        (0xF872, 0x4E1F, 21, 16, "E-AC-3 .* ffmpeg -i DUB .*c0=c2.*c1=c3' -f s16le - . ffmpeg -f spdif"),
        (0x6F8720, 0x54E1F0, 28, 20, "Dolby E .* ffmpeg -i DUB .*c0=c2.*c1=c3' -f s24le - . ffmpeg -f s337m"),
        (0x96F872, 0xA54E1F, 28, 24, "Dolby E "),
        (0x96F873, 0xA54E1F, 28, 24, ""),
    ],
)
def test_a_dub_of_coded_sound_in_pcm_is_refused(
    first: int, second: int, kind: int, bits: int, told: str, tmp_path: Path
) -> None:
    """Bursts in the second pair of four channels, a picture apart."""
    free = 0 if bits == 16 else 8
    samples = np.round(2**20 * films.noise(1)).astype("<i4").repeat(4).reshape(-1, 4)
    for at in range(70, len(samples), 1920):
        samples[at, 2:] = np.array([first, second], "<u4").view("<i4")
        samples[at + 1, 2] = kind << free
    wide = 2 if bits == 16 else 3
    dub = tmp_path / "dub.wav"
    with pcm.open(str(dub), "wb") as file:
        file.setparams((4, wide, 48000, len(samples), "NONE", ""))
        file.writeframes(samples.reshape(-1, 1).view(np.uint8)[:, :wide].tobytes())
    film = films.make(tmp_path / "film.mov", *films.x264("-c:a", "pcm_s24le"))
    stages = films.Stages(tmp_path / "job", film, dub)
    if told:
        with pytest.raises(MediaError, match=told):
            stages.run(probe)
    else:
        stages.run(probe)


def test_coded_sound_of_a_film_in_pcm_is_told_of(tmp_path: Path, dub: Path) -> None:
    """AC-3 as ffmpeg puts it into PCM; the command of a dub's refusal makes sound of it again."""
    coded, words, film = tmp_path / "a.ac3", tmp_path / "a.raw", tmp_path / "film.mov"
    films.ffmpeg("-i", url(dub), "-ac", "2", "-c:a", "ac3", url(coded))
    films.ffmpeg("-i", url(coded), "-c", "copy", "-f", "spdif", url(words))
    words_of = ["-f", "s16le", "-ar", "48000", "-ac", "2", "-i", url(words)]
    films.ffmpeg(*films.moving(), *words_of, *films.x264("-c:a", "pcm_s16le"), url(film))
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.run(probe)
    assert ["track 1 of the film holds AC-3 " in line for line in stages.warnings] == [True]
    films.ffmpeg("-f", "spdif", "-i", url(words), url(tmp_path / "new.wav"))
    assert films.sound(tmp_path / "new.wav")[2] == 48000


@pytest.mark.parametrize(
    ("name", "options", "suffix", "way"),
    [
        ("film.mov", ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"], ".mp4", r"film\.mov"),
        ("film.mkv", ["-c:v", "ffv1"], ".mov", r"film\.mkv"),  # MP4 would make AAC of its sound
    ],
)
def test_a_container_that_cannot_hold_the_picture_is_refused_by_probe(
    name: str, options: list[str], suffix: str, way: str, tmp_path: Path, dub: Path
) -> None:
    stages = films.Stages(tmp_path / "job", films.make(tmp_path / name, *options), dub, suffix)
    with pytest.raises(MediaError, match=f"add -o {way}"):
        stages.run(probe)


@pytest.mark.parametrize("pix_fmt", ["rgba", "rgba64be"])
def test_what_keeps_alpha_is_told_and_keeps_it(pix_fmt: str, tmp_path: Path, dub: Path) -> None:
    fading = "format=rgba,geq=r='X':g='Y':b='N':a='X+Y'"
    film = tmp_path / "film.mov"
    films.ffmpeg(*films.moving(seconds=0.2), "-vf", fading, "-c:v", "png", "-pix_fmt", pix_fmt, url(film))
    with pytest.raises(MediaError, match=r"add --set compose\.codec=ffv1 -o film\.mkv"):
        films.Stages(tmp_path / "refused", film, dub).run(probe)
    done = films.dubbed(tmp_path / "job", film, dub, [2], ".mkv", compose={"codec": "ffv1"})
    alpha = []
    for path in (film, done.path):
        with av.open(str(path)) as container:
            pictures = container.decode(video=0)
            alpha.append(np.stack([one.reformat(format="rgba64le").to_ndarray()[..., 3] for one in pictures]))
    assert np.array_equal(*alpha)
    assert np.ptp(alpha[0]) > 10_000


@pytest.mark.parametrize("touched", [[2], []])
def test_alpha_beside_pictures_of_a_browser_stays_with_packets_or_is_named(
    touched: list[int], tmp_path: Path, dub: Path
) -> None:
    """VP8 and VP9 keep it in packets of its own, of which FFmpeg's decoders know nothing."""
    film = tmp_path / "film.webm"
    alpha = ["-c:v", "libvpx", "-auto-alt-ref", "0", "-deadline", "realtime", "-pix_fmt", "yuva420p"]
    films.ffmpeg(*films.moving(seconds=0.2), *alpha, url(film))
    done = films.dubbed(tmp_path / "job", film, dub, touched, ".mkv")
    assert sum("a second layer of pictures (alpha" in line for line in done.note["left_out"]) == len(touched)
    with av.open(str(done.path)) as container:
        assert ("ALPHA_MODE" in container.streams.video[0].metadata) == (not touched)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("film.mxf", ["-c:v", "mpeg2video", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le"], "96x64"),
        (
            "film.mxf",
            ["-c:v", "dnxhd", "-b:v", "60M", "-pix_fmt", "yuv422p", "-c:a", "pcm_s24le"],
            "1280x720",
        ),
    ],
    ids=["mpeg2", "dnxhd"],
)
def test_mxf_comes_out_as_mov(name: str, options: list[str], size: str, tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / name, *options, size=size, seconds=0.5)
    out = default_out(film, dub)
    assert out.suffix == ".mov"
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), out.suffix)
    assert len(films.decoded(done.path).times) == len(films.decoded(film).times)


def test_a_picture_that_stays_whole_but_cannot_stand_there_is_encoded(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.avi", "-c:v", "huffyuv", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le")
    done = films.dubbed(tmp_path / "job", film, dub, (), ".mp4")
    with av.open(str(done.path)) as after:
        assert after.streams.video[0].codec_context.name == "h264"
    assert len(films.decoded(done.path).times) == 25


@pytest.mark.parametrize("out", [".", "/", "folder"])
def test_a_folder_is_no_output(out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    film, dub = (
        films.make(tmp_path / "film.mp4", *films.x264()),
        films.wav(tmp_path / "d.wav", films.noise(0.1)),
    )
    with pytest.raises(UsageError, match="is a folder; name the film"):
        Job.create_or_open(film, dub, Settings(), out=Path(out))


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    """As the title of a film from the web, to which a dub's name is added."""
    film, dub = tmp_path / f"{248 * 'a'}.mp4", tmp_path / "dub_fr.wav"
    film.touch()
    dub.touch()
    with pytest.raises(UsageError, match=r"is too long here; name the film to write with -o FILE"):
        Job.create_or_open(film, dub, Settings())
    assert Job.create_or_open(film, dub, Settings(), out=tmp_path / "out.mp4").out.name == "out.mp4"


def test_the_outputs_folder_is_made(tmp_path: Path) -> None:
    film, dub = (
        films.make(tmp_path / "film.mp4", *films.x264()),
        films.wav(tmp_path / "d.wav", films.noise(0.1)),
    )
    out = tmp_path / "delivery" / "fr" / "film.mov"
    Job.create_or_open(film, dub, Settings(), out=out, save=False)
    assert not out.parent.exists()
    Job.create_or_open(film, dub, Settings(), out=out)
    assert out.parent.is_dir()
    with pytest.raises(UsageError, match="no folder"):
        Job.create_or_open(film, dub, Settings(), out=film / "x" / "film.mov")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a file server with the rushes; who tests this may be root, whom nothing is denied."""
    rushes = tmp_path / "rushes"
    rushes.mkdir()
    film, dub = films.make(rushes / "film.mp4", *films.x264()), films.wav(rushes / "d.wav", films.noise(0.1))
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != rushes)
    with pytest.raises(UsageError, match=r"cannot write to the folder .*rushes; .* output with -o FILE"):
        Job.create_or_open(film, dub, Settings())
    before = sorted(rushes.iterdir())
    Job.create_or_open(film, dub, Settings(), out=tmp_path / "out.mp4").read_sources()
    assert sorted(rushes.iterdir()) == before


def test_a_film_that_grows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = films.make(tmp_path / "film.ts", *films.x264())
    stages = films.Stages(tmp_path / "job", film)
    from dubcli.media import probe as looking

    real = looking.probe

    def meanwhile(path: Path, **options: Any) -> MediaInfo:
        info = real(path, **options)
        with path.open("ab") as file:
            file.write(bytes(188))
        return info

    monkeypatch.setattr(looking, "probe", meanwhile)
    with pytest.raises(MediaError, match="still being written"):
        stages.run(probe)
