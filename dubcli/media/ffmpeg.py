"""Runs the ffmpeg program, and names files safely to it and to its libraries.

Every command stays in its worker's process group, which is ended as one, and dies with its worker. File names
are data: they always carry the `file:` protocol, and no other may be used.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dubcli.errors import DependencyError, EngineError, TemporaryError

# Formats that hold media; playlists and scripts that name other files (concat, hls, dash) stay out.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,avi,mxf,nut,asf,flv,ogg,wav,w64,aiff,caf,au,flac,mp3,"
    "aac,ac3,eac3,dts,truehd,amr,ape,tta,wv,dv,gxf,lxf,ivf,m4v,h264,hevc,obu,av1,yuv4mpegpipe,rm,wtv,srt,webvtt,ass"
)
RESYNC = {"resync_size": str((1 << 31) - 1)}
"""Junk in a transport stream, of 64 KiB and more, ends no film. FFmpeg's program takes it for these alone."""
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: a child may not load it
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_STDERR_BYTES = 8192  # bytes kept of the end of a child's standard error; set by hand
_PIPE_BYTES = 1 << 20  # on the way to a child; with the usual 64 KiB both wait for each other; set by hand


@lru_cache
def binary() -> str:
    """Path of `ffmpeg`: the system's, or the one that imageio-ffmpeg carries.

    Raises:
        DependencyError: there is neither.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise DependencyError("there is no ffmpeg; type: pip install imageio-ffmpeg") from error


def url(path: Path) -> str:
    """A path as FFmpeg takes it: never an option, a pattern or another protocol."""
    return f"file:{path}"


def input_options(**extra: str) -> dict[str, str]:
    """Options under which a file of unknown origin is opened, by FFmpeg's libraries or its program."""
    return {"protocol_whitelist": "file,pipe", "format_whitelist": CONTAINERS, **extra}


def die_with(parent: int) -> None:
    """Have the system end this process when the thread that made it ends, however that comes (Linux only).

    Args:
        parent: the process that made it; this one ends at once where that is gone already.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class Process:
    """A running ffmpeg: bytes go into `stdin` or come from `stdout`; leaving the context waits for it.

    Args:
        arguments: the arguments after the program's name.
        reads: whether its standard output is read by us.

    Raises:
        TemporaryError: on leaving, when the disk is full.
        EngineError: on leaving, when it failed.
    """

    def __init__(self, arguments: Sequence[str], reads: bool = False) -> None:
        self._child = subprocess.Popen(
            [binary(), "-hide_banner", "-loglevel", "error", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if reads else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=partial(die_with, os.getpid()),
        )
        self._words = bytearray()
        self._listener = threading.Thread(target=self._read_stderr, daemon=True)
        self._listener.start()
        assert self._child.stdin is not None
        self.stdin: IO[bytes] = self._child.stdin
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; a user may have only so much in all their pipes
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.stdin.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.stdout: IO[bytes] | None = self._child.stdout

    def _read_stderr(self) -> None:
        assert self._child.stderr is not None
        for line in self._child.stderr:
            self._words += line
            del self._words[:-_STDERR_BYTES]

    def write(self, data: Any, /) -> None:
        """Write bytes, or any buffer, to its standard input.

        Raises:
            EngineError, TemporaryError: it has ended.
        """
        try:
            self.stdin.write(data)
        except (BrokenPipeError, OSError):
            self.finish()
            raise EngineError("ffmpeg stopped taking frames; type: dubcli doctor") from None

    def finish(self) -> None:
        """Close its input and wait for the end; see the class for what is raised."""
        with contextlib.suppress(OSError):  # it has ended: its exit code says why
            self.stdin.close()
        code = self._child.wait()
        self._listener.join()
        if code:
            raise failure(bytes(self._words), code)

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()
        self._child.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.kill()


def failure(words: bytes, code: int) -> EngineError | TemporaryError:
    """The error for an ffmpeg that ended with `code` and wrote `words` to standard error."""
    lines = [line for line in words.decode(errors="replace").splitlines() if line.strip()]
    first = lines[0].strip() if lines else f"exit code {code}"  # later lines are its consequences
    if any("No space left on device" in line for line in lines):
        return TemporaryError("the disk is full; make room and type the same command again")
    return EngineError(f"ffmpeg failed: {first}")


def arguments(stream: Any) -> list[str]:
    """Arguments of a command built with ffmpeg-python."""
    return list(stream.get_args())


def flags(options: Mapping[str, object]) -> str:
    """`key=value:key=value` in the syntax of `-x264-params` and similar options."""
    return ":".join(f"{key}={value}" for key, value in options.items())
