"""`dubcli engine list|show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubcli.cli import options
from dubcli.cli.output import out, shown

if TYPE_CHECKING:
    from dubcli.engines.registry import EngineInfo

HELP = """
Look at engines, the parts of the work that can be swapped.

Kinds are tracker (finds faces), aligner (hears speech) and lips (makes mouths). Choose one with --engine
KIND=NAME or in a preset. The engines named passthrough do nothing, so the whole chain runs without any model.
"""

Name = Annotated[str, typer.Argument(metavar="ENGINE", help="An engine's name, or KIND=NAME.")]


def list_engines(
    json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> None:
    """List all engines, those of installed packages too."""
    from dubcli.engines.registry import engines

    found = list(engines().values())
    if json:
        out.document([_facts(info) for info in found])
        return
    rows = [(info.kind, info.name, info.installed, info.commercial, info.summary) for info in found]
    out.table(("kind", "engine", "installed", "commercial use", "what it does"), rows)


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
        out.document([{**_facts(info), "weights": _weights(info)} for info in found])
        return
    for number, info in enumerate(found):
        if number:
            out.data()
        for key, value in _facts(info).items():
            out.data(f"{key}: {shown(value)}")
        for file, digest in _weights(info).items():
            out.data(f"weights: {file} sha256 {digest or 'missing'}")


def _facts(info: EngineInfo) -> dict[str, Any]:
    return {
        "kind": info.kind,
        "name": info.name,
        "summary": info.summary,
        "algorithm": info.algorithm,
        "licence": info.licence,
        "commercial": info.commercial,
        "package": info.package or None,
        "installed": info.installed,
    }


def _weights(info: EngineInfo) -> dict[str, str | None]:
    from dubcli.errors import DependencyError

    try:
        return dict(info.digests())
    except DependencyError:
        return dict.fromkeys(info.weights)


COMMANDS = {"list": list_engines, "show": show}
