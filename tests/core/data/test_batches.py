"""The order of visiting: every row once, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.data.batches import BLOCK_ROWS, GROUP_BLOCKS, EpochOrder

LARGE = 3 * BLOCK_ROWS * GROUP_BLOCKS + 77


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("count", [1, 2, 1023, 1025, LARGE])
def test_every_row_comes_once(count, large):
    order = EpochOrder(count, 5, large=large).epoch(0)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(count))


@pytest.mark.parametrize("large", [False, True])
def test_it_is_a_function_of_seed_and_epoch(large):
    orders = [
        EpochOrder(5000, seed, large=large).epoch(epoch) for seed in (1, 2) for epoch in (0, 1)
    ]
    again = [
        EpochOrder(5000, seed, large=large).epoch(epoch) for seed in (1, 2) for epoch in (0, 1)
    ]
    for one, two in zip(orders, again, strict=True):
        assert np.array_equal(one, two)
    assert len({order.tobytes() for order in orders}) == 4


def test_rows_on_disk_are_visited_some_blocks_at_a_time_and_mixed_within():
    order = EpochOrder(LARGE, 0, large=True).epoch(0)
    group = order[: GROUP_BLOCKS * BLOCK_ROWS]
    assert len(np.unique(group // BLOCK_ROWS)) <= GROUP_BLOCKS + 1
    # Neighbours in the order are seldom neighbours on disk, and not the file's first ones.
    assert (np.abs(np.diff(group)) == 1).mean() < 0.01
    assert len(np.unique(group[:128] // BLOCK_ROWS)) > 20
