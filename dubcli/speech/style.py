"""Speaking styles: statistics of a mouth's movement in speech, and their transfer to another mouth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.speech.basis import Person
    from dubcli.speech.model import TrackSpan
    from dubcli.speech.prior import Prior

    Floats = NDArray[np.float32]

_GAIN = (0.5, 2.0)  # bounds of the ratio of reaches; set by hand: beyond them a mouth looks unnatural


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Measure(_Strict):
    """Mean above rest and standard deviation of one measure of a mouth, in outer-eye distances."""

    middle: Annotated[float, Field(ge=-1, le=1)]
    reach: Annotated[float, Field(gt=0, le=1)]


class Style(_Strict):
    """A speaking style: statistics of the measures of `speech.basis`."""

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
    """Style of a person whose speech is not known, from all their observed mouths."""
    from dubcli.speech import basis

    shapes = person.decode(person.coefficients) if len(person.coefficients) else person.closed[None]
    values = basis.measures(shapes) - basis.measures(person.closed)
    return _style(values.mean(0), values.std(0))


def observed(
    prior: Prior,
    person: Person,
    own: Sequence[tuple[TrackSpan, NDArray[np.bool_]]],
    features: Mapping[str, Any],
    lag: float,
) -> Style:
    """Style of a person, from their observed speech.

    The prior's estimate for the same speech is regressed out of the middles, so that they depend less on the
    words (`bench/style.py`).

    Args:
        prior: speech to measures.
        person: whose mouth.
        own: their track spans, and the frames (T,) of each in which they speak; some frame does.
        features: of the film's sound.
        lag: seconds by which pictures come after their sound.
    """
    import numpy as np

    from dubcli.speech import basis, model
    from dubcli.speech.prior import MEASURES

    spoken = [
        model.TrackSpan(one.person, one.seconds[chunk][speaks[chunk]], one.shape[chunk][speaks[chunk]])
        for one, speaks in own
        for chunk in (slice(a, a + model.CHUNK) for a in range(0, len(speaks), model.CHUNK))
        if speaks[chunk].any()
    ]
    chunks, shape = model.training_set(prior, spoken, features)
    estimate = prior(model.windows(chunks, lag))[:, :MEASURES].astype(np.float64)
    values = basis.measures(shape).astype(np.float64) - basis.measures(person.closed)
    centred = estimate - estimate.mean(0)
    slope = (centred * (values - values.mean(0))).sum(0) / np.maximum((centred**2).sum(0), 1e-9)
    return _style(values.mean(0) - slope * estimate.mean(0), values.std(0))


def _style(middle: Any, reach: Any) -> Style:
    rows = [
        Measure(middle=round(float(m), 4), reach=round(max(float(r), 1e-4), 4))
        for m, r in zip(middle, reach, strict=True)
    ]
    return Style(aperture=rows[0], width=rows[1], protrusion=rows[2])


def transferred(person: Person, own: Style, shape: Floats, styles: Iterable[tuple[Style, Floats]]) -> Floats:
    """Mouths in the style of others.

    Each measure is shifted and scaled from the person's own mean and deviation to those of the other style.
    The result may be outside the person's range; see `basis.within`.

    Args:
        person: whose mouth.
        own: the person's own style.
        shape: (T, P, 3) as predicted.
        styles: pairs of a style and its weight in each frame, (T,) 0–1; weights sum to at most 1.
    """
    import numpy as np

    from dubcli.speech import basis

    rest, current = basis.measures(person.closed), basis.measures(shape)
    middle, reach = own.columns()
    target = current.copy()
    for style, share in styles:
        style_middle, style_reach = style.columns()
        gain = np.clip(style_reach / reach, *_GAIN)
        target += share[:, None] * (rest + style_middle + gain * (current - rest - middle) - current)
    # Lips with more or less movement never pass through each other.
    target[:, 0] = np.maximum(target[:, 0], np.minimum(current[:, 0], rest[0]))
    return basis.reshaped(person, shape, target)
