"""Time-aligned transcripts of other programs: CTM, WhisperX JSON, TextGrids of Praat, MFA and MAUS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid as praatio

from dubcli.artifacts.speech import Phone, Record, Word
from dubcli.errors import ConfigError
from dubcli.speech import notation, script, textgrid, timed_transcripts
from dubcli.speech.lines import Script, tidy


def read(folder: Path, name: str, text: str) -> Script:
    (folder / name).write_text(text, encoding="utf-8")
    return script.load(folder / name)


def test_the_first_alternative_in_a_ctm_is_used(tmp_path: Path) -> None:
    found = read(tmp_path, "a.ctm", (
        ";; LANGUAGE en\ndub 1 0.0 0.1 so NA lex null\ndub 1 * * <ALT_BEGIN>\ndub 1 12.00 0.34 UM 0.5\n"
        "dub 1 * * <ALT>\ndub 1 12.00 0.34 UH\ndub 1 * * <ALT>\ndub 1 12.0 0.3 @\ndub 1 * * <ALT_END>\n"
        "dub\t1\t13.00\t0.20\tyes\t.\tlex\tanna\ndub 1 14 0.2 LAUGH 1.0 non-lex\n"
    ))  # fmt: skip
    assert [(line.text, line.speaker) for line in found.lines] == [
        ("so", None),
        ("UM", None),
        ("yes", "anna"),
    ]
    assert not found.faults


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("dub 1 0.5 x two", "not a CTM row"),
        ("dub 1 nan 1 two", "not a CTM row"),
        ("dub 1 0.5", "not a CTM row"),
        ("dub 1 -2 1 two", "before the beginning"),
        ("dub 1 2 -1 two", "before it starts"),
        ("dub 1 1e99 1 two", "not a CTM row"),
    ],
)
def test_only_a_bad_row_of_a_ctm_is_left_out(tmp_path: Path, row: str, why: str) -> None:
    found = read(tmp_path, "a.ctm", f"dub 1 0.1 0.2 one\n{row}\ndub 1 3 0.2 three\n")
    assert [line.text for line in found.lines] == ["one", "three"]
    assert "a.ctm:2:1: " in found.faults[0]
    assert why in found.faults[0]


SEGMENTS: list[dict[str, Any]] = [
    {"start": 0.5, "end": 1.0, "text": " One"},
    {"start": 3.0, "end": 2.0, "text": " Backwards"},
    {"start": float("nan"), "end": float("nan"), "text": " Two", "words": []},
    {"start": 4.0, "end": 6.0, "text": "a 7 b", "speaker": "S1", "words": [
        {"word": "a", "start": 4.0, "end": 4.5, "score": float("nan")}, {"word": "7"}, {"score": 1},
        {"word": "b", "start": 5.0, "end": float("nan")}, {"word": "c", "start": -1, "end": 0}, "d",
    ]},
    {"start": 7.0, "end": 8.0, "text": "Last", "words": [{"word": "Last"}]},
]  # fmt: skip


def test_only_a_bad_segment_of_whisperx_is_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, "a.json", json.dumps({"segments": SEGMENTS, "language": "pt_br"}, indent=1))
    assert [(line.text, line.start, line.end) for line in found.lines] == [
        ("One", 0.5, 1.0), ("Two", None, None), ("a", 4.0, 4.5), ("7", 4.5, 5.0), ("b", 5.0, 6.0),
        ("Last", 7.0, 8.0),
    ]  # fmt: skip
    assert found.language == "pt-BR"
    assert [fault.rpartition("a.json")[2] for fault in found.faults] == [
        ":8:1: it ends at 2 s, before it starts at 3 s; this segment is left out",
        ":19:1: word 3 is none; this word is left out",
        ":19:1: word 5, 'c': it lies before the beginning (-1 s); this word is left out",
        ":19:1: word 6 is none; this word is left out",
    ]


@pytest.mark.parametrize("language", ["klingonish", "xx", 7, None, ""])
def test_an_unknown_language_is_ignored(tmp_path: Path, language: Any) -> None:
    text = json.dumps({"segments": [{"text": "Hello"}], "language": language})
    assert read(tmp_path, "a.json", text).language == ""


JSONISH = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["segments", "start", "end", "text", "words", "word", "speaker", "language"]),
            inner,
        )
    ),
    max_leaves=25,
)


@given(JSONISH)
def test_no_json_breaks_the_reader(data: Any) -> None:
    try:
        found = tidy(
            timed_transcripts.transcript(
                json.dumps({"segments": data} if isinstance(data, list) else data), "a.json"
            )
        )
    except ConfigError as error:
        if not str(error).startswith("a.json:"):
            raise
        return
    for line in found.lines:
        line.text.encode()
        assert line.start is None or line.end is None or line.start <= line.end


@given(
    st.lists(
        st.sampled_from(
            ["dub", "1", "*", "-1", "0.5", "nan", "<ALT>", "<ALT_BEGIN>", "<ALT_END>", "é", "\n", " ", ";;"]
        )
    )
)
def test_no_text_breaks_the_reader_of_ctm(pieces: list[str]) -> None:
    for line in tidy(timed_transcripts.ctm(" ".join(pieces), "a.ctm")).lines:
        assert 0 <= (line.start or 0) <= (line.end or 0)


def grid(*tiers: tuple[str, list[tuple[float, float, str]]], short: bool = False) -> str:
    """A TextGrid as praatio saves it."""
    made = [
        {"class": "IntervalTier", "name": name, "xmin": 0, "xmax": 10, "entries": rows}
        for name, rows in tiers
    ]
    form: Any = "short_textgrid" if short else "long_textgrid"
    return str(praatio.textgrid_io.getTextgridAsStr({"xmin": 0, "xmax": 10, "tiers": made}, form, True))


MAUS = (
    ("ORT-MAU", [(0.0, 1.0, "neu"), (1.0, 2.0, "oder")]),
    ("KAN-MAU", [(0.0, 1.0, "nOY"), (1.0, 2.0, "?o:d6")]),
    ("MAU", [(0.0, 0.5, "n"), (0.5, 1.0, "OY"), (1.0, 1.2, "?"),
             (1.2, 1.5, "o:"), (1.5, 1.7, "d"), (1.7, 2.0, "6"),
             (2.0, 3.0, "<p:>"), (3.0, 3.1, "t"), (3.1, 3.2, "@"), (3.2, 3.4, "S"), (3.4, 3.6, "aI")]),
)  # fmt: skip


@pytest.mark.parametrize("short", [False, True])
def test_sampa_of_maus(tmp_path: Path, short: bool) -> None:
    found = read(tmp_path, "a.TextGrid", grid(*MAUS, short=short))
    assert [line.text for line in found.lines] == ["neu", "oder"]
    assert [sound.phone for sound in found.phones] == ["N", "OY", "OW", "D", "AH", "T", "AH", "SH", "AY"]
    assert not found.faults


@pytest.mark.parametrize(
    ("labels", "phones"),
    [
        ("AA1 B CH spn", "AA B CH"),
        ("aa1 b ch sil", "AA B CH"),
        ("ɑ b tʃ ʔ", "AA B CH"),
        ("A b tS @ ?", "AA B CH AH"),
        ("OY t @ 6", "OY T AH AH"),
        ("S Z N", "S Z NG"),  # English, as most TextGrids are, where no other label decides
        ("S Z T D N @", "SH ZH TH DH NG AH"),
        ("M AA1 ʃ", "M AA SH"),
        ("tʰ d̪ ɲ", "T D N Y"),
    ],
)
def test_the_alphabet_of_a_tier_is_recognised_by_its_labels(labels: str, phones: str) -> None:
    rows = [label for label in labels.split() if not notation.pause(label)]
    read = notation.reading(rows)
    found = " ".join(" ".join(read(label) or ()) for label in rows).split()
    assert found == ("S Z N" if phones == "S Z NG" else phones).split()


def test_only_an_unknown_phone_is_left_out(tmp_path: Path) -> None:
    phones = [(0.0, 0.3, "M"), (0.3, 0.6, "AA1"), (0.6, 0.8, "%%"), (0.8, 1.0, "SH")]
    text = grid(("words", [(0.0, 1.0, "mash")]), ("phones", phones))
    found = read(tmp_path, "a.TextGrid", text)
    assert [sound.phone for sound in found.phones] == ["M", "AA", "SH"]
    assert "unknown phone '%%'" in found.faults[0]
    line = next(k for k, row in enumerate(text.split("\n"), 1) if "%%" in row)
    assert f"a.TextGrid:{line}:20: " in found.faults[0]
    none = [(a, b, "%%") for a, b, _ in phones]
    found = read(tmp_path, "a.TextGrid", grid(("words", [(0.0, 1.0, "mash")]), ("phones", none)))
    assert [line.text for line in found.lines] == ["mash"]
    assert found.phones == ()


def test_comments_and_short_headers_are_read_as_praat_reads_them(tmp_path: Path) -> None:
    text = (
        'File type = "ooTextFile short" ! by hand\n"TextGrid"\n\n! 7 tiers? no: 1 "one"\n'
        "0 ! from\n+2. ! to\n<exists>\n"
        '1 tier\n"IntervalTier" "Anna"\n0 2 ! 3\n2 [3]\n0 .5 ""\n.5 2e0 "say ""hi"" ! now"\n'
    )
    (line,) = read(tmp_path, "a.TextGrid", text).lines
    assert (line.text, line.start, line.end, line.speaker) == ('say "hi" ! now', 0.5, 2.0, "Anna")
    assert line.place.endswith("a.TextGrid:13:8")


def test_only_a_bad_interval_is_left_out(tmp_path: Path) -> None:
    text = grid(("Anna", [(1.0, 2.0, "one"), (3.0, 4.0, "two"), (5.0, 6.0, "three")]))
    found = read(tmp_path, "a.TextGrid", text.replace("xmax = 4", "xmax = 2.5"))
    assert [line.text for line in found.lines] == ["one", "three"]
    assert "it ends at 2.5 s, before it starts at 3 s; this interval is left out" in found.faults[0]


RECORD = Record(
    engine="script",
    seconds=3.0,
    words=(
        Word(start=0.5, end=1.1, text='ma "pa"', speaker="ANNA"),
        Word(start=1.0, end=1.6, text="so", speaker="DR. NO"),  # at the same time
        Word(start=2.0, end=2.4, text="am"),
        Word(start=2.3, end=2.9, text="I"),
    ),
    phones=(
        Phone(phone="M", start=0.5, end=0.7),
        Phone(phone="SIL", start=0.7, end=0.9),
        Phone(phone="AA", start=0.9, end=1.1),
    ),
)


def test_an_export_is_a_textgrid_for_praatio_and_a_script_for_dubcli(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(textgrid.dump(RECORD), encoding="utf-8")
    tiers = praatio.openTextgrid(str(path), includeEmptyIntervals=True)
    assert tiers.tierNames == ("words", "ANNA - words", "DR. NO - words", "phones")
    assert all(tier.minTimestamp == 0 and tier.maxTimestamp == 3 for tier in tiers.tiers)
    found = script.load(path)
    assert [(line.text, line.speaker, line.start) for line in found.lines] == [
        ('ma "pa"', "ANNA", 0.5), ("so", "DR. NO", 1.0), ("am", None, 2.0), ("I", None, 2.4),
    ]  # fmt: skip
    assert [(sound.phone, sound.start) for sound in found.phones] == [("M", 0.5), ("AA", 0.9)]


def test_an_export_without_words_is_a_script_of_phones(tmp_path: Path) -> None:
    found = read(tmp_path, "a.TextGrid", textgrid.dump(RECORD.model_copy(update={"words": ()})))
    assert found.lines == ()
    assert [sound.phone for sound in found.phones] == ["M", "AA"]


@given(
    st.lists(
        st.sampled_from(
            [
                '"IntervalTier"',
                '"words"',
                '"phones"',
                "0",
                "1",
                "2",
                "-1",
                "0.5",
                '"x"',
                '""',
                "!",
                "\n",
                "1e9",
            ]
        )
    )
)
def test_no_text_breaks_the_reader_of_textgrids(pieces: list[str]) -> None:
    try:
        tidy(timed_transcripts.praat('"ooTextFile" "TextGrid" 0 9 1 ' + " ".join(pieces), "a.TextGrid"))
    except ConfigError as error:
        if not str(error).startswith("a.TextGrid:"):
            raise
