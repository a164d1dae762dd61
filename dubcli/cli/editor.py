"""The user's text editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from dubcli.errors import UsageError


def open_file(path: Path) -> None:
    """Open a file in VISUAL or EDITOR and wait; without one, or without a terminal, nothing is done.

    Raises:
        UsageError: the editor cannot be run, or failed.
    """
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if editor and sys.stdin.isatty():
        try:
            subprocess.run([*editor, str(path.resolve())], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"the editor {editor[0]} failed ({error}); edit {path} by hand") from None
