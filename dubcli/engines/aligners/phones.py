"""The default aligner: regions by silero-vad, phones by PocketSphinx's acoustic model in a free loop.

It needs no language and no script: what a mouth does for a sound hardly depends on the language.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.phones import SILENCE
from dubcli.artifacts.speech import Phone, Record, Region
from dubcli.engines.aligners import phoneloop, sphinx
from dubcli.engines.aligners.base import ALONE, Given, Report, silent
from dubcli.speech import vad, visemes
from dubcli.speech.alignment import Alignment

_LONGEST_S = 20.0  # of a piece that is decoded at a time: bounds memory
_MARGIN_S = 0.3  # of sound around a piece, so that its first and last phone have a beginning and an end
_FADE_S = 0.05  # silence takes over from the phones this long outside a region
_SEQUENCE_SCALE = 0.3  # of log-likelihoods: gave the fewest wrong phones (bench/align.py)


class PhoneAligner:
    """Regions and phones of speech in any language."""

    def hear(
        self,
        wave: NDArray[np.float32],
        report: Report = silent,
        given: Given = ALONE,
        keep: Callable[[int, NDArray[np.float32]], None] = lambda start, scores: None,
    ) -> Alignment:
        """Regions, phones and viseme rows of a levelled mono wave (S,) at 16 kHz.

        `keep(start, scores)` gets what `sphinx.scores` says of each piece with speech, from frame `start` on.
        """
        speech = vad.probability(wave)
        regions = vad.regions(speech)
        names = sphinx.phones()
        classes = _classes(names)
        rows = visemes.from_phones((), len(speech))
        phones: list[Phone] = []
        pieces = _pieces(regions)
        for done, piece in enumerate(pieces):
            report(done, len(pieces))
            start = max(0, round((piece[0].start - _MARGIN_S) * 100))
            stop = min(len(speech), round((piece[-1].end + _MARGIN_S) * 100))
            scores = sphinx.scores(wave[start * 160 : stop * 160])
            keep(start, scores)
            likely = phoneloop.posterior(scores)
            heard = np.einsum("fcs,csv->fv", likely, classes)
            rows[start:stop] += _inside(piece, start, stop)[:, None] * (heard - rows[start:stop])
            phones += _phones(scores, likely, names, piece, start)
        record = Record(
            engine="phones", seconds=round(len(wave) / vad.RATE, 4), regions=regions, phones=tuple(phones)
        )
        return Alignment(record, speech, visemes.soften(rows))


def _pieces(regions: tuple[Region, ...]) -> list[list[Region]]:
    """Regions in groups of at most `_LONGEST_S`; a longer region is cut."""
    pieces: list[list[Region]] = []
    for region in regions:
        count = max(1, int(np.ceil((region.end - region.start) / _LONGEST_S)))
        edges = np.linspace(region.start, region.end, count + 1).round(2).tolist()
        for start, end in pairwise(edges):
            part = Region(start=start, end=end)
            if pieces and part.end - pieces[-1][0].start <= _LONGEST_S:
                pieces[-1].append(part)
            else:
                pieces.append([part])
    return pieces


def _classes(names: tuple[str, ...]) -> NDArray[np.float32]:
    """(C, 3, V): viseme classes of each third of each phone of the model; noises are silence."""
    return np.stack([visemes.passage(SILENCE if n in sphinx.NOISES else n) for n in names])


def _inside(piece: list[Region], start: int, stop: int) -> NDArray[np.float32]:
    """(stop - start,) 1 within a piece's regions, falling to 0 over `_FADE_S` outside."""
    at = (np.arange(start, stop) + 0.5) / 100
    away = np.min([np.maximum(r.start - at, at - r.end) for r in piece], axis=0)
    return np.asarray(np.clip(1 - away / _FADE_S, 0, 1), np.float32)


def _phones(
    scores: NDArray[np.float32],
    likely: NDArray[np.float32],
    names: tuple[str, ...],
    piece: list[Region],
    start: int,
) -> list[Phone]:
    """Phones of the best path within a piece's regions; score = mean probability over their frames."""
    sure = likely.sum(2)
    out: list[Phone] = []
    for phone, first, stop in phoneloop.best(scores, _SEQUENCE_SCALE):
        if names[phone] in sphinx.NOISES or names[phone] == SILENCE:
            continue
        for region in piece:
            a, b = max((start + first) / 100, region.start), min((start + stop) / 100, region.end)
            if b - a >= 0.02:
                score = float(np.clip(sure[first:stop, phone].mean(), 0, 1))
                out.append(
                    Phone(phone=names[phone], start=round(a, 3), end=round(b, 3), score=round(score, 3))
                )
    return out
