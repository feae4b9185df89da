"""Filters of two networks are paired: against all permutations, and against what was planted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.compare.matching import ALIKE, WEAK, correlations, grade_of, match_units
from app.core.errors import UsageError


def filters(count, size=40, seed=0):
    return np.random.default_rng(seed).standard_normal((size, count))


def best_by_trying(likeness):
    """Return the greatest sum of one-to-one pairs, over all ways to choose them."""
    if likeness.shape[0] > likeness.shape[1]:
        likeness = likeness.T
    rows = range(likeness.shape[0])
    ways = itertools.permutations(range(likeness.shape[1]), likeness.shape[0])
    return max(sum(likeness[row, way[row]] for row in rows) for way in ways)


def test_correlations_are_pearsons():
    a, b = filters(3), filters(4, seed=1)
    expected = np.corrcoef(a.T, b.T)[:3, 3:]
    np.testing.assert_allclose(correlations(a, b), expected, atol=1e-12)


def test_a_flat_filter_is_like_none():
    a = np.stack([np.full(9, 1e6), np.zeros(9), 5 + np.arange(9) * 1e-9, np.arange(9.0)], axis=1)
    table = correlations(a, np.arange(9.0)[:, None])
    np.testing.assert_allclose(table[:, 0], [0, 0, 0, 1], atol=1e-12)
    a[0, 3] = np.nan
    assert np.isfinite(correlations(a, a)).all()


def test_size_and_offset_of_a_filter_do_not_count():
    a = filters(5).astype(np.float32)
    found = match_units(a, a * np.float32(1e-20) + 3)
    assert found.stability < 1  # the offset has swallowed it: it is flat
    found = match_units(a, 1e-3 * a + 3)
    np.testing.assert_array_equal(found.first, found.second)
    assert found.stability == pytest.approx(1, abs=1e-5)


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.integers(3, 9),
)
def test_no_other_pairs_are_more_alike(first, second, seed, sign_matters, size):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((size, first)), rng.standard_normal((size, second))
    found = match_units(a, b, sign_matters=sign_matters)
    table = np.corrcoef(a.T, b.T)[:first, first:]
    expected = best_by_trying(table if sign_matters else np.abs(table))
    assert found.likeness.sum() == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(found.correlation, table[found.first, found.second], atol=1e-9)
    assert (np.diff(found.likeness) <= 1e-12).all()
    # Each unit once.
    assert sorted([*found.first, *found.only_first]) == list(range(first))
    assert sorted([*found.second, *found.only_second]) == list(range(second))
    assert len(found.first) == min(first, second)


def test_a_planted_order_is_found_through_signs_and_noise():
    rng = np.random.default_rng(3)
    a = filters(64, 256)
    order = rng.permutation(64)
    signs = rng.choice([-1.0, 1.0], 64)
    b = a[:, order] * signs + 0.2 * rng.standard_normal(a.shape)
    found = match_units(a, b)
    np.testing.assert_array_equal(order[found.second], found.first)
    np.testing.assert_array_equal(np.sign(found.correlation), signs[found.second])
    # r = 1/√(1 + 0.2²) on the average.
    assert found.stability == pytest.approx(1 / np.sqrt(1.04), abs=0.01)
    assert found.share_alike() == 1
    assert found.share_alike(0.999) == 0


def test_where_its_sign_matters_a_negative_is_another_filter():
    a = filters(6)
    b = a.copy()
    b[:, 2] *= -1
    assert match_units(a, b).stability == pytest.approx(1)
    found = match_units(a, b, sign_matters=True)
    # The one has no partner like it; its place may be worth giving up another pair for.
    assert 4 / 6 <= found.share_alike() <= 5 / 6
    assert found.stability < 0.9


def test_units_of_a_larger_network_are_left_over():
    rng = np.random.default_rng(5)
    b = filters(9)
    chosen = rng.permutation(9)[:4]
    a = b[:, chosen]
    found = match_units(a, b)
    assert found.stability == pytest.approx(1)
    assert len(found.only_first) == 0
    np.testing.assert_array_equal(found.only_second, sorted(set(range(9)) - set(chosen)))
    # Each stands where its partner does, the others after them.
    np.testing.assert_array_equal(found.order_first(), range(4))
    np.testing.assert_array_equal(found.order_second(), [*chosen, *found.only_second])
    back = match_units(b, a)
    np.testing.assert_array_equal(back.order_first(), [*sorted(chosen), *back.only_first])
    np.testing.assert_allclose(b[:, back.order_first()[:4]], a[:, back.order_second()])


def test_chance_alone_is_far_from_one_and_not_at_zero():
    found = match_units(filters(64, 256), filters(64, 256, seed=1))
    assert 0.05 < found.stability < 0.25
    assert found.share_alike() == 0


def test_filters_of_other_patches_are_refused():
    with pytest.raises(UsageError, match="48 weights, the other 64"):
        match_units(filters(3, 48), filters(3, 64))


def test_each_unit_knows_its_twin_and_how_alike_they_are():
    rng = np.random.default_rng(3)
    first = rng.normal(size=(60, 3))
    second = np.stack([first[:, 2], first[:, 0] + rng.normal(size=60)], axis=1)
    found = match_units(first, second)
    unit, r = found.twin(2)
    assert (unit, r) == (0, pytest.approx(1))
    assert found.twin(0, of_second=True) == (2, pytest.approx(1))
    middle = np.corrcoef(first[:, 0], second[:, 1])[0, 1]
    assert found.twin(0) == (1, pytest.approx(middle))
    assert found.twin(1) is None
    assert found.grades() == {2: "alike", 0: "akin", 1: "alone"}
    assert found.grades(of_second=True) == {0: "alike", 1: "akin"}
    assert WEAK <= middle < ALIKE


@pytest.mark.parametrize(
    ("likeness", "grade"),
    [(1.0, "alike"), (ALIKE, "alike"), (0.89, "akin"), (WEAK, "akin"), (0.49, "chance"),
     (-0.9, "chance"), (None, "alone")],
)  # fmt: skip
def test_a_likeness_in_one_word(likeness, grade):
    assert grade_of(likeness) == grade
