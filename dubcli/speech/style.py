"""Speaking styles: how a mouth moves in speech, whatever is said, and lending it to another mouth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.speech.basis import Person
    from dubcli.speech.model import Stretch
    from dubcli.speech.prior import Prior

    Floats = NDArray[np.float32]

_GAIN = (0.5, 2.0)  # beyond, a mouth looks like nobody's


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Measure(_Strict):
    """One measure of a mouth: its middle above rest, and how far it goes, in outer-eye distances."""

    middle: Annotated[float, Field(ge=-1, le=1)]
    reach: Annotated[float, Field(gt=0, le=1)]


class Style(_Strict):
    """How somebody speaks: the measures of `speech.basis`."""

    aperture: Measure = Field(validation_alias=AliasChoices("aperture", "opening"))
    width: Measure
    protrusion: Measure

    def columns(self) -> tuple[Floats, Floats]:
        """Middles and reaches, (3,) each, in the order of `basis.measures`."""
        import numpy as np

        parts = self.aperture, self.width, self.protrusion
        rows = np.array([(part.middle, part.reach) for part in parts], np.float32)
        return rows[:, 0], rows[:, 1]


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
    return Style(aperture=rows[0], width=rows[1], protrusion=rows[2])


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
