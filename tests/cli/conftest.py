"""The command as users meet it: a process of its own, with a home and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forked import Forked

Result = subprocess.CompletedProcess[str]
Dubcli = Callable[..., Result]
COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
SECONDS = 300


@pytest.fixture
def one_store(shared: Path) -> tuple[str, str]:
    """Words for a store that tests share which dub the same film: its shots and faces are found once."""
    return ("--store", str(shared / "store"))


def own_environment(home: Path) -> dict[str, str]:
    """An environment without the developer's own settings, and one worker a job: two tests run at once."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DUBCLI_", "XDG_"))}
    clean.pop("NO_COLOR", None)
    return {**clean, "HOME": str(home), "COLUMNS": "80", "DUBCLI_RUN_WORKERS": "1"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a test's commands."""
    return own_environment(tmp_path / "home")


@pytest.fixture
def dubcli(tmp_path: Path, environment: dict[str, str], forked: Forked) -> Dubcli:
    """Run `dubcli WORDS...` in a temporary folder."""

    def run(*words: object, cwd: Path = tmp_path, **variables: str) -> Result:
        typed, own = [str(word) for word in words], {**environment, **variables}
        if not any(name.startswith("PYTHON") for name in variables):
            return forked.run(typed, cwd, own, SECONDS)
        return subprocess.run(
            [*COMMAND, *typed],
            cwd=cwd,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=SECONDS,
        )

    return run
