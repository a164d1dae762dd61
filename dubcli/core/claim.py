"""What a job's film claims: gathered from the artifacts that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dubcli.core import keys
from dubcli.core.job import Job
from dubcli.core.model import JobView
from dubcli.engines.registry import engine
from dubcli.errors import ConfigError, DependencyError
from dubcli.provenance import credentials
from dubcli.provenance.claim import Claim, Consent, Tool
from dubcli.provenance.signing import Signature
from dubcli.stages.measure import shown

_KINDS = {"track": "tracker", "align": "aligner", "lips": "lips"}


def gather(job: Job, view: JobView) -> Claim:
    """The claim of the film that these artifacts make; its sources have been read."""
    from dubcli.artifacts.cast import Cast
    from dubcli.artifacts.shots import Frames
    from dubcli.media import spans

    seconds = Frames.load(view.one("split").path).seconds
    step = float(seconds[-1] - seconds[-2]) if len(seconds) > 1 else 0.04
    edges = [*(float(second - seconds[0]) for second in seconds), float(seconds[-1] - seconds[0]) + step]
    faces = changed_faces(view)
    changed = spans.merged(span for own in faces.values() for span in own)
    owners = Cast.load(view.one("cast").path).owners
    people = {owners[face].id: owners[face] for face in faces if face in owners}
    return Claim(
        film=view.sources["film"].sha256,
        dub=view.sources["dub"].sha256,
        language=view.language,
        frames=len(seconds),
        changed=tuple(changed),
        seconds=tuple((round(edges[start], 3), round(edges[stop], 3)) for start, stop in changed),
        tools=tuple(_tools(job, view)),
        consents=tuple(
            Consent(person=name, state=person.consent.state, sha256=person.consent.sha256)
            for name, person in sorted(people.items())
            if person.consent
        ),
    )


def changed_faces(view: JobView) -> dict[tuple[str, int], tuple[tuple[int, int], ...]]:
    """(shot, track) → frames in which that mouth was changed, of the shots that were encoded."""
    from dubcli.artifacts.patches import PatchFacts

    encoded = view.all("compose")
    found = {}
    for name, artifact in shown(view).items():
        shot, _, track = name.partition(".")
        own = tuple(PatchFacts.load(artifact.path).spans(shot)) if shot in encoded else ()
        if own:
            found[shot, int(track)] = own
    return found


def _tools(job: Job, view: JobView) -> Iterator[Tool]:
    """The engines that took part, and the weights of the mouth model's prior."""
    from dubcli.artifacts.patches import Choice

    seen: set[str] = set()
    for stage, kind in _KINDS.items():
        for artifact in view.all(stage).values():
            image = job.store.preimage(artifact.key) or {}
            if not image.get("engine"):
                continue
            name, algorithm = image["engine"]
            if Choice.among(artifact.path):  # it drew nothing itself
                name = Choice.load(artifact.path).engine
                algorithm = int(image.get("libraries", {}).get(name, algorithm))
            tool = Tool(
                kind=kind,
                name=name,
                algorithm=algorithm,
                licence=_licence(kind, name),
                weights=image.get("weights", {}),
            )
            if tool.model_dump_json() not in seen:
                seen.add(tool.model_dump_json())
                yield tool
    for image in _preimages(job, view, "learn"):
        weights = {"prior": image["inputs"]["prior"]}
        yield Tool(
            kind="mouth model",
            name="dubcli",
            algorithm=image["version"],
            licence="Apache-2.0",
            weights=weights,
        )


def _licence(kind: str, name: str) -> str:
    """The licence of an engine; "" for one that an approved take was made with and that is gone."""
    try:
        return engine(kind, name).licence
    except ConfigError:
        return ""


def _preimages(job: Job, view: JobView, stage: str) -> Iterable[dict[str, Any]]:
    for artifact in view.all(stage).values():
        if image := job.store.preimage(artifact.key):
            yield image


def signature(job: Job, view: JobView) -> Signature | None:
    """How the film is to be signed when it is published; None where the extra is not installed.

    A certificate that was good when the run began may have expired since: that is told when it signs.
    """
    own, problem = None, None
    try:
        own = credentials.load(job.settings.provenance)
    except (ConfigError, DependencyError) as error:
        problem = error
    if not credentials.available() and problem is None:
        return None
    made_of = [
        [stage, name, artifact.content]
        for stage in ("cast", "align", "learn", "lips", "compose")
        for name, artifact in view.all(stage).items()
    ]
    return Signature(keys.digest(made_of), lambda: gather(job, view), own, job.film, problem)
