"""Affine layer, activations, dropout, losses and sandwiches against torch, scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import kernels
from app.core.errors import ShapeError, UsageError
from app.core.kernels import reference
from app.core.nn.gradient_check import check_gradient, check_layer
from tests.core.kernels.layer_cases import apart, close, dtypes, torch

seeds = st.integers(0, 2**32 - 1)
ENGINES = ["reference", "compiled"] if kernels.COMPILED else ["reference"]


@given(
    seed=seeds, n=st.integers(1, 5), inside=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    m=st.integers(1, 5), dtype=dtypes,
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_affine_equals_torch(seed, n, inside, m, dtype):
    rng = np.random.default_rng(seed)
    d = math.prod(inside)
    x, w = (
        rng.standard_normal((n, *inside)).astype(dtype),
        rng.standard_normal((d, m)).astype(dtype),
    )
    b, dout = rng.standard_normal(m).astype(dtype), rng.standard_normal((n, m)).astype(dtype)
    t = torch()
    tx, tw, tb = (t.from_numpy(a.copy()).requires_grad_() for a in (x, w, b))
    expected = tx.flatten(1) @ tw + tb
    expected.backward(t.from_numpy(dout))
    out, cache = reference.affine_forward(x, w, b)
    dx, dw, db = reference.affine_backward(dout, cache)
    assert close(out, expected, dtype)
    assert close(dx, tx.grad, dtype)
    assert close(dw, tw.grad, dtype)
    assert close(db, tb.grad, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "options", "peer"),
    [
        ("relu", {}, lambda f, x: f.relu(x)),
        ("leaky_relu", {}, lambda f, x: f.leaky_relu(x)),
        ("leaky_relu", {"slope": 0.2}, lambda f, x: f.leaky_relu(x, 0.2)),
        ("elu", {}, lambda f, x: f.elu(x)),
        ("elu", {"alpha": 0.5}, lambda f, x: f.elu(x, 0.5)),
    ],
)
def test_activations_equal_torch_also_at_zero_and_far_away(name, options, peer, dtype):
    t = torch()
    x = np.concatenate([np.linspace(-4, 4, 41), [0.0, -80, 80, -1e4, 1e4]]).astype(dtype)
    dout = np.linspace(1, 2, x.size).astype(dtype)
    tx = t.from_numpy(x.copy()).requires_grad_()
    expected = peer(t.nn.functional, tx)
    expected.backward(t.from_numpy(dout))
    out, cache = getattr(reference, f"{name}_forward")(x, **options)
    assert close(out, expected, dtype)
    assert close(getattr(reference, f"{name}_backward")(dout, cache), tx.grad, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_dropout_keeps_a_share_p_and_the_mean(p, dtype):
    x = np.full((300, 300), 2, dtype)
    out, mask = reference.dropout_forward(x, {"p": p, "mode": "train", "seed": 4})
    assert out.dtype == mask.dtype == dtype
    kept = out != 0
    # Five standard deviations of the share of 90,000 draws.
    assert abs(kept.mean() - p) <= 5 * math.sqrt(p * (1 - p) / x.size)
    assert apart(out[kept], 2 / p * np.ones(kept.sum())) < 1e-6
    assert (reference.dropout_backward(np.ones_like(x), mask) == mask).all()
    whole, nothing = reference.dropout_forward(x, {"p": p, "mode": "test"})
    assert whole is x
    assert reference.dropout_backward(x, nothing) is x


def test_dropout_draws_anew_from_a_generator_and_the_same_from_a_seed():
    x, rng = np.ones((20, 20)), np.random.default_rng(0)
    first, second = (
        reference.dropout_forward(x, {"p": 0.5, "mode": "train", "rng": rng})[0] for _ in "ab"
    )
    assert (first != second).any()
    first, second = (
        reference.dropout_forward(x, {"p": 0.5, "mode": "train", "seed": 7})[0] for _ in "ab"
    )
    assert (first == second).all()


@pytest.mark.parametrize("p", [0, -0.1, 1.1, math.nan])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(UsageError, match="probability"):
        reference.dropout_forward(np.ones(3), {"p": p, "mode": "train"})


def test_dropout_refuses_a_mode_that_is_neither():
    with pytest.raises(UsageError, match="eval"):
        reference.dropout_forward(np.ones(3), {"p": 0.5, "mode": "eval"})


@given(seed=seeds, n=st.integers(1, 6), c=st.integers(2, 7), dtype=dtypes)
@settings(max_examples=30, deadline=None)
def test_losses_equal_torch(seed, n, c, dtype):
    rng = np.random.default_rng(seed)
    x, y = (5 * rng.standard_normal((n, c))).astype(dtype), rng.integers(0, c, n)
    t = torch()
    for name, peer in (
        ("softmax_loss", lambda s: t.nn.functional.cross_entropy(s, t.from_numpy(y))),
        # Torch's is divided by C.
        ("svm_loss", lambda s: c * t.nn.functional.multi_margin_loss(s, t.from_numpy(y))),
    ):
        tx = t.from_numpy(x.copy()).requires_grad_()
        expected = peer(tx)
        expected.backward()
        loss, dx = getattr(reference, name)(x, y)
        assert isinstance(loss, float)
        assert loss == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
        assert close(dx, tx.grad, dtype)


def test_softmax_loss_equals_scipy():
    special = pytest.importorskip("scipy.special", reason="scipy is not installed")
    rng = np.random.default_rng(9)
    x, y = 30 * rng.standard_normal((40, 10)), rng.integers(0, 10, 40)
    loss, dx = reference.softmax_loss(x, y)
    assert loss == pytest.approx(
        -special.log_softmax(x, axis=1)[np.arange(40), y].mean(), rel=1e-12
    )
    expected = special.softmax(x, axis=1)
    expected[np.arange(40), y] -= 1
    assert apart(dx, expected / 40) < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_huge_scores_overflows_nowhere(dtype):
    x = np.array([[1e4, -1e4, 0], [-1e30, 1e30, 0]], dtype)
    loss, dx = reference.softmax_loss(x, np.array([0, 1]))
    assert loss == 0
    assert not dx.any()


def test_losses_of_equal_scores_are_known():
    x, y = np.zeros((4, 10)), np.array([0, 3, 9, 9])
    assert reference.softmax_loss(x, y)[0] == pytest.approx(math.log(10), abs=1e-15)
    assert reference.svm_loss(x, y)[0] == 9
    assert reference.l2_loss(np.array([[3.0, 4.0]]), 0.5)[0] == 6.25
    assert (reference.l2_loss(np.array([3.0, 4.0]), 0.5)[1] == [1.5, 2.0]).all()
    assert reference.l2_loss(np.ones(3, np.float32), 0.1)[1].dtype == np.float32


@pytest.mark.parametrize("loss", [reference.softmax_loss, reference.svm_loss])
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros((2, 3)), np.array([0, 3]), "Label 3 of row 1 .* 3 classes"),
        (np.zeros((2, 3)), np.array([-1, 0]), "Label -1 of row 0"),
        (np.zeros((2, 3)), np.array([0, 1, 2]), r"\(3,\)"),
        (np.zeros((2, 3)), np.array([0.0, 1.0]), "float64"),
        (np.zeros((0, 3)), np.array([], int), r"\(0, 3\)"),
    ],
)
def test_labels_that_do_not_belong_are_refused(loss, x, y, said):
    with pytest.raises(ShapeError, match=said):
        loss(x, y)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [(((2, 3), (4, 5), (5,)), "3 values"), (((2, 3), (3, 5), (4,)), "5 outputs")],
)
def test_affine_refuses_what_does_not_belong(shapes, said):
    with pytest.raises(ShapeError, match=said):
        reference.affine_forward(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("engine", ENGINES)
def test_sandwiches_are_their_layers_one_after_the_other(engine):
    layers = kernels.choose(engine)
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, 3, 3))
    b, gamma, beta = (rng.standard_normal(4) for _ in range(3))
    conv, pool = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
    a, c1 = reference.conv_forward(x, w, b, conv)
    n, c2 = reference.spatial_batchnorm_forward(a, gamma, beta, {"mode": "train"})
    s, c3 = reference.relu_forward(n)
    expected, c4 = reference.max_pool_forward(s, pool)
    dout = rng.standard_normal(expected.shape)
    ds = reference.relu_backward(reference.max_pool_backward(dout, c4), c3)
    da, dgamma, dbeta = reference.spatial_batchnorm_backward(ds, c2)
    dx, dw, db = reference.conv_backward(da, c1)
    out, cache = layers.conv_norm_relu_pool_forward(
        x, w, b, gamma, beta, conv, {"mode": "train"}, pool
    )
    found = layers.conv_norm_relu_pool_backward(dout, cache)
    assert apart(out, expected) < 1e-12
    for one, other in zip(found, (dx, dw, db, dgamma, dbeta), strict=True):
        # db is next to nothing here: the norm takes it out.
        assert np.abs(one - other).max() < 1e-10
    assert layers.conv_norm_relu_pool_backward(dout, cache, need_dx=False)[0] is None


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_of_sandwiches_agree_with_central_differences(engine):
    layers = kernels.choose(engine)
    rng = np.random.default_rng(6)
    arrays = {
        "x": rng.standard_normal((2, 2, 6, 6)),
        "w": rng.standard_normal((3, 2, 3, 3)),
        "b": rng.standard_normal(3),
    }
    conv, pool = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
    for forward, backward, shape in (
        (
            lambda x, w, b: layers.conv_relu_forward(x, w, b, conv),
            layers.conv_relu_backward,
            (2, 3, 6, 6),
        ),
        (
            lambda x, w, b: layers.conv_relu_pool_forward(x, w, b, conv, pool),
            layers.conv_relu_pool_backward,
            (2, 3, 3, 3),
        ),
    ):
        checks = check_layer(forward, backward, arrays, rng.standard_normal(shape), sample=30)
        assert all(check.passed for check in checks.values())


def test_gradients_of_losses_agree_with_central_differences():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((6, 5)), rng.integers(0, 5, 6)
    for loss in (reference.softmax_loss, reference.svm_loss):
        assert check_gradient(lambda x, f=loss: f(x, y)[0], x, loss(x, y)[1]).passed
