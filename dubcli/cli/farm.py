"""`dubcli farm`: jobs in the formats of render farms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out

if TYPE_CHECKING:
    from dubcli.core.job import Job
    from dubcli.farm.steps import Step

HELP = """
Write a job for a render farm.

A job begins on one machine, and any number of machines that share its folder then do a share of each stage:

  dubcli run film.mp4 --audio dub_fr.wav --stage probe
  dubcli farm slurm film.dub_fr.dub -o dub_fr.sh && bash dub_fr.sh

A task is `dubcli run JOB --stage STAGE --shard I/N`. It may be killed, repeated and run twice at any time:
what is done is in the store, and a task does what is not.
"""

Shards = Annotated[
    int,
    typer.Option(
        "--shards", metavar="N", min=1, max=1000,
        help="Tasks of each stage that goes by shots, faces or people: how many machines can share it.",
    ),
]  # fmt: skip
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, help="Worker processes in a task: its cores.")
]
File = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="The file to write. Without it: stdout.")
]


def openjd(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    shards: Shards = 8,
    workers: Workers = 4,
    file: File = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write an Open Job Description template.

    It is for AWS Deadline Cloud and other schedulers. A step for each stage, after those it needs; a task
    for each share of its shots, with the cores and memory it needs. The folder of the job is a path
    parameter, which schedulers map to where their workers see it; a template that is not kept beside the
    job has no default for it. Tasks report progress and, when cancelled, finish the units in hand.

      openjd run FILE --step report --run-dependencies   runs it on this machine
    """
    import yaml

    from dubcli.farm.openjd import template

    job, found, version = _prepared(find_job(job_dir, job_named), shards, workers)
    beside = file.parent if file else job.root.resolve().parent
    made = template(job.root, found, version, beside)
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=100)
    out.export(text, file)


def slurm(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    shards: Shards = 8,
    workers: Workers = 4,
    file: File = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write a script that submits a job to Slurm.

    An array of tasks for each stage, which waits for the stages it needs. Tasks are put back into the queue
    where a node fails, where they are pre-empted, and five minutes ahead of their time limit, and continue
    from there. Partition, account and time limit come from sbatch's own variables, as in
    SBATCH_PARTITION=night bash FILE.
    """
    from dubcli.farm.slurm import script

    job, found, version = _prepared(find_job(job_dir, job_named), shards, workers)
    out.export(script(job.root, found, version, file.name if file else "FILE"), file)


def _prepared(job: Job, shards: int, workers: int) -> tuple[Job, list[Step], str]:
    """The job, probed: what cannot be dubbed is refused here, and not by the farm at night; and its steps."""
    from dubcli.cli.run import listeners
    from dubcli.core import runner
    from dubcli.core.events import FILE, Events
    from dubcli.core.plan import Selection, versions
    from dubcli.farm.steps import outside, steps

    with Events(job.root / FILE, *listeners("none", json=False)) as events:
        runner.run(job, events, Selection("probe"))
    for path in outside(job):
        out.warn(f"{path} does not lie beside the job: all machines must see it under this path")
    return job, list(steps(job, shards, workers)), versions(job.settings)


COMMANDS = {"openjd": openjd, "slurm": slurm}
