"""Renders the one page over all films of a batch; each links to its own report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import jinja2


@dataclass(frozen=True)
class Line:
    """A job on the page.

    Attributes:
        result: how it ended, in words.
        mark: how that is shown; "good" is one that is done, "bad" one that failed.
        took: how long this run worked on it, in words; "" where it did not come to it.
        report: its `report.html`, None where there is none.
        content: its `report.json`; empty where there is none.
    """

    film: str
    dub: str
    preset: str
    out: str
    result: str
    mark: Literal["good", "soft", "bad"]
    took: str
    report: Path | None
    content: Mapping[str, Any]

    @property
    def totals(self) -> Mapping[str, Any]:
        """Sums over its film, by the names of `artifacts.report.Totals`."""
        found = self.content.get("totals")
        return found if isinstance(found, dict) else {}

    @property
    def warnings(self) -> Sequence[str]:
        """What to check by eye in it."""
        found = self.content.get("warnings")
        return [str(text) for text in found] if isinstance(found, list) else []


def page(title: str, lines: Sequence[Line], folder: Path) -> str:
    """The page as HTML; every text in it is escaped.

    Args:
        title: the batch's name.
        lines: its jobs.
        folder: where the page will be, which links count from.
    """

    def link(path: Path) -> str:
        return quote(os.path.relpath(path.resolve(), folder.resolve()))

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = resources.files(__package__).joinpath("batch.html").read_text("utf-8")
    done = sum(line.mark == "good" for line in lines)
    return environment.from_string(text).render(title=title, lines=lines, done=done, link=link)
