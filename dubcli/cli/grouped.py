"""Commands whose options are dataclasses: each field is an option, so that related options stay together."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """A command that takes an option for every field of the dataclasses that a function takes.

    Parameters that are no dataclasses stay as they are.
    """
    kinds = get_type_hints(function, include_extras=True)
    groups: dict[str, dict[str, inspect.Parameter]] = {}
    for name, plain in inspect.signature(function).parameters.items():
        kind = kinds[name]
        whole = {name: plain.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY)}
        groups[name] = _options(kind) if dataclasses.is_dataclass(kind) else whole

    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(
            **{
                name: kinds[name](**{option: given[option] for option in options})
                if dataclasses.is_dataclass(kinds[name])
                else given[name]
                for name, options in groups.items()
            }
        )

    options = [option for group in groups.values() for option in group.values()]
    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return command


def _options(kind: Any) -> dict[str, inspect.Parameter]:
    """A parameter for each field of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.name: inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    }
