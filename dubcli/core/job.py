"""The job directory: where a film and a dub become a dubbed film, and its files.

film.dub_fr.dub/
    job.json        the sources, the output and the settings (for people, and for `dubcli run JOB`)
    store/          artifacts, unless another store was named
    refs.tsv        unit → key of its last artifact, a line each time (pointers, checked against the store)
    failed/         one file per unit that failed
    locks/          who works on it now (`core.lock`)
    logs/           what workers printed
    scratch/        checkpoints of what is being trained (`core.scratch`)
    cast.yaml       a person's edits of the cast, if any (`edits.castfile`)
    curves/         a person's edits of mouths frame by frame, if any (`edits.curvefile`)
    cues.json       a person's edits of the cues, if any (`edits.cuefile`)
    shots.yaml      a person's edits of the shots, if any (`edits.shotfile`)
    layers/         retouched layers of faces, if any (`edits.layerfile`)
    styles/         speaking styles measured on clips, if any (`edits.stylefile`)
    events.jsonl    what happened
    report.html     what was done, shot by shot (and report.json)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dubcli.core import jobfile, lock, published, reported, sources
from dubcli.core.model import Artifact, Source
from dubcli.core.places import (
    BY_FLAG,
    JOB_FILE,
    check_folder,
    check_names,
    check_out,
    check_store,
    check_writable,
    default_out,
    is_job,
    job_around,
    no_file,
)
from dubcli.core.store import Store
from dubcli.errors import MediaError, UsageError, typed
from dubcli.files import read_cache_file
from dubcli.provenance.signing import Signature, puts_beside
from dubcli.settings.config import Settings

_KEY_LENGTH = 64  # hexadecimal digits; a line cut off by a crash is shorter
_WARNING = ("probe/", "scan/", "align/", "cast/", "cue/", "learn/", "train/", "remux/")
"""Units of the whole film, whose warnings stand in the report."""


@dataclass
class Job:
    """A film, a dub, and the directory where the one becomes the other."""

    root: Path
    film: Path
    dub: Path
    out: Path
    store: Store
    settings: Settings
    script: Path | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    stems: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def create_or_open(
        cls,
        film: Path,
        dub: Path,
        settings: Settings,
        *,
        out: Path | None = None,
        root: Path | None = None,
        store: Path | None = None,
        stems: Mapping[str, Path] | None = None,
        script: Path | None = None,
        save: bool = True,
        by: str = BY_FLAG,
    ) -> Job:
        """The job of this film and dub: opened or created; without `save` nothing is written.

        A job keeps its store until another is named. In errors, `by` says how an output is named.

        Raises:
            MediaError: a source is missing or is no file.
            UsageError: the directory belongs to another film, is no job directory, or cannot be written.
            ConfigError: the script cannot be read, or the settings name weights that are not there.
        """
        voices = dict(stems or {})
        given = [(path, f"--stem {name}") for name, path in voices.items()]
        for path, option in ((film, "the film"), (dub, "--audio"), *given):
            if why := no_file(path):
                raise MediaError(f"{option}: {why}")
        out = out or default_out(film, dub)
        check_names(film, dub, out, *voices.values(), *filter(None, (store, script)), by=by)
        check_out(out, film, dub, by=by)
        named_by_out = root is None
        root = root or out.with_suffix(".dub")
        check_names(root, by=by)
        way = f"film to write {by}" if named_by_out else "directory with --job DIR"
        if around := job_around(root):
            raise UsageError(f"{root} would lie in the job {around}; choose another {way}")
        check_folder(out.parent, make=save, by=by)
        job = cls(root, film, dub, out, Store(store or root / "store"), settings, script)
        job.stems = voices
        if save:
            check_writable(out.parent.resolve(), f"choose another output {by}")
        # An empty folder is a job whose job.json a full disk kept from being written.
        if root.exists() and not (root.is_dir() and not any(root.iterdir())):
            if root.is_dir() and not is_job(root):
                raise UsageError(
                    f"{root} is not a job directory, since it has no {JOB_FILE}; move it away, or choose "
                    f"another {way}"
                )
            before = cls.open(root)
            if other := before._other_source(job):
                raise UsageError(f"{root} is the job of {other}; choose another {way}")
            if store is None:  # it was named once: what the job has done is there
                job.store = before.store
        check_store(job.store.root)
        sources.check(settings, script)  # what is refused is not kept in the job
        try:
            if save:
                root.mkdir(parents=True, exist_ok=True)
                job.save()
        except PermissionError as error:
            raise UsageError(
                f"cannot write to {error.filename or root}; choose other places with --job DIR and -o FILE"
            ) from None
        return job

    @classmethod
    def open(cls, root: Path, settings: Settings | None = None) -> Job:
        """The job in an existing directory.

        Raises:
            UsageError: there is no such directory, it is no job, or its name is not UTF-8.
            ConfigError: its `job.json` is not valid.
        """
        data = jobfile.read(root)
        film, dub, out, store = (
            jobfile.meant(root, text) for text in (data.film, data.dub, data.out, data.store)
        )
        script = jobfile.meant(root, data.script) if data.script else None
        job = cls(root, film, dub, out, Store(store), settings or data.settings, script)
        job.stems = {name: jobfile.meant(root, text) for name, text in data.stems.items()}
        job._follow_renames()
        return job

    def _other_source(self, wanted: Job) -> Path | None:
        """The film or the dub of this job that is not what it would be, None where both are."""
        # Where one of them was refused, nothing was done: another of the name may take its place.
        if self.failure("probe/output") and not self.ref("probe/output") and not self.holder():
            return None
        for role in ("film", "dub"):
            own, other = getattr(self, role), getattr(wanted, role)
            same = own.resolve() == other.resolve()
            if not same and not sources.is_unchanged(other, role, self.root / "sources.json"):
                return Path(own)
        return None

    def _follow_renames(self) -> None:
        """Find a film and a dub that were renamed beside the job, and name the output after them."""
        named = self.out == default_out(self.film, self.dub)
        for role in ("film", "dub"):
            path = getattr(self, role)
            if not path.exists():
                setattr(
                    self, role, sources.find_renamed(path.parent, role, self.root / "sources.json") or path
                )
        if named and not self.out.exists():
            self.out = default_out(self.film, self.dub)

    def save(self) -> None:
        """Write `job.json`."""

        def kept(path: Path) -> str:
            return jobfile.kept(self.root, path)

        file = jobfile.JobFile(
            film=kept(self.film),
            dub=kept(self.dub),
            out=kept(self.out),
            script=kept(self.script) if self.script else "",
            store=kept(self.store.root),
            stems={name: kept(path) for name, path in self.stems.items()},
            settings=self.settings,
        )
        jobfile.write(self.root, file)

    @property
    def has_own_store(self) -> bool:
        """Whether its store lies in it, and so is no other job's."""
        return self.store.root.parent == self.root

    def lock(self, *, shared: bool = False) -> contextlib.AbstractContextManager[None]:
        """Hold the job against other runs (`core.lock`); correctness does not depend on it.

        Args:
            shared: beside others that share it.

        Raises:
            LockedError: another run holds it.
        """
        return lock.hold(self.root, shared=shared)

    def holder(self) -> str:
        """The runs that hold the job now, "" for none; asking takes no lock."""
        return ", ".join(str(one) for one in lock.holders(self.root) if one.alive)

    def read_sources(self) -> dict[str, Source]:
        """Digest the sources; a digest is remembered as long as a file's size and times stay.

        Raises:
            MediaError: a source is gone or cannot be read.
            ConfigError: the script, a style, `cast.yaml` or `cues.json` is not valid.
        """
        stems = {f"stem:{name}": path for name, path in sorted(self.stems.items())}
        roles = {"film": self.film, "dub": self.dub} | sources.weights(self.settings) | stems
        roles |= sources.edit_files(self.root, self.script)
        self.sources = sources.digest(roles, self.root / "sources.json")
        return self.sources

    def ref(self, unit_id: str) -> str | None:
        """The key that a unit last came to, if any."""
        return self._refs.get(unit_id)

    def result(self, unit_id: str) -> Artifact | None:
        """What a unit last came to, None where it never did or the store no longer has it."""
        key = self.ref(unit_id)
        return self.store.get(key) if key else None

    def require(self, unit_id: str, what: str) -> Artifact:
        """What a unit last came to.

        Args:
            unit_id: the unit.
            what: what that is, in words.

        Raises:
            UsageError: there is none yet.
        """
        found = self.result(unit_id)
        if found is None:
            raise self.lacks(what)
        return found

    def lacks(self, what: str) -> UsageError:
        """The error where something is wanted that no run has made yet."""
        return UsageError(f"{self.root} has no {what} yet; type: dubcli run {typed(self.root)}")

    def set_ref(self, unit_id: str, key: str) -> None:
        """Remember the key that a unit came to, and forget that it failed."""
        if self._refs.get(unit_id) != key:
            self._refs[unit_id] = key
            with open(self.root / "refs.tsv", "a", encoding="utf-8") as file:
                file.write(f"{unit_id}\t{key}\n")
            self._failed_units.add(unit_id)  # another run may have noted a failure since these were read
        if unit_id in self._failed_units:
            self._failed_units.discard(unit_id)
            self._unit_path("failed", unit_id).unlink(missing_ok=True)

    def refs(self) -> Iterator[tuple[str, str]]:
        """All (unit id, key) pointers."""
        yield from sorted(self._refs.items())

    def history(self) -> set[str]:
        """All keys that units of this job ever came to."""
        return {key for _, key in self.past_refs()}

    def past_refs(self) -> Iterator[tuple[str, str]]:
        """All (unit id, key) pointers that ever were, the oldest first."""
        with contextlib.suppress(OSError):
            for line in (self.root / "refs.tsv").read_text("utf-8", "replace").splitlines():
                unit_id, _, key = line.partition("\t")
                if len(key) == _KEY_LENGTH:
                    yield unit_id, key

    @cached_property
    def _refs(self) -> dict[str, str]:
        """Unit id → key, from a file whose last line a crash may have cut off; a unit's last line counts."""
        return dict(self.past_refs())

    @cached_property
    def _failed_units(self) -> set[str]:
        """Ids of the units for which there is a file in `failed/`."""
        return {unit_id for unit_id, _ in self.failures()}

    def failure(self, unit_id: str) -> dict[str, Any]:
        """What is known of a unit's last failure; empty if it did not fail."""
        return read_cache_file(self._unit_path("failed", unit_id))

    def failures(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """All (unit id, failure) of units whose last run failed."""
        for path in sorted((self.root / "failed").glob("*/*.json")):
            yield f"{path.parent.name}/{path.stem}", read_cache_file(path)

    def set_failure(self, unit_id: str, failure: Mapping[str, Any]) -> None:
        """Keep what is known of a unit's failure."""
        path = self._unit_path("failed", unit_id)
        self._failed_units.add(unit_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(failure, indent=1), "utf-8")

    def published(self, film: Artifact | None = None) -> bool:
        """Whether the output is at its path as this job wrote it: the same file, or a copy of it.

        Args:
            film: what it must be, where any version of it will not do.
        """
        note = published.find_note(self.root, self.out)
        return note is not None and (film is None or note.content == film.content)

    def obstacle(self) -> str:
        """What stands in the way of the output or its manifest that this job has not written so, in words."""
        beside = puts_beside(self.out, self.settings.provenance)
        return published.obstacle(self.root, self.out, beside=beside)

    def publish(
        self,
        film: Artifact,
        report: Artifact | None,
        signature: Signature | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> bool:
        """Move the finished film to its path in one step, and the report into the job directory.

        Args:
            film, report: the artifacts.
            signature: how the film is signed; None for not at all.
            warn: called with one line where a signature was there and there is no certificate for one now.

        Returns:
            Whether anything was written.

        Raises:
            StoreError: the film or the report is not as it was committed, or not there.
            ConfigError, DependencyError, EngineError: it could not be signed, and is published without that.
            OSError: the disk is full or not writable.
        """
        with lock.publishing(self.root):
            try:
                return published.put(self.store, film, self.root, self.out, signature, warn)
            finally:  # afterwards, since the report says when the film was published
                if report:
                    self._copy_report(report)

    def refresh_report(self) -> None:
        """Write the report anew where there is one: what was decided in the review stands in it.

        Raises:
            StoreError: it is not as it was committed.
            OSError: the disk is full or not writable.
        """
        report = self.result("report/film")
        if report and (self.root / "report.html").is_file():
            with lock.publishing(self.root):
                self._copy_report(report)

    def _copy_report(self, report: Artifact) -> None:
        # What is of a shared store or an earlier run told its warnings elsewhere; they are kept with it.
        told = [
            text
            for unit, key in self.refs()
            if unit.startswith(_WARNING) and self.store.get(key)
            for text in self.store.provenance(key).get("warnings", ())
        ]
        names = reported.names(self.root, self.film, self.dub, self.out, told)
        reported.publish(self.store, report, self.root, names)

    def _unit_path(self, folder: str, unit_id: str) -> Path:
        stage, _, name = unit_id.partition("/")
        return self.root / folder / stage / f"{name}.json"
