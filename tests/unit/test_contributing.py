"""What the documents promise: what dependencies are for, and which tests prove what."""

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


def test_what_docs_say_to_prove_a_thing_is_there() -> None:
    """A test that was renamed or taken out leaves a promise that nothing holds."""
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    tests = {test for text in files.values() for test in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    lost = []
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for word in re.findall(r"`((?:[\w/]*test_|…)[^` ]*)`", path.read_text("utf-8")):
            file, _, test = word.rpartition("::") if ".py" in word else ("", "", word)
            file, test = (word, "") if word.endswith(".py") else (file, test)
            pattern = re.compile(".*".join(map(re.escape, test.split("…"))))
            found = not file or file.rpartition("/")[2] in files
            if not found or (test and not any(map(pattern.fullmatch, tests))):
                lost.append(f"{path.name}: {word}")
    assert lost == []


def test_every_row_of_the_kinds_of_films_names_its_test() -> None:
    text = (ROOT / "docs" / "media.md").read_text("utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| ") and "proved by" not in row]
    assert len(rows) > 100
    assert [row for row in rows if not re.search(r"`[\w/]*test_|the same[^|]*\|$", row)] == []


def name(line: str) -> str:
    """The name of a package in one spelling, without the versions after it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower()
