"""Forced alignment of a script: the times of words that are known.

Every word is spelt out in phones, and the chain of phones is aligned to the scores of PocketSphinx's acoustic
model within the times that the script gives, if it gives any. Pauses, and sounds that are not in the script,
are allowed between words. Words that the audio does not support are dropped: there, and wherever else the
script is silent, the result is that of the free phone loop, as without a script.
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
from dubcli.engines.aligners.base import NO_CONTEXT, AlignmentContext, Report, silent
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.errors import ConfigError, DependencyError, counted
from dubcli.speech import espeak, pronunciation, script, visemes
from dubcli.speech.alignment import Alignment
from dubcli.speech.lines import Line, Script, TimedPhone

# Fitted on sentences with their own words, and with the words of other sentences (bench/align.py).
_GARBAGE = 6.0  # nats a frame below the best phone, the log-likelihood of any sound that is not in the script
_ACCEPTED = 0.52  # 0–1, confidence of a phrase above which its words are taken to be said
_SQUEEZED_S = 0.035  # seconds; phones this short are rare in speech, and frequent where a script is wrong
_SQUEEZE = 0.3  # 0–1, what the confidence of a phrase loses if all of its phones are that short

# Set by hand; no measurement of these is on record.
_NO_SPEECH = -15.0  # nats a frame, log-likelihood of words outside speech regions
_CONTACTS = ("P", "B", "M", "F", "V", "W")  # ARPABET: lip closure, labiodental contact, rounding
_CONTACT_S = 0.05  # shortest lip contact in seconds, so that at least one frame of a 24 Hz film shows it
_PHRASE_GAP_S = 0.4  # seconds; words with a shorter gap are accepted or dropped together
_PHRASE_WORDS = 15  # most words of a phrase
_MISMATCH = 0.7  # share of dropped words above which the script is taken to be of another dub
_MOST_FAULTS = 10  # faults of a script that are reported one by one, so that they fit on a screen
_HOUR_S = 3600.0  # programmes begin at timecode 01:00:00 or 10:00:00, reels at others
_UNSAYABLE = 0.2  # share of words without a pronunciation above which a script is not aligned


class ScriptAligner:
    """Words, phones and visemes of a script; everything else as in `PhoneAligner`."""

    def align(
        self, wave: NDArray[np.float32], report: Report = silent, context: AlignmentContext = NO_CONTEXT
    ) -> Alignment:
        """The alignment of a levelled mono wave (S,) at 16 kHz.

        Raises:
            ConfigError: there is no script, it is not well formed, or all of it lies after the audio's end.
        """
        if context.script is None:
            raise ConfigError("the script engine needs a script; name one with --script FILE")
        found = script.load(context.script)
        if not context.speaker:  # faults are reported once, with the whole dub and not with each stem
            _report(found.faults, context.warn)
        scores = Scores(len(wave) // 160)
        alignment = PhoneAligner().align(wave, report, context, scores.keep)
        if context.speaker:
            speaker = context.speaker.casefold()
            lines = [line for line in found.lines if (line.speaker or "").casefold() == speaker]
            if not lines:
                return alignment
            found = replace(found, lines=tuple(lines))
        return follow(found, alignment, scores, context, "script")


class Scores:
    """Log-likelihoods of each third of each phone in each frame, (F, C, 3) nats, in half precision."""

    def __init__(self, count: int) -> None:
        self.names = sphinx.phones()
        self.values = np.full((count, len(self.names) + 1, 3), _NO_SPEECH, np.float16)
        self.pause = len(self.names)
        self.values[:, self.pause] = 0

    def keep(self, start: int, scores: NDArray[np.float32]) -> None:
        """Store the scores of a chunk; `pause` is silence, a noise, or a sound that is not in the script."""
        chunk = self.values[start : start + len(scores)]
        chunk[:, :-1] = scores
        quiet = [self.names.index(name) for name in (SILENCE, *sphinx.NOISES)]
        best = scores.max((1, 2))[:, None]
        chunk[:, self.pause] = np.maximum(scores[:, quiet].max(1), best - _GARBAGE)

    def fit(self, phone: str, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start,) likelihood of a phone relative to the best one in each frame, 0–1."""
        rows = self.values[start:stop].astype(np.float32)
        scores = rows[:, self.names.index(phone)].max(1)
        return np.asarray(np.exp(0.2 * (scores - rows[:, :-1].max((1, 2)))), np.float32)


@dataclass(eq=False)
class _Said:
    """A word of the script, its pronunciation, and the (phone, start, end) found for it, in seconds."""

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


def follow(
    found: Script, free: Alignment, scores: Scores, context: AlignmentContext, engine: str
) -> Alignment:
    """The alignment with the words, phones and visemes of a script where the audio supports them.

    Args:
        found: the script.
        free: alignment of the same audio by the free phone loop.
        scores: of the same audio.
        context: language, where the script does not name it, and `warn`, called with what does not match.
        engine: the engine's name, for the record.

    Raises:
        ConfigError: all of the script lies after the audio's end.
    """
    try:
        language, words = _aligned(found, free.record.seconds, scores, context)
    except (_UnsayableError, DependencyError) as error:
        context.warn(f"the script is not used: {error}")
        return free
    accepted: list[_Said] = []
    dropped: list[_Said] = [word for word in words if not word.found]
    for phrase in _phrases([word for word in words if word.found]):
        (accepted if _confidence(phrase, scores) >= _ACCEPTED else dropped).extend(phrase)
    if len(dropped) > _MISMATCH * len(words):
        context.warn("the script does not match the dub, so it is not used; name the script of this dub")
        return free
    if dropped:
        order = {id(word): k for k, word in enumerate(words)}
        first = min(dropped, key=lambda word: order[id(word)])
        what = f"words of the script were not found in the dub, the first is {first.text!r}"
        if not first.text:
            what = f"runs of the script's phones were not found in the dub, the first at {first.start:g} s"
        place = f"{first.line.place}: " if first.line.place else ""
        context.warn(f"{place}{len(dropped)} of {len(words)} {what}; the script is not used there")
    return _merged(accepted, free, language, engine)


def _aligned(
    found: Script, seconds: float, scores: Scores, context: AlignmentContext
) -> tuple[str, list[_Said]]:
    """The language of a script, and its words with the phones found for them, right or wrong."""
    found = _from_zero(found, seconds, context)
    if not found.lines:
        # A TextGrid of phones alone, as it is exported where no words are known.
        phones = [phone for phone in found.phones if phone.start < seconds]
        return found.language or context.language or "und", _wordless(phones)
    lines = _inside(found, seconds, context)
    language = _language(found, lines, context)
    words = _pronounced(lines, language)
    if found.phones:
        _from_script(words, found.phones)
    else:
        for span in _spans(words, found.slack, len(scores.values)):
            _align(span, scores)
    return language, words


class _UnsayableError(Exception):
    """A script in a language, or with words, that cannot be pronounced."""


def _report(faults: Sequence[str], warn: Callable[[str], None]) -> None:
    """Warn of the faults of a script: of the first ones each, and of the number of the others."""
    for fault in faults[:_MOST_FAULTS]:
        warn(fault)
    if len(faults) > _MOST_FAULTS:
        place, more = faults[_MOST_FAULTS].split(": ")[0], len(faults) - _MOST_FAULTS
        warn(f"{place}: {more} more are left out from here on")


def _from_zero(found: Script, seconds: float, context: AlignmentContext) -> Script:
    """A script whose times are timecode of a programme that begins at a whole hour, counted from there."""
    times = [line.start for line in found.lines if line.start is not None]
    times += [phone.start for phone in found.phones]
    begin = min(times, default=0) // _HOUR_S * _HOUR_S
    if not begin or max(times) < seconds or max(times) - begin >= seconds:
        return found
    if not context.speaker:
        context.warn(f"the script's times lie after hour {begin / _HOUR_S:.0f}, and are counted from there")
    lines = [
        replace(line, start=_less(line.start, begin), end=_less(line.end, begin)) for line in found.lines
    ]
    phones = [replace(one, start=one.start - begin, end=one.end - begin) for one in found.phones]
    return replace(found, lines=tuple(lines), phones=tuple(phones))


def _less(moment: float | None, begin: float) -> float | None:
    return None if moment is None else moment - begin


def _inside(found: Script, seconds: float, context: AlignmentContext) -> list[Line]:
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
        context.warn(
            f"{outside[0].place}: the script goes on after the end of the dub ({seconds:.1f} s): "
            f"{counted(len(outside), 'line')} left out"
        )
    return lines


def _language(found: Script, lines: Sequence[Line], context: AlignmentContext) -> str:
    language = found.language or context.language
    if language:
        return language
    if pronunciation.looks_english([word for line in lines for word in line.text.split()]):
        return "en"
    raise _UnsayableError("its language is not known; name it, as in --set remux.language=fr")


def _pronounced(lines: Sequence[Line], language: str) -> list[_Said]:
    if not pronunciation.is_english(language) and not espeak.speaks(language):
        raise _UnsayableError(f"eSpeak NG does not know the language {language!r}")
    say = pronunciation.Pronunciation(language)
    words = [
        # Chinese is written without spaces, so each of its characters counts as a word.
        _Said(text, line, say(text))
        for line in lines
        for text in re.findall(r"[\u4e00-\u9fff]\W*|[^\s\u4e00-\u9fff]+", line.text)
    ]
    sayable = [word for word in words if word.phones]
    if len(sayable) < (1 - _UNSAYABLE) * len([word for word in words if re.search(r"\w", word.text)]):
        bad = next(w for w in words if not w.phones and re.search(r"\w", w.text))
        raise _UnsayableError(
            f"{bad.line.place}: the pronunciation of {bad.text!r} in {language!r} is not known"
        )
    return sayable


def _from_script(words: list[_Said], phones: Sequence[TimedPhone]) -> None:
    """Give each word the phones of the script whose middles lie between its times."""
    middles = [(phone.start + phone.end) / 2 for phone in phones]
    order = sorted(range(len(phones)), key=middles.__getitem__)
    middles.sort()
    for word in words:
        a = bisect_left(middles, word.line.start or 0.0)
        b = bisect_left(middles, word.line.end or 0.0, a)
        word.found = [(phones[k].phone, phones[k].start, phones[k].end) for k in order[a:b]]


def _wordless(phones: Sequence[TimedPhone]) -> list[_Said]:
    """The phones of a script without words, as one nameless word for each run without a pause."""
    runs: list[_Said] = []
    for phone in phones:
        if not runs or phone.start > runs[-1].end + 0.01:
            runs.append(_Said("", Line("", phone.start), ()))
        runs[-1].found.append((phone.phone, phone.start, phone.end))
    return runs


def _spans(words: list[_Said], slack: float, count: int) -> Iterator[list[tuple[_Said, int, int]]]:
    """Words with the half-open range of frames each may lie in, split where the ranges do not overlap."""
    span: list[tuple[_Said, int, int]] = []
    for word in words:
        start, end = word.line.start, word.line.end
        low = 0 if start is None else max(0, round((start - slack) * 100))
        high = count if start is None or end is None else min(count, round((end + slack) * 100))
        if span and low >= max(stop for _, _, stop in span):
            yield span
            span = []
        span.append((word, low, high))
    if span:
        yield span


def _align(span: list[tuple[_Said, int, int]], scores: Scores) -> None:
    """Find the phones of the words of a span by forced alignment."""
    first, stop = min(low for _, low, _ in span), max(high for _, _, high in span)
    chain, optional, whose = [scores.pause], [True], [-1]
    bounds = [(0, stop - first)]
    for k, (word, low, high) in enumerate(span):
        chain += [scores.names.index(phone) for phone in word.phones] + [scores.pause]
        optional += [False] * len(word.phones) + [True]
        whose += [k] * len(word.phones) + [-1]
        bounds += [(low - first, high - first)] * len(word.phones)
        bounds.append((low - first, stop - first))
    lows, highs = np.asarray(bounds).T
    lows = np.maximum.accumulate(lows)
    highs = np.minimum.accumulate(highs[::-1])[::-1]
    limits = list(zip(lows.tolist(), highs.tolist(), strict=True))
    path = forced.align(scores.values[first:stop].astype(np.float32), chain, optional, limits)
    for index, a, b in path or ():
        if whose[index] >= 0:
            name = scores.names[chain[index]]
            span[whose[index]][0].found.append((name, (first + a) / 100, (first + b) / 100))


def _phrases(words: list[_Said]) -> Iterator[list[_Said]]:
    """Words grouped into runs without a pause, in order of time."""
    phrase: list[_Said] = []
    for word in sorted(words, key=lambda word: word.start):
        if phrase and (word.start - phrase[-1].end > _PHRASE_GAP_S or len(phrase) == _PHRASE_WORDS):
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _confidence(phrase: list[_Said], scores: Scores) -> float:
    """Confidence, at most 1, that a phrase is said; sets the scores of its words on the way."""
    squeezed = []
    for word in phrase:
        edges = [(name, round(a * 100), round(b * 100)) for name, a, b in word.found]
        fits = np.concatenate([scores.fit(name, a, max(b, a + 1)) for name, a, b in edges])
        word.score = round(float(np.clip(fits.mean(), 0, 1)), 3) if len(fits) else 0.0
        squeezed += [b - a <= _SQUEEZED_S for _, a, b in word.found]
    return float(np.mean([word.score for word in phrase])) - _SQUEEZE * float(np.mean(squeezed))


def _with_contacts(rows: NDArray[np.float32], phones: Sequence[Phone]) -> NDArray[np.float32]:
    """Rows with probability 1 for each lip contact over `_CONTACT_S` at least, so that a frame shows it."""
    for phone in phones:
        name = PHONES[phone.phone][0]
        if phone.phone in _CONTACTS:
            middle, half = (phone.start + phone.end) / 2, max(phone.end - phone.start, _CONTACT_S) / 2
            a, b = max(0, round((middle - half) * 100)), round((middle + half) * 100)
            rows[a:b] = 0
            rows[a:b, INDEX[name]] = 1
    return rows


def _merged(accepted: list[_Said], free: Alignment, language: str, engine: str) -> Alignment:
    """The free alignment with accepted words in place of its phones."""
    accepted.sort(key=lambda word: word.start)
    phones: list[Phone] = []
    for word in accepted:
        for name, start, end in word.found:
            start = max(start, phones[-1].end) if phones else start
            if end > start:
                phones.append(Phone(phone=name, start=round(start, 3), end=round(end, 3), score=word.score))
    viseme = free.viseme.copy()
    replacement = _with_contacts(visemes.from_phones(phones, len(viseme)), phones)
    replaced = np.zeros(len(viseme), bool)
    for phrase in _phrases(accepted):
        replaced[round(phrase[0].start * 100) : round(phrase[-1].end * 100)] = True
    viseme[replaced] = replacement[replaced]
    kept = [
        phone
        for phone in free.record.phones
        if not replaced[
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
        for word in accepted
        if word.text
    )
    record = free.record.model_copy(
        update={
            "engine": engine,
            "language": language,
            "words": words,
            "phones": tuple(sorted([*phones, *kept], key=lambda phone: phone.start)),
        }
    )
    return Alignment(record, free.speech, viseme)
