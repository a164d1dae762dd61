"""YAML as people write it: a plain subset, with the place and the spelling of every value."""

from __future__ import annotations

import re
from typing import Any

import yaml

from dubcli.errors import ConfigError

Keys = tuple[str | int, ...]
Places = dict[Keys, tuple[int, int]]

_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset(f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq"))
_DIGITS = 18  # of the largest whole number that is read as one; a longer one stays text

_IN_WORDS = (
    (r"found character '\\t' that cannot start any token", "a tab; YAML is indented with spaces"),
    (r"found character '(.+)' that cannot start any token", r"text that begins with \1 goes in quotes"),
    (r"found undefined alias .*", "text that begins with * goes in quotes"),
    (r"found unexpected end of stream", "a quote that is never closed"),
    (
        r"mapping values are not allowed here",
        "a colon where none can be; text that holds a colon goes in quotes, and keys of one level begin "
        "in one column",
    ),
    (
        r"expected ',' or '([\]}])', but got.*",
        r"a comma or \1 is missing before this; text that holds a colon or a comma goes in quotes",
    ),
    (r"expected <block end>, but found.*", "begins in another column than what it belongs to"),
    (r"expected the node content, but found.*", "a value is missing"),
    (r"could not find expected ':'", "a key without a colon after it"),
    (r"but found another document", "a second document; only one may stand in the file"),
    (r"expected '<document start>'.*", "something after the end; take out what closes the file above it"),
)


class _Loader(yaml.SafeLoader):
    """Numbers are decimal, as in YAML 1.2: 00000050 is not octal, 1:30 no 90, and days are text."""

    def whole(self, node: yaml.ScalarNode) -> int | str:
        """A whole number; text where it is longer than any that a file may need."""
        return int(node.value) if len(node.value) <= _DIGITS else str(node.value)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag in (f"{_TAG}bool", f"{_TAG}null")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_Loader.add_constructor(f"{_TAG}int", _Loader.whole)


def value(text: str) -> Any:
    """A single value, by the same rules.

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, _Loader)


def load(text: str, name: str) -> tuple[Any, Places, dict[Keys, str]]:
    """The data of a YAML text; {} where it is empty.

    Returns:
        Plain data; keys from the top → (line, column), both from 1; keys → a single value as it is written.

    Raises:
        ConfigError: it is not well formed, has aliases or tags, or the same key twice; with its place.
    """
    places: Places = {}
    texts: dict[Keys, str] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return {}, {(): (1, 1)}, {}
        _Recorder(name, places, texts).record(node, ())
        return loader.construct_document(node), places, texts
    except yaml.MarkedYAMLError as error:
        problem = str(error.problem or error.context)
        mark = error.context_mark if "end of stream" in problem else error.problem_mark
        mark = mark or error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{place}: {_in_words(problem)}") from error
    except yaml.reader.ReaderError as error:
        line, column = (
            text.count("\n", 0, error.position) + 1,
            error.position - text.rfind("\n", 0, error.position),
        )
        raise ConfigError(f"{name}:{line}:{column}: a character that no text has; delete it") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {str(error).splitlines()[0]}") from error
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None


def _in_words(problem: str) -> str:
    """What the parser found wrong, in words of people."""
    for pattern, words in _IN_WORDS:
        if match := re.fullmatch(pattern, problem):
            return match.expand(words)
    return problem


class _Recorder:
    """Notes places and spellings; refuses what a settings file does not need."""

    def __init__(self, name: str, places: Places, texts: dict[Keys, str]) -> None:
        self.name, self.places, self.texts = name, places, texts
        self._seen = set[int]()

    def record(self, node: yaml.Node, keys: Keys) -> None:
        """A value, and all in it.

        Raises:
            ConfigError: it uses aliases or tags, or the same key twice.
        """
        if id(node) in self._seen:
            raise self._problem(node, "aliases (*name) are not supported")
        if node.tag not in _TAGS:
            raise self._problem(node, f"tags ({node.tag.replace(_TAG, '!!')}) are not supported")
        self._seen.add(id(node))
        self.places.setdefault(keys, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.record(item, (*keys, index))
        elif isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                self._entry(node, key, item, keys)
        elif node.tag != f"{_TAG}null" or not node.value:
            self.texts[keys] = node.value

    def _entry(self, within: yaml.MappingNode, key: yaml.Node, item: yaml.Node, keys: Keys) -> None:
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            raise self._problem(key, "a key must be a word")
        here, shown = (*keys, key.value), repr(key.value[:80])
        if here in self.places:
            raise self._problem(key, f"{shown} is given twice")
        if within.flow_style and key.end_mark.index == item.end_mark.index:  # a comma, but no colon
            raise self._problem(
                key,
                f"{shown} stands alone; text that holds a comma goes in quotes, and decimals have a point",
            )
        key.tag = f"{_TAG}str"  # whatever it looks like: 00000050, NO
        self.places[here] = (key.start_mark.line + 1, key.start_mark.column + 1)
        self.record(item, here)

    def _problem(self, node: yaml.Node, text: str) -> ConfigError:
        mark = node.start_mark
        return ConfigError(f"{self.name}:{mark.line + 1}:{mark.column + 1}: {text}")
