"""Review: proofs of a stretch, decisions shot by shot, takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.core.job import Job
from tests.e2e.conftest import SHOT, Answer, Dubcli, listed


def ran(events: str) -> list[str]:
    """Units that a run did, from its events; the text may begin or end inside a line."""
    rows = [json.loads(line) for line in events.splitlines() if line.startswith("{") and line.endswith("}")]
    return [f"{row['stage']}/{row['unit']}" for row in rows if row["type"] == "unit.done"]


def refused(dubcli: Dubcli, job: Path) -> tuple[Answer, str]:
    """A run that ends with an error, and the one command that its message says to type."""
    answer = dubcli("run", job, "-q")
    (advice,) = re.findall(r"type: dubcli (.*)", answer.err)
    return answer, advice


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
        (
            ["--from", "0:01", "--to", "0:00"],
            "--from 0:01 (frame 24) is not before --to 0:00 (frame 0); exchange them",
        ),
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
    cast = job / "cast.yaml"
    cast.write_text("persons:\n  p01: {consent: {state: refused}}\n", "utf-8")
    assert "p01: it was refused" in dubcli("review", job, "compare", "0").err
    cast.unlink()

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
        (
            f'shots:\n  "{SHOT}": {{state: approved, take: 5}}\n',
            f"takes, not 5; type: dubcli review {job} takes {SHOT}",
        ),
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
    assert f"review {job} reopen 00000000" in answer.err
    assert film.read_bytes() == before
    assert dubcli("run", job, "-q", "--set", "motion.amplitude=1").code == 0  # made again as it was
    assert film.read_bytes() == before


def test_a_shot_that_was_approved_and_merged_is_reopened_by_what_the_message_says(
    dubcli: Dubcli, job: Path
) -> None:
    assert dubcli("review", job, "approve", "0").code == 0
    (job / "shots.yaml").write_text("merge: [58]\n", "utf-8")
    answer, advice = refused(dubcli, job)
    assert (answer.code, advice) == (4, f"review {job} reopen {SHOT}")
    assert dubcli(*advice.split()).code == 0
    assert dubcli("plan", job).code == 0  # nothing stands in the way of a run


def test_words_of_review_that_mean_nothing_are_refused(dubcli: Dubcli, job: Path) -> None:
    for words, message in (
        (["approve", "7"], "there is no shot 00000007; the nearest is 00000000"),
        (["approve", "first"], "'first' is no shot"),
        (["approve", "0", "--take", "9"], "has 1 takes, not 9"),
        (["reject", "0", "--set", "cue.gap=1"], "no setting that a shot can have"),
        (["reject", "0", "--set", "lips.engine=nope"], "no lips engine"),
        (["note", "0", 3000 * "x"], "note: must have at most 2000 characters"),
    ):
        answer = dubcli("review", job, *words)
        assert answer.code in (2, 4)
        assert message in answer.err
    assert not (job / "decisions.yaml").exists()


def test_an_empty_note_deletes_a_note(dubcli: Dubcli, job: Path) -> None:
    for words in (["note", "0", ""], ["approve", "0", "--note", ""], ["approve", "0", "--note="]):
        assert dubcli("review", job, "note", "0", "too wide").code == 0
        answer = dubcli("review", job, *words)
        assert (answer.code, listed(dubcli, job)["note"]) == (0, ""), answer.err
    assert dubcli("review", "", "note", "0", "x").code == 2  # a shell's variable that is not set


def test_a_job_that_is_not_there_is_named(dubcli: Dubcli) -> None:
    answer = dubcli("review", "nowhere.dub", "list")
    assert (answer.code, "nowhere.dub is not a job directory" in answer.err) == (2, True), answer.err


def test_a_shot_that_no_film_shows_yet_is_not_approved_by_chance(dubcli: Dubcli, job: Path) -> None:
    """Its take would be the film's own picture: whoever liked its proof would keep it from being dubbed."""
    assert dubcli("review", job, "approve", "58").code == 0  # the film shows it, unchanged
    assert dubcli("review", job, "reopen", "58").code == 0
    for name in ("takes.tsv", "report.json", "report.html"):  # as after a proof alone
        (job / name).unlink()
    answer = dubcli("review", job, "approve", "0")
    assert (answer.code, "no finished film shows shot 00000000 yet" in answer.err) == (2, True)
    assert not (job / "decisions.yaml").read_bytes()
    (job / "decisions.yaml").write_text(f'shots:\n  "{SHOT}": {{state: approved}}\n', "utf-8")
    answer = dubcli("plan", job)
    told = "decisions.yaml:2:3: shot 00000000 is approved, and no film shows it yet"
    assert (answer.code, told in answer.err) == (4, True)
    assert dubcli("review", job, "approve", "0", "--take", "0").code == 0


def test_a_shot_that_a_person_rejected_by_hand_is_not_called_new(dubcli: Dubcli, job: Path) -> None:
    (job / "decisions.yaml").write_text(f'shots:\n  "{SHOT}": {{state: rejected}}\n', "utf-8")
    assert (listed(dubcli, job)["state"], listed(dubcli, job)["new"]) == ("rejected", False)


def test_an_approved_shot_stays_where_its_faces_are_no_longer_found_or_asked_to_speak(
    dubcli: Dubcli, job: Path
) -> None:
    film = job.parent / "film.dub_fr.mp4"
    first = film.read_bytes()
    assert dubcli("review", job, "approve", "0").code == 0
    (job / "cues.json").write_text(json.dumps({"shots": [SHOT], "cues": []}), "utf-8")
    answer = dubcli("run", job, "-q", "--set", "report.measure=36")  # nobody has a cue any more
    assert answer.code == 0, answer.err
    (job / "cues.json").unlink()
    assert dubcli("run", job, "-q", "--set", "track.min_size=5000").code == 0
    assert dubcli("cache", "prune", job).code == 0
    assert dubcli("run", job, "-q", "--redo", "track").code == 0
    assert film.read_bytes() == first
    report = json.loads((job / "report.json").read_text("utf-8"))
    assert report["changed"] == report["shots"][0]["faces"][0]["changed"] != []


def test_an_approved_shot_stays_where_the_store_was_moved(dubcli: Dubcli, job: Path) -> None:
    film = (job.parent / "film.dub_fr.mp4").read_bytes()
    assert dubcli("review", job, "approve", "0").code == 0
    (job / "store").rename(job.parent / "elsewhere")
    other = ["--store", job.parent / "elsewhere", "--set", "motion.amplitude=2"]
    assert dubcli("run", job, "-q", *other).code == 0
    assert (job.parent / "film.dub_fr.mp4").read_bytes() == film
    assert dubcli("run", job, "-q").code == 0  # the job has kept it
    assert not (job / "store").exists()


def test_what_the_gate_gave_back_is_a_take_and_the_film_shows_its_own_picture(
    dubcli: Dubcli, job: Path
) -> None:
    film, limits = job.parent / "film.dub_fr.mp4", ["--set", "report.measure=36"]
    own = (job.parent / "film.mp4").read_bytes()
    (job / "takes.tsv").unlink()  # as if no film had shown the mouth
    limits += ["--set", "quality.sharpness=[9.0, 8.0]", "--set", "quality.gate=source"]
    assert dubcli("run", job, "-q", *limits).code == 0
    assert json.loads((job / "report.json").read_text("utf-8"))["changed"] == []
    row = listed(dubcli, job)
    assert (row["take"], row["takes"], row["verdict"]) == (0, 1, "redo")
    given_back = film.read_bytes()
    assert dubcli("review", job, "approve", "0").code == 0  # what is seen: the film's own picture
    assert dubcli("run", job, "-q").code == 0
    assert film.read_bytes() == given_back
    assert dubcli("review", job, "approve", "0", "--take", "1").code == 0
    assert dubcli("run", job, "-q").code == 0
    assert json.loads((job / "report.json").read_text("utf-8"))["changed"] != []
    assert (job.parent / "film.mp4").read_bytes() == own


def test_who_forbids_their_mouth_comes_before_an_approval_and_what_to_type_is_right(
    dubcli: Dubcli, job: Path
) -> None:
    assert dubcli("review", job, "approve", "0").code == 0
    (job / "cast.yaml").write_text("persons:\n  p01: {name: Anna, consent: {state: refused}}\n", "utf-8")
    answer, advice = refused(dubcli, job)
    assert (answer.code, "p01 Anna (cast.yaml says: consent refused)" in answer.err) == (4, True), answer.err
    assert dubcli(*advice.split()).code == 0
    assert dubcli("run", job, "-q").code == 0
    assert json.loads((job / "report.json").read_text("utf-8"))["changed"] == []
