"""Names are data, and damaged media is passed on with a warning or refused in one line; nothing hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from dubcli.artifacts.shots import Frames
from dubcli.errors import CheckError, MediaError
from dubcli.media import decode, sound, truncation
from dubcli.media.ffmpeg import url
from dubcli.media.probe import probe
from dubcli.stages import probe as stage_probe
from tests.media import films

NAMES = [
    "-y", "-i film", "film%03d", "%d%s", "film\nline", "quo'te\"s", "concat:a|b", "http:film",
    "file:film", "pipe:1",
    "a|b;c&d$(x)`y`", "üñïçødé 映画", " space ", "[0:v]", "tee=x", "#hash", "back\\slash", "data:,x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_only_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as a relative name, where a dash or a protocol would stand first."""
    films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), seconds=0.5)
    films.wav(tmp_path / "dub.wav", films.noise(0.5))
    monkeypatch.chdir(tmp_path)
    film, dub = Path(name + ".mp4"), Path(name + ".wav")
    os.rename("film.mp4", film)
    os.rename("dub.wav", dub)
    assert len(sound.audio(dub)[0]) == 8000
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4))
    assert films.decoded(done.path).times == films.decoded(tmp_path / film).times
    assert sorted(os.listdir(tmp_path)) == sorted([film.name, dub.name, "job"])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "film.mp4"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n", "film.mp4"),
        (
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 1 RTP/AVP 96\n",
            "film.sdp",
        ),
        (b"", "film.mp4"),
        (b"RIFF", "film.avi"),
        (b"\0" * 5000, "film.mkv"),
        (b"just words\n" * 100, "film.txt"),
    ],
)
def test_what_is_no_media_is_refused(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(MediaError):
        sound.audio(path)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        probe(tmp_path / "film.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)


def test_sound_alone_is_no_film(tmp_path: Path, dub: Path) -> None:
    info = probe(dub)
    assert info.video is None
    with pytest.raises(MediaError, match="no video"):
        _ = info.film


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    films.ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", url(tmp_path / "cover.png"))
    films.ffmpeg(
        "-f", "lavfi", "-t", "1", "-i", films.TONE, "-i", url(tmp_path / "cover.png"),
        "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic",
        url(tmp_path / "song.m4a"),
    )  # fmt: skip
    info = probe(tmp_path / "song.m4a")
    assert info.video is None
    assert sound.audio(tmp_path / "song.m4a")[0].size


def test_a_truncated_film_plays_to_where_it_ends(tmp_path: Path, dub: Path) -> None:
    whole = films.make(tmp_path / "whole.mkv", *films.x264("-g", "8"))
    film = tmp_path / "film.mkv"
    film.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4))
    before = films.decoded(film).times
    assert 8 < len(before) < 25
    assert films.decoded(done.path).times == before
    lacking = whole.stat().st_size - film.stat().st_size
    assert [line for line in done.warnings if f" {lacking:,} of " in line and "film.mkv is cut short" in line]


@pytest.mark.parametrize(
    ("name", "options", "lacking"),
    [
        ("film.mp4", films.x264("-movflags", "+faststart"), "1,000 of"),
        ("film.mkv", films.x264(), "1,000 of"),
        ("streamed.mkv", films.x264("-live", "1"), ""),
        ("film.avi", ["-c:v", "mjpeg"], "1,000 of"),
        ("film.flv", films.x264("-c:a", "aac"), "1,000 of"),
        ("film.wmv", ["-c:v", "wmv2", "-c:a", "wmav2"], "1,000 of"),
        ("film.ts", films.x264("-c:a", "aac"), "within a packet"),
        ("film.m2ts", films.x264("-c:a", "ac3"), "within a packet"),
        ("film.ogv", ["-c:v", "libtheora", "-c:a", "libvorbis"], "within a page"),
        ("dub.wav", ["-vn"], "1,000 of"),
        ("rf64.wav", ["-vn", "-rf64", "always"], "1,000 of"),
        ("dub.w64", ["-vn"], "1,000 of"),
        ("dub.caf", ["-vn"], "1,000 of"),
        ("dub.au", ["-vn"], "1,000 of"),
        ("dub.aiff", ["-vn"], "1,000 of"),
        ("dub.mp3", ["-vn"], "1,000 of"),
        ("tagged.mp3", ["-vn", "-metadata", "title=A"], "1,000 of"),
        ("guessed.mp3", ["-vn", "-write_xing", "0"], ""),
        ("dub.opus", ["-vn", "-c:a", "libopus"], "within a page"),
    ],
)
def test_a_file_that_ends_before_its_head_says_is_cut_short(
    name: str, options: list[str], lacking: str, tmp_path: Path
) -> None:
    path = films.make(tmp_path / name, *options)
    form = probe(path, whole=False).format
    assert not truncation.lacking(path, form)
    path.write_bytes(path.read_bytes()[:-1000])
    told = truncation.lacking(path, form)
    assert lacking in told
    assert bool(told) == bool(lacking)


def test_mxf_without_its_footer_is_cut_short(tmp_path: Path) -> None:
    path = films.make(tmp_path / "film.mxf", "-c:v", "mpeg2video", "-c:a", "pcm_s16le")
    assert not truncation.lacking(path, "mxf")
    path.write_bytes(path.read_bytes()[:-10_000])
    assert " bytes are missing" in truncation.lacking(path, "mxf")


@pytest.mark.parametrize("name", ["film.mkv", "film.ts"])
def test_a_download_whose_end_was_never_filled_is_cut_short(name: str, tmp_path: Path) -> None:
    path = films.make(tmp_path / name, *films.x264("-crf", "1"), size="320x240")
    form, data = probe(path, whole=False).format, path.read_bytes()
    assert not truncation.lacking(path, form)
    path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\0"))
    assert "nothing but zeros" in truncation.lacking(path, form)


def test_an_ogg_file_without_its_last_page_is_cut_short(tmp_path: Path) -> None:
    path = films.make(tmp_path / "dub.ogg", "-vn", "-c:a", "libvorbis", seconds=4)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert truncation.lacking(path, "ogg") == "its last page is not marked as the last"


def test_sound_of_fewer_samples_than_its_head_counts_is_cut_short(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    dub = films.make(tmp_path / "dub.flac", "-vn")

    def told() -> list[str]:
        stages = films.Stages(tmp_path / "job", film, dub)
        stages.run(stage_probe)
        return [line for line in stages.warnings if "dub.flac is cut short" in line]

    assert not told()
    dub.write_bytes(dub.read_bytes()[: dub.stat().st_size // 2])
    (line,) = told()
    assert " of 1.0 s are missing" in line


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_of_a_broadcast_whose_packets_lost_their_heads_stays_in_place(
    suffix: str, tmp_path: Path, dub: Path
) -> None:
    """FFmpeg refuses to copy such AAC."""
    film = films.make(tmp_path / "film.ts", *films.x264("-c:a", "aac", "-b:a", "32k"), seconds=3)
    data = bytearray(film.read_bytes())
    sound = [at for at in range(0, len(data), 188) if (data[at + 1] & 0x1F, data[at + 2]) == (1, 1)]
    for at in sound[len(sound) // 3 : len(sound) // 2]:
        while (head := data.find(b"\xff\xf1", at, at + 188)) > 0:
            data[head : head + 7] = bytes(7)
    film.write_bytes(data)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), suffix)
    assert done.note["copied"] > 0
    with av.open(str(done.path)) as container:
        track = container.streams.audio[1]
        times = [frame.time or 0.0 for frame in container.decode(track)]
    assert times[-1] - times[0] > 2.5
    assert max(np.diff(times)) > 0.1  # where nothing can be heard


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_damaged_packet_of_eac3_ends_no_job(suffix: str, tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mkv", *films.x264("-c:a", "eac3"))
    data = bytearray(film.read_bytes())
    head = data.index(b"\x0b\x77", len(data) // 2)
    data[head : head + 20] = bytes(20)
    film.write_bytes(data)
    done = films.dubbed(tmp_path / "job", film, dub, range(9, 12), suffix)
    assert len(films.sound(done.path, 1)[0][0]) > 0.9 * 48000


@pytest.mark.parametrize(("junk", "lost"), [(200_000, "end"), (200_000, "middle")])
def test_junk_in_a_transport_stream_ends_no_film(junk: int, lost: str, tmp_path: Path, dub: Path) -> None:
    whole = films.make(tmp_path / "whole.ts", *films.x264("-g", "8"), seconds=2)
    data, film = whole.read_bytes(), tmp_path / "film.ts"
    place = len(data) if lost == "end" else len(data) // 2 // 188 * 188
    film.write_bytes(data[:place] + bytes(junk) + data[place:])
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4), ".mp4")
    assert films.decoded(done.path).times == films.decoded(whole).times
    assert len(films.sound(done.path, 1)[0][0]) >= len(films.sound(whole)[0][0]) - 1024


def test_damaged_sound_of_any_codec_is_passed_over(tmp_path: Path) -> None:
    """Of AC-3 FFmpeg says so with numbers of its own."""
    path = films.make(tmp_path / "dub.ac3", "-vn")
    before = len(sound.audio(path)[0])
    path.write_bytes(path.read_bytes() + b"TAG".ljust(128, b"\0"))
    assert before - 512 <= len(sound.audio(path)[0]) <= before  # but for the last packet


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_a_film_cut_within_a_picture_has_its_last_ones_on_any_number_of_cores(
    cores: int, tmp_path: Path, dub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several cores decode several pictures at once; the error of the last must not lose those before it."""
    fragments = ["-movflags", "frag_keyframe+empty_moov", "-bf", "2"]
    whole = films.make(tmp_path / "whole.mp4", *films.x264("-g", "25", *fragments), seconds=2)
    with av.open(str(whole)) as container:
        packets = [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    place, size = packets[44]
    assert place is not None
    film = tmp_path / "film.mp4"
    film.write_bytes(whole.read_bytes()[: place + size // 2])
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(decode, "_THREADS", cores)
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    frames = Frames.load(stages.view.one("split").path)
    assert len(frames.pts) == 44
    assert [line for line in stages.warnings if "damaged" in line] == [
        "1 packets or frames of the film's picture are damaged; what is lacking was guessed"
    ]
    stages.touch(range(40, 44))
    assert len(films.decoded(stages.finish().path).times) == 44
    untouched = films.dubbed(tmp_path / "untouched", film, dub)
    assert untouched.note["encoded"] == 44  # a copy would hold the packet that shows nothing
    assert len(films.decoded(untouched.path).times) == 44


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    whole = films.make(tmp_path / "whole.mp4", *films.x264())
    film = tmp_path / "film.mp4"
    data = whole.read_bytes()
    film.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(MediaError, match="cannot be read"):
        probe(film)


def test_damaged_pictures_play_as_they_did(tmp_path: Path, dub: Path) -> None:
    """What a decoder makes of damaged slices it makes of the copy of them, frame for frame."""
    whole = films.make(tmp_path / "whole.mkv", *films.x264("-g", "8", "-bf", "0"), seconds=2)
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
    for packet in (packets[18], packets[21]):
        at = data.index(packet)
        for k in range(at + len(packet) // 2, at + len(packet)):
            data[k] ^= 0xFF
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(data))
    assert films.decoded(film).hashes != films.decoded(whole).hashes
    done = films.dubbed(tmp_path / "job", film, dub, range(2, 4))
    before, after = films.decoded(film), films.decoded(done.path)
    assert after.times == before.times
    assert after.hashes[8:] == before.hashes[8:]
    assert (done.note["encoded"], done.note["copied"]) == (6, 44)


def test_packets_that_do_not_decode_are_passed_over_with_a_warning(tmp_path: Path, dub: Path) -> None:
    whole = films.make(tmp_path / "whole.mkv", *films.x264("-g", "8", "-bf", "0"), seconds=1)
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packet = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size][12]
    at = data.index(packet)
    data[at : at + 4] = b"\x7f\xff\xff\xff"  # a NAL unit of two gigabytes
    film = tmp_path / "film.mkv"
    film.write_bytes(bytes(data))
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    assert any("of the film's picture are damaged" in line for line in stages.warnings)
    stages.touch(range(2, 4))
    done = stages.finish()
    assert "damaged" in done.note["why"]  # so nothing is copied
    assert done.note["copied"] == 0
    assert len(films.decoded(done.path).times) == len(Frames.load(stages.view.one("split").path).pts)


def test_a_picture_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    for name, size in (("a", "96x64"), ("b", "128x96")):
        films.make(tmp_path / f"{name}.ts", *films.x264("-bsf:v", "h264_mp4toannexb"), size=size, sound="")
    film = tmp_path / "film.ts"
    film.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    stages = films.Stages(tmp_path / "job", film)
    with pytest.raises(MediaError, match="changes from 96×64"):
        stages.read()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["-vf", "setsar=1"], ["-vf", "setsar=4/3"], "pixels of 1:1 to pixels of 4:3 at 2"),
        (["-colorspace", "bt709"], ["-colorspace", "smpte170m"], "matrix 1 to colour matrix 6"),
        (["-vf", "setsar=16/11"], ["-vf", "setsar=64/45"], ""),
        (["-colorspace", "bt470bg"], ["-colorspace", "smpte170m"], ""),
        ([], ["-vf", "setsar=1", "-colorspace", "bt709"], ""),
    ],
)
def test_a_broadcast_whose_pictures_are_shown_otherwise_midway_is_refused(
    first: list[str], second: list[str], said: str, tmp_path: Path
) -> None:
    for name, options in (("a", first), ("b", ["-output_ts_offset", "1", *second])):
        films.make(tmp_path / f"{name}.ts", *films.x264(*options, "-bsf:v", "h264_mp4toannexb"), sound="")
    film = tmp_path / "film.ts"
    film.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    stages = films.Stages(tmp_path / "job", film)
    if said:
        with pytest.raises(MediaError, match=said):
            stages.read()
    else:
        stages.read()
        assert len(Frames.load(stages.view.one("split").path).pts) == 50


def test_a_film_without_sound_gets_the_dub(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"), sound="")
    for k, touched in enumerate([(), range(9, 12)]):
        done = films.dubbed(tmp_path / f"job{k}", film, dub, touched)
        with av.open(str(done.path)) as container:
            assert [s.type for s in container.streams] == ["video", "audio"]


def test_a_dub_without_samples_is_refused_before_any_work(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264())
    empty = films.wav(tmp_path / "empty.wav", np.zeros(0))
    with pytest.raises(MediaError, match="no sound"):
        sound.audio(empty)
    stages = films.Stages(tmp_path / "job", film, empty)
    with pytest.raises(MediaError, match="no sound"):
        stages.run(stage_probe)


def test_a_film_that_changed_since_it_was_read_is_noticed(tmp_path: Path, dub: Path) -> None:
    film = films.make(tmp_path / "film.mp4", *films.x264("-g", "8"))
    stages = films.Stages(tmp_path / "job", film, dub)
    stages.read()
    stages.touch(range(9, 12))
    films.ffmpeg(*films.moving(), "-vf", "negate", *films.x264("-g", "8"), url(film))
    with pytest.raises((MediaError, CheckError), match="changed since"):
        stages.finish()


CASES = 160
SECONDS = 60


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """In a process of its own: not even the libraries may crash or hang."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.media.fuzz", str(tmp_path), str(CASES)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=SECONDS * 5,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    counts = json.loads(done.stdout)
    assert counts["cases"] == CASES
    assert counts["read"] > CASES // 20
    assert counts["refused"] > CASES // 20
    assert counts["slowest"] < SECONDS


def test_what_is_empty_or_no_media_is_called_so(tmp_path: Path) -> None:
    for name, data, why in (
        ("empty.wav", b"", "is empty"),
        ("list.m3u8", b"#EXTM3U\na.wav\n", "cannot be read: it is no film or sound"),
        ("session.aup", b"<?xml version='1.0'?><project/>", "cannot be read: it is no film or sound"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=f"{name} {why}"):
            probe(tmp_path / name)


def test_a_format_that_is_not_read_is_called_so(tmp_path: Path) -> None:
    film = films.make(tmp_path / "film.gif", sound="")
    with pytest.raises(MediaError, match="no format that is read here; convert it first"):
        probe(film)
