"""Turns an exception into an exit code and one line for the user."""

from __future__ import annotations

import errno
import traceback
from datetime import datetime, timezone
from pathlib import Path

from dubcli.cli.output import out
from dubcli.core.shortage import shortage
from dubcli.errors import ConfigError, DubError, ExitCode

DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain(error: BaseException) -> tuple[ExitCode, str]:
    """The exit code of an exception, and the line for the user."""
    if isinstance(error, DubError) and not shortage(error):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "stopped; type the same command to continue"
    if short := shortage(error):
        return short.exit_code, str(short)
    if isinstance(error, OSError) and error.errno in DENIED:
        reason = (error.strerror or "").lower()
        return ExitCode.USAGE, f"cannot use {error.filename or 'a file'}: {reason}; choose another place"
    first = (str(error).splitlines() or [""])[0]
    return ExitCode.BUG, f"a bug in dubcli: {type(error).__name__}: {first}"


def report(error: BaseException) -> ExitCode:
    """Print the error, log the traceback of a bug, and return the exit code."""
    code, text = explain(error)
    if code == ExitCode.BUG and not isinstance(error, DubError):  # a worker's bug is in the job's logs
        trace = "".join(traceback.format_exception(error))
        log = _append_to_log(trace)
        text += f"; please report it with {log}" if log else "; -v shows the traceback"
        for line in trace.splitlines():
            out.detail(line)
    # Only a settings file has several things wrong at once; elsewhere a line break belongs to a file's name.
    out.error(*(text.splitlines() if isinstance(error, ConfigError) else [text]))
    return code


def _append_to_log(trace: str) -> Path | None:
    """Append a traceback to the user's log file; None where that cannot be written."""
    try:
        import platformdirs

        path = Path(platformdirs.user_log_path("dubcli", ensure_exists=True)) / "dubcli.log"
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{datetime.now(timezone.utc).isoformat(timespec='seconds')}\n{trace}\n")
    except OSError:
        return None
    return path
