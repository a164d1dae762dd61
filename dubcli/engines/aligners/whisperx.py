"""The aligner that transcribes with WhisperX, and then aligns the transcript like a script.

Weights are never downloaded: the settings name their folders. The package may be installed for another
interpreter.
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
from dubcli.engines.aligners.base import NO_CONTEXT, AlignmentContext, Report, silent
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.engines.aligners.script import Scores, follow
from dubcli.errors import DependencyError, EngineError
from dubcli.language import spoken
from dubcli.speech import timed_transcripts
from dubcli.speech.alignment import Alignment
from dubcli.speech.lines import tidy

_BATCH = 8  # segments transcribed at a time, WhisperX's default; scaled by `AlignmentContext.batch`


class WhisperxAligner:
    """Words transcribed by WhisperX, with the phones and visemes of `follow`."""

    def align(
        self, wave: NDArray[np.float32], report: Report = silent, context: AlignmentContext = NO_CONTEXT
    ) -> Alignment:
        """The alignment of a levelled mono wave (S,) at 16 kHz.

        Raises:
            DependencyError: WhisperX or weights are missing.
            EngineError: it failed.
        """
        scores = Scores(len(wave) // 160)
        free = PhoneAligner().align(wave, context=context, keep=scores.keep)
        request = {
            "regions": [[region.start, region.end] for region in free.record.regions],
            "model": str(context.paths["model"].resolve()),
            "ctc": str(context.paths["ctc"].resolve()) if "ctc" in context.paths else "",
            "language": spoken(context.language),
            "batch": max(1, round(_BATCH * context.batch)),
        }
        python = context.paths.get("python")
        transcript = (
            _in_subprocess(python, wave, request, report) if python else _in_process(wave, request, report)
        )
        found = tidy(timed_transcripts.from_whisperx(transcript, "WhisperX"))
        if not found.lines:
            return free
        if request["ctc"] and not any("words" in segment for segment in transcript["segments"]):
            context.warn(
                f"the weights of engines.whisperx.ctc lack the letters of {found.language!r}, so its words "
                "are aligned without them; name the weights of a model of that language"
            )
        return follow(found, free, scores, context, "whisperx")


def _in_process(wave: NDArray[np.float32], request: Mapping[str, Any], report: Report) -> Any:
    if importlib.util.find_spec("whisperx") is None:
        raise DependencyError(
            "whisperx is not installed; type: pip install whisperx, or set engines.whisperx.python"
        )
    try:
        return transcribe.transcribe(wave, request, report)
    except FileNotFoundError as error:
        raise DependencyError(f"{error}; name a folder with all of the weights") from error


def _in_subprocess(
    python: Path, wave: NDArray[np.float32], request: Mapping[str, Any], report: Report
) -> Any:
    """The transcript from another interpreter, which ends with this process's group."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.npy"
        np.save(sound, wave.astype(np.float32), allow_pickle=False)
        try:
            # -I keeps this package's folder and the user's environment out of the other interpreter.
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
                return _result(child.stdout, python, report)
            except BrokenPipeError:
                raise EngineError(f"{python} ended before it read the request; see the job's logs") from None
            finally:
                child.kill()


def _result(lines: Any, python: Path, report: Report) -> Any:
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
    raise EngineError(f"whisperx in {python} ended without a result; see the job's logs")
