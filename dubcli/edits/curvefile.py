"""A mouth's curves as a person edits them: what `dubcli motion export` writes and `import` reads.

A table (CSV), or JSON `{"curves": [{...}]}`, of one face in one shot:

    frame,seconds,aperture,width,weight
    131,5.240,0.0831,0.4120,1.000

`aperture` and `width` are of the lips, in distances between the outer eye corners; `weight` is the blend
weight of the new mouth. `seconds` is for display only. Frames left out, and empty cells, stay unchanged.
`opening`, the name of `aperture` in older files, is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from dubcli.errors import ConfigError
from dubcli.settings.document import Document
from dubcli.settings.table import read_rows, to_integer, to_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dubcli.artifacts.motion import Motion
    from dubcli.speech.basis import Person

COLUMNS = ("frame", "seconds", "aperture", "width", "weight")
_FORMS = {"frame": "{}", "seconds": "{:.3f}", "aperture": "{:.4f}", "width": "{:.4f}", "weight": "{:.3f}"}
_RESOLUTION = 1e-4  # differences from this size on are edits: the last digit written
Gap = Annotated[Annotated[float, Field(ge=-1, le=3)] | None, BeforeValidator(to_number)]
Share = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(to_number)]


class _Strict(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Row(_Strict):
    """One frame; None keeps a curve."""

    frame: Annotated[int, BeforeValidator(to_integer), Field(ge=0)]
    seconds: Annotated[float | None, BeforeValidator(to_number)] = None
    aperture: Gap = Field(default=None, validation_alias=AliasChoices("aperture", "opening"))
    width: Gap = None
    weight: Share = None


class CurveFile(_Strict):
    """The whole file."""

    curves: tuple[Row, ...]


@dataclass(frozen=True)
class Curves:
    """Curves of consecutive frames, (T,) each."""

    frames: NDArray[np.int32]
    aperture: NDArray[np.float32]
    width: NDArray[np.float32]
    weight: NDArray[np.float32]


def load(path: Path) -> tuple[Document, CurveFile]:
    """Read the file and check it as far as possible without the face.

    Raises:
        ConfigError: it is not well formed, or a frame is given twice; file, line and column are named.
    """
    document = read_rows(path, "curves", (*COLUMNS, "opening"), ("frame",))
    file, seen = document.model(CurveFile), set[int]()
    for k, row in enumerate(file.curves):
        if row.frame in seen:
            raise ConfigError(f"{document.at(('curves', k, 'frame'))}: frame {row.frame} is given twice")
        seen.add(row.frame)
    return document, file


def check(document: Document, file: CurveFile, frames: Sequence[int]) -> None:
    """Check the frames of a file against those in which a mouth is changed, which are consecutive.

    Raises:
        ConfigError: a frame is none of them; file, line and column are named.
    """
    for k, row in enumerate(file.curves):
        if not frames or not frames[0] <= row.frame <= frames[-1]:
            place = document.at(("curves", k, "frame"))
            span = f"from {frames[0]} to {frames[-1]}" if frames else "in no frame"
            raise ConfigError(f"{place}: frame {row.frame} is out of range; this mouth is changed {span}")


def apply_edits(document: Document, file: CurveFile, now: Curves) -> Curves:
    """Curves with a person's edits.

    Raises:
        ConfigError: a frame is not one of the face's; file, line and column are named.
    """
    check(document, file, now.frames.tolist())
    out = {name: getattr(now, name).copy() for name in ("aperture", "width", "weight")}
    for row in file.curves:
        at = row.frame - int(now.frames[0])
        for name, values in out.items():
            value = getattr(row, name)
            if value is not None and abs(value - values[at]) > _RESOLUTION:
                values[at] = value
    return Curves(now.frames, **out)


def merge_edits(
    before: CurveFile | None, now: Iterable[Mapping[str, Any]], edits: CurveFile
) -> list[dict[str, Any]]:
    """A face's edits: the earlier ones, and each cell in which a new file differs from the `rows` of now."""
    rows = {row.frame: row.model_dump() for row in (before.curves if before else ())}
    known = {row["frame"]: row for row in now}
    for row in edits.curves:
        cells = {name: getattr(row, name) for name in _FORMS if name not in ("frame", "seconds")}
        told = {
            name: value
            for name, value in cells.items()
            if value is not None and abs(value - known[row.frame][name]) > _RESOLUTION
        }
        if told:
            rows[row.frame] = dict.fromkeys(COLUMNS) | rows.get(row.frame, {}) | {"frame": row.frame} | told
    return [rows[frame] for frame in sorted(rows)]


def reshape(
    person: Person, shape: NDArray[np.float32], aperture: NDArray[np.float32], width: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Shapes (T, P, 3) with given apertures and lip widths (T,), moved along this person's main modes."""
    import numpy as np

    from dubcli.speech import basis

    wanted = np.stack([aperture, width], axis=1)
    return basis.reshaped(person, shape, wanted, basis.lips)


def rows(motion: Motion, seconds: NDArray[np.float64]) -> list[dict[str, Any]]:
    """A motion's curves, a row a frame, as exactly as files say them.

    Args:
        motion: of one face.
        seconds: (N,) times of the film's frames.
    """
    from dubcli.speech import basis

    columns = (
        motion.frames, seconds[motion.frames], motion.aperture, basis.width(motion.shape), motion.weight,
    )  # fmt: skip
    return [
        {name: json.loads(_FORMS[name].format(value)) for name, value in zip(COLUMNS, row, strict=True)}
        for row in zip(*columns, strict=True)
    ]


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """A file as a table."""
    lines = [
        ",".join(_FORMS[name].format(row[name]) if row[name] not in (None, "") else "" for name in COLUMNS)
        for row in rows
    ]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def to_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """A file as JSON, a frame a line."""
    return '{"curves": [\n' + ",\n".join(f"  {json.dumps(dict(row))}" for row in rows) + "\n]}\n"
