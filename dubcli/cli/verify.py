"""`dubcli verify`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.output import out
from dubcli.errors import CheckError

Film = Annotated[Path, typer.Argument(metavar="FILE", help="The film.", show_default=False)]
OfJob = Annotated[
    Path | None,
    typer.Option(
        "--job", metavar="DIR", rich_help_panel=options.FILES,
        help="The job that made it: its bytes and its changed frames are compared with the film's.",
    ),
]  # fmt: skip
Trust = Annotated[
    Path | None,
    typer.Option(
        "--trust", metavar="FILE", rich_help_panel=options.FILES,
        help="Certificates, in PEM, of authorities that you trust to know who signs.",
    ),
]  # fmt: skip


def verify(
    film: Film,
    job_dir: OfJob = None,
    trust: Trust = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say what a film's manifest proves, and what it does not.

    The manifest (C2PA) is read from the film, or from the sidecar beside it: film.c2pa of film.mkv.
    Nothing is fetched from the network. With -v every changed range is listed.

    Ends with 8 if there is no manifest, or if the film was changed after it was signed.
    """
    from dubcli.core.job import Job
    from dubcli.core.verify import verify as look

    found = look(film, Job.open(job_dir) if job_dir else None, trust)
    claim = found.found.claim if found.found else None
    if json:
        out.document(
            {
                "film": str(film),
                "holds": found.holds,
                "manifest": dataclasses.asdict(found.found)
                | {"claim": claim and claim.model_dump(mode="json")}
                if found.found
                else None,
                "digital_source_type": found.source_type or None,
                "statements": [vars(row) for row in found.statements],
            }
        )
    else:
        out.table(("", film.name), [(row.kind, row.text) for row in found.statements])
        if out.verbose and claim:
            rows = zip(claim.changed, claim.seconds, strict=False)
            out.table(
                ("from frame", "to", "from s", "to s"), [(*frames, *seconds) for frames, seconds in rows]
            )
    if not found.holds:
        why = "has no manifest" if found.found is None else "is not what it is said to be"
        raise CheckError(f"{film} {why}; ask whoever gave it to you for the film as it was published")
