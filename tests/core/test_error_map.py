"""Where an element's cell is, and that the way back is the same."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.error_map import Kind, arrange, errors_csv, gathered, kinds, place_of, shares
from app.core.nn.gradient_check import check_gradient

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@given(shape=shapes, width=st.integers(20, 900), height=st.integers(20, 900))
def test_every_element_has_a_cell_of_its_own_and_is_found_there(
    shape: tuple[int, ...], width: int, height: int
) -> None:
    arrangement = arrange(shape, width, height)
    values = np.arange(1, int(np.prod(shape)) + 1).reshape(shape)
    picture = arrangement.picture(values, 0)
    assert picture.shape == arrangement.size
    for index in np.ndindex(shape):
        row, column = arrangement.cell(index)
        assert picture[row, column] == values[index]
        assert arrangement.index(row, column) == index
    assert np.count_nonzero(picture) == values.size
    for row, column in np.argwhere(picture == 0):
        assert arrangement.index(int(row), int(column)) is None


def test_the_channels_of_a_filter_stay_in_one_row() -> None:
    for width, height in ((900, 100), (300, 300), (100, 900)):
        assert arrange((4, 3, 5, 5), width, height).columns % 3 == 0


def test_a_tall_matrix_lies_down_in_a_wide_room() -> None:
    assert arrange((200, 7), 800, 200).turned
    assert not arrange((200, 7), 200, 800).turned


def test_outside_of_the_picture_is_no_element() -> None:
    arrangement = arrange((2, 3, 4, 4), 500, 300)
    rows, columns = arrangement.size
    for place in ((-1, 0), (0, -1), (rows, 0), (0, columns)):
        assert arrangement.index(*place) is None


def test_shares_are_decades() -> None:
    errors = np.array([0.0, 1e-14, 1e-11, 1e-8, 1e-2, np.inf])
    assert shares(errors, 1e-8) == pytest.approx([0, 0, 0.5, 1, 1, 1])


def test_kinks_faults_and_what_was_not_looked_at_are_told_apart() -> None:
    x = np.array([1.0, 1e-7, -2.0, 3.0])
    analytic = np.array([1.0, 1.0, 0.0, 1.5])
    check = check_gradient(lambda a: np.maximum(a, 0), x, analytic, name="x", bound=1e-6)
    assert kinds(check).tolist() == [Kind.FINE, Kind.KINK, Kind.FINE, Kind.FAULT]
    some = check_gradient(lambda a: a * 2, x, np.full(4, 2.0), sample=1, bound=1e-6)
    assert sorted(kinds(some).tolist()) == [Kind.FINE] + [Kind.UNSEEN] * 3


def test_of_a_large_array_only_what_was_looked_at_is_kept_with_its_place() -> None:
    x = np.arange(1.0, 241.0).reshape(4, 5, 12)
    analytic = 2 * x
    analytic[1, 2, 3] = 1.0
    rng = np.random.default_rng(3)
    whole = check_gradient(lambda a: a * a, x, analytic, name="w", sample=200, rng=rng, bound=1e-6)
    few = gathered(whole)
    assert few.errors.shape == (200,)
    assert few.whole == (4, 5, 12)
    assert whole.worst == (1, 2, 3)
    assert place_of(few, few.worst) == (1, 2, 3)
    assert place_of(whole, (1, 2, 3)) == (1, 2, 3)
    assert (few.error, few.faults, few.looked_at) == (whole.error, 1, 200)
    for index in np.ndindex(few.errors.shape):
        assert few.numeric[index] == whole.numeric[place_of(few, index)]
    rows = list(csv.DictReader(errors_csv(few).decode().splitlines()))
    assert len(rows) == 200
    assert {"axis_0", "axis_1", "axis_2"} < rows[0].keys()


def test_the_table_has_a_row_for_each_element() -> None:
    x = np.arange(6.0).reshape(2, 3)
    check = check_gradient(lambda a: a * 2, x, np.full((2, 3), 2.0), name="x", bound=1e-6)
    rows = list(csv.DictReader(errors_csv(check).decode().splitlines()))
    assert len(rows) == 6
    assert rows[4] == {
        "array": "x",
        "axis_0": "1",
        "axis_1": "1",
        "analytic": "2.0",
        "numeric": repr(float(check.numeric[1, 1])),
        "error": repr(float(check.errors[1, 1])),
        "kind": "fine",
    }
