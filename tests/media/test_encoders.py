"""What encoders take is found out before any work, those of graphics cards too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from dubcli.errors import DependencyError, DubError, MediaError
from dubcli.media import encode, soundtrack, writable
from dubcli.media.ffmpeg import Process, url
from dubcli.media.probe import probe as probed
from dubcli.media.streams import Dub
from dubcli.settings.config import ComposeSettings
from tests.media import films


def test_a_trial_encode_says_what_an_encoder_takes(tmp_path: Path) -> None:
    video = probed(films.make(tmp_path / "film.mp4", *films.x264())).film
    settings = ComposeSettings()
    encode.try_encoder(video, encode.encoding(video, settings), tmp_path)
    assert not (tmp_path / "tried.nut").exists()
    odd = video.model_copy(update={"width": 97})
    with pytest.raises(DubError):
        encode.try_encoder(odd, encode.encoding(odd, settings), tmp_path)
    with Process(["-f", "lavfi", "-i", "color=d=0.1", "-f", "null", "-"]):
        pass  # leaving waits for it


@pytest.mark.parametrize("encoder", ["nvenc", "qsv", "videotoolbox"])
def test_a_graphics_card_that_is_not_there_is_told_before_any_work(
    encoder: Literal["nvenc", "qsv", "videotoolbox"], tmp_path: Path, dub: Path
) -> None:
    if Path("/dev/nvidia0").exists() or Path("/dev/dri").exists():
        pytest.skip("this machine has a graphics card")
    film = tmp_path / "film.mp4"
    films.ffmpeg(*films.moving(), *films.x264("-g", "8"), url(film))
    settings = ComposeSettings(encoder=encoder, video="encode")
    voice = Dub(dub, soundtrack.main_track(probed(dub)), 0.0, "")
    with pytest.raises(
        DependencyError, match=f"{encoder} cannot encode this film here .*leave compose.encoder"
    ):
        writable.check(probed(film), voice, settings, ".mp4", tmp_path)


def test_a_graphics_card_gets_the_films_own_samples_or_nothing(tmp_path: Path, dub: Path) -> None:
    def chosen(*options: str, encoder: Literal["nvenc", "qsv"] = "nvenc", **how: Any) -> encode.Encoding:
        film = tmp_path / "film.mov"
        films.ffmpeg(*films.moving(), *options, url(film))
        return encode.encoding(probed(film).film, ComposeSettings(encoder=encoder, video="encode", **how))

    made = chosen(*films.x264("-g", "8"), crf=20.0, preset="slow")
    assert (made.codec, made.pix_fmt) == ("h264", "yuv420p")
    assert {"c:v": "h264_nvenc", "cq": 20.0, "preset": "p6", "forced-idr": 1}.items() <= made.options.items()
    deep = ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10le")
    assert chosen(*deep).pix_fmt == "p010le"
    assert chosen(*deep, encoder="qsv").pix_fmt == "p010le"
    with pytest.raises(MediaError, match="keeps yuv422p10le"):
        chosen(*deep[:-1], "yuv422p10le")
    with pytest.raises(MediaError, match="no interlaced"):
        chosen(*films.x264("-g", "8", "-flags", "+ildct+ilme", "-x264-params", "tff=1"))
    with pytest.raises(MediaError, match="no encoder for prores"):
        chosen("-c:v", "prores_ks")
    film = tmp_path / "deep.mov"
    films.ffmpeg(*films.moving(), *deep[:-1], "yuv422p10le", url(film))
    settings = ComposeSettings(encoder="nvenc", video="encode")
    voice = Dub(dub, soundtrack.main_track(probed(dub)), 0.0, "")
    with pytest.raises(DependencyError, match=r"nvenc cannot encode this film here \(.*keeps yuv422p10le"):
        writable.check(probed(film), voice, settings, ".mov", tmp_path)
    bright = "log-level=error:max-cll=1000,400:hdr10=1"
    with pytest.raises(MediaError, match="light levels"):
        chosen(*deep[:2], "-x265-params", bright, "-pix_fmt", "yuv420p10le")


def test_a_graphics_card_encodes_every_frame() -> None:
    with pytest.raises(ValueError, match=r"compose\.video=encode"):
        ComposeSettings(encoder="nvenc")
