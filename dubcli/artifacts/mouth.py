"""`learn`'s artifact: the mouth model of a film, and the mouth shapes of its people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dubcli.artifacts.base import Document, Strict

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PERSONS = "persons.npz"
_WEIGHTS = "model.safetensors"


Kind = Literal["film", "prior", "rules"]
"""What drives the mouths: the film's own speech on top of the prior, the prior, or rules."""


class Learnt(Strict):
    """What was learnt of a person.

    Attributes:
        seconds: of their own speech that the model was fitted to; None where it was not.
        corr: correlation of the lips' aperture on speech held out.
        gain: factor that restores the amplitude which regression takes.
        talks: seconds of the film in which they talk.
        style: their own speaking style, as `speech.style.Style` dumps it.
    """

    seconds: float | None = None
    corr: float | None = None
    gain: float | None = None
    talks: float | None = None
    style: dict[str, Any]


class MouthFacts(Document):
    """`model.json`.

    Attributes:
        kind: what drives the mouths.
        why: the reason, in words.
        lag: seconds by which the film's pictures come after their sound.
        people: by id.
    """

    FILE: ClassVar[str] = "model.json"
    SPARSE: ClassVar[bool] = True

    kind: Kind
    why: str
    lag: float
    people: dict[str, Learnt]


def persons(folder: Path) -> dict[str, NDArray[Any]]:
    """Everybody's mouth shapes, named `<id>/<field>` (`speech.basis`), each read where it is looked at."""
    from dubcli.artifacts import arrays

    return arrays.mapped(folder / _PERSONS)


def save_persons(folder: Path, members: Mapping[str, NDArray[Any]]) -> None:
    """Write everybody's mouth shapes, uncompressed, so that one person's can be read alone."""
    import numpy as np

    np.savez(folder / _PERSONS, **members)


def weights(folder: Path, person: str | None = None) -> dict[str, NDArray[Any]]:
    """Weights of the mouth model, by name (`speech.model`).

    Args:
        folder: the artifact.
        person: of what is one person's, named `voice/<id>/…`, only theirs; None for everybody's.
    """
    from safetensors import safe_open

    with safe_open(folder / _WEIGHTS, framework="numpy") as file:
        own = [n for n in file.keys() if person is None or _whose(n) in ("", person)]  # noqa: SIM118
        return {name: file.get_tensor(name) for name in own}


def _whose(name: str) -> str:
    """Whose a weight is, "" where it is everybody's."""
    return name.split("/")[1] if name.startswith("voice/") else ""


def save_weights(folder: Path, members: Mapping[str, NDArray[Any]]) -> None:
    """Write the weights of the mouth model."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(rows) for name, rows in members.items()}, folder / _WEIGHTS)
