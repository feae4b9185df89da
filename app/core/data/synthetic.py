"""Labelled images that need no network: ten shapes and textures, drawn on the sample patches.

Colour, place, size, turn, strength and background are drawn at random, so that no single pixel
tells anything: a linear classifier stays far behind a network that looks at neighbourhoods
(`tools/measure_synthetic.py` measures both). All is computed from a seed without functions whose
last bits differ between machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.data.reader import open_patches
from app.core.data.sample import sample_path
from app.core.errors import Cancelled
from app.core.waiting import Cancel, Progress

__all__ = ["SYNTHETIC_CLASSES", "SYNTHETIC_NAME", "SYNTHETIC_TITLE", "synthetic_images"]

SYNTHETIC_NAME = "synthetic"
# What people read of them.
SYNTHETIC_TITLE = "drawn shapes"
COUNT = 12_000
SIDE = 32
BLOCK = 500

# float32 (n, H, W), or (n, 1, 1) where all pixels of an image share a number; NumPy's own types
# forget as much in arithmetic.
Plane = Any
# From coordinates u, v (n, H, W), a radius and a period (n, 1, 1): how far a pixel lies outside
# the figure, in pixels; what is inside is negative.
Figure = Callable[[Plane, Plane, Plane, Plane], Plane]


def _square(u: Plane, v: Plane, r: Plane) -> Plane:
    return np.maximum(np.abs(u), np.abs(v)) - r


def _wave(t: Plane, period: Plane) -> Plane:
    """Return a triangle wave: −period/4 … period/4, its zeros where stripes end."""
    share = t / period
    share = share - np.floor(share)
    return np.abs(share - np.float32(0.5)) * period - period / 4


def _circle(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    return np.sqrt(u * u + v * v) - r


def _box(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    return _square(u, v, r * np.float32(0.85))


def _triangle(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    side = np.abs(u) * np.float32(0.866) - v * np.float32(0.5)
    return np.maximum(v, side) - r * np.float32(0.6)


def _cross(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.minimum(u, v) - r * np.float32(0.3), np.maximum(u, v) - r)


def _ring(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    return np.abs(np.sqrt(u * u + v * v) - r * np.float32(0.75)) - r * np.float32(0.2)


def _across(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    return np.maximum(_wave(v, period), _square(u, v, r))


def _upright(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    return np.maximum(_wave(u, period), _square(u, v, r))


def _diagonal(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    return np.maximum(_wave((u + v) * np.float32(0.7071), period), _square(u, v, r))


def _checks(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    a, b = _wave(u, 2 * period), _wave(v, 2 * period)
    apart = np.minimum(np.abs(a), np.abs(b)) * np.sign(a) * np.sign(b)
    return np.maximum(apart, _square(u, v, r))


def _dots(u: Plane, v: Plane, r: Plane, period: Plane) -> Plane:
    a, b = (t - (np.floor(t / period) + np.float32(0.5)) * period for t in (u, v))
    return np.maximum(np.sqrt(a * a + b * b) - period * np.float32(0.34), _square(u, v, r))


FIGURES: dict[str, Figure] = {
    "circle": _circle,
    "square": _box,
    "triangle": _triangle,
    "cross": _cross,
    "ring": _ring,
    "horizontal stripes": _across,
    "vertical stripes": _upright,
    "diagonal stripes": _diagonal,
    "checks": _checks,
    "dots": _dots,
}
SYNTHETIC_CLASSES = tuple(FIGURES)


def synthetic_images(
    count: int = COUNT,
    seed: int = 0,
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> LabelledImages:
    """Draw labelled 32×32 RGB images, as many of each class.

    Parameters
    ----------
    count : int
        The last sixth is the test set; its backgrounds are other patches than those of the rest.
    seed : int
        Same seed and count, same bits.

    Raises
    ------
    Cancelled
        The person gave up.
    """
    rng = np.random.default_rng([seed, 9])
    patches = open_patches(sample_path(), dataset="data", cancel=cancel).data
    assert patches is not None
    test = count // 6
    cut = len(patches) * 5 // 6
    x = np.empty((count, 3, SIDE, SIDE), np.uint8)
    y = np.empty(count, np.int64)
    # Backgrounds of the test are never seen in training.
    for first, last, pool in (
        (0, count - test, patches[:cut]),
        (count - test, count, patches[cut:]),
    ):
        y[first:last] = rng.permutation(np.arange(last - first) % len(FIGURES))
        for start in range(first, last, BLOCK):
            if cancel is not None and cancel():
                raise Cancelled("Drawing was given up.")
            rows = slice(start, min(start + BLOCK, last))
            x[rows] = _draw(y[rows], pool, rng)
            if progress is not None:
                progress(rows.stop / count, "Drawing images")
    x.flags.writeable = y.flags.writeable = False
    digest = hashlib.sha256(x.data).hexdigest()
    source = Source(
        SYNTHETIC_NAME, f"seed {seed}", "NCHW", "0..255", count, x.shape[1:], "uint8", digest
    )
    return LabelledImages(x, y, SYNTHETIC_CLASSES, source, test)


def _draw(y: NDArray[np.int64], pool: NDArray[np.uint8], rng: np.random.Generator) -> Plane:
    """Return images (n, 3, 32, 32) of the classes `y`, values 0 … 255."""
    n = len(y)

    def uniform(low: float, high: float, *shape: int) -> Plane:
        return np.float32(low) + np.float32(high - low) * rng.random((n, *shape), np.float32)

    images = _backgrounds(pool, rng, n)
    radius = uniform(8.5, 12, 1, 1)
    period = uniform(4.0, 6.5, 1, 1)
    # So near the middle that a figure is cut at most at its rim.
    centre_u, centre_v = (SIDE / 2 - 0.5 + uniform(-4, 4, 1, 1) for _ in "uv")
    angle = uniform(-0.2, 0.2, 1, 1)
    cos, sin = _coarse(np.cos(angle), 4096), _coarse(np.sin(angle), 4096)
    flip = np.where(rng.random((n, 1, 1)) < 0.5, np.float32(-1), np.float32(1))
    at = np.arange(SIDE, dtype=np.float32)
    du, dv = (at[None, None, :] - centre_u) * flip, at[None, :, None] - centre_v
    u, v = du * cos + dv * sin, dv * cos - du * sin
    outside: Plane = np.empty((n, SIDE, SIDE), np.float32)
    for label, figure in enumerate(FIGURES.values()):
        rows = y == label
        outside[rows] = figure(u[rows], v[rows], radius[rows], period[rows])
    cover = np.clip(np.float32(0.5) - outside, 0, 1)[:, None] * uniform(0.6, 1.0, 1, 1, 1)
    images += cover * (_colours(images, rng, n) - images)
    # A stroke across figure and ground: not every edge belongs to a figure.
    images += _strokes(rng, n) * (uniform(0, 255, 3, 1, 1) - images)
    images += uniform(-8, 8, 3, SIDE, SIDE)
    return np.rint(np.clip(images, 0, 255))


def _coarse(values: Plane, parts: int) -> Plane:
    """Return values to a part of one: the last bits of sums and of cos differ between machines."""
    return (np.rint(values * parts) / parts).astype(np.float32)


def _backgrounds(pool: NDArray[np.uint8], rng: np.random.Generator, n: int) -> Plane:
    """Return patches made twice as large (n, 3, 32, 32), turned, and of any brightness."""
    some: Plane = pool[rng.integers(0, len(pool), n)].astype(np.float32)
    # Bilinear: each pixel becomes four, three parts itself and one part its neighbour.
    for axis in (2, 3):
        length = some.shape[axis]
        before, after = (
            some.take(np.clip(np.arange(length) + step, 0, length - 1), axis) for step in (-1, 1)
        )
        pair = np.stack([3 * some + before, 3 * some + after], axis + 1) / np.float32(4)
        some = pair.reshape(*some.shape[:axis], 2 * length, *some.shape[axis + 1 :])
    for axes in ((2,), (3,)):
        turned = rng.random(n) < 0.5
        some[turned] = np.flip(some[turned], axes)
    middle = _coarse(some.mean(axis=(1, 2, 3), dtype=np.float64, keepdims=True), 16)
    strength = np.float32(0.5) + rng.random((n, 1, 1, 1), np.float32)
    return (some - middle) * strength + middle


def _colours(images: Plane, rng: np.random.Generator, n: int) -> Plane:
    """Return a colour for each image (n, 3, 1, 1), brighter than the mean of its background."""
    ground = _coarse(images.mean(axis=(2, 3), dtype=np.float64, keepdims=True), 16)
    return ground + np.float32(60) + np.float32(120) * rng.random((n, 3, 1, 1), np.float32)


def _strokes(rng: np.random.Generator, n: int) -> Plane:
    """Return how much a straight stroke covers each pixel (n, 1, 32, 32)."""
    ends = np.float32(SIDE) * rng.random((4, n, 1, 1, 1), np.float32)
    ax, ay, bx, by = ends
    at = np.arange(SIDE, dtype=np.float32)
    px, py = at[None, None, None, :] - ax, at[None, None, :, None] - ay
    dx, dy = bx - ax, by - ay
    along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy + np.float32(1e-3)), 0, 1)
    px, py = px - along * dx, py - along * dy
    return np.clip(np.float32(1.2) - np.sqrt(px * px + py * py), 0, 1)
