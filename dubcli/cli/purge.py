"""`dubcli purge`."""

from __future__ import annotations

from typing import Annotated

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import counted

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", help="Remove nothing; show what would be left.", rich_help_panel=options.RUNNING
    ),
]


def purge(
    job_dir: options.JobDir = None,
    dry_run: DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Remove what a job has learnt from people, and list what is left.

    Faces, voices, reference pictures, mouth models, motions, patches, thumbnails, logs and the report
    go; so do the pictures in the store, and edited curves and styles. The film, the dub, the dubbed film
    and what people have written (cast.yaml with its consent records, cues, decisions) stay, and are
    listed on stdout with all else that is left. Another run would make the work anew.

    From a shared store goes what this job has used; other jobs of the film are to be purged as well.
    Ends with 8 if something could not be removed.
    """
    from dubcli.cli.cache import megabytes
    from dubcli.core.purge import purge as remove

    job = find_job(job_dir)
    done = remove(job, dry_run=dry_run)
    if json:
        out.document(
            {
                "job": str(job.root),
                "dry_run": dry_run,
                "results_removed": len(done.keys),
                "files_removed": done.files,
                "bytes_removed": done.size,
                "results_of_other_jobs": done.elsewhere,
                "left": [vars(row) for row in done.left],
            }
        )
        return
    would = "would remove" if dry_run else "removed"
    files = f" and {', '.join(done.files)}" if done.files else ""
    out.note(f"{would} {counted(len(done.keys), 'result')}{files}, {megabytes(done.size)} MB; what is left:")
    out.table(("left", "bytes", "what"), [(row.place, row.size, row.what) for row in done.left])
    if done.elsewhere:
        out.warn(
            f"the store {job.store.root} holds {counted(done.elsewhere, 'result')} of other jobs made from "
            "the same people; purge those jobs as well"
        )
