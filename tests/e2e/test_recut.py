"""A dubbed film that is cut anew: what runs again, what is shown, and what approved shots keep."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dubcli.core import recut
from dubcli.core.events import Events
from dubcli.core.job import Job
from dubcli.core.store import Store
from dubcli.settings.config import Settings
from tests.conftest import Sample
from tests.e2e.conftest import FAST, Dubcli
from tests.media import films

PERSON = ("gallery", "motion", "lips")
FACES = ("track", *PERSON)


@dataclass(frozen=True)
class Part:
    """A shot to cut films from: its pictures without loss, the film's sound, and the dub's (S,) at 48 kHz."""

    picture: Path
    own: Any
    dub: Any


class Room:
    """A cutting room: films of parts, their dubs cut alike, and their jobs over one store."""

    def __init__(self, folder: Path, parts: dict[str, Part], dubcli: Dubcli) -> None:
        self.folder, self.parts, self.dubcli = folder, parts, dubcli

    def cut(self, name: str, order: str, silent: str = "") -> tuple[Path, Path]:
        """A film of these parts, and its dub, which says nothing in some of them."""
        parts = [self.parts[part] for part in order]
        dubs = [self.parts[part].dub * (part not in silent) for part in order]
        film = self.folder / f"{name}.mkv"
        own = films.wav(self.folder / "own.wav", np.concatenate([part.own for part in parts]))
        inputs = [word for part in parts for word in ("-i", str(part.picture))]
        films.ffmpeg(
            *inputs, "-i", str(own), "-filter_complex", f"concat=n={len(parts)}:v=1:a=0[v]", "-map", "[v]",
            "-map", f"{len(parts)}:a", "-c:v", "ffv1", "-c:a", "flac", str(film),
        )  # fmt: skip
        return film, films.wav(self.folder / f"{name}_fr.wav", np.concatenate(dubs))

    def words(self, film: Path, dub: Path) -> list[object]:
        """What the command line says of a film's job."""
        place = ["-o", self.out(film.stem), "--job", self.job(film.stem), "--store", self.folder / "store"]
        return ["run", film, "--audio", dub, *place, "-q", *FAST]

    def run(self, name: str, order: str, *more: object) -> dict[str, list[str]]:
        """Dub a film of these parts; returns what `ran`."""
        answer = self.dubcli(*self.words(*self.cut(name, order)), *more)
        assert answer.code == 0, answer.err
        return self.ran(name, order)

    def ran(self, name: str, order: str) -> dict[str, list[str]]:
        """The units that ran for a film of these parts by stage, shots named by their parts."""
        starts, ran = self.starts(order), {stage: list[str]() for stage in FACES}
        for line in (self.job(name) / "events.jsonl").read_text("utf-8").splitlines():
            event = json.loads(line)
            if event["type"] == "unit.done" and event["stage"] in FACES:
                shot = event["unit"].split(".")[0]
                ran[event["stage"]].append(starts[int(shot)] if shot.isdigit() else shot)
        return ran

    def starts(self, order: str) -> dict[int, str]:
        """First frame → the part that begins there."""
        counts = [len(films.decoded(self.parts[part].picture).hashes) for part in order]
        return dict(zip(np.cumsum([0, *counts[:-1]]).tolist(), order, strict=True))

    def shown(self, name: str, order: str) -> dict[str, list[str]]:
        """Part → hashes of its frames in the dubbed film."""
        hashes = films.decoded(self.out(name)).hashes
        edges = [*self.starts(order), len(hashes)]
        return {part: hashes[edges[k] : edges[k + 1]] for k, part in enumerate(order)}

    def job(self, name: str) -> Path:
        """The job directory of a film."""
        return self.folder / f"{name}.dub"

    def out(self, name: str) -> Path:
        """The dubbed film."""
        return self.folder / f"{name}.out.mkv"


def drawn(folder: Path, name: str, source: str, like: str, count: int = 14) -> Part:
    """A part without a face, in which nothing is said."""
    path = folder / f"{name}.mkv"
    form = "format=yuv420p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    films.ffmpeg(
        "-f", "lavfi", "-i", f"{source}=size={like}:rate=24000/1001", "-frames:v", str(count), "-vf", form,
        "-c:v", "ffv1", str(path),
    )  # fmt: skip
    silence = np.zeros(round(count * 48000 * 1001 / 24000))
    return Part(path, silence, silence)


@pytest.fixture
def room(tiny: Sample, tmp_path: Path, dubcli: Dubcli) -> Room:
    """P has a face that speaks, T another shot of it; X and Y are drawn."""
    own, dub = (films.sound(path)[0].mean(axis=0) for path in (tiny.film, tiny.dub))
    parts = {
        "X": drawn(tmp_path, "X", "testsrc2", "320x240"),
        "Y": drawn(tmp_path, "Y", "pal75bars", "320x240"),
    }
    for name, start, stop in (("P", 0, 58), ("T", 58, 76)):
        path = tmp_path / f"{name}.mkv"
        films.ffmpeg(
            "-i", str(tiny.film), "-an", "-sn", "-c:v", "ffv1",
            "-vf", f"trim=start_frame={start}:end_frame={stop},setpts=PTS-STARTPTS", str(path),
        )  # fmt: skip
        heard = slice(*(round(frame * 48000 * 1001 / 24000) for frame in (start, stop)))
        length = heard.stop - heard.start
        parts[name] = Part(path, *(np.resize(rows[heard], length) for rows in (own, dub)))
    return Room(tmp_path, parts, dubcli)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `dubbed` keeps what it has made."""
    return tmp_path_factory.mktemp("kept") / "dubbed"


@pytest.fixture
def dubbed(room: Room, kept: Path) -> Room:
    """A room in which the film of P, T and Y was dubbed: made once, and copied for each test."""
    if kept.exists():
        shutil.copytree(kept, room.folder, dirs_exist_ok=True)
    else:
        room.run("whole", "PTY")
        shutil.copytree(room.folder, kept)
    return room


def test_a_recut_film_keeps_approved_shots_and_all_footage(dubbed: Room, dubcli: Dubcli) -> None:
    """X goes in, Y out, P and T change places: nothing of P runs again, and it is shown bit for bit.

    P lies half of a row of the sound's features off: its beginning was at 0 s and is at 1.3347 s.
    """
    room = dubbed
    assert {stage: sorted(units) for stage, units in room.ran("whole", "PTY").items()} == {
        "track": ["P", "T", "Y"], "gallery": ["p01"], "motion": ["P"], "lips": ["P"],
    }  # fmt: skip
    assert dubcli("review", room.job("whole"), "approve", "0", "--note", "as it was").code == 0

    again = room.run("recut", "TXP", "--recut-of", room.job("whole"))
    assert again == {"track": ["X"], "gallery": [], "motion": [], "lips": []}
    before, after = room.shown("whole", "PTY"), room.shown("recut", "TXP")
    assert after["P"] == before["P"] != films.decoded(room.parts["P"].picture).hashes
    assert after["T"] == before["T"]
    rows = json.loads(dubcli("review", room.job("recut"), "list", "--json").out)["shots"]
    assert [(row["shot"], row["state"], row["note"]) for row in rows] == [
        ("00000032", "approved", "as it was")
    ]

    other = room.cut("other", "TXP", silent="P")
    job = Job.create_or_open(*other, Settings(), root=room.job("other"), store=room.folder / "store")
    assert recut.carry(job, Job.open(room.job("whole")), Events(None)) == recut.Carried((), ("00000032",), ())
    (row,) = json.loads(dubcli("review", room.job("other"), "list", "--json").out)["shots"]
    assert (row["state"], row["note"]) == ("open", "as it was")
    words = ("--recut-of", room.job("other"))
    assert "is the job itself" in dubcli(*room.words(*other), *words).err


def test_without_approval_only_mouths_are_made_anew(dubbed: Room) -> None:
    """The sound is read anew as a whole, so P's mouth is a little different; its footage is the same."""
    assert dubbed.run("recut", "TXP") == {"track": ["X"], "gallery": [], "motion": ["P"], "lips": ["P"]}


def real(folder: Path, footage: Path, clip: str, start: float, frames: int) -> Part:
    """A part of a real clip, with its own sound for the dub as well."""
    path, film = folder / f"{clip}.mkv", footage / "talk" / clip
    look = (
        "scale=320:240:force_original_aspect_ratio=decrease,pad=320:240:(ow-iw)/2:(oh-ih)/2,setsar=1,fps=25"
    )
    form = "format=yuv420p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    films.ffmpeg(
        "-ss", str(start), "-i", str(film), "-vf", f"{look},{form}", "-frames:v", str(frames), "-c:v", "ffv1",
        "-ar", "48000", "-ac", "1", "-c:a", "flac", "-t", str(frames / 25), str(path),
    )  # fmt: skip
    rows = np.resize(films.sound(path)[0][0], round(frames * 48000 / 25))
    return Part(path, rows, rows[::-1])


def test_real_people_keep_their_footage_when_somebody_else_comes_in(
    footage: Path, tmp_path: Path, dubcli: Dubcli
) -> None:
    """A and B change places and C comes in: only C is cut out, and approved mouths are not drawn again."""
    clips: Sequence[tuple[str, str, float]] = (
        ("A", "downing_5s.mp4", 0), ("B", "webcam_10s.mp4", 0), ("C", "man_front_15s.mp4", 1),
    )  # fmt: skip
    room = Room(tmp_path, {name: real(tmp_path, footage, clip, at, 50) for name, clip, at in clips}, dubcli)
    first = room.run("whole", "AB")
    assert (sorted(first["track"]), len(first["gallery"]), sorted(first["lips"])) == (
        ["A", "B"],
        2,
        ["A", "B"],
    )
    assert dubcli("review", room.job("whole"), "approve", "0-99999999").code == 0
    again = room.run("recut", "CBA", "--recut-of", room.job("whole"))
    assert (again["track"], len(again["gallery"])) == (["C"], 1)
    assert set(again["motion"] + again["lips"]) <= {"C"}
    before, after = room.shown("whole", "AB"), room.shown("recut", "CBA")
    assert [after["A"], after["B"]] == [before["A"], before["B"]]


def test_equal_keys_are_equal_bytes_wherever_a_shot_is(dubbed: Room) -> None:
    """The same shots in two orders, in two stores: what both of them hold under a key is the same.

    P begins at frame 0 of one film and at 32 of the other. What is made anew must be what was kept; or else
    results depend on what was cut before, and `--redo` of one stage makes all that follow run again.
    """
    room = dubbed
    os.rename(room.folder / "store", room.folder / "first")
    room.run("recut", "TXP", "--engine", "lips=passthrough")
    first, second = (Store(room.folder / name) for name in ("first", "store"))
    both = {key: (first.get(key), second.get(key)) for key in set(first.keys()) & set(second.keys())}
    of = {key: first.provenance(key)["unit"] for key in both}
    assert {unit.split("/")[0] for unit in of.values()} >= {"track", "gallery"}
    assert not [of[key] for key, (one, two) in both.items() if one and two and one.content != two.content]
