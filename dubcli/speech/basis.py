"""The mouths one person makes: a mean, a few orthogonal directions, and the shapes seen in the film.

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
DIRECTIONS = 12  # of the mouth's shape; on real speech more explain under 1 % of what is left
FEWEST_FRAMES = 12  # about half a second: less tells nothing about movement
_ENOUGH = 50  # observed shapes that tell a range
_NEAR = 1e-4  # outer-eye distances; measures that come this near are met
_PULL = 1e-6  # keeps directions that a mouth never took from being used
_SHUT, _TREMBLE = 0.02, 0.002  # share of frames, and aperture by which a mesh trembles on closed lips
_PRESSED = 0.004  # by which lips at rest are pressed past touching
KEPT = 4000  # observed shapes kept per person; a quarter of an hour of film at most is told apart
_ROW = {point: row for row, point in enumerate(regions.MOUTH)}
_UPPER, _LOWER = _ROW[regions.UPPER_LIP], _ROW[regions.LOWER_LIP]
_LEFT, _RIGHT = _ROW[regions.CORNER_LEFT], _ROW[regions.CORNER_RIGHT]
LIPS = [_ROW[p] for p in dict.fromkeys((*regions.LIPS_OUTER, *regions.LIPS_INNER))]


def aperture(shape: Floats) -> Floats:
    """Signed inner-lip gap, (..., P, 3) to (...): negative where the lips are pressed past each other."""
    return np.asarray(shape[..., _LOWER, 1] - shape[..., _UPPER, 1], np.float32)


def width(shape: Floats) -> Floats:
    """Distance between the mouth's corners, (..., P, 3) to (...)."""
    return np.asarray(np.linalg.norm(shape[..., _RIGHT, :] - shape[..., _LEFT, :], axis=-1), np.float32)


def protrusion(shape: Floats) -> Floats:
    """How far the lips stand out before the corners, (..., P, 3) to (...)."""
    lips = (shape[..., _UPPER, 2] + shape[..., _LOWER, 2]) / 2
    return np.asarray((shape[..., _LEFT, 2] + shape[..., _RIGHT, 2]) / 2 - lips, np.float32)


def lips(shape: Floats) -> Floats:
    """Opening and width, (..., P, 3) to (..., 2)."""
    return np.stack([aperture(shape), width(shape)], axis=-1)


def measures(shape: Floats) -> Floats:
    """Opening, width and protrusion, (..., P, 3) to (..., 3)."""
    return np.stack([aperture(shape), width(shape), protrusion(shape)], axis=-1)


def below(curve: NDArray[np.floating[Any]], part: float) -> float | None:
    """The value that ends the lowest `part` of the own range of a measure (T,); None where few are known."""
    known = np.asarray(curve, np.float64)
    known = known[np.isfinite(known)]
    if len(known) < FEWEST_FRAMES:
        return None
    low, high = np.percentile(known, [2, 95])
    return float(low + part * (high - low))


def together(gap: Floats) -> Floats:
    """How surely one person's lips are together, 0–1, from apertures (T,): in their lowest fifth they are."""
    low, high = np.percentile(gap, [2, 95])
    part = (gap - low) / max(high - low, 1e-4)
    return np.asarray(1 / (1 + np.exp((part - 0.2) / 0.06)), np.float32)


@dataclass(frozen=True)
class Person:
    """One person's space of mouth shapes.

    Attributes:
        head: (478, 3) canonical head that the shapes refer to.
        mean: (P*3,) mean shape.
        basis: (K, P*3) orthonormal rows, widest first.
        coefficients: (N, K) of observed shapes, in order of time.
        closed: (P, 3) the person's own shape at rest, lips together.
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
    """Shapes (T, P, 3) brought back to what the person was seen to do, direction by direction."""
    if len(person.coefficients) < _ENOUGH:
        return shape
    low, high = np.percentile(person.coefficients, [0.5, 99.5], axis=0)
    return person.decode(np.clip(person.encode(shape), low, high).astype(np.float32))


def reshaped(
    person: Person, shape: Floats, wanted: Floats, measure: Callable[[Floats], Floats] = measures
) -> Floats:
    """Shapes moved to other measures, in the way this person's mouth mostly does it.

    Args:
        person: whose mouth.
        shape: (T, P, 3) as they are.
        wanted: (T, M) what they are to measure.
        measure: shapes (T, P, 3) to measures (T, M).
    """
    count = person.basis.shape[0]
    seen = person.coefficients
    spread = np.cov(seen.T) if len(seen) > count else np.eye(count)
    spread = np.atleast_2d(spread) + _PULL * np.eye(count)
    directions, step = person.basis.reshape(count, -1, 3), np.float32(1e-2)
    out = shape.astype(np.float32)
    for _ in range(3):  # width is not quite linear in the shape
        short = wanted - measure(out)
        if np.abs(short).max(initial=0) < _NEAR:
            break
        slopes = np.stack([measure(out + step * d) - measure(out) for d in directions], axis=2) / step
        pulled = slopes @ spread  # (T, M, K)
        near = pulled @ slopes.transpose(0, 2, 1) + 1e-9 * np.eye(short.shape[1])
        moved = (pulled.transpose(0, 2, 1) @ np.linalg.solve(near, short[..., None]))[..., 0]
        need = np.abs(short).max(1) >= _NEAR
        out[need] += np.tensordot(moved[need], directions, axes=1).astype(np.float32)
    return out


def person(head: Floats, shape: Floats) -> Person:
    """The space that observed shapes (N, P, 3) span; N may be 0, then it is that of the head alone."""
    if not len(shape):
        shape = head[None, list(regions.MOUTH)]
    flat = shape.reshape(len(shape), -1)  # of a whole film; in double precision only what is looked at
    mean = flat.mean(0, dtype=np.float64)
    # Lips count more than cheeks, which are many and hardly tell sounds apart.
    weight = np.ones((POINTS, 3))
    weight[LIPS] = 2.0
    weight = weight.ravel()
    _, _, rows = np.linalg.svd((flat[spread(len(flat), KEPT)] - mean) * weight, full_matrices=False)
    rows = rows[:DIRECTIONS] / weight
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
    """The typical shape with lips together, (N, P, 3) to (P, 3).

    Who talks all through closes the mouth in a few frames of a hundred only: those nearest to closed tell,
    and those that open hardly more. They are taken as seen: the few directions blur how lips meet.
    """
    gap = aperture(shape)
    shut = np.median(shape[gap <= np.quantile(gap, _SHUT) + _TREMBLE], axis=0)
    # How all of this mouth moves as its lips part: by that they are brought together for good. Lips that only
    # just touch leave a sliver wherever a mesh errs.
    apart = gap - gap.mean()
    way = np.tensordot(apart, shape - shape.mean(axis=0), 1) / max(float((apart**2).sum()), 1e-6)
    return np.asarray(shut - (aperture(shut) + _PRESSED) * way, np.float32)


def spread(count: int, most: int) -> NDArray[np.int64]:
    """Indices of at most `most` of `count` things, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def save(people: Mapping[str, Person]) -> dict[str, Floats]:
    """Members of `persons.npz`, named `<id>/<field>`; of observed shapes an even `KEPT` are kept."""
    out: dict[str, Floats] = {}
    for name, one in sorted(people.items()):
        kept = one.coefficients[spread(len(one.coefficients), KEPT)]
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
