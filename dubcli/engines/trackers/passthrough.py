"""The tracker without detections: the film passes through unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dubcli.artifacts.tracks import FaceTrack
from dubcli.engines.trackers import Picture


class PassthroughTracker:
    """Finds no face, without decoding a frame."""

    def track(
        self,
        pictures: Iterable[Picture],
        *,
        turn: int = 0,
        views: int = 1,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[FaceTrack]:
        """No tracks."""
        return []
