"""Leaves each face to `exemplar` or to the engine that was trained, by how well the film's footage fits it.

Real pixels are the better ones where there are any, so a face that footage fits stays with `exemplar`; a
network has its worth where footage lacks the wanted mouth. People on whom training did not help, by footage
that was held out of it, never come here (`stages.adapt.drawing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.engines.registry import engine

if TYPE_CHECKING:
    from dubcli.engines.lips import LipWork
    from dubcli.media.patches import Patch

FITS = 0.75
"""Mean confidence from which footage fits a face: what is wrong with it is about twice what is just visible
(`retrieval`). Set by hand."""


def algorithms(paths: Mapping[str, Path]) -> dict[str, str]:
    """Engine → algorithm number of those among which it chooses: its own results are theirs."""
    return {name: str(engine("lips", name).algorithm) for name in engine("lips", "auto").chooses}


class AutoEngine:
    """Asks one of two engines for the patches of a face."""

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """Patches of the engine that is chosen; `work.drawn_by` hears which, and why."""
        from dubcli.engines.lips import exemplar

        footage, trained = engine("lips", "auto").chooses
        fit = exemplar.confidence(work)
        mean = float(fit.mean()) if len(fit) else 0.0
        name = footage if mean >= FITS else trained
        compared = "at least" if name == footage else "less than"
        work.drawn_by(name, f"the film's own footage fits at {mean:.2f}, {compared} {FITS}")
        made: Iterator[Patch] = engine("lips", name).load().patches(work)
        return made
