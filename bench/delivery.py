"""What a person waits for after a run: the report's page in a browser, and layers for compositing.

    python -m bench.delivery page JOB/report.html [--times 3]
    python -m bench.delivery layers JOB [--times 3]

`page` opens a report in headless Chromium, until its scripts have run and a picture of it is drawn, and an
empty page beside it, which costs what the browser itself takes; the difference is the report's.
`bench.feature made --keep DIR` leaves that of a film of 2,500 shots. `layers` writes all layers of a finished
job as `dubcli layers export` does, its start included, and counts frames of faces. On stdout comes JSON, with
the median of the times and the machine's load before: figures of a busy machine say little.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import trange

COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]
EMPTY = "<!doctype html><title>empty</title>"


def page(report: Path, times: int) -> dict[str, Any]:
    """Seconds in which a report opens, beyond those of an empty page."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("bench.delivery: no Chromium; install chromium")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    found: dict[str, list[float]] = {"report": [], "empty": []}
    with tempfile.TemporaryDirectory() as scratch:
        empty = Path(scratch) / "empty.html"
        empty.write_text(EMPTY, "utf-8")
        words = [browser, "--headless=new", *root, "--disable-gpu", "--no-first-run"]
        # A picture waits until the page is laid out and drawn; a dump would write it all out as well.
        words += [f"--user-data-dir={scratch}/profile", f"--screenshot={scratch}/page.png"]
        _timed([*words, empty.as_uri()])  # which makes the profile
        for _ in trange(times, disable=None):
            for name, path in (("empty", empty), ("report", report.resolve())):
                found[name].append(_timed([*words, path.as_uri()]))
    return {
        "bytes": report.stat().st_size,
        "shots": len(re.findall(r'<rect [^>]*data-shot="', report.read_text("utf-8"))),
        "seconds": round(median(found["report"]) - median(found["empty"]), 3),
        "empty_seconds": round(median(found["empty"]), 3),
    }


def layers(job: Path, times: int) -> dict[str, Any]:
    """Frames a second that `dubcli layers export` writes of a job."""
    seconds: list[float] = []
    frames = 0
    for _ in trange(times, disable=None):
        with tempfile.TemporaryDirectory() as scratch:
            seconds.append(_timed([*COMMAND, "layers", "export", str(job), "-o", scratch, "-q"]))
            frames = sum(1 for _ in Path(scratch).glob("*/rgba/*.exr"))
    film = json.loads((job / "report.json").read_text("utf-8"))["film"]
    return {
        "width": film["width"],
        "height": film["height"],
        "frames": frames,
        "seconds": round(median(seconds), 3),
        "frames_a_second": round(frames / median(seconds), 2),
    }


def _timed(words: Sequence[str]) -> float:
    """Seconds that a command takes."""
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> None:
    """Measure what the words say."""
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="bench.delivery", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("page", "layers"))
    parser.add_argument("path", type=Path, help="report.html, or a job directory")
    parser.add_argument("--times", type=int, default=3, help="how often")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = page(given.path, given.times) if given.what == "page" else layers(given.path, given.times)
    print(json.dumps({**found, "times": given.times, "load": round(load, 1)}))


if __name__ == "__main__":
    main()
