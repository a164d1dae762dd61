"""YAML and TOML files into strict models; errors name file, line and column, and suggest the nearest name."""

from __future__ import annotations

import difflib
import json
import re
import reprlib
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dubcli.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Model = TypeVar("Model", bound=BaseModel)
Keys = tuple[str | int, ...]

LARGEST_BYTES = 4_000_000  # set by hand, far above any settings file; keeps a wrong path from filling memory
_MOST_PROBLEMS = 20  # that are told of a file; set by hand
_short = reprlib.Repr()  # of what stands in a file, for errors of one line
_short.maxstring = 80


@dataclass(frozen=True)
class Document:
    """A parsed file: plain data, and the position of each value in the file.

    Attributes:
        name: the file's name in errors.
        data: mappings, sequences, strings, numbers, booleans and None.
        places: keys from the top → (line, column), both from 1; empty where the format has no positions.
    """

    name: str
    data: Any
    places: Mapping[Keys, tuple[int, int]] = field(default_factory=dict)

    def at(self, keys: Keys) -> str:
        """`file:line:column` of a value, or of the nearest value around it that has a place."""
        for size in range(len(keys), -1, -1):
            if keys[:size] in self.places:
                line, column = self.places[keys[:size]]
                return f"{self.name}:{line}:{column}"
        return self.name

    def model(self, model: type[Model]) -> Model:
        """The document as a strict model.

        Raises:
            ConfigError: one line per problem, each with its place; a table may have one in every row.
        """
        problems = problems_of(self.data, model)
        if problems:
            lines = [f"{self.at(keys)}: {text}" for keys, text in problems[:_MOST_PROBLEMS]]
            more = len(problems) - len(lines)
            raise ConfigError("\n".join([*lines, f"{self.name}: {more} more like these"] if more else lines))
        return validate(self.data, model)


def read(path: Path) -> Document:
    """A YAML file, or a TOML file by its suffix.

    Raises:
        ConfigError: it cannot be read, or is not well formed.
    """
    text = read_text(path)
    return parse_toml(text, str(path)) if path.suffix == ".toml" else parse_yaml(text, str(path))


def read_text(path: Path) -> str:
    """The text of a file that a person writes.

    Raises:
        ConfigError: it cannot be read, is too large or is not UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"{path}: too large for a settings file ({path.stat().st_size} bytes)")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error


class _Loader(yaml.SafeLoader):
    """Leaves days as text, so that a day that is none is told with its place."""

    def day(self, node: yaml.ScalarNode) -> str:
        """A day as it is written."""
        return str(self.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.day)


def parse_yaml(text: str, name: str) -> Document:
    """YAML text: the safe subset, without aliases and without the same key twice.

    Raises:
        ConfigError: it is not well formed.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(name, {}, {(): (1, 1)})
        places: dict[Keys, tuple[int, int]] = {}
        _record_positions(node, (), places, name, set())
        return Document(name, loader.construct_document(node), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{place}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: {str(error).splitlines()[0]}") from error
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None


def parse_toml(text: str, name: str) -> Document:
    """TOML text; the place of a key is found by looking for it, since the parser does not report it.

    Raises:
        ConfigError: it is not well formed.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*?) \(at line (\d+), column (\d+)\)", str(error))
        place = f"{name}:{match[2]}:{match[3]}: {match[1]}" if match else f"{name}: {error}"
        raise ConfigError(place) from error
    places: dict[Keys, tuple[int, int]] = {(): (1, 1)}
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[([^\[\]]+)\]", line):
            table = tuple(part.strip(" \"'") for part in head[1].split("."))
            places[table] = (number, head.start(1) + 1)
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            path = table + tuple(part.strip(" \"'") for part in key[1].split("."))
            places[path] = (number, key.start(1) + 1)
    return Document(name, data, places)


def parse_csv(text: str, name: str, top: str) -> Document:
    """A table as `{top: [{column: text}, ...]}`; empty cells are left out, `;` or a tab may replace `,`.

    Raises:
        ConfigError: the head is missing or names a column twice, or a row has more cells than the head.
    """
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise ConfigError(f"{name}:1:1: the first line must name the columns")
    mark = next((mark for mark in ";\t" if mark in lines[0] and "," not in lines[0]), ",")
    head = [cell.strip().lower() for cell, _ in _cells(lines[0], mark)]
    twice = next((column for k, column in enumerate(head) if column in head[:k]), None)
    if twice is not None:
        raise ConfigError(f"{name}:1:1: the column {twice!r} is given twice")
    rows: list[dict[str, str]] = []
    places: dict[Keys, tuple[int, int]] = {(): (1, 1), (top,): (1, 1)}
    for number, line in enumerate(lines[1:], 2):
        cells = [(cell.strip(), column) for cell, column in _cells(line, mark)]
        if not any(cell for cell, _ in cells):
            continue
        if len(cells) > len(head):
            raise ConfigError(f"{name}:{number}:{cells[len(head)][1]}: more cells than columns")
        places[top, len(rows)] = (number, 1)
        for key, (_, column) in zip(head, cells, strict=False):
            places[top, len(rows), key] = (number, column)
        rows.append({key: cell for key, (cell, _) in zip(head, cells, strict=False) if cell})
    return Document(name, {top: rows}, places)


def to_integer(value: Any) -> Any:
    """A cell of a table as an integer; other text is returned unchanged."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value


def to_number(value: Any) -> Any:
    """A cell as a number, which may have a decimal comma; other text is returned unchanged."""
    try:
        return float(value.replace(",", ".")) if isinstance(value, str) else value
    except ValueError:
        return value


def _cells(line: str, mark: str) -> list[tuple[str, int]]:
    """Cells of a line of CSV with the column, from 1, at which each begins."""
    found, at = [], 0
    closed = re.compile(rf'"((?:[^"]|"")*)"[ \t]*(?={mark}|$)')
    while at <= len(line):
        quoted = closed.match(line, at)
        if quoted:
            found.append((quoted[1].replace('""', '"'), at + 1))
            at = quoted.end() + 1
        else:
            stop = line.find(mark, at)
            stop = len(line) if stop < 0 else stop
            found.append((line[at:stop], at + 1))
            at = stop + 1
    return found


def validate(data: Any, model: type[Model]) -> Model:
    """Plain data as a strict model, under JSON's rules: a list may fill a tuple, a string a path.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    return model.model_validate_json(json.dumps(data, default=str, ensure_ascii=False))


def problems_of(data: Any, model: type[BaseModel]) -> list[tuple[Keys, str]]:
    """The errors of plain data against a model: (keys from the top, one line) each; [] where it fits."""
    try:
        validate(data, model)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True)
        return [(tuple(item["loc"]), _error_text(item, model)) for item in found]
    except RecursionError:
        return [((), "nested too deeply")]
    return []


def fields_at(model: type[BaseModel], keys: Sequence[str | int]) -> list[str]:
    """Field names allowed at a place in the model; [] where any name or none is."""
    here: Any = model
    for key in keys:
        here = _annotation_at(here, key)
        if here is None:
            return []
    models = [part for part in _alternatives(here) if isinstance(part, type) and issubclass(part, BaseModel)]
    return list(models[0].model_fields) if models else []


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` for a mistyped word, or the whole list where nothing is near."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else ""


def _error_text(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    keys = tuple(key for key in item["loc"] if key != "[key]")  # pydantic's mark of a key that is wrong
    dotted = ".".join(str(key) for key in keys)
    if item["type"] == "extra_forbidden":
        return f"unknown key {_short.repr(dotted)}{suggestion(str(keys[-1]), fields_at(model, keys[:-1]))}"
    if item["type"] == "missing":
        return f"{dotted!r} is missing"
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    message = message.replace("String should", "must")
    message = message.replace("an object", "a mapping of keys").replace("a valid array", "a list")
    message = message[:1].lower() + message[1:]
    if not keys:
        return f"the file {message}"
    given = item.get("input")
    shown = (
        f", not {_short.repr(given)}" if isinstance(given, str | int | float | bool) or given is None else ""
    )
    return f"{dotted}: {message}{shown}"


def _alternatives(annotation: Any) -> list[Any]:
    """The alternatives of an annotation without `Annotated` and `None`."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [part for option in typing.get_args(annotation) for part in _alternatives(option)]
    return [] if annotation is type(None) else [annotation]


def _annotation_at(annotation: Any, key: str | int) -> Any:
    for part in _alternatives(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            if key in part.model_fields:
                return part.model_fields[str(key)].annotation
        elif typing.get_args(part):
            return typing.get_args(part)[-1] if isinstance(key, str) else typing.get_args(part)[0]
    return None


def _record_positions(
    node: yaml.Node, keys: Keys, places: dict[Keys, tuple[int, int]], name: str, seen: set[int]
) -> None:
    """Note the place of every value; refuse YAML features that a settings file does not need."""
    mark = node.start_mark
    if id(node) in seen:
        raise ConfigError(f"{name}:{mark.line + 1}:{mark.column + 1}: aliases (*name) are not supported")
    seen.add(id(node))
    places.setdefault(keys, (mark.line + 1, mark.column + 1))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _record_positions(item, (*keys, index), places, name, seen)
    elif isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            key, mark = str(key_node.value), key_node.start_mark
            here, place = (*keys, key), (mark.line + 1, mark.column + 1)
            if key_node.tag != "tag:yaml.org,2002:str":
                raise ConfigError(f"{name}:{place[0]}:{place[1]}: a key must be a word, in quotes if need be")
            if here in places:
                raise ConfigError(f"{name}:{place[0]}:{place[1]}: {_short.repr(key)} is given twice")
            places[here] = place
            _record_positions(value, here, places, name, seen)
