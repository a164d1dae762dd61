"""A made-up feature film for `bench.feature`: shots, people, tracks, sound and all that is not measured."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import speech, tracks
from dubcli.artifacts.compose import Segment
from dubcli.artifacts.compose import video as segment_video
from dubcli.artifacts.measures import Measure, Measures, save_aperture
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.patches import PatchFacts, pictures
from dubcli.artifacts.phones import CLASSES, PHONES
from dubcli.artifacts.remux import Remuxed
from dubcli.artifacts.remux import film as finished
from dubcli.artifacts.shots import Frames, Groups, Shot, Shots, first_frame
from dubcli.core.model import JobView, Unit
from dubcli.face import mesh as regions
from dubcli.media import source
from dubcli.media.ffmpeg import binary, url
from dubcli.media.patches import Patch, write
from dubcli.media.spans import runs
from dubcli.speech import encoder, visemes

RATE, SIZE = 24, (640, 360)  # frames a second, and pixels
PATCH = 48  # pixels of a side of the made-up patches


@dataclass
class Made:
    """The made-up film.

    Attributes:
        shots: in order.
        faces: people in each shot, the one who may speak first.
        heads: (people, 478, 3) canonical heads.
        who: (people, D) what their descriptors are near.
        aperture: (frames,) what the sound asks of a mouth in each frame, 0–1.
        spoken: (frames,) whether there is speech.
        chance: where all of it comes from.
    """

    shots: list[tuple[int, int]]
    faces: list[list[int]]
    heads: NDArray[np.float32]
    who: NDArray[np.float32]
    chance: np.random.Generator
    aperture: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    spoken: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @classmethod
    def of(cls, frames: int, shots: int, people: int) -> Made:
        """Shots of all lengths; a few people are in most of them."""
        chance = np.random.default_rng(11)
        weights = chance.gamma(2.0, size=shots) + 0.4
        edges = np.concatenate([[0], np.cumsum(weights / weights.sum() * frames)]).round().astype(int)
        often = 1 / np.arange(1, people + 1)
        faces = [
            chance.choice(people, min(people, count), False, often / often.sum())
            for count in (chance.choice([1, 2, 3], p=[0.55, 0.35, 0.1]) for _ in range(shots))
        ]
        heads = np.repeat(regions.head()[None], people, axis=0)
        heads = heads * (1 + 0.06 * chance.normal(size=(people, 1, 3)))
        made = [(int(a), int(b)) for a, b in pairwise(edges)]
        who = chance.normal(size=(people, 532)).astype(np.float32)
        return cls(made, [f.tolist() for f in faces], heads.astype(np.float32), who, chance)

    def sound(self, seconds: float) -> tuple[speech.Record, dict[str, NDArray[Any]]]:
        """A sound in which most shots are spoken in, and its features."""
        count = int(seconds * 100)
        regions_ = []
        spoken = np.zeros(count, bool)
        for a, b in self.shots:
            if b - a > 30 and self.chance.random() < 0.7:
                start, end = a / RATE + 0.2, b / RATE - 0.3
                regions_.append(speech.Region(start=round(start, 3), end=round(end, 3)))
                spoken[int(start * 100) : int(end * 100)] = True
        classes = self.chance.integers(1, len(CLASSES), -(-count // 9)).repeat(9)[:count]
        viseme = np.eye(len(CLASSES), dtype=np.float32)[np.where(spoken, classes, 0)]
        share = np.cumsum(
            np.concatenate([np.zeros_like(viseme[:4]), viseme, np.zeros_like(viseme[:4])]), axis=0
        )
        viseme = ((share[8:] - share[:-8]) / 8).astype(np.float32)
        viseme[:, 0] += 1 - viseme.sum(1)
        at = np.clip(
            (encoder.seconds(np.arange(encoder.count(int(seconds * 16000)))) * 100).astype(int), 0, count - 1
        )
        spread = self.chance.normal(size=(len(CLASSES), encoder.WIDTH)).astype(np.float32)
        encoded = (viseme[at] @ spread * spoken[at][:, None]).astype(np.float16)
        bands = self.chance.normal(size=(len(CLASSES), 80)).astype(np.float32)
        found = {
            "logmel": np.where(spoken[:, None], viseme @ bands, -4).astype(np.float32),
            "loudness": np.where(spoken, -3, -60).astype(np.float32),
            "pitch": np.where(spoken, 140, 0).astype(np.float32),
            "colour": np.zeros((2, 80), np.float32),
            "speech": spoken.astype(np.float32),
            "viseme": viseme,
            "encoded": encoded,
        }
        frames = np.clip((np.arange(self.shots[-1][1]) / RATE * 100).astype(int), 0, count - 1)
        self.aperture = (viseme @ visemes.table("aperture"))[frames].astype(np.float64)
        self.spoken = spoken[frames]
        sounds = sorted(set(PHONES) - {"SIL"})
        phones = tuple(
            speech.Phone(start=k * 0.09, end=(k + 1) * 0.09, phone=sounds[k % len(sounds)])
            for k in range(count // 9)
            if spoken[9 * k : 9 * k + 9].all()
        )
        record = speech.Record(
            engine="made", seconds=round(seconds, 3), regions=tuple(regions_), phones=phones
        )
        return record.whole(), found

    def tracks(self, number: int) -> list[tracks.FaceTrack]:
        """The faces of a shot: the first speaks as the sound asks, the others hardly move."""
        start, stop = self.shots[number]
        out = []
        for place, person in enumerate(self.faces[number]):
            count = stop - start
            sway = np.cumsum(self.chance.normal(0, 0.25, (count, 1, 3)), axis=0)
            gap = 0.22 * self.aperture[start:stop] if place == 0 else np.zeros(count)
            gap = gap + 0.002 * self.chance.normal(size=count)
            head = self.heads[person]
            low = np.zeros(478)
            middle = (head[regions.UPPER_LIP, 1] + head[regions.LOWER_LIP, 1]) / 2
            moved = list(regions.MOUTH)
            low[moved] = np.clip((head[moved, 1] - middle) / 0.03, 0, 1) * (np.abs(head[moved, 0]) < 0.45)
            canonical = np.repeat(head[None], count, axis=0)
            canonical[..., 1] += gap[:, None] * low
            size = float(self.chance.uniform(35, 70))
            where = np.array([140 + 180 * place, 130, 0])
            mesh = (canonical * size + where + sway).astype(np.float32)
            ones = np.ones(count, np.float32)
            descriptor = self.who[person] + 0.5 * self.chance.normal(size=(8, self.who.shape[1]))
            out.append(
                tracks.FaceTrack(
                    frames=np.arange(start, stop, dtype=np.int32),
                    mesh=mesh,
                    pose=np.zeros((count, 3), np.float32),
                    size=size * ones,
                    sharp=ones,
                    occlusion=0 * ones,
                    reason=np.zeros(count, np.uint8),
                    thumbs=self.chance.integers(60, 200, (8, 96, 96, 3), np.uint8),
                    descriptor=(descriptor / np.linalg.norm(descriptor, axis=1, keepdims=True)).astype(
                        np.float32
                    ),
                )
            )
        return out


def picture(path: Path, seconds: float) -> None:
    """A film without anything to see, and a sound."""
    size = "x".join(map(str, SIZE))
    subprocess.run(
        [binary(), "-v", "error", "-y", "-f", "lavfi", "-i",
         f"color=c=0x8a6a58:s={size}:r={RATE}:d={seconds}",
         "-f", "lavfi", "-i", f"sine=r=16000:d={seconds}", "-c:v", "libx264", "-preset", "ultrafast",
         "-g", str(RATE), "-c:a", "aac", "-ac", "1", url(path)],
        check=True,
    )  # fmt: skip


def fill(view: JobView, made: Made, pts: NDArray[np.int64]) -> dict[str, Callable[[Unit, Path], None]]:
    """What makes up the artifacts of each stage that is not run."""
    film = MediaInfo.load(view.one("probe").path).film
    sounds = {}
    for name in ("dub", "film"):  # the film's last: it is what its mouths say
        sounds[name] = made.sound(len(pts) / RATE)
    numbers = {f"{a:08d}": k for k, (a, _) in enumerate(made.shots)}

    def split(unit: Unit, out: Path) -> None:
        Frames.load(unit.paths["scan"]).save(out)
        Groups.load(unit.paths["scan"]).save(out)
        shots = (Shot(name=f"{a:08d}", start=a, stop=b, picture=f"{a}") for a, b in made.shots)
        Shots(shots=tuple(shots)).save(out)

    def track(unit: Unit, out: Path) -> None:
        tracks.save(out, made.tracks(numbers[unit.name]), unit.name)

    def align(unit: Unit, out: Path) -> None:
        record, features = sounds[unit.name]
        record.whole().save(out)
        speech.save_features(out, features.items())

    def lips(unit: Unit, out: Path) -> None:
        shot = unit.name.split(".")[0]
        motion = Motion.load(unit.paths["motion"], shot)
        asked = motion.frames[motion.weight > 0]
        mask = np.full((PATCH, PATCH), 255, np.uint8)
        rgb = np.full((PATCH, PATCH, 3), 120, np.uint8)
        patches = (Patch(int(f), (300, 160), rgb, mask, 0.9) for f in asked)
        placed, back = write(pictures(out), patches, motion.frames, film)
        placed.save(out, shot)
        PatchFacts(
            engine="made",
            frames=len(motion.frames),
            changed=len(asked),
            in_shot=tuple(runs((asked - first_frame(shot)).tolist())),
            given_back=back,
            confidence=0.9,
        ).save(out)

    def measure(unit: Unit, out: Path) -> None:
        frames = tracks.load_one(unit.paths["track"], unit.name.split(".")[0], unit.facts["track"]).frames
        offset = Measure(dubbed=240.0 if made.chance.random() < 0.1 else 10.0)
        Measures(
            frames=72,
            picture_frames=72,
            pixel_frames=9,
            speech_frames=60,
            offset_ms=offset,
            worst=int(frames[0]),
        ).save(out)
        save_aperture(out, frames, made.aperture[frames].astype(np.float32) * 0.2)

    def compose(unit: Unit, out: Path) -> None:
        segment_video(out).write_bytes(b"made up")
        Segment(spans=tuple(map(tuple, unit.facts["spans"])), delay=0, changed=1, codec="h264").save(out)

    def remux(unit: Unit, out: Path) -> None:
        shutil.copyfile(view.sources["film"].path, finished(out, view.suffix))
        Remuxed(encoded=1, copied=len(pts) - 1, why="", left_out=()).save(out)

    return {
        "split": split, "track": track, "align": align, "lips": lips, "measure": measure, "compose": compose,
        "remux": remux,
    }  # fmt: skip


def timestamps(path: Path) -> NDArray[np.int64]:
    """Presentation times of all pictures."""
    with source.opened(path) as container:
        packets = container.demux(source.picture(container, path, None))
        return np.array(sorted(p.pts for p in packets if p.pts is not None and p.size), np.int64)
