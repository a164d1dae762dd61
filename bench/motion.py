"""How well speech predicts a mouth, without rendering one: what each part of the mouth model is worth.

    python -m bench.motion FOOTAGE --cache DIR [--priors DIR] [CLIP…]

Each clip is cut in quarters. The model is fitted to three, the sound of the fourth is the dub, and the
aperture that `motion` would ask for is compared with the clip's own, as tracked. A clip that the shipped
prior was trained on is left out unless `--priors` holds `<clip>.safetensors` (`tools/train_prior.py --without
<clip>`). The prior is not trained again for a row, so rows without an input look a little worse than they
would be.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.quality import listed
from dubcli.artifacts.phones import INDEX
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.media.sound import audio
from dubcli.quality import curves
from dubcli.speech import basis, model, motion, prior
from dubcli.speech.features import features, levelled

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from gather import Clip, gather

Features = dict[str, NDArray[Any]]
PARTS = 4


def silent(name: str) -> Callable[[Features], Features]:
    """Features without one of them."""
    return lambda heard: heard | {name: np.zeros_like(heard[name])}


def unheard_closures(heard: Features) -> Features:
    """Features in which no phone asks lips to meet."""
    rows = heard["viseme"].copy()
    rows[:, INDEX["PP"]] = 0
    return heard | {"viseme": rows}


def plain(voice: model.Voice) -> model.Voice:
    """A voice that does not exaggerate."""
    return dataclasses.replace(voice, gain=np.ones(1, np.float32))


def blank(known: prior.Prior) -> prior.Prior:
    """A prior of which all weights are zero: it predicts means."""
    return prior.Prior(
        known.directions, dataclasses.replace(known.linear, weight=np.zeros_like(known.linear.weight))
    )


def free(person: basis.Person, made: NDArray[np.float32], *_: object) -> NDArray[np.float32]:
    """In place of a step of `motion.speak`: nothing is done."""
    return made


def wanted(
    clip: Clip,
    known: prior.Prior,
    part: tuple[float, float],
    dub: Features,
    heard: Features,
    change: Mapping[str, Any],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Opening and width (T, 2) asked for and the clip's own, in one quarter."""
    inside = (clip.seconds >= part[0]) & (clip.seconds < part[1])
    sides = [clip.seconds < part[0], clip.seconds >= part[1]]
    track_spans = [
        model.TrackSpan("a", clip.seconds[side], clip.shape[side]) for side in sides if side.sum() > 5
    ]
    person = basis.person(clip.head, np.concatenate([s.shape for s in track_spans]))
    learnt, _ = model.fit(known, {"a": person}, track_spans, heard, 2.0)
    voices = {} if change.get("no film") else dict(learnt.voices)
    if "voice" in change:
        voices = {name: change["voice"](voice) for name, voice in voices.items()}
    learnt = dataclasses.replace(learnt, voices=voices)
    seconds = learnt.times(dub, clip.seconds[inside] - part[0])
    shape, together = learnt.predict("a", person, dub, seconds)
    still = np.zeros(len(seconds), np.float32)
    if not change.get("as predicted"):
        together = change.get("together", 1) * together
        steps = {name: change.get(name, getattr(motion, name)) for name in ("within", "posed")}
        with patch.multiple(motion, **steps):
            shape, _ = motion.speak(person, shape, together, dub, seconds, still)
    return basis.lips(shape), basis.lips(clip.shape[inside])


def closures(curve: NDArray[np.float32]) -> NDArray[np.int64]:
    """Minima at which the lips have met."""
    curve = np.round(curve, 3)  # finer than any tracker's error
    limit, mid = basis.below(curve, curves.MET), curve[1:-1]
    if limit is None:
        return np.zeros(0, np.int64)
    return 1 + np.flatnonzero((mid <= curve[:-2]) & (mid <= curve[2:]) & (mid < limit))


def f1(got: NDArray[np.int64], want: NDArray[np.int64]) -> float:
    """Of events within one frame."""
    if not len(got) or not len(want):
        return 0.0
    near = np.abs(got[:, None] - want) <= 1
    precision, recall = near.any(1).mean(), near.any(0).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


ROWS: dict[str, dict[str, Any]] = {
    "both": {},
    "prior only": {"no film": True},
    "film only": {"prior": blank},
    "without encoder": {"features": silent("encoded")},
    "without log-mel": {"features": silent("logmel")},
    "without gain": {"voice": plain},
    "without projection": {"within": free},
    "without teeth and rounding": {"posed": free},
    "without predicted closures": {"together": 0},
    "without closures of phones": {"features": unheard_closures},
    "without closures, pauses, projection": {"as predicted": True},
}


def known_for(footage: Path, priors: Path | None, names: Sequence[str]) -> Iterator[tuple[Path, prior.Prior]]:
    """Clips with a prior that was not trained on them; all that have one, or those that are named."""
    seen = {p.stem for p in listed(footage, "prior")}
    for path in sorted(footage.glob("talk/*")):
        own = priors / f"{path.stem}.safetensors" if priors else None
        used = own if own and own.exists() else None if path.stem in seen else prior.SHIPPED
        if used and (not names or path.stem in names):
            yield path, prior.load(used)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Which clips, and where what is known of them lies."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("clips", nargs="*", metavar="CLIP")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--priors", type=Path)
    return parser


def main() -> None:
    """Print a line for each clip and row, and a table of means."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), help="of the table")
    args = parser.parse_intermixed_args()
    means: dict[str, list[list[float]]] = {row: [] for row in args.rows}
    clips = list(known_for(args.footage, args.priors, args.clips))
    for path, before in tqdm(clips, desc="clips", disable=None):
        clip, (wave, _) = gather(path, args.cache), audio(path)
        edges = np.arange(PARTS + 1) * len(wave) // PARTS
        dubs = [features(wave[a:b], PhoneAligner().align(levelled(wave[a:b]))) for a, b in pairwise(edges)]
        for row in args.rows:
            change = ROWS[row]
            known = change.get("prior", lambda p: p)(before)
            hear = change.get("features", lambda f: f)
            found = []
            for k, dub in enumerate(dubs):
                part = edges[k] / 16000, edges[k + 1] / 16000
                made, true = wanted(clip, known, part, hear(dub), hear(clip.features), change)
                (got, narrow), (want, real) = made.T, true.T
                best = max(
                    curves.correlation(
                        got[max(0, s) : len(got) + min(0, s)], want[max(0, -s) : len(want) - max(0, s)]
                    )
                    or 0.0
                    for s in range(-4, 5)
                )
                found.append(
                    [
                        curves.correlation(got, want) or 0.0,
                        best,
                        curves.articulation(got, want) or 0.0,
                        f1(closures(got), closures(want)),
                        curves.correlation(narrow, real) or 0.0,
                    ]
                )
            means[row].append(np.mean(found, axis=0).tolist())
            shown = json.dumps({"clip": path.stem, "row": row, "found": np.round(found, 3).tolist()})
            with tqdm.external_write_mode():
                print(shown, flush=True)
    print(
        "| | corr | at its best lag | articulation | closure F1 | corr of width |\n|---|---|---|---|---|---|"
    )
    for row, each in means.items():
        print(f"| {row} | " + " | ".join(f"{v:.3f}" for v in np.mean(each, axis=0)) + " |")


if __name__ == "__main__":
    main()
