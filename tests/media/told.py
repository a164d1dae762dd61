"""What `probe` says that a result will lack, and parts of films of which it says something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dubcli.artifacts.media import Output
from dubcli.media.ffmpeg import url
from dubcli.media.mov.boxes import Boxes, opened
from dubcli.stages import probe as probing
from tests.media import films


def left_out(root: Path, film: Path, dub: Path, suffix: str) -> list[str]:
    """What `probe` says that a result will lack."""
    return list(Output.load(films.Stages(root, film, dub, suffix).run(probing)["output"].path).left_out)


def subtitled(film: Path, codec: str, *options: str) -> Path:
    """A film with a track of subtitles of that codec."""
    text = film.with_name("a.srt")
    text.write_text("1\n00:00:00,100 --> 00:00:00,500\nBonjour\n")
    plain = films.make(film.with_stem("plain"), *films.x264("-g", "8"))
    both = ["-i", url(plain), "-i", url(text), "-map", "0", "-map", "1", "-c", "copy", "-c:s", codec]
    films.ffmpeg(*both, *options, url(film))
    return film


def element(kind: bytes, content: bytes) -> bytes:
    """An element of Matroska, of less than 127 bytes."""
    return kind + bytes([0x80 | len(content)]) + content


def grown(data: bytes, before: int) -> bytes:
    """A Matroska file whose segment, of eight bytes of size, has grown."""
    at = data.find(b"\x18\x53\x80\x67") + 4
    size = int.from_bytes(data[at : at + 8], "big") + len(data) - before
    return data[:at] + size.to_bytes(8, "big") + data[at + 8 :]


def of_boxes(read: Callable[[Boxes], Any], path: Path) -> Any:
    """What a function of `mov.read` reads of a file."""
    with opened(path) as file:
        found = read(file)
        return found if isinstance(found, dict) else list(found)
