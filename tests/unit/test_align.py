"""Alignment: regions, phones and the record of them."""

from __future__ import annotations

import json
import select
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pocketsphinx
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

import dubcli.demo
from dubcli.artifacts import speech as record
from dubcli.artifacts.phones import INDEX
from dubcli.artifacts.speech import Phone, Record, Region, Word
from dubcli.core.model import Task, Unit
from dubcli.core.store import Store
from dubcli.core.worker import Message, Worker
from dubcli.engines import registry
from dubcli.engines.aligners import forced, phoneloop, sphinx
from dubcli.engines.aligners.passthrough import PassthroughAligner
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.errors import MediaError, StoreError
from dubcli.media.sound import audio
from dubcli.speech import vad
from dubcli.speech.alignment import Alignment
from dubcli.speech.features import levelled
from dubcli.stages import align

DEMO = Path(dubcli.demo.__file__).parent
LIPS = {"m", "p", "b"}


@pytest.fixture(scope="module", params=["en", "fr"])
def said(request: pytest.FixtureRequest) -> tuple[dict[str, list[list[object]]], Alignment]:
    """What a synthetic voice was told to say, and what was alignment."""
    spoken = json.loads((DEMO / f"speech_{request.param}.json").read_text())
    sound, _ = audio(DEMO / f"speech_{request.param}.flac")
    return spoken, PhoneAligner().align(levelled(sound))


def task(path: Path, out: Path, unit: str = "dub", engine: str = "phones") -> Task:
    out.mkdir()
    return Task(unit, {"audio": path}, {}, {"offset": 0.0}, engine, out)


def write(path: Path, sound: NDArray[np.float32], rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as box:
        box.setparams((1, 2, rate, 0, "NONE", ""))
        box.writeframes((sound * 32767).astype("<i2").tobytes())
    return path


def test_regions_are_the_lines(said: tuple[dict[str, list[dict[str, float]]], Alignment]) -> None:
    spoken, alignment = said
    inside = np.zeros(len(alignment.speech), bool)
    for region in alignment.record.regions:
        inside[round(region.start * 100) : round(region.end * 100)] = True
    true = np.zeros(len(inside), bool)
    for line in spoken["lines"]:
        true[round(line["start"] * 100) : round(line["end"] * 100)] = True
    assert (inside == true).mean() > 0.9


def test_lips_close_at_p_b_and_m_more_than_elsewhere(
    said: tuple[dict[str, list[list[object]]], Alignment],
) -> None:
    spoken, alignment = said
    closing = alignment.viseme[:, INDEX["PP"]]
    shut: list[float] = []
    other: list[float] = []
    for phone, start, end in spoken["phones"]:
        a, b = round(float(str(start)) * 100), round(float(str(end)) * 100)
        (shut if phone in LIPS else other).append(float(closing[max(0, a - 2) : b + 2].max()))
    higher = np.array(shut)[:, None] > np.array(other)[None]
    assert higher.mean() > 0.7  # 0.5 is chance


def test_phones_are_in_order_and_inside_regions(said: tuple[object, Alignment]) -> None:
    alignment = said[1].record
    assert len(alignment.phones) > 40
    for phone in alignment.phones:
        assert any(r.start <= phone.start and phone.end <= r.end for r in alignment.regions)


def test_silence_has_no_regions_and_no_phones() -> None:
    alignment = PhoneAligner().align(np.zeros(32000, np.float32))
    assert alignment.record.regions == ()
    assert alignment.record.phones == ()
    assert (alignment.viseme.argmax(1) == INDEX["sil"]).all()


def test_passthrough_finds_no_speech() -> None:
    alignment = PassthroughAligner().align(np.ones(16000, np.float32))
    assert alignment.record.regions == ()
    assert not alignment.speech.any()
    assert len(alignment.viseme) == 100


def test_a_long_region_is_decoded_in_chunks_that_join() -> None:
    sound, _ = audio(DEMO / "speech_en.flac")
    line = levelled(sound)[16000 * 3 : 16000 * 6]
    found = PhoneAligner().align(np.tile(line, 8)).record  # 24 s, more than is decoded at a time
    assert found.phones[-1].end > 22
    gaps = [b.start - a.end for a, b in zip(found.phones, found.phones[1:], strict=False)]
    assert max(gaps) < 0.6


def test_the_phone_loop_finds_a_known_sequence() -> None:
    names = sphinx.phones()
    want = [names.index(p) for p in ("SIL", "M", "AA", "SIL")]
    scores = np.full((40, len(names), 3), -20.0, np.float32)
    for k, phone in enumerate(want):
        for f in range(10):
            scores[10 * k + f, phone, min(2, f // 3)] = 0
    assert [(p, b - a) for p, a, b in phoneloop.best(scores)] == [(p, 10) for p in want]
    posterior = phoneloop.posterior(scores).sum(2)
    assert np.allclose(posterior.sum(1), 1, atol=1e-4)
    assert [int(posterior[10 * k + 5].argmax()) for k in range(4)] == want


def test_log_likelihoods_are_those_of_pocketsphinx(tmp_path: Path) -> None:
    sound = levelled(audio(DEMO / "speech_en.flac")[0])[16000 * 3 : 16000 * 6]
    search = pocketsphinx.Decoder(
        hmm=sphinx.model("en-us"), lm=None, dict=None, allphone=sphinx.model("en-us-phone.lm.bin"),
        loglevel="FATAL", cmn="batch", compallsen=True, senlogdir=str(tmp_path),
    )  # fmt: skip
    search.start_utt()
    search.process_raw((sound * 32767).astype("<i2").tobytes(), full_utt=True)
    search.end_utt()
    del search  # closes the dump
    dump = next(tmp_path.glob("*.sen")).read_bytes()
    phone_of, third_of, names = sphinx._senones()
    rows = np.frombuffer(dump, np.int16, offset=dump.index(b"endhdr\n") + 11)
    log = rows.reshape(-1, len(phone_of) + 1)[:, 1:] * -sphinx._UNIT
    cells = phone_of * 3 + third_of
    best = np.stack([log[:, cells == cell].max(1) for cell in range(3 * len(names))], axis=1)
    context_free = log[:, : 3 * len(names)][:, np.argsort(cells[: 3 * len(names)])]
    theirs = ((best + context_free) / 2).reshape(-1, len(names), 3)
    ours = sphinx._log_likelihoods(sphinx._streams(sphinx._cepstra(sound)))
    assert len(ours) == len(theirs)
    # PocketSphinx sums only the four best Gaussians, in steps of a tenth.
    near = theirs > -10
    assert np.abs(ours - theirs)[near].mean() < 0.5
    posterior = [phoneloop.posterior(scores).sum(2).argmax(1) for scores in (ours, theirs)]
    assert (posterior[0] == posterior[1]).mean() > 0.9


def test_speech_probability_does_not_depend_on_the_block_length(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = levelled(audio(DEMO / "speech_en.flac")[0])[: 16000 * 4]
    whole = vad.probability(sound)
    monkeypatch.setattr(vad, "_BLOCK", 7)
    assert (vad.probability(sound) == whole).all()


def test_the_bytes_do_not_depend_on_the_threads_of_a_worker(tmp_path: Path) -> None:
    paths = {"audio": DEMO / "speech_en.flac"}
    phones = registry.engine("aligner", "phones")
    unit = Unit(align.STAGE, "dub", inputs={}, paths=paths, facts={"offset": 0.0}, engine=phones)
    left = []
    for threads in (1, 2):
        store = Store(tmp_path)
        out = store.workspace()
        worker = Worker(threads, tmp_path / "log", threads)
        worker.send(unit, store, out, batch=1.0)
        said: list[Message] = []
        while not said or said[-1]["type"] == "progress":
            select.select([worker], [], [])
            said += worker.receive()
        worker.close()
        assert said[-1]["type"] == "done"
        assert set(said[-1]["files"]) == {"speech.json", "features.npz"}
        left.append([(out / name).read_bytes() for name in ("speech.json", "features.npz")])
    assert left[0] == left[1]


def test_the_stage_leaves_the_same_bytes_each_time(tmp_path: Path) -> None:
    sound, _ = audio(DEMO / "speech_en.flac")
    path = write(tmp_path / "dub.wav", sound[: 16000 * 3])
    for name in ("one", "two"):
        todo = task(path, tmp_path / name)
        align.run(todo)
        align.check(todo)
    for name in ("speech.json", "features.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_silent_dub_is_aligned_with_a_warning(tmp_path: Path) -> None:
    todo = task(write(tmp_path / "dub.wav", np.zeros(16000, np.float32)), tmp_path / "out")
    lines: list[str] = []
    todo.warn = lines.append
    align.run(todo)
    align.check(todo)
    assert record.Record.load(todo.out).regions == ()
    assert "no speech" in lines[0]


def test_an_unreadable_wav_is_a_media_error(tmp_path: Path) -> None:
    path = tmp_path / "dub.wav"
    path.write_bytes(b"RIFF\0\0\0\0 this is no sound")
    with pytest.raises(MediaError, match=r"dub\.wav"):
        align.run(task(path, tmp_path / "out"))


def test_samples_that_are_no_numbers_are_refused_with_their_time(tmp_path: Path) -> None:
    """As a plug-in leaves them in a mix of floats: AAC took them for an error after all the work."""
    path, mix = tmp_path / "a.wav", np.zeros(48000, np.float32)
    mix[16000:] = np.nan
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(mix[None], format="flt", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(MediaError, match=r"no numbers, from about (0\.9|1\.0)"):
        align.run(task(path, tmp_path / "out"))


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    one = Record(
        engine="phones",
        seconds=2.0,
        offset=-0.84,
        regions=(Region(start=0.5, end=1.5),),
        phones=(Phone(phone="M", start=0.5, end=0.6, score=0.7),),
    )
    one.save(tmp_path)
    assert record.Record.load(tmp_path) == one


@pytest.mark.parametrize(
    "bad",
    [
        '{"engine": "x"}',
        '{"engine": "x", "seconds": 1, "phones": [{"phone": "QQ", "start": 0, "end": 1}]}',
        '{"engine": "x", "seconds": 1, "regions": [{"start": 1, "end": 0}]}',
        '{"engine": "x", "seconds": 1, "regions": [{"start": 0, "end": 2}, {"start": 1, "end": 3}]}',
        "no json",
    ],
)
def test_a_bad_record_is_refused_by_name(tmp_path: Path, bad: str) -> None:
    (tmp_path / "speech.json").write_text(bad)
    with pytest.raises(StoreError, match=r"speech\.json"):
        record.Record.load(tmp_path)


def test_records_are_strict() -> None:
    with pytest.raises(ValidationError):
        Record(engine="x", seconds=1.0, language=3)  # type: ignore[arg-type]


def test_forced_alignment_finds_the_times_of_known_phones() -> None:
    names = sphinx.phones()
    said = [names.index(p) for p in ("M", "AA", "M", "AA")]
    scores = np.full((60, len(names), 3), -20.0, np.float32)
    for k, phone in enumerate(said):
        for f in range(10):
            scores[10 + 10 * k + f, phone, min(2, f // 3)] = 0
    scores[:10, names.index("SIL")] = scores[50:, names.index("SIL")] = 0
    pause = names.index("SIL")
    chain = [pause, *said[:2], pause, *said[2:], pause]
    path = forced.align(scores, chain, [True, False, False, True, False, False, True])
    assert path == [(0, 0, 10), (1, 10, 20), (2, 20, 30), (4, 30, 40), (5, 40, 50), (6, 50, 60)]


def test_more_phones_than_frames_cannot_be_aligned() -> None:
    assert forced.align(np.zeros((5, 42, 3), np.float32), [1, 2], [False, False]) is None


GRID = Record(
    engine="textgrid",
    seconds=2.0,
    regions=(Region(start=0.5, end=1.1),),
    words=(Word(start=0.5, end=1.1, text='ma "pa" 2'),),
    phones=(Phone(phone="M", start=0.5, end=0.7), Phone(phone="AA", start=0.7, end=1.1)),
)
