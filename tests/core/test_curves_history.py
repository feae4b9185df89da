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


def test_a_drag_is_one_move_and_every_change_is_kept():
    now = 0.0
    history = History(("a",), clock=lambda: now)
    for step, (name, old, new, seconds) in enumerate(
        [
            ("rho", 0.1, 0.2, 0.0),
            ("rho", 0.2, 0.3, 0.9),
            ("beta", 1.0, 2.0, 1.0),
            ("rho", 0.3, 0.4, 1.8),
            ("rho", 0.4, 0.5, 5.0),
            ("lam", 1.0, 2.0, 9.0),
            ("lam", 2.0, 1.0, 9.5),
        ],
        start=1,
    ):
        now = seconds
        history.take(ParamsChanged("run", step, (Change(name, old, new),)))
    assert len(history.changes) == 7
    assert history.moves() == [
        (4, Change("rho", 0.1, 0.4)),
        (3, Change("beta", 1.0, 2.0)),
        (5, Change("rho", 0.4, 0.5)),
    ]


def test_of_a_record_the_time_that_training_took_says_what_is_one_move():
    history = History(("a",))
    # Ten steps take a second.
    history.append(1, np.zeros((100, 1)), None, 10.0)
    history.changes += [
        (20, Change("rho", 0.1, 0.2)),
        (25, Change("rho", 0.2, 0.3)),
        (29, Change("rho", 0.3, 0.4)),
        (60, Change("rho", 0.4, 0.5)),
    ]
    assert history.moves() == [(29, Change("rho", 0.1, 0.4)), (60, Change("rho", 0.4, 0.5))]
    # A hand that goes on with a run begins a move of its own.
    history.take(ParamsChanged("run", 60, (Change("rho", 0.5, 0.6),)))
    assert len(history.moves()) == 3


def test_changes_without_a_time_are_each_a_move():
    history = History(("a",))
    history.changes += [(1, Change("rho", 0.1, 0.2)), (2, Change("rho", 0.2, 0.3))]
    assert history.moves() == history.changes


def test_the_newest_terms_are_a_mean_over_so_many_steps():
    history = History(("a", "b"))
    assert history.newest(3) is None
    history.append(1, np.array([[9.0, 9], [1, 2], [3, 4]]))
    np.testing.assert_array_equal(history.newest(2), [2, 3])
    np.testing.assert_array_equal(history.newest(100), history.terms.mean(axis=0))
