"""The numeric gradient check: what it finds, and what it tells apart from faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import Cancelled, ShapeError
from app.core.kernels import reference
from app.core.nn.gradient_check import (
    check_gradient,
    check_layer,
    check_network,
    numeric_gradient,
    relative_error,
    relative_errors,
)


@given(
    a=st.floats(-1e6, 1e6), b=st.floats(-1e6, 1e6), tiny=st.floats(-1e-9, 1e-9),
)  # fmt: skip
def test_relative_error_is_that_of_the_exercise(a, b, tiny):
    assert relative_error([a], [b]) == abs(a - b) / max(1e-8, abs(a) + abs(b))
    # Below 1e-8 the difference itself counts, not its share.
    assert relative_error([tiny], [0.0]) == abs(tiny) / max(1e-8, abs(tiny))
    assert relative_errors([a, a], [a, b]).tolist() == [0.0, relative_error([a], [b])]


def test_relative_error_compares_like_with_like():
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        relative_error(np.zeros(2), np.zeros(3))
    assert np.isnan(relative_error([np.nan], [1.0]))


@given(seed=st.integers(0, 10**6), shape=st.sampled_from([(), (3,), (2, 3), (2, 1, 2)]))
@settings(max_examples=20, deadline=None)
def test_numeric_gradient_of_a_cubic_is_known(seed, shape):
    x = np.random.default_rng(seed).uniform(0.5, 2, shape)
    before = x.copy()
    gradient = numeric_gradient(lambda x: (x**3).sum(), x)
    assert np.abs(gradient - 3 * x**2).max() < 1e-8
    # What was moved is put back to the last bit.
    assert (x == before).all()
    dout = np.full(shape, 2.0)
    assert np.abs(numeric_gradient(lambda x: x**3, x, dout) - 6 * x**2).max() < 1e-8


def test_a_right_gradient_passes_and_the_worst_element_is_told():
    x = np.linspace(0.1, 2, 12).reshape(3, 4)
    check = check_gradient(lambda x: np.exp(x).sum(), x, np.exp(x), name="W1")
    assert check.passed
    assert check.faults == 0
    assert check.looked_at == 12
    assert check.errors[check.worst] == check.error == np.nanmax(check.errors)
    assert [one.h for one in check.tried] == [1e-3, 1e-4, 1e-5, 1e-6, 1e-7]
    assert check.tried[2].numeric == check.numeric[check.worst]
    assert check.sentence().startswith("W1: ")


@pytest.mark.parametrize("wrong", [1e-3, 1.0, np.nan, np.inf])
def test_one_wrong_element_is_found_and_stays_wrong_whatever_h_is(wrong):
    x = np.linspace(0.1, 2, 12).reshape(3, 4)
    analytic = np.exp(x)
    analytic[1, 2] += wrong
    check = check_gradient(lambda x: np.exp(x), x, analytic)
    assert not check.passed
    assert check.faults == 1
    assert check.worst == (1, 2)
    assert not check.kinks.any()
    assert not check.rounding.any()
    if np.isfinite(wrong):
        assert all(one.error > 1e-5 for one in check.tried)


@pytest.mark.parametrize("place", [0.0, 4e-7, -4e-7, 4e-6, -4e-6, 9e-6])
def test_a_kink_of_relu_within_h_is_no_fault(place):
    x = np.array([1.0, place, -1.0])
    check = check_gradient(lambda x: np.maximum(x, 0), x, (x > 0).astype(float))
    assert check.kinks.tolist() == [False, True, False]
    assert check.passed
    assert check.error < 1e-9


def test_at_a_kink_only_a_slope_that_is_there_is_excused():
    check = check_gradient(lambda x: np.maximum(x, 0), np.array([0.0]), np.array([1.5]))
    assert not check.kinks.any()
    assert check.faults == 1
    # Any slope between both is one of the function's there, as any subgradient.
    check = check_gradient(lambda x: np.maximum(x, 0), np.array([0.0]), np.array([0.7]))
    assert check.kinks.all()
    assert check.passed


def test_curvature_is_no_kink():
    x = np.array([0.3, 1.0])
    check = check_gradient(lambda x: 1e4 * x**2, x, 2e4 * x * 1.01)
    assert check.faults == 2
    assert not check.kinks.any()


@pytest.mark.parametrize("right", [True, False])
def test_several_kinks_within_h_that_hide_each_other_are_no_fault_and_hide_none(right):
    places = np.array([3e-6, -2e-6, 6e-6, -7e-6])
    heights = np.array([1.0, -2.0, 3.0, -4.0])

    def f(x):
        return (heights * np.maximum(x - places, 0)).sum()

    slope = float(heights[places < 0].sum())
    check = check_gradient(f, np.zeros(1), np.array([slope if right else slope + 3.5]))
    assert check.passed is right
    assert check.kinks.all() == right


def test_numbers_that_are_larger_than_h_can_move_are_moved_further():
    x = np.array([1e12, -1e13])
    assert check_gradient(lambda x: 3 * x, x, np.array([3.0, 3.0])).passed
    assert check_gradient(lambda x: 3 * x, x, np.array([3.0, 30.0])).faults == 1


def test_equal_values_in_a_pool_are_kinks():
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 3, 3] = 1
    pool = {"pool_height": 2, "pool_width": 2, "stride": 2}
    (check,) = check_layer(
        lambda x: reference.max_pool_forward(x, pool), reference.max_pool_backward, {"x": x}
    ).values()
    assert check.passed
    # The last window has one largest value and three that are nowhere near it.
    expected = np.ones((4, 4), bool)
    expected[2:, 2:] = False
    assert (check.kinks[0, 0] == expected).all()


def test_what_rounding_hides_is_told_apart():
    # A slope of 1e-9 beside a value of 1e6: no h shows it.
    x = np.array([1.0])
    check = check_gradient(lambda x: 1e6 + 1e-9 * x.sum(), x, np.array([2e-9]))
    assert check.rounding.tolist() == [True]
    assert check.passed


def test_a_function_that_gives_no_number_does_not_pass():
    check = check_gradient(lambda x: x * np.nan, np.ones(3), np.ones(3))
    assert check.faults == 3
    assert np.isnan(check.error)


def test_float32_is_checked_with_its_own_grain():
    x = np.linspace(0.5, 1, 5).astype(np.float32)
    check = check_gradient(lambda x: x * x, x, 2 * x, h=1e-2, bound=1e-3)
    assert check.passed
    assert check.error < 1e-3
    assert not check_gradient(lambda x: x * x, x, 2.2 * x, h=1e-2, bound=1e-3).passed


def test_a_sample_looks_at_some_elements_only():
    x = np.ones((40, 40))
    check = check_gradient(
        lambda x: (x * x).sum(), x, 2 * x, sample=25, rng=np.random.default_rng(1)
    )
    assert check.looked_at == 25
    assert np.isnan(check.errors).sum() == 1600 - 25
    assert check.passed
    assert not np.isnan(check.errors[check.worst])


def test_progress_is_told_and_it_can_be_given_up():
    seen = []

    def between(done, whole):
        seen.append((done, whole))
        if done == 3:
            raise Cancelled("enough")

    x = np.ones(10)
    with pytest.raises(Cancelled):
        check_gradient(lambda x: x, x, x, between=between)
    assert seen == [(0, 10), (1, 10), (2, 10), (3, 10)]
    assert (x == 1).all()


def test_an_exception_in_the_function_leaves_the_array_as_it_was():
    x = np.ones(3)
    calls = []

    def f(x):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("no")
        return x

    with pytest.raises(RuntimeError):
        check_gradient(f, x, x)
    assert (x == 1).all()


def test_a_function_that_returns_its_own_array_is_no_trap():
    out = np.empty(3)

    def f(x):
        np.multiply(x, 3, out=out)
        return out

    assert check_gradient(f, np.arange(3.0), np.full(3, 3.0)).passed


def test_what_does_not_belong_together_is_refused():
    x = np.ones(3)
    with pytest.raises(ShapeError, match="gradient of w"):
        check_gradient(lambda x: x, x, np.ones(4), name="w")
    with pytest.raises(ShapeError, match="dout"):
        check_gradient(lambda x: x, x, x, np.ones(2))
    with pytest.raises(ShapeError, match="floating point"):
        check_gradient(lambda x: x, np.arange(3), x)
    with pytest.raises(ShapeError, match="empty"):
        check_gradient(lambda x: x, np.ones(0), np.ones(0))


def test_a_network_is_checked_parameter_by_parameter():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 4)), np.array([0, 1, 2, 0, 1])
    weights = {"W1": rng.standard_normal((4, 6)), "b1": rng.standard_normal(6),
               "W2": rng.standard_normal((6, 3)), "b2": rng.standard_normal(3)}  # fmt: skip

    def run():
        h, first = reference.affine_relu_forward(x, weights["W1"], weights["b1"])
        scores, second = reference.affine_forward(h, weights["W2"], weights["b2"])
        return *reference.softmax_loss(scores, y), first, second

    _, dscores, first, second = run()
    dh, dw2, db2 = reference.affine_backward(dscores, second)
    _, dw1, db1 = reference.affine_relu_backward(dh, first)
    gradients = {"W1": dw1, "b1": db1, "W2": dw2, "b2": db2}
    checks = check_network(lambda: run()[0], weights, gradients)
    assert list(checks) == ["W1", "b1", "W2", "b2"]
    assert all(check.passed for check in checks.values())
    # A backward pass that forgets the ReLU is found where it matters, and only there.
    _, dw1, db1 = reference.affine_backward(dh, first[0])
    checks = check_network(lambda: run()[0], weights, {**gradients, "W1": dw1, "b1": db1})
    assert [name for name, check in checks.items() if not check.passed] == ["W1", "b1"]
