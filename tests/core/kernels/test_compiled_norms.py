"""Compiled normalizations, ReLUs, dropout and global average pool against their twins and torch."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ShapeError, UsageError
from app.core.kernels import reference
from tests.core.kernels.layer_cases import apart, dtypes, torch

compiled = pytest.importorskip("app.core.kernels.compiled", reason="no compiled kernels here")

from app.core.kernels import _norms  # noqa: E402
from app.core.kernels.compiled import sharing  # noqa: E402

# How far from the twin an answer may be, relative to the largest number in it.
BOUNDS = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-4}


@pytest.fixture(autouse=True)
def _any_work_is_shared(monkeypatch):
    """Small examples are cut into parts as large ones are, by any instructions afterwards."""
    monkeypatch.setattr(sharing, "WORTH_A_THREAD", 1)
    yield
    _norms.limit_instructions(2)


@st.composite
def pictures(draw, fewest=4):
    """Draw x, gamma, beta, dout of maps shorter and longer than vectors, and than a block."""
    n, c = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    height = draw(st.integers(1, 9))
    width = draw(st.one_of(st.integers(1, 12), st.sampled_from([31, 64, 150])))
    n = max(n, -(-fewest // (height * width)))
    dtype = draw(dtypes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((n, c, height, width)) + draw(st.sampled_from([0, 1, -20]))
    gamma, beta, dout = (rng.standard_normal(s) for s in ((c,), (c,), x.shape))
    return tuple(a.astype(dtype) for a in (x, gamma, beta, dout))


def same(ours, theirs, dout, cache):
    """Whether out, dx, dgamma and dbeta agree within the bounds, in type and shape too."""
    _, inverse, gamma, *_ = cache
    for name, a, b in zip(("out", "dx", "dgamma", "dbeta"), ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        # Slopes of a few values all but cancel; rounding is that of what they were.
        size = max(np.abs(b).max(), np.abs(dout).max())
        if name == "dx":
            size = max(np.abs(gamma).max() * np.abs(dout).max() * inverse.max(), np.abs(b).max())
        assert np.abs(a - b).max() <= BOUNDS[b.dtype] * size, name
    return True


@pytest.mark.parametrize("mode", ["train", "test"])
@given(case=pictures(), threads=st.integers(1, 4), instructions=st.integers(0, 2))
@settings(max_examples=80, deadline=None)
def test_spatial_batchnorm_equals_its_twin(mode, case, threads, instructions):
    x, gamma, beta, dout = case
    _norms.limit_instructions(instructions)
    running = np.abs(gamma) + 1
    params = [{"mode": mode, "running_mean": beta, "running_var": running} for _ in range(4)]
    expected, twin_cache = reference.spatial_batchnorm_forward(x, gamma, beta, params[0])
    slopes = reference.spatial_batchnorm_backward(dout, twin_cache)
    with compiled.use_threads(threads):
        out, cache = compiled.spatial_batchnorm_forward(x, gamma, beta, params[1])
        gradients = compiled.spatial_batchnorm_backward(dout, cache)
        assert same((out, *gradients), (expected, *slopes), dout, twin_cache)
        rectified, cache = compiled.spatial_batchnorm_relu_forward(x, gamma, beta, params[2])
        np.testing.assert_array_equal(rectified, np.maximum(out, 0))
        # By our own output: where it is next to 0, the twin's may lie on the other side.
        let_through = dout * (out > 0)
        slopes = reference.spatial_batchnorm_backward(let_through, twin_cache)
        gradients = compiled.spatial_batchnorm_relu_backward(dout, cache)
        assert same((out, *gradients), (expected, *slopes), dout, twin_cache)
    for name in ("running_mean", "running_var"):
        assert params[1][name].dtype == params[0][name].dtype
        np.testing.assert_array_equal(params[1][name], params[2][name])
        assert apart(params[1][name], params[0][name]) < BOUNDS[x.dtype]


@given(
    case=pictures(), groups=st.integers(1, 9), threads=st.integers(1, 4),
    instructions=st.integers(0, 2), wide=st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_spatial_groupnorm_equals_its_twin(case, groups, threads, instructions, wide):
    x, gamma, beta, dout = case
    if x[0, 0].size < 4:
        x, dout = (np.tile(a, (1, 1, 2, 2)) for a in (x, dout))
        x[..., 0] += 1
    _norms.limit_instructions(instructions)
    channels = x.shape[1]
    groups = max(g for g in range(1, groups + 1) if channels % g == 0)
    if wide:
        gamma, beta = gamma.reshape(1, -1, 1, 1), beta.reshape(1, -1, 1, 1)
    expected, twin_cache = reference.spatial_groupnorm_forward(x, gamma, beta, groups, {})
    slopes = reference.spatial_groupnorm_backward(dout, twin_cache)
    with compiled.use_threads(threads):
        out, cache = compiled.spatial_groupnorm_forward(x, gamma, beta, groups, {})
        gradients = compiled.spatial_groupnorm_backward(dout, cache)
    assert same((out, *gradients), (expected, *slopes), dout, twin_cache)


@pytest.mark.parametrize("kind", ["batchnorm", "layernorm"])
@given(
    n=st.integers(4, 40), d=st.integers(4, 150), dtype=dtypes, seed=st.integers(0, 2**32 - 1),
    mode=st.sampled_from(["train", "test"]), threads=st.integers(1, 4),
    instructions=st.integers(0, 2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_norms_of_rows_equal_their_twins(kind, n, d, dtype, seed, mode, threads, instructions):
    _norms.limit_instructions(instructions)
    rng = np.random.default_rng(seed)
    x, gamma, beta, dout = (
        rng.standard_normal(s).astype(dtype) for s in ((n, d), (d,), (d,), (n, d))
    )
    answers = []
    for module in (reference, compiled):
        param = {"mode": mode} if kind == "batchnorm" else {}
        if mode == "test":
            param.update(running_mean=beta, running_var=np.abs(gamma))
        with compiled.use_threads(threads):
            out, cache = getattr(module, f"{kind}_forward")(x, gamma, beta, param)
            answers.append([out, *getattr(module, f"{kind}_backward")(dout, cache)])
        if module is reference:
            twin_cache = cache
    assert same(answers[1], answers[0], dout, twin_cache)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(10, 6, 16, 16), (20, 33, 8, 8), (3, 4, 45, 50), (9, 130, 1, 1)])
def test_larger_shapes_equal_torchs(shape, dtype):
    t = torch()
    rng = np.random.default_rng(0)
    x, dout = (rng.standard_normal(shape).astype(dtype) for _ in "ab")
    gamma, beta = (rng.standard_normal(shape[1]).astype(dtype) for _ in "ab")
    for relu in (False, True):
        tx, tg, tb = (t.from_numpy(a.copy()).requires_grad_() for a in (x, gamma, beta))
        theirs = t.nn.functional.batch_norm(tx, None, None, tg, tb, True)
        name = "spatial_batchnorm_relu" if relu else "spatial_batchnorm"
        (t.relu(theirs) if relu else theirs).backward(t.from_numpy(dout))
        out, cache = getattr(compiled, f"{name}_forward")(x, gamma, beta, {"mode": "train"})
        gradients = getattr(compiled, f"{name}_backward")(dout, cache)
        expected = t.relu(theirs) if relu else theirs
        for a, b in zip((out, *gradients), (expected, tx.grad, tg.grad, tb.grad), strict=True):
            assert apart(a, b.detach().numpy()) < BOUNDS[np.dtype(dtype)]


def test_a_large_mean_costs_no_digits():
    rng = np.random.default_rng(2)
    spread = rng.standard_normal((8, 3, 20, 20))
    spread[0] *= 100
    for dtype, mean, bound in ((np.float32, 2**10, 1e-4), (np.float64, 2**20, 1e-9)):
        # Numbers that the type holds exactly, so that only the sums could lose something.
        x = (np.round(spread * 2**10) / 2**10 + mean).astype(dtype)
        param = {"mode": "train", "momentum": 0.0}
        compiled.spatial_batchnorm_forward(x, np.ones(3, dtype), np.zeros(3, dtype), param)
        exact = x.astype(np.longdouble)
        np.testing.assert_allclose(param["running_mean"], exact.mean(axis=(0, 2, 3)), rtol=1e-6)
        np.testing.assert_allclose(param["running_var"], exact.var(axis=(0, 2, 3)), rtol=bound)


@pytest.mark.parametrize("threads", [2, 3, 16])
@pytest.mark.parametrize("shape", [(7, 20, 9, 9), (5, 32, 40, 40), (30, 200, 1, 1)])
def test_threads_change_not_one_bit(shape, threads):
    rng = np.random.default_rng(0)
    x, dout = (rng.standard_normal(shape, np.float32) for _ in "ab")
    gamma, beta = (rng.standard_normal(shape[1], np.float32) for _ in "ab")
    rows, slopes = x.reshape(len(x), -1), dout.reshape(len(x), -1)
    scale = rng.standard_normal(rows.shape[1], np.float32)
    answers = []
    for count in (1, threads):
        with compiled.use_threads(count):
            out, cache = compiled.spatial_batchnorm_relu_forward(x, gamma, beta, {"mode": "train"})
            answer = [out, *compiled.spatial_batchnorm_relu_backward(dout, cache)]
            out, cache = compiled.spatial_groupnorm_forward(x, gamma, beta, 4, {})
            answer += [out, *compiled.spatial_groupnorm_backward(dout, cache)]
            out, cache = compiled.layernorm_forward(rows, scale, scale, {})
            answer += [out, *compiled.layernorm_backward(slopes, cache)]
            answer += [compiled.relu_forward(x)[0], compiled.global_avg_pool_forward(x)[0]]
            answers.append(answer)
    for one, many in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("instructions", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(3, 4, 5, 9), (6, 4, 1, 1)])
def test_what_is_no_number_goes_where_the_twins_goes(shape, value, instructions):
    _norms.limit_instructions(instructions)
    rng = np.random.default_rng(5)
    clean, slope = rng.standard_normal(shape), rng.standard_normal(shape)
    gamma, beta = rng.standard_normal(4), rng.standard_normal(4)
    spoilt, spoilt_slope = clean.copy(), slope.copy()
    spoilt[1, 2, 0, 0] = spoilt_slope[2, 1, 0, 0] = value
    for x, dout in ((spoilt, slope), (clean, spoilt_slope)):
        answers = []
        for module in (reference, compiled):
            param = {"mode": "train"}
            with np.errstate(invalid="ignore"):
                out, cache = module.spatial_batchnorm_forward(x, gamma, beta, param)
                answer = [out, *module.spatial_batchnorm_backward(dout, cache)]
                answer += [param["running_mean"], param["running_var"]]
                out, cache = module.spatial_batchnorm_relu_forward(x, gamma, beta, param)
                answer += [out, *module.spatial_batchnorm_relu_backward(dout, cache)]
                out, cache = module.spatial_groupnorm_forward(x, gamma, beta, 2, {})
                answer += [out, *module.spatial_groupnorm_backward(dout, cache)]
                out, cache = module.relu_forward(x)
                answer += [out, module.relu_backward(dout, cache)]
                out, cache = module.leaky_relu_forward(x, 0.1)
                answer += [out, module.leaky_relu_backward(dout, cache)]
                answer += [module.global_avg_pool_forward(x)[0]]
            answers.append(answer)
        for ours, theirs in zip(answers[1], answers[0], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=4), dtype=dtypes,
    seed=st.integers(0, 2**32 - 1), threads=st.integers(1, 4), instructions=st.integers(0, 2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_done_to_each_value_is_exact(shape, dtype, seed, threads, instructions):
    _norms.limit_instructions(instructions)
    rng = np.random.default_rng(seed)
    x, dout = (rng.integers(-3, 4, shape).astype(dtype) / 2 for _ in "ab")
    param = {"p": 0.7, "mode": "train", "seed": seed}
    for name, more in (("relu", ()), ("leaky_relu", (0.1,)), ("dropout", (param,))):
        expected, twin_cache = getattr(reference, f"{name}_forward")(x, *more)
        with compiled.use_threads(threads):
            out, cache = getattr(compiled, f"{name}_forward")(x, *more)
            dx = getattr(compiled, f"{name}_backward")(dout, cache)
        theirs = getattr(reference, f"{name}_backward")(dout, twin_cache)
        for a, b in ((out, expected), (dx, theirs)):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@given(case=pictures(), threads=st.integers(1, 4), instructions=st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_global_average_pool_equals_its_twin(case, threads, instructions):
    x, _, _, dout = case
    _norms.limit_instructions(instructions)
    expected, shape = reference.global_avg_pool_forward(x)
    slope = dout[:, :, 0, 0]
    with compiled.use_threads(threads):
        out, cache = compiled.global_avg_pool_forward(x)
        dx = compiled.global_avg_pool_backward(slope, cache)
    assert cache == shape
    assert out.dtype == dx.dtype == x.dtype
    # Next to a mean that all but cancels stand numbers of the size of x.
    assert np.abs(out - expected).max() <= BOUNDS[x.dtype] * np.abs(x).max()
    assert apart(dx, reference.global_avg_pool_backward(slope, shape)) < BOUNDS[x.dtype]


def test_arrays_may_lie_in_memory_as_they_like():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((4, 9, 7, 6)).transpose(0, 3, 1, 2)
    gamma, beta = rng.standard_normal(12)[::2], rng.standard_normal(12)[::-2]
    dout = rng.standard_normal(x.shape)[:, ::-1, ::-1]
    out, cache = compiled.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    expected, twin_cache = reference.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    gradients = compiled.spatial_batchnorm_backward(dout, cache)
    slopes = reference.spatial_batchnorm_backward(dout, twin_cache)
    assert same((out, *gradients), (expected, *slopes), dout, twin_cache)
    out, cache = compiled.relu_forward(x)
    np.testing.assert_array_equal(out, np.maximum(x, 0))
    np.testing.assert_array_equal(compiled.relu_backward(dout, cache), dout * (x > 0))


@pytest.mark.parametrize("kind", ["i8", "u1", "f2"])
def test_other_numbers_are_treated_as_by_the_twins(kind):
    x = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).astype(kind)
    for name in ("relu", "leaky_relu", "global_avg_pool"):
        out, _ = getattr(compiled, f"{name}_forward")(x)
        expected, _ = getattr(reference, f"{name}_forward")(x)
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out, expected)
    floats = x.astype(np.float32 if kind == "f2" else np.float64)
    one, zero = np.ones(3, floats.dtype), np.zeros(3, floats.dtype)
    out, _ = compiled.spatial_batchnorm_forward(x, one, zero, {"mode": "train"})
    expected, _ = reference.spatial_batchnorm_forward(floats, one, zero, {"mode": "train"})
    assert out.dtype == expected.dtype
    assert apart(out, expected) < BOUNDS[out.dtype]


def test_no_pictures_give_no_numbers_and_no_slope():
    x, gamma = np.zeros((0, 3, 5, 5)), np.ones(3)
    param = {"mode": "test", "running_mean": gamma, "running_var": gamma}
    for name, more in (("spatial_batchnorm", (param,)), ("spatial_groupnorm", (3, {}))):
        out, cache = getattr(compiled, f"{name}_forward")(x, gamma, gamma, *more)
        dx, dgamma, dbeta = getattr(compiled, f"{name}_backward")(out, cache)
        assert out.shape == dx.shape == x.shape
        assert not dgamma.any()
        assert not dbeta.any()
    out, cache = compiled.relu_forward(x)
    assert compiled.relu_backward(out, cache).shape == x.shape


def test_what_does_not_fit_is_refused_before_the_loops(monkeypatch):
    def never(*_arguments):
        raise AssertionError("the kernel was called")

    x, one = np.ones((2, 4, 3, 3)), np.ones(4)
    _, cache = compiled.spatial_batchnorm_forward(x, one, one, {"mode": "train"})
    for name in ("normalize", "normalize_backward", "mean_backward"):
        monkeypatch.setattr(_norms, name, never)
    with pytest.raises(ShapeError, match="there are 4 features"):
        compiled.spatial_batchnorm_forward(x, np.ones(3), one, {"mode": "train"})
    with pytest.raises(UsageError, match="not train or test"):
        compiled.spatial_batchnorm_relu_forward(x, one, one, {"mode": "tests"})
    with pytest.raises(ShapeError, match=r"not \(N, C, H, W\)"):
        compiled.spatial_batchnorm_forward(x[0], one, one, {"mode": "train"})
    with pytest.raises(ShapeError, match=r"not \(N, D\)"):
        compiled.batchnorm_forward(x, one, one, {"mode": "train"})
    with pytest.raises(ShapeError, match="cannot be divided into 3 equal groups"):
        compiled.spatial_groupnorm_forward(x, one, one, 3, {})
    with pytest.raises(ShapeError, match="dout has the shape"):
        compiled.spatial_batchnorm_backward(np.ones((2, 4, 3, 2)), cache)
    with pytest.raises(ShapeError, match="dout has the shape"):
        compiled.global_avg_pool_backward(np.ones((2, 3)), x.shape)


def test_other_threads_run_while_norms_do():
    x = np.random.default_rng(0).standard_normal((100, 32, 64, 64), np.float32)
    one = np.ones(32, np.float32)
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
        out, cache = compiled.spatial_batchnorm_forward(x, one, one, {"mode": "train"})
        compiled.spatial_batchnorm_backward(out, cache)
    during = ticks[0] - before
    over.set()
    other.join()
    # With the GIL held it could tick only at the edges of the calls, a handful of times.
    assert during > 1000
