"""The lip engine that leaves every mouth alone."""

from __future__ import annotations

from collections.abc import Iterator

from dubcli.engines.lips import LipWork
from dubcli.media.patches import Patch


class PassthroughEngine:
    """Makes no patches, so the film's picture stays as it is."""

    def patches(self, work: LipWork) -> Iterator[Patch]:
        """Nothing."""
        return iter(())
