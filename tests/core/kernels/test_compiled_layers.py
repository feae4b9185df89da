"""The compiled convolution and pools against their twins, and against themselves cut up."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ShapeError
from app.core.kernels import reference
from tests.core.kernels.layer_cases import apart, dtypes, pool_cases, torch

compiled = pytest.importorskip("app.core.kernels.compiled", reason="no compiled kernels here")

from app.core.kernels import _layers  # noqa: E402
from app.core.kernels.compiled import sharing  # noqa: E402

# How far from the twin an answer may be, relative to the largest number in it.
BOUNDS = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-4}


@pytest.fixture(autouse=True)
def _any_work_is_shared(monkeypatch):
    """Small examples are cut into parts as large ones are, by any instructions afterwards."""
    monkeypatch.setattr(sharing, "WORTH_A_THREAD", 1)
    yield
    _layers.limit_instructions(2)


@st.composite
def wide_cases(draw):
    """Draw x, w, b, conv_param: several tiles of filters, lines shorter and longer than vectors."""
    n, c, f = draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 21))
    window = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    pad = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    height = draw(st.integers(max(1, window[0] - 2 * pad[0]), window[0] + 5))
    width = draw(
        st.integers(max(1, window[1] - 2 * pad[1]), window[1] + draw(st.sampled_from([3, 40])))
    )
    dtype = draw(dtypes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = (n, c, height, width), (f, c, *window), (f,)
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return x, w, b, {"stride": stride, "pad": pad}


def slope_of(out):
    return np.random.default_rng(3).standard_normal(out.shape).astype(out.dtype)


def same(ours, theirs):
    """Whether arrays (or None) agree within the bounds, in type and shape too."""
    for a, b in zip(ours, theirs, strict=True):
        if b is None:
            assert a is None
            continue
        assert a.dtype == b.dtype
        assert apart(a, b) < BOUNDS[b.dtype]
    return True


@given(
    case=wide_cases(), threads=st.integers(1, 4), instructions=st.integers(0, 2), need=st.booleans()
)
@settings(max_examples=120, deadline=None)
def test_convolution_equals_its_twin(case, threads, instructions, need):
    _layers.limit_instructions(instructions)
    expected, twin_cache = reference.conv_forward(*case)
    dout = slope_of(expected)
    with compiled.use_threads(threads):
        out, cache = compiled.conv_forward(*case)
        assert same((out,), (expected,))
        gradients = compiled.conv_backward(dout, cache, need)
    assert same(gradients, reference.conv_backward(dout, twin_cache, need))


@given(case=pool_cases(ties=True), threads=st.integers(1, 4), instructions=st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_pools_equal_their_twins(case, threads, instructions):
    x, dout, pool_param = case
    _layers.limit_instructions(instructions)
    with compiled.use_threads(threads):
        for kind in ("max", "avg"):
            forward, backward = f"{kind}_pool_forward", f"{kind}_pool_backward"
            out, cache = getattr(compiled, forward)(x, pool_param)
            expected, twin_cache = getattr(reference, forward)(x, pool_param)
            if kind == "max":
                np.testing.assert_array_equal(out, expected)
            assert same((out,), (expected,))
            dx = getattr(compiled, backward)(dout, cache)
            assert same((dx,), (getattr(reference, backward)(dout, twin_cache),))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [2, 31, 32, 64, 70])
def test_the_pool_of_two_by_two_is_exact(dtype, width):
    """Its own loop, with ties; the backward pass adds nothing up."""
    x = np.random.default_rng(1).integers(0, 3, (2, 3, 8, width)).astype(dtype)
    pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    for instructions in (0, 1, 2):
        _layers.limit_instructions(instructions)
        out, cache = compiled.max_pool_forward(x, pool_param)
        expected, twin_cache = reference.max_pool_forward(x, pool_param)
        np.testing.assert_array_equal(out, expected)
        dout = slope_of(out)
        np.testing.assert_array_equal(
            compiled.max_pool_backward(dout, cache), reference.max_pool_backward(dout, twin_cache)
        )


@given(
    case=wide_cases(), window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3), threads=st.integers(1, 3), instructions=st.integers(0, 2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_sandwiches_equal_their_twins(case, window, stride, threads, instructions):
    _layers.limit_instructions(instructions)
    expected, twin_cache = reference.conv_relu_forward(*case)
    dout = slope_of(expected)
    with compiled.use_threads(threads):
        out, cache = compiled.conv_relu_forward(*case)
        assert same((out,), (expected,))
        assert same(
            compiled.conv_relu_backward(dout, cache), reference.conv_relu_backward(dout, twin_cache)
        )
        height, width = (min(window[i], expected.shape[2 + i]) for i in (0, 1))
        pool_param = {"pool_height": height, "pool_width": width, "stride": stride}
        expected, twin_cache = reference.conv_relu_pool_forward(*case, pool_param)
        out, cache = compiled.conv_relu_pool_forward(*case, pool_param)
        assert same((out,), (expected,))
        dout = slope_of(expected)
        assert same(
            compiled.conv_relu_pool_backward(dout, cache, False),
            reference.conv_relu_pool_backward(dout, twin_cache, False),
        )


REPORT = [
    ((8, 3, 31, 31), (25, 3, 3, 3), 2, 1),
    ((5, 3, 32, 32), (32, 3, 7, 7), 1, 3),
    ((3, 20, 8, 8), (40, 20, 3, 3), 1, 1),
    ((20, 4, 9, 9), (6, 4, 5, 5), 1, 2),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", REPORT, ids=str)
def test_larger_shapes_equal_torchs(case, dtype):
    t = torch()
    x_shape, w_shape, stride, pad = case
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape, w_shape[:1]))
    tx, tw, tb = (t.from_numpy(a.copy()).requires_grad_() for a in (x, w, b))
    theirs = t.nn.functional.conv2d(tx, tw, tb, stride, pad)
    out, cache = compiled.conv_forward(x, w, b, {"stride": stride, "pad": pad})
    dout = slope_of(out)
    theirs.backward(t.from_numpy(dout))
    expected = [one.detach().numpy() for one in (theirs, tx.grad, tw.grad, tb.grad)]
    assert same((out, *compiled.conv_backward(dout, cache)), expected)


@pytest.mark.parametrize("threads", [2, 3, 16])
@pytest.mark.parametrize("case", REPORT, ids=str)
def test_threads_change_not_one_bit(case, threads):
    x_shape, w_shape, stride, pad = case
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s, np.float32) for s in (x_shape, w_shape, w_shape[:1]))
    arguments = x, w, b, {"stride": stride, "pad": pad}, {"pool_height": 2, "pool_width": 2}
    answers = []
    for count in (1, threads):
        with compiled.use_threads(count):
            out, cache = compiled.conv_forward(*arguments[:4])
            pooled, pooled_cache = compiled.conv_relu_pool_forward(*arguments)
            answers.append(
                (
                    out,
                    *compiled.conv_backward(slope_of(out), cache),
                    pooled,
                    *compiled.conv_relu_pool_backward(slope_of(pooled), pooled_cache),
                )
            )
    for one, many in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("instructions", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("width", [5, 21])
def test_what_is_no_number_goes_where_the_twins_goes(value, width, instructions):
    _layers.limit_instructions(instructions)
    rng = np.random.default_rng(5)
    x, w, b = (rng.standard_normal(s) for s in ((2, 3, 6, width), (9, 3, 3, 3), (9,)))
    x[1, 2, 3, 4] = value
    conv_param, pool_param = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2}
    out, cache = compiled.conv_forward(x, w, b, conv_param)
    expected, twin_cache = reference.conv_forward(x, w, b, conv_param)
    np.testing.assert_allclose(out, expected, rtol=1e-9)
    dout = slope_of(expected)
    dout[0, 4, 2, 2] = value
    with np.errstate(invalid="ignore"):
        gradients = reference.conv_backward(dout, twin_cache)
    for ours, theirs in zip(compiled.conv_backward(dout, cache), gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    x[0, 0, 1, 1] = x[0, 0, 0, 1] = value
    pooled, cache = compiled.max_pool_forward(x, pool_param)
    expected, twin_cache = reference.max_pool_forward(x, pool_param)
    np.testing.assert_array_equal(pooled, expected)
    dout = slope_of(pooled)
    np.testing.assert_array_equal(
        compiled.max_pool_backward(dout, cache), reference.max_pool_backward(dout, twin_cache)
    )


def test_arrays_may_lie_in_memory_as_they_like():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((2, 9, 9, 3)).transpose(0, 3, 1, 2)
    w, b = rng.standard_normal((3, 3, 3, 5)).transpose(3, 2, 0, 1), rng.standard_normal(10)[::2]
    out, cache = compiled.conv_forward(x, w, b, {"stride": 2, "pad": 1})
    expected, twin_cache = reference.conv_forward(x, w, b, {"stride": 2, "pad": 1})
    assert same((out,), (expected,))
    dout = slope_of(out)[:, ::-1, ::-1]
    assert same(compiled.conv_backward(dout, cache), reference.conv_backward(dout, twin_cache))
    pool_param = {"pool_height": 3, "pool_width": 2, "stride": (2, 1)}
    out, cache = compiled.max_pool_forward(x, pool_param)
    expected, twin_cache = reference.max_pool_forward(x, pool_param)
    np.testing.assert_array_equal(out, expected)
    dout = slope_of(out)[..., ::-1]
    assert same(
        (compiled.max_pool_backward(dout, cache),), (reference.max_pool_backward(dout, twin_cache),)
    )


@pytest.mark.parametrize(("kind", "expected"), [("i8", "f8"), ("u1", "f8"), ("f2", "f4")])
def test_other_numbers_are_computed_with_as_floats(kind, expected):
    x = np.arange(2 * 2 * 5 * 5).reshape(2, 2, 5, 5).astype(kind)
    w, b = np.ones((1, 2, 2, 2), kind), np.ones(1, kind)
    out, cache = compiled.conv_forward(x, w, b, {"stride": 1, "pad": 0})
    assert out.dtype == expected
    theirs, _ = reference.conv_forward(*(a.astype(expected) for a in (x, w, b)), {})
    np.testing.assert_array_equal(out, theirs)
    assert compiled.conv_backward(out, cache)[1].dtype == expected


def test_no_pictures_give_no_numbers_and_no_slope():
    x, w, b = np.zeros((0, 3, 5, 5)), np.ones((4, 3, 3, 3)), np.ones(4)
    out, cache = compiled.conv_forward(x, w, b, {"stride": 1, "pad": 1})
    assert out.shape == (0, 4, 5, 5)
    dx, dw, db = compiled.conv_backward(out, cache)
    assert dx.shape == x.shape
    assert not dw.any()
    assert not db.any()
    pooled, cache = compiled.max_pool_forward(x, {"pool_height": 2, "pool_width": 2})
    assert pooled.shape == (0, 3, 2, 2)
    assert compiled.max_pool_backward(pooled, cache).shape == x.shape


def test_what_does_not_fit_is_refused_before_the_loops(monkeypatch):
    def never(*_arguments):
        raise AssertionError("the kernel was called")

    x, w, b = np.ones((1, 2, 4, 5)), np.ones((3, 2, 3, 3)), np.ones(3)
    _, cache = compiled.conv_forward(x, w, b, {"stride": 1, "pad": 1})
    _, pool_cache = compiled.max_pool_forward(x, {"pool_height": 2, "pool_width": 2})
    for name in ("conv_forward", "conv_backward", "max_pool_forward", "max_pool_backward"):
        monkeypatch.setattr(_layers, name, never)
    with pytest.raises(ShapeError, match="9×9 does not fit a picture of 4×5"):
        compiled.conv_forward(x, np.ones((3, 2, 9, 9)), b, {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match="look at 1 channels and the pictures have 2"):
        compiled.conv_forward(x, np.ones((3, 1, 3, 3)), b, {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match="b has the shape"):
        compiled.conv_relu_forward(x, w, np.ones(2), {"stride": 1, "pad": 0})
    with pytest.raises(ShapeError, match="stride is 0"):
        compiled.conv_forward(x, w, b, {"stride": 0, "pad": 0})
    with pytest.raises(ShapeError, match="dout has the shape"):
        compiled.conv_backward(np.ones((1, 3, 4, 4)), cache)
    with pytest.raises(ShapeError, match="5×2 does not fit"):
        compiled.max_pool_forward(x, {"pool_height": 5, "pool_width": 2, "stride": 1})
    with pytest.raises(ShapeError, match="7×7 does not fit a picture of 4×5"):
        compiled.conv_relu_pool_forward(
            x, w, b, {"stride": 1, "pad": 1}, {"pool_height": 7, "pool_width": 7}
        )
    with pytest.raises(ShapeError, match="dout has the shape"):
        compiled.max_pool_backward(np.ones((1, 2, 2, 3)), pool_cache)
    with pytest.raises(ShapeError, match="too large"):
        compiled.conv_forward(x, w, b, {"stride": 1, "pad": 10**5})


def test_other_threads_run_while_layers_do():
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s, np.float32) for s in ((60, 8, 32, 32), (32, 8, 5, 5), (32,)))
    inside, ticks, over = threading.Event(), [0], threading.Event()

    def tick() -> None:
        while not over.is_set():
            inside.set()
            ticks[0] += 1

    other = threading.Thread(target=tick)
    other.start()
    inside.wait()
    before = ticks[0]
    with compiled.use_threads(1):
        out, cache = compiled.conv_forward(x, w, b, {"stride": 1, "pad": 2})
        compiled.conv_backward(out, cache)
    during = ticks[0] - before
    over.set()
    other.join()
    # With the GIL held it could tick only at the edges of the calls, a handful of times.
    assert during > 1000


def test_fewer_threads_than_wanted_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in ((6, 2, 9, 9), (5, 2, 3, 3), (5,)))
    expected, _ = compiled.conv_forward(x, w, b, {"stride": 1, "pad": 1})

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sharing, "_own", threading.local())
    with monkeypatch.context() as patch, compiled.use_threads(5):
        patch.setattr(threading.Thread, "start", refuse)
        out, _ = compiled.conv_forward(x, w, b, {"stride": 1, "pad": 1})
    np.testing.assert_array_equal(out, expected)
