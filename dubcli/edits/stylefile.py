"""Styles as files of a job's folder `styles`, written by `dubcli style lend` and edited by hand.

    {
     "aperture": {"middle": 0.0712, "reach": 0.0391},
     "width": {"middle": -0.0105, "reach": 0.0224},
     "protrusion": {"middle": 0.0038, "reach": 0.0091},
     "film": "interview.mp4",
     "person": "p01",
     "seconds": 21.4
    }

`middle` is the mean of a measure of the mouth above its value at rest, in speech without special demands,
`reach` its standard deviation, both in distances between the outer eye
corners. `film`, `person` and `seconds`, of speech, are for display only. `opening`, the name of
`aperture` in older files, is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from dubcli.errors import ConfigError
from dubcli.settings.document import Document, Keys, parse_yaml, read_text, suggestion
from dubcli.speech.style import Style

FOLDER = "styles"
OWN = "own"
"""In place of a style's name: the person's own."""


class StyleFile(Style):
    """The whole file."""

    film: str = ""
    person: str = ""
    seconds: Annotated[float, Field(ge=0)] = 0.0

    @property
    def style(self) -> Style:
        """Its measures as a style."""
        return Style(aperture=self.aperture, width=self.width, protrusion=self.protrusion)


NAME = r"\w[\w .-]{0,59}"
StyleName = Annotated[str, StringConstraints(pattern=f"^({NAME})?$")]
"""A style as cues and `cast.yaml` name it; "" for none."""


def load(path: Path) -> StyleFile:
    """Read a style.

    Raises:
        ConfigError: it is not one; file, line and column are named.
    """
    return parse_yaml(read_text(path).expandtabs(1), str(path)).model(StyleFile)


def dump(file: StyleFile) -> str:
    """A style as `load` reads it, a measure a line."""
    rows = (
        f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in file.model_dump().items()
    )
    return "{\n" + ",\n".join(rows) + "\n}\n"


def files(job: Path) -> dict[str, Path]:
    """The styles in a job directory: name → file."""
    return {path.stem: path for path in sorted((job / FOLDER).glob("*.json"))}


def check(document: Document, named: Iterable[tuple[Keys, str]], known: Collection[str]) -> None:
    """Check that the styles a file names exist.

    Raises:
        ConfigError: there is no style of that name; file, line and column are named.
    """
    for keys, name in named:
        if name and name != OWN and name not in known:
            hint = suggestion(name, known) or "; to make one: dubcli style lend"
            raise ConfigError(f"{document.at(keys)}: there is no style {name!r}{hint}")
