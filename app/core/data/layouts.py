"""What the axes of an array of patches mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "batch_axis", "image_shape", "possible_layouts", "to_nchw"]

# N patches, C channels, H rows, W columns; D numbers of a patch row by row, d column by column.
# MATLAB stores its first axis innermost, so that all axes of its files are read reversed: what
# was H×W×C×N there is NCWH here.
LAYOUTS = ("NCHW", "NHWC", "NHW", "ND", "DN", "NCWH", "CWHN", "WHCN", "NWH", "WHN", "Nd", "dN")
MATLAB = ("NCWH", "CWHN", "WHCN", "NWH", "WHN", "Nd", "dN")

SMALLEST, LARGEST = 2, 512


def batch_axis(layout: str) -> int:
    """Return which axis counts the patches."""
    return layout.index("N")


def image_shape(layout: str, shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Return (C, H, W) of a patch, or None where `shape` cannot have that layout."""
    if len(layout) != len(shape):
        return None
    size = dict(zip(layout.upper(), shape, strict=True))
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


def possible_layouts(shape: Sequence[int], *, matlab: bool = False) -> tuple[str, ...]:
    """Return the layouts that `shape` may have, the likeliest first.

    Parameters
    ----------
    shape : sequence of int
    matlab : bool
        Whether MATLAB wrote the file: its orders are the likelier ones then.
    """
    found = [layout for layout in LAYOUTS if image_shape(layout, shape) is not None]

    def unlikely(layout: str) -> tuple[bool, bool, bool, int]:
        fitted = image_shape(layout, shape)
        assert fitted is not None
        count = shape[batch_axis(layout)]
        square = fitted[1] == fitted[2]
        # There are many patches and they are small; square ones are likelier.
        foreign = matlab and layout not in MATLAB
        return not square, count < max(fitted[1:]), foreign, LAYOUTS.index(layout)

    return tuple(sorted(found, key=unlikely))


def to_nchw(block: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return a block with its axes in the order N, C, H, W; rows of D are channel after channel."""
    if "D" in layout.upper():
        rows = block if layout[0] == "N" else block.T
        shape = image_shape("ND", rows.shape)
        assert shape is not None
        channels, height, width = shape
        block = rows.reshape(-1, channels, height, width)
        layout = "NCHW" if "D" in layout else "NCWH"
    elif "C" not in layout:
        block, layout = block[None], f"C{layout}"
    return np.ascontiguousarray(block.transpose([layout.index(axis) for axis in "NCHW"]))
