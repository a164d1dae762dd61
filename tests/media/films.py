"""Films for the tests of media, made by command, and the media stages run on them with made-up mouths."""

from __future__ import annotations

import functools
import hashlib
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.patches import PatchFacts, Placement, pictures
from dubcli.artifacts.remux import Remuxed
from dubcli.artifacts.shots import Shots
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.media import spans
from dubcli.media.ffmpeg import binary, url
from dubcli.settings.config import Settings
from dubcli.stages import compose, probe, remux, scan, split

TONE = "aevalsrc=0.4*sin(440*2*PI*t)|0.4*sin(660*2*PI*t):s=48000:c=stereo"


def ffmpeg(*arguments: str) -> None:
    """Run ffmpeg; its words are the assertion's where it fails."""
    done = subprocess.run(
        [binary(), "-hide_banner", "-loglevel", "error", "-y", *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def advised(line: str, path: Path) -> Path:
    """The file that the command in a message makes of one, in its folder."""
    found = re.search(r"\b(?:tail|ffmpeg) -.*?(NEW\.\w+)", line)
    assert found, line
    command = re.sub(r"\b(FILE|FILM|DUB)\b", lambda _: shlex.quote(str(path)), found[0])
    command = command.replace("ffmpeg ", f"{shlex.quote(binary())} -loglevel error -y ")
    done = subprocess.run(
        ["sh", "-c", command], cwd=path.parent, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, (command, done.stderr.decode(errors="replace"))
    return path.with_name(found[1])


def moving(rate: str = "25", seconds: float = 1.0, size: str = "96x64") -> list[str]:
    """Input options for a moving test picture."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def make(
    path: Path,
    *options: str,
    rate: str = "25",
    seconds: float = 1.0,
    size: str = "96x64",
    sound: str = TONE,
) -> Path:
    """A film of a moving test picture with a tone, encoded as `options` say."""
    path.write_bytes(_made(path.suffix, options, rate, seconds, size, sound))
    return path


@functools.cache
def _made(suffix: str, options: tuple[str, ...], rate: str, seconds: float, size: str, sound: str) -> bytes:
    """The bytes of `make`: many tests begin with the same film."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film{suffix}"
        ffmpeg(
            *moving(rate, seconds, size),
            *(["-f", "lavfi", "-t", str(seconds), "-i", sound] if sound else []),
            *options,
            url(path),
        )
        return path.read_bytes()


def x264(*options: str) -> list[str]:
    """Options for a quick H.264 film."""
    return ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", *options]


def wav(path: Path, samples: NDArray[np.float64], rate: int = 48000) -> Path:
    """A 16-bit PCM file of (S,) or (S, C) samples in −1…1."""
    import wave

    data = np.asarray(np.atleast_2d(samples.T).T * 32767, "<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(data.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return path


def noise(seconds: float, rate: int = 48000) -> NDArray[np.float64]:
    """Noise: its place can be found to the sample."""
    return 0.3 * np.random.default_rng(7).standard_normal(round(seconds * rate)).clip(-3, 3)


@dataclass
class Picture:
    """A film's decoded picture: (N,) exact seconds, a hash per frame, and the raw samples of each plane."""

    times: list[Fraction]
    hashes: list[str]
    frames: list[list[NDArray[Any]]] = field(default_factory=list)
    name: str = ""


def decoded(path: Path, keep: bool = False) -> Picture:
    """Decode a film by PyAV alone, with nothing of dubcli."""
    out = Picture([], [])
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if not s.disposition & 0x400)
        assert stream.time_base is not None
        for frame in container.decode(stream):
            assert frame.pts is not None
            out.times.append(frame.pts * stream.time_base)
            planes = raw(frame)
            out.hashes.append(hashed(frame))
            out.name = frame.format.name
            if keep:
                out.frames.append(planes)
    return out


def raw(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Bytes of each plane's rows, without padding."""
    out = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height]
        out.append(rows[:, : _row_bytes(frame, plane)].copy())
    return out


def hashed(frame: av.VideoFrame) -> str:
    """A hash of a frame's samples."""
    return hashlib.md5(b"".join(plane.tobytes() for plane in raw(frame))).hexdigest()


def _row_bytes(frame: av.VideoFrame, plane: Any) -> int:
    bits = max(c.bits for c in frame.format.components)
    samples = (
        len(frame.format.components) if len(frame.planes) == 1 and len(frame.format.components) > 1 else 1
    )
    if frame.format.name.startswith(("bgr0", "0rgb")):
        samples = 4
    return int(plane.width) * samples * (2 if bits > 8 else 1)


def sound(path: Path, index: int = 0) -> tuple[NDArray[np.float32], Fraction, int]:
    """Decode the `index`-th sound track: (C, S) samples, exact time of the first one, and the rate."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[index]
        parts, start, rate = [], None, 0
        resampler = av.AudioResampler(format="flt")  # planes of more than seven channels crash PyAV
        for frame in container.decode(stream):
            if start is None:
                assert frame.pts is not None
                assert frame.time_base is not None
                start = frame.pts * frame.time_base
                rate = frame.sample_rate
            count = len(frame.layout.channels)
            parts += [part.to_ndarray().reshape(-1, count).T for part in resampler.resample(frame)]
    assert start is not None
    return np.concatenate(parts, axis=1), start, rate


@dataclass
class Dubbed:
    """What the media stages made.

    Attributes:
        path: the film.
        root: the folder of artifacts.
        note: `remux.json`.
        warnings: lines for the user.
        ran: units by stage.
    """

    path: Path
    root: Path
    note: dict[str, Any]
    warnings: list[str]
    ran: dict[str, list[str]]


class Stages:
    """The media stages of one job, run one by one without a store."""

    def __init__(
        self, root: Path, film: Path, dub: Path | None = None, suffix: str = "", **settings: Any
    ) -> None:
        self.root = root
        sources = {"film": Source(film, hashlib.sha256(film.read_bytes()).hexdigest())}
        if dub is not None:
            sources["dub"] = Source(dub, hashlib.sha256(dub.read_bytes()).hexdigest())
        self.view = JobView(sources, Settings.model_validate(settings), suffix=suffix or film.suffix)
        self.warnings: list[str] = []
        self.ran: dict[str, list[str]] = {}

    def run(self, module: Any) -> dict[str, Artifact]:
        """Run all units of a stage."""
        done = {}
        for unit in module.units(self.view):
            out = self.root / module.STAGE.name / unit.name
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            task = Task(unit.name, unit.paths, unit.params, unit.facts, "", out, warn=self.warnings.append)
            module.run(task)
            module.check(task)
            done[unit.name] = Artifact("", out, folder_digest(out))
        self.view.artifacts[module.STAGE.name] = done
        self.ran[module.STAGE.name] = sorted(done)
        return done

    def read(self) -> None:
        """Probe, scan and split."""
        self.run(probe)
        self.run(scan)
        self.run(split)

    def touch(self, frames: Sequence[int], patch: Callable[..., Path] | None = None, **options: Any) -> None:
        """Put patches on frames of the film, all in the shot of the first one."""
        lips = self.view.artifacts.setdefault("lips", {})
        name = f"{self.shot_of(frames[0])}.{len(lips)}"
        folder = (patch or patches)(self.root / "lips" / name, frames, deep=self.deep, **options)
        lips[name] = Artifact("", folder, folder_digest(folder))

    @property
    def deep(self) -> bool:
        """Whether the film has more than 8 bits."""
        return MediaInfo.load(self.view.one("probe").path).film.bit_depth > 8

    def shot_of(self, frame: int) -> str:
        """Name of the shot a frame is in."""
        shots = Shots.load(self.view.one("split").path).shots
        return next(shot.name for shot in shots if shot.start <= frame < shot.stop)

    def finish(self) -> Dubbed:
        """Compose and remux."""
        self.run(compose)
        folder = self.run(remux)["film"].path
        note = Remuxed.load(folder).model_dump(mode="json")
        return Dubbed(folder / f"film{self.view.suffix}", self.root, note, self.warnings, self.ran)


def dubbed(
    root: Path, film: Path, dub: Path, touched: Iterable[int] = (), suffix: str = "", **settings: Any
) -> Dubbed:
    """Run the media stages on a film whose frames `touched` get a patch."""
    stages = Stages(root, film, dub, suffix, **settings)
    stages.read()
    frames = list(touched)
    if frames:
        stages.touch(frames)
    return stages.finish()


def patches(
    folder: Path,
    frames: Sequence[int],
    *,
    deep: bool = False,
    size: tuple[int, int] = (24, 16),
    at: tuple[int, int] = (16, 16),
    colour: tuple[float, float, float] = (0.9, 0.2, 0.1),
) -> Path:
    """A `lips` artifact, its folder named by the face: an ellipse of one colour, the same on every frame."""
    folder.mkdir(parents=True)
    first, wide, high = int(folder.name.split(".")[0]), *size
    y, x = np.mgrid[0:high, 0:wide]
    far = np.hypot((x + 0.5 - wide / 2) / (wide / 2 - 1), (y + 0.5 - high / 2) / (high / 2 - 1))
    mask = np.clip((1 - far) * 3, 0, 1)
    top, kind = (65535, np.uint16) if deep else (255, np.uint8)
    rgba = np.concatenate([np.broadcast_to(colour, (high, wide, 3)), mask[..., None]], axis=-1)
    rgba = np.asarray(np.round(rgba * top), kind)
    origin = np.tile(np.array([at], np.int32), (len(frames), 1))
    Placement(np.array(frames, np.int32), origin, np.ones(len(frames), np.float32)).save(
        folder, f"{first:08d}"
    )
    ranges = tuple(spans.runs([frame - first for frame in sorted(frames)]))
    PatchFacts(
        engine="made", frames=len(frames), changed=len(frames), in_shot=ranges, given_back=0, confidence=1.0
    ).save(folder)
    with av.open(str(pictures(folder)), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "gbrap16le" if deep else "bgra"
        for k in range(len(frames)):
            picture = rgba if deep else np.ascontiguousarray(rgba[..., [2, 1, 0, 3]])
            frame = av.VideoFrame.from_ndarray(picture, format=stream.pix_fmt)
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return folder


def folder_digest(folder: Path) -> str:
    """One digest of all files in a folder, by name."""
    hasher = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != "artifact.json":
            hasher.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return hasher.hexdigest()


def box(kind: bytes, content: bytes) -> bytes:
    """A box of MP4."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def inside(data: bytes, way: list[bytes], extra: bytes) -> bytes:
    """An MP4 whose `moov` is last, with a box more at the end of a box."""
    around, start, stop = [], 0, len(data)
    for kind in way:
        while data[start + 4 : start + 8] != kind:
            start += int.from_bytes(data[start : start + 4], "big")
        stop = start + int.from_bytes(data[start : start + 4], "big")
        around.append((start, stop))
        start += {b"stsd": 16, b"avc1": 86}.get(kind, 8)
    out = bytearray(data[:stop] + extra + data[stop:])
    for start, end in around:
        out[start : start + 4] = (end - start + len(extra)).to_bytes(4, "big")
    return bytes(out)
