"""A film that is read in many places is opened once, unless its bytes, its size or the process are others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dubcli.errors import MediaError
from dubcli.media import decode, kept, source
from dubcli.media.probe import probe
from tests.media import films


class Film:
    """A film, its frames read in one go, and how often it was opened since."""

    def __init__(self, path: Path) -> None:
        self.path, self.whole, self.video = path, films.decoded(path), probe(path).film
        self.pts = np.array([round(t / self.video.tick) for t in self.whole.times], np.int64)
        self.opened = 0

    def read(self, start: int, stop: int) -> None:
        found = [films.hashed(f.frame) for f in decode.frames(self.path, self.video, self.pts, start, stop)]
        assert found == self.whole.hashes[start:stop]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Film:
    one = Film(films.make(tmp_path / "film.mp4", *films.x264("-g", "12", "-bf", "3"), seconds=2))
    whole = source.opened

    @contextmanager
    def counted(path: Path, **options: Any) -> Iterator[Any]:
        one.opened += 1
        with whole(path, **options) as container:
            yield container

    monkeypatch.setattr(source, "opened", counted)
    monkeypatch.setattr(decode, "_KEPT", kept.Kept(1))
    return one


def test_a_film_is_opened_once(film: Film) -> None:
    for start, stop in [(20, 30), (5, 9), (33, 50), (13, 14), (47, 50), (1, 3)]:
        film.read(start, stop)
    assert film.opened == 1


def test_two_readers_at_once_do_not_share_it(film: Film) -> None:
    first = decode.frames(film.path, film.video, film.pts, 20, 40)
    begun = [films.hashed(next(first).frame)]
    film.read(5, 9)
    assert begun + [films.hashed(frame.frame) for frame in first] == film.whole.hashes[20:40]
    assert film.opened == 2


def test_a_reader_that_breaks_off_leaves_it_open(film: Film) -> None:
    for _ in decode.frames(film.path, film.video, film.pts, 20, 40):
        break
    film.read(5, 9)
    assert film.opened == 1


def test_the_first_frame_is_reached_without_seeking(film: Film) -> None:
    film.read(20, 30)
    film.read(0, 3)
    assert film.opened == 2


def test_a_film_that_was_exchanged_is_opened_anew(film: Film, tmp_path: Path) -> None:
    film.read(20, 30)
    other = films.make(tmp_path / "other.mp4", *films.x264("-g", "12"), "-vf", "negate", seconds=2)
    os.replace(other, film.path)
    film.whole = films.decoded(film.path)
    film.read(20, 30)
    assert film.opened == 2


def test_a_forked_process_opens_its_own(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    film.read(20, 30)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    film.read(20, 30)
    assert film.opened == 2


def test_an_error_closes_it(film: Film) -> None:
    film.read(20, 30)
    wrong = decode.frames(film.path, film.video.model_copy(update={"width": 32}), film.pts, 20, 30)
    with pytest.raises(MediaError, match="midway"):
        next(wrong)
    film.read(20, 30)
    assert film.opened == 2


def test_a_film_of_large_pictures_gives_its_decoder_back(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_KEPT_PIXELS", 100)
    film.read(20, 30)
    film.read(20, 30)
    assert film.opened == 2


def test_only_the_last_ones_stay_open(tmp_path: Path) -> None:
    closed = []

    @contextmanager
    def opened(name: str) -> Iterator[str]:
        yield name
        closed.append(name)

    box: kept.Kept[str] = kept.Kept(2)
    for name in "abcb":
        with box.lent(tmp_path / name, lambda name=name: opened(name)) as lent:  # type: ignore[misc]
            assert lent == name
    assert closed == ["a"]
