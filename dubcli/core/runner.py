"""Runs a job: does its units, publishes the film, and says what stood in the way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from dubcli.core import claim, reported, scratch, takes
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.core.plan import Selection
from dubcli.core.scheduler import Scheduler, logs
from dubcli.core.shortage import translated
from dubcli.core.store import remove_tree
from dubcli.errors import LockedError, UsageError, counted, typed

_NAMED = 20  # shots that a message names


def run(
    job: Job, events: Events, selection: Selection | None = None, *, overwrite: bool = False, salt: str = ""
) -> JobView:
    """Run a job and publish the film.

    Args:
        job: the job.
        events: what receives the events; the caller ends the stream with the `exit` event.
        selection: which units; all by default.
        overwrite: replace an output that this job did not make.
        salt: a word that makes all keys different.

    Returns:
        The artifacts that the run came to.

    Raises:
        DubError: as the exit-code table says.
    """
    selection = selection or Selection()
    with job.lock(shared=selection.shared), _translate_errors(job):
        if not overwrite and (obstacle := job.obstacle()):
            raise UsageError(f"{obstacle}; add --force to replace it, or choose another with -o FILE")
        job.store.sweep(private=job.has_own_store and not selection.shared)
        scratch.sweep(job.root, lambda key: job.store.path(key).is_dir())
        job.read_sources()
        began = time.monotonic()
        events(
            "run.start",
            film=job.film.name,
            dub=job.dub.name,
            out=str(job.out),
            job=str(job.root),
            **selection.fields(),
        )
        _warn_of_other_dubs(job, events)
        scheduler = Scheduler(job, events, selection, salt=salt)
        try:
            scheduler.run()
            if selection.shared:
                remove_tree(logs(job, selection))  # a film of a thousand tasks would leave a thousand
        finally:
            _publish(job, scheduler.view, events)
            events("run.stop", units=scheduler.ran, seconds=round(time.monotonic() - began, 3))
        made = scheduler.view.artifacts.get("report", {}).get("film")
        if made and job.settings.quality.gate == "fail":
            reported.check_verdicts(made, job.root)
        return scheduler.view


def _warn_of_other_dubs(job: Job, events: Events) -> None:
    if others := takes.of_other_dubs(job):
        named = " ".join(str(int(shot)) for shot in others[:_NAMED])
        text = (
            f"mouths made for another dub stay in {counted(len(others), 'approved shot')}; to make them for "
            f"this one, type: dubcli review {typed(job.root)} reopen {named}"
        )
        events("warning", stage="motion", unit="film", text=text)


def _publish(job: Job, view: JobView, events: Events) -> None:
    """Publish the film, if the run has come to one, and its report."""
    film, report = (view.artifacts.get(stage, {}).get("film") for stage in ("remux", "report"))
    if not film:
        return
    # First: a film that cannot be signed is published all the same, and the report names takes.
    takes.record(job, view)
    moved = job.publish(
        film,
        report,
        claim.signature(job, view),
        lambda text: events("warning", stage="remux", unit="film", text=text),
    )
    events("published", path=str(job.out), new=moved)


@contextlib.contextmanager
def _translate_errors(job: Job) -> Iterator[None]:
    try:
        yield
    except LockedError:
        raise
    except OSError as error:
        raise translated(error, job) from error
