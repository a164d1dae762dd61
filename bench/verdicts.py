"""Calibration of verdicts: clean shots, and the same shots with injected defects of several strengths.

    python -m bench.verdicts FOOTAGE [--keep DIR] [--faces 12]

Makes jobs of clips and dubs up to their mouth patches, measures every changed face as it is, and then some of
them with a defect put in: into the patches before they are blended, or into the sound. A row per defect and
strength: how many were found (not `good`), how many are `redo`, and which measure decided. Strengths marked
with * are those that a viewer notices: sync beyond ITU-R BT.1359's limits of acceptability (sound 90 ms
early, 185 ms late), the others by looking.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.defects import Case, injected
from dubcli import stages
from dubcli.artifacts import tracks
from dubcli.artifacts.measures import Measures
from dubcli.artifacts.media import MediaInfo
from dubcli.artifacts.shots import Frames, Groups
from dubcli.core import plan, runner
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.model import Task
from dubcli.engines.trackers.mediapipe import VIEWS, Finder
from dubcli.media import decode
from dubcli.media.ffmpeg import binary, url
from dubcli.media.patches import Patches
from dubcli.quality import face, observe
from dubcli.quality.subject import Sound, Subject
from dubcli.quality.verdict import Judgement, judge
from dubcli.settings.config import Settings
from dubcli.speech import prior
from dubcli.stages import measure

CLIPS = (  # clip, dub
    ("talk/address_hill.mp4", "fr_librivox_7s.wav"),
    ("talk/head_4.mp4", "de_thorsten_human_5s.wav"),
    ("talk/downing_5s.mp4", "zh_librivox_6s.wav"),
    ("talk/man_front_15s.mp4", "fr_tts_siwis_17s.wav"),
    ("talk/webcam_10s.mp4", "es_librivox_8s.wav"),
    ("talk/head_2.mp4", "fr_librivox_7s.wav"),
    ("talk/man_moustache.mp4", "it_librivox_6s.wav"),
    ("talk/whitehouse_5s.mp4", "de_thorsten_human_5s.wav"),
    ("talk/head_1_vfr.mp4", "it_librivox_6s.wav"),
    ("talk/head_3.mp4", "ru_librivox_9s.wav"),
    ("scenes/promo_20shots.mp4", "fr_kyutai_intro_23s.mp3"),
    ("scenes/interview_split.mp4", "fr_tts_siwis_17s.wav"),
    ("scenes/stage_4shots.mp4", "de_librivox_9s.wav"),
    ("talk/woman_outdoors.mp4", "de_librivox_9s.wav"),
    ("talk/mead_W036_level_3_happy_007.mp4", "de_thorsten_human_5s.wav"),
    ("talk/mead_M003_level_1_disgusted_015.mp4", "it_librivox_6s.wav"),
)
GRID = (slice(None, None, 13), 20)  # sentences of the corpus that are cut together


def films(footage: Path, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Name, film and dub of every job."""
    for name, clips in (
        ("grid_a", sorted((footage / "talk").glob("grid_*.mpg"))),
        ("grid_b", sorted((footage / "grid").glob("*.mkv"))[GRID[0]][: GRID[1]]),
    ):
        film, dub = folder / f"{name}.mkv", folder / f"{name}_dub.wav"
        if not film.exists():
            _cut(clips, film, dub)
        yield name, film, dub
    for clip, dub_name in CLIPS:
        yield f"{Path(clip).stem}_{dub_name[:2]}", footage / clip, footage / "speech" / dub_name


def _cut(clips: Sequence[Path], film: Path, dub: Path) -> None:
    """Clips of three seconds one after the other; the dub has each one's successor's voice."""
    count = len(clips)
    one = "".join(f"[{k}:v]scale=360:288,setsar=1,fps=25[v{k}];" for k in range(count))
    one += "".join(f"[{k}:a]aresample=16000,apad,atrim=0:3[a{k}];" for k in range(count))
    both = one + "".join(f"[v{k}][a{k}]" for k in range(count)) + f"concat=n={count}:v=1:a=1[v][a]"
    words = [binary(), "-v", "error", "-y"]
    inputs = [word for clip in clips for word in ("-i", url(clip))]
    tail = ["-map", "[v]", "-map", "[a]", "-c:v", "libx264", "-crf", "12", "-c:a", "flac", url(film)]
    subprocess.run([*words, *inputs, "-filter_complex", both, *tail], check=True)
    turned = [word for clip in [*clips[1:], clips[0]] for word in ("-i", url(clip))]
    sounds = "".join(f"[{k}:a]aresample=16000,apad,atrim=0:3[a{k}];" for k in range(count))
    sounds += "".join(f"[a{k}]" for k in range(count)) + f"concat=n={count}:v=0:a=1[a]"
    subprocess.run([*words, *turned, "-filter_complex", sounds, "-map", "[a]", url(dub)], check=True)


def cases(job: Job, most: int) -> Iterator[Case]:
    """Every changed face of a job."""
    view = plan.view(job)
    for name in stages.ORDER[: stages.ORDER.index("measure")]:
        found = plan.rows(job, view, name, plan.Selection())
        view.artifacts[name] = {row.unit.name: row.artifact for row in found if row.unit and row.artifact}
    for unit in measure.units(view):
        task = Task(unit.name, unit.paths, unit.params, unit.facts, "", Path())
        frames, video = Frames.load(task.inputs["split"]), MediaInfo.load(task.inputs["probe"]).film
        track = tracks.load_one(task.inputs["track"], task.unit.split(".")[0], task.facts["track"])
        seconds = frames.seconds[track.frames]
        subject = measure._subject(task, track, seconds, float(video.rate))
        patches = Patches(task.inputs["patch"], task.unit.split(".")[0])
        first = int(track.frames[0])
        ranges = observe.windows(
            patches.frames,
            most,
            partial(_spoken, subject, first),
        )
        sampled = observe.sampled(patches.frames, ranges)
        keys = Groups.load(task.inputs["split"]).keys
        observed = list(decode.selected(task.inputs["film"], video, frames.pts, sampled, keys))
        placed = {frame.index: patch for frame in observed if (patch := patches.at(frame.index)) is not None}
        if len(placed) < 24 or subject.speaks.sum() < 24:
            continue
        model = prior.load(task.inputs["prior"])

        def shifted(later: float, task: Task = task, seconds: Any = seconds, model: Any = model) -> Sound:
            sound = measure._sound(task.inputs["speech/dub"], seconds - later, model)
            moved = (
                p.model_copy(update={"start": p.start + later, "end": p.end + later}) for p in sound.phones
            )
            return dataclasses.replace(sound, phones=tuple(moved))

        own = measure._own(task.inputs["gallery"])
        yield Case(f"{job.root.stem}/{unit.name}", subject, observed, placed, own, shifted)


def _spoken(subject: Subject, first: int, start: int, stop: int) -> float:
    return float(subject.speaks[start - first : stop - first].sum())


def prepared(footage: Path, folder: Path) -> Iterator[Job]:
    """The jobs, done up to their patches."""
    settings = Settings.model_validate({"run": {"workers": 1}})
    for name, film, dub in tqdm(list(films(footage, folder)), desc="jobs", disable=None):
        job = Job.create_or_open(
            film, dub, settings, out=folder / f"{name}_out.mkv", root=folder / f"{name}.dub"
        )
        job.settings = settings
        runner.run(job, Events(None), plan.Selection(until="lips"))
        yield job


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--keep", type=Path, help="folder of the jobs, kept for the next time")
    parser.add_argument("--frames", type=int, default=36, help="frames of each face's window")
    parser.add_argument(
        "--faces", type=int, default=12, help="faces that defects are put into, evenly spread"
    )
    arguments = parser.parse_args()
    limits = Settings().quality
    with tempfile.TemporaryDirectory() as scratch, Finder(views=VIEWS[:1]) as finder:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        every: list[Case] = []
        for job in prepared(arguments.footage, folder):
            every += cases(job, arguments.frames)
        clean = []
        for case in tqdm(every, desc="clean", disable=None):
            case.clean = case.seen(finder)
            found = face.measures(case.subject, case.clean)
            clean.append(judge(found, None, limits))
            tell({"case": case.name, "verdict": clean[-1].verdict, **plain(found)})
        rows: dict[tuple[str, float, bool], list[Judgement]] = {("clean", 0.0, False): clean}
        chosen = np.unique(np.linspace(0, len(every) - 1, arguments.faces).round().astype(int)).tolist()
        for number in tqdm(chosen, desc="defects", disable=None):
            other = every[(number + len(every) // 2) % len(every)]
            for name, strength, noticed, found in injected(every[number], other, finder):
                rows.setdefault((name, strength, noticed), []).append(judge(found, None, limits))
                tell({"case": every[number].name, "defect": name, "strength": strength, **plain(found)})
    table(rows)
    return 0


def plain(found: Measures) -> dict[str, Any]:
    """Measures as short JSON."""
    rows = found.model_dump(exclude={"violations", "places"})
    return {k: [v["dubbed"], v["source"]] if isinstance(v, dict) else v for k, v in rows.items()}


def tell(row: dict[str, Any]) -> None:
    """A line of JSON on stderr."""
    tqdm.write(json.dumps(row), file=sys.stderr)


def table(rows: dict[tuple[str, float, bool], list[Judgement]]) -> None:
    """The table of docs/quality.md."""
    print("| defect | strength | faces | not good | redo | by |\n|---|---|---|---|---|---|")
    noticed_total = noticed_found = 0
    for (name, strength, noticed), verdicts in rows.items():
        found = [one for one in verdicts if one.verdict != "good"]
        by = Counter(one.reasons[0].measure for one in found).most_common(2)
        redo = sum(one.verdict == "redo" for one in verdicts)
        mark, words = "*" if noticed else "", ", ".join(f"{name} {count}" for name, count in by)
        print(f"| {name} | {strength:g}{mark} | {len(verdicts)} | {len(found)} | {redo} | {words} |")
        noticed_total += len(verdicts) * noticed
        noticed_found += len(found) * noticed
    print(f"\nnoticed by a viewer and not good: {noticed_found} of {noticed_total}")


if __name__ == "__main__":
    sys.exit(main())
