"""Takes: what each shot of a published film showed, kept so that a reviewer can go back to it.

A take of a shot is the set of its units of `motion` and `lips`, by key. `takes.tsv` in the job directory
has a line each time that a shot of the published film shows another one: the shot, then `unit=key`. What
`quality.gate` gives back to the source is a take as well, which a reviewer may choose. The
artifacts stay in the store; the file only points to them. Take 0 is the film's own picture.

An approved shot is pinned: its units are those of its take, whatever settings, engines and edits have become.
So are the tracks over which the take was made: whose faces they are is told by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli import stages
from dubcli.core.job import Job
from dubcli.core.model import Artifact, JobView, Unit
from dubcli.core.sources import mark_or_none
from dubcli.core.takelist import FILE, Take, Takes, line, load
from dubcli.edits import decisions
from dubcli.engines import required
from dubcli.errors import ConfigError, typed
from dubcli.settings.config import Settings
from dubcli.settings.layers import Resolved
from dubcli.stages.measure import given_back

if TYPE_CHECKING:
    from dubcli.edits.decisions import Decision, Decisions
    from dubcli.settings.document import Document

STAGES = ("motion", "lips")
_FIRST = {"motion": 11, "lips": 11}  # versions whose frames count from the shot's first one


def record(job: Job, view: JobView) -> None:
    """Note what the shots of a film that was published show, and what was made of them and given back."""
    made: dict[str, Take] = {}
    for stage in STAGES:
        for name, artifact in view.all(stage).items():
            made.setdefault(name.split(".")[0], {})[f"{stage}/{name}"] = artifact.key
    back = set(given_back(view))
    known = load(job.root)
    lines = []
    for shot in sorted({*made, *known}):
        whole, before = made.get(shot, {}), known.get(shot, Takes([{}]))
        shown = {unit: key for unit, key in whole.items() if unit.partition("/")[2] not in back}
        last = before.takes[before.current]
        for take in (*([whole] if whole not in before.takes else []), shown):
            if take != last:
                lines.append(line(shot, take))
            last = take
    if lines:
        with open(job.root / FILE, "a", encoding="utf-8") as file:
            file.writelines(lines)


def decide(job: Job, view: JobView) -> None:
    """Put the decisions of a job's review into its view: settings of single shots, and pinned takes.

    Raises:
        ConfigError: `decisions.yaml` is not valid, or names a take that does not exist.
        DependencyError: an engine that it asks for cannot be used.
    """
    document, file = _decisions(job)
    known = load(job.root) if file.shots else {}
    for shot, decision in file.shots.items():
        if decision.state == "approved":
            own = known.get(shot, Takes([{}]))
            number = own.current if decision.take is None else decision.take
            if number >= len(own.takes):
                place = document.at(("shots", shot, "take"))
                raise ConfigError(
                    f"{place}: shot {shot} has {len(own.takes) - 1} takes, not {number}; "
                    f"type: dubcli review {typed(job.root)} takes {shot}"
                )
            view.pins[shot] = own.takes[number]
        elif decision.settings:
            view.shot_settings[shot] = own_settings(job, decision, document.at(("shots", shot, "settings")))


def own_settings(job: Job, decision: Decision, origin: str) -> Settings:
    """The settings of one shot, its engines checked.

    Raises:
        ConfigError: there is no such engine.
        DependencyError: it cannot be used.
    """
    settings = decision.applied(job.settings)
    required.check(Resolved(settings, dict.fromkeys(decision.settings, origin), ""))
    return settings


def check_shots(job: Job, view: JobView) -> None:
    """Check, once shots are known, that the shots of the decisions are among them.

    Raises:
        ConfigError: one is gone, or approved before a film shows it, which would keep the film's own picture;
            file, line and column are named.
    """
    from dubcli.artifacts.shots import Shots

    document, file = _decisions(job)
    if not file.shots:
        return
    decisions.check_shots(document, file, Shots.load(view.one("split").path).named())
    known = load(job.root)
    for shot, decision in file.shots.items():
        if decision.state == "approved" and decision.take is None and shot not in known:
            raise ConfigError(
                f"{document.at(('shots', shot))}: shot {shot} is approved, and no film shows it yet; "
                "write take: 0 to keep the film's own picture, or take the entry out"
            )


def _decisions(job: Job) -> tuple[Document, Decisions]:
    path = job.root / decisions.FILE
    return _read(path, tuple(mark_or_none(path) or ()))


@lru_cache(maxsize=2)  # a film of 2,500 shots takes a second to read, and is planned stage by stage
def _read(path: Path, mark: tuple[int, ...]) -> tuple[Document, Decisions]:
    return decisions.load(path)


@dataclass(frozen=True)
class Pinned:
    """The pinned units of one stage.

    Attributes:
        artifacts: unit name → artifact of shots whose take is whole.
        lost: shot → the take, where it is no longer whole in the store, or was made over other tracks.
        shots: shots whose take is whole.
    """

    artifacts: dict[str, Artifact]
    lost: dict[str, dict[str, str]]
    shots: frozenset[str]

    def left(self, view: JobView) -> JobView:
        """The view without the artifacts of shots whose take is whole: nothing more is made of them."""
        return view.without(self.shots, STAGES)

    def units(self, stage: str) -> Iterator[tuple[Unit, Artifact]]:
        """The pinned units, for the plan."""
        for name, artifact in self.artifacts.items():
            yield Unit(stages.module(stage).STAGE, name, {}, {}), artifact

    def check(self, stage: str, planned: Mapping[str, str], job: Job) -> None:
        """Check that the units of shots whose take is lost would be made as they were.

        Args:
            stage: the stage.
            planned: unit id → key of what is planned for it.
            job: the job.

        Raises:
            ConfigError: another would be made, or none.
        """
        for shot, take in self.lost.items():
            before = {unit: key for unit, key in take.items() if unit.startswith(f"{stage}/")}
            now = {unit: key for unit, key in planned.items() if unit.startswith(f"{stage}/{shot}.")}
            if now != before:
                raise ConfigError(
                    f"shot {shot} is approved, but its take is no longer in the store and would be made "
                    f"differently now; type: dubcli review {typed(job.root)} reopen {shot}"
                )


def pinned(job: Job, view: JobView, stage: str) -> Pinned:
    """The pinned units of a stage, but of shots that the view awaits.

    Raises:
        ConfigError: a take belongs to another picture than the shot has now.
    """
    from dubcli.artifacts.shots import Shots

    artifacts: dict[str, Artifact] = {}
    lost: dict[str, dict[str, str]] = {}
    if not view.pins or stage not in ("track", *STAGES):
        return Pinned({}, {}, frozenset())
    shots = Shots.load(view.one("split").path).named()
    pins = {shot: take for shot, take in view.pins.items() if shot not in view.awaited}
    over = {shot: _made_over(job, take) for shot, take in pins.items()}
    tracks = dict(_tracks(job, over)) if stage == "track" else view.all("track")
    for shot, take in pins.items():
        whole = is_whole(job, take)
        if whole:
            _check_picture(job, shot, shots[shot].picture, take)
        track = tracks.get(shot)
        if stage == "track":
            artifacts |= {shot: track} if track and whole else {}
            continue
        if not whole or (over[shot] and {track.content if track else ""} != over[shot]):
            lost[shot] = take
            continue
        found = {unit: job.store.get(key) for unit, key in take.items()}
        for unit, artifact in found.items():
            of_stage, _, name = unit.partition("/")
            if of_stage == stage and artifact:
                artifacts[name] = artifact
    kept = frozenset(artifacts) if stage == "track" else frozenset(pins) - frozenset(lost)
    return Pinned(artifacts, lost, kept)


def _made_over(job: Job, take: Mapping[str, str]) -> set[str]:
    """Digests of the tracks over which the faces of a take were made; one, or none where it has no face."""
    images = (job.store.preimage(key) for unit, key in take.items() if unit.startswith("lips/"))
    found = (image.get("inputs", {}).get("track") for image in images if image)
    return {track for track in found if track}


def _tracks(job: Job, over: Mapping[str, set[str]]) -> Iterator[tuple[str, Artifact]]:
    """(shot, tracks) of the shots' tracks with these digests that the store still has."""
    for unit, key in dict.fromkeys(job.past_refs()):
        stage, _, shot = unit.partition("/")
        artifact = job.store.get(key) if stage == "track" and over.get(shot) else None
        if artifact and artifact.content in over[shot]:
            yield shot, artifact


def is_whole(job: Job, take: Take) -> bool:
    """Whether the store has all of a take, in the form that is read now."""
    images = {unit: job.store.preimage(key) for unit, key in take.items() if job.store.get(key)}
    return len(images) == len(take) and all(
        image is not None and image["version"] >= _FIRST[unit.split("/")[0]] for unit, image in images.items()
    )


def _check_picture(job: Job, shot: str, picture: str, take: Mapping[str, str]) -> None:
    for unit, key in take.items():
        image = (job.store.preimage(key) or {}).get("inputs", {})
        if unit.startswith("lips/") and image.get("picture") != picture:
            raise ConfigError(
                f"shot {shot} was approved with another picture than the film has there now; "
                f"type: dubcli review {typed(job.root)} reopen {shot}"
            )


def of_other_dubs(job: Job) -> list[str]:
    """Approved shots whose take was made for a dub or stem that is another now; sources must be read.

    The sound that a take follows is that of the run of `align` which left what its `motion` read.
    """
    _, file = _decisions(job)
    approved = {shot: one for shot, one in file.shots.items() if one.state == "approved"}
    known = load(job.root) if approved else {}
    heard: dict[str, str] = {}  # what `align` left -> digest of the sound it was left of
    for unit, key in dict.fromkeys(job.past_refs()) if known else ():
        artifact = job.store.get(key) if unit.startswith("align/") else None
        image = job.store.preimage(key) if artifact else None
        if artifact and image:
            heard[artifact.content] = image["inputs"].get("audio", "")
    now = {source.sha256 for source in job.sources.values()}
    found = []
    for shot, decision in approved.items():
        own = known.get(shot, Takes([{}]))
        number = own.current if decision.take is None else decision.take
        take = own.takes[number] if number < len(own.takes) else {}
        images = (job.store.preimage(key) for unit, key in take.items() if unit.startswith("motion/"))
        speech = {image["inputs"].get("speech/dub", "") for image in images if image}
        if any(heard.get(one) and heard[one] not in now for one in speech):
            found.append(shot)
    return found


def needed(job: Job) -> set[str]:
    """Keys of all takes of the shots about which something was decided, and of the tracks below them."""
    _, file = _decisions(job)
    known = load(job.root) if file.shots else {}
    decided = {shot: known[shot].takes for shot in file.shots if shot in known}
    keep = {key for takes in decided.values() for take in takes for key in take.values()}
    over = {shot: {one for take in takes for one in _made_over(job, take)} for shot, takes in decided.items()}
    return keep | {track.key for _, track in _tracks(job, over)}


def differences(job: Job, before: Take, now: Take) -> list[str]:
    """What differs from one take to the next, in words: settings, engines, and inputs by their roles."""
    found: dict[str, None] = {}
    for unit, key in now.items():
        stage, _, face = unit.partition("/")
        new, old = job.store.preimage(key), job.store.preimage(before.get(unit, ""))
        if new is None:
            found[f"{face} is no longer in the store"] = None
        elif unit not in before:
            found[f"{face} is changed"] = None
        elif old is None or before[unit] == key:
            continue
        else:
            found |= dict.fromkeys(_differences(stage, old, new))
    return [
        *found,
        *sorted({f"{unit.split('/')[1]} is as in the film" for unit in before if unit not in now}),
    ]


def _differences(stage: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two pre-images of a unit; a lip's motion is told by the motion itself."""
    before, now = old["params"], new["params"]
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"{stage}.{name} {before.get(name)} -> {now.get(name)}"
    for name in ("engine", "version", "facts", "weights"):
        if old.get(name) != new.get(name):
            yield f"{stage}: other {'cues' if name == 'facts' else name}"
    for role, digest in sorted(new["inputs"].items()):
        if old["inputs"].get(role) != digest and role != "motion":
            yield f"{stage}: other {role}"
