"""Normalizations against torch and central differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ShapeError, UsageError
from app.core.kernels import reference
from app.core.nn.gradient_check import check_layer
from tests.core.kernels.layer_cases import apart, dtypes, torch

# 1/σ is a difference of rounded numbers: a little coarser than a sum of products.
BOUNDS = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 2e-4}
seeds = st.integers(0, 2**32 - 1)


def arrays(seed, shape, width, dtype):
    rng = np.random.default_rng(seed)
    x, dout = 3 * rng.standard_normal(shape) + 1, rng.standard_normal(shape)
    gamma, beta = rng.standard_normal(width), rng.standard_normal(width)
    return [a.astype(dtype) for a in (x, gamma, beta, dout)]


def same(ours, expected, dtype, dout, cache):
    """Hold out, dx, dgamma and dbeta against torch's."""
    _, inverse, gamma, *_ = cache
    for name, one, other in zip(("out", "dx", "dgamma", "dbeta"), ours, expected, strict=True):
        assert one.dtype == dtype
        difference = np.abs(one - other.detach().numpy().reshape(one.shape)).max()
        size = max(np.abs(one).max(), np.abs(dout).max())
        if name == "dx":
            # Of a few values the slopes all but cancel; rounding is that of what they were.
            size = np.abs(gamma).max() * np.abs(dout).max() * inverse.max()
        assert difference <= BOUNDS[np.dtype(dtype)] * size, name


def torch_answer(x, gamma, beta, dout, function):
    t = torch()
    tensors = [t.from_numpy(a.copy()).requires_grad_() for a in (x, gamma, beta)]
    out = function(t.nn.functional, *tensors)
    out.backward(t.from_numpy(dout))
    return [out, *(tensor.grad for tensor in tensors)]


@given(seed=seeds, n=st.integers(2, 9), d=st.integers(1, 7), dtype=dtypes)
@settings(max_examples=30, deadline=None)
def test_batchnorm_in_training_equals_torch(seed, n, d, dtype):
    x, gamma, beta, dout = arrays(seed, (n, d), d, dtype)
    expected = torch_answer(
        x, gamma, beta, dout, lambda f, x, g, b: f.batch_norm(x, None, None, g, b, True)
    )
    out, cache = reference.batchnorm_forward(x, gamma, beta, {"mode": "train"})
    same([out, *reference.batchnorm_backward(dout, cache)], expected, dtype, dout, cache)


@given(seed=seeds, n=st.integers(1, 9), d=st.integers(1, 7), dtype=dtypes)
@settings(max_examples=20, deadline=None)
def test_batchnorm_in_the_test_equals_torch(seed, n, d, dtype):
    x, gamma, beta, dout = arrays(seed, (n, d), d, dtype)
    mean, var = x.mean(axis=0) + dtype(0.5), np.abs(gamma) + dtype(0.5)
    t = torch()
    expected = torch_answer(
        x, gamma, beta, dout,
        lambda f, x, g, b: f.batch_norm(x, t.from_numpy(mean), t.from_numpy(var), g, b, False),
    )  # fmt: skip
    bn_param = {"mode": "test", "running_mean": mean, "running_var": var}
    out, cache = reference.batchnorm_forward(x, gamma, beta, bn_param)
    same([out, *reference.batchnorm_backward(dout, cache)], expected, dtype, dout, cache)
    assert bn_param["running_mean"] is mean
    assert bn_param["running_var"] is var


@given(
    seed=seeds,
    shape=st.tuples(st.integers(2, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    dtype=dtypes,
)
@settings(max_examples=30, deadline=None)
def test_spatial_batchnorm_equals_torch(seed, shape, dtype):
    x, gamma, beta, dout = arrays(seed, shape, shape[1], dtype)
    expected = torch_answer(
        x, gamma, beta, dout, lambda f, x, g, b: f.batch_norm(x, None, None, g, b, True)
    )
    out, cache = reference.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    assert out.shape == shape
    same([out, *reference.spatial_batchnorm_backward(dout, cache)], expected, dtype, dout, cache)


@given(seed=seeds, n=st.integers(1, 9), d=st.integers(2, 7), dtype=dtypes)
@settings(max_examples=30, deadline=None)
def test_layernorm_equals_torch(seed, n, d, dtype):
    x, gamma, beta, dout = arrays(seed, (n, d), d, dtype)
    expected = torch_answer(x, gamma, beta, dout, lambda f, x, g, b: f.layer_norm(x, (d,), g, b))
    out, cache = reference.layernorm_forward(x, gamma, beta, {})
    same([out, *reference.layernorm_backward(dout, cache)], expected, dtype, dout, cache)


@given(
    seed=seeds, n=st.integers(1, 3), groups=st.integers(1, 3), each=st.integers(1, 3),
    height=st.integers(1, 4), width=st.integers(2, 4), dtype=dtypes, column=st.booleans(),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_spatial_groupnorm_equals_torch(seed, n, groups, each, height, width, dtype, column):
    channels = groups * each
    x, gamma, beta, dout = arrays(seed, (n, channels, height, width), channels, dtype)
    expected = torch_answer(x, gamma, beta, dout, lambda f, x, g, b: f.group_norm(x, groups, g, b))
    if column:
        gamma, beta = gamma.reshape(1, -1, 1, 1), beta.reshape(1, -1, 1, 1)
    out, cache = reference.spatial_groupnorm_forward(x, gamma, beta, groups, {})
    dx, dgamma, dbeta = reference.spatial_groupnorm_backward(dout, cache)
    assert out.shape == x.shape
    assert dgamma.shape == gamma.shape
    assert dbeta.shape == beta.shape
    same([out, dx, dgamma, dbeta], expected, dtype, dout, cache)


def test_running_averages_are_those_of_the_exercise():
    rng = np.random.default_rng(5)
    bn_param = {"mode": "train", "momentum": 0.8, "eps": 1e-4}
    mean = var = np.zeros(3)
    for _ in range(4):
        x = rng.standard_normal((7, 3)) + 2
        before = bn_param.get("running_mean")
        kept = None if before is None else before.copy()
        reference.batchnorm_forward(x, np.ones(3), np.zeros(3), bn_param)
        mean, var = 0.8 * mean + 0.2 * x.mean(axis=0), 0.8 * var + 0.2 * x.var(axis=0)
        # Replaced, not changed: whoever holds the old ones still has them.
        assert before is None or (before == kept).all()
    assert apart(bn_param["running_mean"], mean) < 1e-14
    assert apart(bn_param["running_var"], var) < 1e-14


def test_whole_numbers_as_gamma_are_fine():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    gamma, beta = np.asarray([3, 4, 5]), np.asarray([6, 7, 8])
    out, cache = reference.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    assert apart(out.mean(axis=(0, 2, 3)), beta) < 1e-12
    _, dgamma, _ = reference.spatial_batchnorm_backward(np.ones_like(x), cache)
    assert dgamma.dtype == np.float64


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_gradients_agree_with_central_differences_far_from_zero_too(shift):
    x, gamma, beta, dout = arrays(8, (5, 4), 4, np.float64)
    for name, param in (("batchnorm", {"mode": "train"}), ("layernorm", {})):
        forward = getattr(reference, f"{name}_forward")
        checks = check_layer(
            lambda x, g, b, f=forward, p=param: f(x, g, b, p),
            getattr(reference, f"{name}_backward"),
            {"x": x + shift, "gamma": gamma, "beta": beta},
            dout,
            h=1e-4,
            bound=1e-5,
        )
        assert all(check.passed for check in checks.values())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: reference.batchnorm_forward(np.ones(3), np.ones(3), np.ones(3), {}), r"\(3,\)"),
        (
            lambda: reference.batchnorm_forward(
                np.ones((2, 3)), np.ones(2), np.ones(3), {"mode": "train"}
            ),
            "3 features",
        ),
        (
            lambda: reference.spatial_groupnorm_forward(
                np.ones((1, 6, 2, 2)), np.ones(6), np.ones(6), 4, {}
            ),
            "6 channels .* 4 equal groups",
        ),
        (
            lambda: reference.spatial_groupnorm_forward(
                np.ones((1, 6, 2, 2)), np.ones(5), np.ones(6), 2, {}
            ),
            "6 channels",
        ),
        (
            lambda: reference.spatial_batchnorm_forward(
                np.ones((6, 2)), np.ones(2), np.ones(2), {"mode": "train"}
            ),
            r"\(N, C, H, W\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, said):
    with pytest.raises(ShapeError, match=said):
        call()


def test_a_mode_that_is_neither_is_refused():
    with pytest.raises(UsageError, match="eval"):
        reference.batchnorm_forward(np.ones((2, 1)), np.ones(1), np.ones(1), {"mode": "eval"})
