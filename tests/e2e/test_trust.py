"""A finished job in a supervisor's hands: reviewed shot by shot, proofed, signed, verified and purged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dubcli.cli.main import main
from dubcli.core.job import Job
from dubcli.media import marks
from tests import certificates
from tests.conftest import Sample

SHOT = "00000000"
FAST = ["--set", "report.measure=0", "--set", "track.views=1"]


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


Dubcli = Callable[..., Answer]


@pytest.fixture
def dubcli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dubcli:
    """Run `dubcli WORDS...` in this process, without the developer's own settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def run(*words: object) -> Answer:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        caught = capfd.readouterr()
        return Answer(int(end.value.code or 0), caught.out, caught.err)

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: Sample) -> Path:
    """A folder with the tiny film dubbed after a proof of its beginning, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(tiny.film, folder / "film.mp4")
    shutil.copy(tiny.dub, folder / "dub_fr.wav")
    words = ["run", str(folder / "film.mp4"), "--audio", str(folder / "dub_fr.wav"), "-q", *FAST]
    for proof in (["--from", "8", "--to", "0:01.334"], []):
        with pytest.raises(SystemExit) as end:
            main([*words, *proof])
        assert end.value.code == 0
    return folder


@pytest.fixture
def job(finished: Path, tmp_path: Path) -> Path:
    """The job directory of a copy of the finished film."""
    shutil.copytree(finished, tmp_path / "work")
    return tmp_path / "work" / "film.dub_fr.dub"


def ran(events: str) -> list[str]:
    """Units that a run did, from its events; the text may begin or end inside a line."""
    rows = [json.loads(line) for line in events.splitlines() if line.startswith("{") and line.endswith("}")]
    return [f"{row['stage']}/{row['unit']}" for row in rows if row["type"] == "unit.done"]


def test_a_proof_shows_a_stretch_before_and_after_and_its_work_counts(job: Path) -> None:
    clip = job / "proof" / "film.dub_fr.8-32.mp4"
    with av.open(str(clip)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(str(clip)) as container:
        sounds = [stream.frames for stream in container.streams.audio]
        assert {stream.type for stream in container.streams} == {"video", "audio"}
    with av.open(str(job.parent / "film.mp4")) as container:
        film = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)][8:32]
    assert (len(pictures), pictures[0].shape, len(sounds)) == (24, (240, 640), 2)
    assert min(sounds) > 0
    free = slice(30, None)  # below the words in the corners
    before = [
        np.abs(picture[free, :320].astype(int) - own[free])
        for picture, own in zip(pictures, film, strict=True)
    ]
    after = [
        np.abs(picture[free, 320:].astype(int) - own[free])
        for picture, own in zip(pictures, film, strict=True)
    ]
    assert np.mean(before) < 2
    assert np.max(np.mean(after, axis=0)) > 2 * np.max(np.mean(before, axis=0))

    text = (job / "events.jsonl").read_text("utf-8")
    proof, _, rest = text.partition('"type": "exit"')
    assert f"lips/{SHOT}.0" in ran(proof)
    assert not [unit for unit in ran(proof) if unit.endswith("00000058") or unit.startswith("remux")]
    again = {"probe/film", "scan/film", "split/film", "align/film", "align/dub", f"track/{SHOT}"}
    assert not again & set(ran(rest))
    assert {"track/00000058", "remux/film"} <= set(ran(rest))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "0:01", "--to", "0:00"], "--from 0:01 is not before --to 0:00"),
        (["--from", "0:01"], "give both"),
        (["--from", "5000", "--to", "6000"], "--from: 5000 is not in the film, which has 76 frames"),
        (["--from", "soon", "--to", "6000"], "'soon' is no moment"),
        (["--from", "0", "--to", "9", "--stage", "lips"], "do not go with"),
        (["--from", "0", "--to", "9", "--dry-run"], "does not go with"),
    ],
)
def test_a_stretch_that_is_none_is_refused(
    dubcli: Dubcli, finished: Path, words: list[str], message: str
) -> None:
    answer = dubcli("run", finished / "film.dub_fr.dub", "-q", *words)
    assert (answer.code, message in answer.err) == (2, True), answer.err


def listed(dubcli: Dubcli, job: Path) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(dubcli("review", job, "list", "--json").out)["shots"]
    assert [row["shot"] for row in rows] == [SHOT]
    return rows[0]


def test_a_rejected_shot_runs_again_alone_and_an_approved_take_comes_back_bit_for_bit(
    dubcli: Dubcli, job: Path
) -> None:
    film = job.parent / "film.dub_fr.mp4"
    first = film.read_bytes()
    assert listed(dubcli, job) | {"take": 1, "takes": 1, "state": "open"} == listed(dubcli, job)

    assert (
        dubcli("review", job, "reject", "0", "--set", "motion.amplitude=0.5", "--note", "too wide").code == 0
    )
    assert "too wide" in (job / "report.html").read_text("utf-8")  # at once, not by the next run alone
    again = dubcli("run", job, "--json")
    assert (again.code, ran(again.out)) == (0, [
        f"motion/{SHOT}.0", f"lips/{SHOT}.0", f"compose/{SHOT}", "remux/film", "report/film",
    ])  # fmt: skip
    assert film.read_bytes() != first
    row = listed(dubcli, job)
    assert (row["take"], row["takes"], row["decided"], row["new"], row["note"]) == (2, 2, 1, True, "too wide")
    told = dubcli("review", job, "takes", "0").out
    assert "motion.amplitude 1.0 -> 0.5" in told
    assert dubcli("cache", "prune", job).code == 0  # which keeps the takes of a shot under review
    clip = Path(dubcli("review", job, "compare", "0").out.strip())
    with av.open(str(clip)) as box:
        pictures = [frame.to_ndarray(format="gray").astype(int) for frame in box.decode(video=0)]
    third = pictures[0].shape[1] // 3
    unlike = [
        max(float(np.abs(one[:, a : a + third] - one[:, b : b + third]).max()) for one in pictures)
        for a, b in ((0, third), (0, 2 * third), (third, 2 * third))
    ]
    assert min(unlike) > 30  # the film's own picture, take 1 and take 2
    assert dubcli("review", job, "compare", "0", "--take", "7").code == 2

    assert dubcli("review", job, "approve", "0", "--take", "1").code == 0
    other = ["--set", "motion.amplitude=2", "--set", "lips.engine=passthrough", "--redo", "lips"]
    later = dubcli("run", job, "--json", *other)
    assert later.code == 0
    assert not [unit for unit in ran(later.out) if unit.startswith(("motion", "lips"))]
    assert film.read_bytes() == first

    assert dubcli("review", job, "reopen", "0").code == 0
    assert "too wide" in (job / "decisions.yaml").read_text("utf-8")
    units = json.loads(dubcli("plan", job, "--json").out)["units"]
    assert [unit["state"] for unit in units if unit["stage"] == "motion"] == ["run"]


def test_decisions_that_cannot_be_carried_out_end_with_4_and_touch_nothing(dubcli: Dubcli, job: Path) -> None:
    film, path = job.parent / "film.dub_fr.mp4", job / "decisions.yaml"
    before = film.read_bytes()
    for text, message in (
        ('shots:\n  "00000007": {state: approved}\n', "decisions.yaml:2:3: there is no shot 00000007"),
        (f'shots:\n  "{SHOT}": {{state: approved, take: 5}}\n', "decisions.yaml:2:"),
        (f'shots:\n  "{SHOT}": {{settings: {{lips.engine: nope}}}}\n', "no lips engine is called 'nope'"),
    ):
        path.write_text(text, "utf-8")
        answer = dubcli("run", job, "-q")
        assert (answer.code, message in answer.err) == (4, True), answer.err
    path.write_text(f'shots:\n  "{SHOT}": {{state: approved}}\n', "utf-8")
    opened = Job.open(job)
    opened.store.remove(opened.ref(f"lips/{SHOT}.0") or "")
    answer = dubcli("run", job, "-q", "--set", "motion.amplitude=2")
    assert answer.code == 4
    assert "review reopen 00000000" in answer.err
    assert film.read_bytes() == before
    assert dubcli("run", job, "-q", "--set", "motion.amplitude=1").code == 0  # made again as it was
    assert film.read_bytes() == before


def test_words_of_review_that_mean_nothing_are_refused(dubcli: Dubcli, job: Path) -> None:
    for words, message in (
        (["approve", "7"], "there is no shot 00000007; the nearest is 00000000"),
        (["approve", "first"], "'first' is no shot"),
        (["approve", "0", "--take", "9"], "has 1 takes, not 9"),
        (["reject", "0", "--set", "cue.gap=1"], "no setting that a shot can have"),
        (["reject", "0", "--set", "lips.engine=nope"], "no lips engine"),
    ):
        answer = dubcli("review", job, *words)
        assert answer.code in (2, 4)
        assert message in answer.err
    assert not (job / "decisions.yaml").exists()


def store_bytes(job: Path) -> dict[str, bytes]:
    """Every artifact's files; manifests of artifacts too."""
    return {str(path): path.read_bytes() for path in (job / "store").rglob("*") if path.is_file()}


def kinds(dubcli: Dubcli, *words: object) -> tuple[int, set[str]]:
    """What `verify` ends with, and the kinds of its statements."""
    answer = dubcli("verify", *words, "--json")
    return answer.code, {row["kind"] for row in json.loads(answer.out)["statements"]}


def test_a_film_is_signed_when_it_is_published_and_a_change_is_found(
    dubcli: Dubcli, job: Path, tmp_path: Path
) -> None:
    film = job.parent / "film.dub_fr.mp4"
    assert marks.read(film) == marks.COMPOSITE
    assert marks.read(job.parent / "film.mp4") == ""
    assert film.with_suffix(".c2pa").is_file()
    assert kinds(dubcli, film, "--job", job) == (0, {"proven", "not proven", "claimed"})
    store, unsigned = store_bytes(job), film.read_bytes()

    files = certificates.issue(tmp_path / "authority")
    assert dubcli("run", job, "-q", *files.settings).code == 0
    assert store_bytes(job) == store
    assert not film.with_suffix(".c2pa").exists()
    signed = film.read_bytes()
    assert signed != unsigned
    told = dubcli("verify", film, "--job", job, "--trust", files.authority).out
    assert "Post of a test (Test Ltd) signed it" in told
    assert "the frames that the manifest names are those that the job changed" in told
    assert dubcli("run", job, "-q", *files.settings).code == 0
    assert film.read_bytes() == signed  # nothing is signed twice
    assert str(files.key) not in (job / "job.json").read_text("utf-8")

    report = json.loads((job / "report.json").read_text("utf-8"))
    claim = json.loads(dubcli("verify", film, "--json").out)["manifest"]["claim"]
    assert claim["changed"] == report["changed"] != []

    data = bytearray(signed)
    data[data.find(b"mdat") + 9000] ^= 1
    film.write_bytes(data)
    assert kinds(dubcli, film, "--job", job) == (8, {"wrong", "claimed"})
    film.write_bytes(job.parent.joinpath("film.mp4").read_bytes())
    assert kinds(dubcli, film) == (8, {"not proven"})
    assert dubcli("verify", job / "job.json").code == 3


def test_take_0_is_the_films_own_picture_and_an_older_manifest_names_other_frames(
    dubcli: Dubcli, job: Path
) -> None:
    film = job.parent / "film.dub_fr.mp4"
    assert dubcli("review", job, "approve", "0", "--take", "0").code == 0  # and not run: other frames now
    answer = dubcli("verify", film, "--job", job)
    assert answer.code == 0
    assert "it is not finished, or was purged" in answer.out
    copy = job.parent / "copy.mp4"
    shutil.copy(film, copy)
    shutil.copy(film.with_suffix(".c2pa"), copy.with_suffix(".c2pa"))
    assert dubcli("run", job, "-q").code == 0
    assert json.loads((job / "report.json").read_text("utf-8"))["changed"] == []
    assert marks.read(film) == ""
    assert (listed(dubcli, job)["take"], listed(dubcli, job)["state"]) == (0, "approved")
    answer = dubcli("verify", copy, "--job", job)
    assert answer.code == 8
    assert "not those that the job changed" in answer.out


def test_what_cannot_sign_ends_a_run_before_it_begins(dubcli: Dubcli, job: Path, tmp_path: Path) -> None:
    film, before = job.parent / "film.dub_fr.mp4", (job.parent / "film.dub_fr.mp4").read_bytes()
    old = certificates.issue(tmp_path / "old", first=-9, last=-1)
    for words, message in (
        (old.settings, "expired on"),
        (old.settings[2:], "provenance.key is set and provenance.certificate is not"),
        ([*old.settings[:2], "--set", f"provenance.key={tmp_path}/none"], "cannot read"),
    ):
        answer = dubcli("run", job, "-q", *words)
        assert (answer.code, message in answer.err) == (4, True), answer.err
    (job.parent / "dubcli.toml").write_text(f'[provenance]\nkey = "{old.key}"\n', "utf-8")
    answer = dubcli("run", job.parent / "film.mp4", "--audio", job.parent / "dub_fr.wav", "-q")
    assert (answer.code, "not allowed here" in answer.err) == (4, True)  # a folder of films signs nothing
    assert film.read_bytes() == before


def test_matroska_is_marked_by_a_tag_and_has_a_sidecar(dubcli: Dubcli, job: Path, tmp_path: Path) -> None:
    folder, files = job.parent, certificates.issue(tmp_path / "authority")
    sources = [folder / "film.mp4", "--audio", folder / "dub_fr.wav", "-o", folder / "other.mkv"]
    assert dubcli("run", *sources, "--store", job / "store", "-q", *FAST, *files.settings).code == 0
    with av.open(str(folder / "other.mkv")) as container:
        assert container.metadata["DIGITAL_SOURCE_TYPE"] == marks.COMPOSITE
    assert (folder / "other.c2pa").is_file()
    answer = dubcli("verify", folder / "other.mkv", "--job", folder / "other.dub", "--trust", files.authority)
    assert (answer.code, "signed it, by an authority that you trust" in answer.out) == (0, True)


def test_a_purged_job_holds_nothing_of_people_and_still_verifies_its_film(dubcli: Dubcli, job: Path) -> None:
    answer = dubcli("purge", job, "--json")
    left = json.loads(answer.out)["left"]
    stages = {row["place"].rpartition(": ")[2] for row in left if ": " in row["place"]}
    assert (answer.code, stages) == (0, {"probe", "scan", "split"})
    names = {path.name for path in job.rglob("*") if path.is_file()}
    assert not [name for name in names if name.endswith((".html", ".png", ".nut", ".safetensors"))]
    answer = dubcli("verify", job.parent / "film.dub_fr.mp4", "--job", job)
    assert answer.code == 0
    assert "byte for byte, a film that" in answer.out
    assert "was purged" in answer.out
