"""The readable convolution against torch, the report's array and central differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from app.core import kernels
from app.core.errors import FilterscopeError, ShapeError
from app.core.kernels import reference
from app.core.nn.gradient_check import check_layer
from tests.core.kernels.layer_cases import close, conv_cases, torch

ENGINES = ["reference", "compiled"] if kernels.COMPILED else ["reference"]


@given(case=conv_cases())
@settings(max_examples=60, deadline=None)
def test_twin_equals_torch_for_any_shape_stride_pad_and_type(case):
    x, w, b, dout, conv_param = case
    t = torch()
    tx, tw, tb = (t.from_numpy(a.copy()).requires_grad_() for a in (x, w, b))
    expected = t.nn.functional.conv2d(
        tx, tw, tb, stride=conv_param["stride"], padding=conv_param["pad"]
    )
    expected.backward(t.from_numpy(dout))
    out, cache = reference.conv_forward(x, w, b, conv_param)
    dx, dw, db = reference.conv_backward(dout, cache)
    assert close(out, expected, x.dtype)
    assert close(dx, tx.grad, x.dtype)
    assert close(dw, tw.grad, x.dtype)
    assert close(db, tb.grad, x.dtype)


@given(case=conv_cases())
@settings(max_examples=8, deadline=None)
def test_gradients_agree_with_central_differences(case):
    x, w, b, dout, conv_param = (
        a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in case
    )
    checks = check_layer(
        lambda x, w, b: reference.conv_forward(x, w, b, conv_param),
        reference.conv_backward,
        {"x": x, "w": w, "b": b},
        dout,
        bound=1e-6,
        sample=12,
    )
    assert {name: check.faults for name, check in checks.items()} == {"x": 0, "w": 0, "b": 0}


@given(case=conv_cases())
@settings(max_examples=15, deadline=None)
def test_without_dx_the_rest_is_the_same(case):
    x, w, b, dout, conv_param = case
    _, cache = reference.conv_forward(x, w, b, conv_param)
    _, dw, db = reference.conv_backward(dout, cache)
    nothing, dw_alone, db_alone = reference.conv_backward(dout, cache, need_dx=False)
    assert nothing is None
    assert (dw == dw_alone).all()
    assert (db == db_alone).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_given_is_changed_and_a_cache_can_be_used_twice(engine):
    layers = kernels.choose(engine)
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 3, 5, 5)), rng.standard_normal((4, 3, 3, 3)), np.ones(4)
    before = [a.copy() for a in (x, w, b)]
    conv_param = {"stride": 1, "pad": 1}
    out, cache = layers.conv_forward(x, w, b, conv_param)
    first = layers.conv_backward(np.ones_like(out), cache)
    # Another batch in between leaves the first one's cache as it was.
    layers.conv_forward(x * 2, w, b, conv_param)
    second = layers.conv_backward(np.ones_like(out), cache)
    assert all((one == other).all() for one, other in zip(first, second, strict=True))
    assert all((a == old).all() for a, old in zip((x, w, b), before, strict=True))
    assert conv_param == {"stride": 1, "pad": 1}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("shapes", "conv_param", "said"),
    [
        (((1, 1, 2, 2), (1, 1, 3, 3), (1,)), {"stride": 1, "pad": 0}, r"3×3 .* 2×2"),
        (((1, 1, 5, 2), (1, 1, 3, 7), (1,)), {"stride": 1, "pad": (0, 2)}, r"3×7 .* 5×2 with 0×2"),
        (((1, 2, 5, 5), (1, 3, 3, 3), (1,)), {"stride": 1, "pad": 0}, r"3 channels .* have 2"),
        (((1, 1, 5, 5), (2, 1, 3, 3), (3,)), {"stride": 1, "pad": 0}, r"\(3,\); 2 filters"),
        (((5, 5), (2, 1, 3, 3), (2,)), {"stride": 1, "pad": 0}, r"\(5, 5\)"),
        (((1, 1, 5, 5), (1, 1, 3, 3), (1,)), {"stride": 0, "pad": 0}, "stride is 0"),
        (((1, 1, 5, 5), (1, 1, 3, 3), (1,)), {"stride": 1, "pad": -1}, "pad is -1"),
        (((1, 1, 5, 5), (1, 1, 3, 3), (1,)), {"stride": 1.5, "pad": 0}, "stride is 1.5"),
        (((1, 1, 5, 5), (1, 1, 3, 3), (1,)), {"stride": (1, 1, 1), "pad": 0}, "stride is"),
        (((1, 1, 5, 5), (1, 1, 0, 3), (1,)), {"stride": 1, "pad": 0}, "0×3"),
    ],
)
def test_what_does_not_fit_is_said_with_its_numbers(engine, shapes, conv_param, said):
    x, w, b = (np.zeros(shape) for shape in shapes)
    with pytest.raises(ShapeError, match=said) as caught:
        kernels.choose(engine).conv_forward(x, w, b, conv_param)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FilterscopeError)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slope_of_another_shape_is_refused(engine):
    layers = kernels.choose(engine)
    _, cache = layers.conv_forward(np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 3, 3)), np.zeros(1), {})
    with pytest.raises(ShapeError, match=r"\(1, 1, 2, 2\)"):
        layers.conv_backward(np.zeros((1, 1, 4, 4)), cache)


def test_whole_numbers_give_floating_point_numbers():
    x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    out, _ = reference.conv_forward(x, np.full((1, 1, 2, 2), 20), np.array([0]), {"stride": 2})
    assert out.dtype == np.float64
    assert out.ravel().tolist() == [200.0, 360.0, 840.0, 1000.0]
