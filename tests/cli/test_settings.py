"""Settings: every value from the strongest layer that has it, every mistake with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from dubcli.core.job import Job
from dubcli.errors import ConfigError, UsageError
from dubcli.settings import config
from dubcli.settings.config import Settings
from dubcli.settings.document import parse_toml, parse_yaml, read
from dubcli.settings.layers import ConfigFile, Preset, describe, names, presets, resolve
from tests.cli.conftest import Dubcli


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user config folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "dubcli"
    folder.mkdir(parents=True)
    return folder


def test_layers_in_order(home: Path, tmp_path: Path) -> None:
    """Each layer sets one setting more than the one above it, so each must show through once."""
    job = tmp_path / "films"
    job.mkdir()
    preset = tmp_path / "mine.yaml"
    preset.write_text(
        "run: {workers: 1, timeout: 1, retries: 1, fallback: original}\nlips: {engine: passthrough}"
    )
    (home / "config.toml").write_text("[run]\nworkers = 2\ntimeout = 2\nretries = 2\nfallback = 'none'")
    (job / "dubcli.toml").write_text("[run]\nworkers = 3\ntimeout = 3\nretries = 3")
    resolved = resolve(
        preset=str(preset),
        folder=job,
        environ={"DUBCLI_RUN_WORKERS": "4", "DUBCLI_RUN_TIMEOUT": "4"},
        assignments=("run.workers=5",),
    )
    run = resolved.settings.run
    assert (run.workers, run.timeout, run.retries, run.fallback) == (5, 4, 3, "none")
    assert resolved.settings.lips.engine == "passthrough"
    origins = resolved.origins
    assert origins["run.workers"] == "--set"
    assert origins["run.timeout"] == "DUBCLI_RUN_TIMEOUT"
    assert origins["run.retries"] == str(job / "dubcli.toml")
    assert origins["run.fallback"] == f"user config {home / 'config.toml'}"
    assert origins["lips.engine"] == f"preset {preset}"
    assert {name: origin for name, _, origin in resolved.rows()}["track.engine"] == "default"


def test_which_preset_and_store(home: Path, tmp_path: Path) -> None:
    assert resolve(environ={}).preset == "film"
    (home / "config.toml").write_text("preset = 'series'\nstore = 'shared'")
    assert resolve(environ={}).preset == "series"
    assert resolve(environ={}).store == home / "shared"
    (tmp_path / "dubcli.toml").write_text("preset = 'draft'\nstore = 'here'")
    assert resolve(folder=tmp_path, environ={}).preset == "draft"
    assert resolve(folder=tmp_path, environ={}).store == tmp_path / "here"
    environ = {"DUBCLI_PRESET": "film", "DUBCLI_STORE": "/mnt/store"}
    assert resolve(folder=tmp_path, environ=environ).preset == "film"
    assert resolve(folder=tmp_path, environ=environ).store == Path("/mnt/store")
    assert resolve(folder=tmp_path, environ=environ, preset="draft", store=Path("x")).preset == "draft"
    assert resolve(folder=tmp_path, environ=environ, store=Path("x")).store == Path("x")


@pytest.mark.parametrize("name", ["DUBCLI_ALING_OFFSET", "DUBCLI_ALIGN_OFSET", "DUBCLI_STOER"])
def test_a_mistyped_variable_is_told_of_and_anothers_is_not(name: str, home: Path) -> None:
    with pytest.raises(ConfigError, match=f"{name}: no such setting; did you mean 'DUBCLI_"):
        resolve(environ={name: "1"})
    resolve(environ={"DUBCLI_FOOTAGE": "/x", "DUBCLI": "1", "ALIGN_OFFSET": "1"})


def test_a_job_keeps_its_settings_unless_told_otherwise(home: Path) -> None:
    (home / "config.toml").write_text("[run]\nretries = 7")
    base = Settings.model_validate({"run": {"retries": 5, "workers": 3}})
    resolved = resolve(base=base, environ={"DUBCLI_RUN_WORKERS": "1", "DUBCLI_PRESET": "draft"})
    assert (resolved.settings.run.retries, resolved.settings.run.workers) == (5, 1)
    assert resolved.origins["run.retries"] == "the job"
    assert resolve(base=base, preset="film", environ={}).settings.run.retries == 7


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("run:\n  wrkers: 3", "2:3", "unknown key 'run.wrkers'; did you mean 'workers'?"),
        ("lip: {}", "1:1", "unknown key 'lip'; did you mean 'lips'?"),
        ("run:\n  workers: many", "2:3", "run.workers: must be a valid integer, not 'many'"),
        ("run:\n  workers: true", "2:3", "must be a valid integer"),
        ("run:\n  workers: -1", "2:3", "greater than or equal to 0"),
        ("run:\n  timeout: .nan", "2:3", "finite"),
        ("run:\n  fallback: maybe", "2:3", "'none' or 'original'"),
        ("run: 3", "1:1", "mapping of keys"),
        ("- run", "1:1", "mapping of keys"),
        ("run: {workers: 1,\n  workers: 2}", "2:3", "'workers' is given twice"),
        ("run: &a {workers: 1}\nlips: *a", "1:6", "aliases"),
        ("run: [", "1:7", "a value is missing"),
        ("run:\n\tworkers: 1", "2:1", "a tab; YAML is indented with spaces"),
        ("1: 2", "1:1", "unknown key '1'"),
        ("? [a]\n: 2", "1:3", "a key must be a word"),
        (
            "lips: !!python/object/apply:os.getcwd []",
            "1:7",
            "tags (!!python/object/apply:os.getcwd) are not supported",
        ),
    ],
)
def test_yaml_mistakes_have_a_place(text: str, place: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "my.yaml").model(Preset)
    assert str(caught.value).startswith(f"my.yaml:{place}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[run]\nwrkers = 3", "2:1", "did you mean 'workers'?"),
        ("presets = 'x'", "1:1", "did you mean 'preset'?"),
        ("run.workers = 'x'", "1:1", "must be a valid integer"),
        ("store = ''", "1:1", "at least 1 character"),
        ("preset = ''", "1:1", "at least 1 character"),
        ("[run\n", "1:5", "Expected"),
    ],
)
def test_toml_mistakes_have_a_place(text: str, place: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "dubcli.toml").model(ConfigFile)
    assert str(caught.value).startswith(f"dubcli.toml:{place}: ")
    assert words in str(caught.value)


def test_all_mistakes_of_a_file_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml("run: {wrkers: 1, retries: x}\nlps: {}", "my.yaml").model(Preset)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"[" * 5000, b"run: {" * 3000])
def test_files_that_are_no_settings(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        read(path).model(Preset)


def test_an_empty_preset_says_nothing() -> None:
    assert parse_yaml("# nothing\n", "my.yaml").model(Preset) == Preset()
    assert parse_yaml("motion:\nsummary:\n", "my.yaml").model(Preset) == Preset()
    with pytest.raises(
        ConfigError, match=r"cast\.require_consent: must be true or false; nothing stands there"
    ):
        parse_yaml("cast: {require_consent: }", "my.yaml").model(Preset)


def test_values_are_what_is_written(tmp_path: Path, home: Path) -> None:
    """Norwegian is no `false`, 010 no octal number, and no word becomes a program's name unseen."""
    preset = tmp_path / "my.yaml"
    preset.write_text("remux: {language: no}\nsummary: 007\nrun: {workers: 010}\n", encoding="utf-16")
    settings = resolve(preset=str(preset), environ={}).settings
    assert (settings.remux.language, settings.run.workers) == ("no", 10)
    assert read(preset).model(Preset).summary == "007"
    assert resolve(assignments=("run.workers=010",), environ={}).settings.run.workers == 10
    preset.write_text("engines: {whisperx: {python: off}}")
    with pytest.raises(ConfigError, match=r"engines\.whisperx\.python is not allowed here"):
        resolve(preset=str(preset), environ={})


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("motion.amplitude: 1.2", "1:1", "write motion: {amplitude: …}"),
        ("motion: {amplitude: 1,2}", "1:23", "'2' stands alone; text that holds a comma goes in quotes"),
        ("motion: {amplitude: '1,2'}", "1:10", "write 1.2"),
        ("quality: {sharpness: 0.7}", "1:11", "must be a list, not 0.7; write [0.7]"),
        ('summary: "drafts\n', "1:10", "a quote that is never closed"),
        ("summary: @me", "1:10", "text that begins with @ goes in quotes"),
        ("summary: a: b", "1:11", "text that holds a colon goes in quotes"),
        ("summary: a\x07", "1:11", "a character that no text has"),
        ("summary: a\n---\nsummary: b", "2:1", "a second document"),
    ],
)
def test_slips_of_the_pen_are_told_with_what_to_write(text: str, place: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "my.yaml").model(Preset)
    assert str(caught.value).startswith(f"my.yaml:{place}: ")
    assert words in str(caught.value)


def test_a_file_that_is_not_utf_8_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes("run:\n# für\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"my\.yaml:2:4: not UTF-8 text; save it as that"):
        read(path)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("lips.engin=x", "did you mean 'lips.engine'?"),
        ("engine=x", "did you mean"),
        ("run.workers", "SECTION.FIELD=VALUE"),
        ("run.workers=two", "must be a valid integer, not 'two'"),
        ("run.workers=[1", "must be a valid integer"),
    ],
)
def test_set_is_checked_as_usage(assignment: str, words: str) -> None:
    with pytest.raises(UsageError, match="--set") as caught:
        resolve(assignments=(assignment,), environ={})
    assert words in str(caught.value)


def test_settings_that_go_together_may_be_given_in_any_order() -> None:
    """Each was refused for lack of the other, so that no command line had an encoder of a graphics card."""
    both = ("compose.encoder=nvenc", "compose.video=encode")
    variables = {"DUBCLI_COMPOSE_ENCODER": "nvenc", "DUBCLI_COMPOSE_VIDEO": "encode"}
    for given, environ in ((both, {}), (both[::-1], {}), ((), variables), (both[:1], variables)):
        assert resolve(assignments=given, environ=environ).settings.compose.encoder == "nvenc"
    with pytest.raises(
        UsageError, match=r"^--set: .*nvenc encodes every frame; add --set compose.video=encode"
    ):
        resolve(assignments=both[:1], environ={})
    with pytest.raises(ConfigError, match=r"^DUBCLI_COMPOSE_ENCODER: .*nvenc encodes every frame"):
        resolve(environ=dict([*variables.items()][:1]))


def test_text_settings_take_text_as_it_stands() -> None:
    for text in ("yes", "1", "1.5", "null", "[x"):
        assert resolve(assignments=(f"lips.engine={text}",), environ={}).settings.lips.engine == text


def test_a_mistyped_variable_is_not_ignored() -> None:
    with pytest.raises(ConfigError, match=r"DUBCLI_RUN_WORKER.*did you mean 'DUBCLI_RUN_WORKERS'"):
        resolve(environ={"DUBCLI_RUN_WORKER": "1"})
    resolve(environ={"DUBCLI_FOOTAGE": "/x", "DUBCLI_UNRELATED": "1"})


def test_presets_that_ship() -> None:
    assert set(presets()) == {"draft", "film", "series"}
    for name, path in presets().items():
        assert read(path).model(Preset).summary
        resolve(preset=name, environ={})
    schema = json.loads((presets()["film"].parent / "schema.json").read_text())
    assert set(schema["properties"]) == set(Preset.model_fields)
    assert schema["additionalProperties"] is False


def test_every_setting_says_what_it_means() -> None:
    assert [name for name in names() if not describe(name)] == []


def test_preset_command(dubcli: Dubcli, tmp_path: Path) -> None:
    listed = json.loads(dubcli("preset", "list", "--json").stdout)
    assert {item["name"] for item in listed} == {"draft", "film", "series"}
    shown = json.loads(dubcli("preset", "show", "series", "--json", DUBCLI_RUN_RETRIES="9").stdout)
    assert shown["settings"]["run.fallback"] == {"value": "original", "from": "preset series"}
    assert shown["settings"]["run.retries"] == {"value": 9, "from": "DUBCLI_RUN_RETRIES"}
    missing = dubcli("preset", "show", "flim")
    assert missing.returncode == 4
    assert "did you mean 'film'?" in missing.stderr


def test_a_preset_made_from_another_is_valid(
    dubcli: Dubcli, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["DUBCLI_RUN_WORKERS"]
    text = dubcli("preset", "show", "--yaml").stdout
    (tmp_path / "mine.yaml").write_text(text)
    assert yaml.safe_load(text)["run"]["fallback"] == "none"
    assert dubcli("preset", "check", "mine.yaml").returncode == 0
    shown = json.loads(dubcli("preset", "show", "mine.yaml", "--json").stdout)
    left_out = {name for name, item in shown["settings"].items() if item["from"] != "preset mine.yaml"}
    assert left_out == set(config.PERSONAL)  # which no preset may say


def test_check_names_every_problem(dubcli: Dubcli, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("run:\n  wrkers: 3\nlps: {}\n")
    (tmp_path / "dubcli.toml").write_text("preset = 3\n")
    done = dubcli("preset", "check", "bad.yaml", "dubcli.toml")
    assert (done.returncode, done.stdout) == (4, "")
    for place in ("bad.yaml:2:3", "bad.yaml:3:1", "dubcli.toml:1:1"):
        assert place in done.stderr
    found = json.loads(dubcli("preset", "check", "bad.yaml", "--json").stdout)
    assert len(found[0]["problems"]) == 2


PERSONAL = "engines: {whisperx: {python: ./evil.sh}, accepted: [insightface]}"


def test_programs_and_licences_count_from_the_user_alone(home: Path, tmp_path: Path) -> None:
    """A folder of films, a preset or a job may come from anybody."""
    (tmp_path / "evil.yaml").write_text(PERSONAL)
    with pytest.raises(ConfigError, match=r"evil\.yaml:1:.*engines\.whisperx\.python is not allowed here"):
        resolve(preset=str(tmp_path / "evil.yaml"), environ={})
    (tmp_path / "dubcli.toml").write_text("[engines.whisperx]\npython = './evil.sh'\n")
    with pytest.raises(ConfigError, match=r"dubcli\.toml:2:1: .*DUBCLI_ENGINES_WHISPERX_PYTHON or your own"):
        resolve(folder=tmp_path, environ={})
    (tmp_path / "dubcli.toml").write_text("engines.accepted = ['insightface']\n")
    with pytest.raises(ConfigError, match=r"engines\.accepted is not allowed here"):
        resolve(folder=tmp_path, environ={})
    (tmp_path / "dubcli.toml").unlink()
    (home / "config.toml").write_text(
        "[engines]\naccepted = ['insightface']\nwhisperx.python = '/opt/python'"
    )
    for base in (None, Settings()):
        engines = resolve(base=base, environ={}).settings.engines
        assert (engines.accepted, engines.whisperx.python) == (("insightface",), "/opt/python")
        environ = {"DUBCLI_ENGINES_WHISPERX_PYTHON": "/usr/bin/python3"}
        assert resolve(base=base, environ=environ).settings.engines.whisperx.python == "/usr/bin/python3"


def test_a_job_keeps_no_program_and_believes_none(tmp_path: Path) -> None:
    for name in ("film.mp4", "dub_fr.wav"):
        (tmp_path / name).write_bytes(b"x")
    mine = Settings.model_validate(
        {"engines": {"accepted": ("insightface",), "whisperx": {"python": "/opt/python", "model": "/models"}}}
    )
    job = Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub_fr.wav", mine)
    assert job.settings.engines.whisperx.python == "/opt/python"
    kept = Job.open(job.root).settings.engines
    assert (kept.accepted, kept.whisperx.python, kept.whisperx.model) == ((), "", "/models")
    data = json.loads((job.root / "job.json").read_text())
    data["settings"]["engines"]["whisperx"]["python"] = "./evil.sh"
    (job.root / "job.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r"job\.json: engines\.whisperx\.python is not allowed here"):
        Job.open(job.root)


def test_check_refuses_what_a_run_refuses(dubcli: Dubcli, tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text(PERSONAL)
    done = dubcli("preset", "check", "evil.yaml")
    assert done.returncode == 4
    assert done.stderr.count("is not allowed here") == 2


def test_a_strangers_folder_runs_no_program(dubcli: Dubcli, tmp_path: Path) -> None:
    for name in ("film.mp4", "dub_fr.wav"):
        (tmp_path / name).write_bytes(b"x")
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    (tmp_path / "dubcli.toml").write_text(
        f"align.engine = 'whisperx'\n[engines.whisperx]\nmodel = '.'\npython = '{script}'\n"
    )
    done = dubcli("run", "film.mp4", "--audio", "dub_fr.wav")
    assert done.returncode == 4
    assert "engines.whisperx.python is not allowed here" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "film.dub_fr.dub").exists()


def test_an_engine_that_needs_weights_of_ones_own_is_ready_only_with_them(
    dubcli: Dubcli, tmp_path: Path
) -> None:
    def insightface() -> tuple[bool, list[str]]:
        rows = json.loads(dubcli("engine", "list", "--json").stdout)
        (row,) = (row for row in rows if row["name"] == "insightface")
        return row["ready"], row["lacks"]

    assert insightface() == (False, ["engines.insightface.pack"])
    table = dubcli("engine", "list").stdout
    assert "needs engines.insightface.pack" in table.replace("\n", " ")
    (tmp_path / "dubcli.toml").write_text('[engines.insightface]\npack = "buffalo_l"\n')
    assert insightface() == (True, [])
