"""`dubcli unlock`."""

from __future__ import annotations

from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out

Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Also where another machine gave a sign of life in the last five minutes. A process of this "
        "machine is never overruled: stop it.",
    ),
]


def unlock(
    job_dir: options.JobDir = None,
    force: Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Release a job that a dead machine holds.

    A run that was killed on this machine holds nothing, and one on a machine that died holds a job for
    five minutes: this command is for those who know better, and for file servers that keep the locks of dead
    clients. Nothing can be lost by it: what is done is in the store, and two runs only do work twice.
    """
    from dubcli.core import lock

    job = find_job(job_dir)
    for holder in lock.release(job.root, force=force):
        out.note(f"released what {holder} held")
    out.note(f"nobody holds {job.root}")
