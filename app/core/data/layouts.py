"""What the axes of an array of patches mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "batch_axis", "image_shape", "possible_layouts", "to_nchw"]

# N patches, C channels, H rows, W columns, D numbers in a row. The last three are how MATLAB,
# which stores its first axis innermost, is read from HDF5: everything reversed.
LAYOUTS = ("NCHW", "NHWC", "NHW", "ND", "WHCN", "WHN", "DN")

SMALLEST, LARGEST = 2, 512


def batch_axis(layout: str) -> int:
    """Return which axis counts the patches."""
    return layout.index("N")


def image_shape(layout: str, shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Return (C, H, W) of a patch, or None where `shape` cannot have that layout."""
    if len(layout) != len(shape):
        return None
    size = dict(zip(layout, shape, strict=True))
    if "D" in size:
        for channels in (1, 3):
            side = math.isqrt(size["D"] // channels)
            if side * side * channels == size["D"] and SMALLEST <= side <= LARGEST:
                return channels, side, side
        return None
    channels = size.get("C", 1)
    height, width = size["H"], size["W"]
    fits = SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST
    return (channels, height, width) if channels in (1, 3) and fits else None


def possible_layouts(shape: Sequence[int]) -> tuple[str, ...]:
    """Return the layouts that `shape` may have, the likeliest first."""
    found = [layout for layout in LAYOUTS if image_shape(layout, shape) is not None]

    def unlikely(layout: str) -> tuple[bool, bool, int]:
        fitted = image_shape(layout, shape)
        assert fitted is not None
        count = shape[batch_axis(layout)]
        square = fitted[1] == fitted[2]
        # There are many patches and they are small; square ones are likelier.
        return not square, count < max(fitted[1:]), LAYOUTS.index(layout)

    return tuple(sorted(found, key=unlikely))


def to_nchw(block: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return a block with its axes in the order N, C, H, W; rows of D are channel after channel."""
    if layout in ("ND", "DN"):
        rows = block if layout == "ND" else block.T
        shape = image_shape("ND", rows.shape)
        assert shape is not None
        if layout == "DN":
            # MATLAB also stores each image column by column.
            channels, height, width = shape
            return np.ascontiguousarray(
                rows.reshape(-1, channels, width, height).transpose(0, 1, 3, 2)
            )
        return np.ascontiguousarray(rows).reshape(-1, *shape)
    if layout in ("NHW", "WHN"):
        block = np.expand_dims(block, layout.index("N") + (1 if layout == "NHW" else 0))
        layout = "NCHW" if layout == "NHW" else "WHCN"
    return np.ascontiguousarray(block.transpose([layout.index(axis) for axis in "NCHW"]))
