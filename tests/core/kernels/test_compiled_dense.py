"""The compiled affine layers and solvers against their twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ShapeError
from app.core.kernels import reference
from app.core.solvers.first_order import MEMORY, SOLVERS
from tests.core.kernels.layer_cases import apart, dtypes

compiled = pytest.importorskip("app.core.kernels.compiled", reason="no compiled kernels here")

from app.core.kernels import _layers  # noqa: E402
from app.core.kernels.compiled import sharing  # noqa: E402

BOUNDS = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-4}


@pytest.fixture(autouse=True)
def _any_work_is_shared(monkeypatch):
    monkeypatch.setattr(sharing, "WORTH_A_THREAD", 1)
    yield
    _layers.limit_instructions(2)


@st.composite
def dense_cases(draw):
    """Draw x, w, b, dout; rows of x may be pictures."""
    n, m = draw(st.integers(1, 110)), draw(st.integers(1, 70))
    shape = draw(st.sampled_from([(1,), (5,), (33,), (3, 4, 2), (300,)]))
    dtype = draw(dtypes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = (n, *shape), (int(np.prod(shape)), m), (m,), (n, m)
    return tuple(rng.standard_normal(s).astype(dtype) for s in shapes)


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        assert apart(a, b) < BOUNDS[b.dtype]
    return True


@given(case=dense_cases(), threads=st.integers(1, 4), instructions=st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_affine_layers_equal_their_twins(case, threads, instructions):
    x, w, b, dout = case
    _layers.limit_instructions(instructions)
    with compiled.use_threads(threads):
        for name in ("affine", "affine_relu"):
            out, cache = getattr(compiled, f"{name}_forward")(x, w, b)
            expected, twin_cache = getattr(reference, f"{name}_forward")(x, w, b)
            assert same((out,), (expected,))
            assert same(
                getattr(compiled, f"{name}_backward")(dout, cache),
                getattr(reference, f"{name}_backward")(dout, twin_cache),
            )


@given(
    case=dense_cases(), threads=st.integers(1, 4), instructions=st.integers(0, 2),
    solver=st.sampled_from(SOLVERS), step=st.integers(1, 4), reg=st.sampled_from([0.0, 0.1]),
    name=st.sampled_from(["affine", "affine_relu"]), need=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_weights_that_move_on_the_way_back_equal_the_twins(
    case, threads, instructions, solver, step, reg, name, need
):
    x, w, b, dout = case
    _layers.limit_instructions(instructions)
    memory = np.abs(np.random.default_rng(1).standard_normal((MEMORY[solver], *w.shape)))
    answers = []
    for module in (compiled, reference):
        moved, kept = w.copy(), memory.astype(w.dtype)
        with compiled.use_threads(threads):
            _, cache = getattr(module, f"{name}_forward")(x, moved, b)
            dx, db, squares = getattr(module, f"{name}_backward_update")(
                solver, dout, cache, kept, step, 0.02, 0.9, reg, need
            )
        assert (dx is not None) == need
        answers.append((np.zeros(0, w.dtype) if dx is None else dx, db, moved, kept))
        assert squares == pytest.approx(np.square(w, dtype=np.float64).sum(), rel=1e-5)
    assert same(*answers)


@given(
    size=st.integers(0, 3000), dtype=dtypes, solver=st.sampled_from(SOLVERS),
    step=st.integers(1, 4), reg=st.sampled_from([0.0, 0.1]), threads=st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_solvers_equal_their_twin(size, dtype, solver, step, reg, threads):
    rng = np.random.default_rng(size)
    theta, gradient = (rng.standard_normal(size).astype(dtype) for _ in range(2))
    memory = np.abs(rng.standard_normal((MEMORY[solver], size))).astype(dtype)
    ours, theirs = (theta.copy(), memory.copy()), (theta.copy(), memory.copy())
    before = gradient.copy()
    with compiled.use_threads(threads):
        compiled.update(solver, ours[0], gradient, ours[1], step, 0.02, 0.9, reg)
    reference.update(solver, theirs[0], gradient, theirs[1], step, 0.02, 0.9, reg)
    assert same(ours, theirs)
    np.testing.assert_array_equal(gradient, before)


@pytest.mark.parametrize("solver", SOLVERS)
def test_threads_change_not_one_bit(solver):
    rng = np.random.default_rng(0)
    x, w, b, dout = (
        rng.standard_normal(s, np.float32) for s in ((50, 700), (700, 90), (90,), (50, 90))
    )
    answers = []
    for threads in (1, 2, 5):
        moved, memory = w.copy(), np.zeros((MEMORY[solver], *w.shape), np.float32)
        with compiled.use_threads(threads):
            out, cache = compiled.affine_forward(x, w, b)
            gradients = compiled.affine_backward(dout, cache)
            dx, db, squares = compiled.affine_backward_update(
                solver, dout, (x, moved, b), memory, 1, 0.01, 0.9, 0.1
            )
        answers.append((out, *gradients, moved, memory, dx, db, squares))
    for other in answers[1:]:
        for one, many in zip(answers[0], other, strict=True):
            np.testing.assert_array_equal(one, many)


def test_moving_at_once_or_later_is_the_same():
    rng = np.random.default_rng(0)
    x, w, b, dout = (
        rng.standard_normal(s, np.float32) for s in ((50, 70), (70, 90), (90,), (50, 90))
    )
    at_once, later = w.copy(), w.copy()
    memories = [np.zeros((2, *w.shape), np.float32) for _ in range(2)]
    compiled.affine_backward_update("adam", dout, (x, at_once, b), memories[0], 1, 0.01, 0.9, 0.1)
    _, dw, _ = compiled.affine_backward(dout, (x, later, b))
    compiled.update("adam", later, dw, memories[1], 1, 0.01, 0.9, 0.1)
    np.testing.assert_array_equal(at_once, later)
    np.testing.assert_array_equal(*memories)


def test_what_does_not_fit_is_refused_before_the_loops():
    x, w, b, dout = np.ones((2, 3)), np.ones((3, 4)), np.ones(4), np.ones((2, 4))
    with pytest.raises(ShapeError, match="x has 3 values each"):
        compiled.affine_forward(x, np.ones((4, 4)), b)
    with pytest.raises(ShapeError, match="4 outputs need"):
        compiled.affine_forward(x, w, np.ones(3))
    with pytest.raises(ShapeError, match="dout has the shape"):
        compiled.affine_backward(np.ones((2, 3)), (x, w, b))
    arguments = (1, 0.1, 0.9)
    with pytest.raises(ValueError, match="no first-order solver"):
        compiled.affine_backward_update("lbfgs", dout, (x, w, b), [], *arguments)
    with pytest.raises(ValueError, match="adam remembers 2"):
        compiled.affine_backward_update("adam", dout, (x, w, b), [w.copy()], *arguments)
    with pytest.raises(ValueError, match="does not fit"):
        compiled.affine_backward_update("momentum", dout, (x, w, b), [np.ones((4, 3))], *arguments)
    with pytest.raises(ValueError, match="contiguous and writeable"):
        compiled.affine_backward_update("sgd", dout, (x, np.ones((4, 3)).T, b), [], *arguments)
    frozen = np.ones((3, 4))
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="contiguous and writeable"):
        compiled.affine_backward_update("sgd", dout, (x, frozen, b), [], *arguments)
    with pytest.raises(TypeError, match="not float32 or float64"):
        compiled.update("sgd", np.ones(3, int), np.ones(3), [], *arguments)
    with pytest.raises(ValueError, match="does not fit"):
        compiled.update("sgd", np.ones(3), np.ones(4), [], *arguments)


def test_no_rows_give_no_slope():
    x, w, b = np.ones((0, 3)), np.ones((3, 4)), np.ones(4)
    out, cache = compiled.affine_forward(x, w, b)
    assert out.shape == (0, 4)
    dx, dw, db = compiled.affine_backward(out, cache)
    assert dx.shape == (0, 3)
    assert not dw.any()
    assert not db.any()
