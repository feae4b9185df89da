"""The compiled kernel against its twin, against itself cut up, and with other threads."""

from __future__ import annotations

import importlib
import inspect
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import kernels
from app.core.kernels import reference
from app.core.learners import AutoencoderLearner
from app.core.specs import AutoencoderSpec

compiled = pytest.importorskip(
    "app.core.kernels.compiled.autoencoder", reason="no compiled kernels here"
)
from app.core.kernels.compiled import sharing  # noqa: E402

SIZES = [(7, 3, 5, 23), (256, 64, 128, 300), (48, 25, 17, 100), (1, 1, 1, 4), (33, 17, 40, 40)]
SOLVERS = ["sgd", "momentum", "nesterov", "adam"]
CALM = np.zeros(1, np.int32)


def learner(engine, size, solver="sgd", precision="float64", decoder="sigmoid", threads=1):
    width, units, batch, rows = size
    x = np.random.default_rng(1).uniform(0.1, 0.9, (rows, width)).astype(np.float32)
    spec = AutoencoderSpec(
        hidden_units=units,
        batch_size=batch,
        solver=solver,
        precision=precision,
        decoder=decoder,
        learning_rate=0.02,
        lam=1e-3,
        beta=0.3,
        rho=0.2,
    )
    return AutoencoderLearner(x, spec, engine=engine, threads=threads), spec


def order(rows):
    return np.random.default_rng(7).permutation(rows)


def apart(a, b):
    return np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)


@pytest.mark.parametrize("decoder", ["sigmoid", "linear"])
@pytest.mark.parametrize(("precision", "bound"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_kernel_equals_its_twin(size, solver, precision, bound, decoder):
    ours, spec = learner("compiled", size, solver, precision, decoder)
    twin, _ = learner("reference", size, solver, precision, decoder)
    rows = order(size[3])
    a, b = ours.steps(rows, spec, CALM, 10**6), twin.steps(rows, spec, CALM, 10**6)
    assert a.finite
    assert b.finite
    assert len(a.terms) == len(b.terms) == -(-size[3] // size[2])
    assert apart(a.terms, b.terms) < bound
    assert apart(ours.theta, twin.theta) < bound
    assert apart(ours.rho_hat, twin.rho_hat) < bound


@given(
    width=st.integers(1, 70),
    units=st.integers(1, 40),
    batch=st.integers(1, 50),
    rows=st.integers(1, 120),
    solver=st.sampled_from(SOLVERS),
    decoder=st.sampled_from(["sigmoid", "linear"]),
    threads=st.integers(1, 4),
    instructions=st.integers(0, 2),
    cut=st.integers(1, 5),
)
@settings(max_examples=150)
def test_any_size_any_threads_any_instructions_any_cut(
    width, units, batch, rows, solver, decoder, threads, instructions, cut
):
    size = (width, units, batch, rows)
    ours, spec = learner("compiled", size, solver, "float64", decoder, threads)
    twin, _ = learner("reference", size, solver, "float64", decoder)
    space = compiled._workspace(ours.theta, width, units, min(batch, rows), threads)
    space.limit_instructions(instructions)
    visited = order(rows)
    starts = range(0, rows, cut * batch)
    seen = [ours.steps(visited[start:], spec, CALM, cut).terms for start in starts]
    expected = twin.steps(visited, spec, CALM, 10**6).terms
    assert apart(np.concatenate(seen), expected) < 1e-12
    # Adam divides by the root of what may be next to nothing: there rounding is seen.
    assert apart(ours.theta, twin.theta) < (1e-9 if solver == "adam" else 1e-12)


@pytest.mark.parametrize(("precision", "bound"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("decoder", ["sigmoid", "linear"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_whole_gradient_equals_the_twins(size, precision, bound, decoder):
    ours, spec = learner("compiled", size, precision=precision, decoder=decoder, threads=2)
    twin, _ = learner("reference", size, precision=precision, decoder=decoder)
    a = ours._whole(ours.theta, spec, gradient=True)
    b = twin._whole(twin.theta, spec, gradient=True)
    for mine, other in zip(a, b, strict=True):
        assert apart(mine, other) < bound


@pytest.mark.parametrize("instructions", [0, 1, 2])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_instruction_set_gives_the_same_numbers(instructions, precision, monkeypatch):
    bound = 1e-12 if precision == "float64" else 1e-5
    size = (50, 20, 32, 100)
    twin, spec = learner("reference", size, "adam", precision)
    ours, _ = learner("compiled", size, "adam", precision)
    original = compiled._workspace

    def limited(*args):
        space = original(*args)
        space.limit_instructions(instructions)
        return space

    monkeypatch.setattr(compiled, "_workspace", limited)
    rows = order(100)
    ours.steps(rows, spec, CALM, 10)
    twin.steps(rows, spec, CALM, 10)
    original(ours.theta, 50, 20, 32, 1).limit_instructions(2)
    assert apart(ours.theta, twin.theta) < bound


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_threads_change_not_one_bit(size, threads):
    one, spec = learner("compiled", size, "adam", "float32")
    many, _ = learner("compiled", size, "adam", "float32", threads=threads)
    rows = order(size[3])
    a, b = one.steps(rows, spec, CALM, 10**6), many.steps(rows, spec, CALM, 10**6)
    np.testing.assert_array_equal(a.terms, b.terms)
    np.testing.assert_array_equal(one.theta, many.theta)
    np.testing.assert_array_equal(one.evaluate(spec), many.evaluate(spec))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_cutting_into_calls_changes_not_one_bit(engine):
    size = (30, 8, 16, 200)
    whole, spec = learner(engine, size, "adam", "float32")
    parts, _ = learner(engine, size, "adam", "float32")
    rows = order(200)
    expected = whole.steps(rows, spec, CALM, 10**6).terms
    seen, at = [], 0
    for most in (1, 4, 2, 100):
        outcome = parts.steps(rows[at * 16 :], spec, CALM, most)
        seen.append(outcome.terms)
        at += len(outcome.terms)
    np.testing.assert_array_equal(np.concatenate(seen), expected)
    np.testing.assert_array_equal(parts.theta, whole.theta)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_comes_back_after_one_step(engine, threads):
    ours, spec = learner(engine, (30, 8, 16, 200), threads=threads)
    outcome = ours.steps(order(200), spec, np.ones(1, np.int32), 10**6)
    assert len(outcome.terms) == 1


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("threads", [1, 2])
def test_divergence_keeps_the_last_good_weights(engine, threads):
    size = (20, 6, 10, 100)
    spec_values = {"learning_rate": 1e8, "lam": 10.0}
    ours, spec = learner(engine, size, "sgd", "float32", "linear", threads)
    spec = spec.changed(**spec_values)
    outcome = ours.steps(order(100), spec, CALM, 10**6)
    assert not outcome.finite
    assert np.isfinite(outcome.terms).all()
    assert np.isfinite(ours.theta).all()
    # Those weights give the last cost that was finite.
    done = len(outcome.terms)
    again, _ = learner(engine, size, "sgd", "float32", "linear", threads)
    if done > 1:
        again.steps(order(100), spec, CALM, done - 1)
    np.testing.assert_array_equal(again.theta, ours.theta)
    assert "1e+07" in ours.suggestion(spec)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_infinities_leave_nothing_behind_for_the_next_training(solver, precision):
    """Arrays are used again; what a diverged training left between their rows must not be."""
    size = (7, 3, 5, 23)
    one, spec = learner("compiled", size, solver, precision)
    one.steps(order(23), spec, CALM, 10**6)
    broken, _ = learner("compiled", size, solver, precision)
    beyond = spec.model_copy(update={"learning_rate": np.inf})
    assert not broken.steps(order(23), beyond, CALM, 10**6).finite
    again, _ = learner("compiled", size, solver, precision)
    assert again.steps(order(23), spec, CALM, 10**6).finite
    np.testing.assert_array_equal(one.theta, again.theta)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("pieces", [(1,), (2, 1), (1, 2), (3,)], ids=str)
def test_divergence_is_undone_however_the_steps_were_cut(engine, solver, pieces):
    """The step that was too much may be the last of an earlier call."""
    size = (20, 6, 10, 100)
    rows = order(100)

    def begin():
        # The third step breaks the weights: its rate is no float32.
        ours, spec = learner(engine, size, solver, "float32", "linear")
        return ours, spec, spec.model_copy(update={"learning_rate": 1e39})

    whole, spec, wild = begin()
    whole.steps(rows, spec, CALM, 2)
    good, taken = whole.theta.copy(), whole.taken
    outcome = whole.steps(rows[20:], wild, CALM, 10**6)
    assert not outcome.finite
    assert len(outcome.terms) == 1
    np.testing.assert_array_equal(whole.theta, good)
    assert whole.taken == taken

    cut, spec, wild = begin()
    cut.steps(rows, spec, CALM, 2)
    at, outcomes = 2, []
    for most in pieces * 4:
        outcomes.append(cut.steps(rows[at * 10 :], wild, CALM, most))
        at += len(outcomes[-1].terms)
        if not outcomes[-1].finite:
            break
    assert not outcomes[-1].finite
    assert at == 3
    np.testing.assert_array_equal(cut.theta, good)
    assert cut.taken == taken


def test_divergence_by_an_infinite_cost_is_undone_across_calls():
    """Here all weights stay finite numbers, only the cost does not."""
    ours, spec = learner("compiled", (20, 6, 10, 100), "sgd", "float32", "linear")
    rows = order(100)
    ours.steps(rows, spec, CALM, 1)
    good = ours.theta.copy()
    wild = spec.model_copy(update={"learning_rate": 1e24})
    assert ours.steps(rows[10:], wild, CALM, 1).finite
    assert np.isfinite(ours.theta).all()
    outcome = ours.steps(rows[20:], wild, CALM, 1)
    assert not outcome.finite
    assert len(outcome.terms) == 0
    np.testing.assert_array_equal(ours.theta, good)


def test_double_precision_needs_no_second_copy_of_the_rows():
    for engine in ("compiled", "reference"):
        ours, _ = learner(engine, (7, 3, 5, 23), precision="float64")
        assert ours.x.dtype == np.float32
        assert ours.theta.dtype == np.float64


def test_rows_may_be_doubles_when_the_weights_are():
    ours, spec = learner("compiled", (7, 3, 5, 23), precision="float64")
    wide, _ = learner("compiled", (7, 3, 5, 23), precision="float64")
    wide.x = wide.x.astype(np.float64)
    ours.steps(order(23), spec, CALM, 10**6)
    wide.steps(order(23), spec, CALM, 10**6)
    np.testing.assert_array_equal(ours.theta, wide.theta)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_pass_over_many_rows_can_be_given_up_and_lets_pages_go(engine):
    rows = 3 * reference.autoencoder.PIECE + 5
    x = np.random.default_rng(2).random((rows, 2), np.float32)
    spec = AutoencoderSpec(hidden_units=2, solver="lbfgs")
    calls, interrupt = [], np.zeros(1, np.int32)

    def release():
        calls.append(0)
        if len(calls) == stop_at:
            interrupt[0] = 1

    stop_at = -1
    ours = AutoencoderLearner(x, spec, engine=engine, release=release)
    # Two passes of four pieces each.
    ours.evaluate(spec)
    assert len(calls) == 6
    before, stop_at = ours.theta.copy(), len(calls) + 4
    outcome = ours.steps(np.arange(rows), spec, interrupt, 1)
    assert len(outcome.terms) == 0
    assert outcome.finite
    assert len(calls) == stop_at
    np.testing.assert_array_equal(ours.theta, before)
    # What was given up leaves no trace; one that is asked for as a single step is taken.
    fresh = AutoencoderLearner(x, spec, engine=engine)
    fresh.steps(np.arange(rows), spec, CALM, 1)
    assert len(ours.steps(np.arange(rows), spec, interrupt, 1).terms) == 1
    np.testing.assert_array_equal(ours.theta, fresh.theta)


def test_when_threads_are_refused_fewer_compute_the_same(monkeypatch):
    size = (30, 8, 16, 200)
    one, spec = learner("compiled", size, "adam", "float32")
    many, _ = learner("compiled", size, "adam", "float32", threads=7)
    one.steps(order(200), spec, CALM, 10**6)

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sharing, "_own", threading.local())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        many.steps(order(200), spec, CALM, 10**6)
    np.testing.assert_array_equal(one.theta, many.theta)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_saturated_units_are_clamped_alike(value, precision):
    """A unit that is always off or always on has a finite pull, the same in both."""
    ours, spec = learner("compiled", (7, 3, 5, 23), precision=precision)
    twin, _ = learner("reference", (7, 3, 5, 23), precision=precision)
    for one in (ours, twin):
        one.weights()["b1"][1] = 800.0 if value else -800.0
    a, b = (
        ours._whole(ours.theta, spec, gradient=True),
        twin._whole(twin.theta, spec, gradient=True),
    )
    assert abs(a[2][1] - value) < 1e-30
    assert np.isfinite(a[0]).all()
    for mine, other in zip(a, b, strict=True):
        assert apart(mine, other) < (1e-12 if precision == "float64" else 1e-5)


def test_what_is_no_number_is_noticed_not_computed_with():
    ours, spec = learner("compiled", (20, 6, 10, 100))
    ours.x = ours.x.copy()
    ours.x[17, 3] = np.nan
    outcome = ours.steps(np.arange(100), spec, CALM, 10**6)
    assert not outcome.finite
    assert len(outcome.terms) == 1
    assert np.isfinite(ours.theta).all()


def test_wrong_arguments_are_refused_before_the_loop():
    theta = np.zeros(10, np.float32)
    x = np.zeros((4, 3), np.float32)
    keys = {
        "hidden_units": 1, "batch_size": 2, "taken": 0, "solver": "sgd", "decoder": "sigmoid",
        "learning_rate": 0.1, "momentum": 0.9, "lam": 0.0, "beta": 0.0, "rho": 0.1,
    }  # fmt: skip

    def call(theta=theta, memory=None, x=x, rows=(0, 1), terms=1, **changed):
        memory = np.zeros((0, theta.size), theta.dtype) if memory is None else memory
        return compiled.train_steps(
            theta, memory, x, np.array(rows, np.int64), np.empty((terms, 3)), np.zeros(1), CALM,
            **{**keys, **changed},
        )  # fmt: skip

    assert call() == (1, True)
    with pytest.raises(ValueError, match="do not make a network"):
        call(hidden_units=2)
    with pytest.raises(IndexError):
        call(rows=(0, 4))
    with pytest.raises(IndexError):
        call(rows=(-1, 0))
    with pytest.raises(TypeError):
        call(x=x.astype(np.float64))
    with pytest.raises(TypeError):
        call(x=x.astype(np.float16))
    with pytest.raises(ValueError, match="no rows"):
        call(x=x[:0])
    with pytest.raises(ValueError, match="batch_size"):
        call(batch_size=0)
    with pytest.raises(ValueError, match="do not fit"):
        call(rows=())
    with pytest.raises(ValueError, match="no decoder"):
        call(decoder="tanh")
    with pytest.raises(TypeError):
        call(x=np.zeros((3, 4), np.float32).T)
    with pytest.raises(ValueError, match="do not fit"):
        call(terms=2)
    with pytest.raises(ValueError, match="remembers"):
        call(solver="adam")


def test_twins_have_the_same_signatures():
    for name in reference.__all__:
        if name != "NAME":
            assert inspect.signature(getattr(reference, name)) == inspect.signature(
                getattr(kernels.choose("compiled"), name)
            ), name


def test_other_threads_run_while_a_kernel_does():
    ours, spec = learner("compiled", (256, 64, 128, 10_000), "adam", "float32")
    rows = np.tile(order(10_000), 5)
    inside, ticks, over = threading.Event(), [0], threading.Event()

    def tick() -> None:
        while not over.is_set():
            inside.set()
            ticks[0] += 1

    other = threading.Thread(target=tick)
    other.start()
    inside.wait()
    before = ticks[0]
    ours.steps(rows, spec, CALM, 10**6)
    during = ticks[0] - before
    over.set()
    other.join()
    # With the GIL held it could tick only at the edges of the call, a handful of times.
    assert during > 1000


def test_without_an_extension_the_twin_serves_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "app.core.kernels._autoencoder", None)
    for name in [name for name in sys.modules if name.startswith("app.core.kernels.compiled")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(kernels, "compiled")
    monkeypatch.delattr(kernels, "_autoencoder")
    try:
        without = importlib.reload(kernels)
        assert not without.COMPILED
        assert "compiler" in without.REASON
        assert without.choose() is reference
        with pytest.raises(ValueError, match="no compiled kernels"):
            without.choose("compiled")
        ours, _ = learner(None, SIZES[0])
        assert ours.engine.startswith("NumPy twin")
    finally:
        monkeypatch.undo()
        importlib.reload(kernels)
    assert kernels.COMPILED
