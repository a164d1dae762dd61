"""A job whose film, store and result lie on a file server: SFTP through FUSE, mounted twice.

`make farm-test` installs what the mounts need.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.crash.harness import Place
from tests.farm.conftest import PASS

SERVER = "/usr/lib/openssh/sftp-server"


@dataclass
class Mount:
    """A folder of the server as one machine sees it."""

    path: Path
    server: subprocess.Popen[bytes]
    client: subprocess.Popen[bytes]

    @classmethod
    def make(cls, served: Path, path: Path) -> Mount:
        path.mkdir()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            server = subprocess.Popen([SERVER], stdin=ours.fileno(), stdout=ours.fileno())
            words = ["sshfs", "-f", f":{served}", str(path), "-o", "passive"]
            client = subprocess.Popen(
                words, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL
            )
        made = cls(path, server, client)
        for _ in range(100):
            if os.path.ismount(path):
                return made
            time.sleep(0.05)
        made.close()
        pytest.skip("sshfs cannot mount here (no FUSE, or no right to); make farm-test wants both")

    def close(self) -> None:
        self.server.kill()
        self.client.kill()
        self.server.wait()
        self.client.wait()
        subprocess.run(["umount", "-l", str(self.path)], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder on the server's own disk."""
    if not (shutil.which("sshfs") and Path(SERVER).exists()):
        pytest.skip("no sshfs or sftp-server; make farm-test installs them")
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def mounts(served: Path, tmp_path: Path) -> Iterator[list[Mount]]:
    """Two mounts of it, as two machines have them."""
    made = [Mount.make(served, tmp_path / name) for name in ("one", "two")]
    yield made
    for mount in made:
        mount.close()


def seen(place: Place, folder: Path) -> Place:
    """The same place through another mount."""
    return Place(folder, folder / place.film.name, folder / place.dub.name, place.environment)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def until(place: Place, kind: str) -> None:
    """Wait until a run has come to an event."""
    for _ in range(600):
        if any(event["type"] == kind for event in place.events()):
            return
        time.sleep(0.05)
    raise AssertionError(f"no {kind} within half a minute")


def test_a_job_on_a_file_server(mounts: list[Mount], served: Path, tiny: Sample, tmp_path: Path) -> None:
    """The same film as on a disk; one machine at a time; a server that goes away loses nothing."""
    alone = Place.make(tmp_path / "disk", tiny.film, tiny.dub)
    assert alone.run(*PASS).returncode == 0

    place = Place.make(mounts[0].path, tiny.film, tiny.dub)
    first = place.start(*PASS)
    until(place, "unit.done")
    other = seen(place, mounts[1].path)
    words = [
        "unshare",
        "--uts",
        "sh",
        "-c",
        'hostname second-machine && exec "$@"',
        "sh",
        *other.arguments(*PASS),
    ]
    refused = subprocess.run(
        words, capture_output=True, text=True, env=other.environment, timeout=60, check=False
    )
    assert (refused.returncode, f"process {first.pid} on " in refused.stderr) == (11, True), refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    first.send_signal(signal.SIGSTOP)  # so that it is in the middle of the work when the server goes away
    mounts[0].close()
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 75, said
    assert "cannot be reached" in said
    assert "a bug" not in said
    assert not place.left_over()

    done = other.run(*PASS)
    assert done.returncode == 0, done.stderr
    assert digest(served / other.out.name) == digest(alone.out)
    again = other.run(*PASS)
    assert again.returncode == 0
    assert [event["units"] for event in other.events() if event["type"] == "run.stop"][-1] == 0
