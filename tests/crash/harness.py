"""Running the real command as a child process, and looking at what it left."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINES = Path(__file__).parents[1] / "engines"
COMMAND = [sys.executable, "-c", "from dubcli.cli.main import main; main()"]


@dataclass
class Place:
    """A folder with a film, a dub and what the runs leave."""

    folder: Path
    film: Path
    dub: Path
    environment: dict[str, str]

    @classmethod
    def make(cls, folder: Path, film: Path, dub: Path, environment: dict[str, str] | None = None) -> Place:
        folder.mkdir(parents=True, exist_ok=True)
        there = [Path(shutil.copy(path, folder)) for path in (film, dub)]
        return cls(folder, there[0], there[1], {**os.environ, **(environment or {})})

    @property
    def out(self) -> Path:
        return self.folder / f"{self.film.stem}.{self.dub.stem}{self.film.suffix}"

    @property
    def job(self) -> Path:
        return self.out.with_suffix(".dub")

    def arguments(self, *more: str) -> list[str]:
        return [*COMMAND, "run", str(self.film), "--audio", str(self.dub), "--progress", "none", *more]

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.arguments(*more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(*more),
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )

    def events(self) -> list[dict[str, Any]]:
        try:
            lines = (self.job / "events.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:  # the line that a kill tore
                continue
        return found

    def left_over(self, seconds: float = 5.0) -> list[int]:
        """Processes of this place that do not end by themselves within some seconds."""
        end = time.monotonic() + seconds
        while (found := self._processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _processes(self) -> list[int]:
        """Living processes that were started for this place, by their environment."""
        mark = f"PLACE={self.folder}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes() and "State:\tZ" not in (path.parent / "status").read_text():
                    found.append(int(path.parent.name))
            except (OSError, ValueError):
                continue
        return found


def streams(path: Path) -> list[tuple[str, str, str]]:
    """Every stream's type, codec and a digest of its decoded content with its times."""
    import av

    found: list[tuple[str, str, str]] = []
    with av.open(f"file:{path}") as box:
        count = len(box.streams)
    for index in range(count):
        state = hashlib.sha256()
        with av.open(f"file:{path}") as box:
            stream = box.streams[index]
            for packet in box.demux(stream):
                if stream.type not in ("video", "audio"):
                    state.update(f"{packet.pts} {packet.duration}".encode() + bytes(packet))
                    continue
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame | av.AudioFrame)
                    array = frame.to_ndarray()
                    state.update(f"{frame.pts} {frame.time_base}".encode() + array.tobytes())
            found.append(
                (stream.type, stream.codec_context.name if stream.codec_context else "", state.hexdigest())
            )
    return found
