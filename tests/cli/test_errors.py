"""Errors: one line that says what to do, the right code, and nothing on stdout."""

from __future__ import annotations

import errno
import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dubcli.cli import failures, layers, output
from dubcli.cli.delivered import Delivered
from dubcli.cli.main import main
from dubcli.cli.output import out, printable
from dubcli.errors import MEANINGS, DubError, ExitCode, StoppedError, UsageError
from tests.cli.conftest import COMMAND, Dubcli

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 75, "the disk is full (/x/y)"),
        (OSError(errno.EDQUOT, "Quota exceeded"), 75, "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "cannot use /x/y: permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), 2, "choose another place"),
        (MemoryError(), 75, "out of memory"),
        (KeyboardInterrupt(), 130, "type the same command to continue"),
        (StoppedError(15), 143, "type the same command to continue"),
        (ValueError("odd\nthing"), 1, "a bug in dubcli: ValueError: odd"),
    ],
)
def test_any_exception_has_a_code_and_a_line(error: BaseException, code: int, words: str) -> None:
    found, text = failures.explain(error)
    assert found == code
    assert words in text
    assert "\n" not in text


@pytest.mark.parametrize("where", ["dubcli.cli.main._page", "dubcli.settings.layers.presets"])
def test_ctrl_c_before_any_work_is_told_in_a_line(
    where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stopped)
    with pytest.raises(SystemExit) as ended:
        main(["preset", "list"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "dubcli: error: stopped; type the same command to continue"


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ("review list my.dub", "dubcli review my.dub list"),
        ("cue my.dub export", "dubcli cue export my.dub"),
        ("cast my.dub", "dubcli cast show my.dub"), ("my.dub", "dubcli run my.dub"),
        ("motion my.dub export 0/0", "dubcli motion export 0/0 --job my.dub"),
        ("motion export my.dub 0/0", "dubcli motion export 0/0 --job my.dub"),
        ("cue import my.dub cues.csv", "dubcli cue import cues.csv --job my.dub"),
        ("explain cue/film my.dub", "dubcli explain my.dub cue/film"),
        ("shots import my.dub", "dubcli shots import FILE --job my.dub"),
        ("shots export my.dub cut.edl", "dubcli shots export my.dub -o cut.edl"),
        ("shots export cut.edl my.dub", "dubcli shots export my.dub -o cut.edl"),
        ("shots export cut.edl", "dubcli shots export -o cut.edl"),
        ("motion export my.dub 0/0 x.csv", "dubcli motion export 0/0 -o x.csv --job my.dub"),
        ("farm slurm my.dub x.sh", "dubcli farm slurm my.dub -o x.sh"),
        ("conform scans film.mkv --rate 24", "dubcli conform scans -o film.mkv --rate 24"),
        ("help cue export", "dubcli cue export --help"), ("help", "dubcli --help"),
        ("version", "dubcli --version"),
    ],
)  # fmt: skip
def test_words_in_another_order_are_told_in_the_right_one(
    words: str,
    typed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "my.dub").mkdir()
    (tmp_path / "my.dub" / "job.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert (ended.value.code, capsys.readouterr().err) == (2, f"dubcli: error: type: {typed}\n")


def test_a_text_is_not_written_over_a_film(tmp_path: Path) -> None:
    """But over an earlier one, also as a spreadsheet has saved it."""
    film, text = tmp_path / "film.mov", tmp_path / "cues.csv"
    film.write_bytes(b"\0\0\0\x14ftypqt  ")
    with pytest.raises(UsageError, match="is there, and no text"):
        out.export("x", film)
    for before in ("old", "old".encode("utf-16")):
        text.write_bytes(before if isinstance(before, bytes) else before.encode())
        out.export("new", text)
        assert text.read_text() == "new"


def test_every_error_class_has_a_code_of_the_table() -> None:
    assert {kind.exit_code for kind in DubError.__subclasses__()} <= set(MEANINGS) == set(ExitCode)


def test_readme_has_the_same_table() -> None:
    readme = (ROOT / "README.md").read_text()
    for code, meaning in MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in readme


def test_a_bug_leaves_its_traceback_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> dict[str, Path]:
        raise ValueError("not foreseen")

    monkeypatch.setattr("dubcli.settings.layers.presets", broken)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(SystemExit) as ended:
        main(["preset", "list"])
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (1, "")
    assert told.err.count("\n") == 1
    log = Path(told.err.split()[-1])
    assert "Traceback" in log.read_text()
    assert "ValueError: not foreseen" in log.read_text()


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["run", "none.mp4", "--audio", "none.wav"], 3, "there is no file none.mp4"),
        (["run", "none.mp4"], 2, "--audio FILE"),
        (["run", "film.mp4", "--audio", "none.wav"], 3, "none.wav"),
        (["run", "film.mp4", "-a", "dub.wav", "-p", "flim"], 4, "did you mean 'film'?"),
        (["run", "film.mp4", "-a", "dub.wav", "-p", "bad.yaml"], 4, "bad.yaml:2:3: unknown key 'run.wrkers'"),
        (["run", "film.mp4", "-a", "dub.wav", "--set", "run.wrkers=1"], 2, "did you mean 'run.workers'?"),
        (["run", "film.mp4", "-a", "dub.wav", "--engine", "lips=wave"], 2, "exemplar, passthrough"),
        (["run", "film.mp4", "-a", "dub.wav", "--engine", "exemplar"], 2, "KIND=NAME"),
        (["run", "film.mp4", "-a", "dub.wav", "-p", "odd.yaml"], 4, "no lips engine is called 'wave'"),
        (["run", "film.mp4", "-a", "dub.wav", "--progress", "loud"], 2, "'auto', 'bar'"),
        (["run", "film.mp4", "-a", "dub.wav", "--workers", "0"], 2, "--workers"),
        (["run", "film.mp4", "-a", "dub.wav", "--stage", "lip"], 2, "did you mean 'lips'?"),
        (["run", "film.mp4", "-a", "dub.wav", "--shots", "9-3"], 2, "FIRST-LAST"),
        (["run", "film.mp4", "-a", "dub.wav", "-o", "out.txt"], 2, "out.txt"),
        (["run", "film.mp4", "-a", "dub.wav", "-o", "film.mp4"], 2, "overwrite"),
        (["run", "film.mp4", "-a", "dub.wav", "-o", "dub.wav/out.mp4"], 2, "dub.wav is no folder"),
        (["run", "film.mp4", "-a", "dub.wav", "--preset", ""], 2, "what follows --preset is empty"),
        (["run", "film.mp4", "-a", "dub.wav", "--store="], 2, "--store is empty"),
        (["run", "", "-a", "dub.wav"], 2, "word 2 is empty"),
        (["cue", "export", "empty", "-o", "x.xlsx"], 2, "use .json or .csv, or --format"),
        (["motion", "export", "0/0", "--job", "empty", "-o", "x.srt"], 2, "use .csv or .json, or --format"),
        (["speech", "export", "empty", "-o", "x.srt"], 2, "use .TextGrid or .json, or --format"),
        (["run", "film.mp4", "-a", "dub.wav", "--store", "dub.wav"], 2, "dub.wav is no folder; name one for"),
        (
            ["run", "film.mp4", "-a", "dub.wav", "--store", "dub.wav/x"],
            2,
            "dub.wav is no folder; name one for",
        ),
        (["run", "film.mp4", "--dub", "dub.wav"], 2, "there is no option --dub; write --audio"),
        (["run", "film.mp4", "-a", "dub.wav", "--lang", "fr"], 2, "write --set remux.language=VALUE"),
        (["plan", "film.mp4", "-a", "dub.wav", "--offset=2"], 2, "write --set align.offset=VALUE"),
        (["run", "film.mp4", "dub.wav"], 2, "type: dubcli run FILM --audio dub.wav"),
        (["film.mp4", "-a", "dub.wav"], 2, "film.mp4 is no command; type: dubcli run film.mp4 -a dub.wav"),
        (["run", "film.mp4", "-a", "dub.wav", "--audio", "other.wav"], 2, "--audio stands there twice"),
        (["run", "film.mp4", "-a", "dub.wav", "--script=a.srt", "--script", "b.srt"], 2, "--script stands"),
        (["run", "film.mp4", "--audio"], 2, "requires an argument; type: dubcli run --help"),
        (["run", "empty"], 2, "empty is not a job directory"),
        (["run", "empty", "-a", "dub.wav"], 2, "--audio goes with a film"),
        (["run", "empty", "--store", "x"], 2, "empty is not a job directory"),
        (["run", "torn.dub"], 4, "job.json"),
        (["run", "film.mp4", "-a", "dub.wav", "--job", "dub.wav"], 2, "dub.wav is not a job directory"),
        (["run", "film.mp4", "-a", "dub.wav", "--job", "mail"], 2, "mail is not a job directory"),
        (["status", "dub.wav"], 2, "dub.wav is not a job directory"),
        (["status"], 4, "torn.dub/job.json"),
        (["report", "empty"], 2, "empty is not a job directory"),
        (["explain", "empty", "lips/0"], 2, "empty is not a job directory"),
        (["cache", "verify", "empty"], 2, "empty is not a job directory"),
        (["engine", "show", "exemplr"], 2, "did you mean 'exemplar'?"),
        (["preset", "check", "none.yaml"], 4, "none.yaml: No such file"),
        (["batch", "none.yaml"], 4, "none.yaml: No such file"),
        (["batch", "season.csv"], 4, "season.csv is a table"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    words: list[str],
    code: int,
    hint: str,
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process, since there are many; `main` is all that the console script calls."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", environment)
    (tmp_path / "film.mp4").write_bytes(b"no film")
    (tmp_path / "dub.wav").write_bytes(b"no sound")
    (tmp_path / "bad.yaml").write_text("run:\n  wrkers: 3\n")
    (tmp_path / "odd.yaml").write_text("lips: {engine: wave}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "letter.txt").touch()
    (tmp_path / "torn.dub").mkdir()
    (tmp_path / "torn.dub" / "job.json").write_text('{"film":')
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (code, "")
    assert told.err.startswith("dubcli: error: ")
    assert told.err.count("\n") == 1
    assert hint in told.err
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "home") == before


def test_run_ends_its_events_even_where_it_could_not_begin(dubcli: Dubcli) -> None:
    done = dubcli("run", "none.mp4", "--audio", "none.wav", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert (events[-1]["type"], events[-1]["code"]) == ("exit", 3)
    assert "none.mp4" in events[-1]["text"]


@pytest.mark.parametrize(
    "name", ["two\nlines.mp4", "\x1b[31mred.mp4", "bell\x07.mp4", os.fsdecode(b"\xff.mp4")]
)
def test_file_names_cannot_write_on_the_terminal(name: str, dubcli: Dubcli) -> None:
    done = dubcli("run", name, "--audio", "dub.wav")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert not {"\x1b", "\x07"} & set(done.stderr)


@pytest.mark.parametrize("name", ["film.mp4", "a film's.mp4", "-film.mp4", "$(film) ü.mp4"])
def test_what_to_type_can_be_typed_whatever_a_file_is_called(
    name: str, dubcli: Dubcli, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    told = dubcli("run", f"./{name}" if name.startswith("-") else name).stderr
    word, *words = shlex.split(told.partition("type: ")[2])
    assert word == "dubcli"
    assert words[:1] == ["run"]
    assert (tmp_path / words[1]).samefile(tmp_path / name)
    assert not words[1].startswith("-")


@pytest.mark.parametrize("name", [b"\xe9.mp4", b"\xe9/film.mp4"])
def test_names_that_are_no_text_are_refused_before_anything_is_written(
    name: bytes, dubcli: Dubcli, tmp_path: Path
) -> None:
    film = tmp_path / os.fsdecode(name)
    film.parent.mkdir(exist_ok=True)
    for path in (film, film.with_suffix(".wav")):
        path.touch()
    words = os.fsdecode(name), "--audio", os.fsdecode(name[:-4] + b".wav")
    for command in (
        ("run", *words),
        ("plan", *words),
        ("batch", "--glob", "**/*.mp4", "--dubs", "{stem}.wav"),
    ):
        done = dubcli(*command)
        assert done.returncode == (4 if command[0] == "batch" else 2)
        assert "is not UTF-8; rename" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.dub"))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_locale_will_do(encoding: str, dubcli: Dubcli) -> None:
    done = dubcli("run", "фильм.mp4", "--audio", "dub.wav", PYTHONIOENCODING=encoding)
    assert done.returncode == 3
    assert dubcli("run", "--help", PYTHONIOENCODING=encoding).returncode == 0


def test_printable_leaves_text_alone() -> None:
    assert printable("Größe 字 \udcff") == "Größe 字 \udcff"
    assert printable("a\tb\x1b[0m") == "a\\tb\\x1b[0m"


def test_layers_and_changed_shots_are_not_written_into_a_job(tmp_path: Path) -> None:
    """Layers were taken for retouched ones there; shots were gone with the job, which may be deleted."""
    (tmp_path / "a.dub").mkdir()
    (tmp_path / "a.dub" / "job.json").write_text('{"dub": "a.wav"}')
    for folder in ("a.dub", "a.dub/layers"):
        with pytest.raises(UsageError, match="lies in a job"):
            layers.export(tmp_path / folder, tmp_path / "a.dub")
        with pytest.raises(UsageError, match="lies in a job"):
            Delivered(changed_only=tmp_path / folder).prepared(force=False)


def test_a_terminal_that_is_closed_and_a_log_whose_disk_is_full_are_no_errors() -> None:
    """A run that outlived its terminal (disown, setsid) ended with 1 at its next line."""
    terminal, other = pty.openpty()
    os.close(terminal)
    with output._Stream(open(other, "wb"), "utf-8", line_buffering=True) as closed:
        closed.write("a line\n")
        closed.write("another\n")
    with output._Stream(open("/dev/full", "wb"), "utf-8", line_buffering=True) as full:
        with pytest.raises(OSError, match="No space left"):
            full.write("an answer\n")
        full.answers = False
        full.write("how far it is\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # closing it says what was not written


def test_a_reader_that_goes_away_is_no_error(environment: dict[str, str]) -> None:
    child = subprocess.Popen(
        [*COMMAND, "engine", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert child.stdout
    assert child.stderr
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait() == 0


def test_closed_streams_are_no_error(environment: dict[str, str]) -> None:
    shell = ["sh", "-c", '"$0" "$@" >&- 2>&-', *COMMAND]
    assert subprocess.run([*shell, "engine", "list"], env=environment, check=False).returncode == 0
    assert subprocess.run([*shell, "engine", "show", "x"], env=environment, check=False).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_below_stdout_is_told(environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "engine", "list"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.returncode == 75
    assert b"the disk is full" in done.stderr


def _on_terminal(words: list[str], environment: dict[str, str]) -> str:
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, *words], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    text = b""
    try:
        while block := os.read(leader, 65536):
            text += block
    except OSError:  # how Linux ends a terminal whose other side is closed
        pass
    os.close(leader)
    child.wait()
    return text.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_colour_is_for_terminals_that_want_it(environment: dict[str, str], dubcli: Dubcli) -> None:
    for words in (["preset", "list"], ["run", "none.mp4", "-a", "none.wav"]):
        assert "\x1b[" in _on_terminal(words, {**environment, "TERM": "xterm"})
        assert "\x1b[" not in _on_terminal(words, {**environment, "TERM": "xterm", "NO_COLOR": "1"})
        assert "\x1b[" not in _on_terminal(words, {**environment, "TERM": "dumb"})
        done = dubcli(*words)
        assert "\x1b[" not in done.stdout + done.stderr


def test_doctor_finds_what_this_environment_has(dubcli: Dubcli) -> None:
    done = dubcli("doctor", "--json")
    findings = json.loads(done.stdout)
    assert done.returncode == 0, [item for item in findings if item["state"] == "fail"]
    assert {"python", "cv2", "ffmpeg", "encoders", "tracker mediapipe", "disk"} <= {
        i["check"] for i in findings
    }
    assert all(item["remedy"] for item in findings if item["state"] != "ok")


def test_a_file_that_looks_like_an_option_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-film.mp4").touch()
    with pytest.raises(SystemExit) as ended:
        main(["run", "-film.mp4", "--audio", "dub.wav"])
    assert ended.value.code == ExitCode.USAGE
    assert "write ./-film.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "shots import cut.edl", "shots export -o cut.edl", "shots show", "cue import cues.csv", "cue export",
        "layers import folder", "motion import 00000000.0 curves.csv", "motion export 00000000.0",
        "style lend clip.mp4", "cast show", "speech export",
    ],
)  # fmt: skip
def test_a_job_is_named_behind_what_is_taken_or_with_an_option(dubcli: Dubcli, words: str) -> None:
    for named in (["nowhere.dub"], ["--job", "nowhere.dub"]):
        answer = dubcli(*words.split(), *named)
        assert answer.returncode == 2
        assert "nowhere.dub is not a job directory" in answer.stderr
    answer = dubcli(*words.split(), "one.dub", "--job", "two.dub")
    assert (answer.returncode, "name the job once" in answer.stderr) == (2, True), answer.stderr
