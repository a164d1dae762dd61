"""Reference frames warped to a wanted face, in which teeth keep their height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dubcli.face import teeth, warp

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class InverseWarp:
    """Pixels of a picture that are taken from reference frames: what is the same whatever the frame.

    Attributes:
        where: (h, w) the pixels.
        at: (n, 2) their x and y.
        nodes: of the lattice at the wanted face.
        labels: (n,) the triangle of each.
        inside: (n,) whether it lies between the lips.
        mouth: where in the mouth those lie, None where there are none.
    """

    where: NDArray[np.bool_]
    at: warp.Points
    nodes: warp.Points
    labels: NDArray[np.int32]
    inside: NDArray[np.bool_]
    mouth: teeth.Inside | None

    @classmethod
    def of(
        cls, nodes: warp.Points, labels: NDArray[np.int32], where: NDArray[np.bool_], target: Floats
    ) -> InverseWarp:
        """The pixels of `where` (h, w).

        Args:
            nodes: of the lattice at the wanted face, continuous pixels of the picture.
            labels: (h, w) the triangle at each pixel, by `warp.footprint`.
            where: (h, w) the pixels that are wanted.
            target: (478, 2) the wanted mesh in the picture's pixels.
        """
        at, label = warp.pixels(where), labels[where]
        cell = np.take(warp.lattice().cell, label)
        inside = cell >= 0
        mouth = teeth.inside(target - 0.5, at[inside], cell[inside]) if inside.any() else None
        return cls(where, at, nodes, label, inside, mouth)

    def colours(
        self, picture: NDArray[Any], mesh: Floats, scale: float, kernel: int = cv2.INTER_CUBIC
    ) -> NDArray[Any]:
        """Colours (n, 3) of a reference frame at the pixels, in its type.

        Args:
            picture: the reference frame, (h, w, 3).
            mesh: (478, 2) its mesh in its pixels.
            scale: size of the wanted face over that of the reference.
        """
        table = warp.affine(self.nodes, warp.rest(mesh))
        positions = warp.origins(table, self.labels, self.at)
        if self.mouth is not None:
            positions[self.inside] = teeth.origins(picture, mesh - 0.5, self.mouth, scale)
        return warp.sampled(picture, positions, kernel)
