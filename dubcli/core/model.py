"""What a stage is: the units of work it plans, and the task a worker hands to it.

A stage module has three functions, and imports nothing heavy at its top:

- `units(job)` lists its units from upstream artifacts (runs in the main process, must be light);
- `run(task)` does one unit in a worker and writes files into `task.out`;
- `check(task)` raises `CheckError` where the files in `task.out` are not what they must be.

and one constant, `STAGE`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dubcli.engines.registry import EngineInfo
    from dubcli.settings.config import Settings


@dataclass(frozen=True)
class Stage:
    """A row of the pipeline.

    Attributes:
        name: the stage's name, also its module's.
        version: bumped whenever the same inputs would give other results; part of every key.
        after: stages that must be complete before this one can list its units.
        along: the one of them of which a unit needs its own shot alone, "" for none: where workers would be
            idle, shots go on without those that are still worked on there.
    """

    name: str
    version: int
    after: tuple[str, ...] = ()
    along: str = ""


@dataclass(frozen=True)
class Source:
    """A user's file that takes part.

    Attributes:
        path: where it is now.
        sha256: digest of its bytes, or of all files of a folder.
        stamps: what identified the file while it was read (`core.sources.stamps`); never hashed.
    """

    path: Path
    sha256: str
    stamps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """A committed result in the store.

    Attributes:
        key: action key it was stored under.
        path: its directory, read-only.
        content: digest of the names and digests of its files; what downstream keys use.
    """

    key: str
    path: Path
    content: str


@dataclass(frozen=True)
class Needs:
    """The machine resources a unit needs; never hashed.

    Attributes:
        memory: bytes at its peak, the worker's libraries included.
        device: where it computes; one unit at a time has the GPU.
    """

    memory: int = 1 << 30
    device: Literal["cpu", "gpu"] = "cpu"

    @classmethod
    def of_pictures(cls, width: int, height: int) -> Needs:
        """The needs of a unit that decodes pictures of this size in pixels."""
        # Tracking a shot of 4096x2160 took 1.66 GB, of which the libraries take 0.6.
        return cls(memory=600_000_000 + 128 * width * height)


@dataclass(frozen=True)
class Unit:
    """One piece of work: a stage applied to one shot, one face or the whole film.

    Attributes:
        stage: the stage.
        name: `film`, `dub`, a shot's name or `shot.track`; unique within the stage.
        inputs: role → digest of what goes in; hashed.
        paths: role → its path now; never hashed, handed to the worker.
        params: settings that can change the result; hashed.
        facts: small values taken from upstream artifacts (a range of frames, say); hashed.
        engine: the engine that does it, if the stage has engines.
        cost: frames of work, for longest-first order and the ETA; never hashed.
        needs: memory and device; never hashed.
        scratch: whether it keeps checkpoints in a folder that outlives its process; never hashed.
    """

    stage: Stage
    name: str
    inputs: Mapping[str, str]
    paths: Mapping[str, Path]
    params: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    engine: EngineInfo | None = None
    cost: float = 1.0
    needs: Needs = Needs()
    scratch: bool = False

    @property
    def shot(self) -> str:
        """The shot it belongs to, "" where it is of the whole film or of a person."""
        return _shot(self.name)

    @property
    def id(self) -> str:
        """`stage/name`, the way people and events name the unit."""
        return f"{self.stage.name}/{self.name}"


@dataclass
class JobView:
    """What `units` may read: sources, settings and the finished artifacts upstream.

    Attributes:
        sources: role → file: `film` and `dub`; where there are any, `cast`, `cues`, `stem:NAME`,
            `curves:UNIT` and `style:NAME`.
        artifacts: stage → unit name → artifact; failed units are absent.
        failures: id of a failed unit → what was wrong with it.
        suffix: file name suffix of the film to make, which says its container.
        shot_settings: shot → settings, of shots that have some of their own.
        pins: shot → unit id → key, of shots that keep what they show (`core.takes`).
        awaited: shots that are still worked on upstream: their units are not asked for yet.
    """

    sources: Mapping[str, Source]
    settings: Settings
    artifacts: dict[str, dict[str, Artifact]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    suffix: str = ".mp4"
    shot_settings: dict[str, Settings] = field(default_factory=dict)
    pins: dict[str, dict[str, str]] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()

    def without(self, shots: Collection[str], stages: Collection[str]) -> JobView:
        """The job without what some stages have made of some shots."""
        artifacts = {
            stage: {name: one for name, one in own.items() if _shot(name) not in shots}
            if stage in stages
            else own
            for stage, own in self.artifacts.items()
        }
        return replace(self, artifacts=artifacts)

    @property
    def pinned_faces(self) -> set[tuple[str, int]]:
        """(shot, track) of the faces in the takes of shots that keep what they show."""
        names = (unit.partition("/")[2].partition(".") for take in self.pins.values() for unit in take)
        return {(shot, int(track)) for shot, _, track in names}

    def settings_of(self, shot: str) -> Settings:
        """The settings of a shot: its own, or the film's."""
        return self.shot_settings.get(shot, self.settings)

    def one(self, stage: str, name: str = "film") -> Artifact:
        """The artifact of a unit that must exist."""
        return self.artifacts[stage][name]

    @cached_property
    def picture_needs(self) -> Needs:
        """Needs of a unit that works on the film's pictures."""
        from dubcli.artifacts.media import MediaInfo  # which imports pydantic: not for `--help`

        video = MediaInfo.load(self.one("probe").path).film
        return Needs.of_pictures(video.width, video.height)

    @property
    def language(self) -> str:
        """BCP 47 tag of the dub's language by the settings, else its file's name, else the file; or ""."""
        from dubcli.artifacts.media import Output
        from dubcli.language import guess

        named = self.settings.remux.language or guess(self.sources["dub"].path.stem)
        probed = self.artifacts.get("probe", {}).get("output")
        return named or (Output.load(probed.path).language if probed else "")

    def weights(self, engine: str) -> dict[str, Source]:
        """Weights that settings name for an engine, by role `ENGINE/NAME`."""
        return {role: file for role, file in self.sources.items() if role.startswith(f"{engine}/")}

    def all(self, stage: str) -> dict[str, Artifact]:
        """All artifacts of a stage by unit name, in name order."""
        return dict(sorted(self.artifacts.get(stage, {}).items()))


def _shot(unit: str) -> str:
    shot = unit.split(".")[0]
    return shot if shot.isdigit() else ""


@dataclass
class Task:
    """A unit as the worker sees it.

    Attributes:
        unit: the unit's name.
        inputs: role → path of an artifact directory or a source file.
        params: the unit's settings.
        facts: the unit's facts.
        engine: registry name of the engine, or "".
        out: an empty directory to write the result's files into.
        scratch: a folder that outlives the process (`core.scratch`), None where the unit asks for none.
        device: `cpu` or `gpu`, as the unit needs it.
        batch: 1.0, halved each time that the unit ran out of memory: engines that work in batches scale
            them by it.
        report: called as `report(done, total)`: how far it is. A unit that works need not call it to stay
            alive, but `run.stall` counts from its last progress.
        warn: called with one line for the user.
    """

    unit: str
    inputs: Mapping[str, Path]
    params: Mapping[str, Any]
    facts: Mapping[str, Any]
    engine: str
    out: Path
    scratch: Path | None = None
    device: Literal["cpu", "gpu"] = "cpu"
    batch: float = 1.0
    report: Callable[[int, int], None] = lambda done, total: None
    warn: Callable[[str], None] = lambda line: None

    @property
    def shot(self) -> str:
        """The shot that the unit belongs to, as `Unit.shot`."""
        return _shot(self.unit)

    @property
    def weights(self) -> dict[str, Path]:
        """Inputs of the unit's engine alone, by name: role `ENGINE/NAME` → path."""
        own = f"{self.engine}/"
        return {role.removeprefix(own): path for role, path in self.inputs.items() if role.startswith(own)}
