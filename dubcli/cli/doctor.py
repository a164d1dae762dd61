"""`dubcli doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from dubcli.cli import options
from dubcli.cli.output import colour, out
from dubcli.errors import DependencyError

COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def doctor(
    json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = False
) -> None:
    """Check that this machine has what dubbing needs.

    Looks at Python and its packages, the ffmpeg that will be used and its encoders, the models of every
    engine, memory, GPU, free disk space, and whether this folder can be written; prints a remedy for what
    is missing. Ends with 5 if dubbing would not work.
    """
    from dubcli.cli.machine import FAIL, Finding, examine

    found: list[Finding] = []
    for finding in examine(Path()):
        found.append(finding)
        if not json:
            mark = colour(sys.stdout, COLOURS[finding.state], finding.state.ljust(4))
            remedy = f"; {finding.remedy}" if finding.remedy else ""
            out.styled(mark, f"{finding.check}: {finding.text}{remedy}")
    if json:
        out.document([asdict(finding) for finding in found])
    bad = [finding.check for finding in found if finding.state == FAIL]
    if bad:
        raise DependencyError(f"dubbing will not work here: {', '.join(bad)}; see above for what to do")
