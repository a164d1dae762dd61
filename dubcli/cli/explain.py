"""`dubcli explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.output import out

UnitArgument = Annotated[
    str,
    typer.Argument(metavar="STAGE/UNIT", help="A unit as dubcli plan -v names it, such as lips/00000120.0."),
]
JobFirst = Annotated[Path, typer.Argument(metavar="JOB", help="The job directory.", show_default=False)]


def explain(
    job_dir: JobFirst,
    unit: UnitArgument,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show why one unit would run, or what it was made from.

    dubcli plan shows all units at a glance; this shows one in full: its key, what differs from the last time,
    its inputs, its settings, and its last failure.
    """
    from dubcli.core.explain import describe_unit
    from dubcli.core.job import Job

    job = Job.open(job_dir)
    job.read_sources()
    facts = describe_unit(job, unit)
    if json:
        out.document(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            for key, item in value.items():
                out.data(f"{name}: {key} = {item}")
        elif isinstance(value, list):
            for item in value:
                out.data(f"{name}: {item}")
        elif value is not None:
            out.data(f"{name}: {value}")
