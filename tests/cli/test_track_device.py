"""`track.device=cuda` through the command: refused before any work, or carried out and never quietly left.

No CUDA device is at hand: what `sitecustomize` changes of onnxruntime says that there is one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import onnx_models
from tests.cli.conftest import Dubcli
from tests.unit.test_track_insightface import in_crop

WORDS = ("--engine", "tracker=insightface", "--accept-licence", "insightface", "--set")
GPU = "track.device=cuda"
PRETENDED = """
import os
import sys

import onnxruntime

TRIAL = any("dubcli.models.onnx" in word for word in sys.orig_argv)
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Session(onnxruntime.InferenceSession):
    def __init__(self, path, options, providers, **more):
        there = os.environ["PRETENDS"] in (["device", "full", "lost"] if TRIAL else ["device", "full"])
        self.had = [CUDA, CPU] if there and providers != [CPU] else [CPU]
        super().__init__(path, options, providers=[CPU])

    def get_providers(self):
        return self.had

    def run(self, *words):
        if CUDA in self.had and os.environ["PRETENDS"] == "full":
            raise RuntimeError("Status Message: CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=y;")
        return super().run(*words)


onnxruntime.InferenceSession = Session
onnxruntime.get_available_providers = lambda: [CUDA, CPU]
onnxruntime.preload_dlls = lambda: None
"""


@pytest.fixture
def words(media: Path) -> tuple[str, ...]:
    pack = onnx_models.pack(media / "pack", in_crop())
    return ("one.mp4", "--audio", "one_fr.wav", *WORDS, f"engines.insightface.pack={pack}")


@pytest.fixture
def pretended(tmp_path: Path) -> dict[str, str]:
    """The environment of an onnxruntime that was built for CUDA, where there is a device."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PRETENDED)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "PRETENDS": "device"}


def events(job: Path) -> list[dict[str, Any]]:
    lines = (job / "events.jsonl").read_text().splitlines() if (job / "events.jsonl").exists() else []
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("command", ["run", "plan"])
def test_what_is_not_built_for_cuda_is_told_at_once(
    command: str, words: tuple[str, ...], media: Path, dubcli: Dubcli
) -> None:
    told = dubcli(command, *words, "--set", GPU)
    assert told.returncode == 5, told.stderr
    (line,) = told.stderr.splitlines()
    assert "pip install onnxruntime-gpu" in line
    assert "--set track.device=cpu" in line
    assert not [event for event in events(media / "one.one_fr.dub") if event["type"].startswith("unit")]


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_tracker_that_cannot_compute_there_is_told_at_once(
    command: str, media: Path, dubcli: Dubcli
) -> None:
    told = dubcli(command, "one.mp4", "--audio", "one_fr.wav", "--set", GPU)
    assert told.returncode == 2, told.stderr
    assert "the tracker mediapipe computes on the processor alone" in told.stderr


def test_a_device_that_is_not_there_ends_the_run_before_any_work(
    words: tuple[str, ...], media: Path, pretended: dict[str, str], dubcli: Dubcli
) -> None:
    pretended["PRETENDS"] = "none"
    told = dubcli("run", *words, "--set", GPU, **pretended)
    assert told.returncode == 5, told.stderr
    assert "onnxruntime cannot run det_10g.onnx on a CUDA device here" in told.stderr
    assert "Traceback" not in told.stderr
    assert not [event for event in events(media / "one.one_fr.dub") if event["type"].startswith("unit")]
    # What is planned on one machine may be done on another.
    assert dubcli("plan", *words, "--set", GPU, **pretended).returncode == 0


def test_a_worker_that_comes_to_the_processor_ends_the_run(
    words: tuple[str, ...], media: Path, pretended: dict[str, str], dubcli: Dubcli
) -> None:
    told = dubcli("run", *words, "--set", GPU, **{**pretended, "PRETENDS": "lost"})
    assert told.returncode == 5, told.stderr
    assert "onnxruntime cannot run det_10g.onnx on a CUDA device here" in told.stderr
    done = {event["stage"] for event in events(media / "one.one_fr.dub") if event["type"] == "unit.done"}
    assert "split" in done
    assert "track" not in done


def test_a_full_card_is_tried_again_and_ends_with_75(
    words: tuple[str, ...], media: Path, pretended: dict[str, str], dubcli: Dubcli
) -> None:
    told = dubcli("run", *words, "--set", GPU, **{**pretended, "PRETENDS": "full"})
    assert told.returncode == 75, told.stderr
    last = told.stderr.splitlines()[-1]
    assert "the GPU has too little memory (CUDA failure 2: out of memory); close other programs" in last
    assert sum(event["type"] == "unit.retry" for event in events(media / "one.one_fr.dub")) == 2


def test_shots_are_tracked_on_the_device_and_anew_without_it(
    words: tuple[str, ...], media: Path, pretended: dict[str, str], dubcli: Dubcli
) -> None:
    job = media / "one.one_fr.dub"
    told = dubcli("run", *words, "--set", GPU, **pretended)
    assert told.returncode == 0, told.stderr
    assert list((media / "home" / ".cache" / "dubcli" / "gpu").iterdir()), "turns are taken"
    # It goes on from there where there is no device: the tracks are done.
    later = dubcli("run", *words, "--set", GPU, **{**pretended, "PRETENDS": "none"})
    assert later.returncode == 0, later.stderr
    again = json.loads(dubcli("plan", *words, "--set", "track.device=cpu", "--json").stdout)
    (shot,) = (row for row in again["units"] if row["stage"] == "track")
    assert (shot["state"], shot["reasons"]) == ("run", ["params"])
    assert {event["stage"] for event in events(job) if event["type"] == "unit.done"} >= {"track", "cast"}
