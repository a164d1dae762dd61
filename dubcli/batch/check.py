"""Checks the jobs of a batch as a whole, before any work: what is missing, clashes, or would be refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from dubcli.batch.entry import BY_ENTRY, Entry, Flags, job_of
from dubcli.core.places import check_folder, check_store, check_writable, identity, images, no_file
from dubcli.engines import required
from dubcli.errors import ConfigError, DubError, UsageError
from dubcli.settings.document import Keys
from dubcli.settings.layers import resolve


def checked(
    found: list[Entry],
    at: Callable[[Keys], str],
    flags: Flags,
    overwrite: bool,
    before: Sequence[str] = (),
    lesser: Sequence[str] = (),
) -> list[Entry]:
    """The entries, if nothing is wrong with any of them.

    Args:
        found: the entries.
        at: keys → where that stands, in words.
        flags: settings that were given by flags.
        overwrite: whether outputs that are not the jobs' own may be there.
        before: problems that were found already.
        lesser: such that refuse nothing by themselves, but are told with others.

    Raises:
        ConfigError: one line per problem.
    """
    problems = [*before, *_problems(found, at, flags, overwrite)]
    if problems:
        problems += lesser
        head = [f"{len(problems)} problems; nothing was begun"] if len(problems) > 1 else []
        raise ConfigError("\n".join([*head, *problems]))
    return found


def _problems(found: list[Entry], at: Callable[[Keys], str], flags: Flags, overwrite: bool) -> Iterator[str]:
    """What is wrong, a line each; what is wrong with a file that several entries name is told once."""
    clashes = _Clashes(found)
    told: set[str] = set()
    for entry in found:
        shown = images(entry.film)
        missing = [] if shown else list(_missing(entry))
        clash = "" if shown else clashes.of(entry)
        refused = "" if shown or clash else _refusal(entry, flags, overwrite, is_whole=not missing)
        for keys, text in (((*entry.keys[:2], "film"), shown), *missing, (entry.keys, refused)):
            if text and text not in told:
                told.add(text)
                yield f"{at(keys)}: {text}"
        if clash:
            yield f"{at(entry.keys)}: {clash}"


class _Clashes:
    """What the jobs of a batch would write over one another."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._inputs = {identity(path): path for entry in entries for path in _inputs(entry)}
        self._outs: dict[str, Entry] = {}
        self._roots: dict[str, Entry] = {}

    def of(self, entry: Entry) -> str:
        """What an entry would write over of the batch's sources and of entries before it; "" for nothing."""
        if source := self._inputs.get(identity(entry.out)):
            return f"the output would overwrite {source}; give it another out"
        if (other := self._outs.setdefault(_folded(entry.out), entry)) is not entry:
            if other.out.resolve() == entry.out.resolve():
                return f"{entry.out} is written twice; give one of them another out"
            return (
                f"{entry.out} and {other.out} are one file on disks that take upper and lower case, or two "
                "ways to write an accent, for the same (Windows, macOS); give one of them another out"
            )
        if (other := self._roots.setdefault(_folded(entry.root), entry)) is not entry:
            return (
                f"{entry.out} and {other.out} would have one job directory, {entry.root.name}; "
                "give one of them another out"
            )
        return ""


def _folded(path: Path) -> str:
    """A path as disks tell it from others that take upper and lower case, or accents, for the same."""
    return unicodedata.normalize("NFC", str(path.resolve())).casefold()


def _missing(entry: Entry) -> Iterator[tuple[Keys, str]]:
    """Where a file is named that cannot be read, and why it cannot."""
    for path, keys in _inputs(entry).items():
        if why := no_file(path):
            padded = path.name != path.name.strip()
            signs = "quotes" if '"' in path.name else "spaces around them" if padded else ""
            yield keys, f"there is no file {path}; names stand without {signs}" if signs else why


def _refusal(entry: Entry, flags: Flags, overwrite: bool, *, is_whole: bool) -> str:
    """Why the job would be refused when its turn comes, in words; "" where it would not.

    Args:
        entry: the entry.
        flags, overwrite: as for `checked`.
        is_whole: whether all files that it reads are there.
    """
    try:
        _check(entry, flags, overwrite, is_whole=is_whole)
    except DubError as error:
        return str(error)
    except PermissionError as error:
        return f"{error.filename} may not be read; check its permissions" if is_whole else ""
    return ""


def _inputs(entry: Entry) -> dict[Path, Keys]:
    """The files that a job reads, and where each is written."""
    rows: list[tuple[Path | None, Keys]] = [
        (entry.film, (*entry.keys[:2], "film")),
        (entry.dub, entry.keys),
        (entry.script, entry.keys),
        *((stem, (*entry.keys, "stems", name)) for name, stem in entry.stems.items()),
    ]
    return {path: keys for path, keys in rows if path}


def _check(entry: Entry, flags: Flags, overwrite: bool, *, is_whole: bool) -> None:
    """Refuse what the job itself would refuse when its turn comes.

    Raises:
        DubError: as the job says it.
    """
    check_folder(entry.out.parent, make=False, by=BY_ENTRY)
    for place in (entry.out.parent, entry.root):
        check_writable(place, f"choose another output {BY_ENTRY}")
    check_store(entry.store)
    check_writable(entry.store, "name another store with --store DIR")
    resolved = resolve(preset=entry.preset, folder=entry.film.parent, flags=flags)
    required.check(resolved)
    if not is_whole:
        return
    job = job_of(entry, flags, save=False)
    if not overwrite and (obstacle := job.obstacle()):
        raise UsageError(f"{obstacle}; add --force to replace it, or give another out")
