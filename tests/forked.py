"""`dubcli` in processes of their own that need no second to start.

A server imports what commands import, and no more: it runs no command itself, so that none finds what another
one has left in memory. It forks a process for each, with the words, the folder, the environment and the
streams of that command. Tests of how an interpreter starts (`PYTHON...` variables, closed streams, terminals)
start one: see `COMMAND` in `tests.cli.conftest`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dubcli import stages

IMPORTED = (
    "dubcli.artifacts.report", "dubcli.artifacts.tracks", "dubcli.cli.app", "dubcli.cli.progress",
    "dubcli.core.plan", "dubcli.core.proof", "dubcli.core.runner", "dubcli.core.takes",
    "langcodes.language_distance", "langcodes.language_lists", "numpy", "platformdirs",
    "pydantic.type_adapter", "typer.main", *(f"dubcli.stages.{name}" for name in stages.ORDER),
)  # fmt: skip
START = "from tests.forked import serve; serve()"


class Forked:
    """The server, as a context that ends it.

    Args:
        environment: of the server; each command has its own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._server = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=Path(__file__).parents[1],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def run(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `dubcli WORDS...` to its end, without input.

        Raises:
            subprocess.TimeoutExpired: it did not end in time; another server takes the place of its own.
        """
        server = self._server
        assert server.stdin
        assert server.stdout
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)]
            request = {"words": words, "cwd": str(cwd), "environment": dict(environment), "streams": streams}
            server.stdin.write(json.dumps(request).encode() + b"\n")
            server.stdin.flush()
            if not select.select([server.stdout], [], [], seconds)[0]:
                os.killpg(server.pid, signal.SIGKILL)
                server.communicate()
                self._server = self._started()
                raise subprocess.TimeoutExpired(list(words), seconds)
            code = json.loads(server.stdout.readline())
            return subprocess.CompletedProcess(list(words), code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


def serve() -> None:
    """Fork a process for each request from standard input, and answer with its exit code."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or the first collection in a child copies all that is imported
    answers = os.fdopen(os.dup(1), "w")
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            _become(json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.write(f"{code}\n")
        answers.flush()


def _become(request: dict[str, Any]) -> None:
    """Be the command that was asked for; `main` raises `SystemExit`, which ends this process as any other."""
    from dubcli.cli.main import main

    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))  # engines of a test's own
    os.chdir(request["cwd"])
    for number, path in enumerate([os.devnull, *request["streams"]]):
        opened = os.open(path, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    main(request["words"])
