"""What failed in a run, what it leaves undone, and how the run then ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from dubcli.core.model import JobView, Unit
from dubcli.errors import AwayError, DiskFullError, DubError, ExitCode, PartialError

FATAL = {ExitCode.USAGE, ExitCode.MEDIA, ExitCode.CONFIG, ExitCode.DEPENDENCY, ExitCode.STORE}
"""Failures that a retry would only repeat."""


def is_fatal(error: DubError) -> bool:
    """Whether all other units would fail by it as well."""
    return error.exit_code in FATAL or isinstance(error, AwayError | DiskFullError)


@dataclass
class Failures:
    """The units of a run that failed, whose texts stand in `view.failures`.

    Attributes:
        view: the job.
        fall_back: whether a shot that failed shows the original picture.
        errors: by the id of the unit.
    """

    view: JobView
    fall_back: bool
    errors: dict[str, DubError] = field(default_factory=dict)

    def add(self, unit: Unit, error: DubError, text: str) -> None:
        """A unit of a shot has failed for good."""
        self.errors[unit.id] = error
        self.view.failures[unit.id] = text

    def abandons(self, unit: Unit) -> bool:
        """Whether a unit's shot failed upstream, so that it need not run."""
        return not self.fall_back and unit.shot in self._shots()

    def error(self) -> DubError:
        """How a run ends in which something failed."""
        unit_id, text = next(iter(self.view.failures.items()))
        first = self.errors.get(unit_id) or text
        stage = unit_id.split("/")[0]
        if isinstance(first, DubError) and not self.view.artifacts.get(stage) and not self.fall_back:
            return first
        end = (
            "they show the original picture"
            if self.view.artifacts.get("remux")
            else "type the same to try them again, or add --fallback original"
        )
        return PartialError(f"{len(self._shots())} of the shots failed ({first}); {end}")

    def _shots(self) -> set[str]:
        return {unit_id.split("/")[1].split(".")[0] for unit_id in self.view.failures}
