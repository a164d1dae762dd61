"""A patch changes the samples under its mask, by the film's own equations, and no other sample."""

from __future__ import annotations

import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts.shots import Frames
from dubcli.errors import MediaError
from dubcli.media import compose, layout
from dubcli.media.colour import Colour
from dubcli.media.ffmpeg import url
from dubcli.media.patches import Patches
from dubcli.media.probe import probe
from dubcli.media.samples import eight_bit
from tests.media import films

FORMATS = [
    "yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuvj420p", "yuvj422p", "yuvj444p",
    "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv422p12le", "yuv444p12le", "yuv422p16le",
    "yuv420p16be", "yuva420p", "yuva444p10le", "nv12", "nv21", "nv16", "p010le", "p210le", "yuyv422",
    "uyvy422", "gray", "gray10le", "gray16le", "gbrp", "gbrp10le", "gbrp12le", "gbrap16le", "rgb24", "bgr24",
    "rgba", "bgra", "argb", "bgr0", "rgb48le", "rgb48be", "rgba64le",
]  # fmt: skip
SITES = {"left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0)}
MATRICES = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}
HALF = 0.51  # rounding to nearest, and the last bits of a float where samples have 16


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("odd", [False, True])
def test_samples_outside_the_mask_keep_every_bit_and_those_inside_are_right(name: str, odd: bool) -> None:
    """Against the equations of H.273 in double precision, sample by sample."""
    width, height = (63, 47) if odd and name not in ("yuyv422", "uyvy422") else (64, 48)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    before = noisy(name, width, height, rng)
    form = layout.layout(name)
    for full, (site_name, site), (matrix, weights) in zip(
        (False, True, False), SITES.items(), MATRICES.items(), strict=True
    ):
        colour = Colour(form, matrix, full, (site[0], site[1]))
        x, y, w, h = rng.integers(-8, 40), rng.integers(-8, 30), 27, 21
        mask = np.where(rng.random((h, w)) < 0.5, 0, rng.random((h, w))).astype(np.float32)
        mask[:, :3] = 0
        patch = rng.random((h, w, 3)).astype(np.float32)
        after = layout.copy_planes(before)
        colour.blend(after, patch, mask, int(x), int(y))
        for k in range(len(form.components)):
            was, now = form.view(before, k), form.view(after, k)
            placed = (patch, mask, int(x), int(y))
            share, value = expected(form, k, placed, (width, height), weights, full, site)
            same = share == 0
            assert np.array_equal(was[same], now[same]), (site_name, k)
            shift = form.components[k].shift
            old, new = (was >> shift).astype(float), (now >> shift).astype(float)
            want = np.clip(old + share * (value - old), 0, (1 << form.bits) - 1)
            assert np.abs(new - want)[~same].max() <= HALF, (site_name, k)
            if shift:
                assert not (now & ((1 << shift) - 1)).any()


def expected(
    form: layout.Layout,
    k: int,
    patch: tuple[NDArray[np.float32], NDArray[np.float32], int, int],
    size: tuple[int, int],
    weights: tuple[float, float],
    full: bool,
    site: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mask and value of every sample of component `k`, from the definitions, sample by sample."""
    rgb, mask, x, y = patch
    width, height = size
    share, colour = np.zeros((height, width)), np.zeros((height, width, 3))
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if 0 <= y + row < height and 0 <= x + column < width:
                share[y + row, x + column] = mask[row, column]
                colour[y + row, x + column] = rgb[row, column]
    red, blue = weights
    luma = colour @ [red, 1 - red - blue, blue]
    parts = [luma, (colour[..., 2] - luma) / (2 - 2 * blue), (colour[..., 0] - luma) / (2 - 2 * red)]
    plane = colour[..., k] if form.rgb else parts[k]
    unit = (1 << form.bits) / 256
    top = (1 << form.bits) - 1
    if form.rgb or k == 0:
        value = plane * (top if full else 219 * unit) + (0 if full else 16 * unit)
        return share, value
    value = plane * (top if full else 224 * unit) + 128 * unit
    fx, fy = form.factor
    small = np.zeros((-(-height // fy), -(-width // fx)))
    mean = np.zeros_like(small)
    for row in range(small.shape[0]):
        for column in range(small.shape[1]):
            total = weight = found = 0.0
            for dy, wy in box(fy, site[1]):
                for dx, wx in box(fx, site[0]):
                    j = min(max(row * fy + dy, 0), height - 1)
                    i = min(max(column * fx + dx, 0), width - 1)
                    total += wy * wx
                    weight += wy * wx * share[j, i]
                    found += wy * wx * share[j, i] * value[j, i]
            small[row, column] = weight / total
            mean[row, column] = found / weight if weight else 0
    return small, mean


def box(factor: int, place: float) -> list[tuple[int, float]]:
    """Luma samples within half a chroma pitch of a chroma site, and how much of each."""
    if factor == 1:
        return [(0, 1.0)]
    centre = place * (factor - 1)
    found = [(d, min(1.0, factor / 2 + 0.5 - abs(d - centre))) for d in range(-factor, 2 * factor)]
    return [(d, weight) for d, weight in found if weight > 0]


@pytest.mark.parametrize("name", FORMATS)
def test_rgb_of_a_rectangle_and_back_is_the_same_colour(name: str) -> None:
    form = layout.layout(name)
    rng = np.random.default_rng(1)
    colour = Colour(form, "bt709", form.rgb, (0.0, 0.5))
    planes = layout.copy_planes(noisy(name, 64, 48, rng))
    wanted = np.array([0.6, 0.35, 0.25], np.float32)
    if len(form.components) == 1:
        wanted[:] = 0.4
    colour.blend(planes, np.tile(wanted, (48, 64, 1)), np.ones((48, 64), np.float32), 0, 0)
    for rect in [(0, 0, 64, 48), (5, 7, 20, 11), (63, 47, 1, 1)]:
        found = colour.rgb(planes, rect)
        assert found.shape == (rect[3], rect[2], 3)
        assert found.dtype == (np.uint8 if form.bits == 8 else np.uint16)
        steps = 1.3 / min((1 << form.bits) - 1, 1023) + 0.002
        assert np.abs(found / np.iinfo(found.dtype).max - wanted).max() < steps


@pytest.mark.parametrize(
    ("tag", "form", "scale"),
    [
        ("bt709", "yuv444p", "tv"),
        ("bt2020nc", "yuv444p", "tv"),
        ("smpte170m", "yuv444p", "tv"),
        ("bt2020nc", "yuv420p10le", "tv"),
        ("bt709", "yuv422p10le", "pc"),
        ("bt709", "yuv444p12le", "tv"),
        ("bt709", "yuv420p16le", "tv"),
        ("bt709", "yuv422p", "tv"),
        ("gbr", "gbrp10le", "pc"),
    ],
)
def test_the_quick_conversion_of_whole_pictures_agrees_with_the_exact_one(
    tag: str, form: str, scale: str, tmp_path: Path
) -> None:
    """A smooth picture, so that the equations count and not how chroma is interpolated, but at few places."""
    from dubcli.media import decode

    film = tmp_path / "film.mkv"
    matrix = "" if tag == "gbr" else f"scale=out_color_matrix={tag.removesuffix('nc')}:out_range={scale},"
    films.ffmpeg(
        "-f", "lavfi", "-i",
        "gradients=size=96x64:duration=0.2:speed=0.0001:x0=0:y0=0:x1=95:y1=63:c0=0x3060a0:c1=0xd08040",
        "-vf", f"{matrix}format={form},setparams=colorspace={tag}:range={scale}", "-color_range", scale,
        "-c:v", "ffv1", url(film),
    )  # fmt: skip
    video = probe(film).film
    assert (video.matrix, video.pix_fmt) == (tag, form)
    frame = next(decode.frames(film, video, np.array([0, 40]), 0, 1))
    exact = eight_bit(frame.rgb((0, 0, video.width, video.height))).astype(int)
    apart = np.abs(frame.eight_bit().astype(int) - exact)
    assert apart.mean() < 2
    assert apart.max() <= 5


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p12le", "yuv420p16le", "gbrp10le", "bgr0"])
def test_before_encoding_a_frame_differs_from_the_source_only_under_the_mask(
    name: str, tmp_path: Path
) -> None:
    film = films.make(tmp_path / "film.mkv", "-pix_fmt", name, "-c:v", "ffv1", sound="")
    stages = films.Stages(tmp_path / "job", film)
    stages.read()
    stages.touch(range(5, 9))
    info = probe(film)
    times = Frames.load(stages.view.one("split").path)
    folder = stages.view.artifacts["lips"]["00000000.0"].path
    before = films.decoded(film, keep=True)
    spans = [(3, 7), (8, 12)]
    frames = list(
        compose.composite_frames(
            film, info.film, times.pts, times.digest, spans, [Patches(folder, folder.name.split(".")[0])]
        )
    )
    assert [index for index, _ in frames] == [3, 4, 5, 6, 8, 9, 10, 11]
    for index, planes in frames:
        for plane, was in zip(planes, before.frames[index], strict=True):
            raw = plane.view(np.uint8).reshape(was.shape)
            if index not in range(5, 9):
                assert np.array_equal(raw, was)
                continue
            rows = np.flatnonzero((raw != was).any(axis=1))
            assert rows.size
            lower = plane.shape[0] < info.film.height
            first, last = (7, 17) if lower else (16, 32)
            assert first <= rows.min()
            assert rows.max() < last


@pytest.mark.parametrize("name", ["pal8", "bayer_rggb8", "monob", "gbrpf32le"])
def test_pictures_that_cannot_be_kept_are_refused(name: str) -> None:
    with pytest.raises(MediaError, match="cannot be dubbed"):
        layout.layout(name)


def noisy(name: str, width: int, height: int, rng: np.random.Generator) -> layout.Planes:
    """Planes of a frame full of noise, unused bits zero."""
    frame = av.VideoFrame(width, height, name)
    form = layout.layout(name)
    for index, plane in enumerate(frame.planes):
        count = plane.buffer_size // np.dtype(form.dtype).itemsize
        shift = max((c.shift for c in form.components if c.plane == index), default=0)
        samples = rng.integers(0, 1 << form.bits, count) << shift
        plane.update(samples.astype(form.dtype).tobytes())
    return layout.copy_planes(layout.planes(frame))
