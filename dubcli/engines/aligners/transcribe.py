"""Transcription by WhisperX, in one file that imports nothing else of this package.

WhisperX pins its own torch. Where that cannot be installed beside this package, `whisperx.py` runs this file
in an interpreter that has it, with the protocol of a worker (`core.worker`): one JSON request on standard
input; messages `{"type": "progress", "done", "total"}` and, last, `{"type": "done", "result"}` or
`{"type": "error", "text"}`, one a line, on a private copy of standard output.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

_RATE = 16000  # Hz, what Whisper takes (Radford et al. 2023, arXiv:2212.04356)

# Only the weights that the settings name may be used; the libraries read these when they are imported.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def transcribe(wave: Any, request: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    """The transcript of an audio signal, as WhisperX returns it: `{"segments": […], "language"}`.

    Args:
        wave: (S,) float32 mono at 16 kHz.
        request: `regions` of speech as [[start, end], …] in seconds, `model` and `ctc`: folders of weights
            ("" for none), `language` as an ISO 639-1 code ("" to detect it in the first half minute of
            speech), `batch`: segments transcribed at a time.
        report: called with the percentage done, and 100.

    Returns:
        Words have times where the vocabulary of `ctc` has the letters they are written in.

    Raises:
        FileNotFoundError: a folder lacks a file, or the model lacks the language.
    """
    os.environ.update(OFFLINE)
    _check(request["model"], "model.bin", "config.json", "tokenizer.json")
    if request["ctc"]:
        # Other formats of weights are pickles, which can run code.
        _check(request["ctc"], "model.safetensors", "config.json", "vocab.json")
    if not request["regions"]:
        return {"segments": [], "language": request["language"] or None}
    import torch
    import whisperx
    from whisperx import alignment, asr

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = asr.load_model(
        request["model"],
        device,
        vad_model=_regions(request["regions"]),
        local_files_only=True,
        threads=torch.get_num_threads(),
    )
    language = request["language"] or _language(model, wave, request["regions"])
    if language != "en" and not model.model.model.is_multilingual:
        raise FileNotFoundError(f"{request['model']} is an English model, and this is {language!r}")
    share = 50 if request["ctc"] else 100
    result: dict[str, Any] = dict(
        model.transcribe(
            wave,
            batch_size=request["batch"],
            language=language,
            progress_callback=lambda percent: report(int(percent * share / 100), 100),
        )
    )
    if request["ctc"] and result["segments"]:
        # WhisperX splits sentences with a model that it downloads; whole segments are short enough.
        alignment.nltk_load = lambda name: SimpleNamespace(span_tokenize=lambda text: [(0, len(text))])
        ctc, meta = whisperx.load_align_model(language, device, request["ctc"], model_cache_only=True)
        if _writes(meta["dictionary"], result["segments"]):
            result = dict(whisperx.align(result["segments"], ctc, meta, wave, device))
    report(100, 100)
    keep = ("start", "end", "text", "words")
    segments = [{key: segment[key] for key in keep if key in segment} for segment in result["segments"]]
    return {"segments": segments, "language": language}


def _language(model: Any, wave: Any, regions: Sequence[Sequence[float]]) -> str:
    """The detected language; the model looks at 30 s, so audio outside speech regions is left out."""
    import numpy as np

    if not model.model.model.is_multilingual:
        return "en"
    spoken = [wave[int(start * _RATE) : int(end * _RATE)] for start, end in regions]
    return str(model.detect_language(np.concatenate(spoken)))


def _writes(letters: Collection[str], segments: Sequence[Mapping[str, Any]]) -> bool:
    """Whether at least half of a text is in the vocabulary's letters; others match any sound equally."""
    text = [letter for segment in segments for letter in segment["text"].lower() if letter.isalpha()]
    return 2 * sum(letter in letters for letter in text) >= len(text)


def _check(folder: str, *names: str) -> None:
    for name in names:
        if not os.path.isfile(os.path.join(folder, name)):
            raise FileNotFoundError(f"{folder} lacks {name}")


def _regions(regions: Sequence[Sequence[float]]) -> Any:
    """A voice activity detector that returns given regions; WhisperX's own are pickled or downloaded."""
    from whisperx.vads.vad import Vad

    class Known(Vad):  # type: ignore[misc]  # it has no types
        def __init__(self) -> None:
            super().__init__(0.5)

        def __call__(self, sound: Any) -> list[Any]:
            return [SimpleNamespace(start=a, end=b, speaker="") for a, b in regions]

        @staticmethod
        def preprocess_audio(audio: Any) -> Any:
            return audio

    return Known()


def main() -> None:
    """Read one request, transcribe, and write the result."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print to standard output

    def send(**message: Any) -> None:
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    try:
        import numpy as np

        request = json.loads(sys.stdin.readline())
        wave = np.load(request["wave"], allow_pickle=False)
        result = transcribe(wave, request, lambda done, total: send(type="progress", done=done, total=total))
        send(type="done", result=json.loads(json.dumps(result, default=float)))
    except Exception as error:  # whatever a library raises must be reported to the parent
        traceback.print_exc()
        send(type="error", text=f"{type(error).__name__}: {error}".splitlines()[0])


if __name__ == "__main__":
    main()
