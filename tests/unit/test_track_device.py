"""`track.device`: networks on a CUDA device, or not at all, under keys of their own.

No CUDA device is at hand: onnxruntime is made to say that there is one.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from dubcli.cli import machine
from dubcli.core import gpu, keys, plan
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Source, Unit
from dubcli.core.worker import explain
from dubcli.engines import insightface_pack, required
from dubcli.engines.registry import engine
from dubcli.errors import AwayError, ConfigError, DependencyError, EngineError, MemoryFullError, UsageError
from dubcli.farm.steps import steps
from dubcli.models import onnx
from dubcli.settings.config import Settings
from dubcli.settings.layers import resolve
from dubcli.stages import module, track
from tests import onnx_models
from tests.unit.test_golden_keys import MEDIA, SHOTS
from tests.unit.test_track_insightface import film, in_crop

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
NETWORKS = ("insightface/detector", "insightface/landmarks", "insightface/identity")
FAILED = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. Name:'c' Status "
    "Message: /src/cuda_call.cc:121 [with ERRTYPE = cudaError] {} ; GPU=0 ; hostname=secret ; "
    "file=/src/x.cc ; line=282 ; expr=cudaMalloc((void**)&p, size);"
)
"""How onnxruntime 1.23 words an error of CUDA."""


class Sessions(list[dict[str, Any]]):
    """What sessions were asked for.

    Attributes:
        providers: those that a session then says it has.
    """

    providers: tuple[str, ...] = (CUDA, CPU)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """An onnxruntime that says it has CUDA, and computes on the processor."""
    found = Sessions()

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, path: str, options: Any, providers: list[Any], **more: Any) -> None:
            found.append({"providers": providers, "fixed": options.use_deterministic_compute, "more": more})
            super().__init__(path, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return list(found.providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    return found


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return onnx_models.pack(tmp_path / "buffalo_test", in_crop())


def unit(folder: Path, **settings: Any) -> Unit:
    """A shot's unit of a made-up job."""
    view = JobView(
        sources={role: Source(folder / role, role) for role in ("film", "dub", *NETWORKS)},
        settings=Settings.model_validate({"track": settings}),
    )
    for stage, document in (("probe", MEDIA), ("split", SHOTS)):
        (folder / stage).mkdir(exist_ok=True)
        document.save(folder / stage)
        view.artifacts[stage] = {"film": Artifact("", folder / stage, stage)}
    return track.units(view)[0]


def test_cuda_is_in_keys_and_the_processor_is_not(tmp_path: Path) -> None:
    plain = unit(tmp_path, engine="insightface")
    assert "device" not in plain.params
    assert (plain.needs.device, unit(tmp_path).needs.device) == ("cpu", "cpu")
    assert keys.preimage(plain) == keys.preimage(unit(tmp_path, engine="insightface", device="cpu"))
    card = unit(tmp_path, engine="insightface", device="cuda")
    assert card.needs.device == "gpu"
    assert card.needs.memory > plain.needs.memory
    assert card.params == {**plain.params, "device": "cuda"}
    assert keys.digest(keys.preimage(card)) != keys.digest(keys.preimage(plain))


def test_a_farm_asks_for_a_gpu_for_tracking_before_shots_are_known(tmp_path: Path, pack: Path) -> None:
    for name in ("film.mp4", "dub_fr.wav"):
        (tmp_path / name).write_bytes(b"x")
    values = {
        "track": {"engine": "insightface", "device": "cuda"},
        "engines": {"accepted": ("insightface",), "insightface": {"pack": str(pack)}},
    }
    job = Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", Settings.model_validate(values))
    job.read_sources()
    for one in module("probe").units(plan.view(job)):
        made = job.store.workspace()
        MEDIA.save(made)
        job.store.put(keys.preimage(one), made, {})
    assert {step.stage for step in steps(job, shards=4, workers=2) if step.gpu} == {"track"}


def test_a_tracker_runs_all_its_networks_on_the_device_that_was_asked_for(
    asked: Sessions, pack: Path
) -> None:
    tracker = engine("tracker", "insightface").load()
    tracker.use(insightface_pack.files(pack), "cuda")
    assert len(asked) == 3
    for one in asked:
        ((name, options),) = one["providers"]
        assert (name, one["fixed"]) == (CUDA, True)
        assert options["use_tf32"] == "0"
        assert options["cudnn_conv_algo_search"] != "EXHAUSTIVE", "it times algorithms"
    (found,) = tracker.track(film(14), views=2)
    assert found.frames.tolist() == list(range(14))
    asked.clear()
    tracker.use(insightface_pack.files(pack))
    assert [one["providers"] for one in asked] == [[CPU]] * 3


def test_a_session_that_went_to_the_processor_is_refused(asked: Sessions, pack: Path) -> None:
    """onnxruntime makes one without an error where CUDA's libraries do not load."""
    asked.providers = (CPU,)
    with pytest.raises(
        DependencyError, match=r"cannot run det_10g\.onnx on a CUDA device.*track\.device=cpu"
    ):
        onnx.session(insightface_pack.files(pack)["detector"], device="cuda")
    onnx.session(insightface_pack.files(pack)["detector"])


def test_a_session_never_goes_over_to_the_processor_later(asked: Sessions, pack: Path) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    made = onnx.session(insightface_pack.files(pack)["identity"], device="cuda")

    class Failing:
        @staticmethod
        def run(*_: Any) -> None:
            raise state.EPFail("the device has failed")

    made._sess = Failing
    with pytest.raises(state.EPFail):
        made.run(None, {made.get_inputs()[0].name: None})


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (
            "CUDA failure 2: out of memory",
            MemoryFullError,
            "the GPU has too little memory (CUDA failure 2: out",
        ),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", MemoryFullError, "(CUBLAS failure 3: CUBLAS_STATUS"),
        (
            "CUDA failure 719: unspecified launch failure",
            AwayError,
            "(CUDA failure 719: unspecified launch f",
        ),
        ("CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED", EngineError, "the engine raised RuntimeError"),
    ],
)
def test_what_cuda_says_is_told_in_its_own_words(words: str, kind: type, told: str) -> None:
    """They stand in the middle of a thousand characters."""
    error = explain(RuntimeError(FAILED.format(words)), Path("/store/tmp/x"), engine=True)
    assert type(error) is kind
    assert told in str(error)
    assert kind is EngineError or "secret" not in str(error)
    # While a network is opened, as well.
    opened = DependencyError(f"onnxruntime cannot run x.onnx ({onnx.reason(FAILED.format(words))})")
    assert isinstance(explain(opened, Path("/store/tmp/x"), engine=True), (kind, DependencyError))


def test_an_onnxruntime_without_cuda_is_told_before_work() -> None:
    asked = ("track.engine=insightface", "engines.accepted=['insightface']", "track.device=cuda")
    with pytest.raises(DependencyError, match=r"pip install onnxruntime-gpu.*--set track\.device=cpu"):
        required.check(resolve(assignments=asked, environ={}))


@pytest.mark.parametrize("name", ["mediapipe", "passthrough"])
def test_a_tracker_that_cannot_compute_there_is_not_asked_to(name: str, asked: Sessions) -> None:
    words = f"the tracker {name} computes on the processor alone; leave track.device out"
    chosen = (f"track.engine={name}", "track.device=cuda")
    with pytest.raises(UsageError, match=f"^--set: .*{words}"):
        required.check(resolve(assignments=chosen, environ={}))
    with pytest.raises(ConfigError, match=f"^DUBCLI_TRACK_DEVICE: .*{words}"):
        required.check(resolve(assignments=chosen[:1], environ={"DUBCLI_TRACK_DEVICE": "cuda"}))


@pytest.mark.parametrize(
    ("code", "said", "refused"),
    [
        (0, "Failed to load libcurand.so.10", ""),
        (1, "noise\nonnxruntime cannot run x (no CUDA-capable device is detected); …", "cannot run x"),
        (1, "onnxruntime cannot run x (CUDA failure 2: out of memory); …", ""),
        (-6, "", "onnxruntime ended with -6"),
    ],
)
def test_a_full_card_is_waited_for_and_none_is_refused(
    code: int, said: str, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that another run has in use is free when it is this one's turn."""
    view = JobView(
        sources={role: Source(tmp_path / role, role) for role in NETWORKS},
        settings=Settings.model_validate({"track": {"engine": "insightface", "device": "cuda"}}),
    )
    tried: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        tried.append(words)
        return subprocess.CompletedProcess(words, code, "", said)

    monkeypatch.setattr(subprocess, "run", run)
    gpu.check(view, "lips")
    assert not tried, "another stage needs no such device"
    if refused:
        with pytest.raises(DependencyError, match=refused):
            gpu.check(view, "track")
    else:
        gpu.check(view, "track")
    assert [tried[0][-k] for k in (3, 2, 1)] == [str(tmp_path / role) for role in NETWORKS]


def test_doctor_takes_the_package_for_cuda_in_place_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def replaced(name: str) -> str:
        if name == "onnxruntime":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.23.2" if name == "onnxruntime-gpu" else version(name)

    monkeypatch.setattr(importlib.metadata, "version", replaced)
    found = {one.check: (one.state, one.text) for one in machine._packages()}
    assert found["onnxruntime"] == (machine.OK, "1.23.2")
    assert machine.OK in found["numpy"]


@pytest.mark.parametrize(("card", "told"), [("NVIDIA H200", [machine.WARN]), ("", [])])
def test_doctor_says_where_a_card_is_left_alone(
    card: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess[str]([], 0, card, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    found = [one for one in machine._gpu() if one.check == "gpu tracking"]
    assert [one.state for one in found] == told
    assert all("pip install onnxruntime-gpu" in one.remedy for one in found)
