"""Is this data fit to learn from: counted once, said in one line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.data.patches import RawPatches
from app.core.errors import Cancelled
from app.core.waiting import Cancel

__all__ = ["Health", "examine"]

BINS = 64


@dataclass(frozen=True)
class Health:
    """What was counted over all patches.

    Attributes
    ----------
    not_finite, constant, duplicates : int
        Patches with NaN or infinity; with one value only; equal to an earlier one.
    low, high : float
        Range of the finite values, as the file has them.
    histogram, bin_edges : ndarray
        (B,) counts over (B + 1,) edges, of about a million values spread over the file.
    notes : tuple of str
        What the reader had to say.
    """

    count: int
    not_finite: int
    constant: int
    duplicates: int
    low: float
    high: float
    histogram: NDArray[np.int64]
    bin_edges: NDArray[np.float64]
    outside: bool
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for people."""
        parts = []
        if self.not_finite:
            parts.append(f"{self.not_finite} with NaN or infinity are left out")
        if self.constant:
            parts.append(f"{self.constant} constant")
        if self.duplicates:
            parts.append(f"{self.duplicates} duplicates")
        if self.outside:
            parts.append("some values lie outside the range")
        state = ", ".join(parts) if parts else "no NaN, no constant patch, no duplicate"
        return "; ".join(
            [
                f"Values {self.low:.4g} … {self.high:.4g}; {state}",
                *(note.rstrip(".") for note in self.notes),
            ]
        )


def examine(raw: RawPatches, cancel: Cancel | None = None) -> Health:
    """Count what could spoil a training, in one pass over all patches.

    Duplicates are told by a 64-bit hash of a patch's bytes; of more than ten million patches
    only the first ten million are compared.
    """
    not_finite = constant = 0
    low, high = np.inf, -np.inf
    hashes: list[NDArray[np.uint64]] = []
    hashed = 0
    sample: list[NDArray[np.float64]] = []
    values = int(np.prod(raw.shape))
    every = max(1, raw.count * values // 1_000_000)
    for block in raw.blocks(cancel):
        for start in range(0, len(block), 4096):
            if cancel is not None and cancel():
                raise Cancelled("Given up.")
            rows = block[start : start + 4096].reshape(-1, values)
            finite = raw.usable(rows)
            good = rows if finite is None else rows[finite]
            not_finite += len(rows) - len(good)
            if hashed < 10_000_000:
                hashes.append(_hash(rows))
                hashed += len(rows)
            if not len(good):
                continue
            least, most = good.min(axis=1), good.max(axis=1)
            constant += int((least == most).sum())
            low, high = min(low, float(least.min())), max(high, float(most.max()))
            sample.append(good.ravel()[::every].astype(np.float64))
    known = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
    hashes.clear()
    known.sort()
    duplicates = int((known[1:] == known[:-1]).sum())
    if not np.isfinite(low):
        low = high = 0.0
    drawn = np.concatenate(sample) if sample else np.zeros(1)
    ends = (raw.low, raw.high) if raw.low <= low and high <= raw.high else (low, high)
    if ends[0] == ends[1]:
        ends = (ends[0] - 0.5, ends[1] + 0.5)
    histogram, edges = np.histogram(drawn, BINS, ends)
    outside = low < raw.low or high > raw.high
    return Health(
        raw.count, not_finite, constant, duplicates, low, high, histogram, edges, outside, raw.notes
    )


def _hash(rows: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of the bytes of each row, all rows at once."""
    data = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    spare = -data.shape[1] % 8
    if spare:
        data = np.pad(data, ((0, 0), (0, spare)))
    words = np.ascontiguousarray(data).view(np.uint64)
    # A multilinear hash with random odd multipliers: collisions of about one in 2^60 pairs.
    multipliers = np.random.default_rng(1).integers(1, 2**63, words.shape[1], dtype=np.uint64) | 1
    mixed = (words ^ (words >> np.uint64(29))) * multipliers
    mixed ^= mixed >> np.uint64(32)
    hashes: NDArray[np.uint64] = np.add.reduce(mixed, axis=1, dtype=np.uint64)
    return hashes
