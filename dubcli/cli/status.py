"""`dubcli status`."""

from __future__ import annotations

from collections import Counter

from dubcli.cli import options
from dubcli.cli.output import out


def status(
    job_dir: options.JobDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show how far a job is, and what failed.

    Units done and to do are counted by stage, and a run that holds the job now is named.
    Done means that the store holds the result, so this is true even after a crash.
    """
    from dubcli.cli.jobs import find_job
    from dubcli.core.job import Job
    from dubcli.core.plan import DONE, RUN, WAITING
    from dubcli.core.plan import plan as rows_of
    from dubcli.stages import ORDER

    job = Job.open(find_job(job_dir))
    job.read_sources()
    failures = dict(job.failures())
    counts: dict[str, Counter[str]] = {stage: Counter() for stage in ORDER}
    for row in rows_of(job):
        failed = row.unit is not None and row.state == RUN and row.unit.id in failures
        counts[row.stage]["failed" if failed else row.state] += 1
    holder = job.holder()
    if json:
        out.document(
            {
                "job": str(job.root),
                "film": str(job.film),
                "dub": str(job.dub),
                "out": str(job.out),
                "written": job.published(),
                "running": holder or None,
                "stages": {stage: dict(count) for stage, count in counts.items()},
                "failed": failures,
            }
        )
        return
    out.data(f"{job.film} + {job.dub}")
    out.data(f"output: {job.out} ({'written' if job.published() else 'not written yet'})")
    out.data(f"held by {holder}" if holder else "no run holds the job")
    rows = []
    for stage, count in counts.items():
        waits = count[WAITING] > 0
        rows.append((stage, *(None if waits else count[state] for state in (DONE, RUN, "failed"))))
    out.table(("stage", "done", "to do", "failed"), rows)
    for unit, failure in failures.items():
        out.data(f"failed: {unit}: {failure.get('error', '?')}")
