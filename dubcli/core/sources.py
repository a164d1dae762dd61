"""The sources of a job (film, dub, script, stems, weights, edits), their digests and changes."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dubcli.core.model import Source, Unit
from dubcli.core.store import sha256, tree
from dubcli.edits import castfile, cuefile, curvefile, decisions, layerfile, shotfile, stylefile
from dubcli.engines import insightface_pack
from dubcli.errors import ConfigError, MediaError, typed
from dubcli.files import read_cache_file, write_atomically
from dubcli.provenance import credentials, signing
from dubcli.settings.config import Settings


def weights(settings: Settings) -> dict[str, Path]:
    """Role → file or folder of the weights that the settings name for the engines in use.

    Raises:
        ConfigError: there is no such folder, or it lacks a file.
    """
    found: dict[str, Path] = {}
    if settings.track.engine == "insightface":
        pack = settings.engines.insightface.pack
        if not pack:
            raise ConfigError("engines.insightface.pack: name the folder of a model pack to use insightface")
        files = insightface_pack.files(Path(pack).expanduser())
        found |= {f"insightface/{role}": path for role, path in files.items()}
    if settings.align.engine == "whisperx":
        named = settings.engines.whisperx
        for name, folder in (("model", named.model), ("ctc", named.ctc)):
            path = Path(folder).expanduser()
            if folder and not path.is_dir():
                raise ConfigError(f"engines.whisperx.{name}: {path} is no folder of weights; name one")
            if folder:
                found[f"whisperx/{name}"] = path
        if not named.model:
            raise ConfigError(
                "engines.whisperx.model: name the folder of a faster-whisper model to use whisperx"
            )
    return found


def check(settings: Settings, script: Path | None) -> None:
    """Check that the files a command names can be used, before a job keeps them.

    Raises:
        ConfigError: the script cannot be read, weights that the settings name are not there, or the
            certificate cannot sign.
        DependencyError: signing needs a package that is not installed.
    """
    weights(settings)
    if signer := credentials.load(settings.provenance):
        signing.check(signer)
    if script:
        from dubcli.speech import script as scripts

        scripts.load(script)


def edit_files(root: Path, script: Path | None) -> dict[str, Path]:
    """Role → file of a person's edits in a job directory; all are checked now, rather than hours later.

    One that changes nothing, such as a template, is none: nothing runs again because somebody looked at it.

    Args:
        root: the job directory.
        script: the dub's script, in any folder.

    Raises:
        ConfigError: a file is not valid.
    """
    roles: dict[str, Path] = {}
    if script and not script.exists():
        raise ConfigError(
            f"there is no file {script}, which is the script of this job; put it back, or type the command "
            "with the film again, with another --script or without"
        )
    if script:
        from dubcli.speech import script as scripts

        scripts.load(script)
        roles["script"] = script
    styles = stylefile.files(root)
    for name, path in styles.items():
        stylefile.load(path)
        roles[f"style:{name}"] = path
    for role, name, load in (("cast", "cast.yaml", castfile.load), ("cues", "cues.json", cuefile.load)):
        if (root / name).is_file():
            document, file = load(root / name)
            stylefile.check(document, file.styles(), styles)
            if not file.is_empty:
                roles[role] = root / name
    if (root / shotfile.NAME).is_file() and not shotfile.load(root / shotfile.NAME)[1].is_empty:
        roles["shots"] = root / shotfile.NAME
    roles |= {f"{layerfile.ROLE}:{name}": path for name, path in layerfile.files(root).items()}
    decisions.load(root / decisions.FILE)
    for path in sorted((root / "curves").glob("*.csv")):
        if not re.fullmatch(r"\d{8,12}\.\d{1,4}", path.stem):
            raise ConfigError(
                f"{path}: curves are called by their face, such as 00000120.0.csv; rename the file"
            )
        if curvefile.load(path)[1].curves:
            roles[f"curves:{path.stem}"] = path
    return roles


def digest(roles: Mapping[str, Path], cache: Path) -> dict[str, Source]:
    """Sources by role, each with its digest.

    Args:
        roles: a file or folder each.
        cache: file that remembers digests as long as sizes and times stay.

    Raises:
        MediaError: a file is gone, cannot be read, or changes while it is read.
    """
    known, out = read_cache_file(cache), {}
    for role, path in roles.items():
        try:
            before, marks = stamps(path), _marks(path)
            # Also the time of the inode: whoever writes into a file may put its own time back.
            if not _matches(known.get(role), marks) or known[role].get("stamps") != list(before):
                read = tree(path) if path.is_dir() else sha256(path)
                known[role] = {"mark": marks, "stamps": before, "sha256": read}
            if stamps(path) != before:
                raise MediaError(f"{path} changes while it is read; wait until it is complete")
        except FileNotFoundError:
            raise MediaError(
                f"there is no file {path}, which is the {role} of this job; put it back, or name it where it "
                f"is now: dubcli run FILM --audio DUB --job {typed(cache.parent)}"
            ) from None
        except OSError as error:
            raise MediaError(f"cannot read {path}: {error.strerror}; check name and permissions") from None
        out[role] = Source(path, known[role]["sha256"], before)
    with contextlib.suppress(OSError):  # a read-only job directory
        write_atomically(cache, json.dumps(known, indent=1).encode())
    return out


def find_change(unit: Unit, sources: Mapping[str, Source]) -> MediaError | None:
    """The error for a unit one of whose sources was written, replaced or moved while it ran, else None.

    A file that was moved away and back is noticed as well: moving changes the time of its inode.
    """
    used = set(unit.paths.values())
    for source in sources.values():
        if source.path in used and _stamps_or_none(source.path) != source.stamps:
            return MediaError(
                f"{source.path} was changed or moved while the run was reading it, so {unit.id} is not kept; "
                "put the right file at this path, and type the same again"
            )
    return None


def is_unchanged(path: Path, role: str, cache: Path) -> bool:
    """Whether a file is the one that a job's source was when it was last read, even if it was renamed."""
    known = read_cache_file(cache).get(role)
    try:
        if _matches(known, _marks(path)):
            return True
        if not isinstance(known, dict) or not isinstance(known.get("mark"), list):
            return False
        return bool(known["mark"][:1] == mark(path)[:1] and known.get("sha256") == sha256(path))
    except OSError:
        return False


def find_renamed(folder: Path, role: str, cache: Path) -> Path | None:
    """The file of a folder that a job's source has become by a rename, None where there is none."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.is_file() and is_unchanged(path, role, cache):
                return path
    return None


def stamps(path: Path) -> tuple[int, ...]:
    """What changes when a file, or a folder's files, are written or moved; found without reading them."""
    found: list[int] = []
    for file in _files(path):
        found += [*mark(file), file.stat().st_ctime_ns]
    return tuple(found)


def _stamps_or_none(path: Path) -> tuple[int, ...] | None:
    try:
        return stamps(path)
    except OSError:
        return None


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*")) if path.is_dir() else [path]


def _marks(path: Path) -> list[int]:
    return [number for file in _files(path) for number in mark(file)]


def _matches(known: Any, marks: list[int]) -> bool:
    return isinstance(known, dict) and known.get("mark") == marks and isinstance(known.get("sha256"), str)


def mark(path: Path) -> list[int]:
    """What identifies a file and its content without reading it; a rename keeps it."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def mark_or_none(path: Path) -> list[int] | None:
    """The same; None where there is no such file."""
    try:
        return mark(path)
    except OSError:
        return None
