"""A filter for pictures as a person edits it: one small grid of numbers, a weight for each channel.

``w[f, c, i, j] = channels[c] · kernel[i, j]``: one grid that looks at all three channels and gives
a grey picture, or at each channel by itself and gives a coloured one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.errors import ShapeError
from app.core.image_processing import FILTERS, PictureFilter, as_pixels, filter_pictures

__all__ = [
    "DESIGNS",
    "MOST_VALUE",
    "SIZES",
    "FilterDesign",
    "Place",
    "explain_place",
    "filtered",
    "short",
    "to_pixels",
]

SIZES = (3, 5, 7)
# Larger numbers show nothing more, and products of very large ones are infinite.
MOST_VALUE = 1e6


@dataclass(frozen=True)
class FilterDesign:
    """One filter.

    Attributes
    ----------
    title, teaches : str
    kernel : tuple of tuple of float
        Rows of the grid; as many as columns, and an odd number.
    channels : tuple of float
        Weights of red, green and blue.
    bias : float
        Added to each value.
    colour : bool
        Each channel by itself, without being summed; the result is a coloured picture.
    """

    title: str
    teaches: str
    kernel: tuple[tuple[float, ...], ...]
    channels: tuple[float, float, float] = (0.3, 0.6, 0.1)
    bias: float = 0.0
    colour: bool = False

    @property
    def size(self) -> int:
        """Rows, and columns, of the grid."""
        return len(self.kernel)

    def weights(self) -> NDArray[np.float64]:
        """Return the weights of the convolution, (1, 3, size, size) or, in colour, (3, 3, …)."""
        kernel = np.array(self.kernel, np.float64)
        mixed = np.array(self.channels)[:, None, None] * kernel
        if not self.colour:
            return mixed[None]
        apart = np.zeros((3, 3, self.size, self.size))
        for channel in range(3):
            apart[channel, channel] = mixed[channel]
        return apart

    def biases(self) -> NDArray[np.float64]:
        """Return the biases, one a filter."""
        return np.full(3 if self.colour else 1, self.bias)

    def with_value(self, row: int, column: int, value: float) -> FilterDesign:
        """Return the design with another number at a place of the grid."""
        rows = [list(one) for one in self.kernel]
        rows[row][column] = value
        return replace(self, kernel=tuple(map(tuple, rows)))

    def with_size(self, size: int) -> FilterDesign:
        """Return the design with a larger or smaller grid around the same middle.

        Raises
        ------
        ShapeError
            The number is even: the grid would have no middle.
        """
        if size < 1 or not size % 2:
            raise ShapeError(f"A grid of {size}×{size} has no middle.", "Use an odd number.")
        grid = np.zeros((size, size))
        old = np.array(self.kernel)
        half = min(size, self.size) // 2
        new_middle, old_middle = size // 2, self.size // 2
        inside = slice(new_middle - half, new_middle + half + 1)
        outside = slice(old_middle - half, old_middle + half + 1)
        grid[inside, inside] = old[outside, outside]
        return replace(self, kernel=tuple(tuple(map(float, row)) for row in grid))


def _from(one: PictureFilter, *, colour: bool = False) -> FilterDesign:
    """Return a known filter as a grid and channel weights; its channels are multiples of one grid."""
    weights = one.array()
    channels = np.abs(weights).sum(axis=(1, 2))
    strongest = int(channels.argmax())
    shares = channels / channels.sum()
    # The weights of the channels sum to one, as those of brightness do.
    kernel = weights[strongest] / shares[strongest]
    # Sums in floating point: 0.9999999 is what nobody wants to read in a box.
    rows = tuple(tuple(float(f"{value:.4g}") for value in row) for row in kernel)
    red, green, blue = (float(f"{share:.4g}") for share in shares)
    if colour:
        red = green = blue = 1.0
    return FilterDesign(one.title, one.teaches, rows, (red, green, blue), one.bias, colour)


DESIGNS: dict[str, FilterDesign] = {
    "grayscale": _from(FILTERS["grayscale"]),
    "edges": _from(FILTERS["edges"]),
    "sobel_x": replace(_from(FILTERS["vertical"]), title="Vertical edges (Sobel x)"),
    "sobel_y": FilterDesign(
        "Horizontal edges (Sobel y)",
        "What is above minus what is below; grey is no change.",
        ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),
        bias=128.0,
    ),
    "blur": FilterDesign(
        "Blur",
        "Every pixel becomes the mean of its neighbourhood.",
        ((1.0, 1.0, 1.0),) * 3,
        (0.1111, 0.1111, 0.1111),
        colour=True,
    ),
    "gaussian": FilterDesign(
        "Soft blur, 5 × 5",
        "Near neighbours count more than far ones (a Gaussian); 0.0039 is one 256th.",
        tuple(tuple(float(a * b) for b in (1, 4, 6, 4, 1)) for a in (1, 4, 6, 4, 1)),
        (0.0039, 0.0039, 0.0039),
        colour=True,
    ),
    "sharpen": _from(FILTERS["sharpen"], colour=True),
    "emboss": FilterDesign(
        "Emboss",
        "Light from the upper left: what rises towards it is bright.",
        ((-2.0, -1.0, 0.0), (-1.0, 1.0, 1.0), (0.0, 1.0, 2.0)),
        (1.0, 1.0, 1.0),
        colour=True,
    ),
    "laplace": _from(FILTERS["laplace"]),
    "identity": FilterDesign(
        "Nothing changes",
        "A one in the middle: begin here and change a number.",
        ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)),
        (1.0, 1.0, 1.0),
        colour=True,
    ),
}


def filtered(picture: NDArray[np.uint8], design: FilterDesign) -> NDArray[np.float64]:
    """Return the result (1, H, W) or (3, H, W) for a picture (3, H, W) of 0 … 255."""
    if not kernels.COMPILED:
        return _by_taps(picture, design)
    result: NDArray[np.float64] = filter_pictures(picture[None], design.weights(), design.biases())[
        0
    ]
    return result


def _by_taps(picture: NDArray[np.uint8], design: FilterDesign) -> NDArray[np.float64]:
    """Return the same without compiled kernels: the whole picture moved, once for each number.

    The readable loops would take a second, and the window would feel them.
    """
    height, width = picture.shape[1:]
    half = design.size // 2
    padded = np.pad(picture.astype(np.float64), ((0, 0), (half, half), (half, half)))
    planes = np.zeros((3, height, width))
    for row in range(design.size):
        for column in range(design.size):
            moved = padded[:, row : row + height, column : column + width]
            planes += design.kernel[row][column] * moved
    planes *= np.array(design.channels)[:, None, None]
    return (planes if design.colour else planes.sum(axis=0)[None]) + design.bias


def to_pixels(result: NDArray[np.float64], *, stretch: bool) -> NDArray[np.uint8]:
    """Return a result as pixels: what is below 0 or above 255 cut off, or all of it stretched."""
    if stretch:
        return as_pixels(result)
    return np.rint(np.clip(result, 0, 255)).astype(np.uint8)


def short(value: float) -> str:
    """Write a sum of pixels with as many digits as matter."""
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace("-", "−", 1) if value < 0 else text


@dataclass(frozen=True)
class Place:
    """How one value of the result came about.

    Attributes
    ----------
    sums : tuple of float
        Σ kernel · pixels under the window, of red, green and blue.
    values : tuple of float
        Of the result: one, or three in colour.
    pixels : ndarray, shape (3, size, size)
        What is under the window; black beyond the rim.
    """

    sums: tuple[float, float, float]
    values: tuple[float, ...]
    pixels: NDArray[np.float64] = field(repr=False, compare=False)

    def sentence(self, design: FilterDesign) -> str:
        """Write the sum out."""
        bias = f" {'+' if design.bias >= 0 else '−'} {abs(design.bias):g}" if design.bias else ""
        if design.colour:
            parts = [
                f"{name} {weight:g} × {short(total)}{bias} = {short(value)}"
                for name, weight, total, value in zip(
                    "RGB", design.channels, self.sums, self.values, strict=True
                )
            ]
            return "     ".join(parts)
        parts = [
            f"{weight:g} × {short(total)}"
            for weight, total in zip(design.channels, self.sums, strict=True)
            if weight
        ]
        return f"{' + '.join(parts) or '0'}{bias} = {short(self.values[0])}"


def explain_place(picture: NDArray[Any], design: FilterDesign, row: int, column: int) -> Place:
    """Return how the value at a place of the result came about."""
    half = design.size // 2
    padded = np.pad(picture.astype(np.float64), ((0, 0), (half, half), (half, half)))
    window = padded[:, row : row + design.size, column : column + design.size]
    red, green, blue = (float(one) for one in (window * np.array(design.kernel)).sum(axis=(1, 2)))
    shares = np.array(design.channels) * (red, green, blue)
    values = shares + design.bias if design.colour else np.array([shares.sum() + design.bias])
    return Place((red, green, blue), tuple(float(one) for one in values), window)
