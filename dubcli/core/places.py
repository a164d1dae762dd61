"""Where a job's files may lie and what they may be called; all is checked before any work."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from dubcli.errors import UsageError, typed
from dubcli.files import read_cache_file
from dubcli.media.containers import SUFFIXES

JOB_FILE = "job.json"
"""The file that makes a folder a job directory (`core.job`)."""
BY_FLAG = "with -o FILE"
"""How an output is named on the command line, as errors say it; entries of a batch name theirs otherwise."""
_CONTAINER_FOR = {
    ".mxf": ".mov",
    ".gxf": ".mov",
    ".dv": ".mov",
    ".webm": ".mkv",
    ".nut": ".mkv",
    ".ogv": ".mkv",
}
"""The output container for an input container that is not written; others: .mp4."""
_CHANNEL = re.compile(r"(.*[ ._-])(l|r|c|lfe|ls|rs|lss|rss|lsr|rsr|left|right|cent(?:er|re))", re.IGNORECASE)
"""Names of the files of split mono: `dub_fr.L.wav`."""


def is_job(folder: str | Path) -> bool:
    """Whether a folder is a job directory; not where it may not be looked into."""
    return os.path.isfile(os.path.join(folder, JOB_FILE))


def job_around(path: Path) -> Path | None:
    """The job directory that a path lies in, None for none; other programs have a `job.json` as well."""
    around = path.resolve().parents
    return next((folder for folder in around if "dub" in read_cache_file(folder / JOB_FILE)), None)


def default_out(film: Path, dub: Path) -> Path:
    """`film.mp4` and `dub_fr.wav` make `film.dub_fr.mp4`, beside the film."""
    own = film.suffix.lower()
    suffix = film.suffix if own in SUFFIXES else _CONTAINER_FOR.get(own, ".mp4")
    return film.with_name(f"{film.stem}.{dub.stem}{suffix}")


def other_channels(dub: Path) -> list[str]:
    """Names of the files that hold the other channels of a dub whose own holds one, as of split mono."""
    own = _CHANNEL.fullmatch(dub.stem)
    if not own:
        return []
    files = (path for path in dub.parent.iterdir() if path.suffix.lower() == dub.suffix.lower())
    stems = ((path.name, _CHANNEL.fullmatch(path.stem)) for path in files)
    return sorted(name for name, one in stems if one and one[1] == own[1] and one[2] != own[2])


def one_channel(dub: Path) -> str:
    """What to say of a dub that is one channel of several files, "" where it is not."""
    others = other_channels(dub)
    return (
        f"{dub.name} is one channel of several files ({', '.join(others[:3])} beside it), and is taken "
        "alone; where they belong together, write them as one file, as with "
        "ffmpeg -i L.wav -i R.wav -filter_complex join -c:a pcm_s24le NEW.wav"
        if others
        else ""
    )


def identity(path: Path) -> object:
    """What tells a file from others, whatever it is called: some disks take `FILM.mp4` for `film.mp4`."""
    try:
        status = path.stat()
    except OSError:
        return path.resolve()
    return status.st_dev, status.st_ino


def no_file(path: Path) -> str:
    """Why there is no file to read at a path, and what to do, in words; "" where there is one."""
    try:
        if path.is_file():
            return ""
    except PermissionError:
        return f"{path} may not be read; check the permissions of its folder"
    if path.is_dir():
        return f"{path} is a folder; name a file in it"
    if path.exists():  # such as what a shell makes of <(command)
        return f"{path} is a pipe or a device, which cannot be read twice; write it to a file first"
    if path.is_symlink():
        return f"{path} is a link to {os.readlink(path)}, where there is no file; name the file itself"
    if re.match("[a-z]{2,}:/", str(path), re.IGNORECASE):
        return f"{path} is a web address, and nothing is fetched from there; download it, and name the file"
    return f"there is no file {path}; check the name"


def images(path: Path) -> str:
    """How a folder of images, which may be named by one of them, becomes a film; "" where it is none."""
    if path.suffix.lower() in SUFFIXES or is_job(path):
        return ""
    from dubcli.media.sequence import folder_of_images  # which brings FFmpeg

    if folder := folder_of_images(path):
        return (
            f"{folder} is an image sequence; type: dubcli conform {typed(folder)} --rate FPS -o film.mkv, "
            "and dub that film"
        )
    return ""


def check_names(*paths: Path, by: str = BY_FLAG) -> None:
    """Check that names are text, which a job's files hold as UTF-8, and no longer than their disk takes.

    Args:
        paths: the files and folders.
        by: how an output is named, in words.

    Raises:
        UsageError: one is of other bytes, or too long, as a film's name and a dub's may be together.
    """
    for path in paths:
        try:
            os.fsencode(path).decode()
            path.lstat()
        except UnicodeDecodeError:
            raise UsageError(f"the name {path} is not UTF-8; rename the file or folder") from None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise UsageError(
                    f"the name {path.name} is too long here; name the film to write {by}"
                ) from None


def check_out(out: Path, *sources: Path, by: str = BY_FLAG) -> None:
    """Check that a film can be called so.

    Args:
        out: the film to write.
        sources: files that it must not replace.
        by: how an output is named, in words.

    Raises:
        UsageError: it is a folder, a source, or of a kind that is not written.
    """
    if not out.name or out.is_dir():
        raise UsageError(f"{out} is a folder; name the film to write {by}")
    if identity(out) in map(identity, sources):
        raise UsageError(f"the output would overwrite its own source {out}; choose another {by}")
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{out.name} is no film that can be written; use one of {', '.join(SUFFIXES)}")


def check_store(folder: Path) -> None:
    """Check that a store can be in a folder.

    Raises:
        UsageError: something else has its path, such as a job.
    """
    if is_job(folder):
        raise UsageError(f"{folder} is a job; name another folder for the store with --store DIR")
    _check_nothing_else(folder, "name one for the store with --store DIR")


def _check_nothing_else(folder: Path, advice: str) -> None:
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if nearest.exists() and not nearest.is_dir():
        raise UsageError(f"{nearest} is no folder; {advice}")


def check_writable(folder: Path, advice: str) -> None:
    """Check that files can be written into a folder, or that it can be made.

    Raises:
        UsageError: they cannot; it ends with `advice`.
    """
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write to the folder {nearest}; {advice}")


def check_folder(folder: Path, *, make: bool, by: str = BY_FLAG) -> None:
    """Check that an output's folder exists or can be created; create it where `make` is set.

    Args:
        folder: the folder.
        make: whether to create it.
        by: how an output is named, in words.

    Raises:
        UsageError: something else has its path, or it cannot be created.
    """
    _check_nothing_else(folder, f"choose another output {by}")
    if not make:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"cannot make the folder {folder} ({error.strerror}); choose another output {by}"
        ) from None
