"""The aligner that hears words with WhisperX, and then follows them like a script.

Weights are never fetched: the settings name their folders. The package may live in another interpreter.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.engines.aligners import transcribe
from dubcli.engines.aligners.base import ALONE, Given, Report, silent
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.engines.aligners.script import Scores, follow
from dubcli.errors import DependencyError, EngineError
from dubcli.language import spoken
from dubcli.speech import alignment_files
from dubcli.speech.alignment import Alignment
from dubcli.speech.lines import tidy

_BATCH = 8


class WhisperxAligner:
    """Words that WhisperX hears, with the phones and visemes of `follow`."""

    def hear(self, wave: NDArray[np.float32], report: Report = silent, given: Given = ALONE) -> Alignment:
        """Hear a levelled mono wave (S,) at 16 kHz.

        Raises:
            DependencyError: WhisperX or weights are missing.
            EngineError: it failed.
        """
        scores = Scores(len(wave) // 160)
        heard = PhoneAligner().hear(wave, given=given, keep=scores.keep)
        request = {
            "regions": [[region.start, region.end] for region in heard.record.regions],
            "model": str(given.paths["model"].resolve()),
            "ctc": str(given.paths["ctc"].resolve()) if "ctc" in given.paths else "",
            "language": spoken(given.language),
            "batch": max(1, round(_BATCH * given.batch)),
        }
        python = given.paths.get("python")
        said = _elsewhere(python, wave, request, report) if python else _here(wave, request, report)
        found = tidy(alignment_files.from_whisperx(said, "WhisperX"))
        if not found.lines:
            return heard
        if request["ctc"] and not any("words" in segment for segment in said["segments"]):
            given.warn(
                f"the weights of engines.whisperx.ctc do not know the letters of {found.language!r}, so its "
                "words are placed without them; name those of a model of that language"
            )
        return follow(found, heard, scores, given, "whisperx")


def _here(wave: NDArray[np.float32], request: Mapping[str, Any], report: Report) -> Any:
    if importlib.util.find_spec("whisperx") is None:
        raise DependencyError(
            "whisperx is not installed; type: pip install whisperx, or set engines.whisperx.python"
        )
    try:
        return transcribe.transcribe(wave, request, report)
    except FileNotFoundError as error:
        raise DependencyError(f"{error}; name a folder with all of the weights") from error


def _elsewhere(python: Path, wave: NDArray[np.float32], request: Mapping[str, Any], report: Report) -> Any:
    """The same in another interpreter; it ends with this process's group."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.npy"
        np.save(sound, wave.astype(np.float32), allow_pickle=False)
        try:
            # -I: neither this package's folder nor the user's settings reach the other interpreter.
            child = subprocess.Popen(
                [str(python), "-I", transcribe.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise DependencyError(
                f"engines.whisperx.python: cannot run {python} ({error.strerror}); name another"
            ) from error
        with child:
            assert child.stdin
            assert child.stdout
            try:
                child.stdin.write(json.dumps({**request, "wave": str(sound)}) + "\n")
                child.stdin.close()
                return _answer(child.stdout, python, report)
            except BrokenPipeError:
                raise EngineError(f"{python} ended before it was asked; see the job's logs") from None
            finally:
                child.kill()


def _answer(lines: Any, python: Path, report: Report) -> Any:
    for line in lines:
        message = json.loads(line)
        if message["type"] == "progress":
            report(message["done"], message["total"])
        elif message["type"] == "done":
            return message["result"]
        elif message["text"].startswith(("FileNotFoundError", "ModuleNotFoundError", "ImportError")):
            raise DependencyError(f"{python}: {message['text']}; install or name what is missing")
        else:
            raise EngineError(f"whisperx in {python} raised {message['text']}; see the job's logs")
    raise EngineError(f"whisperx in {python} ended without an answer; see the job's logs")
