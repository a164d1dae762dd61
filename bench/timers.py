"""Counts processor time by kind of work inside the workers of a job; `bench/profile.py` switches it on.

A wrapper around each function below adds the processor time of its thread, without that of wrapped functions
that it calls. What a process uses beyond the wrapped functions is `native threads` (decoders, encoders and
networks run on threads of their own) or `other` (Python that no wrapper covers).
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = "DUBCLI_BENCH_TIMES"
"""Environment variable that names the folder into which each worker writes its times."""

KINDS: dict[str, dict[str, str]] = {
    "dubcli.media.decode": {"pictures": "decode", "digest": "frame digests"},
    "dubcli.media.swscale": {"to_rgb": "colour"},
    "dubcli.media.colour": {"Colour.rgb": "colour", "Colour.blend": "blend"},
    "dubcli.media.layout": {"copy_planes": "copies", "with_alpha": "patches"},
    "dubcli.media.ffmpeg": {"Process.write": "encode, pipe"},
    "dubcli.media.patches": {"_picture": "patches", "_samples": "patches", "Patches._read": "patches"},
    "dubcli.media.shots": {"Scorer.add": "shot scores"},
    "dubcli.engines.trackers.mediapipe": {
        "Finder.detect": "detector",
        "FaceMesh.mesh": "mesh",
        "_viewed": "crops",
        "reduced": "crops",
    },
    "dubcli.face.steady": {"displacement": "flow"},
    "dubcli.face.occlusion": {"unwrapped": "occlusion", "fit": "occlusion", "estimate": "occlusion"},
    "dubcli.engines.lips.retrieval": {"mismatch": "retrieval", "choose": "retrieval"},
    "dubcli.engines.lips.render": {"layers": "warp", "join": "blend"},
    "dubcli.core.store": {"seal": "hashing and syncing files"},
}
"""By module: its functions, and the kind of work that they are."""


class Clock:
    """Processor time by kind of work, over all threads of a process."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.fsync = 0.0  # seconds by the clock: the processor rests meanwhile
        self._local = threading.local()
        self._lock = threading.Lock()

    def call(self, kind: str, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call a function and count its time."""
        outer = getattr(self._local, "inner", 0.0)
        self._local.inner, began = 0.0, time.thread_time()
        try:
            return function(*args, **named)
        finally:
            spent = time.thread_time() - began
            with self._lock:
                self.seconds[kind] += spent - self._local.inner
            self._local.inner = outer + spent

    def wrapped(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its time counted; of a generator, that of each step."""

        @functools.wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            result = self.call(kind, function, *args, **named)
            return self._steps(kind, result) if isinstance(result, Iterator) else result

        return timed

    def syncing(self, function: Callable[[Any], None]) -> Callable[[Any], None]:
        """`os.fsync` with the time counted that it waits for the disk."""

        @functools.wraps(function)
        def timed(descriptor: Any) -> None:
            began = time.monotonic()
            try:
                function(descriptor)
            finally:
                with self._lock:
                    self.fsync += time.monotonic() - began

        return timed

    def _steps(self, kind: str, steps: Iterator[Any]) -> Generator[Any, Any, None]:
        end, sent = object(), None
        while (step := self.call(kind, _advanced, steps, sent, end)) is not end:
            sent = yield step


def _advanced(steps: Iterator[Any], sent: Any, end: object) -> Any:
    """The next step, given what was sent to the generator; `end` where there is none."""
    try:
        return next(steps) if sent is None else steps.send(sent)  # type: ignore[attr-defined]
    except StopIteration:
        return end


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps the functions of a module as soon as it is loaded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._busy: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if (name not in KINDS and name != "dubcli.core.worker") or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy.discard(name)
        if spec and spec.loader:
            load, clock = spec.loader.exec_module, self._clock

            def exec_module(module: ModuleType) -> None:
                load(module)
                for path, kind in KINDS.get(name, {}).items():
                    owner: Any = module
                    *outer, last = path.split(".")
                    for part in outer:
                        owner = getattr(owner, part)
                    setattr(owner, last, clock.wrapped(kind, getattr(owner, last)))
                if name == "dubcli.core.worker":
                    module.serve = _recorded(module.serve, clock)  # type: ignore[attr-defined]

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _peak() -> int:
    """Bytes that were resident in this process at most, pages of mapped files included."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def _recorded(serve: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    """`serve` of a worker, which appends the times of each unit to a file of its process."""

    def recorded(request: dict[str, Any], *rest: Any) -> Any:
        clock.seconds.clear()
        clock.fsync = 0.0
        Path("/proc/self/clear_refs").write_text("5")  # the peak is that of this unit
        wall, own, children = time.monotonic(), time.process_time(), _children()
        thread = time.thread_time()
        try:
            return serve(request, *rest)
        finally:
            own, children = time.process_time() - own, _children() - children
            thread = time.thread_time() - thread
            row = {
                "stage": request["stage"],
                "unit": request["unit"],
                "wall": time.monotonic() - wall,
                "process": own,
                "thread": thread,
                "children": children,
                "peak": _peak(),
                "fsync": clock.fsync,
                "kinds": dict(clock.seconds),
            }
            with open(Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl", "a") as file:
                file.write(json.dumps(row) + "\n")

    return recorded


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def install() -> None:
    """Count from now on, in this process."""
    clock = Clock()
    os.fsync = clock.syncing(os.fsync)  # type: ignore[assignment]
    sys.meta_path.insert(0, _Finder(clock))
