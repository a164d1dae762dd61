"""Consent before rendering: whose mouth a job would change, and whether they agreed to this dub.

Days pass and keys do not, so this is asked anew on every run, in the main process, and is part of no key.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.errors import ConfigError, typed

FIRST = "gallery"
"""The stage before which it is asked: the first that prepares the pictures of people who have cues."""


def check(job: Job, view: JobView, today: datetime.date | None = None) -> str:
    """A warning about consent that is recorded and does not cover this dub; "" where there is none.

    Args:
        job: the job, its sources read.
        view: its artifacts up to `cue`.
        today: the day that counts, by default that of the machine's clock.

    Raises:
        ConfigError: the settings require consent, and it is missing or does not cover this dub.
    """
    required = job.settings.cast.require_consent
    missing = list(_objections(job, view, today or datetime.date.today(), unrecorded=required))
    if not missing:
        return ""
    text = f"consent does not cover this dub: {'; '.join(missing)}"
    if required:
        raise ConfigError(
            f"{text}; record it in {job.root / 'cast.yaml'} (dubcli cast edit {typed(job.root)}), or write "
            "touch: false there and their mouths stay as they are"
        )
    return text


def _objections(job: Job, view: JobView, today: datetime.date, *, unrecorded: bool) -> Iterator[str]:
    """`p01 Anna: it ended on …` for everybody whose mouth would be changed without consent."""
    from dubcli.artifacts.cast import Cast
    from dubcli.artifacts.cues import Cues
    from dubcli.edits import castfile

    edits = view.sources.get("cast")
    notes = castfile.load(edits.path)[1].persons if edits else {}
    cast = Cast.load(view.one("cast").path)
    shown = {cue.person for cue in Cues.load(view.one("cue").path).cues}
    for take in view.pins.values():  # which are shown whether there is a cue or not
        faces = [unit.partition("/")[2].partition(".") for unit in take]
        shown |= {cast.owners[shot, int(k)].id for shot, _, k in faces if (shot, int(k)) in cast.owners}
    for person in cast.persons:
        if person.id not in shown:
            continue
        note = notes.get(person.id)
        record = note.consent if note else None
        why = record.objection(view.language, today) if record else "none is recorded" if unrecorded else ""
        if why:
            yield f"{person.id}{f' {person.name}' if person.name else ''}: {why}"
