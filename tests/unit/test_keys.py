"""Keys: what changes them and what cannot."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dubcli.core import keys
from dubcli.core.model import Stage, Unit
from dubcli.engines import registry
from dubcli.engines.registry import EngineInfo
from dubcli.errors import DependencyError
from dubcli.speech import espeak

UNIT = Unit(
    stage=Stage("track", 1),
    name="00000000",
    inputs={"picture": "ab" * 32},
    paths={"film": Path("/one/place/film.mp4")},
    params={"every": 8, "least": 0.25},
    facts={"start": 0, "stop": 48, "rate": (24000, 1001)},
    engine=EngineInfo("tracker", "passthrough", 1, "m:A", "", "Apache-2.0"),
)


def key(unit: Unit, salt: str = "") -> str:
    return keys.digest(keys.preimage(unit, salt))


def test_canonical_json_has_one_form() -> None:
    assert keys.canonical({"b": (1, 2), "a": "é"}) == '{"a":"é","b":[1,2]}'.encode()
    assert keys.canonical({"a": 1, "b": 2}) == keys.canonical({"b": 2, "a": 1})


@pytest.mark.parametrize("value", [Path("x"), b"x", {1, 2}, float("nan"), {1: "x"}])
def test_values_without_one_form_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        keys.canonical({"value": value})


def test_place_and_cost_are_not_in_the_key() -> None:
    moved = replace(UNIT, paths={"film": Path("/another/film.mkv")}, cost=99.0, name="00000010")
    assert key(moved) == key(UNIT)


@pytest.mark.parametrize(
    "changed",
    [
        replace(UNIT, stage=Stage("track", 2)),
        replace(UNIT, inputs={"picture": "cd" * 32}),
        replace(UNIT, inputs={"image": "ab" * 32}),
        replace(UNIT, params={"every": 9, "least": 0.25}),
        replace(UNIT, facts={"start": 0, "stop": 49, "rate": (24000, 1001)}),
        replace(UNIT, engine=EngineInfo("tracker", "passthrough", 2, "m:A", "", "Apache-2.0")),
        replace(UNIT, engine=EngineInfo("tracker", "other", 1, "m:A", "", "Apache-2.0")),
        replace(UNIT, engine=None),
    ],
)
def test_what_changes_a_result_changes_the_key(changed: Unit) -> None:
    assert key(changed) != key(UNIT)


def test_salt_changes_every_key() -> None:
    assert key(UNIT, "again") != key(UNIT)


def test_weights_are_part_of_the_key() -> None:
    weighed = EngineInfo(
        "tracker", "passthrough", 1, "m:A", "", "MIT", package="numpy", weights=("version.py",)
    )
    image = keys.preimage(replace(UNIT, engine=weighed))
    assert len(image["weights"]["version.py"]) == 64


def test_weights_of_other_packages_are_part_of_the_key() -> None:
    info = EngineInfo(
        "tracker", "passthrough", 1, "m:A", "", "MIT", package="numpy", weights=("scipy:version.py",)
    )
    assert set(info.digests()) == {"scipy:version.py"}
    for name in ("phones", "script", "whisperx"):
        files = " ".join(registry.engine("aligner", name).digests())
        assert "silero_vad:" in files
        assert "moonshine_voice:" in files


def test_a_library_that_is_installed_later_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """eSpeak NG pronounces words: with it the same script gives other phones."""
    unit = replace(UNIT, engine=registry.engine("aligner", "script"))

    def missing() -> None:
        raise DependencyError("not installed")

    monkeypatch.setattr(espeak, "_opened", missing)
    without = key(unit)
    library = SimpleNamespace(espeak_Info=lambda path: b"1.52.0  Data at: /x")
    monkeypatch.setattr(espeak, "_opened", lambda: (library, None))
    assert keys.preimage(unit)["libraries"] == {"espeak-ng": "1.52.0"}
    assert key(unit) != without


def test_the_recogniser_is_part_of_the_key_wherever_it_lives(tmp_path: Path) -> None:
    unit = replace(UNIT, engine=registry.engine("aligner", "whisperx"))
    here = keys.preimage(unit)["libraries"]
    assert here["torch"] == importlib.metadata.version("torch")
    found = {}
    for version in ("3.8.1", "3.8.2"):
        python = tmp_path / version
        python.write_text(f'#!/bin/sh\necho \'{{"whisperx": "{version}"}}\'\n')
        python.chmod(0o755)
        found[version] = keys.preimage(replace(unit, paths={"whisperx/python": python}))["libraries"]
        assert found[version]["whisperx"] == version
    absent = keys.preimage(replace(unit, paths={"whisperx/python": tmp_path / "none"}))["libraries"]
    assert absent["whisperx"] == ""
