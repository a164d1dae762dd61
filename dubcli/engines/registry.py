"""What can be swapped: trackers, aligners and lip engines, listed without importing any of them.

Other packages add engines through the entry-point group `dubcli.engines`: an entry point's object is an
`EngineInfo`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dubcli.errors import ConfigError, DependencyError
from dubcli.models.packaged import digest

_SPHINX = tuple(f"model/en-us/en-us/{name}" for name in ("mdef", "means", "variances", "sendump"))

_DICTIONARY = "model/en-us/cmudict-en-us.dict"
_SOUND = ("silero_vad:data/silero_vad_16k_sequence.onnx", "moonshine_voice:assets/tiny-en/encoder_model.ort")
"""What finds speech, and the encoder of the features that every aligner's unit leaves."""
_HEARING = _SPHINX + _SOUND


@dataclass(frozen=True)
class EngineInfo:
    """What is known of an engine before it is imported.

    Attributes:
        kind: `tracker`, `aligner` or `lips`.
        name: what presets and flags call it.
        algorithm: bumped whenever the engine's results change; part of keys.
        target: `module:attribute` of the engine's class or factory.
        summary: one line for people.
        licence: SPDX names of its code and of its model.
        commercial: whether its model may be used commercially.
        package: top-level package it needs, "" for none.
        weights: files whose digests are part of keys: inside `package`, or as `other_package:file`.
        libraries: `module:function` that tells the versions of what else changes its results and is not
            pinned, from the unit's `paths`; part of keys. It must import nothing heavy. "" for none.
        elsewhere: the setting that names another interpreter which has the package, "" for none.
        brought: the setting that names the weights it works with, which nobody ships, "" for none.
        training: of an engine that is trained on the film first (`engines.lips.LearningEngine`),
            `module:function` that forecasts the seconds of one training from the frames of footage (0 where
            they are not known yet) and the settings of `TrainWork`. It must import nothing heavy.
        chooses: the engines among which it chooses face by face, if it draws nothing itself.
        cuda: of a tracker, whether onnxruntime may run its networks on a CUDA device (`track.device`).
    """

    kind: str
    name: str
    algorithm: int
    target: str
    summary: str
    licence: str
    commercial: bool = True
    package: str = ""
    weights: tuple[str, ...] = ()
    libraries: str = ""
    elsewhere: str = ""
    brought: str = ""
    training: str = ""
    chooses: tuple[str, ...] = ()
    cuda: bool = False

    @property
    def learns(self) -> bool:
        """Whether it is trained on the film first."""
        return bool(self.training)

    @property
    def installed(self) -> bool:
        """Whether the package it needs can be imported; nothing is imported to find out."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def lacks(self, settings: Mapping[str, Any]) -> list[str]:
        """What it cannot work without and does not have: its package, and settings that name its weights.

        Args:
            settings: `section.field` → value.
        """
        package = [] if self.installed or settings.get(self.elsewhere) else [self.package]
        return package + ([self.brought] if self.brought and not settings.get(self.brought) else [])

    def digests(self) -> dict[str, str]:
        """Weight file → sha256, for keys.

        Raises:
            DependencyError: the package or a weight file is not there.
        """
        found = {}
        for name in self.weights:
            package, colon, file = name.rpartition(":")
            found[name] = digest(package if colon else self.package, file)
        return found

    def versions(self, paths: Mapping[str, Path]) -> dict[str, str]:
        """Library → version of what changes its results and is not pinned, for keys.

        Args:
            paths: role → path of a unit that it is to do.
        """
        return dict(_attribute(self.libraries)(paths)) if self.libraries else {}

    def training_seconds(self, frames: int, settings: Mapping[str, Any]) -> float:
        """Forecast of the seconds that one training takes.

        Args:
            frames: of footage; 0 where that is not known yet.
            settings: as in `engines.lips.TrainWork`.
        """
        return float(_attribute(self.training)(frames, settings))

    def load(self) -> Any:
        """Import and make the engine.

        Raises:
            DependencyError: what it needs is not installed.
        """
        try:
            return _attribute(self.target)()
        except (ImportError, AttributeError) as error:
            raise DependencyError(
                f"{self.kind} engine {self.name} cannot be loaded ({error}); type: dubcli doctor"
            ) from error


BUILTIN = (
    EngineInfo(
        "tracker", "mediapipe", 3, "dubcli.engines.trackers.mediapipe:MediapipeTracker",
        "full-range detection on frame and tiles, then a 478-point mesh on a crop per face",
        "Apache-2.0", package="mediapipe",
        weights=(
            "modules/face_detection/face_detection_full_range_sparse.tflite",
            "modules/face_detection/face_detection_short_range.tflite",
            "modules/face_landmark/face_landmark_with_attention.tflite",
        ),
    ),
    EngineInfo(
        "tracker", "insightface", 2, "dubcli.engines.trackers.insightface:InsightfaceTracker",
        "SCRFD, 2d106det and ArcFace of a model pack that engines.insightface.pack names",
        "MIT (code), non-commercial research (model packs)", commercial=False, package="onnxruntime",
        brought="engines.insightface.pack", cuda=True,
    ),
    EngineInfo(
        "tracker", "passthrough", 1, "dubcli.engines.trackers.passthrough:PassthroughTracker",
        "finds no face", "Apache-2.0",
    ),
    EngineInfo(
        "aligner", "phones", 1, "dubcli.engines.aligners.phones:PhoneAligner",
        "silero-vad regions and a PocketSphinx phone loop; needs no language",
        "MIT (silero-vad, Moonshine's encoder), BSD-2-Clause (PocketSphinx and its model)",
        package="pocketsphinx", weights=_HEARING,
    ),
    EngineInfo(
        "aligner", "script", 5, "dubcli.engines.aligners.script:ScriptAligner",
        "words of a script (--script) and their phones, found in the sound by force; the rest as phones",
        "MIT (silero-vad), BSD-2-Clause (PocketSphinx, its model and dictionary); GPL-3.0-or-later "
        "(eSpeak NG, optional, for other languages than English)", package="pocketsphinx",
        weights=(*_HEARING, _DICTIONARY),
        libraries="dubcli.speech.espeak:versions",
    ),
    EngineInfo(
        "aligner", "whisperx", 2, "dubcli.engines.aligners.whisperx:WhisperxAligner",
        "words by WhisperX with weights of your own (engines.whisperx.model), then as script",
        "BSD-2-Clause (WhisperX), MIT (faster-whisper); the weights' own licence holds for them",
        package="whisperx", elsewhere="engines.whisperx.python", brought="engines.whisperx.model",
        weights=(*(f"pocketsphinx:{name}" for name in (*_SPHINX, _DICTIONARY)), *_SOUND),
        libraries="dubcli.engines.aligners.recogniser:versions",
    ),
    EngineInfo(
        "aligner", "passthrough", 1, "dubcli.engines.aligners.passthrough:PassthroughAligner",
        "hears no speech", "Apache-2.0",
    ),
    EngineInfo(
        "lips", "exemplar", 6, "dubcli.engines.lips.exemplar:ExemplarEngine",
        "the film's own frames of the actor, chosen and warped to the wanted mouth", "Apache-2.0",
    ),
    EngineInfo(
        "lips", "auto", 1, "dubcli.engines.lips.auto:AutoEngine",
        "exemplar or produb, face by face, by what was measured", "Apache-2.0",
        libraries="dubcli.engines.lips.auto:algorithms", chooses=("exemplar", "produb"),
    ),
    EngineInfo(
        "lips", "produb", 10, "dubcli.engines.lips.produb.engine:ProdubEngine",
        "exemplar's frames, corrected by a network that is trained on the film first", "Apache-2.0",
        package="torch", weights=("dubcli:engines/lips/produb/start.safetensors",),
        training="dubcli.engines.lips.produb.forecast:seconds",
    ),
    EngineInfo(
        "lips", "passthrough", 1, "dubcli.engines.lips.passthrough:PassthroughEngine",
        "leaves every mouth alone", "Apache-2.0",
    ),
)  # fmt: skip


@lru_cache
def engines() -> Mapping[tuple[str, str], EngineInfo]:
    """All engines by (kind, name), built in and from installed packages."""
    found = {(info.kind, info.name): info for info in BUILTIN}
    for point in importlib.metadata.entry_points(group="dubcli.engines"):
        info = point.load()
        found.setdefault((info.kind, info.name), info)
    return found


def engine(kind: str, name: str) -> EngineInfo:
    """The engine of that kind and name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return engines()[kind, name]
    except KeyError:
        names = ", ".join(sorted(n for k, n in engines() if k == kind))
        raise ConfigError(f"no {kind} engine is called {name!r}; there are: {names}") from None


def learner(info: EngineInfo) -> EngineInfo | None:
    """The engine that is trained where this one is asked for, None where nothing is.

    Raises:
        ConfigError: it chooses among engines of which one is not there.
    """
    among = [info, *(engine(info.kind, name) for name in info.chooses)]
    return next((one for one in among if one.learns), None)


def _attribute(target: str) -> Any:
    """What `module:attribute` names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
