"""YAML and TOML files into strict models; errors name file, line and column, and suggest the nearest name."""

from __future__ import annotations

import copy
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

from pydantic import BaseModel, ValidationError

if typing.TYPE_CHECKING:
    from pydantic_core import ErrorDetails

from dubcli.errors import ConfigError
from dubcli.settings import yamltext
from dubcli.settings.encoding import encoding, place_of, read_bytes
from dubcli.settings.yamltext import Keys as Keys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Model = TypeVar("Model", bound=BaseModel)

LARGEST_BYTES = 4_000_000  # set by hand, far above any such file; keeps a wrong path from filling memory
_MOST_PROBLEMS = 20  # that are told of a file; set by hand
_LISTS = frozenset({"list_type", "tuple_type"})
_CONTAINERS = _LISTS | {"dict_type", "model_type", "model_attributes_type"}
_OF_KEYS = frozenset({"missing", "extra_forbidden"})
_WORDS = {  # type of pydantic's errors → what people understand
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "date_from_datetime_parsing": "a day is written year-month-day, such as 2030-12-31",
    **dict.fromkeys(_LISTS, "must be a list"),
    **dict.fromkeys(_CONTAINERS - _LISTS, "must be a mapping of keys"),
}
_short = reprlib.Repr()  # of what stands in a file, for errors of one line
_short.maxstring = 80  # characters; set by hand


@dataclass(frozen=True)
class Document:
    """A parsed file: plain data, and the position of each value in the file.

    Attributes:
        name: the file's name in errors.
        data: mappings, sequences, strings, numbers, booleans and None.
        places: keys from the top → (line, column), both from 1; empty where the format has no positions.
        texts: keys → a single value as it is written, where the format leaves open whether it is text.
    """

    name: str
    data: Any
    places: Mapping[Keys, tuple[int, int]] = field(default_factory=dict)
    texts: Mapping[Keys, str] = field(default_factory=dict)

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
        made = _tried(self.data, model)
        if isinstance(made, BaseModel):
            return made
        again = attempt(self._mended(made), model)
        if isinstance(again, BaseModel):
            return again
        lines = [f"{self.at(keys)}: {text}" for keys, text in again[:_MOST_PROBLEMS]]
        more = len(again) - len(lines)
        raise ConfigError("\n".join([*lines, f"{self.name}: {more} more like these"] if more else lines))

    def fitted(self, model: type[BaseModel]) -> Any:
        """The data as a model asks for it, where what is meant is beyond doubt.

        What is to be text is taken as it is written, though YAML reads it otherwise (`no`, `007`), and a key
        under which nothing stands, where a list or a mapping belongs, is left out.
        """
        made = _tried(self.data, model)
        return self.data if isinstance(made, BaseModel) else self._mended(made)

    def _mended(self, errors: Iterable[ErrorDetails]) -> Any:
        data = copy.deepcopy(self.data)
        for item in errors:
            keys = item["loc"]
            around = _within(data, keys[:-1])
            if item["type"] == "string_type" and keys in self.texts and keys:
                around[keys[-1]] = self.texts[keys]
            elif item["type"] in _CONTAINERS and item["input"] is None and isinstance(around, dict) and keys:
                around.pop(keys[-1], None)
        return data


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
    data = read_bytes(path, "text file", LARGEST_BYTES)
    try:
        text = data.decode(encoding(data))
    except UnicodeDecodeError as error:
        what = (
            "a spreadsheet or an archive; save it as CSV"
            if data[:2] == b"PK"
            else "not UTF-8 text; save it as that"
        )
        raise ConfigError(f"{place_of(path, data, error)}: {what}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_yaml(text: str, name: str) -> Document:
    """YAML text, as `yamltext.load` reads it.

    Raises:
        ConfigError: it is not well formed.
    """
    return Document(name, *yamltext.load(text, name))


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
        if "Invalid value" in place:
            place += "; text goes in straight quotes, true and false in small letters"
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


def validate(data: Any, model: type[Model]) -> Model:
    """Plain data as a strict model, under JSON's rules: a list may fill a tuple, a string a path.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    return model.model_validate_json(json.dumps(data, default=str, ensure_ascii=False))


def attempt(data: Any, model: type[Model]) -> Model | list[tuple[Keys, str]]:
    """What `validate` makes of plain data, or what is wrong: (keys from the top, one line) each."""
    try:
        found = _tried(data, model)
    except RecursionError:
        return [((), "nested too deeply")]
    if isinstance(found, BaseModel):
        return found
    alike: dict[Keys, list[ErrorDetails]] = {}  # where a value may be of several types, one for each of them
    for item in found:
        keys = item["loc"]
        while keys and item["type"] not in _OF_KEYS and not _holds(_within(data, keys[:-1]), keys[-1]):
            keys = keys[:-1]  # what follows names a type
        alike.setdefault(keys, []).append(item)
    return [(keys, _error_text(keys, items, model)) for keys, items in alike.items()]


def problems_of(data: Any, model: type[BaseModel]) -> list[tuple[Keys, str]]:
    """The errors of plain data against a model, as `attempt` gives them; [] where it fits."""
    made = attempt(data, model)
    return [] if isinstance(made, BaseModel) else made


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


def _tried(data: Any, model: type[Model]) -> Model | list[ErrorDetails]:
    """Plain data as a model, or what pydantic finds wrong with it."""
    try:
        return validate(data, model)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=True)


def _within(data: Any, keys: Sequence[str | int]) -> Any:
    """The value at a place; None where there is none."""
    for key in keys:
        if not _holds(data, key):
            return None
        data = data[key]
    return data


def _holds(data: Any, key: str | int) -> bool:
    """Whether there is such a key in a mapping, or such an item in a list."""
    return key in data if isinstance(data, dict) else isinstance(data, list) and key in range(len(data))


def _error_text(keys: Keys, items: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    """One line about a value; several items where it is none of several types."""
    item = items[0]
    named = tuple(key for key in keys if key != "[key]")  # pydantic's mark of a key that is wrong
    dotted = ".".join(str(key) for key in named)
    if item["type"] == "extra_forbidden":
        known = fields_at(model, named[:-1])
        section, dot, rest = str(named[-1]).partition(".")
        near = (
            f"; write {section}: {{{rest}: …}}"
            if dot and section in known
            else suggestion(str(named[-1]), known)
        )
        return f"unknown key {_short.repr(dotted)}{near}"
    if item["type"] == "missing":
        return f"{dotted!r} is missing"
    given = item.get("input")
    first, *more = dict.fromkeys(_in_words(one) for one in items)
    message = " or ".join([first, *(words.removeprefix("must be ") for words in more)])
    if not named:
        return f"the file {message}: {', '.join(model.model_fields)}"
    if given is None:
        return f"{dotted}: {message}; nothing stands there"
    shown = f", not {_short.repr(given)}" if isinstance(given, str | int | float | bool) else ""
    return f"{dotted}: {message}{shown}{_hint(given, items)}"


def _in_words(item: ErrorDetails) -> str:
    """What is wrong, in words of people."""
    if item["type"] in _WORDS:
        return _WORDS[item["type"]]
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    message = message.replace("String should", "must").replace("Tuple should", "must")
    message = message.replace(" after validation", "")
    return message[:1].lower() + message[1:]


def _hint(given: Any, items: Iterable[ErrorDetails]) -> str:
    """`; write …`: what may have been meant by a value of another type."""
    kinds = {item["type"] for item in items}
    if kinds & _LISTS and isinstance(given, str | int | float):
        return f"; write [{given}]"
    text = given.strip().rstrip("%").replace(",", ".") if isinstance(given, str) else ""
    number = re.fullmatch(r"[-+]?\d{1,9}(\.\d{1,9})?", text)
    if kinds & {"int_type", "float_type", "int_from_float"} and number and not str(given).endswith("%"):
        return f"; write {text}"
    return ""


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
