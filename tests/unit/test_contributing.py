"""What CONTRIBUTING promises of the dependencies."""

from __future__ import annotations

import re
import sys
from itertools import chain
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]


def test_every_dependency_is_pinned_and_says_what_it_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = {name(line) for line in [*project["dependencies"], *chain.from_iterable(extras.values())]}
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = {
        name(word)
        for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
        for word in re.split(r",? ", row)
    }
    assert sorted(names - rows) == []
    pins = {name(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line}
    untested = {name(line) for line in extras["script"]}  # what tests do without
    assert sorted(names - pins - untested) == []


def name(line: str) -> str:
    """The name of a package in one spelling, without the versions after it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower()
