"""The running mean of curves against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.curves import smoothed, smoothed_both_ways


def by_definition(values: np.ndarray, width: float) -> np.ndarray:
    keep = 1 - 1 / max(width, 1.0)
    means = np.empty(len(values))
    for i in range(len(values)):
        weights = keep ** (i - np.arange(i + 1))
        known = np.isfinite(values[: i + 1])
        means[i] = (
            (weights[known] @ values[: i + 1][known]) / weights[known].sum()
            if known.any()
            else np.nan
        )
    return means


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 501])
@pytest.mark.parametrize("width", [1.0, 2.0, 17.0, 400.0])
def test_a_smooth_curve_is_the_corrected_exponential_mean(count: int, width: float) -> None:
    values = np.random.default_rng(count).normal(size=count)
    np.testing.assert_allclose(smoothed(values, width), by_definition(values, width), rtol=1e-10)


def test_missing_values_are_left_out_and_columns_kept_apart() -> None:
    values = np.random.default_rng(1).normal(size=(40, 2))
    values[[0, 1, 7], 0] = np.nan
    values[20, 1] = np.inf
    found = smoothed(values, 5)
    assert np.isnan(found[:2, 0]).all()
    for column in range(2):
        expected = by_definition(
            np.where(np.isfinite(values[:, column]), values[:, column], np.nan), 5
        )
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-10)


def test_nothing_is_smoothed_to_nothing() -> None:
    assert smoothed(np.empty((0, 3)), 10).shape == (0, 3)


def lines_by_definition(weights: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return what the line of least squares says at each place, of the weights (N, K) there."""
    known = np.isfinite(values)
    found = []
    for place, row in zip(places, weights, strict=True):
        if known.sum() == 1:
            found.append(values[known][0])
            continue
        line = np.polyfit(places[known], values[known], 1, w=np.sqrt(row[known]))
        found.append(np.clip(np.polyval(line, place), values[known].min(), values[known].max()))
    return np.array(found)


def both_ways_by_definition(values: np.ndarray, width: float) -> np.ndarray:
    places = np.arange(float(len(values)))
    return lines_by_definition((1 - 1 / width) ** np.abs(places[:, None] - places), places, values)


@pytest.mark.parametrize("count", [1, 2, 7, 60, 501])
def test_both_ways_the_nearest_count_most_and_there_is_no_direction(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    found = smoothed_both_ways(values, 9)
    np.testing.assert_allclose(found, both_ways_by_definition(values, 9), atol=1e-8)
    np.testing.assert_allclose(smoothed_both_ways(values[::-1], 9), found[::-1], atol=1e-8)
    np.testing.assert_array_equal(smoothed_both_ways(values, 1), values)


def test_both_ways_a_straight_line_stays_where_it_is() -> None:
    # A mean of the past lies behind it by the mean age of its points, a / (1 - a) = width - 1.
    line = np.arange(400.0)
    # Also at its ends: a curve that falls does not seem to have come to rest.
    np.testing.assert_allclose(smoothed_both_ways(line, 8), line, atol=1e-6)
    np.testing.assert_allclose(smoothed(line, 8)[150:250], line[150:250] - 7, atol=1e-6)


def test_both_ways_missing_values_are_left_out() -> None:
    values = np.array([np.nan, np.nan, 3.0, 5.0, np.nan, 1.0])
    np.testing.assert_allclose(smoothed_both_ways(values, 4), both_ways_by_definition(values, 4))
    assert np.isnan(smoothed_both_ways(np.full(3, np.nan), 4)).all()
    assert smoothed_both_ways(np.empty((0, 2)), 4).shape == (0, 2)


def test_both_ways_points_that_stand_apart_keep_their_own() -> None:
    rng = np.random.default_rng(4)
    values, places = rng.normal(size=80), np.log10(np.arange(1.0, 81))
    unit = np.diff(places).mean()
    weights = (1 - 1 / 5) ** (np.abs(places[:, None] - places) / unit)
    expected = lines_by_definition(weights, places, values)
    np.testing.assert_allclose(smoothed_both_ways(values, 5, places), expected, atol=1e-8)
    # A steep beginning is no beginning at the mean of what comes later.
    steep = np.array([20.0, *np.ones(79)])
    found = smoothed_both_ways(steep, 5, places)
    assert found[0] > 15
    assert smoothed_both_ways(steep, 5)[0] < 10
