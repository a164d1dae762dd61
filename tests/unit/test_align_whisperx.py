"""WhisperX: what it says is followed like a script, in this interpreter or in another.

The tests that run the package itself need an interpreter that has it (`make whisperx-test` makes one); they
use models of random weights, so what these hear is gibberish, and only its form can be held against anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dubcli.demo
from dubcli.artifacts import speech as record
from dubcli.core.model import Task
from dubcli.engines.aligners import transcribe
from dubcli.engines.aligners import whisperx as aligner
from dubcli.engines.aligners.base import AlignmentContext
from dubcli.errors import DependencyError, EngineError
from dubcli.media.sound import audio
from dubcli.speech import script, timed_transcripts
from dubcli.speech.features import levelled
from dubcli.stages import align

DEMO = Path(dubcli.demo.__file__).parent
# In the form that whisperx 3.8 writes; the times are the synthetic voice's own, up to 0.03 s off, and one
# word has none.
RECORDED = Path(__file__).with_name("whisperx.json")


@pytest.fixture(scope="module")
def package() -> Path:
    """An interpreter that has whisperx."""
    if "DUBCLI_WHISPERX_PYTHON" not in os.environ:
        pytest.skip("needs whisperx, several GB; type: make whisperx-test")
    return Path(os.environ["DUBCLI_WHISPERX_PYTHON"])


@pytest.fixture(scope="module")
def weights(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of models of random weights, and the interpreter for them."""
    folder = tmp_path_factory.mktemp("weights")
    maker = Path(__file__).parents[1] / "engines" / "tiny_whisper.py"
    subprocess.run([str(package), str(maker), str(folder)], check=True, capture_output=True)
    return {"python": package, **{name: folder / name for name in ("model", "french", "ctc", "cyrillic")}}


def stub(folder: Path, answers: str) -> dict[str, Path]:
    """An interpreter that reads the request and then prints `answers`."""
    (folder / "answers").write_text(answers)
    python = folder / "python"
    says = f"import sys; sys.stdin.readline(); print(open({str(folder / 'answers')!r}).read())"
    python.write_text(f"#!{sys.executable}\n{says}\n")
    python.chmod(0o755)
    return {"python": python, "model": folder}


def transcribed(paths: dict[str, Path], **context: Any) -> Any:
    sound = levelled(audio(DEMO / "speech_en.flac")[0])
    return aligner.WhisperxAligner().align(sound, context=AlignmentContext(paths=paths, **context))


def test_a_whisperx_result_becomes_words_phones_and_visemes(tmp_path: Path) -> None:
    result = json.loads(RECORDED.read_text())
    done = json.dumps({"type": "done", "result": result})
    steps = json.dumps({"type": "progress", "done": 50, "total": 100})
    alignment = transcribed(stub(tmp_path, f"{steps}\n{done}"))
    assert alignment.record.engine == "whisperx"
    assert alignment.record.language == "en"
    assert [w.text for w in alignment.record.words[:3]] == ["Hello.", "This", "is"]
    assert len(alignment.record.phones) > 100
    # Its times are right to within a few hundredths of a second.
    first = next(w for s in result["segments"] for w in s["words"] if w["word"] == "photograph")
    found = next(w for w in alignment.record.words if w.text == "photograph")
    assert abs(found.start - first["start"]) < 0.16


def test_ctc_weights_that_align_no_word_are_named(tmp_path: Path) -> None:
    result = json.loads(RECORDED.read_text())
    untimed = [{key: segment[key] for key in ("start", "end", "text")} for segment in result["segments"]]
    done = json.dumps({"type": "done", "result": {**result, "segments": untimed}})
    lines: list[str] = []
    alignment = transcribed(stub(tmp_path, done) | {"ctc": tmp_path}, warn=lines.append)
    assert "engines.whisperx.ctc" in lines[0]
    assert alignment.record.words  # the text is aligned all the same


def test_a_whisperx_file_is_a_script() -> None:
    assert script.load(RECORDED).lines[0].text == "Hello."


@pytest.mark.parametrize(
    ("answers", "error", "text"),
    [
        ('{"type": "error", "text": "RuntimeError: boom"}', EngineError, "boom"),
        ('{"type": "error", "text": "ModuleNotFoundError: no whisperx"}', DependencyError, "no whisperx"),
        ('{"type": "error", "text": "FileNotFoundError: m lacks model.bin"}', DependencyError, "model.bin"),
        ('{"type": "progress", "done": 1, "total": 2}', EngineError, "without a result"),
    ],
)
def test_failures_in_the_other_interpreter_are_reported(
    tmp_path: Path, answers: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        transcribed(stub(tmp_path, answers))


def test_a_missing_interpreter_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"engines\.whisperx\.python"):
        transcribed({"python": tmp_path / "none", "model": tmp_path})


def test_weights_that_lack_a_file_or_are_pickled_are_refused(tmp_path: Path) -> None:
    request: dict[str, Any] = {"regions": [], "model": str(tmp_path), "ctc": "", "language": "", "batch": 1}
    with pytest.raises(FileNotFoundError, match=r"model\.bin"):
        transcribe.transcribe(None, request, lambda done, total: None)
    for name in ("model.bin", "config.json", "tokenizer.json", "pytorch_model.bin"):
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        transcribe.transcribe(None, request | {"ctc": str(tmp_path)}, lambda done, total: None)


def test_the_language_is_detected_in_speech_only() -> None:
    sound = np.arange(16000.0)
    model = SimpleNamespace(
        model=SimpleNamespace(model=SimpleNamespace(is_multilingual=True)),
        detect_language=lambda wave: "fr" if {*wave} == {*sound[8000:9600], *sound[12800:]} else "en",
    )
    assert transcribe._language(model, sound, [[0.5, 0.6], [0.8, 1.0]]) == "fr"


def test_ctc_weights_without_the_letters_of_a_text_do_not_align_it() -> None:
    latin = {"a", "b", "c", "|"}
    assert transcribe._writes(latin, [{"text": "Abc ça, 12"}, {"text": "345"}])
    assert transcribe._writes(latin, [{"text": "345"}])
    assert not transcribe._writes(latin, [{"text": "где ab"}])


@pytest.mark.parametrize("ctc", [True, False])
def test_the_package_itself_returns_the_expected_form(weights: dict[str, Path], ctc: bool) -> None:
    sound = levelled(audio(DEMO / "speech_en.flac")[0])
    steps: list[int] = []
    request = {
        "regions": [[0.4, 2.6], [3.0, 6.6], [7.0, 9.2]],
        "model": str(weights["model"]),
        "ctc": str(weights["ctc"]) if ctc else "",
        "language": "en",
        "batch": 2,
    }
    said = aligner._in_subprocess(weights["python"], sound, request, lambda done, total: steps.append(done))
    assert said["segments"]
    assert said["language"] == "en"
    assert steps[-1] == 100
    for segment in said["segments"]:
        assert 0.3 < segment["start"] < segment["end"] < 9.3
        assert segment["text"].strip()
    found = timed_transcripts.from_whisperx(said, "WhisperX")
    assert any(line.start is not None for line in found.lines)
    if ctc:
        assert any("words" in segment for segment in said["segments"])


def ask(weights: dict[str, Path], model: str, ctc: str, language: str) -> Any:
    """The result of the package."""
    sound = levelled(audio(DEMO / "speech_en.flac")[0])
    request = {
        "regions": [[0.4, 9.2]],
        "model": str(weights[model]),
        "ctc": str(weights[ctc]),
        "language": language,
        "batch": 1,
    }
    return aligner._in_subprocess(weights["python"], sound, request, lambda done, total: None)


def test_the_model_detects_a_language_that_is_not_set(weights: dict[str, Path]) -> None:
    said = ask(weights, "french", "ctc", "")
    assert said["language"] == "fr"
    assert [0.4 <= word["start"] < word["end"] < 9.3 for word in said["segments"][0]["words"]] == [True]
    assert (
        ask(weights, "french", "ctc", "en")["language"] == "en"
    )  # a language in the settings is not detected


def test_an_english_model_takes_all_speech_for_english(weights: dict[str, Path]) -> None:
    assert ask(weights, "model", "ctc", "")["language"] == "en"
    with pytest.raises(DependencyError, match="is an English model, and this is 'fr'"):
        ask(weights, "model", "ctc", "fr")


def test_weights_for_the_letters_of_another_language_are_named_and_not_used(weights: dict[str, Path]) -> None:
    assert not any("words" in segment for segment in ask(weights, "french", "cyrillic", "")["segments"])
    lines: list[str] = []
    transcribed(
        {"python": weights["python"], "model": weights["french"], "ctc": weights["cyrillic"]},
        warn=lines.append,
    )
    assert "lack the letters of 'fr'" in lines[0]
    assert "engines.whisperx.ctc" in lines[0]


@pytest.mark.parametrize(("model", "language"), [("model", "en"), ("model", ""), ("french", "")])
def test_the_stage_runs_with_the_package(
    weights: dict[str, Path], tmp_path: Path, model: str, language: str
) -> None:
    (tmp_path / "out").mkdir()
    paths = {"python": weights["python"], "model": weights[model], "ctc": weights["ctc"]}
    inputs = {"audio": DEMO / "speech_en.flac"} | {f"whisperx/{name}": path for name, path in paths.items()}
    task = Task("dub", inputs, {}, {"language": language, "offset": 0.0}, "whisperx", tmp_path / "out")
    align.run(task)
    align.check(task)
    assert record.Record.load(tmp_path / "out").phones  # a transcript that does not match is not used
