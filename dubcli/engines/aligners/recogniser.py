"""Which recogniser the aligner `whisperx` runs: light, since keys ask in the main process."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from dubcli.speech import espeak

PACKAGES = ("whisperx", "faster-whisper", "ctranslate2", "torch")
"""What the words depend on, besides the weights that the settings name."""
_ASK = (
    "import importlib.metadata as m, json, sys\n"
    "found = {}\n"
    "for name in sys.argv[1:]:\n"
    "    try: found[name] = m.version(name)\n"
    "    except m.PackageNotFoundError: found[name] = ''\n"
    "print(json.dumps(found))"
)
_SECONDS = 30.0  # for an interpreter to start, on a slow network disk


def versions(paths: Mapping[str, Path]) -> dict[str, str]:
    """Versions of all that hears and pronounces words, "" for what is not there (`EngineInfo.libraries`).

    Args:
        paths: role → path of the unit; `whisperx/python` is the interpreter that has the package, if another.
    """
    python = paths.get("whisperx/python")
    return espeak.versions(paths) | (_elsewhere(python) if python else _here())


@lru_cache
def _here() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


@lru_cache
def _elsewhere(python: Path) -> dict[str, str]:
    try:
        # -I: as the engine itself starts it.
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK, *PACKAGES], capture_output=True, timeout=_SECONDS, check=True
        )
        return {name: str(version) for name, version in json.loads(done.stdout).items()}
    except (OSError, ValueError, AttributeError, subprocess.SubprocessError):
        return dict.fromkeys(PACKAGES, "")  # the engine will say what is wrong with it
