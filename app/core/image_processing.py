"""A convolution whose filter is chosen by hand: what students see before filters are learned.

Pictures are (N, 3, H, W) with values 0 … 255. A filter looks at all three channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.errors import ShapeError

__all__ = ["FILTERS", "PictureFilter", "as_pixels", "filter_pictures"]


@dataclass(frozen=True)
class PictureFilter:
    """A filter and what it does.

    Attributes
    ----------
    title, teaches : str
    weights : tuple
        For red, green and blue three rows of three numbers each.
    bias : float
        Added to each value; 128 puts zero in the middle of 0 … 255.
    """

    title: str
    teaches: str
    weights: tuple[tuple[tuple[float, ...], ...], ...]
    bias: float = 0.0

    def array(self) -> NDArray[np.float64]:
        """Return the weights, shape (3, 3, 3)."""
        return np.array(self.weights)


_ZERO = ((0.0, 0.0, 0.0),) * 3


def _centre(value: float) -> tuple[tuple[float, ...], ...]:
    return ((0.0, 0.0, 0.0), (0.0, value, 0.0), (0.0, 0.0, 0.0))


def _grey(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Return a filter of brightness: the same rows for each channel, in its share."""
    return tuple(
        tuple(tuple(share * value for value in row) for row in rows) for share in (0.3, 0.6, 0.1)
    )


FILTERS: dict[str, PictureFilter] = {
    "grayscale": PictureFilter(
        "Grayscale",
        "Only the centre tap: 0.3 R + 0.6 G + 0.1 B.",
        (_centre(0.3), _centre(0.6), _centre(0.1)),
    ),
    "edges": PictureFilter(
        "Horizontal edges of blue",
        "What is above minus what is below (Sobel), on the blue channel; grey is no change.",
        (_ZERO, _ZERO, ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))),
        128.0,
    ),
    "vertical": PictureFilter(
        "Vertical edges",
        "What is left minus what is right.",
        _grey(((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))),
        128.0,
    ),
    "blur": PictureFilter(
        "Blur",
        "Every pixel becomes the mean of its neighbourhood.",
        _grey(((1 / 9, 1 / 9, 1 / 9),) * 3),
    ),
    "sharpen": PictureFilter(
        "Sharpen",
        "Every pixel is pushed away from its neighbours.",
        _grey(((0.0, -1.0, 0.0), (-1.0, 5.0, -1.0), (0.0, -1.0, 0.0))),
    ),
    "laplace": PictureFilter(
        "Curvature",
        "How much a pixel differs from the mean of its neighbours (Laplace).",
        _grey(((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))),
        128.0,
    ),
}


def filter_pictures(
    x: NDArray[Any], weights: NDArray[Any], bias: NDArray[Any], engine: str | None = None
) -> NDArray[np.float64]:
    """Convolve pictures with filters; the result is as large as the pictures.

    Parameters
    ----------
    x : ndarray, shape (N, 3, H, W)
        Values 0 … 255, of any type.
    weights : ndarray, shape (F, 3, HH, WW)
        HH and WW are odd.
    bias : ndarray, shape (F,)
    engine : {"compiled", "reference"}, optional

    Returns
    -------
    ndarray, shape (N, F, H, W)
        Outside of a picture is black: the rim shows it.

    Raises
    ------
    ShapeError
        A filter has an even side, or the arrays do not belong together.
    """
    height, width = weights.shape[2:]
    if not height % 2 or not width % 2:
        raise ShapeError(
            f"A filter of {height}×{width} has no centre.", "Use odd numbers of rows and columns."
        )
    forward = kernels.choose(engine).conv_forward
    out: NDArray[np.float64] = forward(
        np.ascontiguousarray(x, np.float64),
        np.ascontiguousarray(weights, np.float64),
        np.asarray(bias, np.float64),
        {"stride": 1, "pad": (height // 2, width // 2)},
    )[0]
    return out


def as_pixels(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a plane (H, W) as grey values, its least black and its greatest white."""
    low, high = float(plane.min()), float(plane.max())
    if not high > low:
        return np.full(plane.shape, 128, np.uint8)
    return np.rint((plane - low) / (high - low) * 255).astype(np.uint8)
