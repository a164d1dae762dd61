"""Help is quick, complete, and the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dubcli.cli import man
from dubcli.cli.app import everything
from dubcli.cli.declaration import Declaration
from dubcli.cli.help import render
from dubcli.errors import MEANINGS
from tests.cli.conftest import Dubcli

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "cv2", "numpy", "mediapipe", "av", "pydantic", "scipy", "rich", "yaml", "skimage"}
COMMANDS = list(everything().walk())


def _name(command: Declaration) -> str:
    return command.path


def test_the_package_can_be_run_as_a_module(dubcli: Dubcli) -> None:
    command = [sys.executable, "-m", "dubcli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == dubcli("--version").stdout != ""


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["preset", "-h"], ["--version"], []])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom dubcli.cli.main import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_every_command_explains_itself(command: Declaration) -> None:
    text = render(command, 80)
    assert command.summary.endswith(".")
    assert len(command.summary) <= 68 or command.path == "dubcli"
    assert all(option.help.endswith(".") for option in command.options if option.help)
    assert all(parameter.help for parameter in (*command.options, *command.arguments))
    assert max(len(line) for line in text.splitlines()) <= 80
    for code, meaning in MEANINGS.items():
        assert f"  {int(code)}" in text
        assert meaning in text


def test_help_goes_to_stdout_and_names_what_works(dubcli: Dubcli) -> None:
    done = dubcli("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line.strip()}
    assert {"run", "plan", "status", "explain", "report", "batch"} <= listed
    assert {"cache", "preset", "engine", "doctor", "demo"} <= listed
    assert {"cast", "cue", "review", "verify", "purge", "shots", "farm", "unlock"} <= listed


def test_a_command_prints_the_help_that_is_declared(dubcli: Dubcli) -> None:
    run = next(command for command in COMMANDS if command.path == "dubcli run")
    assert dubcli("run", "-h", COLUMNS="81").stdout == render(run, 80)


def test_without_words_help_is_an_error(dubcli: Dubcli) -> None:
    for words in ((), ("preset",)):
        done = dubcli(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Usage: dubcli")


def test_version(dubcli: Dubcli) -> None:
    done = dubcli("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("dubcli 0.")


def test_a_mistyped_word_is_answered_with_what_was_meant(dubcli: Dubcli) -> None:
    for words, hint in ((["rnu"], "'run'"), (["run", "--stroe"], "--store"), (["run"], "FILM")):
        done = dubcli(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("dubcli: error: ")
        assert hint in done.stderr
        assert "type: dubcli" in done.stderr
        assert done.stderr.count("\n") == 1


def test_man_pages_name_every_option() -> None:
    pages = man.pages(everything())
    for command in COMMANDS:
        page = pages["-".join(command.path.split()[:2]) + ".1"].replace("\\-", "-")
        for option in command.options:
            assert all(f"\\fB{name}\\fR" in page for name in option.names)


def test_generated_files_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["r"], {"run", "report", "review"}),
        (["run", "--fo"], {"--force"}),
        (["run", "--stage", "l"], {"learn", "lips"}),
        (["preset", "show", "f"], {"film"}),
        (["run", "--workers", ""], set()),
        (["run", "a f"], {"a film.mp4"}),
        (["run", "x", "--audio", "a f"], {"a film.mp4"}),
    ],
)
def test_bash_completes(typed: list[str], offered: set[str], tmp_path: Path) -> None:
    (tmp_path / "a film.mp4").touch()
    script = 'source "$1"; shift; COMP_WORDS=(dubcli "$@"); COMP_CWORD=$#; _dubcli'
    script += '; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", ROOT / "completion" / "dubcli.bash", *typed],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line for line in done.stdout.splitlines() if line} == offered
