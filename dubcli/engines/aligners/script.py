"""The aligner for a dub whose words are known: it finds when each of them is said.

Every word is spelt out in phones, and the chain of phones is laid over the scores of PocketSphinx's acoustic
model within the times that the script gives, if it gives any. Between words a pause or anything that is not
in the script may be heard. Words that the sound does not bear out are dropped: there, and wherever else the
script says nothing, the free phone loop is heard, as without a script.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.phones import INDEX, PHONES, SILENCE
from dubcli.artifacts.speech import Phone, Word
from dubcli.engines.aligners import forced, sphinx
from dubcli.engines.aligners.base import ALONE, Given, Report, silent
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.errors import ConfigError, DependencyError
from dubcli.speech import espeak, pronunciation, script, visemes
from dubcli.speech.alignment import Alignment
from dubcli.speech.lines import Line, Script, Sound

# Fitted on sentences with known words and on the same sentences with others' words (bench/align.py).
_OTHER = 6.0  # nats a frame that words may fit worse than the best phone and not be taken for others
_SURE = 0.52  # what `_judge` must say of words that are taken to be said
_SQUEEZED_S = 0.035  # phones as short as that are few in speech, and many where words do not belong
_SQUEEZE = 0.3  # what a part's judgement loses if all of its phones are

_OUTSIDE = -15.0  # nats a frame for words where nobody speaks
_HELD = ("P", "B", "M", "F", "V", "W")  # consonants that leave lips no choice
_HOLD_S = 0.05  # these last at least, so that a frame shows them
_APART_S = 0.4  # words nearer than this stand or fall together
_MOST_WORDS = 15  # that do
_LOST = 0.7  # share of words that are not heard from which a script is another dub's
_MOST_FAULTS = 10  # of a script that are reported one by one
_UNSAYABLE = 0.2  # share of words without a pronunciation from which a script cannot be followed


class ScriptAligner:
    """Words, phones and visemes of a script; all else as `PhoneAligner` hears it."""

    def hear(self, wave: NDArray[np.float32], report: Report = silent, given: Given = ALONE) -> Alignment:
        """Hear a levelled mono wave (S,) at 16 kHz.

        Raises:
            ConfigError: there is no script, it is not well formed, or all of it lies after the sound's end.
        """
        if given.script is None:
            raise ConfigError("the script engine needs a script; name one with --script FILE")
        found = script.load(given.script)
        if not given.speaker:  # the whole dub reports them, its stems need not
            _report(found.faults, given.warn)
        scores = Scores(len(wave) // 160)
        heard = PhoneAligner().hear(wave, report, given, scores.keep)
        if given.speaker:
            own = [
                line for line in found.lines if (line.speaker or "").casefold() == given.speaker.casefold()
            ]
            if not own:
                return heard
            found = replace(found, lines=tuple(own))
        return follow(found, heard, scores, given, "script")


class Scores:
    """How well each third of each phone fits each frame of a whole sound, (F, C, 3) nats, kept small."""

    def __init__(self, count: int) -> None:
        self.names = sphinx.phones()
        self.values = np.full((count, len(self.names) + 1, 3), _OUTSIDE, np.float16)
        self.pause = len(self.names)
        self.values[:, self.pause] = 0

    def keep(self, start: int, scores: NDArray[np.float32]) -> None:
        """Take the scores of a piece; `pause` is silence, a noise, or anything that fits no word."""
        piece = self.values[start : start + len(scores)]
        piece[:, :-1] = scores
        quiet = [self.names.index(name) for name in (SILENCE, *sphinx.NOISES)]
        best = scores.max((1, 2))[:, None]
        piece[:, self.pause] = np.maximum(scores[:, quiet].max(1), best - _OTHER)

    def fit(self, phone: str, start: int, stop: int) -> NDArray[np.float32]:
        """How well a phone fits frames [start, stop) against the phone that fits best, 0-1 each."""
        piece = self.values[start:stop].astype(np.float32)
        own = piece[:, self.names.index(phone)].max(1)
        return np.asarray(np.exp(0.2 * (own - piece[:, :-1].max((1, 2)))), np.float32)


@dataclass(eq=False)
class _Said:
    """A word of the script, how it is pronounced, and where it was found."""

    text: str
    line: Line
    phones: tuple[str, ...]
    found: list[tuple[str, float, float]] = field(default_factory=list)
    score: float = 0.0

    @property
    def start(self) -> float:
        return self.found[0][1]

    @property
    def end(self) -> float:
        return self.found[-1][2]


def follow(found: Script, heard: Alignment, scores: Scores, given: Given, engine: str) -> Alignment:
    """What was heard, with the words, phones and visemes of a script where the sound bears them out.

    Args:
        found: the script.
        heard: what the phone loop heard in the same sound.
        scores: of the same sound.
        given: the language, where the script does not say it, and who is told of what does not fit.
        engine: the engine's name, for the record.

    Raises:
        ConfigError: all of the script lies after the sound's end.
    """
    try:
        language, words = _wanted(found, heard.record.seconds, scores, given)
    except (_UnsayableError, DependencyError) as error:
        given.warn(f"the script is not followed: {error}")
        return heard
    sure: list[_Said] = []
    lost: list[_Said] = [word for word in words if not word.found]
    for part in _parts([word for word in words if word.found]):
        (sure if _judge(part, scores) >= _SURE else lost).extend(part)
    if len(lost) > _LOST * len(words):
        given.warn("the script does not match the dub, so it is not followed; name the script of this dub")
        return heard
    if lost:
        order = {id(word): k for k, word in enumerate(words)}
        first = min(lost, key=lambda word: order[id(word)])
        what = f"words of the script are not heard in the dub, the first is {first.text!r}"
        if not first.text:
            what = f"runs of the script's phones are not heard in the dub, the first at {first.start:g} s"
        place = f"{first.line.place}: " if first.line.place else ""
        given.warn(f"{place}{len(lost)} of {len(words)} {what}; there it is heard without the script")
    return _merged(sure, heard, language, engine)


def _wanted(found: Script, seconds: float, scores: Scores, given: Given) -> tuple[str, list[_Said]]:
    """The language of a script, and its words where they are, or would be, in the sound."""
    if not found.lines:
        # A TextGrid of phones alone, as it is exported where no words are known.
        phones = [sound for sound in found.phones if sound.start < seconds]
        return found.language or given.language or "und", _wordless(phones)
    lines = _inside(found, seconds, given)
    language = _language(found, lines, given)
    words = _pronounced(lines, language)
    if found.phones:
        _take(words, found.phones)
    else:
        for stretch in _stretches(words, found.slack, len(scores.values)):
            _place(stretch, scores)
    return language, words


class _UnsayableError(Exception):
    """A script in a language, or with words, that cannot be pronounced."""


def _report(faults: Sequence[str], warn: Callable[[str], None]) -> None:
    """Warn of what is left out of a script: the first ones each, then how many more there are."""
    for fault in faults[:_MOST_FAULTS]:
        warn(fault)
    if len(faults) > _MOST_FAULTS:
        place, more = faults[_MOST_FAULTS].split(": ")[0], len(faults) - _MOST_FAULTS
        warn(f"{place}: from here on {more} more are left out")


def _inside(found: Script, seconds: float, given: Given) -> list[Line]:
    lines: list[Line] = []
    outside: list[Line] = []
    for line in found.lines:
        (lines if line.start is None or line.start < seconds else outside).append(line)
    if not lines:
        first = outside[0]
        raise ConfigError(
            f"{first.place}: the script begins at {first.start:.1f} s, but the dub is {seconds:.1f} s long; "
            "name the script of this dub"
        )
    if outside:
        given.warn(
            f"{outside[0].place}: {len(outside)} lines of the script lie after the end of the dub "
            f"({seconds:.1f} s) and are left out"
        )
    return lines


def _language(found: Script, lines: Sequence[Line], given: Given) -> str:
    language = found.language or given.language
    if language:
        return language
    if pronunciation.looks_english([word for line in lines for word in line.text.split()]):
        return "en"
    raise _UnsayableError("its language is not known; say it with --set remux.language=fr")


def _pronounced(lines: Sequence[Line], language: str) -> list[_Said]:
    if not pronunciation.is_english(language) and not espeak.speaks(language):
        raise _UnsayableError(f"eSpeak NG does not know the language {language!r}")
    say = pronunciation.Pronunciation(language)
    words = [
        # Chinese is written without spaces; its signs are words enough.
        _Said(text, line, say(text))
        for line in lines
        for text in re.findall(r"[\u4e00-\u9fff]\W*|[^\s\u4e00-\u9fff]+", line.text)
    ]
    sayable = [word for word in words if word.phones]
    if len(sayable) < (1 - _UNSAYABLE) * len([word for word in words if re.search(r"\w", word.text)]):
        bad = next(w for w in words if not w.phones and re.search(r"\w", w.text))
        raise _UnsayableError(f"{bad.line.place}: it is not known how {bad.text!r} is said in {language!r}")
    return sayable


def _take(words: list[_Said], phones: Sequence[Sound]) -> None:
    """Give each word the phones that the script itself places in its time."""
    middles = [(sound.start + sound.end) / 2 for sound in phones]
    order = sorted(range(len(phones)), key=middles.__getitem__)
    middles.sort()
    for word in words:
        a = bisect_left(middles, word.line.start or 0.0)
        b = bisect_left(middles, word.line.end or 0.0, a)
        word.found = [(phones[k].phone, phones[k].start, phones[k].end) for k in order[a:b]]


def _wordless(phones: Sequence[Sound]) -> list[_Said]:
    """Phones that the script places without words, one run without a pause at a time."""
    runs: list[_Said] = []
    for sound in phones:
        if not runs or sound.start > runs[-1].end + 0.01:
            runs.append(_Said("", Line("", sound.start), ()))
        runs[-1].found.append((sound.phone, sound.start, sound.end))
    return runs


def _stretches(words: list[_Said], slack: float, count: int) -> Iterator[list[tuple[_Said, int, int]]]:
    """Words with the frames they may lie in, cut where the words on either side cannot meet."""
    stretch: list[tuple[_Said, int, int]] = []
    for word in words:
        start, end = word.line.start, word.line.end
        low = 0 if start is None else max(0, round((start - slack) * 100))
        high = count if start is None or end is None else min(count, round((end + slack) * 100))
        if stretch and low >= max(stop for _, _, stop in stretch):
            yield stretch
            stretch = []
        stretch.append((word, low, high))
    if stretch:
        yield stretch


def _place(stretch: list[tuple[_Said, int, int]], scores: Scores) -> None:
    """Find the phones of the words of a stretch."""
    first, stop = min(low for _, low, _ in stretch), max(high for _, _, high in stretch)
    chain, optional, whose = [scores.pause], [True], [-1]
    bounds = [(0, stop - first)]
    for k, (word, low, high) in enumerate(stretch):
        chain += [scores.names.index(phone) for phone in word.phones] + [scores.pause]
        optional += [False] * len(word.phones) + [True]
        whose += [k] * len(word.phones) + [-1]
        bounds += [(low - first, high - first)] * len(word.phones)
        bounds.append((low - first, stop - first))
    lows, highs = np.asarray(bounds).T
    lows = np.maximum.accumulate(lows)
    highs = np.minimum.accumulate(highs[::-1])[::-1]
    limits = list(zip(lows.tolist(), highs.tolist(), strict=True))
    placed = forced.align(scores.values[first:stop].astype(np.float32), chain, optional, limits)
    for place, a, b in placed or ():
        if whose[place] >= 0:
            name = scores.names[chain[place]]
            stretch[whose[place]][0].found.append((name, (first + a) / 100, (first + b) / 100))


def _parts(words: list[_Said]) -> Iterator[list[_Said]]:
    """Words that are said in one go."""
    part: list[_Said] = []
    for word in sorted(words, key=lambda word: word.start):
        if part and (word.start - part[-1].end > _APART_S or len(part) == _MOST_WORDS):
            yield part
            part = []
        part.append(word)
    if part:
        yield part


def _judge(part: list[_Said], scores: Scores) -> float:
    """Score the words of a part by how well their phones fit; returns how likely the part is said, 0-1."""
    squeezed = []
    for word in part:
        edges = [(name, round(a * 100), round(b * 100)) for name, a, b in word.found]
        fits = np.concatenate([scores.fit(name, a, max(b, a + 1)) for name, a, b in edges])
        word.score = round(float(np.clip(fits.mean(), 0, 1)), 3) if len(fits) else 0.0
        squeezed += [b - a <= _SQUEEZED_S for _, a, b in word.found]
    return float(np.mean([word.score for word in part])) - _SQUEEZE * float(np.mean(squeezed))


def _held(rows: NDArray[np.float32], phones: Sequence[Phone]) -> NDArray[np.float32]:
    """Rows in which lips that meet, touch the teeth or round surely do so for as long as a frame lasts."""
    for phone in phones:
        name = PHONES[phone.phone][0]
        if phone.phone in _HELD:
            middle, half = (phone.start + phone.end) / 2, max(phone.end - phone.start, _HOLD_S) / 2
            a, b = max(0, round((middle - half) * 100)), round((middle + half) * 100)
            rows[a:b] = 0
            rows[a:b, INDEX[name]] = 1
    return rows


def _merged(sure: list[_Said], heard: Alignment, language: str, engine: str) -> Alignment:
    """The free hearing with the words laid over it."""
    sure.sort(key=lambda word: word.start)
    phones: list[Phone] = []
    for word in sure:
        for name, start, end in word.found:
            start = max(start, phones[-1].end) if phones else start
            if end > start:
                phones.append(Phone(phone=name, start=round(start, 3), end=round(end, 3), score=word.score))
    viseme = heard.viseme.copy()
    placed = _held(visemes.from_phones(phones, len(viseme)), phones)
    covered = np.zeros(len(viseme), bool)
    for part in _parts(sure):
        covered[round(part[0].start * 100) : round(part[-1].end * 100)] = True
    viseme[covered] = placed[covered]
    free = [
        phone
        for phone in heard.record.phones
        if not covered[
            round(phone.start * 100) : max(round(phone.end * 100), round(phone.start * 100) + 1)
        ].any()
    ]
    words = tuple(
        Word(
            text=word.text,
            start=round(word.start, 3),
            end=round(word.end, 3),
            score=word.score,
            speaker=word.line.speaker,
        )
        for word in sure
        if word.text
    )
    record = heard.record.model_copy(
        update={
            "engine": engine,
            "language": language,
            "words": words,
            "phones": tuple(sorted([*phones, *free], key=lambda phone: phone.start)),
        }
    )
    return Alignment(record, heard.speech, viseme)
