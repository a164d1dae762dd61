"""A person's space of mouth shapes: a mean, a few orthogonal directions, and the shapes observed in the film.

Shapes are canonical points (P, 3) of `face.mesh.MOUTH` in outer-eye distances, x to the picture's right,
y down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubcli.face import mesh as regions

Floats = NDArray[np.float32]

POINTS = len(regions.MOUTH)
DIRECTIONS = 12  # of the space; on real speech more explain under 1 % of the residual variance
FEWEST_FRAMES = 12  # about half a second; fewer do not sample a movement; set by hand
_FEWEST_FOR_RANGE = 50  # observed shapes from which a range is estimated; set by hand
_TOLERANCE = 1e-4  # outer-eye distances; error of measures that is tolerated; set by hand
_RIDGE = 1e-6  # on the covariance: suppresses directions without variance; set by hand
_CLOSED_SHARE, _JITTER = (
    0.02,
    0.002,
)  # share of frames, and jitter of the aperture on closed lips; set by hand
_COMPRESSION = 0.004  # outer-eye distances past contact of lips at rest; set by hand
MOST_SHAPES = 4000  # observed shapes kept per person; set by hand
_ROW = {point: row for row, point in enumerate(regions.MOUTH)}
_UPPER, _LOWER = _ROW[regions.UPPER_LIP], _ROW[regions.LOWER_LIP]
_LEFT, _RIGHT = _ROW[regions.CORNER_LEFT], _ROW[regions.CORNER_RIGHT]
LIPS = [_ROW[p] for p in dict.fromkeys((*regions.LIPS_OUTER, *regions.LIPS_INNER))]


def aperture(shape: Floats) -> Floats:
    """Signed distance of the inner lips, (..., P, 3) to (...): negative where they are pressed together."""
    return np.asarray(shape[..., _LOWER, 1] - shape[..., _UPPER, 1], np.float32)


def width(shape: Floats) -> Floats:
    """Distance between the mouth's corners, (..., P, 3) to (...)."""
    return np.asarray(np.linalg.norm(shape[..., _RIGHT, :] - shape[..., _LEFT, :], axis=-1), np.float32)


def protrusion(shape: Floats) -> Floats:
    """How far the lips are in front of the corners, (..., P, 3) to (...)."""
    lips = (shape[..., _UPPER, 2] + shape[..., _LOWER, 2]) / 2
    return np.asarray((shape[..., _LEFT, 2] + shape[..., _RIGHT, 2]) / 2 - lips, np.float32)


def lips(shape: Floats) -> Floats:
    """Aperture and width, (..., P, 3) to (..., 2)."""
    return np.stack([aperture(shape), width(shape)], axis=-1)


def measures(shape: Floats) -> Floats:
    """Aperture, width and protrusion, (..., P, 3) to (..., 3)."""
    return np.stack([aperture(shape), width(shape), protrusion(shape)], axis=-1)


def below(curve: NDArray[np.floating[Any]], share: float) -> float | None:
    """Upper end of the lowest `share` of the range of a measure (T,); None where few values are known."""
    known = np.asarray(curve, np.float64)
    known = known[np.isfinite(known)]
    if len(known) < FEWEST_FRAMES:
        return None
    low, high = np.percentile(known, [2, 95])
    return float(low + share * (high - low))


def together(gap: Floats) -> Floats:
    """Probability that one person's lips are closed, from apertures (T,); 0.5 at a fifth of the range."""
    low, high = np.percentile(gap, [2, 95])
    share = (gap - low) / max(high - low, 1e-4)
    return np.asarray(1 / (1 + np.exp((share - 0.2) / 0.06)), np.float32)


@dataclass(frozen=True)
class Person:
    """One person's space of mouth shapes.

    Attributes:
        head: (478, 3) canonical head that the shapes refer to.
        mean: (P*3,) mean shape.
        basis: (K, P*3) orthonormal rows, widest first.
        coefficients: (N, K) of observed shapes, in order of time.
        closed: (P, 3) the person's shape at rest, lips closed.
    """

    head: Floats
    mean: Floats
    basis: Floats
    coefficients: Floats
    closed: Floats

    def encode(self, shape: Floats) -> Floats:
        """(T, P, 3) to (T, K)."""
        return np.asarray((shape.reshape(len(shape), -1) - self.mean) @ self.basis.T, np.float32)

    def decode(self, coefficients: Floats) -> Floats:
        """(T, K) to (T, P, 3)."""
        return np.asarray(coefficients @ self.basis + self.mean, np.float32).reshape(-1, POINTS, 3)


def within(person: Person, shape: Floats) -> Floats:
    """Shapes (T, P, 3) clipped to the person's observed range, direction by direction."""
    if len(person.coefficients) < _FEWEST_FOR_RANGE:
        return shape
    low, high = np.percentile(person.coefficients, [0.5, 99.5], axis=0)
    return person.decode(np.clip(person.encode(shape), low, high).astype(np.float32))


def reshaped(
    person: Person, shape: Floats, target: Floats, measure: Callable[[Floats], Floats] = measures
) -> Floats:
    """Shapes with other measures, along the person's most probable directions.

    Args:
        person: whose mouth.
        shape: (T, P, 3).
        target: (T, M) their new measures.
        measure: function from shapes (T, P, 3) to measures (T, M).
    """
    count = person.basis.shape[0]
    observed = person.coefficients
    spread = np.cov(observed.T) if len(observed) > count else np.eye(count)
    spread = np.atleast_2d(spread) + _RIDGE * np.eye(count)
    directions, step = person.basis.reshape(count, -1, 3), np.float32(1e-2)
    out = shape.astype(np.float32)
    for _ in range(3):  # width is not quite linear in the shape
        missing = target - measure(out)
        if np.abs(missing).max(initial=0) < _TOLERANCE:
            break
        slopes = np.stack([measure(out + step * d) - measure(out) for d in directions], axis=2) / step
        covariant = slopes @ spread  # (T, M, K)
        normal = covariant @ slopes.transpose(0, 2, 1) + 1e-9 * np.eye(missing.shape[1])
        moved = (covariant.transpose(0, 2, 1) @ np.linalg.solve(normal, missing[..., None]))[..., 0]
        rows_left = np.abs(missing).max(1) >= _TOLERANCE
        out[rows_left] += np.tensordot(moved[rows_left], directions, axes=1).astype(np.float32)
    return out


def person(head: Floats, shape: Floats) -> Person:
    """The space that observed shapes (N, P, 3) span; N may be 0, then it is that of the head alone."""
    if not len(shape):
        shape = head[None, list(regions.MOUTH)]
    flat = shape.reshape(len(shape), -1)  # of a whole film; only a sample of it in double precision
    mean = flat.mean(0, dtype=np.float64)
    # Lips weigh more than cheeks, which have many points and hardly vary with sounds.
    weight = np.ones((POINTS, 3))
    weight[LIPS] = 2.0
    weight = weight.ravel()
    some = (flat[spread(len(flat), MOST_SHAPES)] - mean) * weight
    _, columns = np.linalg.eigh(some.T @ some)  # rising; a twentieth of the time of a decomposition of `some`
    rows = columns[:, ::-1].T[: min(DIRECTIONS, len(some))] / weight
    rows *= np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)])[:, None]
    # Orthonormal again after the weights are taken out, directions kept in order (Gram-Schmidt by QR).
    q, r = np.linalg.qr(rows.T)
    basis = (q * np.sign(np.diag(r))).T.astype(np.float32)
    known = Person(
        np.asarray(head, np.float32),
        mean.astype(np.float32),
        basis,
        np.zeros((0, len(basis)), np.float32),
        shape[0],
    )
    coefficients = known.encode(shape)
    return Person(known.head, known.mean, basis, coefficients, _closed(shape))


def _closed(shape: Floats) -> Floats:
    """Median shape with lips closed, (N, P, 3) to (P, 3).

    In continuous speech a mouth is closed in a few frames of a hundred only: the frames of least aperture
    are used, and those within its jitter. They are not projected onto the space, which blurs the closure.
    """
    gap = aperture(shape)
    shut = np.median(shape[gap <= np.quantile(gap, _CLOSED_SHARE) + _JITTER], axis=0)
    # Regression of the shape on the aperture: along it the lips are closed beyond contact. Lips that
    # only just touch leave a sliver wherever the mesh has an error.
    deviation = gap - gap.mean()
    direction = np.tensordot(deviation, shape - shape.mean(axis=0), 1) / max(
        float((deviation**2).sum()), 1e-6
    )
    return np.asarray(shut - (aperture(shut) + _COMPRESSION) * direction, np.float32)


def spread(count: int, most: int) -> NDArray[np.int64]:
    """Indices of at most `most` of `count` items, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def save(people: Mapping[str, Person]) -> dict[str, Floats]:
    """Members of `persons.npz`, named `<id>/<field>`; at most `MOST_SHAPES` shapes, evenly spread."""
    out: dict[str, Floats] = {}
    for name, one in sorted(people.items()):
        kept = one.coefficients[spread(len(one.coefficients), MOST_SHAPES)]
        out |= {
            f"{name}/head": one.head,
            f"{name}/mean": one.mean,
            f"{name}/basis": one.basis,
            f"{name}/coefficients": kept,
            f"{name}/closed": one.closed,
        }
    return out


def load(box: Mapping[str, Any], name: str) -> Person:
    """One person out of `persons.npz`."""
    return Person(
        *(np.array(box[f"{name}/{f}"]) for f in ("head", "mean", "basis", "coefficients", "closed"))
    )
