"""Binning keeps extremes and means; the history keeps everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.curves import bin_curve
from app.core.events import Change, EpochEnded, ParamsChanged, Steps
from app.core.history import History


@given(st.integers(1, 400), st.integers(1, 60), st.booleans())
def test_bins_keep_extremes_and_the_mean(count, bins, log_x):
    rng = np.random.default_rng(count)
    x = np.cumsum(rng.uniform(0.1, 1, count))
    values = rng.standard_normal((count, 2))
    binned = bin_curve(x, values, bins, log_x=log_x)
    assert len(binned.x) <= max(bins, 1) or count <= bins
    assert binned.x[-1] == x[-1]
    np.testing.assert_array_equal(binned.low.min(axis=0), values.min(axis=0))
    np.testing.assert_array_equal(binned.high.max(axis=0), values.max(axis=0))
    if count > bins:
        ends = np.searchsorted(x, binned.x, side="right")
        starts = np.concatenate([[0], ends[:-1]])
        expected = [values[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)]
        np.testing.assert_allclose(binned.mean, expected, atol=1e-12)


def test_short_and_empty_curves_are_themselves():
    x, values = np.arange(1.0, 4), np.arange(6.0).reshape(3, 2)
    assert bin_curve(x, values, 10).mean is values
    assert len(bin_curve(np.empty(0), np.empty((0, 2)), 10).x) == 0


def test_the_history_grows_without_losing_a_step():
    history = History(("a", "b"))
    rng = np.random.default_rng(0)
    blocks = [rng.standard_normal((n, 2)) for n in (1, 300, 7, 2000)]
    first = 1
    for block in blocks:
        history.take(Steps("r", first, block, 10, 0.1))
        first += len(block)
    np.testing.assert_array_equal(history.steps, np.arange(1, 2309))
    np.testing.assert_array_equal(history.terms, np.concatenate(blocks))
    history.take(ParamsChanged("r", 5, (Change("rho", 0.1, 0.2),)))
    history.take(EpochEnded("r", 1, 80, np.zeros(2), 1.0))
    assert history.changes == [(5, Change("rho", 0.1, 0.2))]
    assert history.epoch_steps == [80]
    assert len(history) == 2308


@pytest.mark.parametrize("bins", [1, 2])
def test_values_that_are_no_numbers_do_not_break_a_bin(bins):
    binned = bin_curve(np.arange(1.0, 6), np.full((5, 1), np.nan), bins)
    assert len(binned.x) >= 1
