"""`dubcli demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.output import out

OutFolder = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="DIR", help="Where to put it; made if it does not exist.",
        rich_help_panel=options.FILES,
    ),
]  # fmt: skip


def demo(
    folder: OutFolder = Path("demo-out"),
    workers: options.Workers = None,
    progress: options.Progress = "auto",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a small sample film and dub it.

    The film has three shots, its own English speech, a second audio track and subtitles; its French dub is
    made too. The face is a public-domain NASA portrait, animated by dubcli.
    """
    from dubcli.cli.jobs import Request, Running
    from dubcli.cli.run import execute, listeners
    from dubcli.core.plan import Selection
    from dubcli.demo.film import make
    from dubcli.errors import typed

    folder.mkdir(parents=True, exist_ok=True)
    film, dub = make(folder)
    out.note(f"made {film} and {dub}; now: dubcli run {typed(film)} --audio {typed(dub)}")
    execute(
        Request(film, dub),
        Running(workers=workers),
        Selection(),
        force=False,
        listeners=listeners(progress, json=False),
        json=False,
    )
