"""Verifying a film: what its manifest, its metadata and its job prove, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dubcli.core import claim as claims
from dubcli.core import plan, published
from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.core.store import sha256
from dubcli.errors import ConfigError, MediaError, StoreError, UsageError, counted
from dubcli.media import marks
from dubcli.media.containers import SUFFIXES
from dubcli.provenance import signing
from dubcli.provenance.claim import Claim
from dubcli.provenance.signing import Finding

Kind = Literal["proven", "not proven", "claimed", "wrong"]


@dataclass(frozen=True)
class Statement:
    """One thing about a film: proven, not proven, claimed by whoever signed, or wrong."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Verdict:
    """All that is known of a film.

    Attributes:
        found: its manifest; None where it has none.
        source_type: the digital source type in its ordinary metadata, "" for none.
        statements: in words.
    """

    found: Finding | None
    source_type: str
    statements: tuple[Statement, ...]

    @property
    def holds(self) -> bool:
        """Whether there is a manifest, and nothing is wrong."""
        return self.found is not None and not any(row.kind == "wrong" for row in self.statements)


def verify(film: Path, job: Job | None = None, trust: Path | None = None) -> Verdict:
    """What is known of a film.

    Args:
        film: any film.
        job: the job that is said to have made it.
        trust: certificates in PEM of authorities that the user trusts.

    Raises:
        DubError: it cannot be read, or the packages for that are missing.
    """
    source_type = marks.read(film)
    found = signing.read(film, trust)
    rows = [*_of_manifest(film, found), *_of_metadata(source_type)]
    if job:
        rows += _of_job(film, found.claim if found and not found.problems else None, job)
    return Verdict(found, source_type, tuple(rows))


def _of_manifest(film: Path, found: Finding | None) -> Iterator[Statement]:
    if found is None:
        beside = signing.sidecar(film)
        text = f"anything: {film.name} has no manifest, in it or beside it ({beside.name})"
        films = (path for path in film.parent.iterdir() if path.suffix.lower() in SUFFIXES)
        taken = {signing.sidecar(path) for path in films}
        others = sorted(path.name for path in film.parent.glob("*.c2pa") if path not in taken)
        if others:
            text += f"; {others[0]} lies there: was the film renamed? Then give it the same name"
        yield Statement("not proven", text)
        return
    where = "in the film" if found.place == film else f"in {found.place.name}"
    if found.problems:
        for problem in found.problems:
            yield Statement("wrong", f"the manifest {where} does not hold: {problem}")
        return
    yield Statement("proven", f"picture and sound have not changed since the manifest {where} was signed")
    if found.nobody:
        yield Statement(
            "not proven",
            "who signed it: the key was made for this film alone and belongs to nobody; whoever changes the "
            "film could make another",
        )
    elif found.expired:
        yield Statement(
            "not proven",
            f"who signed it: the certificate says {found.signer} ({found.issuer}), and is not valid today; "
            "no time stamp says that it was when the film was signed",
        )
    elif found.trusted:
        yield Statement(
            "proven", f"{found.signer} ({found.issuer}) signed it, by an authority that you trust"
        )
    else:
        why = "no authority that you named stands behind it" if found.trusted is False else "add --trust FILE"
        yield Statement(
            "not proven", f"who signed it: the certificate says {found.signer} ({found.issuer}); {why}"
        )
    yield Statement("not proven", "when it was signed: there is no time stamp of an authority")
    if found.claim is None:
        yield Statement("not proven", "what was changed: the manifest says nothing of a dub by dubcli")
        return
    yield from _of_claim(found.claim)


def _of_claim(claim: Claim) -> Iterator[Statement]:
    where = f" in {counted(len(claim.changed), 'range')}" if claim.changed else ""
    tools = ", ".join(dict.fromkeys(f"{tool.kind} {tool.name}" for tool in claim.tools))
    yield Statement(
        "claimed", f"mouths are changed in {claim.frames_changed} of {claim.frames} frames{where}"
    )
    yield Statement("claimed", f"the dub is in {claim.language or 'a language that is not named'}")
    yield Statement("claimed", f"it was made with {tools}")
    if claim.consents:
        states = ", ".join(f"{row.person}: {row.state}" for row in claim.consents)
        yield Statement("claimed", f"there are consent records ({states}), of which it holds the digests")
    yield Statement("not proven", "that people agreed, and that the film was genuine before it was dubbed")


def _of_metadata(source_type: str) -> Iterator[Statement]:
    if source_type == marks.COMPOSITE:
        yield Statement("claimed", "the film's metadata say that part of the picture is synthetic")
    elif source_type:
        yield Statement("claimed", f"the film's metadata name another source: {source_type}")
    else:
        yield Statement(
            "not proven", "from the film's metadata, that its picture is synthetic: they have no mark"
        )


def _of_job(film: Path, claim: Claim | None, job: Job) -> Iterator[Statement]:
    if note := published.find_note(job.root, film):
        yield Statement("proven", f"it is, byte for byte, a film that {job.root} has published")
        beside = signing.sidecar(film)
        if note.sidecar and beside.is_file() and sha256(beside) != note.sidecar:
            yield Statement("wrong", f"{beside.name} is not the manifest that {job.root} has written")
    else:
        yield Statement("wrong", f"it is not, byte for byte, a film that {job.root} has published")
    if claim is None:
        return
    try:
        view = _view(job)
    except (ConfigError, MediaError, StoreError, UsageError) as error:
        yield Statement("not proven", f"that the ranges are the job's: {error}")
        return
    if view is None:
        yield Statement("not proven", "that the ranges are the job's: it is not finished, or was purged")
        return
    own = claims.gather(job, view)
    if (own.film, own.dub) != (claim.film, claim.dub):
        yield Statement("wrong", "the manifest was made from another film or dub than the job's")
    if own.changed != claim.changed:
        yield Statement("wrong", "the frames that the manifest names are not those that the job changed")
    else:
        yield Statement("proven", "the frames that the manifest names are those that the job changed")


def _view(job: Job) -> JobView | None:
    """The job's artifacts as its finished film is made of them; None where one is missing."""
    job.read_sources()
    view = plan.view(job)
    for row in plan.plan(job):
        if row.artifact is None or row.unit is None:
            if row.stage != "report":
                return None
            continue
        view.artifacts.setdefault(row.stage, {})[row.unit.name] = row.artifact
    return view
