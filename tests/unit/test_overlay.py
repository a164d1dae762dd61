"""Words over a lower face are found while it moves under them; its own features are not taken for words."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dubcli.engines.lips import render
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


def neck(left: float, over: str) -> tuple[Image, NDArray[np.float32]]:
    """A face at a place with a neck and a collar below, or words over the neck, which stay at theirs."""
    picture, points = face(0, words=False)
    picture = np.roll(picture, round(left), axis=1)
    below = int(points[mesh.CHIN, 1]) + 22
    if over == "collar":
        cv2.line(picture, (120, below), (200, below + 20), (255, 255, 255), 5)
        cv2.line(picture, (200, below + 20), (280, below), (255, 255, 255), 5)
    else:
        for width, grey in ((6, 0), (2, 255)):
            cv2.putText(picture, "all words", (120, below), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (grey,) * 3, width)
    return picture, points + np.array([left, 0, 0], np.float32)


@pytest.mark.parametrize("deep", [False, True])
def test_words_over_a_neck_are_found_in_every_picture_and_collars_are_not(deep: bool) -> None:
    for over in ("words", "collar"):
        # The face moves, and then stays for a second; patches follow it, their corners are even.
        places = [min(t, 10) for t in range(10 + 4 * overlay.LAG)]
        corners = np.array([(2 * (left // 2), 0) for left in places], np.int32)
        pictures, meshes = [], []
        for left, (x, _) in zip(places, corners, strict=True):
            picture, points = neck(left, over)
            part = picture[:, x : x + 380]
            pictures.append(part.astype(np.uint16) * 257 if deep else part)
            meshes.append(points - np.array([x, 0, 0], np.float32))
        found = overlay.lines(pictures, corners, meshes)
        if over == "collar":
            assert found == [None] * len(places)
            continue
        for seen, words in zip(pictures, found, strict=True):
            assert words is not None
            strokes = (seen[200:, 60:300] == seen.max()).all(axis=2)
            assert words[200:, 60:300][strokes].all()
            assert words.mean() < 0.1


def test_words_over_a_neck_stay_where_they_are_and_appear_nowhere_else() -> None:
    picture, points = neck(0, "words")
    words = cv2.dilate((picture == 255).all(axis=2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    words[:200] = False
    target = points[:, :2].copy()
    target[list(mesh.JAW[6:15]), 1] += 16  # an open mouth
    drawn = render.layers(render.Face(picture, points, words=words), target, render.Face(picture, points))
    result, alpha = render.join(drawn, drawn.light, drawn.grain, SIZE)
    letters = (picture == 255).all(axis=2) & words
    assert alpha[letters].max() < 0.05
    assert drawn.movement[letters].max() > 8
    assert result[220:][~words[220:]].max() < 200 / 255


def test_words_alone_are_lifted_off_a_picture() -> None:
    picture, _ = neck(0, "words")
    words = np.zeros(picture.shape[:2], np.bool_)
    words[230:240, 150:160] = True
    for each in (picture, picture.astype(np.uint16) * 257):
        lifted = overlay.lifted(each, words)
        assert lifted.dtype == each.dtype
        assert (lifted[~words] == each[~words]).all()
