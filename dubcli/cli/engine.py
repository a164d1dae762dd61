"""`dubcli engine list|show`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubcli.cli import options
from dubcli.cli.output import out, shown

if TYPE_CHECKING:
    from dubcli.engines.registry import EngineInfo

HELP = """
Show engines, the exchangeable parts of the pipeline.

Kinds are tracker (finds faces), aligner (finds words and phones in speech) and lips (renders mouths). Choose
one with --engine KIND=NAME or in a preset. The engines named passthrough do nothing, so the whole pipeline
runs without any model.
"""

Name = Annotated[str, typer.Argument(metavar="ENGINE", help="An engine's name, or KIND=NAME.")]


def list_engines(
    json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> None:
    """List all engines, those of installed packages too.

    Readiness is that for a job in this folder.
    """
    from dubcli.engines.registry import engines

    found, settings = list(engines().values()), _settings()
    if json:
        out.document([_facts(info, settings) for info in found])
        return
    rows = [(info.kind, info.name, _ready(info, settings), info.commercial, info.summary) for info in found]
    out.table(("kind", "engine", "ready", "commercial use", "what it does"), rows)


def show(
    name: Name,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show what is known of an engine.

    That is its licences, the package it needs, and the digests of its weights.
    """
    from dubcli.engines.registry import engines
    from dubcli.errors import UsageError
    from dubcli.settings.document import suggestion

    kind, equals, plain = name.partition("=")
    wanted = plain if equals else name
    found = [i for i in engines().values() if i.name == wanted and (not equals or i.kind == kind)]
    if not found:
        names = dict.fromkeys(info.name for info in engines().values())
        raise UsageError(f"there is no engine {name!r}{suggestion(wanted, names)}")
    if json:
        out.document([{**_facts(info, _settings()), "weights": _weights(info)} for info in found])
        return
    for number, info in enumerate(found):
        if number:
            out.data()
        for key, value in _facts(info, _settings()).items():
            out.data(f"{key}: {shown(value)}")
        for file, digest in _weights(info).items():
            out.data(f"weights: {file} sha256 {digest or 'missing'}")


def _settings() -> dict[str, Any]:
    """What a job in this folder would have."""
    from dubcli.settings.layers import resolve

    return {name: value for name, value, _ in resolve(folder=Path()).rows()}


def _ready(info: EngineInfo, settings: Mapping[str, Any]) -> str:
    lacks = info.lacks(settings)
    return f"needs {' and '.join(lacks)}" if lacks else "yes"


def _facts(info: EngineInfo, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": info.kind,
        "name": info.name,
        "summary": info.summary,
        "algorithm": info.algorithm,
        "licence": info.licence,
        "commercial": info.commercial,
        "package": info.package or None,
        "installed": info.installed,
        "ready": not info.lacks(settings),
        "lacks": info.lacks(settings),
    }


def _weights(info: EngineInfo) -> dict[str, str | None]:
    from dubcli.errors import DependencyError

    try:
        return dict(info.digests())
    except DependencyError:
        return dict.fromkeys(info.weights)


COMMANDS = {"list": list_engines, "show": show}
