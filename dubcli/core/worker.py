"""Workers: processes that run units, so that a crash, a hang or a library that prints costs one unit.

A worker reads one JSON request a line from its standard input and answers on a private copy of its standard
output; descriptor 1 itself is turned to standard error before any engine is loaded, because libraries print.

Request: `{"stage", "unit", "inputs", "params", "facts", "engine", "store", "out", "scratch", "device",
"batch"}`.
Answers: `{"type": "progress", "done", "total"}`, `{"type": "warning", "text"}`, and at the end either
`{"type": "done", "files"}` (`core.store.seal`) or `{"type": "error", "code", "error", "text"}`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dubcli import stages
from dubcli.core.inputs import Inputs
from dubcli.core.model import Task, Unit
from dubcli.core.pulse import Pulse
from dubcli.core.shortage import ended_by_shortage, shortage, shortage_in_text
from dubcli.core.store import Store, seal
from dubcli.errors import DubError, EngineError, ExitCode, MemoryFullError, StoreError

Message = dict[str, Any]

_PROGRESS_SECONDS = 0.2  # between two messages about progress at least; set by hand
_LOG_TAIL_BYTES = 8192  # of the log, read for why a process ended; set by hand


def program(module: str) -> tuple[str, ...]:
    """The words that run a module's `main` in a process that does not outlive this one."""
    # `-c` puts the current directory on the path; nothing must be imported from a folder of films. The tie to
    # this process comes before the other imports, which take seconds on a busy machine.
    return (
        sys.executable,
        "-c",
        "import sys; sys.path[:] = [p for p in sys.path if p]; from dubcli.media.ffmpeg import die_with; "
        f"die_with({os.getpid()}); from {module} import main; main()",
    )


def death_message(error: DubError) -> Message:
    """The last message of a worker, in place of its own."""
    return {"type": "died", **_as_message(error)}


class Worker:
    """A worker process, from the runner's side.

    Attributes:
        unit: the unit it is doing, None while idle.
        last_active: monotonic time in seconds of its last message, or at which it was last found working.
        last_progress: the same of its last progress.
    """

    def __init__(self, number: int, log: Path, threads: int) -> None:
        self.number = number
        self.log = log
        self.unit: Unit | None = None
        self.last_active = self.last_progress = time.monotonic()
        self._progress: Message = {}
        self._buffer = b""
        environment = {"OMP_NUM_THREADS": str(threads)} | dict(os.environ)
        environment["MALLOC_ARENA_MAX"] = "1"  # glibc keeps what each thread freed: 0.6 GB in 4K
        environment["OPENBLAS_NUM_THREADS"] = "1"  # more add in another order, which changes the bytes
        # These keep the libraries' start-up chatter out of the log.
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "2", "PYTHONFAULTHANDLER": "1"}
        with open(log, "ab") as errors:
            self._log_offset = errors.tell()
            self.process = subprocess.Popen(
                program("dubcli.core.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self.pulse = Pulse(self.process.pid)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        assert self.process.stdout
        return self.process.stdout.fileno()

    def send(self, unit: Unit, store: Store, out: Path, batch: float, scratch: Path | None = None) -> None:
        """Send it a unit to run, with the store of its artifacts."""
        request = {
            "stage": unit.stage.name,
            "unit": unit.name,
            "inputs": {role: str(path) for role, path in unit.paths.items()},
            "params": dict(unit.params),
            "facts": dict(unit.facts),
            "engine": [unit.engine.kind, unit.engine.name] if unit.engine else None,
            "store": str(store.root),
            "out": str(out),
            "scratch": str(scratch) if scratch else None,
            "device": unit.needs.device,
            "batch": batch,
        }
        self.unit = unit
        self.last_active = self.last_progress = time.monotonic()
        self._log_offset = self.log.stat().st_size
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed when its answer is read
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()

    def receive(self) -> Iterator[Message]:
        """Its messages so far; the end of its output gives an error message."""
        assert self.process.stdout
        data = self.process.stdout.read()
        if data is None:
            return
        self.last_active = time.monotonic()
        if data == b"":
            yield death_message(self._exit_error())
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for text in lines:
            message = json.loads(text)
            if message != self._progress:
                self.last_progress = self.last_active
            self._progress = message
            yield message

    def _exit_error(self) -> DubError:
        """The error that says why its process ended."""
        code = self.process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        with open(self.log, "rb") as file:
            file.seek(max(self._log_offset, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            words = file.read().decode("utf-8", "replace")
        if short := shortage_in_text(words):
            return short
        if ended_by_shortage(code):  # not by us: messages of a worker that the pool killed are not read
            return MemoryFullError(
                f"its process ended ({how}), most likely because memory ran out; "
                "close other programs, or use fewer workers (--workers 1)"
            )
        return EngineError(f"its process ended ({how})")

    def kill(self) -> None:
        """End it and every child of it at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Let it end; it must be idle."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()


def main() -> None:
    """Serve requests until standard input ends; the process is tied to its parent by then."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the runner decides when to stop
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    lock = threading.Lock()

    def send_message(message: Message) -> None:
        with lock:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    inputs = Inputs()
    while True:
        answer = serve(json.loads(requests.get()), send_message, inputs)
        _return_memory()
        send_message(answer)


def serve(request: Message, send_message: Callable[[Message], None], inputs: Inputs) -> Message:
    """Do one request; returns the closing answer."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _PROGRESS_SECONDS or done == total:
            last = time.monotonic()
            send_message({"type": "progress", "done": done, "total": total})

    task = Task(
        unit=request["unit"],
        inputs={role: Path(path) for role, path in request["inputs"].items()},
        params=request["params"],
        facts=request["facts"],
        engine=request["engine"][1] if request["engine"] else "",
        out=Path(request["out"]),
        scratch=Path(request["scratch"]) if request["scratch"] else None,
        device=request["device"],
        batch=request["batch"],
        report=report,
        warn=lambda text: send_message({"type": "warning", "text": text}),
    )
    store = Store(Path(request["store"]))
    try:
        module = stages.module(request["stage"])
        inputs.check(store, task.inputs.values())
        module.run(task)
        module.check(task)
        files = seal(task.out)
    except Exception as error:  # any error of an engine must become an answer
        with contextlib.suppress(OSError):  # the log is on the full disk that the error is about
            traceback.print_exc()
        lost = isinstance(error, OSError | DubError) and not task.out.is_dir()
        engine = bool(request["engine"])
        answer = StoreError(store.deleted_message()) if lost else explain(error, task.out, engine=engine)
        return {"type": "error", **_as_message(answer)}
    return {"type": "done", "files": files}


def explain(error: BaseException, out: Path, *, engine: bool) -> DubError:
    """The error a user should see for what a unit raised that was to write into `out`."""
    if short := shortage(error, str(out.parent.parent)):
        return short
    if isinstance(error, DubError):
        return error
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    if engine:
        return EngineError(f"the engine raised {what}; see the job's logs, or choose another with --engine")
    bug = DubError(f"{what} (a bug; the traceback is in the job's logs)")
    bug.exit_code = ExitCode.BUG
    return bug


def _return_memory() -> None:
    """Give what a unit freed back to the system: glibc keeps most of it, and the encoder needs it next."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _as_message(error: DubError) -> Message:
    return {"code": int(error.exit_code), "error": type(error).__name__, "text": str(error)}


def _read_requests(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)
