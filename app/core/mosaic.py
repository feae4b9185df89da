"""Many small tiles as one array: the same picture for the screen, a PNG, an SVG and the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mosaic", "Scale", "fitting", "interleaved", "mosaic"]

Scale = Literal["own", "common", "diverging", "unit"]

# Blue – white – red through equal lightness steps; told apart by every kind of colour vision.
_BLUE, _WHITE, _RED = (33, 102, 172), (247, 247, 247), (178, 24, 43)


@dataclass(frozen=True)
class Mosaic:
    """Tiles side by side with a gap around each.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (H, W) or (H, W, 3), C-contiguous
    count : int
        Number of tiles; the last row may have fewer than `columns`.
    columns : int
    tile_shape : tuple of int
        Height and width of a tile.
    gap : int
        Pixels between tiles and around all of them.
    """

    pixels: NDArray[np.uint8]
    count: int
    columns: int
    tile_shape: tuple[int, int]
    gap: int

    def tile_at(self, x: int, y: int) -> int | None:
        """Return the index of the tile that covers pixel (x, y), or None on a gap."""
        height, width = self.tile_shape
        column, left = divmod(x - self.gap, width + self.gap)
        row, top = divmod(y - self.gap, height + self.gap)
        if left >= width or top >= height or not 0 <= column < self.columns or row < 0:
            return None
        index = row * self.columns + column
        return index if index < self.count else None

    def rectangle(self, index: int) -> tuple[int, int, int, int]:
        """Return x, y, width and height of tile `index`, in pixels."""
        height, width = self.tile_shape
        row, column = divmod(index, self.columns)
        x, y = column * (width + self.gap) + self.gap, row * (height + self.gap) + self.gap
        return x, y, width, height

    def zoomed(self, zoom: int) -> NDArray[np.uint8]:
        """Return the pixels with each repeated `zoom` times in both directions."""
        if zoom < 1:
            raise ValueError(f"zoom {zoom} is not a positive whole number")
        return np.ascontiguousarray(self.pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))


def _share(values: NDArray[Any], low: Any, high: Any) -> NDArray[np.float32]:
    """Map low … high to 0 … 1; where they are the same, to the middle."""
    span = np.asarray(high - low, np.float32)
    flat = ~(span > 0)
    safe = np.where(flat, np.float32(1), span)
    return np.where(flat, np.float32(0.5), (values - low) / safe)


def _diverging(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour shares (…, 1) of −1 … 1 as 0 … 255 levels (…, 3)."""
    negative = np.minimum(share, 0) * -1
    positive = np.maximum(share, 0)
    white, blue, red = (np.array(c, np.float32) for c in (_WHITE, _BLUE, _RED))
    levels: NDArray[np.float32] = white + negative * (blue - white) + positive * (red - white)
    return levels


def mosaic(
    tiles: NDArray[Any],
    *,
    columns: int | None = None,
    gap: int = 1,
    scale: Scale = "own",
    background: tuple[int, int, int] = (255, 255, 255),
) -> Mosaic:
    """Arrange tiles in rows, in their order.

    Parameters
    ----------
    tiles : ndarray, shape (n, h, w), (n, 1, h, w) or (n, 3, h, w)
        Values of any kind; those that are not finite are drawn as the middle.
    columns : int, optional
        Tiles in a row; about as many as rows by default.
    gap : int
        Pixels between tiles and around all of them.
    scale : {"own", "common", "diverging", "unit"}
        What becomes black and white: each tile's own least and greatest value (jointly over
        its channels, so that an RGB filter keeps its hue), those of all tiles, zero in the
        middle with the greatest magnitude at both ends (grey tiles in blue and red), or 0 and 1.
    background : tuple of int
        Colour of the gaps.

    Returns
    -------
    Mosaic
        Grey (H, W) when tiles and background are grey, else RGB (H, W, 3).

    Raises
    ------
    ValueError
        The shape is none of those above, or there is no tile.
    """
    with np.errstate(over="ignore"):
        # A float64 that float32 cannot hold becomes an infinity, which is dealt with below.
        values = np.asarray(tiles, np.float32)
    if values.ndim == 3:
        values = values[:, None]
    if values.ndim != 4 or values.shape[1] not in (1, 3) or 0 in values.shape:
        raise ValueError(f"tiles of shape {np.shape(tiles)} cannot be arranged")
    count, channels, height, width = values.shape
    finite = np.isfinite(values)
    broken = None if finite.all() else ~finite
    if broken is not None:
        values = np.where(broken, np.float32(0), values)
    stacked = values.transpose(0, 2, 3, 1)
    known = np.ones_like(stacked, bool) if broken is None else ~broken.transpose(0, 2, 3, 1)
    # Whole numbers near the float32 limit overflow in a difference: halve first.
    if scale == "diverging":
        reach = np.abs(stacked).max()
        share = stacked / (reach if reach > 0 else np.float32(1))
        levels = _diverging(share) if channels == 1 else (share + 1) * 127.5
    else:
        most = np.float32(np.inf)
        with np.errstate(over="ignore", invalid="ignore"):
            if scale == "own":
                low = np.where(known, stacked, most).min(axis=(1, 2, 3), keepdims=True)
                high = np.where(known, stacked, -most).max(axis=(1, 2, 3), keepdims=True)
                share = _share(stacked / 2, low / 2, high / 2)
            elif scale == "common":
                low = np.where(known, stacked, most).min()
                high = np.where(known, stacked, -most).max()
                share = _share(stacked / 2, low / 2, high / 2)
            else:
                share = stacked
            if broken is not None:
                share = np.where(known, share, np.float32(0.5))
        levels = np.clip(np.nan_to_num(share, nan=0.5), 0, 1) * 255
    drawn = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)

    columns = max(1, min(count, columns or math.ceil(math.sqrt(count))))
    rows = -(-count // columns)
    grey = drawn.shape[-1] == 1 and len(set(background)) == 1
    depth = 1 if grey else 3
    canvas = np.empty((rows * (height + gap) + gap, columns * (width + gap) + gap, depth), np.uint8)
    canvas[:] = background[:depth]
    # All tiles at once: the inside of the canvas seen as (rows, h + gap, columns, w + gap).
    padded = np.broadcast_to(
        np.array(background[:depth], np.uint8), (rows * columns, height, width, depth)
    ).copy()
    padded[:count] = drawn
    inside = canvas[gap:, gap:].reshape(rows, height + gap, columns, width + gap, depth)
    inside[:, :height, :, :width] = padded.reshape(rows, columns, height, width, depth).transpose(
        0, 2, 1, 3, 4
    )
    if not np.shares_memory(inside, canvas):
        canvas[gap:, gap:] = inside.reshape(canvas[gap:, gap:].shape)
    pixels = canvas[:, :, 0] if grey else canvas
    return Mosaic(np.ascontiguousarray(pixels), count, columns, (height, width), gap)


def fitting(
    tile_shape: tuple[int, int], count: int, room: tuple[float, float], bands: int = 1
) -> tuple[int, int]:
    """Return how many columns of tiles, and how many of them, fill a room best.

    A single band has all its tiles; of several, as many whole rows as fit well.

    Parameters
    ----------
    tile_shape : tuple of int
        Height and width of a tile, in pixels; the gap between two is one.
    count : int
        Tiles of a band.
    room : tuple of float
        Height and width, in pixels.
    bands : int
        Of several, tile i of each stands below tile i of the first.

    Returns
    -------
    columns, shown : int
    """
    height, width = tile_shape
    columns = np.arange(1, count + 1)
    shown = np.full(count, count)
    if bands > 1:
        pairs = [(c, c * b) for c in range(1, count + 1) for b in range(1, count // c + 1)]
        columns, shown = np.array([pair for pair in pairs if pair[1] >= min(8, count)]).T
    rows = -(-shown // columns) * bands
    zoom = np.minimum(room[1] / (columns * (width + 1) + 1), room[0] / (rows * (height + 1) + 1))
    whole = np.where(zoom >= 1, np.floor(zoom), zoom)
    # The most picture; among equals the fewest empty cells, then the roomiest.
    area = shown * bands * np.square(whole)
    empty = -(-shown // columns) * columns - shown
    best = np.lexsort((-zoom, empty, -area))[0]
    return int(columns[best]), int(shown[best])


def interleaved(bands: NDArray[Any], columns: int) -> NDArray[Any]:
    """Return bands (b, n, …) of tiles as one (b · n, …), row by row in turn.

    Where there are several, `n` has to be a multiple of `columns`.
    """
    if len(bands) == 1:
        first: NDArray[Any] = bands[0]
        return first
    shape = bands.shape[2:]
    blocks = bands.reshape(len(bands), -1, columns, *shape)
    return blocks.swapaxes(0, 1).reshape(-1, *shape)
