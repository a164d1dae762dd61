"""Errors of any command: one line that says what to do, the right code, and nothing on stdout."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dubcli.cli import failures, layers
from dubcli.cli.delivered import Delivered
from dubcli.cli.main import main
from dubcli.errors import MEANINGS, DubError, ExitCode, StoppedError, UsageError
from tests.cli.conftest import Dubcli, Refused

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
        (["cue", "export", "empty", "-o", "x.xlsx"], 2, "use .json or .csv, or --format"),
        (["motion", "export", "0/0", "--job", "empty", "-o", "x.srt"], 2, "use .csv or .json, or --format"),
        (["speech", "export", "empty", "-o", "x.srt"], 2, "use .TextGrid or .json, or --format"),
        (["plan", "film.mp4", "-a", "dub.wav", "--offset=2"], 2, "write --set align.offset=VALUE"),
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
    words: list[str], code: int, hint: str, refused: Refused
) -> None:
    ended, told = refused(words)
    assert ended == code
    assert hint in told


def test_layers_and_changed_shots_are_not_written_into_a_job(tmp_path: Path) -> None:
    """Layers were taken for retouched ones there; shots were gone with the job, which may be deleted."""
    (tmp_path / "a.dub").mkdir()
    (tmp_path / "a.dub" / "job.json").write_text('{"dub": "a.wav"}')
    for folder in ("a.dub", "a.dub/layers"):
        with pytest.raises(UsageError, match="lies in a job"):
            layers.export(tmp_path / folder, tmp_path / "a.dub")
        with pytest.raises(UsageError, match="lies in a job"):
            Delivered(changed_only=tmp_path / folder).prepared(force=False)


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
