"""The readable pools against torch and central differences; overlaps, ties, narrow pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import kernels
from app.core.errors import ShapeError
from app.core.kernels import reference
from app.core.nn.gradient_check import check_layer
from tests.core.kernels.layer_cases import close, pool_cases, torch

ENGINES = ["reference", "compiled"] if kernels.COMPILED else ["reference"]


def window(pool_param):
    return pool_param["pool_height"], pool_param["pool_width"]


@given(case=st.one_of(pool_cases(), pool_cases(ties=True)))
@settings(max_examples=60, deadline=None)
def test_max_pool_equals_torch_with_ties_and_overlaps(case):
    x, dout, pool_param = case
    t = torch()
    tx = t.from_numpy(x.copy()).requires_grad_()
    expected = t.nn.functional.max_pool2d(tx, window(pool_param), pool_param["stride"])
    expected.backward(t.from_numpy(dout))
    out, cache = reference.max_pool_forward(x, pool_param)
    assert close(out, expected, x.dtype)
    assert close(reference.max_pool_backward(dout, cache), tx.grad, x.dtype)


@given(case=pool_cases())
@settings(max_examples=40, deadline=None)
def test_average_pool_equals_torch(case):
    x, dout, pool_param = case
    t = torch()
    tx = t.from_numpy(x.copy()).requires_grad_()
    expected = t.nn.functional.avg_pool2d(tx, window(pool_param), pool_param["stride"])
    expected.backward(t.from_numpy(dout))
    out, cache = reference.avg_pool_forward(x, pool_param)
    assert close(out, expected, x.dtype)
    assert close(reference.avg_pool_backward(dout, cache), tx.grad, x.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_global_average_equals_torch(dtype):
    t = torch()
    rng = np.random.default_rng(3)
    x, dout = rng.standard_normal((3, 4, 5, 6)).astype(dtype), np.ones((3, 4), dtype)
    tx = t.from_numpy(x.copy()).requires_grad_()
    expected = t.nn.functional.adaptive_avg_pool2d(tx, 1).flatten(1)
    expected.backward(t.from_numpy(dout))
    out, cache = reference.global_avg_pool_forward(x)
    assert close(out, expected, dtype)
    assert close(reference.global_avg_pool_backward(dout, cache), tx.grad, dtype)


@given(case=pool_cases())
@settings(max_examples=8, deadline=None)
def test_gradients_agree_with_central_differences(case):
    x, dout, pool_param = case
    for name in ("max_pool", "avg_pool"):
        forward = getattr(reference, f"{name}_forward")
        (check,) = check_layer(
            lambda x, f=forward: f(x, pool_param),
            getattr(reference, f"{name}_backward"),
            {"x": x.astype(np.float64)},
            dout.astype(np.float64),
            sample=20,
        ).values()
        assert check.passed, check.sentence()


@pytest.mark.parametrize("engine", ENGINES)
def test_of_equal_values_the_first_by_rows_gets_the_slope(engine):
    layers = kernels.choose(engine)
    x = np.zeros((1, 1, 3, 4))
    x[0, 0, 1, 1] = x[0, 0, 0, 2] = 5
    out, cache = layers.max_pool_forward(x, {"pool_height": 3, "pool_width": 3, "stride": 1})
    dx = layers.max_pool_backward(np.array([[[[2.0, 3.0]]]]), cache)
    assert out.ravel().tolist() == [5, 5]
    # (0, 2) comes before (1, 1), and it won both windows.
    assert dx[0, 0, 0, 2] == 5
    assert np.count_nonzero(dx) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(2, 3, 1, 9), (2, 3, 9, 1), (1, 1, 1, 1)])
def test_pictures_of_one_row_or_column(engine, shape):
    layers = kernels.choose(engine)
    x = np.random.default_rng(1).standard_normal(shape)
    height, width = min(2, shape[2]), min(2, shape[3])
    pool_param = {"pool_height": height, "pool_width": width, "stride": 2}
    out, cache = layers.max_pool_forward(x, pool_param)
    dx = layers.max_pool_backward(np.ones_like(out), cache)
    assert dx.sum() == out.size
    assert (
        out
        == x[:, :, : out.shape[2] * 2, : out.shape[3] * 2]
        .reshape(*shape[:2], out.shape[2], height, out.shape[3], width)
        .max(axis=(3, 5))
    ).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(
    ("shape", "pool_param", "said"),
    [
        ((1, 1, 2, 4), {"pool_height": 3, "pool_width": 2, "stride": 1}, r"3×2 .* 2×4"),
        ((1, 1, 4, 4), {"pool_height": 2, "pool_width": 2, "stride": 0}, "stride is 0"),
        ((1, 1, 4, 4), {"pool_height": 0, "pool_width": 2, "stride": 1}, r"\(0, 2\)"),
        ((4, 4), {"pool_height": 2, "pool_width": 2, "stride": 1}, r"\(4, 4\)"),
    ],
)
def test_what_does_not_fit_is_said_with_its_numbers(engine, name, shape, pool_param, said):
    with pytest.raises(ShapeError, match=said):
        getattr(kernels.choose(engine), f"{name}_forward")(np.zeros(shape), pool_param)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slope_of_another_shape_is_refused(engine):
    layers = kernels.choose(engine)
    _, cache = layers.max_pool_forward(
        np.zeros((1, 1, 4, 4)), {"pool_height": 2, "pool_width": 2, "stride": 2}
    )
    with pytest.raises(ShapeError, match=r"\(1, 1, 2, 2\)"):
        layers.max_pool_backward(np.zeros((1, 1, 4, 4)), cache)
