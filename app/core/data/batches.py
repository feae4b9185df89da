"""Which rows an epoch visits, and in what order: a pure function of seed and epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EpochOrder", "Share"]

# For data that is mapped from disk: rows that are read together, and blocks that are mixed.
BLOCK_ROWS = 1024
GROUP_BLOCKS = 32


class EpochOrder:
    """The order of visiting.

    Parameters
    ----------
    count : int
        Number of rows.
    seed : int
        Same seed, same orders.
    large : bool
        Rows are mapped from disk: visit blocks of neighbours in random order, and mix rows only
        within some blocks, so that memory is touched piece by piece. Otherwise all rows are
        mixed.
    """

    def __init__(self, count: int, seed: int, *, large: bool = False) -> None:
        self.count, self.seed, self.large = count, seed, large

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return all rows, each once, in the order of epoch number `epoch` (from 0)."""
        rng = np.random.default_rng([self.seed, 2, epoch])
        if not self.large:
            return rng.permutation(self.count)
        order = np.empty(self.count, np.int64)
        blocks = rng.permutation(-(-self.count // BLOCK_ROWS))
        at = 0
        for first in range(0, len(blocks), GROUP_BLOCKS):
            starts = blocks[first : first + GROUP_BLOCKS] * BLOCK_ROWS
            rows = (starts[:, None] + np.arange(BLOCK_ROWS)).ravel()
            rows = rows[rows < self.count]
            rng.shuffle(rows)
            order[at : at + len(rows)] = rows
            at += len(rows)
        return order


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several processes takes of some rows: ``start`` … ``stop`` of ``whole``.

    Shares follow each other and differ by at most one row; one may be empty.
    """

    start: int
    stop: int
    whole: int

    @classmethod
    def of(cls, rank: int, size: int, whole: int) -> Share:
        """Return the share of process `rank` of `size`."""
        return cls(whole * rank // size, whole * (rank + 1) // size, whole)

    @property
    def rows(self) -> slice:
        """The rows, to index with."""
        return slice(self.start, self.stop)

    @property
    def weight(self) -> float:
        """How much a mean over this share counts in the mean over all rows."""
        return (self.stop - self.start) / self.whole
