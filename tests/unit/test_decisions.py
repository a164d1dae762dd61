"""`decisions.yaml`: written without losing what a person wrote; mistakes are named with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dubcli.artifacts.shots import Shot
from dubcli.core import takelist
from dubcli.edits import decisions
from dubcli.edits.decisions import Decision, Decisions
from dubcli.errors import ConfigError
from dubcli.settings.config import Settings
from dubcli.settings.document import parse_yaml

SHOTS = ["00000000", "00000120", "00000361"]
FILM = {name: Shot(name=name, start=int(name), stop=int(name) + 120, picture="") for name in SHOTS}
HAND = """\
# for Tuesday
shots:
  "00000000":   # the long one
    state: approved
    note: |
      two
      lines
  # the next is hard
  "00000120": {state: rejected, settings: {motion.amplitude: 0.8}}  # again
"""

LINES = """\
shots:
  "00000000": {note: one}
  "00000120":
    state: approved
    note: |
      two
      lines

  "00000361":
    note: >-
      of
      several
"""


def read(text: str) -> dict[str, Decision]:
    return parse_yaml(text, "decisions.yaml").model(Decisions).shots


def test_shots_need_no_quotes_and_notes_are_text() -> None:
    text = 'shots: {00000120: {note: 2026-05-02}, 00000009: {note: no}, "00000200": }'
    assert {shot: one.note for shot, one in read(text).items()} == {
        "00000120": "2026-05-02",
        "00000009": "no",
    }
    changed = decisions.changed(text, {"00000361": Decision(take=1)})
    assert read(changed) == read(text) | {"00000361": Decision(take=1)}


one = st.builds(
    Decision,
    state=st.sampled_from(["open", "approved", "rejected"]),
    take=st.none() | st.integers(0, 9),
    note=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20),
    settings=st.sampled_from([{}, {"motion.amplitude": 0.5}, {"lips.engine": "passthrough"}]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(SHOTS), one), max_size=6),
    st.sampled_from(["", HAND, LINES, "shots: {}\n"]),
)
def test_what_was_decided_last_is_what_is_read(changes: list[tuple[str, Decision]], text: str) -> None:
    wanted = read(text) if text else {}
    for shot, decision in changes:
        text = decisions.changed(text, {shot: decision})
        wanted[shot] = decision
    plain = {shot: decision for shot, decision in wanted.items() if decision != Decision()}
    assert {shot: one for shot, one in read(text).items() if one != Decision()} == plain


def test_comments_and_other_entries_stay_as_a_person_wrote_them() -> None:
    text = decisions.changed(HAND, {"00000120": Decision(state="approved", take=2)})
    assert text == HAND.replace(
        "{state: rejected, settings: {motion.amplitude: 0.8}}", '{"state": "approved", "take": 2}'
    )
    more = decisions.changed(text, {"00000361": Decision(note="ß")})
    assert more == text + '  "00000361": {"note": "ß"}\n'
    assert decisions.changed(more, {"00000361": Decision()}) == text


def test_what_follows_a_note_of_several_lines_keeps_lines_of_its_own() -> None:
    text = decisions.changed(LINES, {"00000120": Decision(state="rejected"), "00000361": Decision(take=1)})
    assert text.splitlines() == [
        "shots:",
        '  "00000000": {note: one}',
        '  "00000120": {"state": "rejected"}',
        "",
        '  "00000361": {"take": 1}',
    ]
    assert '{"take": 1}\n  # the next' in decisions.changed(HAND, {"00000000": Decision(take=1)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shots: {00000120: {note: late, again}}", "1:32: 'again' stands alone; text that holds a comma"),
        ('shots: {"120": {state: approved}}', "1:9: .*digits of its first frame; write 00000120"),
        ('shots: {"first": {state: approved}}', "1:9: .*digits of its first frame, such as 00000120"),
        ('shots:\n  "00000120": {state: fine}\n', "2:16: "),
        ('shots:\n  "00000120": {take: -1}\n', "2:16: "),
        ('shots:\n  "00000120": {settings: {cue.gap: 1.0}}\n', "2:16: .*'cue.gap' is no setting that a shot"),
        ('shots:\n  "00000120": {settings: {motion.amplitude: 9}}\n', "2:16: .*less than or equal to 3"),
        ('shots:\n  "00000120": {settings: {motion.amplitude: [1]}}\n', "2:16: .*one value.*: 0.8$"),
        (
            'shots:\n  "00000120": {settings: {motion: {amplitude: 1}}}\n',
            "2:16: .*motion must be one value",
        ),
        ('shots:\n  "00000120": {sate: open}\n', "2:16: .*did you mean 'state'"),
        ("shots: 3\n", "1:1: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"decisions\.yaml:{message}") as error:
        read(text)
    assert "\n" not in str(error.value)
    assert "[key]" not in str(error.value)


def test_a_long_text_is_not_repeated_whole_in_its_error() -> None:
    with pytest.raises(ConfigError, match="note: must have at most 2000 characters, not 'x") as error:
        read('shots:\n  "00000120": {note: ' + 3000 * "x" + "}\n")
    assert len(str(error.value)) < 300


def test_a_shot_that_is_gone_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_text('shots:\n  "00000130": {state: approved}\n')
    with pytest.raises(ConfigError, match=r"yaml:2:3: there is no shot 00000130; the nearest is 00000120"):
        decisions.check_shots(*decisions.load(path), FILM)
    assert decisions.load(tmp_path / "none")[1] == Decisions()


def test_what_was_approved_of_another_shot_of_the_name_is_asked_again(tmp_path: Path) -> None:
    """Shots were merged: the approval of the first, of take 0, would keep the second from being dubbed."""
    path = tmp_path / "decisions.yaml"
    for stop, fits in ((FILM["00000120"].stop, True), (FILM["00000120"].stop - 60, False)):
        path.write_text(f'shots:\n  "00000120": {{state: approved, take: 0, stop: {stop}}}\n')
        if fits:
            decisions.check_shots(*decisions.load(path), FILM)
        else:
            with pytest.raises(ConfigError, match=r"yaml:2:3: shot 00000120 was approved when"):
                decisions.check_shots(*decisions.load(path), FILM)


def test_settings_of_a_shot_take_the_place_of_the_films() -> None:
    own = Decision(settings={"motion.amplitude": 0.5}).applied(Settings())
    assert own.motion.amplitude == 0.5
    assert own.model_copy(update={"motion": Settings().motion}) == Settings()


def test_takes_are_numbered_as_they_were_first_shown_and_a_torn_line_is_no_take(tmp_path: Path) -> None:
    a, b = "a" * 64, "b" * 64
    lines = [f"00000120\tlips/00000120.0={a}", f"00000120\tlips/00000120.0={b}", "00000120"]
    lines += [f"00000120\tlips/00000120.0={a}", f"00000120\tlips/00000120.0={b[:20]}"]
    lines += [
        f"00000120\tlips/../x={b}",
        f"00000120\tlips/00000361.0={b}",
        f"00000120\tlips/00000120.0={'/' * 64}",
    ]
    (tmp_path / takelist.FILE).write_text("\n".join(lines))
    found = takelist.load(tmp_path)["00000120"]
    assert found.takes == [{}, {"lips/00000120.0": a}, {"lips/00000120.0": b}]
    assert found.current == 1
