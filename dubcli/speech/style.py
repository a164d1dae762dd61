"""Speaking styles: how a mouth moves in speech, whatever is said, and lending it to another mouth.

A style is a file in a job's folder `styles`, which `dubcli style lend` writes and a person may edit:

    {
     "opening": {"middle": 0.0712, "reach": 0.0391},
     "width": {"middle": -0.0105, "reach": 0.0224},
     "protrusion": {"middle": 0.0038, "reach": 0.0091},
     "film": "interview.mp4",
     "person": "p01",
     "seconds": 21.4
    }

`middle` is how far a measure of the mouth lies above the same mouth at rest in speech that asks for nothing
special, `reach` how far it goes about that (its standard deviation), both in distances between the outer eye
corners. `film`, `person` and `seconds`, of speech, are for the eye.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dubcli.errors import ConfigError
from dubcli.settings.document import Document, Keys, parse_yaml, read_text, suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.speech.basis import Person
    from dubcli.speech.model import Stretch
    from dubcli.speech.prior import Prior

    Floats = NDArray[np.float32]

FOLDER = "styles"
OWN = "own"
"""In place of a style's name: the person's own."""

_GAIN = (0.5, 2.0)  # beyond, a mouth looks like nobody's


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Measure(_Strict):
    """One measure of a mouth: its middle above rest, and how far it goes, in outer-eye distances."""

    middle: Annotated[float, Field(ge=-1, le=1)]
    reach: Annotated[float, Field(gt=0, le=1)]


class Style(_Strict):
    """How somebody speaks: the measures of `speech.basis`."""

    opening: Measure
    width: Measure
    protrusion: Measure

    def columns(self) -> tuple[Floats, Floats]:
        """Middles and reaches, (3,) each, in the order of `basis.measures`."""
        import numpy as np

        parts = self.opening, self.width, self.protrusion
        rows = np.array([(part.middle, part.reach) for part in parts], np.float32)
        return rows[:, 0], rows[:, 1]


class StyleFile(Style):
    """The whole file."""

    film: str = ""
    person: str = ""
    seconds: Annotated[float, Field(ge=0)] = 0.0

    @property
    def style(self) -> Style:
        """What it says of mouths."""
        return Style(opening=self.opening, width=self.width, protrusion=self.protrusion)


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
    """Hold the styles that a file names, with their places, against those there are.

    Raises:
        ConfigError: there is no style of that name; file, line and column are named.
    """
    for keys, name in named:
        if name and name != OWN and name not in known:
            hint = suggestion(name, known) or "; to make one: dubcli style lend"
            raise ConfigError(f"{document.at(keys)}: there is no style {name!r}{hint}")


def usual(person: Person) -> Style:
    """The style of somebody whose speech is not known: of all their mouths that were seen."""
    from dubcli.speech import basis

    seen = person.decode(person.coefficients) if len(person.coefficients) else person.closed[None]
    values = basis.measures(seen) - basis.measures(person.closed)
    return _style(values.mean(0), values.std(0))


def observed(
    prior: Prior,
    person: Person,
    own: Sequence[tuple[Stretch, NDArray[np.bool_]]],
    features: Mapping[str, Any],
    lag: float,
) -> Style:
    """The style in which a person was seen to speak.

    What the prior tells of the same speech is taken out of the middles, so that they depend less on what was
    said (`bench/style.py`).

    Args:
        prior: speech to measures.
        person: whose mouth.
        own: their stretches, and the frames (T,) of each in which they speak; some frame does.
        features: of the film's sound.
        lag: seconds by which pictures come after their sound.
    """
    import numpy as np

    from dubcli.speech import basis, model
    from dubcli.speech.prior import MEASURES

    spoken = [
        model.Stretch(one.person, one.seconds[piece][speaks[piece]], one.shape[piece][speaks[piece]])
        for one, speaks in own
        for piece in (slice(a, a + model.PIECE) for a in range(0, len(speaks), model.PIECE))
        if speaks[piece].any()
    ]
    heard, shape = model.lesson(prior, spoken, features)
    told = prior(model.windows(heard, lag))[:, :MEASURES].astype(np.float64)
    values = basis.measures(shape).astype(np.float64) - basis.measures(person.closed)
    about = told - told.mean(0)
    slope = (about * (values - values.mean(0))).sum(0) / np.maximum((about**2).sum(0), 1e-9)
    return _style(values.mean(0) - slope * told.mean(0), values.std(0))


def _style(middle: Any, reach: Any) -> Style:
    rows = [
        Measure(middle=round(float(m), 4), reach=round(max(float(r), 1e-4), 4))
        for m, r in zip(middle, reach, strict=True)
    ]
    return Style(opening=rows[0], width=rows[1], protrusion=rows[2])


def lent(person: Person, own: Style, shape: Floats, lenders: Iterable[tuple[Style, Floats]]) -> Floats:
    """Mouths that move in the style of others.

    Each measure is moved and stretched from where and how far the person's own goes to where and how far the
    lender's does. It says nothing of what the person can do; see `basis.within`.

    Args:
        person: whose mouth.
        own: their own style.
        shape: (T, P, 3) as predicted.
        lenders: styles, and how much of each there is in every frame, (T,) 0–1; 1 together at most.
    """
    import numpy as np

    from dubcli.speech import basis

    rest, has = basis.measures(person.closed), basis.measures(shape)
    middle, reach = own.columns()
    wanted = has.copy()
    for style, share in lenders:
        theirs, far = style.columns()
        gain = np.clip(far / reach, *_GAIN)
        wanted += share[:, None] * (rest + theirs + gain * (has - rest - middle) - has)
    # Lips that go further apart or nearer together never go through each other.
    wanted[:, 0] = np.maximum(wanted[:, 0], np.minimum(has[:, 0], rest[0]))
    return basis.reshaped(person, shape, wanted)
