"""The dub in the result: its channels, where it begins and where it ends, and what it leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.errors import MediaError
from dubcli.media.ffmpeg import url
from dubcli.stages import probe as probing
from tests.media import films


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "7.1"])
def test_the_dub_keeps_its_channels_and_rate(layout: str, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mov", *films.x264())
    for codec, suffix in (("pcm_s24le", ".wav"), ("aac", ".m4a"), ("flac", ".flac")):
        dub = tmp_path / f"dub{suffix}"
        films.ffmpeg(
            "-f", "lavfi", "-t", "1", "-i", "anoisesrc=r=44100:seed=3", "-af",
            f"aformat=channel_layouts={layout}", "-c:a", codec, url(dub),
        )  # fmt: skip
        for result in (".mov", ".mkv", ".mp4"):
            done = films.dubbed(tmp_path / f"{codec}{result}", film, dub, suffix=result)
            with av.open(str(done.path)) as after, av.open(str(dub)) as before:
                new, old = after.streams.audio[0], before.streams.audio[0]
                assert new.codec_context.sample_rate == 44100
                assert new.codec_context.layout.nb_channels == old.codec_context.layout.nb_channels
                names = [channel.name for channel in new.codec_context.layout.channels]
                # Matroska stores only the number of channels, and FLAC in MP4 too.
                plain = (codec, result) in {("pcm_s24le", ".mkv"), ("flac", ".mkv"), ("flac", ".mp4")}
                assert plain or names == [channel.name for channel in old.codec_context.layout.channels]
                kept = {
                    ("pcm_s24le", ".mov"): "pcm_s24le", ("pcm_s24le", ".mkv"): "pcm_s24le",
                    ("pcm_s24le", ".mp4"): "aac", ("flac", ".mkv"): "flac", ("flac", ".mp4"): "flac",
                    ("flac", ".mov"): "pcm_s24le",
                }  # fmt: skip
                assert new.codec_context.codec.canonical_name == kept.get((codec, result), "aac")


def test_a_copied_dub_has_the_same_packets(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = tmp_path / "dub.m4a"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, "-c:a", "aac", url(dub))
    done = films.dubbed(tmp_path / "job", film, dub)
    packets = []
    for path in (dub, done.path):
        with av.open(str(path)) as container:
            packets.append([bytes(p) for p in container.demux(container.streams.audio[0]) if p.size])
    assert packets[0] == packets[1]


@pytest.mark.parametrize("kind", ["wav", "m4a", "flac"])
@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
def test_a_long_dub_ends_with_the_film(kind: str, result: str, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    long = films.wav(tmp_path / "long.wav", films.noise(2.5))
    dub = tmp_path / f"dub.{kind}"
    films.ffmpeg("-i", url(long), url(dub))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result)
    samples, start, rate = films.sound(done.path)
    assert 1.0 - 1 / rate <= float(start) + samples.shape[1] / rate <= (1.03 if kind != "wav" else 1.022)
    assert len(lengths(done.warnings)) == 1


def lengths(warnings: list[str]) -> list[str]:
    """What was said of a dub that is longer or shorter than its film, once: by `probe`, else by `remux`."""
    return [line for line in warnings if re.search("cut off|silent", line)]


@pytest.mark.parametrize("kind", ["wav", "m4a", "flac", "mp3"])
@pytest.mark.parametrize("result", [".mp4", ".mkv"])
def test_a_films_own_sound_goes_on_after_a_long_dubs_end(kind: str, result: str, tmp_path: Path) -> None:
    """ffmpeg's -frames, which once ended the dub, ends all other streams with it."""
    film = tmp_path / "film.mp4"
    films.ffmpeg(*films.moving(), "-f", "lavfi", "-t", "2", "-i", films.TONE, *films.x264(), url(film))
    long = films.wav(tmp_path / "long.wav", films.noise(2.5))
    films.ffmpeg("-i", url(long), url(tmp_path / f"dub.{kind}"))
    done = films.dubbed(tmp_path / "job", film, tmp_path / f"dub.{kind}", range(3, 5), result)
    packets = []
    for path, track in ((film, 0), (done.path, 1)):
        with av.open(str(path)) as box:
            packets.append([bytes(p) for p in box.demux(box.streams.audio[track]) if p.size])
    assert packets[0] == packets[1]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dub.flac", []),  # from a pipe: its head says nothing
        ("dub.webm", ["-c:a", "libopus", "-live", "1"]),  # as a browser records
        ("dub.mp3", ["-q:a", "0", "-write_xing", "0"]),  # guessed from its first packets
        ("dub.aac", ["-b:a", "192k"]),
    ],
)
def test_a_dubs_length_is_not_what_its_container_guesses(
    name: str, options: list[str], tmp_path: Path
) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    for seconds, order in (
        (1.0, -1),
        (2.5, 1),
    ):  # silence costs the first less, the second more than its mean
        parts = [films.noise(seconds - 0.4), np.zeros(19200)][::order]
        films.wav(tmp_path / "a.wav", np.concatenate(parts))
        dub = tmp_path / f"{seconds}{name}"
        films.ffmpeg("-i", url(tmp_path / "a.wav"), *options, url(dub))
        if dub.suffix == ".flac":
            data = bytearray(dub.read_bytes())
            data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # STREAMINFO's number of samples
            dub.write_bytes(data)
        done = films.dubbed(tmp_path / f"job{seconds}", film, dub, range(3, 5))
        samples, start, rate = films.sound(done.path)
        assert float(start) + samples.shape[1] / rate < 1.06
        told = lengths(done.warnings)
        assert len(told) == (seconds > 2)
        assert all(": 1.5 s of it" in line for line in told)


def test_a_dub_that_changes_midway_is_heard_to_its_end(tmp_path: Path) -> None:
    """Raw AAC of two files: MP4 says of a track what it is once."""
    film, dub = films.make(tmp_path / "film.mp4", *films.x264(), seconds=2.0), tmp_path / "dub_fr.aac"
    sound = films.wav(tmp_path / "sound.wav", films.noise(1))
    for number, (channels, hertz) in enumerate((("1", "48000"), ("2", "44100"))):
        part = tmp_path / f"{number}.aac"
        films.ffmpeg("-i", url(sound), "-ac", channels, "-ar", hertz, "-b:a", "256k", url(part))
        with dub.open("ab") as file:
            file.write(part.read_bytes())
    done = films.dubbed(tmp_path / "job", film, dub)
    heard, start, rate = films.sound(done.path)
    assert start == 0
    assert (rate, len(heard)) == (48000, 1)
    wanted = np.float32(films.noise(1)[8000:32000])  # of the second file, which its encoder's run-up moves
    assert np.correlate(heard[0, 50000:90000], wanted, "valid").max() > 0.5 * np.square(wanted).sum()


def test_a_dub_whose_times_jump_back_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    """Two files of Ogg one behind the other: what comes second has times of its own."""
    film, part = films.make(tmp_path / "film.mp4", *films.x264(), seconds=2.0), tmp_path / "part.opus"
    films.ffmpeg("-i", url(films.wav(tmp_path / "sound.wav", films.noise(1))), "-c:a", "libopus", url(part))
    dub, new = tmp_path / "dub_fr.opus", tmp_path / "new_fr.wav"
    dub.write_bytes(part.read_bytes() * 2)
    stages = films.Stages(tmp_path / "job", film, dub)
    with pytest.raises(MediaError, match=r"jump back after .* ffmpeg -i DUB NEW\.wav"):
        stages.run(probing)
    films.ffmpeg("-i", url(dub), url(new))
    mended = films.Stages(tmp_path / "again", film, new)
    mended.run(probing)
    assert not mended.warnings


def test_a_short_dub_is_silent_to_the_end(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264(), seconds=3)
    dub = films.wav(tmp_path / "dub.wav", films.noise(1))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), ".mov")
    samples, _, rate = films.sound(done.path)
    assert samples.shape[1] == rate
    assert [line.partition(": ")[2][:22] for line in lengths(done.warnings)] == ["the last 2.0 s will be"]
    assert len(films.decoded(done.path).times) == 75


def test_what_headers_round_of_a_dubs_length_is_told_of_at_the_end(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = films.wav(tmp_path / "dub.wav", films.noise(1.5))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5))
    assert (
        [line for line in lengths(done.warnings) if "0.50 s longer" in line] == lengths(done.warnings) != []
    )


@pytest.mark.parametrize("kind", ["wav", "m4a", "flac"])
@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("offset", [0.52, -0.52])
def test_a_dub_begins_where_the_user_says(kind: str, result: str, offset: float, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264(), seconds=2)
    dub = tmp_path / f"dub.{kind}"
    films.ffmpeg("-i", url(films.wav(tmp_path / "noise.wav", films.noise(1.6))), url(dub))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result, align={"offset": offset})
    samples, start, rate = films.sound(done.path)
    assert -1e-3 <= float(start) < max(offset, 0) + 0.1  # FLAC has about 90 ms in a packet
    piece = films.noise(1.6)[int(0.8 * rate) : int(1.2 * rate)]
    found = int(np.argmax(np.correlate(samples[0], piece, "valid")))
    slack = 6e-4 if result == ".mkv" else 1.01 / rate  # Matroska counts in milliseconds
    assert float(start) + found / rate == pytest.approx(0.8 + offset, abs=slack)


def test_an_offset_that_leaves_nothing_of_the_dub_is_refused(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = films.wav(tmp_path / "dub.wav", films.noise(1))
    for offset in (-2.0, 2.0):
        with pytest.raises(MediaError, match=r"nothing of .* --set align\.offset=SECONDS"):
            films.dubbed(tmp_path / f"job{offset}", film, dub, range(3, 5), align={"offset": offset})


@pytest.mark.parametrize("result", [".mp4", ".mov"])
def test_all_sounds_are_alternatives_of_each_other(result: str, tmp_path: Path, dub: Path) -> None:
    """A player switches between the dub and the film's own sound; it does not play both."""
    film = films.make(tmp_path / f"film{result}", *films.x264("-map", "0:v", "-map", "1:a", "-map", "1:a"))
    data = films.dubbed(tmp_path / "job", film, dub, range(3, 5), result).path.read_bytes()
    heads = [found.start() for found in re.finditer(b"tkhd\\0", data)]  # of version 0
    loud = [at for at in heads if data[at + 40 : at + 42] == b"\1\0"]  # sound alone has a volume
    groups = {int.from_bytes(data[at + 38 : at + 40], "big") for at in loud}
    assert (len(loud), len(groups), min(groups) > 0) == (3, 1, True)
