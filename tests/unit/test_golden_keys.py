"""Golden keys: a unit's key changes only together with its stage's version or its engine's algorithm number.

A stage whose parameters, facts or inputs change asks old stores for other keys. Where that is meant, bump the
stage's version and write the goldens anew:

    python -m tests.unit.test_golden_keys
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dubcli import stages
from dubcli.core import keys
from dubcli.core.model import Artifact, JobView, Source
from dubcli.settings.config import Settings

GOLDEN = Path(__file__).with_name("golden_keys.json")

VIDEO = {
    "index": 0, "codec": "h264", "profile": "High", "width": 512, "height": 512, "pix_fmt": "yuv420p",
    "bit_depth": 8, "time_base": [1, 24000], "average_rate": [24000, 1001], "start_pts": 0, "sar": [1, 1],
    "rotation": 0, "primaries": "bt709", "transfer": "bt709", "matrix": "bt709", "range": "tv",
    "chroma_location": "left", "field_order": "progressive", "packets": 96, "digest": "video",
}  # fmt: skip
AUDIO = {
    "index": 1,
    "channels": 1,
    "disposition": ["default"],
    "digest": "sound",
    "start": 0,
    "time_base": [1, 48000],
}
SHOTS: list[dict[str, Any]] = [
    {"name": "00000000", "start": 0, "stop": 48, "picture": "one"},
    {"name": "00000048", "start": 48, "stop": 96, "picture": "two"},
]
CUE = {
    "shot": "00000048",
    "track": 0,
    "person": "p01",
    "start": 50,
    "stop": 90,
    "kind": "speak",
    "amplitude": 1.0,
}
FILES: dict[str, dict[str, dict[str, Any]]] = {
    "probe": {"film": {"media.json": {"video": VIDEO, "audio": [AUDIO], "subtitles": [], "other": []}}},
    "split": {
        "film": {
            "shots.json": SHOTS,
            "groups.json": {
                "starts": [0, 48],
                "keys": [True, True],
                "fixed": [False, False],
                "reason": "",
            },
        }
    },
    "track": {shot["name"]: {} for shot in SHOTS},
    "cast": {"film": {"cast.json": {"persons": [{"id": "p01", "faces": [["00000048", 0]]}]}}},
    "align": {"film": {}, "dub": {}},
    "cue": {"film": {"cues.json": {"cues": [CUE], "offscreen": [], "skipped": []}}},
    "learn": {"film": {"artifact.json": {"files": {"gallery-p01.npz": {"size": 1, "sha256": "gallery"}}}}},
    "motion": {"00000048.0": {}},
    "lips": {"00000048.0": {}},
    "compose": {"00000048": {}},
    "remux": {"film": {}},
}


def found(folder: Path) -> dict[str, str]:
    """Stage and algorithm numbers → key, for every unit of a small made-up job."""
    view = JobView(
        sources={role: Source(folder / f"{role}.mp4", role) for role in ("film", "dub")}, settings=Settings()
    )
    out = {}
    for name in stages.ORDER:
        module = stages.module(name)
        for unit in module.units(view):
            image = keys.preimage(unit)
            engine = f" {unit.engine.name}-{unit.engine.algorithm}" if unit.engine else ""
            out[f"{unit.id} v{module.STAGE.version}{engine}"] = keys.digest(image)
        view.artifacts[name] = {
            unit: _artifact(folder / name / unit, f"{name}/{unit}", files)
            for unit, files in FILES.get(name, {}).items()
        }
    return out


def _artifact(path: Path, content: str, files: dict[str, Any]) -> Artifact:
    path.mkdir(parents=True)
    for name, value in files.items():
        (path / name).write_text(json.dumps(value), "utf-8")
    if content.startswith("lips"):
        np.savez(path / "patch.npz", frames=np.arange(50, 90, dtype=np.int32))
    return Artifact("", path, content)


def test_keys_change_only_with_versions(tmp_path: Path) -> None:
    assert found(tmp_path) == json.loads(GOLDEN.read_text("utf-8")), "see the head of this file"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        GOLDEN.write_text(json.dumps(found(Path(temporary)), indent=1) + "\n", "utf-8")
