"""`dubcli preset list|show|check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.output import out

HELP = """
Show presets, named sets of settings.

A preset is a YAML file. A setting is taken from the first of these that has it: a flag, a DUBCLI_* variable
(DUBCLI_LIPS_ENGINE for lips.engine), dubcli.toml in the folder that holds the job, your own config file, the
preset, the default.
"""

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="PRESET", help="A name from dubcli preset list, or a YAML file.", show_default=False
    ),
]
File = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Preset files, or dubcli.toml.", show_default=False)
]
AsYaml = Annotated[
    bool,
    typer.Option(
        "--yaml", help="As a preset file with every setting, to make your own from.",
        rich_help_panel=options.OUTPUT,
    ),
]  # fmt: skip


def list_presets(
    json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> None:
    """List the presets that come with dubcli."""
    from dubcli.settings.document import read
    from dubcli.settings.layers import DEFAULT_PRESET, Preset, presets

    rows = [(name, read(path).model(Preset).summary) for name, path in presets().items()]
    if json:
        out.document(
            [{"name": name, "summary": text, "default": name == DEFAULT_PRESET} for name, text in rows]
        )
    else:
        out.table(("preset", "what for"), rows)


def show(
    name: Name = None,
    assignments: options.Assignments = None,
    as_yaml: AsYaml = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show every setting, its value and where that comes from.

    Values are those of a job in this folder. With -v each setting is described.
    """
    from dubcli.cli.jobs import as_json
    from dubcli.settings.layers import describe, nest, resolve

    resolved = resolve(preset=name, folder=Path(), assignments=tuple(assignments or ()))
    if json:
        out.document({"preset": resolved.preset, "settings": as_json(resolved)})
    elif as_yaml:
        import yaml

        from dubcli.settings.config import PERSONAL

        data = nest({key: value for key, value, _ in resolved.rows() if key not in PERSONAL})
        text = f"made from the preset {resolved.preset}"
        out.raw(yaml.safe_dump({"summary": text, **data}, sort_keys=False, allow_unicode=True).rstrip())
    elif out.verbose:
        rows = [(key, value, origin, describe(key)) for key, value, origin in resolved.rows()]
        out.table(("setting", "value", "from", "meaning"), rows)
    else:
        out.table(("setting", "value", "from"), resolved.rows())


def check(
    files: File, json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> None:
    """Check preset files and dubcli.toml files.

    Every problem is named with its line and column. Ends with 4 if there is any.
    """
    from dubcli.errors import ConfigError
    from dubcli.settings.document import read
    from dubcli.settings.layers import ConfigFile, Preset, refuse_personal, user_config

    problems: dict[str, list[str]] = {}
    for path in files:
        try:
            document = read(path)
            document.model(ConfigFile if path.suffix == ".toml" else Preset)
            if path.resolve() != user_config().resolve():
                refuse_personal(document)
            problems[str(path)] = []
        except ConfigError as error:
            problems[str(path)] = str(error).splitlines()
    if json:
        out.document([{"file": name, "problems": lines} for name, lines in problems.items()])
    found = [line for lines in problems.values() for line in lines]
    if found:
        raise ConfigError("\n".join([f"{len(found)} found", *found]) if len(found) > 1 else found[0])
    if not json:
        out.note(f"{len(files)} checked, nothing wrong")


COMMANDS = {"list": list_presets, "show": show, "check": check}
