"""Action keys: what a unit's result depends on, as canonical JSON and its sha256.

A key never sees a path, a time, a host, a batch size or the version of a package that is pinned; of a device
only that shots are tracked on a GPU, where they come to other numbers.
What an engine takes from elsewhere in whatever version is there, such as eSpeak NG, is in its unit's keys.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dubcli.core.model import Unit

SCHEMA = 1


def canonical(value: Any) -> bytes:
    """The one JSON form of a value: sorted keys, no spaces, UTF-8.

    Raises:
        TypeError: the value holds something that has no single JSON form (a path, bytes, a set, NaN).
    """
    return _encode(_to_json_types(value))


def digest(value: Any) -> str:
    """sha256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def key(image: Mapping[str, Any]) -> str:
    """The key of a pre-image as `preimage` gives it: its `digest`, without checking every value again."""
    return hashlib.sha256(_encode(image)).hexdigest()


def of(unit: Unit, salt: str = "") -> str:
    """The key of a unit, without the checks of `preimage`: a plan asks for thousands."""
    return key(_image(unit, salt))


def preimage(unit: Unit, salt: str = "") -> dict[str, Any]:
    """All that a unit's result depends on, as JSON types; its digest is the unit's key.

    Raises:
        DependencyError: the weights of the unit's engine are not there.
        TypeError: a value has no single JSON form.
    """
    return {name: _to_json_types(value) for name, value in _image(unit, salt).items()}


def _image(unit: Unit, salt: str) -> dict[str, Any]:
    engine = unit.engine
    # An entry only where it is not empty: keys of other engines stay as they are.
    libraries = engine.versions(unit.paths) if engine else {}
    return {
        "schema": SCHEMA,
        "stage": unit.stage.name,
        "version": unit.stage.version,
        "engine": [engine.name, engine.algorithm] if engine else None,
        "weights": engine.digests() if engine else {},
        "params": unit.params,
        "facts": unit.facts,
        "inputs": unit.inputs,
        "salt": salt,
        **({"libraries": libraries} if libraries else {}),
    }


def _to_json_types(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool:
        return value
    if kind is list or kind is tuple:
        return [_to_json_types(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return value
    if kind is dict or isinstance(value, Mapping):
        found = {}
        for name, item in value.items():
            if not isinstance(name, str):
                raise TypeError("a key's mappings are named by strings")
            found[name] = item if type(item) is str else _to_json_types(item)
        return found
    if isinstance(value, (str, int)):
        return value
    raise TypeError(f"{kind.__name__} cannot be part of a key: {value!r}")


def _encode(plain: Any) -> bytes:
    return _ENCODER.encode(plain).encode()


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_to_json_types
)
