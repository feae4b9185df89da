"""The errors of a gradient check as a picture: one cell an element, on a logarithmic scale."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from app.core.nn.gradient_check import GradientCheck

__all__ = [
    "Arrangement",
    "GatheredCheck",
    "Kind",
    "arrange",
    "errors_csv",
    "gathered",
    "kinds",
    "place_of",
    "shares",
]

# Errors at or below this are drawn as none: float64 has no more to give.
LEAST_ERROR = 1e-14


class Kind(IntEnum):
    """What is said of an element."""

    FINE = 0
    FAULT = 1
    KINK = 2
    ROUNDING = 3
    UNSEEN = 4


def kinds(check: GradientCheck) -> NDArray[np.uint8]:
    """Return the `Kind` of each element, of the gradient's shape."""
    found = np.where(~(check.errors <= check.bound), Kind.FAULT, Kind.FINE).astype(np.uint8)
    found[check.rounding] = Kind.ROUNDING
    found[check.kinks] = Kind.KINK
    found[~check.looked] = Kind.UNSEEN
    return found


def shares(errors: NDArray[np.float64], bound: float) -> NDArray[np.float32]:
    """Map errors to 0 (none to speak of) … 1 (at the bound or above), decade by decade."""
    low = np.log10(LEAST_ERROR)
    span = max(np.log10(max(bound, LEAST_ERROR * 10)) - low, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(np.maximum(errors, LEAST_ERROR))
    share = np.nan_to_num((logs - low) / span, nan=1.0, posinf=1.0)
    clipped: NDArray[np.float32] = np.clip(share, 0, 1).astype(np.float32)
    return clipped


@dataclass(frozen=True)
class GatheredCheck(GradientCheck):
    """The elements of a large array that were looked at, in a row.

    Attributes
    ----------
    places : ndarray of int, shape (n, axes)
        Where each of them is in the array.
    whole : tuple of int
        Shape of the array.
    """

    places: NDArray[np.int64]
    whole: tuple[int, ...]


def gathered(check: GradientCheck) -> GatheredCheck:
    """Return only the elements that were looked at."""
    seen = check.looked
    places = np.argwhere(seen).astype(np.int64)
    worst = [place for place, index in enumerate(places) if tuple(index) == check.worst]
    return GatheredCheck(
        name=check.name,
        analytic=check.analytic[seen],
        numeric=check.numeric[seen],
        errors=check.errors[seen],
        looked=check.looked[seen],
        kinks=check.kinks[seen],
        rounding=check.rounding[seen],
        worst=(worst[0],) if worst else (),
        tried=check.tried,
        h=check.h,
        bound=check.bound,
        places=places,
        whole=check.errors.shape,
    )


def place_of(check: GradientCheck, index: tuple[int, ...]) -> tuple[int, ...]:
    """Return the place of an element in its array."""
    if isinstance(check, GatheredCheck):
        return tuple(int(one) for one in check.places[index[0]])
    return index


@dataclass(frozen=True)
class Arrangement:
    """Where the elements of a tensor lie in a picture: a tile for each of its leading places.

    Attributes
    ----------
    shape : tuple of int
        Of the tensor.
    tile : tuple of int
        Height and width of a tile in cells: the last two axes.
    columns : int
        Tiles side by side.
    gap : int
        Cells between tiles.
    turned : bool
        Whether the last two axes are exchanged, because the tile fits better that way.
    """

    shape: tuple[int, ...]
    tile: tuple[int, int]
    columns: int
    gap: int
    turned: bool

    @property
    def count(self) -> int:
        """Number of tiles."""
        return int(np.prod(self.shape)) // max(self.tile[0] * self.tile[1], 1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in cells."""
        rows = -(-self.count // self.columns)
        height, width = self.tile
        return (
            rows * (height + self.gap) - self.gap,
            self.columns * (width + self.gap) - self.gap,
        )

    def tiles(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the values as tiles (count, height, width)."""
        height, width = self.tile
        if self.turned:
            return np.swapaxes(values.reshape(-1, width, height), 1, 2)
        return values.reshape(-1, height, width)

    def picture(self, values: NDArray[np.generic], empty: float) -> NDArray[np.generic]:
        """Return the picture's cells (H, W), `empty` where there is no element."""
        found = np.full(self.size, empty, values.dtype)
        height, width = self.tile
        for place, tile in enumerate(self.tiles(values)):
            row, column = divmod(place, self.columns)
            top, left = row * (height + self.gap), column * (width + self.gap)
            found[top : top + height, left : left + width] = tile
        return found

    def cell(self, index: tuple[int, ...]) -> tuple[int, int]:
        """Return row and column of an element's cell."""
        flat = int(np.ravel_multi_index(index, self.shape)) if self.shape else 0
        height, width = self.tile
        place, inside = divmod(flat, height * width)
        row, column = divmod(place, self.columns)
        y, x = divmod(inside, height if self.turned else width)
        if self.turned:
            y, x = x, y
        return row * (height + self.gap) + y, column * (width + self.gap) + x

    def index(self, row: int, column: int) -> tuple[int, ...] | None:
        """Return the element whose cell that is, or None beside all of them."""
        height, width = self.tile
        down, y = divmod(row, height + self.gap)
        across, x = divmod(column, width + self.gap)
        place = down * self.columns + across
        outside = y >= height or x >= width or not 0 <= across < self.columns
        if outside or row < 0 or place >= self.count:
            return None
        inside = x * height + y if self.turned else y * width + x
        flat = place * height * width + inside
        return tuple(int(one) for one in np.unravel_index(flat, self.shape))


def arrange(shape: tuple[int, ...], width: float, height: float) -> Arrangement:
    """Return the arrangement whose cells are largest in a room of `width` × `height`.

    A vector is wrapped like text. Of a tensor (F, C, h, w), the C tiles of a filter stay in one
    row; there may be several filters in it.
    """
    if len(shape) < 2:
        total = int(np.prod(shape))
        choices = [Arrangement(shape, (1, 1), columns, 0, False) for columns in range(1, total + 1)]
    else:
        tile = (shape[-2], shape[-1])
        count = int(np.prod(shape[:-2]))
        group = shape[-3] if len(shape) > 2 else 1
        choices = [
            Arrangement(shape, (tile[::-1] if turned else tile), columns, 1, turned)
            for columns in range(group, count + 1, group)
            for turned in ((False, True) if count == 1 else (False,))
        ]

    def room(one: Arrangement) -> tuple[float, int]:
        rows, columns = one.size
        spare = -one.count % one.columns
        return min(width / columns, height / rows), -spare

    return max(choices, key=room)


def errors_csv(check: GradientCheck) -> bytes:
    """Return a row for each element: its place, both gradients, their error, what is said of it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    whole = check.whole if isinstance(check, GatheredCheck) else check.analytic.shape
    axes = [f"axis_{axis}" for axis in range(len(whole))]
    writer.writerow(["array", *axes, "analytic", "numeric", "error", "kind"])
    said = kinds(check)
    for index in np.ndindex(check.analytic.shape):
        numbers = (check.analytic[index], check.numeric[index], check.errors[index])
        kind = Kind(int(said[index])).name.lower()
        writer.writerow(
            [check.name, *place_of(check, index), *(repr(float(one)) for one in numbers), kind]
        )
    return out.getvalue().encode()
