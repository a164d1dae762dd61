"""How good a batch's forecast was: `python -m bench.batch MANIFEST`, after `dubcli batch MANIFEST`.

The events that its jobs left are played to a new forecast, and what that says is compared with how long the
batch took. Of the disk, only what was said at the beginning can be compared with what lies there now.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from dubcli.batch.forecast import SURE, Forecast
from dubcli.batch.manifest import entries
from dubcli.core.devices import cores
from dubcli.core.store import Store
from dubcli.media.length import measure

MOMENTS = (0.0, SURE, 0.1, 0.25, 0.5)


def main() -> None:
    """Print a line for each moment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    arguments = parser.parse_args()
    found = entries(arguments.manifest, {})
    lengths = {entry.film: measure(entry.film) for entry in found}
    forecast = Forecast(found, lengths, cores())
    events: list[tuple[float, int, dict[str, Any]]] = []
    for number, entry in enumerate(found):
        for line in (entry.out.with_suffix(".dub") / "events.jsonl").read_text("utf-8").splitlines():
            event = json.loads(line)
            events.append(
                (datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp(), number, event)
            )
    events.sort(key=lambda item: item[0])
    start, end = events[0][0], events[-1][0]
    written = [entry.out for entry in found if entry.out.exists()]
    size = Store(found[0].store).size() + sum(out.stat().st_size for out in written)
    print(f"{len(found)} jobs took {end - start:.0f} s and {size / 1e6:.1f} MB", end="; ")
    print(f"{forecast.bytes() / 1e6:.1f} MB were forecast ({100 * (forecast.bytes() / size - 1):+.0f} %)")
    moments = list(MOMENTS)
    for when, number, event in [(start, 0, {"type": "begin"}), *events]:
        forecast.take(number, event)
        while moments and forecast.fraction >= moments[0]:
            seconds = forecast.seconds(when - start)
            print(
                f"at {100 * moments.pop(0):3.0f} % (after {when - start:5.0f} s): {seconds:6.0f} s "
                f"({100 * (seconds / (end - start) - 1):+4.0f} %)"
            )


if __name__ == "__main__":
    main()
