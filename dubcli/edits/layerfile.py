"""Retouched layers: patches of a face that come from a compositor instead of the lip engine.

`layers/SHOT.TRACK/` in the job directory holds them as the artifact of `lips` does, and `retouch.json` says
what they were made over: where the footage or the mouths have changed since, they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dubcli.artifacts.base import Document
from dubcli.errors import ConfigError, StoreError

FOLDER = "layers"
ROLE = "layers"


class Retouch(Document):
    """`retouch.json`.

    Attributes:
        over: role → digest of the inputs of the face's unit of `lips` when the layers were taken from it.
    """

    FILE: ClassVar[str] = "retouch.json"

    over: dict[str, str]


def files(root: Path) -> dict[str, Path]:
    """Face → folder of its retouched layers in a job directory.

    Raises:
        ConfigError: one of them is not whole.
    """
    found = {path.name: path for path in sorted((root / FOLDER).glob("*")) if path.is_dir()}
    for path in found.values():
        load(path)
    return found


def load(folder: Path) -> Retouch:
    """What a folder of retouched layers says of itself.

    Raises:
        ConfigError: it is not whole.
    """
    try:
        return Retouch.load(folder)
    except StoreError:
        raise ConfigError(
            f"{folder} holds no retouched layers; delete it, or type: dubcli layers import"
        ) from None


def differences(folder: Path, inputs: Mapping[str, str]) -> list[str]:
    """Roles of what retouched layers were made over that are others now.

    Args:
        folder: the layers.
        inputs: role → digest of what the face's unit of `lips` takes now.

    Raises:
        ConfigError: the layers are not whole.
    """
    over = load(folder).over
    return sorted(role for role in over if over[role] != inputs.get(role))


def check(name: str, folder: Path, inputs: Mapping[str, str]) -> None:
    """Check that retouched layers are still those of a face.

    Args:
        name: `shot.track`.
        folder: the layers.
        inputs: role → digest of what the face's unit of `lips` takes now.

    Raises:
        ConfigError: they were made over something else.
    """
    if changed := differences(folder, inputs):
        raise ConfigError(
            f"{folder}: the retouched layers of {name} were made over another {', '.join(changed)}; "
            "delete the folder, run, and export its layers again"
        )
