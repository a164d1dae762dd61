"""A machine that has run out of something says so in many ways."""

from __future__ import annotations

import errno
import re
import resource
import signal
from contextlib import suppress
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from dubcli.cli import failures
from dubcli.core.failures import is_fatal
from dubcli.core.inputs import Inputs
from dubcli.core.job import Job
from dubcli.core.shortage import ended_by_shortage, shortage, shortage_in_text, translated
from dubcli.core.worker import explain, serve
from dubcli.errors import (
    AwayError,
    ConfigError,
    DiskFullError,
    EngineError,
    ExitCode,
    MediaError,
    MemoryFullError,
    StoreError,
    UsageError,
    by_code,
)
from dubcli.media import source
from dubcli.settings.config import Settings


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


def array_error() -> BaseException:
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    return caught.value


def caused(cause: BaseException, error: BaseException) -> BaseException:
    try:
        raise error from cause
    except BaseException as raised:
        return raised


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        array_error(),
        OutOfMemoryError("CUDA"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        RuntimeError(
            "CalculatorGraph::Run() failed: \nRET_CHECK (interpreter->AllocateTensors())==(kTfLiteOk)"
        ),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        ImportError("libx.so: failed to map segment from shared object"),
        EngineError("ffmpeg failed: Cannot allocate memory"),
        caused(BlockingIOError(errno.EAGAIN, "x"), RuntimeError("ffmpeg could not be started")),
    ],
)
@pytest.mark.parametrize("engine", [True, False])
def test_memory(error: BaseException, engine: bool) -> None:
    assert isinstance(explain(error, Path("/store/tmp/x"), engine=engine), MemoryFullError)
    assert failures.explain(error)[0] == ExitCode.TEMPORARY


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/x"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        caused(OSError(errno.ENOSPC, "full"), ValueError("could not write")),
        EngineError("ffmpeg failed: av_interleaved_write_frame(): No space left on device"),
    ],
)
def test_disk(error: BaseException) -> None:
    told = explain(error, Path("/store/tmp/x"), engine=False)
    assert isinstance(told, DiskFullError)
    assert "/store" in str(told) or "/x" in str(told)
    assert failures.explain(error)[0] == ExitCode.TEMPORARY


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOTCONN, "Transport endpoint is not connected", "/net/x"),
        OSError(errno.ESTALE, "Stale file handle", "/net/x"),
        OSError(errno.EIO, "Input/output error", "/net/x"),
        RuntimeError("/net/x: Transport endpoint is not connected (os error 107)"),
        caused(OSError(errno.ETIMEDOUT, "Connection timed out"), MediaError("/net/x cannot be read")),
    ],
)
def test_a_disk_that_is_away(error: BaseException) -> None:
    told = explain(error, Path("/net/tmp/x"), engine=False)
    assert isinstance(told, AwayError)
    assert str(told).startswith("/net")
    assert failures.explain(error)[0] == ExitCode.TEMPORARY


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
        "CUDA error: uncorrectable ECC error encountered",
        "No CUDA GPUs are available",
    ],
)
def test_a_graphics_card_that_has_gone(words: str) -> None:
    """It was a failure of the engine, or a bug, tried again on the same card."""
    told = explain(RuntimeError(words), Path("/store/tmp/x"), engine=True)
    assert isinstance(told, AwayError)
    assert f"does not answer any more ({words.splitlines()[0]})" in str(told)
    assert isinstance(shortage_in_text(f"loading\n{words}"), AwayError)
    assert failures.explain(told)[0] == ExitCode.TEMPORARY
    assert is_fatal(told)


def test_ffmpegs_input_error_is_a_file_cut_short() -> None:
    cut = caused(
        av.error.OSError(errno.EIO, "Input/output error", "film.avi"), MediaError("film.avi is cut short")
    )
    assert shortage(cut) is None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("tensor of shape (0,)"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"),
        MediaError("cannot read out of memory.mp4"),
        ConfigError("no space left on device.yaml: not UTF-8 text"),
    ],
)
def test_other_errors_are_no_shortage(error: BaseException) -> None:
    assert shortage(error) is None


def test_a_log_on_the_full_disk_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        @staticmethod
        def run(task: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr("dubcli.stages.module", lambda name: Full)
    keys = ("unit", "stage", "inputs", "params", "facts", "engine", "scratch", "device", "batch")
    request = dict.fromkeys(keys) | {"inputs": {}, "store": str(tmp_path), "out": str(tmp_path)}
    with open("/dev/full", "w", buffering=1) as log:
        monkeypatch.setattr("sys.stderr", log)
        answer = serve(request, lambda message: None, Inputs())
        monkeypatch.undo()
        with suppress(OSError):
            log.close()
    assert answer["error"] == "DiskFullError"


def test_shortages_cross_a_process_border() -> None:
    for error in (AwayError("x"), DiskFullError("x"), MemoryFullError("x")):
        assert by_code(int(error.exit_code), type(error).__name__) is type(error)
    assert by_code(7, "NoSuchError") is EngineError


def test_last_words() -> None:
    assert isinstance(shortage_in_text("terminate called: std::bad_alloc\n"), MemoryFullError)
    assert isinstance(shortage_in_text("memory allocation of 9 bytes failed"), MemoryFullError)
    assert isinstance(shortage_in_text("write: No space left on device"), DiskFullError)
    assert isinstance(shortage_in_text("OSError: [Errno 116] Stale file handle: '/x'"), AwayError)
    assert shortage_in_text("Segmentation fault") is None


def test_an_end_means_memory_where_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended_by_shortage(-signal.SIGKILL)
    for limit, expected in ((resource.RLIM_INFINITY, False), (1 << 30, True)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
        ends = (-signal.SIGABRT, -signal.SIGSEGV, 1, 255)
        assert [ended_by_shortage(code) for code in ends] == [expected] * len(ends)
        assert not ended_by_shortage(-signal.SIGTERM)
        assert not ended_by_shortage(0)


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_a_film_that_no_memory_is_left_for_is_not_said_to_be_broken(number: int, tmp_path: Path) -> None:
    """FFmpeg says "try again" where a decoder's thread cannot be started."""
    film = tmp_path / "film.y4m"
    film.write_bytes(b"YUV4MPEG2 W16 H16 F25:1\nFRAME\n" + bytes(384))
    with pytest.raises(av.error.FFmpegError) as caught, source.opened(film):
        av.error.err_check(-number)
    assert isinstance(explain(caught.value, tmp_path / "x", engine=False), MemoryFullError)


def test_a_full_gpu_is_told_with_what_was_asked_for_and_what_was_there() -> None:
    error = OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.81 GiB of which "
        "1.25 GiB is free. Including non-PyTorch memory, this process has 9.00 GiB memory in use."
    )
    assert str(shortage(error)) == (
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.81 GiB of which "
        "1.25 GiB is free; close other programs that use it, or lower train.size"
    )


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (errno.EROFS, UsageError, "cannot write to .*shared/tmp .*; choose another store with --store DIR"),
        (errno.EACCES, UsageError, "cannot write to .*shared/tmp .*; choose another store with --store DIR"),
        (errno.ENOSPC, DiskFullError, "the disk is full .*shared/tmp.* a store elsewhere with --store DIR"),
        (errno.ENOENT, StoreError, "the store .*shared was deleted or emptied meanwhile"),
    ],
)
def test_what_a_store_cannot_do_is_told_with_the_option_that_moves_it(
    number: int, kind: type[Exception], told: str, tmp_path: Path
) -> None:
    for name in ("film.mp4", "dub.wav"):
        (tmp_path / name).touch()
    store = tmp_path / "shared"
    job = Job.create_or_open(tmp_path / "film.mp4", tmp_path / "dub.wav", Settings(), store=store)
    found = translated(OSError(number, "as it is", str(store / "tmp")), job)
    assert type(found) is kind
    assert re.search(told, str(found))
    if number == errno.EROFS:
        found = translated(OSError(number, "as it is", str(job.root / "refs.tsv")), job)
        assert str(found).endswith("choose other places with --job DIR and -o FILE")
