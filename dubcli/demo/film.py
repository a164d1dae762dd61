"""Make the sample film: three shots, two audio tracks, subtitles and chapters, and a dub in another language.

Everything comes from two public-domain photographs inside scikit-image (a NASA portrait, and a rocket on its
pad by SpaceX), from the speech in this folder and from synthesis; nothing is downloaded.
"""

from __future__ import annotations

import shutil
import tempfile
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt

from dubcli.demo import speech
from dubcli.demo.portrait import Camera, Portrait, Pose
from dubcli.media.ffmpeg import Process, url

# Set by hand for this film.
RATE = Fraction(24000, 1001)  # frames a second, that of NTSC film
FRAMES = 345  # 14.4 s, the length of the speech
CUTS = (162, 227)  # first frames of the rocket's shot and of the close-up, in pauses of both languages
SOUND_RATE = 48000  # Hz
_BLINKS_SECONDS = (1.25, 3.0, 5.35, 10.1, 12.15)  # when eyes close, in the film
_GRAIN = 0.011  # deviation of the film grain, of full scale
_DIALOGUE_LEVEL, _BED_LEVEL = 0.7, 0.012  # factors on the samples of dialogue, and of music and effects
_TO_YUV = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p"
_OPTIONS = f"""
-map 0:v -map 1:a -map 2:a -map 3:s -map_metadata 4 -map_chapters 4
-vf {_TO_YUV},setparams=color_primaries=bt709:color_trc=bt709
-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv
-c:v libx264 -preset veryfast -crf 17 -threads 2 -video_track_timescale {RATE.numerator}
-c:a aac -b:a 128k -c:s mov_text -disposition:a:0 default -disposition:a:1 0
"""

Samples = NDArray[np.float32]


def make(folder: Path, *, span: tuple[int, int] = (0, FRAMES), height: int = 480) -> tuple[Path, Path]:
    """Make `film.mp4` and the dub `dub_fr.wav` in `folder`, the same bytes with the same FFmpeg; their paths.

    Args:
        folder: created if missing; files of these names in it are replaced.
        span: frames [start, stop) of the film to render.
        height: of the picture in pixels, a multiple of 12; the shape is 4:3.

    Returns:
        The paths of the film and of the dub.

    Raises:
        EngineError: FFmpeg failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    film, dub = folder / "film.mp4", folder / "dub_fr.wav"
    start, stop = (float(frame / RATE) for frame in span)
    bed = _bed()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        _write_wav(work / "mix.wav", _cut(_DIALOGUE_LEVEL * _dialogue("en") + bed, start, stop))
        _write_wav(work / "bed.wav", _cut(bed * 4, start, stop))
        (work / "lines.srt").write_text(_subtitles(start, stop), encoding="utf-8")
        (work / "chapters.txt").write_text(_chapters(*span), encoding="utf-8")
        _encode(pictures(span, height), (height * 4 // 3, height), work, work / film.name)
        shutil.move(work / film.name, film)
        _write_wav(work / dub.name, _cut(_DIALOGUE_LEVEL * _dialogue("fr"), start, stop)[:, :1])
        shutil.move(work / dub.name, dub)
    return film, dub


def pictures(
    span: tuple[int, int] = (0, FRAMES), height: int = 480, language: str = "en"
) -> Iterator[NDArray[np.uint8]]:
    """The frames [start, stop) of the film in order, each (height, width, 3) uint8 RGB.

    With the language of the dub they are the ground truth of a perfect dub.
    """
    import skimage.data

    seconds = np.arange(FRAMES) / float(RATE)
    mouth, original = (speech.mouth(speech.load(name).phones, seconds) for name in (language, "en"))
    short, long = (gaussian_filter1d(original.open, width * float(RATE)) for width in (0.12, 1.2))
    photo = skimage.data.rocket()  # type: ignore[no-untyped-call]
    portrait, rocket = Portrait(), photo.astype(np.float32) / 255
    size, scale = (height * 4 // 3, height), height / 480
    for frame in range(*span):
        time = seconds[frame]
        if CUTS[0] <= frame < CUTS[1]:
            picture = _rocket(rocket, (frame - CUTS[0]) / (CUTS[1] - CUTS[0]), size)
        else:
            near = frame >= CUTS[1]
            pose = _pose(time, 1.5 * (short - long)[frame])
            picture = portrait.frame(mouth, frame, pose, _camera(near, time, scale), size)
        grain = np.random.default_rng(frame).standard_normal(size[::-1], np.float32)
        picture = picture + _GRAIN * 1.6 * cv2.GaussianBlur(grain, (0, 0), 0.6)[..., None]
        yield (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _pose(time: float, emphasis: float) -> Pose:
    blink = max(max(0.0, 1 - abs(time - at) / 0.12) for at in _BLINKS_SECONDS)
    return Pose(
        turn=0.55 * np.sin(1.1 * time + 0.4) + 0.25 * np.sin(2.7 * time),
        nod=0.35 * np.sin(0.9 * time + 2) + 0.15 * np.sin(3.4 * time) + emphasis,
        roll=1.3 * np.sin(0.8 * time + 1) + 0.5 * np.sin(2.2 * time),
        lids=min(1.0, 1.4 * blink),
    )


def _camera(near: bool, time: float, scale: float) -> Camera:
    if near:
        return Camera(1 + 1.2 * np.sin(0.7 * time), -22 + 0.8 * np.sin(1.3 * time), 3.0 * scale)
    return Camera(6 - 0.3 * time, -24 - 0.2 * time, (2.05 + 0.035 * time) * scale)


def _rocket(photo: Samples, progress: float, size: tuple[int, int]) -> Samples:
    """A frame of the rocket's shot at `progress` (0-1) of its length: a slow rise towards the tip."""
    zoom = size[1] / 330 * (1 + 0.08 * progress)
    x, y = 320, 235 - 12 * progress
    move = np.array([[zoom, 0, size[0] / 2 - zoom * x], [0, zoom, size[1] / 2 - zoom * y]])
    return np.asarray(
        cv2.warpAffine(photo, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    )


def _dialogue(language: str) -> Samples:
    """(n, 1) samples of the speech over the whole film."""
    samples = speech.sound(language, SOUND_RATE)
    return np.resize(np.append(samples, np.zeros(SOUND_RATE, np.float32)), _samples(FRAMES))[:, None]


def _bed() -> Samples:
    """(n, 2) samples of music and effects: a soft chord, and the rumble of an engine in the rocket's shot."""
    count = _samples(FRAMES)
    time = np.arange(count) / SOUND_RATE
    left = sum(np.sin(2 * np.pi * pitch * time + np.sin(0.3 * time)) for pitch in (110.0, 164.81, 220.0))
    right = sum(np.sin(2 * np.pi * pitch * time + np.cos(0.4 * time)) for pitch in (110.3, 165.1, 277.18))
    noise = np.random.default_rng(0).standard_normal((count, 2))
    rumble = sosfilt(butter(2, [40, 160], "bandpass", fs=SOUND_RATE, output="sos"), noise, axis=0)
    start, stop = (float(frame / RATE) for frame in CUTS)
    fade = np.clip(np.minimum(time - start, stop - time) / 0.5, 0, 1)
    bed = _BED_LEVEL * (np.stack([left, right], 1) / 3 + 12 * rumble * fade[:, None])
    return np.asarray(bed, np.float32)


def _samples(frame: int) -> int:
    return round(frame / RATE * SOUND_RATE)


def _cut(sound: Samples, start: float, stop: float) -> Samples:
    return sound[round(start * SOUND_RATE) : round(stop * SOUND_RATE)]


def _write_wav(path: Path, sound: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(sound.shape[1])
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).round().astype("<i2").tobytes())


def _subtitles(start: float, stop: float) -> str:
    def clock(seconds: float) -> str:
        milli = round(seconds * 1000)
        return f"{milli // 3600000:02}:{milli // 60000 % 60:02}:{milli // 1000 % 60:02},{milli % 1000:03}"

    lines = [line for line in speech.load("en").lines if line.end > start and line.start < stop]
    times = [
        f"{clock(max(line.start, start) - start)} --> {clock(min(line.end, stop) - start)}" for line in lines
    ]
    rows = enumerate(zip(times, lines, strict=True), 1)
    return "\n".join(f"{number}\n{time}\n{line.text}\n" for number, (time, line) in rows)


def _chapters(start: int, stop: int) -> str:
    titles = ("Portrait", "Rocket", "Close-up")
    bounds = [
        (title, max(a, start), min(b, stop))
        for title, a, b in zip(titles, (0, *CUTS), (*CUTS, FRAMES), strict=True)
    ]
    base = f"{RATE.denominator}/{RATE.numerator}"
    blocks = [
        f"[CHAPTER]\nTIMEBASE={base}\nSTART={a - start}\nEND={b - start}\ntitle={title}\n"
        for title, a, b in bounds
        if a < b
    ]
    return ";FFMETADATA1\ntitle=Sample film of dubcli\n" + "".join(blocks)


def _encode(frames: Iterator[NDArray[np.uint8]], size: tuple[int, int], work: Path, out: Path) -> None:
    """Encode H.264 in MP4 from frames and from the files that `make` left in `work`."""
    rate, (width, height) = f"{RATE.numerator}/{RATE.denominator}", size
    command = (
        f"-y -f rawvideo -pix_fmt rgb24 -video_size {width}x{height} -framerate {rate} -i pipe:0".split()
    )
    for name in ("mix.wav", "bed.wav", "lines.srt", "chapters.txt"):
        command += ["-i", url(work / name)]
    command += _OPTIONS.split()
    for stream, language, title in (
        ("v:0", "zxx", "Picture"),
        ("a:0", "eng", "Original"),
        ("a:1", "zxx", "Music and effects"),
        ("s:0", "eng", "English"),
    ):
        for tag in (f"language={language}", f"handler_name={title}"):
            command += [f"-metadata:s:{stream}", tag]
    command += ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", url(out)]
    with Process(command) as process:
        for frame in frames:
            process.write(frame.tobytes())
