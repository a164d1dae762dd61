"""Retouched layers: patches of a face that come from a compositor instead of the lip engine.

`layers/SHOT.TRACK/` in the job directory holds them as the artifact of `lips` does, and `retouch.json` says
what they were made over: where the footage or the mouths have changed since, they are refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from dubcli.artifacts.base import Document
from dubcli.errors import ConfigError, StoreError, typed

FOLDER = "layers"
ROLE = "layers"
_ASIDE = "."
"""Begins the name of a face's earlier layers while others take their place."""


class Retouch(Document):
    """`retouch.json`.

    Attributes:
        over: role → digest of the inputs of the face's unit of `lips` when the layers were taken from it.
        sizes: file → bytes, of what the folder holds beside this.
    """

    FILE: ClassVar[str] = "retouch.json"

    over: dict[str, str]
    sizes: dict[str, int] = Field(default_factory=dict)


def files(root: Path) -> dict[str, Path]:
    """Face → folder of its retouched layers in a job directory.

    Raises:
        ConfigError: one of them is not whole.
    """
    folders = [path for path in sorted((root / FOLDER).glob("*")) if path.is_dir()]
    # Those aside come first, and so give way.
    found = {path.name.removeprefix(_ASIDE): path for path in folders}
    for path in found.values():
        load(path)
    return found


def put(taken: Path, target: Path) -> None:
    """Move new layers of a face to their place; a kill at any moment leaves the earlier ones or the new.

    Args:
        taken: the new layers, whole, on the same disk.
        target: their place, which `files` knows; earlier ones may be there.
    """
    aside = target.with_name(_ASIDE + target.name)
    if target.is_dir():
        shutil.rmtree(aside, ignore_errors=True)  # a kill has left it, when the new ones were in place
        target.rename(aside)
    taken.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def load(folder: Path) -> Retouch:
    """What a folder of retouched layers says of itself.

    Raises:
        ConfigError: it is not whole.
    """
    try:
        found = Retouch.load(folder)
        whole = all((folder / name).stat().st_size == size for name, size in found.sizes.items())
    except (StoreError, OSError):
        whole = False
    if not whole:
        raise ConfigError(
            f"{folder} holds no whole layers; type: rm -r {typed(folder)}, and take them back again with "
            "dubcli layers import"
        )
    return found


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
            f"type: rm -r {typed(folder)}, run, and export its layers again"
        )
