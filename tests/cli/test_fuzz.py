"""Whatever a file holds, the command line answers with one of its exit codes and a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CASES = 72  # two of each kind
SECONDS = 300
CODE = """
import json, pathlib, sys
from tests import fuzz
print(json.dumps(fuzz.main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))))
"""


def test_mutated_files_are_read_or_refused_with_a_reason(tmp_path: Path) -> None:
    """In a process of its own, whose network is blocked; `make fuzz` does more of them."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path), str(CASES)],
        cwd=Path(__file__).parents[2], capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    counts = json.loads(done.stdout)
    assert counts["cases"] == CASES
    assert counts["accepted"] > CASES // 10
    assert counts["refused"] > CASES // 10
