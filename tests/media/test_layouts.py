"""Sound with more channels, tracks and bits than two of sixteen."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.artifacts.media import MediaInfo
from dubcli.errors import MediaError
from dubcli.media import sound
from dubcli.media.ffmpeg import url
from dubcli.stages import probe
from tests.media import films

LAYOUTS = [
    "mono",
    "2.1",
    "3.0",
    "4.0",
    "quad",
    "5.0",
    "5.1",
    "6.1",
    "7.1",
    "7.1(wide)",
    "5.1.4",
    "7.1.4",
    "9.1.6",
    "22.2",
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_keep_their_places_or_are_refused_at_once(layout: str, tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = tmp_path / "dub.wav"
    count = av.AudioLayout(layout).nb_channels
    tones = "|".join(f"0.3*sin({200 + 90 * k}*2*PI*t)" for k in range(count))
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", f"aevalsrc={tones}:c={layout}:s=48000", url(dub))
    assert len(sound.audio(dub)[0]) == 16000
    for result in (".mp4", ".mov", ".mkv"):
        if result == ".mp4" and (count > 8 or layout == "6.1"):
            stages = films.Stages(tmp_path / "refused", film, dub, result)
            with pytest.raises(MediaError, match=r"add -o film\.mov"):
                stages.run(probe)
            continue
        done = films.dubbed(tmp_path / f"job{result}", film, dub, range(3, 6), result)
        samples, _, rate = films.sound(done.path)
        assert len(samples) == count
        if count <= 8:
            with av.open(str(done.path)) as after:
                told = after.streams.audio[0].layout.name
            # What is the usual layout of so many channels needs no name.
            usual = ["mono", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1"]
            assert told == layout or (told == f"{count} channels" and layout in usual)
        power = np.abs(np.fft.rfft(samples[:, : rate // 2] * np.hanning(rate // 2)))
        loudest = 2 * power[:, :5000].argmax(axis=1)
        lfe = {
            k for k, c in enumerate(av.AudioLayout(layout).channels) if "LFE" in c.name and result == ".mp4"
        }
        assert [f for k, f in enumerate(loudest) if k not in lfe] == [
            200 + 90 * k for k in range(count) if k not in lfe
        ]


@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("layout", "order"), [("5.1(side)", "FL+FC+FR+SL+SR+LFE"), ("7.1", "FL+FR+FC+LFE+SL+SR+BL+BR")]
)
def test_channels_in_an_order_of_their_own_keep_their_places(
    layout: str, order: str, result: str, tmp_path: Path
) -> None:
    """PyAV ends the process over such orders."""
    count, lfe = len(order.split("+")), 3  # AAC narrows the LFE
    tones = "|".join(f"0.3*sin({200 + 90 * k}*2*PI*t)" for k in range(count))
    source = ["-f", "lavfi", "-t", "1", "-i", f"aevalsrc={tones}:c={layout}:s=48000"]
    places = ["-af", f"aformat=channel_layouts={order}", "-c:a", "pcm_s24le"]
    dub, film = tmp_path / "dub.mov", tmp_path / "film.mov"
    films.ffmpeg(*source, *places, url(dub))
    films.ffmpeg(*films.moving(), *source, *films.x264(), *places, url(film))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), result)
    for track in range(2):
        plain = tmp_path / f"{track}.wav"
        told = f"aformat=channel_layouts={layout}"
        films.ffmpeg("-i", url(done.path), "-map", f"0:a:{track}", "-af", told, url(plain))
        samples, _, rate = films.sound(plain)
        power = np.abs(np.fft.rfft(samples[:, : rate // 2] * np.hanning(rate // 2)))
        loudest = 2 * power[:, :5000].argmax(axis=1)
        found = [f for k, f in enumerate(loudest) if k != lfe]
        assert found == [200 + 90 * k for k in range(count) if k != lfe]


@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(("places", "told"), [("FL", ".mov .mkv"), ("downmix", ".mov")])
def test_tracks_marked_as_a_side_or_a_matrixed_pair_are_written_everywhere(
    places: str, told: str, result: str, tmp_path: Path
) -> None:
    """Editing programs hand over a track a channel, each with its place, and Lt and Rt."""
    mix = "pan=FL|FL=c0" if places == "FL" else "pan=downmix|DL=c0|DR=c1"
    film = films.make(tmp_path / "film.mov", *films.x264(), "-af", mix, "-c:a", "pcm_s24le")
    dub = tmp_path / "dub.mov"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, "-af", mix, "-c:a", "pcm_s24le", url(dub))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), result)
    for track in range(2):
        was, now = films.sound(film)[0], films.sound(done.path, track)[0]
        assert now.shape[0] == was.shape[0]
        assert np.abs(now).max() == pytest.approx(np.abs(was).max(), rel=0.05)
        with av.open(str(done.path)) as after:
            name = after.streams.audio[track].codec_context.layout.name
        assert (name in ("1 channels (FL)", "downmix")) == (result in told.split())
    lost = [line for line in done.note["left_out"] if "places of" in line]
    assert len(lost) == (0 if result in told.split() else 2)


@pytest.mark.parametrize("result", [".mp4", ".mov", ".mkv"])
def test_channels_marked_as_unused_are_heard(result: str, tmp_path: Path, dub: Path) -> None:
    """As those that iMovie wrote beside DV."""
    mix = "pan=4.0|FL=c0|FR=c1|FC=c0|BC=c1,aformat=channel_layouts=FR+FL+FC+BC"
    film = films.make(tmp_path / "film.mov", *films.x264(), "-af", mix, "-c:a", "pcm_s16be")
    data = bytearray(film.read_bytes())
    first = data.find(b"chan", data.rfind(b"stsd")) + 20
    for label in range(first, first + 4 * 20, 20):
        data[label : label + 4] = bytes(4)
    film.write_bytes(data)
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), result)
    assert "UNSD" in MediaInfo.load(done.root / "probe" / "film").audio[0].layout
    now = films.sound(done.path, 1)[0]
    assert np.abs(now).max(axis=1) == pytest.approx(4 * [0.4], rel=0.1)


@pytest.mark.parametrize(
    ("result", "codec", "entry"),
    [(".mov", "pcm_s16le", b"lpcm"), (".mkv", "pcm_s16le", b"lpcm"), (".mp4", "aac", b"mp4a")],
)
def test_sound_around_a_listener_stays_as_it_is_and_is_told_of(
    result: str, codec: str, entry: bytes, tmp_path: Path
) -> None:
    """Ambisonics of 360° films: no container here says so, and FLAC would call it four speakers."""
    film = films.make(tmp_path / "film.mp4", *films.x264())
    plain, dub = tmp_path / "plain.mov", tmp_path / "dub.mov"
    mix = "pan=4c|c0=c0|c1=c1|c2=c0|c3=c1" if codec != "aac" else "pan=4.0|FL=c0|FR=c1|FC=c0|BC=c1"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, "-af", mix, "-c:a", codec, url(plain))
    said = struct.pack(">BBIBBI4I", 0, 0, 1, 0, 0, 4, *range(4))
    way = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry]
    dub.write_bytes(films.inside(plain.read_bytes(), way, films.box(b"SA3D", said)))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), result)
    assert np.array_equal(films.sound(done.path)[0], films.sound(plain)[0])
    assert done.note["left_out"] == ["the places of the dub's sound (ambisonic 1)"]
    heard, (first, *_) = sound.audio(dub, rate=48000)[0], films.sound(plain)[0]
    if codec != "aac":  # whose decoder does not know
        assert np.abs(heard - first[: len(heard)]).max() < 1e-3, "what comes from all sides (W)"


@pytest.mark.parametrize("name", ["dub.caf", "dub.aiff"])
def test_sound_of_many_channels_is_read(name: str, tmp_path: Path) -> None:
    """FFmpeg tells a layout without a name of 7.1 in CAF and AIFF."""
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, "-af", "pan=7.1|FC=c0", url(tmp_path / name))
    assert len(sound.audio(tmp_path / name)[0]) == 16000


def test_the_films_own_many_channels_are_refused_at_once(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mov", *films.x264(), "-af", "pan=16c|c0=c0", "-c:a", "pcm_s24le")
    stages = films.Stages(tmp_path / "job", film, dub, ".mp4")
    with pytest.raises(MediaError, match=r"sound track 1 .* cannot be written into mp4"):
        stages.run(probe)
    alone = films.Stages(tmp_path / "alone", film, dub, ".mp4", remux={"original": "drop"})
    alone.run(probe)
    assert len(films.sound(films.dubbed(tmp_path / "kept", film, dub, range(3, 6)).path, 1)[0]) == 16


def test_sound_of_no_named_places_gets_those_of_its_number(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = tmp_path / "dub.tta"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", films.TONE, "-ac", "1", url(dub))
    with av.open(str(dub)) as found:
        assert found.streams.audio[0].codec_context.layout.name == "1 channels"
    assert len(films.sound(films.dubbed(tmp_path / "job", film, dub, range(3, 6)).path)[0]) == 1


@pytest.mark.parametrize("result", [".mkv", ".mov"])
@pytest.mark.parametrize(("name", "codec"), [("film.m2ts", "pcm_bluray"), ("film.ts", "s302m")])
def test_sound_of_discs_and_broadcasts_loses_nothing(
    name: str, codec: str, result: str, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / name, *films.x264(), "-c:a", codec, "-strict", "-2", "-ac", "2")
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), result)
    assert np.array_equal(films.sound(done.path, 1)[0], films.sound(film)[0])


def test_sixteen_mono_tracks_and_high_rates_stay(tmp_path: Path) -> None:
    film = tmp_path / "film.mov"
    tracks = [option for _ in range(16) for option in ("-map", "1")]
    films.ffmpeg(
        *films.moving(), "-f", "lavfi", "-t", "1", "-i", "sine=300:r=48000", "-map", "0", *tracks,
        *films.x264(), "-c:a", "pcm_s24le", "-ac", "1", url(film),
    )  # fmt: skip
    dub = tmp_path / "dub.wav"
    films.ffmpeg("-f", "lavfi", "-t", "1", "-i", "anoisesrc=r=96000:seed=1", "-c:a", "pcm_s24le", url(dub))
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6))
    with av.open(str(done.path)) as after:
        kinds = [(s.codec_context.name, s.codec_context.sample_rate) for s in after.streams.audio]
    assert kinds == [("pcm_s24le", 96000)] + 16 * [("pcm_s24le", 48000)]


@pytest.mark.parametrize("kind", [b"RIFF", b"RF64"])
@pytest.mark.parametrize("objects", [True, False])
def test_a_bed_with_objects_keeps_its_channels_and_is_told_of(
    kind: bytes, objects: bool, tmp_path: Path
) -> None:
    rate, channels = 48000, 12
    samples = np.round(np.random.default_rng(1).normal(0, 800, (rate, channels))).astype("<i2").tobytes()

    def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
        return name + struct.pack("<I", len(data) if size is None else size) + data

    layout = struct.pack("<HHIIHH", 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    long = kind == b"RF64"
    parts = chunk(b"ds64", struct.pack("<QQQI", 0, len(samples), rate, 0)) if long else b""
    parts += chunk(b"fmt ", layout) + chunk(b"data", samples, 0xFFFFFFFF if long else None)
    if objects:
        parts += chunk(b"chna", struct.pack("<HH", 0, 0)) + chunk(b"axml", b"<ebuCoreMain/>")
    dub = tmp_path / "dub_fr.wav"
    dub.write_bytes(chunk(kind, b"WAVE" + parts, 0xFFFFFFFF if long else None))
    film = films.make(tmp_path / "film.mov", *films.x264(), sound="")
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 5))
    with av.open(str(done.path)) as made:
        assert made.streams.audio[0].codec_context.channels == channels
    assert [("ADM" in line) for line in done.warnings].count(True) == objects
