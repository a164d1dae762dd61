"""Another codec than the film's own, for those who ask: nothing of the picture's depth or chroma is lost."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.delivery import changed
from dubcli.errors import MediaError, UsageError
from dubcli.media.layout import layout
from dubcli.media.probe import probe
from tests.media import films

# asked for, profile, pixel format of the film, suffix of the result: pixel format of the result
ASKED = {
    ("prores", "", "yuv420p", ".mov"): "yuv422p10le",
    ("prores", "lt", "yuv422p10le", ".mov"): "yuv422p10le",
    ("dnxhr", "", "yuv420p", ".mov"): "yuv422p",
    ("dnxhr", "", "yuv422p10le", ".mov"): "yuv422p10le",
    ("ffv1", "", "yuv420p10le", ".mkv"): "yuv420p10le",
    ("hevc", "", "yuv444p", ".mp4"): "yuv444p",
    ("h264", "high", "yuv420p", ".mp4"): "yuv420p",
}


@pytest.mark.parametrize(("codec", "profile", "pix_fmt", "suffix"), ASKED)
def test_the_codec_asked_for_is_made_whole(
    codec: str, profile: str, pix_fmt: str, suffix: str, tmp_path: Path, dub: Path
) -> None:
    """Of an MPEG-2 film or an FFV1 one, so that it is always another codec."""
    film = films.make(
        tmp_path / "film.mkv",
        "-c:v",
        "ffv1" if codec != "ffv1" else "libx264",
        "-pix_fmt",
        pix_fmt,
        size="256x128",
    )
    for name, touched in (("touched", range(9, 12)), ("untouched", range(0))):
        compose = {"codec": codec, "profile": profile, "preset": "ultrafast"}
        done = films.dubbed(tmp_path / name, film, dub, touched, suffix, compose=compose)
        before, after = films.decoded(film, keep=True), films.decoded(done.path, keep=True)
        assert after.name == ASKED[codec, profile, pix_fmt, suffix]
        assert len(after.times) == len(before.times)
        assert np.allclose([float(t) for t in after.times], [float(t) for t in before.times], atol=1e-3)
        assert done.note["encoded"] == len(before.times)
        with av.open(str(done.path)) as container:
            name = container.streams.video[0].codec_context.codec.canonical_name
            assert name == {"dnxhr": "dnxhd"}.get(codec, codec)
        scale = 4.0 if layout(after.name).bits > layout(pix_fmt).bits else 1.0
        was, now = luma(before, 3), luma(after, 3) / scale
        assert np.abs(was - now).mean() < (6 if layout(pix_fmt).bits > 8 else 2)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("film.mkv", ["-c:v", "dnxhd", "-profile:v", "dnxhr_hq", "-pix_fmt", "yuv422p"], "pc"),
        ("film.mov", ["-c:v", "mjpeg", "-q:v", "2", "-color_range", "tv", "-strict", "unofficial"], ""),
    ],
    ids=["dnxhr", "mjpeg"],
)
def test_levels_of_encoded_pictures_are_those_of_copied_ones(
    name: str, options: list[str], told: str, tmp_path: Path, dub: Path
) -> None:
    """Where the container alone says full range, and where JPEG says limited range."""
    film = films.make(tmp_path / f"plain{name[-4:]}", *options, size="256x128", sound="")
    if told:
        films.ffmpeg("-i", str(film), "-c", "copy", "-color_range:v:0", told, str(tmp_path / name))
        film = tmp_path / name
    assert probe(film).film.range == (told or "tv")
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12))
    assert done.note["copied"] > 0
    before, after = films.decoded(film, keep=True), films.decoded(done.path, keep=True)
    was, now = luma(before, 10)[64:], luma(after, 10)[64:]  # where nothing is drawn
    assert np.abs(was - now).mean() < (6 if layout(before.name).bits > 8 else 2)


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_full_range_stays_in_ffv1_sample_by_sample(codec: str, tmp_path: Path, dub: Path) -> None:
    full = ["-vf", "scale=out_range=pc,format=yuv420p", "-color_range", "pc"]
    film = films.make(tmp_path / "film.mkv", "-c:v", codec, *full)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), ".mkv", compose={"codec": "ffv1"})
    assert (probe(film).film.range, probe(done.path).film.range) == ("pc", "pc")
    before, after = films.decoded(film), films.decoded(done.path)
    assert [
        k for k, pair in enumerate(zip(before.hashes, after.hashes, strict=True)) if len(set(pair)) > 1
    ] == [
        9,
        10,
        11,
    ]


def luma(picture: films.Picture, index: int) -> NDArray[np.float64]:
    """Luma samples of a frame."""
    return picture.frames[index][0].view("<u2" if layout(picture.name).bits > 8 else "u1").astype(float)


def test_a_mezzanine_that_would_lose_bits_is_refused(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv422p12le")
    for codec in ("prores", "dnxhr", "h264"):
        with pytest.raises(MediaError, match="keeps yuv422p12le"):
            films.dubbed(tmp_path / codec, film, dub, range(9, 12), ".mov", compose={"codec": codec})


def test_shots_of_another_dub_are_not_written_over(tmp_path: Path) -> None:
    """Those of all dubs of a film have the same names."""
    info = probe(films.make(tmp_path / "film.mkv", "-c:v", "ffv1", size="64x64"), whole=False)
    folder, form = tmp_path / "shots", changed.Form("ffv1")
    folder.mkdir()
    note = folder / changed.NOTE
    note.write_text('{"of": "film.fr.mkv", "shots": {}, "timelines": []}')
    with pytest.raises(UsageError, match=r"holds the shots of film\.fr\.mkv; choose another folder"):
        changed.check(info, folder, form, force=False, of="film.de.mkv")
    changed.check(info, folder, form, force=True, of="film.de.mkv")
    changed.check(info, folder, form, force=False, of="film.fr.mkv")
    note.write_text('{"shots": {}, "timelines": []}')  # of an earlier version
    changed.check(info, folder, form, force=False, of="film.de.mkv")


def test_a_delivered_file_that_was_changed_since_is_not_written_over(tmp_path: Path) -> None:
    """An editor's own version of a shot, or of a timeline, was gone without a word."""
    info = probe(films.make(tmp_path / "film.mkv", "-c:v", "ffv1", size="64x64"), whole=False)
    folder, form = tmp_path / "shots", changed.Form("ffv1")
    folder.mkdir()
    for name in ("film.00000000.mkv", "film.changed.edl", "film.changed.otio"):
        (folder / name).write_bytes(b"as written")
    digest = hashlib.sha256(b"as written").hexdigest()
    names = ("film.00000000.mkv", "film.changed.edl")  # the last was being written when the export ended
    note = {"of": "film.fr.mkv", "digests": dict.fromkeys(names, digest)}
    (folder / changed.NOTE).write_text(json.dumps(note))
    (folder / "film.changed.otio").write_bytes(b"half")
    changed.check(info, folder, form, force=False, of="film.fr.mkv")
    for name in names:
        (folder / name).write_bytes(b"as changed")
        with pytest.raises(UsageError, match=f"{name} was changed since it was written; move it away"):
            changed.check(info, folder, form, force=False, of="film.fr.mkv")
        changed.check(info, folder, form, force=True, of="film.fr.mkv")
        (folder / name).unlink()  # it is written again
        changed.check(info, folder, form, force=False, of="film.fr.mkv")


def test_an_export_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one too: its folder was refused as one that holds other files."""
    shots = [SimpleNamespace(name=f"{start:08d}", start=start, stop=start + 10) for start in (0, 20, 40)]
    clock = SimpleNamespace()
    info = SimpleNamespace(film=None)
    film: Any = SimpleNamespace(
        path=tmp_path / "film.mov", info=info, clock=clock, shots=SimpleNamespace(count=60),
        film=None, changed=lambda: shots,
    )  # fmt: skip
    left, encoded = [2], []

    def encode(_: Any, span: tuple[int, int], path: Path, *_how: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        encoded.append(span)
        path.write_text(str(span))

    monkeypatch.setattr(changed, "_encode", encode)
    monkeypatch.setattr(changed, "_digest", lambda film, span, form, reel: str(span))
    monkeypatch.setattr(changed, "_fits_edl", lambda film, clips: False)
    monkeypatch.setattr(changed, "tag", lambda info, name: "")
    monkeypatch.setattr(
        "dubcli.delivery.changed.timeline.write", lambda path, *_: path.write_text("a timeline")
    )
    monkeypatch.setattr("dubcli.media.encode.encoding", lambda *_: None)
    folder, form = tmp_path / "changed", changed.Form(handles=0)
    for _ in range(2):
        changed.check(film, folder, form, force=False, of="film.fr.mov")
        with suppress(KeyboardInterrupt):
            changed.write(film, folder, form, {}, of="film.fr.mov")
        left[0] = 1
    assert encoded == [(0, 10), (20, 30), (40, 50)]
    changed.check(film, folder, form, force=False, of="film.fr.mov")


def test_the_dub_can_replace_the_sound(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), remux={"original": "drop"})
    with av.open(str(done.path)) as container:
        assert [stream.language for stream in container.streams.audio] == ["fra"]
    assert done.note["left_out"] == []


@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", ".mkv"), ("prores", ".mov"), ("prores", ".mkv")])
def test_the_shape_of_pixels_stays_in_another_codec(
    codec: str, suffix: str, tmp_path: Path, dub: Path
) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-vf", "setsar=8/9"), size="720x480", seconds=0.5)
    done = films.dubbed(tmp_path / "job", film, dub, range(3, 6), suffix, compose={"codec": codec})
    with av.open(str(done.path)) as after:
        assert after.streams.video[0].sample_aspect_ratio == Fraction(8, 9)
