"""Checks of the machine for `dubcli doctor`: each gives a state, a finding and a remedy."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

OK, WARN, FAIL = "ok", "warn", "fail"
PACKAGES = (
    "av", "mediapipe", "moonshine-voice", "numpy", "onnxruntime", "pocketsphinx", "pydantic",
    "PyYAML", "rich", "scenedetect", "scikit-image", "scipy", "silero-vad", "torch", "typer",
)  # fmt: skip
INSTEAD = {"onnxruntime": "onnxruntime-gpu"}
"""Packages of another name that stand in for one."""
ENCODERS = ("libx264", "libx265", "prores_ks", "dnxhd", "ffv1", "aac", "flac")
LOW_DISK_GB = 10  # a 90-minute HD film needs about this much in its store
LOW_MEMORY_GB = 4  # a worker with the tracker or the mouth model takes about 1.5


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was checked.
        state: `ok`, `warn` (works, but) or `fail` (dubbing will not work).
        text: what was found.
        remedy: what to type or do; "" where nothing is needed.
    """

    check: str
    state: str
    text: str
    remedy: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """Run all checks, one after another; `folder` is the folder of the jobs."""
    for check in (_python, _packages, _opencv, _ffmpeg, _engines, _memory, _gpu):
        yield from _report_crash(check)
    yield from _report_crash(lambda: _disk(folder))
    yield from _report_crash(lambda: _scratch(folder))


def _report_crash(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check's findings; a check that breaks is a finding, never the end of the others."""
    try:
        yield from check()
    except Exception as error:
        name = getattr(check, "__name__", "check").strip("_<>")
        yield Finding(name, FAIL, f"{type(error).__name__}: {error}")


def _python() -> Iterator[Finding]:
    good = (3, 10) <= sys.version_info[:2] < (3, 13)
    text = f"{platform.python_version()} at {sys.executable}"
    yield Finding("python", OK if good else FAIL, text, "" if good else "use Python 3.10, 3.11 or 3.12")


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        if version := _version(name) or _version(INSTEAD.get(name, "")):
            yield Finding(name, OK, version)
        else:
            yield Finding(name, FAIL, "not installed", f"pip install {name}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package) if package else ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def _opencv() -> Iterator[Finding]:
    """OpenCV's desktop builds need the system's libGL, which bare machines lack."""
    done = subprocess.run(
        [sys.executable, "-c", "import cv2; print(cv2.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        yield Finding("cv2", OK, done.stdout.strip())
    else:
        last = (done.stderr.strip().splitlines() or ["it does not load"])[-1]
        fix = "pip install --no-deps --force-reinstall 'opencv-python-headless<4.12'"
        yield Finding("cv2", FAIL, last, fix)


def _ffmpeg() -> Iterator[Finding]:
    from dubcli.media.ffmpeg import binary

    path = str(binary())
    first = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stdout.split("\n")[
        0
    ]
    yield Finding("ffmpeg", OK, f"{first.partition(' Copyright')[0]} at {path}")
    listed = subprocess.run([path, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True)
    have = {line.split()[1] for line in listed.stdout.splitlines() if len(line.split()) > 1}
    lacking = [name for name in ENCODERS if name not in have]
    if lacking:
        fix = "install an ffmpeg that has them, or take it from PATH to use the one of imageio-ffmpeg"
        yield Finding("encoders", WARN, f"missing: {', '.join(lacking)}", fix)
    else:
        yield Finding("encoders", OK, ", ".join(ENCODERS))


def _engines() -> Iterator[Finding]:
    from dubcli.engines.registry import engines
    from dubcli.errors import DependencyError
    from dubcli.settings.layers import resolve

    settings = {name: value for name, value, _ in resolve(folder=Path()).rows()}
    for info in engines().values():
        name = f"{info.kind} {info.name}"
        try:
            count = len(info.digests()) if info.installed else -1
        except DependencyError as error:
            yield Finding(name, FAIL, str(error))
            continue
        if count < 0:
            yield Finding(
                name, WARN, f"{info.package} is not installed", "needed only if you choose this engine"
            )
        elif lacks := info.lacks(settings):
            fix = "needed only if you choose this engine"
            yield Finding(name, WARN, f"{' and '.join(lacks)} is not set", fix)
        else:
            brought = "with a model of your own" if info.brought else "needs no model"
            yield Finding(name, OK, f"{count} model files found" if count else brought)


def _memory() -> Iterator[Finding]:
    try:
        size_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return
    low = size_gb < LOW_MEMORY_GB
    yield Finding(
        "memory",
        WARN if low else OK,
        f"{size_gb:.0f} GB, {os.cpu_count()} cores",
        "add --workers 1" if low else "",
    )


def _gpu() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return
    code = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["torch does not load"])[-1]
        yield Finding("torch", FAIL, last, "type: make venv")
    else:
        from dubcli.models import onnx

        name = done.stdout.strip()
        yield Finding("gpu", OK, name or "none; everything runs on the processor")
        if name and not onnx.has_cuda():
            fix = f"needed only for track.device=cuda: {onnx.INSTALL}"
            yield Finding("gpu tracking", WARN, "onnxruntime computes on the processor alone", fix)


def _disk(folder: Path) -> Iterator[Finding]:
    free_gb = shutil.disk_usage(folder).free / 1e9
    low = free_gb < LOW_DISK_GB
    fix = "a long film may need more; name another disk with --store DIR" if low else ""
    yield Finding("disk", WARN if low else OK, f"{free_gb:.0f} GB free in {folder.resolve()}", fix)


def _scratch(folder: Path) -> Iterator[Finding]:
    """Jobs write beside the film; workers need a temporary folder."""
    for name, place in (("folder", folder), ("temporary folder", Path(tempfile.gettempdir()))):
        writable = os.access(place, os.W_OK | os.X_OK)
        text = f"{place.resolve()} is {'' if writable else 'not '}writable"
        fix = "" if writable else "use --job DIR and -o FILE, or set TMPDIR"
        state = OK if writable else FAIL if name != "folder" else WARN
        yield Finding(name, state, text, fix)
