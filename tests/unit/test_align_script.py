"""A dub whose words are known: mouths close at p, b and m of the script where the audio supports it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import dubcli.demo
from dubcli.artifacts import speech as record
from dubcli.artifacts.phones import INDEX
from dubcli.artifacts.speech import Phone
from dubcli.core.model import Task
from dubcli.engines.aligners import forced
from dubcli.engines.aligners import script as aligner
from dubcli.engines.aligners.base import AlignmentContext
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.engines.aligners.script import Scores
from dubcli.errors import ConfigError
from dubcli.media.sound import audio
from dubcli.speech import espeak, script, textgrid, visemes
from dubcli.speech.alignment import Alignment
from dubcli.speech.features import levelled
from dubcli.speech.lines import Line, Script
from dubcli.stages import align
from tests.unit.test_align import write

DEMO = Path(dubcli.demo.__file__).parent
SLACK_S = 0.04


@pytest.fixture(scope="module")
def english() -> tuple[Alignment, Scores]:
    return aligned("en")


def aligned(language: str) -> tuple[Alignment, Scores]:
    sound = levelled(audio(DEMO / f"speech_{language}.flac")[0])
    scores = Scores(len(sound) // 160)
    return PhoneAligner().align(sound, keep=scores.keep), scores


def truth(language: str) -> tuple[Script, list[tuple[float, float]]]:
    """What the synthetic voice was warnings to say, with times as rough as a subtitle's, and its closures."""
    said = json.loads((DEMO / f"speech_{language}.json").read_text())
    lines = [Line(row["text"], row["start"] + 0.3, row["end"] - 0.2, "ANNA") for row in said["lines"]]
    return Script(tuple(lines)), [(a, b) for phone, a, b in said["phones"] if phone in {"p", "b", "m"}]


def untimed(found: Script) -> Script:
    return Script(tuple(Line(line.text) for line in found.lines))


def closures(alignment: Alignment) -> list[tuple[float, float]]:
    return [(p.start, p.end) for p in alignment.record.phones if p.phone in {"P", "B", "M"}]


def met(some: list[tuple[float, float]], others: list[tuple[float, float]]) -> float:
    return sum(any(a < d + SLACK_S and c - SLACK_S < b for c, d in others) for a, b in some) / len(some)


@pytest.mark.parametrize("timed", [True, False])
def test_closures_of_the_script_are_found_where_they_sound(
    english: tuple[Alignment, Scores], timed: bool
) -> None:
    found, real = truth("en")
    alignment = aligner.follow(found if timed else untimed(found), *english, AlignmentContext(), "script")
    assert met(real, closures(alignment)) > 0.9
    assert met(closures(alignment), real) > 0.9
    rows = alignment.viseme[:, INDEX["PP"]]
    frames = rows[(np.arange(0, 14, 1 / 24) * 100).astype(int)]  # as a film samples them
    near = [frames[int((a - SLACK_S) * 24) : int((b + SLACK_S) * 24) + 2].max() for a, b in real]
    assert np.mean(np.array(near) > 0.99) > 0.9
    assert (alignment.record.engine, alignment.record.language) == ("script", "en")


@pytest.mark.parametrize("begin", [1.0, 1.01, 1.02, 1.03])
@pytest.mark.parametrize(("phone", "viseme"), [("B", "PP"), ("V", "FF"), ("W", "ou")])
def test_the_shortest_lip_contact_is_seen_in_a_frame_of_film(begin: float, phone: str, viseme: str) -> None:
    said = (Phone(phone=phone, start=begin, end=begin + 0.02),)
    rows = aligner._with_contacts(visemes.from_phones(said, 200), said)
    assert rows[::4, INDEX[viseme]].max() == 1
    assert np.allclose(rows.sum(1), 1, atol=1e-4)


def test_words_have_a_speaker_and_a_score(english: tuple[Alignment, Scores]) -> None:
    alignment = aligner.follow(truth("en")[0], *english, AlignmentContext(), "script")
    words = alignment.record.words
    assert [w.text for w in words[:2]] == ["Hello.", "This"]
    assert {w.speaker for w in words} == {"ANNA"}
    assert all(0.3 < w.score <= 1 for w in words)


def test_another_language_is_aligned_with_espeak() -> None:
    if not espeak.available():
        pytest.skip("eSpeak NG is not installed: pip install 'dubcli[script]'")
    found, real = truth("fr")
    alignment = aligner.follow(untimed(found), *aligned("fr"), AlignmentContext(language="fr"), "script")
    assert met(real, closures(alignment)) > 0.9


@pytest.mark.parametrize("timed", [True, False])
def test_a_script_of_another_dub_is_warned_of_and_not_used(
    english: tuple[Alignment, Scores], timed: bool
) -> None:
    text = (
        "Four score and seven years ago our fathers brought forth. ",
        "It was the best of times, it was the worst of times, it was wise. ",
        "Call me Ishmael, some years ago never mind.",
        "All happy families are alike, each unhappy one is unhappy alone.",
    )
    lines = [Line(t, r.start, r.end) for t, r in zip(text, truth("en")[0].lines, strict=True)]
    other, warnings = Script(tuple(lines)), list[str]()
    alignment = aligner.follow(
        other if timed else untimed(other), *english, AlignmentContext(warn=warnings.append), "script"
    )
    assert alignment is english[0]
    assert "does not match the dub" in warnings[0]


def test_one_wrong_line_is_warned_of_and_the_others_are_used(english: tuple[Alignment, Scores]) -> None:
    found, warnings = truth("en")[0], list[str]()
    wrong = Line("Nobody sees which fog whirls through Chicago, say they", 7.2, 9.0, place="a.srt:9:1")
    lines = (*found.lines[:2], wrong, found.lines[3])
    alignment = aligner.follow(Script(lines), *english, AlignmentContext(warn=warnings.append), "script")
    assert "a.srt:9:1: 9 of " in warnings[0]
    assert not any(7 < w.start < 9.2 for w in alignment.record.words)
    assert any(7 < p.start < 9.2 for p in alignment.record.phones)  # from the free phone loop
    assert alignment.record.words[-1].end > 12


def test_timed_phones_of_a_script_keep_their_times(english: tuple[Alignment, Scores], tmp_path: Path) -> None:
    first = aligner.follow(truth("en")[0], *english, AlignmentContext(), "script").record
    (tmp_path / "a.TextGrid").write_text(textgrid.dump(first))
    again = aligner.follow(
        script.load(tmp_path / "a.TextGrid"), *english, AlignmentContext(), "script"
    ).record
    assert [(p.phone, p.start) for p in again.phones] == [(p.phone, p.start) for p in first.phones]


@pytest.mark.parametrize("hour", [1, 10])
def test_times_of_a_programme_are_counted_from_its_hour(english: tuple[Alignment, Scores], hour: int) -> None:
    found, _ = truth("en")
    later = [
        Line(line.text, (line.start or 0) + 3600 * hour, (line.end or 0) + 3600 * hour, line.speaker)
        for line in found.lines
    ]
    warnings: list[str] = []
    context = AlignmentContext(warn=warnings.append)
    alignment = aligner.follow(Script(tuple(later)), *english, context, "script")
    assert closures(alignment) == closures(aligner.follow(found, *english, AlignmentContext(), "script"))
    assert [f"after hour {hour}" in line for line in warnings] == [True]


def test_times_after_the_end_of_the_dub(english: tuple[Alignment, Scores]) -> None:
    late, warnings = Line("Hello again.", 75.2, 76, place="a.srt:2:1"), list[str]()
    with pytest.raises(ConfigError, match=r"a\.srt:2:1: the script begins at 75\.2 s"):
        aligner.follow(Script((late,)), *english, AlignmentContext(), "script")
    alignment = aligner.follow(
        Script((*truth("en")[0].lines, late)), *english, AlignmentContext(warn=warnings.append), "script"
    )
    assert "): 1 line left out" in warnings[0]
    assert len(alignment.record.words) > 30


@pytest.mark.parametrize(
    ("text", "language", "why"),
    [
        ("Voici une fusée", "", "its language is not known"),
        ("Voici une fusée", "xx", "does not know the language 'xx'|eSpeak NG is not installed"),
        ("日本 日本", "ja", "the pronunciation of '日' in 'ja'|eSpeak NG is not installed"),
    ],
)
def test_what_cannot_be_pronounced_is_warned_of(
    english: tuple[Alignment, Scores], text: str, language: str, why: str
) -> None:
    warnings: list[str] = []
    alignment = aligner.follow(
        Script((Line(text),)), *english, AlignmentContext(language=language, warn=warnings.append), "script"
    )
    assert alignment is english[0]

    assert re.search(why, warnings[0])


def test_the_stage_aligns_a_script_and_counts_samples(tmp_path: Path) -> None:
    sound, _ = audio(DEMO / "speech_en.flac")
    (tmp_path / "a.srt").write_text("1\n00:00:00,700 --> 00:00:02,500\nHello. This is a sample film.\n")
    (tmp_path / "out").mkdir()
    inputs = {"audio": write(tmp_path / "dub.wav", sound[: 16000 * 3]), "script": tmp_path / "a.srt"}
    task = Task(
        "dub", inputs, {}, {"language": "en", "script": ".srt", "offset": 0.0}, "script", tmp_path / "out"
    )
    align.run(task)
    align.check(task)
    found = record.Record.load(tmp_path / "out")
    assert len(found.words) == 6
    assert found.words[0].samples == (round(found.words[0].start * 16000), round(found.words[0].end * 16000))
    assert [m.viseme for m in found.visemes].count("PP") == 3  # m and p of "sample", m of "film"


def test_a_stem_is_aligned_to_the_lines_of_its_speaker_only(tmp_path: Path) -> None:
    sound = levelled(audio(DEMO / "speech_en.flac")[0])[: 16000 * 3]
    (tmp_path / "a.txt").write_text("BEN: Ask me for my name.\nAnna: Hello. This is a sample film.\n")

    def words(speaker: str) -> list[str]:
        context = AlignmentContext(script=tmp_path / "a.txt", speaker=speaker)
        return [word.text for word in aligner.ScriptAligner().align(sound, context=context).record.words]

    assert words("anna") == []  # plain text names people in capitals only
    (tmp_path / "a.txt").write_text("BEN: Ask me for my name.\nANNA: Hello. This is a sample film.\n")
    assert words("Anna") == ["Hello.", "This", "is", "a", "sample", "film."]
    assert words("p07") == []


def test_long_chains_are_searched_within_a_beam() -> None:

    count = 4 * forced._BEAM
    scores = np.full((3 * count, 2, 3), -9.0, np.float32)
    chain = [k % 2 for k in range(count)]
    for k, phone in enumerate(chain):
        scores[3 * k : 3 * k + 3, phone] = 0
    path = forced.align(scores, chain, [False] * count)
    assert path is not None
    assert path[0] == (0, 0, 3)
    assert path[-1] == (count - 1, 3 * count - 3, 3 * count)


def test_bounds_are_kept() -> None:

    scores = np.zeros((60, 3, 3), np.float32)
    path = forced.align(
        scores,
        [2, 0, 2, 1, 2],
        [True, False, True, False, True],
        [(0, 15), (5, 15), (5, 50), (40, 50), (40, 60)],
    )
    assert path is not None
    where = {index: (a, b) for index, a, b in path}
    assert where[1][0] >= 5
    assert where[1][1] <= 15
    assert where[3][0] >= 40
    assert where[3][1] <= 50
    assert forced.align(scores, [0, 1], [False, False], [(0, 2), (40, 60)]) is None
