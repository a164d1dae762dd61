"""Errors of the machine in words: libraries say in many ways that memory ran out, a disk is full or away."""

from __future__ import annotations

import errno
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.errors import (
    AwayError,
    CheckError,
    DependencyError,
    DiskFullError,
    DubError,
    EngineError,
    MemoryFullError,
    StoreError,
    TemporaryError,
    UsageError,
)
from dubcli.models import onnx

if TYPE_CHECKING:
    from dubcli.core.job import Job

_DISK = {errno.ENOSPC, errno.EDQUOT}
# A process or a thread that cannot be started for lack of memory is reported as "try again".
_MEMORY = {errno.ENOMEM, errno.EAGAIN}
# A disk that was unplugged, a file server that does not answer or has lost what was open.
_AWAY = {
    errno.EIO,
    errno.ENODEV,
    errno.ENXIO,
    errno.ENOTCONN,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ECONNABORTED,
    errno.ECONNRESET,
}
# Errors from C++ and Rust name their cause only in their text.
_DISK_WORDS = ("no space left on device", "disk quota exceeded", "(os error 28)", "(os error 122)")
_AWAY_WORDS = ("transport endpoint is not connected", "stale file handle", "(os error 107)", "(os error 116)")
# A graphics card that was taken away, fell off its bus or failed: what CUDA says of errors 4, 46, 100, 101,
# 214, 702, 719, 802 and 999, NVML, and torch.
_DEVICE_WORDS = (
    "driver shutting down",
    "is/are busy or unavailable",
    "no cuda-capable device is detected",
    "no cuda gpus are available",
    "invalid device ordinal",
    "uncorrectable ecc error",
    "the launch timed out and was terminated",
    "unspecified launch failure",
    "system not yet initialized",
    "cuda unknown error",
    "gpu is lost",
)
# What CUDA, cuBLAS and cuDNN say, in the words of onnxruntime.
_CUDA_MEMORY_WORDS = ("cuda failure 2:", "_status_alloc_failed", "_device_allocation_failed")
_MEMORY_WORDS = (
    "allocatetensors",  # of TensorFlow Lite: its networks are known, so nothing else is wrong with them
    "can't start new thread",
    "cannot allocate memory",
    "can't allocate memory",
    "failed to allocate",
    "failed to map segment from shared object",
    "insufficient memory",
    "memory alloc",  # OpenBLAS; Rust: memory allocation of 9 bytes failed
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "memoryerror",
    "pthread_create failed",
    "resource temporarily unavailable",
)


def shortage(error: BaseException, where: str = "") -> TemporaryError | None:
    """The shortage that an error comes from, None where it comes from none.

    Args:
        error: anything that was raised; what it was raised from counts as well.
        where: the file or folder that was written to, where the error does not name one.
    """
    for one in _chain(error):
        if isinstance(one, DiskFullError | MemoryFullError | AwayError):
            return one
        # FFmpeg's "try again" is part of how it decodes, its "input/output error" often a file cut short.
        number = None if type(one).__module__.startswith("av.") else getattr(one, "errno", None)
        # The text of dubcli's other errors may contain a file name with these words.
        ours = isinstance(one, DubError) and not isinstance(one, CheckError | DependencyError | EngineError)
        words = "" if ours else str(one)
        if number in _DISK or _contains_any(words, _DISK_WORDS):
            return disk_full(str(getattr(one, "filename", None) or where))
        if number in _AWAY or _contains_any(words, _AWAY_WORDS):
            return away(str(getattr(one, "filename", None) or where), getattr(one, "strerror", None) or words)
        if _contains_any(words, _DEVICE_WORDS):
            return device_away(words)
        if type(one).__name__ == "OutOfMemoryError":
            return device_full(words)
        if _contains_any(words, _CUDA_MEMORY_WORDS):
            return MemoryFullError(
                f"the GPU has too little memory ({onnx.reason(words)}); close other programs that use it, or "
                "compute on the processor (train.device=cpu, track.device=cpu)"
            )
        if isinstance(one, MemoryError) or number in _MEMORY or _contains_any(words, _MEMORY_WORDS):
            return memory_full()
    return None


def shortage_in_text(text: str, where: str = "") -> TemporaryError | None:
    """The shortage that the end of a process's log reports, None where it reports none."""
    if _contains_any(text, _DISK_WORDS):
        return disk_full(where)
    if _contains_any(text, _AWAY_WORDS):
        return away(where, next(word for word in _AWAY_WORDS if word in text.lower()))
    if lost := [line for line in text.splitlines() if _contains_any(line, _DEVICE_WORDS)]:
        return device_away(lost[-1])
    return memory_full() if _contains_any(text, _MEMORY_WORDS) else None


def ended_by_shortage(code: int) -> bool:
    """Whether a process that ended with this return code most likely ran out of memory.

    The kernel kills by SIGKILL. Under a limit of address space (`ulimit -v`) allocations fail instead, and
    libraries that do not expect it abort, read through null, or end their process.

    Args:
        code: as `subprocess` gives it; below 0 it is a signal's.
    """
    if code == -signal.SIGKILL:
        return True
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    return limited and (code > 0 or -code in (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV))


def disk_full(where: str) -> DiskFullError:
    """The error for a full disk."""
    place = f" ({where})" if where else ""
    return DiskFullError(
        f"the disk is full{place}; free some space, or name a store elsewhere with --store DIR, "
        "and type the same again"
    )


def away(where: str, reason: str) -> AwayError:
    """The error for a disk or a file server that cannot be reached."""
    return AwayError(
        f"{where or 'a folder'} cannot be reached ({reason.lower()}); what is done is kept: see to its disk "
        "or file server, and type the same again"
    )


def device_away(words: str) -> AwayError:
    """The error for a GPU that was there when the run began and does not answer any more."""
    return AwayError(
        f"the GPU does not answer any more ({onnx.reason(words)}); what is done is kept: see to it "
        "(nvidia-smi), and type the same again, or compute on the processor (train.device=cpu, "
        "track.device=cpu)"
    )


def memory_full() -> MemoryFullError:
    """The error for exhausted memory."""
    return MemoryFullError("out of memory; close other programs, or use fewer workers (--workers 1)")


def device_full(words: str) -> MemoryFullError:
    """The error for exhausted memory of a GPU, with what torch says was asked for and what was there."""
    sizes = ". ".join(words.split(". ")[:3]).strip().rstrip(".") or "out of memory on the GPU"
    return MemoryFullError(f"{sizes}; close other programs that use it, or lower train.size")


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _contains_any(text: str, words: tuple[str, ...]) -> bool:
    lower = text.lower()
    return any(word in lower for word in words)


def translated(error: OSError | DubError, job: Job) -> DubError:
    """The error to show for an error of the file system.

    Raises:
        OSError: it is none of the expected ones.
    """
    if isinstance(error, DubError):
        return error
    where = Path(error.filename or job.root)
    if short := shortage(error, str(where)):
        return short
    in_store = where.is_relative_to(job.store.root) or job.store.root.is_relative_to(where)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = (error.strerror or "it is not allowed").lower()
        places = "another store with --store DIR" if in_store else "other places with --job DIR and -o FILE"
        return UsageError(f"cannot write to {where} ({reason}); choose {places}")
    if isinstance(error, FileNotFoundError) and in_store:
        return StoreError(job.store.deleted_message())
    raise error
