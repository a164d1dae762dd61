"""`--keep-matching` on real footage: what fits the dub already is left alone."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from dubcli.artifacts.motion import Motion
from dubcli.core.job import Job
from tests.cli.conftest import Dubcli


@pytest.mark.parametrize(("dub", "most"), [("own.wav", 4), ("fr_librivox_7s.wav", None)])
def test_a_dub_that_is_the_films_own_sound_leaves_it_alone(
    dub: str,
    most: int | None,
    footage: Path,
    tmp_path: Path,
    dubcli: Dubcli,
) -> None:
    """Nearly everything is kept where the dub is what the film says already, and nearly nothing elsewhere."""
    sound = footage / "speech" / dub
    film = footage / "talk" / "downing_5s.mp4"
    if dub == "own.wav":
        sound = tmp_path / dub
        with av.open(str(film)) as source, av.open(str(sound), "w") as copy:
            stream = copy.add_stream("pcm_s16le", rate=source.streams.audio[0].rate, layout="mono")
            mono = av.AudioResampler("s16", "mono", source.streams.audio[0].rate)
            for frame in source.decode(audio=0):
                for part in mono.resample(frame):
                    copy.mux(stream.encode(part))
            copy.mux(stream.encode(None))
    # The default engine is asked for nothing where a whole shot fits.
    engine = () if dub == "own.wav" else ("--engine", "lips=passthrough")
    quick = (*engine, "--set", "track.views=1", "--set", "report.measure=0")
    words = ("run", film, "-a", sound, "-o", tmp_path / "out.mp4", "--job", tmp_path / "job")
    done = dubcli(*words, "--keep-matching", *quick)
    assert done.returncode == 0, done.stderr
    if dub == "own.wav":
        assert "no mouth was changed, 0 of 1 faces: the mouth fits the dub already" in done.stderr
    job, changed = Job.open(tmp_path / "job"), 0
    for unit, key in job.refs():
        if unit.startswith("motion/"):
            artifact = job.store.get(key)
            assert artifact
            changed += int((Motion.load(artifact.path, "00000000").weight > 0).sum())
    assert changed <= most if most is not None else changed > 60
