"""`learn`'s artifact: the mouth model of a film, and the mouth shapes of its persons."""

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
"""What drives the mouths: the prior adapted to the film's speech, the prior alone, or rules."""


class PersonFit(Strict):
    """What the mouth model was fitted to for one person.

    Attributes:
        seconds: of their speech that the model was fitted to; None where it was not.
        corr: correlation of the aperture on held-out speech.
        gain: factor that restores the amplitude that regression shrinks.
        talks: seconds of the film in which they talk.
        style: their speaking style in the film, as `speech.style.Style` dumps it.
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
        why: the reason, for display.
        lag: seconds by which the film's picture is later than its audio.
        people: person id → fit.
    """

    FILE: ClassVar[str] = "model.json"
    SPARSE: ClassVar[bool] = True

    kind: Kind
    why: str
    lag: float
    people: dict[str, PersonFit]


def persons(folder: Path) -> Mapping[str, NDArray[Any]]:
    """All persons' mouth shapes, named `<id>/<field>` (`speech.basis`), memory-mapped."""
    from dubcli.artifacts import arrays

    return arrays.mapped(folder / _PERSONS)


def save_persons(folder: Path, members: Mapping[str, NDArray[Any]]) -> None:
    """Write all persons' mouth shapes, uncompressed, so that those of one person can be read alone."""
    import numpy as np

    np.savez(folder / _PERSONS, **members)


def weights(folder: Path, person: str | None = None) -> dict[str, NDArray[Any]]:
    """Weights of the mouth model, by name (`speech.model`).

    Args:
        folder: the artifact's folder.
        person: the person whose weights, named `voice/<id>/…`, are read beside the shared ones; None for all.
    """
    from safetensors import safe_open

    with safe_open(folder / _WEIGHTS, framework="numpy") as file:
        own = [n for n in file.keys() if person is None or _whose(n) in ("", person)]  # noqa: SIM118 - it is no mapping
        return {name: file.get_tensor(name) for name in own}


def _whose(name: str) -> str:
    """The person of a weight, "" for a shared one."""
    return name.split("/")[1] if name.startswith("voice/") else ""


def save_weights(folder: Path, members: Mapping[str, NDArray[Any]]) -> None:
    """Write the weights of the mouth model."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(rows) for name, rows in members.items()}, folder / _WEIGHTS)
