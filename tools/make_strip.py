"""Make the README's picture, `docs/strip.png`: frames of the sample film before and after dubbing.

Run from the root of the repository after `make demo`: `.venv/bin/python tools/make_strip.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path("demo-out")
FRAMES = (
    238,
    246,
    254,
    262,
    270,
    286,
)  # of the close-up; chosen by eye
CROP = (180, 60, 480, 420)  # left, top, right, bottom of the face in the close shot, pixels
HEIGHT = 190  # of each picture in the strip, pixels; fits a README
GAP = 4  # pixels between pictures


def frames(path: Path) -> list[NDArray[np.uint8]]:
    """The chosen frames of a film, cropped to the face."""
    wanted = set(FRAMES)
    with av.open(str(path)) as box:
        decoded = enumerate(box.decode(video=0))
        pictures = [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for number, frame in decoded
            if number in wanted
        ]
    left, top, right, bottom = CROP
    return [picture[top:bottom, left:right] for picture in pictures]


def main() -> None:
    """Write the picture."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    rows = []
    for name in ("film.mp4", "film.dub_fr.mp4"):
        small = []
        for picture in frames(FOLDER / name):
            width = round(picture.shape[1] * HEIGHT / picture.shape[0])
            small.append(
                np.asarray(Image.fromarray(picture).resize((width, HEIGHT), Image.Resampling.LANCZOS))
            )
        rows.append(np.hstack([np.pad(p, ((0, 0), (0, GAP), (0, 0)), constant_values=255) for p in small]))
    strip = np.vstack([rows[0], np.full((GAP, rows[0].shape[1], 3), 255, np.uint8), rows[1]])
    Image.fromarray(strip[:, :-GAP]).save("docs/strip.png", optimize=True)


if __name__ == "__main__":
    main()
