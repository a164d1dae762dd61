"""Words over a lower face are found while it moves under them; its own features are not taken for words."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.face import mesh, overlay
from dubcli.face.crop import Image

SIZE = 100.0  # pixels between the outer eye corners


def face(left: float, words: bool) -> tuple[Image, NDArray[np.float32]]:
    """A bearded face at a place, and its mesh; words stay at theirs, over its chin."""
    points = (mesh.head() * SIZE + (200 + left, 120, 0)).astype(np.float32)
    picture = np.full((300, 400, 3), 160, np.uint8)
    for ring, grey in ((mesh.LIPS_OUTER, 90), (mesh.LIPS_INNER, 20)):
        cv2.fillPoly(picture, [points[list(ring), :2].round().astype(np.int32)], (grey,) * 3)
    chin = points[mesh.CHIN, :2]
    for across, up in np.random.default_rng(3).uniform((-50, 5), (50, 25), (60, 2)):
        x, y = int(chin[0] + across), int(chin[1] - up)
        cv2.line(picture, (x, y), (x + 2, y + 6), (40, 40, 40), 1)
    if words:
        for width, grey in ((6, 0), (2, 255)):
            cv2.putText(
                picture, "WORDS", (150, int(chin[1]) - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (grey,) * 3, width
            )
    noise = np.random.default_rng(round(left * 10)).normal(0, 2, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8), points


@pytest.mark.parametrize("words", [True, False])
def test_words_are_what_stays_while_the_face_moves(words: bool) -> None:
    (earlier, before), (later, now) = face(0, words), face(4, words)
    found = overlay.area(earlier, later, before, now)
    assert found is not None
    assert (found >= overlay.SMALLEST) == words


def test_of_a_face_that_is_still_nothing_is_known() -> None:
    (earlier, before), (later, now) = face(0, words=True), face(0.5, words=True)
    assert overlay.area(earlier, later, before, now) is None


def test_a_face_outside_the_picture_is_no_error() -> None:
    (earlier, before), (later, now) = face(0, words=False), face(4, words=False)
    assert overlay.area(earlier, later, before + 900, now + 900) is None
