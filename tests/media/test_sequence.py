"""Image sequences become films: bit for bit where images hold integers, under a known curve where floats."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.cli import conform as command
from dubcli.delivery import exr
from dubcli.edits.timecode import tag
from dubcli.errors import MediaError, UsageError
from dubcli.media import sequence
from dubcli.media.probe import probe
from tests.media import films

RATE = Fraction(24)


def images(folder: Path, suffix: str, *options: str, first: int = 86400, count: int = 5) -> Path:
    """A folder of images of a moving test picture."""
    plain = folder.with_name("plain")  # ffmpeg takes % in a folder's name for a pattern
    plain.mkdir()
    films.ffmpeg(
        *films.moving("24", count / 24, "96x64"), *options, "-start_number", str(first), "-f", "image2",
        str(plain / f"scan.%07d{suffix}"),
    )  # fmt: skip
    return plain.rename(folder)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".dpx", ["-pix_fmt", "gbrp10be"]),
        (".dpx", ["-pix_fmt", "gbrp12le"]),
        (".tif", ["-pix_fmt", "rgb48le"]),
        (".tif", ["-pix_fmt", "rgb24"]),
        (".tga", ["-pix_fmt", "bgra"]),
    ],
    ids=["dpx 10 bits", "dpx 12 bits", "tiff 16 bits", "tiff 8 bits", "tga"],
)
def test_integers_are_kept_bit_for_bit(suffix: str, options: list[str], tmp_path: Path) -> None:
    folder, out = images(tmp_path / "50% grün", suffix, *options), tmp_path / "film.mkv"
    command.conform(folder, out, "24")
    info = probe(out)
    assert (info.film.codec, info.film.rate, info.film.packets) == ("ffv1", RATE, 5)
    assert (tag(info, "timecode"), tag(info, sequence.FIRST)) == ("01:00:00:00", "86400")
    with av.open(str(out)) as container:
        made = [picture(frame) for frame in container.decode(video=0)]
    for path, got in zip(sorted(folder.iterdir()), made, strict=True):
        with av.open(str(path)) as container:
            np.testing.assert_array_equal(picture(next(container.decode(video=0))), got)


def test_jpeg_is_kept_sample_by_sample_in_its_own_range(tmp_path: Path) -> None:
    folder, out = images(tmp_path / "scan", ".jpg", "-pix_fmt", "yuvj420p"), tmp_path / "film.mkv"
    command.conform(folder, out, "24")
    made = films.decoded(out)
    assert (probe(out).film.range, probe(out).film.matrix) == ("pc", "bt470bg")
    assert made.hashes == [films.decoded(path).hashes[0] for path in sorted(folder.iterdir())]


def picture(frame: av.VideoFrame) -> NDArray[np.uint16]:
    """A picture as 16-bit RGB by swscale: the same samples in two layouts give the same."""
    whole = frame.reformat(format="rgb48le", src_color_range="JPEG", dst_color_range="JPEG")
    return np.asarray(whole.to_ndarray(), np.uint16)


def test_floats_follow_the_curve_and_what_is_clipped_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "exr", tmp_path / "film.mkv"
    folder.mkdir()
    # Linear light and its sRGB code value, IEC 61966-2-1.
    light = np.array([0.0, 0.002, 0.0031308, 0.18, 0.5, 1.0, 2.5, -0.1], np.float32)
    code = [0, 0.02584, 0.04045, 0.46135, 0.73536, 1, 1, 0]
    plane = np.repeat(light, 4)[None].repeat(16, axis=0)
    for number in (1001, 1002):
        window = exr.Window(0, 0, {"R": plane, "G": plane, "B": plane * 0.5})
        exr.write(folder / f"a.{number}.exr", window, (32, 16), {})
    command.conform(folder, out, "23.976")
    assert "% of the samples were outside 0 to 1" in capsys.readouterr().err
    video = probe(out).film
    assert (video.rate, video.pix_fmt) == (Fraction(24000, 1001), "gbrp16le")
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
    green = np.frombuffer(memoryview(frame.planes[0]), "<u2").reshape(16, -1)[0, :32:4]
    np.testing.assert_allclose(green / 65535, code, atol=2e-5)
    red = np.frombuffer(memoryview(frame.planes[2]), "<u2").reshape(16, -1)[0, :32:4]
    np.testing.assert_array_equal(red, green)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(("suffix", "pix_fmt"), [(".png", "rgba"), (".png", "pal8"), (".tga", "bgra")])
def test_palettes_and_alpha_are_kept(suffix: str, pix_fmt: str, holes: bool, tmp_path: Path) -> None:
    drawn = f"format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='{'255*lt(X,48)' if holes else 255}'"
    palette = (
        ",split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse" if pix_fmt == "pal8" else ""
    )
    palette = palette.replace("=0", "=1") if holes else palette
    folder = images(tmp_path / "scan", suffix, "-vf", drawn + palette, "-pix_fmt", pix_fmt)
    command.conform(folder, tmp_path / "film.mkv", "24")
    with av.open(str(tmp_path / "film.mkv")) as container:
        made = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    for path, got in zip(sorted(folder.iterdir()), made, strict=True):
        with av.open(str(path)) as container:
            np.testing.assert_array_equal(next(container.decode(video=0)).to_ndarray(format="rgba"), got)
    assert set(np.unique(made[0][..., 3])) == ({0, 255} if holes else {255})


def test_alpha_of_floats_is_kept_as_it_is(tmp_path: Path) -> None:
    folder, out = tmp_path / "exr", tmp_path / "film.mkv"
    folder.mkdir()
    ramp = np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(16, axis=0)
    exr.write(
        folder / "a.1.exr", exr.Window(0, 0, {"R": ramp, "G": ramp, "B": ramp, "A": ramp}), (32, 16), {}
    )
    command.conform(folder, out, "24")
    assert probe(out).film.pix_fmt == "gbrap16le"
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
    alpha = np.frombuffer(memoryview(frame.planes[3]), "<u2").reshape(16, -1)[:, :32]
    np.testing.assert_allclose(alpha / 65535, ramp, atol=1e-5)


def test_a_folder_that_is_no_whole_sequence_is_refused(tmp_path: Path) -> None:
    folder = images(tmp_path / "scan", ".tif", count=6, first=10)
    for number in (12, 14):
        (folder / f"scan.{number:07d}.tif").unlink()
    with pytest.raises(MediaError, match="frames 12, 14 are missing"):
        sequence.find(folder)
    images(tmp_path / "dpx", ".dpx")
    (tmp_path / "dpx" / "other.0001.tif").touch()
    with pytest.raises(MediaError, match="holds 2 sequences"):
        sequence.find(tmp_path / "dpx")
    (tmp_path / "none").mkdir()
    with pytest.raises(MediaError, match="no image sequence"):
        sequence.find(tmp_path / "none")


def test_what_other_systems_hide_beside_images_is_no_image(tmp_path: Path) -> None:
    folder = images(tmp_path / "scan", ".tif", count=3, first=10)
    for name in ("._scan.0000010.tif", ".DS_Store", ".scan.0000011.tif"):
        (folder / name).write_bytes(b"Mac OS X")
    assert len(sequence.find(folder).files) == 3
    for name in ("face.10.exr", "._face.10.exr"):
        (folder / name).touch()
    assert exr.sequence(folder) == {10: folder / "face.10.exr"}


def test_an_image_of_a_sequence_is_known_by_its_name(tmp_path: Path) -> None:
    folder = images(tmp_path / "scan", ".tif", count=3, first=10)
    for path in (folder, folder / "scan.0000010.tif", folder / "scan.%07d.tif", folder / "scan.####.tif"):
        assert sequence.folder_of_images(path) == folder
    for path in (tmp_path, folder / "film.mov", tmp_path / "none" / "scan.%07d.tif"):
        assert sequence.folder_of_images(path) is None


def test_an_image_of_another_kind_stops_it_and_leaves_nothing(tmp_path: Path) -> None:
    folder = images(tmp_path / "scan", ".tif", "-pix_fmt", "rgb24", first=1)
    films.ffmpeg(
        *films.moving("24", 1 / 24, "48x32"), "-f", "image2", "-update", "1", str(folder / "scan.0000003.tif")
    )
    with pytest.raises(MediaError, match=r"scan\.0000003\.tif is 48×32"):
        command.conform(folder, tmp_path / "film.mkv", "24")
    assert not (tmp_path / "film.mkv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


@pytest.mark.parametrize("rate", ["0", "x", "1/0", "5000"])
def test_what_is_no_rate_is_refused(rate: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rate"):
        command.conform(images(tmp_path / "a", ".tif"), tmp_path / "film.mkv", rate)
