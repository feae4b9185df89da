"""Patches before and after preprocessing, in memory or mapped from disk."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.core.specs import PreprocessSpec
from app.core.waiting import Cancel

__all__ = ["BlockSource", "FittedPreprocess", "Patches", "RawPatches", "Source"]


# A memory map above this size is visited in blocks, and its pages are let go now and then.
LARGE_BYTES = 256 << 20


@dataclass(frozen=True)
class Source:
    """Where rows came from and how they were read; enough to find and check them again.

    `shape` is (C, H, W); `sha256` is of the file (or of the photographs' bytes, in order).
    """

    path: str
    dataset: str
    layout: str
    value_range: str
    count: int
    shape: tuple[int, int, int]
    dtype: str
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


class BlockSource(Protocol):
    """Something that yields raw patches in order, again and again."""

    def blocks(self, cancel: Cancel | None = None) -> Iterator[NDArray[Any]]:
        """Yield (n, C, H, W) blocks in the file's own type, or float32 for numbers of eight bytes."""


@dataclass(frozen=True)
class RawPatches:
    """Patches as the file has them, axes put in order.

    Attributes
    ----------
    low, high : float
        Values that become 0 and 1.
    preview_rows : ndarray of int64
        Rows that `take` can give at once, increasing.
    file_transform : ndarray or None
        The file's own whitening matrix ``xForm`` (P, P), float64.
    notes : tuple of str
        What a person should know of how it was read, such as photographs left out.
    """

    source: Source
    low: float
    high: float
    data: NDArray[Any] | None = field(repr=False)
    stream: BlockSource | None = field(repr=False)
    preview_rows: NDArray[np.int64] = field(repr=False)
    preview: NDArray[Any] = field(repr=False)
    file_transform: NDArray[np.float64] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of patches."""
        return self.source.count

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a patch."""
        return self.source.shape

    def blocks(self, cancel: Cancel | None = None) -> Iterator[NDArray[Any]]:
        """Yield all patches in order, (n, C, H, W) blocks of at most 64 MiB in the file's type."""
        if self.data is None:
            assert self.stream is not None
            yield from self.stream.blocks(cancel)
            return
        rows = max(1, (8 << 20) // max(1, self.data[:1].nbytes))
        for start in range(0, len(self.data), rows):
            yield self.data[start : start + rows]

    def to_unit(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Return a block as float32 with `low` … `high` mapped to 0 … 1."""
        with np.errstate(over="ignore"):
            values = block.astype(np.float32)
        values -= np.float32(self.low)
        values /= np.float32(self.high - self.low)
        return values

    def usable(self, rows: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return which rows (n, P) have only values that are finite as float32; None means all."""
        if rows.dtype.kind != "f":
            return None
        with np.errstate(over="ignore"):
            good = np.isfinite(rows.astype(np.float32, copy=False)).all(axis=1)
        return None if good.all() else np.asarray(good, np.bool_)

    def spread(self, count: int) -> NDArray[np.int64]:
        """Return up to `count` rows that `take` can give, spread over the file, of usable patches."""
        rows = self.preview_rows
        good = self.usable(self.preview.reshape(len(rows), -1))
        if good is not None and good.any():
            rows = rows[good]
        return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return patches (n, C, H, W) in 0 … 1; of a streamed file, the nearest known rows."""
        if self.data is not None:
            return self.to_unit(self.data[rows])
        near = np.searchsorted(self.preview_rows, rows).clip(0, len(self.preview_rows) - 1)
        return self.to_unit(self.preview[near])


@dataclass(frozen=True)
class FittedPreprocess:
    """A preprocessing with everything that was measured on the data; frozen.

    Attributes
    ----------
    deviation : float
        σ of all pixels after mean removal and whitening.
    bound : float
        ±bound becomes 0.1 … 0.9; 0 when nothing is scaled.
    mean, whitening, unwhitening : ndarray or None
        Mean row (D,), and the matrix (D, D) with its inverse, when whitened.
    dropped : int
        Patches left out because of values that are no finite numbers.
    """

    spec: PreprocessSpec
    image_shape: tuple[int, int, int]
    deviation: float
    bound: float
    mean: NDArray[np.float64] | None = field(default=None, repr=False)
    whitening: NDArray[np.float64] | None = field(default=None, repr=False)
    unwhitening: NDArray[np.float64] | None = field(default=None, repr=False)
    dropped: int = 0

    def to_pixels(self, columns: NDArray[Any]) -> NDArray[Any]:
        """Return filters (D, L) as they act on pixels: ZCA · W1 when whitened, else W1."""
        if self.whitening is None:
            return columns
        pixels: NDArray[Any] = (self.whitening @ columns).astype(columns.dtype)
        return pixels


@dataclass(frozen=True)
class Patches:
    """float32 rows ready for training.

    Attributes
    ----------
    x : ndarray, shape (N, D), float32
        Read-only, C-contiguous, in memory or a memory map.
    image_shape : tuple of int
        (C, H, W) of a row; their product is D.
    """

    x: NDArray[np.float32] = field(repr=False)
    image_shape: tuple[int, int, int]
    fitted: FittedPreprocess
    source: Source
    # Keeps the file of a memory map until nobody looks at it any more.
    keeper: Any = field(default=None, repr=False, compare=False)

    @property
    def large(self) -> bool:
        """Whether rows lie on disk and should be visited piece by piece."""
        return self._map is not None and self.x.nbytes > LARGE_BYTES

    @property
    def _map(self) -> mmap.mmap | None:
        base: Any = self.x
        while base is not None:
            if isinstance(base, mmap.mmap):
                return base
            base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
        return None

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Least and greatest value of all rows; measured once, block by block."""
        low, high = np.inf, -np.inf
        rows = max(1, (8 << 20) // max(1, self.x.shape[1]))
        for start in range(0, len(self.x), rows):
            block = self.x[start : start + rows]
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            self.release_pages()
        return low, high

    @property
    def fits_sigmoid(self) -> bool:
        """Whether all values lie in 0 … 1, where a sigmoid decoder can come near to them."""
        if self.fitted.spec.rescale:
            return True
        low, high = self.value_range
        return low >= 0.0 and high <= 1.0

    def split(self, held_out: int) -> tuple[Patches, Patches]:
        """Return the rows to train on, and the last `held_out` rows; both are views."""
        cut = len(self.x) - held_out
        if held_out < 0 or cut < 0:
            raise ValueError(f"{held_out} of {len(self.x)} patches cannot be held out")
        return self._part(self.x[:cut]), self._part(self.x[cut:])

    def _part(self, x: NDArray[np.float32]) -> Patches:
        return Patches(x, self.image_shape, self.fitted, self.source, self.keeper)

    def release_pages(self) -> None:
        """Let the pages of a large memory map go; they are read again when they are needed."""
        mapped = self._map
        if self.large and mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def images(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some rows as images (n, C, H, W)."""
        return self.x[rows].reshape(-1, *self.image_shape)
