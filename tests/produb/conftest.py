"""The drawn face, and weights trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.artifacts import gallery as footage
from dubcli.engines.lips import exemplar
from dubcli.engines.lips.produb import pairs, training
from dubcli.face import gallery
from tests.produb.drawn import ENGINE, FRAMES, HEIGHT, SHOT, VIDEO, WIDTH, Face, cut, drawn
from tests.unit.test_gallery import track


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    gaps = 0.12 + 0.1 * np.sin(np.arange(FRAMES + 6) / 3)
    whole = track(gaps)
    pictures = {k: drawn(mesh, k) for k, mesh in enumerate(whole.mesh)}

    def frames(path: Path, video: Any, pts: Any, start: int, stop: int, digests: Any = None) -> Iterator[Any]:
        for k in range(start, stop):

            def rgb(rect: tuple[int, int, int, int], picture: NDArray[np.uint8] = pictures[k]) -> Any:
                x, y, w, h = rect
                return picture[y : y + h, x : x + w]

            yield SimpleNamespace(index=k, rgb=rgb, around=lambda at: (0, 0, WIDTH, HEIGHT))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dubcli.media.decode.frames", frames)
        patched.setattr(exemplar, "SHOT_BYTES", 0)
        patched.setattr(training, "BATCH", 4)
        patched.setattr(training, "PART", 2)
        folder = tmp_path_factory.mktemp("gallery")
        film = cut(whole, 0, FRAMES)
        footage.save(
            folder,
            gallery.build(Path("film"), VIDEO, np.zeros(0, np.int64), None, [lambda: film], [SHOT], 10**9),
        )
        made = tmp_path_factory.mktemp("made")
        pairs.build({"p01": folder}, pairs.fingerprint({"p01": folder}), 64, made, lambda done, total: None)
        yield Face(folder, made, cut(whole, FRAMES, FRAMES + 6), pictures)


@pytest.fixture(scope="module")
def film(face: Face, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Finished weights of the film, and the scratch folder with the pairs."""
    scratch, out = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("film")
    ENGINE.train(face.train_work(scratch, out))
    return out, scratch
