"""Active-speaker accuracy against scenes marked by hand, `tests/truth/*.json`.

    python bench/cue.py ../shared/footage [--keep DIR] [NAME…]

Each clip is dubbed with its own sound up to `cue`. A row per face: frames seen, share of frames in which
"talks" was estimated rightly, share of its talk that lies in a cue, and frames changed of one who never
talks. Frames whose face the tracker did not see do not count. The last line is the mean over all face frames.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dubcli import stages
from dubcli.artifacts import cues, speech, tracks
from dubcli.artifacts.shots import Frames
from dubcli.artifacts.tracks import FaceTrack
from dubcli.core.model import Artifact, JobView, Source, Task
from dubcli.cueing import evidence
from dubcli.media.sound import audio
from dubcli.settings.config import Settings

TRUTH = Path(__file__).parents[1] / "tests" / "truth"
ORDER = ("probe", "scan", "split", "track", "cast", "align", "cue")


def prepared(clip: Path, folder: Path) -> JobView:
    """Run the stages up to `cue`, with the clip's own sound as the dub; results are kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    dub = folder / "own.wav"
    if not dub.exists():
        sound, start = audio(clip)
        shift = round(start * 16000)
        sound = np.concatenate([np.zeros(max(0, shift), np.float32), sound[max(0, -shift) :]])
        with wave.open(str(dub), "wb") as out:
            out.setparams((1, 2, 16000, 0, "NONE", ""))
            out.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    view = JobView({"film": _source(clip), "dub": _source(dub)}, Settings())
    for name in ORDER:
        module = stages.module(name)
        view.artifacts[name] = {}
        for unit in module.units(view):
            facts = json.dumps([module.STAGE.version, unit.inputs, unit.params, unit.facts], sort_keys=True)
            out_dir = folder / name / f"{unit.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
            if name == "cue" or not (out_dir / "done").exists():
                out_dir.mkdir(parents=True, exist_ok=True)
                engine = unit.engine.name if unit.engine else ""
                module.run(Task(unit.name, unit.paths, unit.params, unit.facts, engine, out_dir))
                (out_dir / "done").touch()
            content = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(out_dir.iterdir()))).hexdigest()
            view.artifacts[name][unit.name] = Artifact("", out_dir, content)
    return view


def rows(view: JobView, truth: dict[str, Any]) -> list[dict[str, Any]]:
    """One row of figures per face of a marked clip."""
    seconds = Frames.load(view.one("split").path).seconds
    heard = view.one("align", "film").path
    sound = evidence.FilmAudio(speech.features(heard), speech.Record.load(heard).offset)
    found = cues.Cues.load(view.one("cue").path)
    out = []
    told: list[tuple[FaceTrack, NDArray[np.bool_], NDArray[np.bool_]]] = []
    for shot, artifact in view.all("track").items():
        faces = tracks.load(artifact.path, shot)
        for k, (track, one) in enumerate(zip(faces, evidence.estimate(faces, seconds, sound), strict=True)):
            cued = np.zeros(len(track.frames), bool)
            for cue in found.cues:
                if (cue.shot, cue.track) == (shot, k):
                    cued |= (track.frames >= cue.start) & (track.frames < cue.stop)
            told.append((track, one.talking > 0.5, cued))
    for face in truth["faces"]:
        at = np.array(face["at"], float)
        first, stop = face.get("frames", (0, truth["frames"]))
        talks = np.zeros(truth["frames"], bool)
        for a, b in face["speaks"]:
            talks[a:b] = True
        seen = right = cued_talk = talk = changed = 0
        for track, says, cued in told:
            place = np.stack([np.interp(track.frames, at[:, 0], at[:, j]) for j in (1, 2)], axis=1)
            near = np.hypot(*(track.mesh[:, :, :2].mean(1) - place).T) < 1.3 * track.size
            mine = near & (track.frames >= first) & (track.frames < stop)
            true = talks[track.frames]
            seen += int(mine.sum())
            right += int((says == true)[mine].sum())
            talk += int((mine & true & track.eligible).sum())
            cued_talk += int((mine & true & track.eligible & cued).sum())
            changed += int((mine & cued).sum())
        out.append(
            {
                "face": face["name"],
                "seen": seen,
                "right": right,
                "talk": talk,
                "cued": cued_talk,
                "changed": changed,
            }
        )
    return out


def _source(path: Path) -> Source:
    return Source(path, hashlib.sha256(path.read_bytes()).hexdigest())


def main() -> int:
    """Print the table; 1 where the accuracy is under 0.85."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose name holds one of these")
    parser.add_argument("--keep", type=Path, help="keep the work here")
    args = parser.parse_args()
    seen = right = 0
    with tempfile.TemporaryDirectory() as temporary:
        for path in tqdm(sorted(TRUTH.glob("*.json")), desc="scenes", disable=None):
            if args.names and not any(name in path.stem for name in args.names):
                continue
            truth = json.loads(path.read_bytes())
            view = prepared(args.footage / truth["clip"], (args.keep or Path(temporary)) / path.stem)
            for row in rows(view, truth):
                share = f"{row['right'] / row['seen']:.3f}" if row["seen"] else "  -  "
                talk = f"cued {row['cued'] / row['talk']:.3f}" if row["talk"] else f"changed {row['changed']}"
                shown = f"{path.stem:20} {row['face']:22} seen {row['seen']:4} right {share}  {talk}"
                with tqdm.external_write_mode():
                    print(shown, flush=True)
                seen, right = seen + row["seen"], right + row["right"]
    print(f"active-speaker accuracy {right / max(1, seen):.3f} over {seen} face frames")
    return 0 if right >= 0.85 * seen else 1


if __name__ == "__main__":
    raise SystemExit(main())
