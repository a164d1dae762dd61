"""Consent before rendering: whose mouth a job would change, and whether they agreed to this dub.

Days pass and keys do not, so this is asked anew on every run, in the main process, and is part of no key.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.errors import ConfigError, counted, typed

FIRST = "gallery"
"""The stage before which it is asked: the first that prepares the pictures of people who have cues."""


def check(job: Job, view: JobView, today: datetime.date | None = None) -> str:
    """A warning about consent that is recorded and does not cover this dub; "" where there is none.

    Args:
        job: the job, its sources read.
        view: its artifacts up to `cue`.
        today: the day that counts, by default that of the machine's clock.

    Raises:
        ConfigError: the settings require consent, and it is missing or does not cover this dub; or a shot is
            approved with a changed mouth that `cast.yaml` forbids to change.
    """
    _check_approved(job, view)
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


def recheck(job: Job, view: JobView) -> str:
    """`check` before what an earlier run rendered is handed out: consent may have been withdrawn since.

    Args:
        job: the job, its sources read.
        view: without artifacts (`plan.view`).

    Raises:
        ConfigError: as `check`.
    """
    for stage in ("cast", "cue"):
        made = job.result(f"{stage}/film")
        if made is None:
            return ""  # whoever asks for more says that the job is not finished
        view.artifacts[stage] = {"film": made}
    return check(job, view)


def _check_approved(job: Job, view: JobView) -> None:
    """Check that no approved shot keeps a mouth changed which may not be: who forbids it comes first.

    Raises:
        ConfigError: one does.
    """
    from dubcli.artifacts.cast import Cast
    from dubcli.artifacts.patches import PatchFacts

    owners = Cast.load(view.one("cast").path).owners if view.pins else {}
    found: dict[str, str] = {}
    for shot, take in view.pins.items():
        for unit, key in take.items():
            stage, _, face = unit.partition("/")
            person, made = owners.get((shot, int(face.partition(".")[2]))), job.store.get(key)
            forbids = stage == "lips" and person is not None and not person.touch
            if forbids and person and made and PatchFacts.load(made.path).changed:
                found[shot] = f"{_named(person.id, person.name)} ({person.why})"
    if found:
        people = ", ".join(dict.fromkeys(found.values()))
        raise ConfigError(
            f"{counted(len(found), 'approved shot')} would keep a changed mouth of {people}; "
            f"type: dubcli review {typed(job.root)} reopen {' '.join(found)}"
        )


def _named(person: str, name: str) -> str:
    return f"{person} {name}" if name else person


def _objections(job: Job, view: JobView, today: datetime.date, *, unrecorded: bool) -> Iterator[str]:
    """`p01 Anna: it ended on …` for everybody whose mouth would be changed without consent."""
    from dubcli.artifacts.cast import Cast
    from dubcli.artifacts.cues import Cues
    from dubcli.edits import castfile

    edits = view.sources.get("cast")
    notes = castfile.load(edits.path)[1].persons if edits else {}
    cast = Cast.load(view.one("cast").path)
    shown = {cue.person for cue in Cues.load(view.one("cue").path).cues}
    owners = cast.owners  # approved takes are shown whether there is a cue or not
    shown |= {owners[face].id for face in view.pinned_faces if face in owners}
    for person in cast.persons:
        if person.id not in shown:
            continue
        note = notes.get(person.id)
        record = note.consent if note else None
        why = record.objection(view.language, today) if record else "none is recorded" if unrecorded else ""
        if why:
            yield f"{_named(person.id, person.name)}: {why}"
