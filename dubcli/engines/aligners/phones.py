"""The default aligner: regions by silero-vad, phones by PocketSphinx's acoustic model in a free phone loop.

It needs no language and no script, because the mouth shape of a sound hardly depends on the language.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dubcli.artifacts.phones import SILENCE
from dubcli.artifacts.speech import Phone, Record, Region
from dubcli.engines.aligners import phoneloop, sphinx
from dubcli.engines.aligners.base import NO_CONTEXT, AlignmentContext, Report, silent
from dubcli.speech import vad, visemes
from dubcli.speech.alignment import Alignment

_LONGEST_S = 20.0  # seconds of audio that are decoded at a time; chosen to bound memory
_MARGIN_S = (
    0.3  # seconds of context on either side of a chunk, so that its outer phones are whole; set by hand
)
_FADE_S = 0.05  # seconds outside a region over which phone classes fade to silence; set by hand
_SEQUENCE_SCALE = 0.3  # factor on log-likelihoods that gave the fewest wrong phones (bench/align.py)


class PhoneAligner:
    """Regions and phones of speech in any language."""

    def align(
        self,
        wave: NDArray[np.float32],
        report: Report = silent,
        context: AlignmentContext = NO_CONTEXT,
        keep: Callable[[int, NDArray[np.float32]], None] = lambda start, scores: None,
    ) -> Alignment:
        """Regions, phones and viseme rows of a levelled mono wave (S,) at 16 kHz.

        `keep(start, scores)` is called with `sphinx.scores` of each chunk with speech; `start` is its first
        frame.
        """
        speech = vad.probability(wave)
        regions = vad.regions(speech)
        names = sphinx.phones()
        classes = _classes(names)
        rows = visemes.from_phones((), len(speech))
        phones: list[Phone] = []
        chunks = _chunks(regions)
        for done, chunk in enumerate(chunks):
            report(done, len(chunks))
            start = max(0, round((chunk[0].start - _MARGIN_S) * 100))
            stop = min(len(speech), round((chunk[-1].end + _MARGIN_S) * 100))
            scores = sphinx.scores(wave[start * 160 : stop * 160])
            keep(start, scores)
            posterior = phoneloop.posterior(scores)
            predicted = np.einsum("fcs,csv->fv", posterior, classes)
            rows[start:stop] += _inside(chunk, start, stop)[:, None] * (predicted - rows[start:stop])
            phones += _phones(scores, posterior, names, chunk, start)
        record = Record(
            engine="phones", seconds=round(len(wave) / vad.RATE, 4), regions=regions, phones=tuple(phones)
        )
        return Alignment(record, speech, visemes.soften(rows))


def _chunks(regions: tuple[Region, ...]) -> list[list[Region]]:
    """Regions in groups that span at most `_LONGEST_S`; a longer region is cut."""
    chunks: list[list[Region]] = []
    for region in regions:
        count = max(1, int(np.ceil((region.end - region.start) / _LONGEST_S)))
        edges = np.linspace(region.start, region.end, count + 1).round(2).tolist()
        for start, end in pairwise(edges):
            one = Region(start=start, end=end)
            if chunks and one.end - chunks[-1][0].start <= _LONGEST_S:
                chunks[-1].append(one)
            else:
                chunks.append([one])
    return chunks


def _classes(names: tuple[str, ...]) -> NDArray[np.float32]:
    """(C, 3, V): viseme classes of each third of each phone of the model; noises are silence."""
    return np.stack([visemes.passage(SILENCE if n in sphinx.NOISES else n) for n in names])


def _inside(chunk: list[Region], start: int, stop: int) -> NDArray[np.float32]:
    """(stop - start,) 1 within a chunk's regions, falling to 0 over `_FADE_S` outside."""
    at = (np.arange(start, stop) + 0.5) / 100
    away = np.min([np.maximum(r.start - at, at - r.end) for r in chunk], axis=0)
    return np.asarray(np.clip(1 - away / _FADE_S, 0, 1), np.float32)


def _phones(
    scores: NDArray[np.float32],
    posterior: NDArray[np.float32],
    names: tuple[str, ...],
    chunk: list[Region],
    start: int,
) -> list[Phone]:
    """Phones of the best path within a chunk's regions; the score is the mean posterior over their frames."""
    confidence = posterior.sum(2)
    out: list[Phone] = []
    for phone, first, stop in phoneloop.best(scores, _SEQUENCE_SCALE):
        if names[phone] in sphinx.NOISES or names[phone] == SILENCE:
            continue
        for region in chunk:
            a, b = max((start + first) / 100, region.start), min((start + stop) / 100, region.end)
            if b - a >= 0.02:
                score = float(np.clip(confidence[first:stop, phone].mean(), 0, 1))
                out.append(
                    Phone(phone=names[phone], start=round(a, 3), end=round(b, 3), score=round(score, 3))
                )
    return out
