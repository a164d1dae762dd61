"""Reports for tests: by hand with words that are no words, and of artifacts as stages leave them."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts import measures as measured
from dubcli.artifacts import report as model
from dubcli.artifacts import tracks
from dubcli.artifacts.cast import Cast, Consent, Person
from dubcli.artifacts.measures import Measure, Measures
from dubcli.artifacts.motion import Motion
from dubcli.artifacts.mouth import MouthFacts
from dubcli.artifacts.patches import PatchFacts, Placement, pictures
from dubcli.artifacts.phones import INDEX
from dubcli.artifacts.remux import Remuxed
from dubcli.artifacts.shots import Frames, Groups, Shot, Shots
from dubcli.artifacts.tracks import FaceTrack
from dubcli.core.model import Task
from dubcli.demo import film as demo
from dubcli.demo import speech
from dubcli.face import mesh
from dubcli.media import decode
from dubcli.media.ffmpeg import binary, url
from dubcli.media.probe import probe
from dubcli.settings.config import QualitySettings
from dubcli.speech import visemes
from dubcli.stages import report as stage

GOOD = Measures(
    frames=72, picture_frames=72, pixel_frames=18, speech_frames=70, closures=4,
    offset_ms=Measure(dubbed=12.0), follows=Measure(dubbed=0.95), amplitude=Measure(dubbed=1.0),
    closure_hits=Measure(dubbed=1.0), sharpness=Measure(dubbed=0.9, source=1.0), changed_outside=0, worst=12,
)  # fmt: skip


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7*7 }}"


def hostile() -> model.Report:
    cue = model.Cue(start=0, stop=5, kind="speak", confidence=1.0)
    skip = model.Skip(start=5, stop=9, reason=HOSTILE)
    curves = model.Curves(start=0, source=(0.1,) * 9, target=(None,) * 9, dubbed=(0.2,) * 9)
    face = model.Face(
        name="0.0", person=HOSTILE, start=0, stop=9, state="changed", changed=((0, 5),), frames_changed=5,
        confidence=0.5, cues=(cue,), skipped=(skip,), curves=curves, verdict="look", measures=GOOD,
        reasons=(model.Reason(measure="seam", verdict="look", text=HOSTILE, advice=HOSTILE),),
    )  # fmt: skip
    shot = model.Shot(
        name=HOSTILE,
        start=0,
        stop=9,
        seconds=0.0,
        state="changed",
        changed=((0, 5),),
        what=HOSTILE,
        timecode=HOSTILE,
        verdict="look",
        faces=(face,),
    )
    person = model.Person(
        name=HOSTILE, id="p01", faces=1, faces_changed=1, frames_changed=5, good=0, look=1, redo=0,
        forecast="good", because=HOSTILE, consent=Consent(state=HOSTILE, sha256=HOSTILE),
    )  # fmt: skip
    return model.Report(
        made=model.Made(
            output=HOSTILE, date=HOSTILE, version=HOSTILE, timings=HOSTILE, preset=HOSTILE,
            settings={"remux.language": HOSTILE}, limits={"seam": (1.0, 2.0)},
        ),
        people=(person,),
        film=model.Film(
            name=HOSTILE, seconds=0.4, frames=9, rate=(24, 1), width=64, height=48, codec="x", pix_fmt="y",
            audio=0, subtitles=0,
        ),
        dub=model.Dub(name=HOSTILE, seconds=1.0, speech_seconds=0.5),
        totals=model.Totals(
            shots=1, shots_changed=1, faces=1, faces_changed=1, faces_failed=0, good=0, look=1,
            redo=0, frames=9, frames_changed=5,
            frames_encoded=None, offscreen_seconds=0.0, skipped={HOSTILE: 4},
        ),
        changed=((0, 5),), speech=(), offscreen=(), warnings=(HOSTILE,), engines=(), shots=(shot,),
    )  # fmt: skip


def shots(text: str) -> Any:
    """What the page's script is given."""
    (rows,) = re.findall(r'<script type="application/json" id="shots"[^>]*>(.*?)</script>', text, re.DOTALL)
    return json.loads(rows)


InputsOf = Callable[..., dict[str, Path]]
"""Makes folders as the stages leave them, by role."""

FIRST = 104  # frame of the sample film that the tiny film begins with


CUT = demo.CUTS[0] - FIRST


FRAMES = 180 - FIRST


GROUPS = Groups(starts=(0, 40), keys=(0, 40), fixed=(False, False))


FACTS: dict[str, Any] = {
    "suffix": ".mp4",
    "preset": "film",
    "settings": {"motion.amplitude": 1.2},
    "given_back": [],
    "start": "",
    "engines": [["tracker", "mediapipe"], ["lips", "exemplar"]],
    "keep_matching": False,
    "edited": [],
    "failed": [],
    "own": {},
    "approved": [],
}


VOWELS = dict.fromkeys("aɑæʌɐəɜ", "aa") | dict.fromkeys("ɛeɪi", "ih") | dict.fromkeys("ɔouʊ", "oh")


def job_of(root: Path, film: Path, result: Path, face: FaceTrack, cues: dict[str, Any]) -> dict[str, Path]:
    def folder(role: str, **files: Any) -> Path:
        path = root / role
        path.mkdir(parents=True)
        for name, content in files.items():
            stem, _, suffix = name.rpartition("_")
            if suffix == "npz":
                np.savez_compressed(path / f"{stem}.npz", **content)
            else:
                (path / f"{stem}.json").write_text(json.dumps(content), "utf-8")
        return path

    said = speech.load("en")
    rows = np.zeros((round(100 * FRAMES / float(demo.RATE)), len(visemes.VISEMES)), np.float32)
    rows[:, INDEX["sil"]] = 1
    begin = FIRST / float(demo.RATE)
    for phone in said.phones:
        kind = "PP" if phone.name[0] in "pbm" else VOWELS.get(phone.name[0], "DD")
        here = slice(max(0, round(100 * (phone.start - begin))), max(0, round(100 * (phone.end - begin))))
        rows[here] = 0
        rows[here, INDEX[kind]] = 1
    heard = {"engine": "phones", "seconds": 3.17, "regions": [{"start": 0.0, "end": 2.1}]}
    shots = [
        Shot(name="00000000", start=0, stop=CUT, picture="a"),
        Shot(name=f"{CUT:08}", start=CUT, stop=FRAMES, picture="b"),
    ]
    cue = {
        "shot": "00000000",
        "track": 0,
        "start": 0,
        "stop": CUT,
        "kind": "speak",
        "confidence": 0.9,
        "person": "p01",
    }
    said_cues = {"cues": [cue], "offscreen": [{"start": 2.7, "end": 3.1}], "skipped": []} | cues
    info, pts = probe(film), pts_of(film)
    info.save(folder("probe"))
    Shots(shots=tuple(shots)).save(folder("split"))
    Frames(pts, digests_of(film), info.film.tick).save(root / "split")
    Cast(persons=(Person(id="p01", faces=(("00000000", 0),)),)).save(folder("cast"))
    Remuxed(encoded=FRAMES, copied=0, why="", left_out=()).save(folder("remux"))
    GROUPS.save(root / "split")
    aperture = mesh.aperture(face.mesh)
    closed, weight = (aperture < 0.02).astype(np.float32), np.ones(len(face.frames), np.float32)
    shape = np.zeros((len(face.frames), len(mesh.MOUTH), 3), np.float32)
    Motion(face.frames, shape, weight, aperture, closed).save(folder("motion"), "00000000")
    paths = {
        "film": film,
        "probe": root / "probe",
        "split": root / "split",
        "cast": root / "cast",
        "cue": folder("cue", cues_json=said_cues),
        "learn": folder("learn"),
        "measure/00000000.0": folder("measure"),
        "speech/film": folder("speech-film", speech_json=heard, features_npz={"viseme": rows}),
        "speech/dub": folder("speech-dub", speech_json=heard, features_npz={"viseme": rows}),
        "motion/00000000.0": root / "motion",
        "patch/00000000.0": patches_of(folder("patch"), film, face),
        "remux": root / "remux",
    }
    MouthFacts(kind="prior", why="", lag=0.0, people={}).save(root / "learn")
    GOOD.save(root / "measure")
    measured.save_aperture(root / "measure", face.frames, aperture)
    shutil.copy(result, root / "remux" / "film.mp4")
    for shot, found in ((shots[0], [face]), (shots[1], [])):
        tracks.save(folder(f"tracks-{shot.name}"), found, shot.name)
        paths[f"tracks/{shot.name}"] = root / f"tracks-{shot.name}"
    return paths


def patches_of(folder: Path, film: Path, face: FaceTrack) -> Path:
    """Patches that show the source itself inside a soft disc over the mouth."""
    info, pts = probe(film), pts_of(film)
    y, x = np.mgrid[:96, :96]
    mask = np.clip((46 - np.hypot(x - 48, y - 48)) / 10, 0, 1)
    origins = []
    with av.open(str(pictures(folder)), "w") as box:
        stream = box.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 96
        stream.pix_fmt = "bgra"
        for frame, points in zip(decode.frames(film, info.film, pts, 0, CUT), face.mesh, strict=True):
            left, top = (2 * round(float(v) / 2) for v in points[mesh.UPPER_LIP, :2] - 48)
            crop = frame.rgb((left, top, 96, 96))
            picture = np.dstack([crop[..., ::-1], (255 * mask).astype(np.uint8)])
            box.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgra")))
            origins.append((left, top))
        box.mux(stream.encode(None))
    confidence = np.full(len(face.frames), 0.8, np.float32)
    Placement(face.frames, np.array(origins, np.int32), confidence).save(folder, "00000000")
    first, last, count = int(face.frames[0]), int(face.frames[-1]), len(face.frames)
    PatchFacts(
        engine="exemplar", frames=count, changed=count, in_shot=((first, last + 1),), given_back=0
    ).save(folder)
    return folder


def pts_of(film: Path) -> Any:
    with av.open(str(film), "r") as box:
        return np.array(sorted(p.pts for p in box.demux(video=0) if p.pts is not None and p.size), np.int64)


@functools.cache
def digests_of(film: Path) -> NDArray[np.uint8]:
    """The digests (N, 16) of a film's frames, as `scan` finds them."""
    pts = pts_of(film)
    found = (decode.digest(one.frame) for one in decode.frames(film, probe(film).film, pts, 0, len(pts)))
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 16)


def exchanged(film: Path, folder: Path) -> Path:
    """Another film of the same times: the pictures are negative."""
    folder.mkdir()
    other = folder / film.name
    words = ["-i", url(film), "-vf", "negate", "-c:v", "libx264", "-preset", "ultrafast", url(other)]
    subprocess.run([binary(), "-v", "error", *words], check=True, stdin=subprocess.DEVNULL)
    return other


def run(inputs: dict[str, Path], out: Path, **more: Any) -> model.Report:
    report, _ = warned(inputs, out, **more)
    return report


def warned(inputs: dict[str, Path], out: Path, **more: Any) -> tuple[model.Report, list[str]]:
    """The report, and what the user is warned of while it is made."""
    out.mkdir()
    lines: list[str] = []
    params = {"quality": QualitySettings().model_dump()}
    task = Task("film", inputs, params, FACTS | more, "", out, warn=lines.append)
    stage.run(task)
    stage.check(task)
    return model.Report.load(out), lines


def measure(inputs: dict[str, Path], **changes: Any) -> None:
    GOOD.model_copy(update=changes).save(inputs["measure/00000000.0"])
