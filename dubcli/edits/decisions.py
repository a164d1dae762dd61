"""`decisions.yaml`: what a reviewer decided shot by shot, with settings of a shot's own.

    shots:
      "00000120": {state: approved, take: 2, stop: 361, note: "lips meet now"}
      "00000361": {state: rejected, take: 1, settings: {motion.amplitude: 0.8}}

`dubcli review` writes it, and a person may: a shot is called by its name, in quotes. A shot that is
`approved` keeps its take through all later runs, until it is open or rejected again; take 0 is the film's
own picture. `stop` is the frame after the shot's last one when it was approved: another shot may get its
name, and has no approval. The settings of one that is not run it again alone: those of `motion` and `lips`,
since others would change other shots as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dubcli.edits import shotname
from dubcli.errors import ConfigError, typed
from dubcli.settings.config import Settings
from dubcli.settings.document import Document, parse_yaml, problems_of, read, validate
from dubcli.settings.layers import flatten, names, nest

if TYPE_CHECKING:
    from dubcli.artifacts.shots import Shot

FILE = "decisions.yaml"
SECTIONS = ("motion", "lips")
"""Sections of the settings that one shot may have for itself."""

_HEAD = "# Decisions of the review; dubcli review writes them, and so may you.\nshots:\n"


def _own(settings: dict[str, Any]) -> dict[str, Any]:
    known = own_settings()
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"{name!r} is no setting that a shot can have for itself: {', '.join(known)}")
        if problems := problems_of(nest({name: value}), Settings):
            raise ValueError(problems[0][1])
    return settings


def _flat(settings: Any) -> Any:
    """Settings as they are written; of a section a mapping would be told once for every type it is not."""
    for name, value in settings.items() if isinstance(settings, dict) else ():
        if isinstance(value, dict | list | None):
            raise ValueError(f"{name} must be one value, by its whole name, such as motion.amplitude: 0.8")
    return settings


_Settings = Annotated[dict[str, bool | int | float | str], BeforeValidator(_flat), AfterValidator(_own)]


class Decision(BaseModel):
    """What was decided about one shot.

    Attributes:
        state: `approved` keeps its take; `rejected` and `open` do not.
        take: the take that is approved or was rejected; 0 is the film's own picture, None the last one.
        stop: the frame after the last one of a shot that is approved; None where nobody said.
        note: for people.
        settings: `section.field` → value, for this shot alone.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)

    state: Literal["open", "approved", "rejected"] = "open"
    take: Annotated[int, Field(ge=0, le=9999)] | None = None
    stop: Annotated[int, Field(ge=1)] | None = None
    note: str = Field(default="", max_length=2000)
    settings: _Settings = {}

    def applied(self, settings: Settings) -> Settings:
        """A film's settings with those of this shot in their place."""
        flat = flatten(settings.model_dump(mode="json"), Settings) | self.settings
        return validate(nest(flat), Settings)


def _shot_name(text: str) -> str:
    if not re.fullmatch(r"\d{8,12}", text):
        fix = (
            f"; write {shotname.named(int(text))}" if re.fullmatch(r"\d{1,7}", text) else ", such as 00000120"
        )
        raise ValueError(f"a shot is called by the eight digits of its first frame{fix}")
    return text


ShotName = Annotated[str, AfterValidator(_shot_name)]


class Decisions(BaseModel):
    """The whole file."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)

    shots: dict[ShotName, Decision] = {}


def own_settings() -> list[str]:
    """The settings that one shot may have for itself, as `section.field`."""
    return [name for name in names() if name.split(".")[0] in SECTIONS]


def load(path: Path) -> tuple[Document, Decisions]:
    """Read the file; without one there are no decisions.

    Raises:
        ConfigError: it is not well formed; file, line and column are named.
    """
    if not path.is_file():
        return Document(str(path), {}), Decisions()
    document = read(path)
    return document, document.model(Decisions)


def notes(root: Path) -> dict[str, str]:
    """Shot → what a reviewer noted about it, of the job directory `root`."""
    _, found = load(root / FILE)
    return {shot: decision.note for shot, decision in found.shots.items() if decision.note}


def changed(text: str, decisions: Mapping[str, Decision]) -> str:
    """The file's text with these decisions; other lines, and comments, stay as they are.

    Args:
        text: the file, "" for none.
        decisions: shot → what is decided now; one that decides nothing is taken out.
    """
    entries = _entries(text)
    if entries is None:  # no shots yet, or all between one pair of braces
        before = parse_yaml(text, FILE).model(Decisions).shots
        if not before and not any(_spelt(one) for one in decisions.values()):
            return text
        lines = [f'  "{shot}": {_spelt(one)}\n' for shot, one in before.items() if _spelt(one)]
        text = _HEAD + "".join(lines)
        entries = _entries(text) or {}
    places: list[tuple[int, int, str]] = []
    new: list[str] = []
    for shot, decision in decisions.items():
        spelt = _spelt(decision)
        line = f'"{shot}": {spelt}'
        if shot not in entries:
            new += [line] if spelt else []
            continue
        start, stop = entries[shot]
        if not spelt:
            start, stop, line = text.rfind("\n", 0, start) + 1, _next_line(text, stop), ""
        places.append((start, stop, line))
    if not new and sum(not line for _, _, line in places) == len(entries):
        return ""
    if new:
        end = _next_line(text, max((stop for _, stop in entries.values()), default=len(text)))
        first = min((start for start, _ in entries.values()), default=0)
        column = first - text.rfind("\n", 0, first) - 1 if entries else 2
        added = "".join(f"{' ' * column}{line}\n" for line in new)
        places.append((end, end, added if text[:end].endswith("\n") else f"\n{added}"))
    for start, stop, line in sorted(places, reverse=True):
        text = text[:start] + line + text[stop:]
    return text


def _spelt(decision: Decision) -> str:
    """A decision on one line; "" where it decides nothing."""
    data = decision.model_dump(exclude_defaults=True)
    return json.dumps(data, ensure_ascii=False) if data else ""


def _next_line(text: str, at: int) -> int:
    """Where the line after a position begins."""
    end = text.find("\n", at)
    return end + 1 if end >= 0 else len(text)


def _entries(text: str) -> dict[str, tuple[int, int]] | None:
    """Shot → where its entry stands in the text; None where shots do not stand one below the other."""
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None
    for key, value in root.value:
        if key.value == "shots" and isinstance(value, yaml.MappingNode) and not value.flow_style:
            return {name.value: (name.start_mark.index, _stop(text, one)) for name, one in value.value}
    return None


def _stop(text: str, node: yaml.Node) -> int:
    """Where the text of a value ends; a block's own mark stands where the next text begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _stop(text, node.value[-1][1])
    return len(text[: node.end_mark.index].rstrip())


def check_shots(document: Document, decisions: Decisions, shots: Mapping[str, Shot]) -> None:
    """Check that the shots of the decisions exist, and that approved ones end where they did.

    Raises:
        ConfigError: one does not; file, line and column are named.
    """
    for name, decision in decisions.shots.items():
        if name not in shots:
            raise ConfigError(
                f"{document.at(('shots', name))}: there is no shot {name}{shotname.nearest(name, shots)}; "
                "take the entry out, or correct it"
            )
        if decision.stop not in (None, shots[name].stop):
            # No take of it can be approved before a film shows it so.
            raise ConfigError(
                f"{document.at(('shots', name))}: shot {name} was approved when it ended before frame "
                f"{decision.stop}, and now ends before {shots[name].stop}: it is another shot; type: "
                f"dubcli review {typed(Path(document.name).parent)} reopen {name}"
            )
