"""The autoencoder on torch against the compiled path: cost, steps, solvers, states, what goes wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.core import devices, kernels
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.devices import Device
from app.core.errors import FilterscopeError
from app.core.events import Checkpoint, Failed, Finished, Snapshot
from app.core.learners import AutoencoderLearner, choice, make_autoencoder_learner
from app.core.learners.torch_autoencoder import TorchAutoencoderLearner
from app.core.specs import AutoencoderSpec
from app.core.training import Progress, train

torch = pytest.importorskip("torch")

ROWS, WIDTH = 150, 16
CALM = np.zeros(1, np.int32)
FIRST_ORDER = ("sgd", "momentum", "nesterov", "adam")
DECODERS = ("sigmoid", "linear")
CPU = Device("cpu", "CPU", 1 << 30, 1 << 31)


def rows(seed=0):
    return np.random.default_rng(seed).uniform(0.1, 0.9, (ROWS, WIDTH)).astype(np.float32)


def spec(**values):
    settings = {
        "hidden_units": 5,
        "batch_size": 32,
        "learning_rate": 0.01,
        "beta": 2.0,
        "lam": 0.01,
    }
    return AutoencoderSpec(**{**settings, **values})


def make(settings, x=None):
    return make_autoencoder_learner(
        rows() if x is None else x, settings.changed(engine="torch"), threads=1
    )


def pair(settings, x=None):
    """Return the program's own learner and the torch one, of the same settings."""
    x = rows() if x is None else x
    return AutoencoderLearner(x, settings, threads=1), make(settings, x)


def apart(one, other):
    return float(np.max(np.abs(one - other)))


def take(learner, settings, calls):
    order = EpochOrder(ROWS, 0).epoch(0)
    terms, done = [], 0
    for most in calls:
        outcome = learner.steps(order[done * settings.batch_size :], settings, CALM, most)
        terms.append(outcome.terms)
        done += len(outcome.terms)
    return np.concatenate(terms)


def begin(learner, settings, **more):
    return train(
        learner,
        settings,
        more.pop("control", Control()),
        examples=ROWS,
        order=EpochOrder(ROWS, settings.seed),
        run_id="run",
        **more,
    )


# --- equal to the program's own path


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("solver", FIRST_ORDER)
@pytest.mark.parametrize(("precision", "bound"), [("float64", 1e-9), ("float32", 1e-4)])
def test_steps_are_those_of_the_compiled_path(solver, decoder, precision, bound):
    settings = spec(solver=solver, decoder=decoder, precision=precision)
    ours, theirs = pair(settings)
    for number in range(5):
        order = EpochOrder(ROWS, 0).epoch(0)[32 * number :]
        one, other = (learner.steps(order, settings, CALM, 1) for learner in (ours, theirs))
        assert apart(one.terms, other.terms) < bound
        assert apart(ours.theta, theirs.theta) < bound
        assert apart(ours.rho_hat, theirs.rho_hat) < bound
    assert apart(ours.memory, theirs.memory) < bound if ours.memory.size else True


@pytest.mark.parametrize("decoder", DECODERS)
def test_lbfgs_goes_the_way_of_the_compiled_path(decoder):
    settings = spec(solver="lbfgs", decoder=decoder, precision="float64")
    ours, theirs = pair(settings)
    for _ in range(4):
        one, other = (
            learner.steps(np.arange(ROWS), settings, CALM, 1) for learner in (ours, theirs)
        )
        assert apart(one.terms, other.terms) < 1e-9
    assert apart(ours.theta, theirs.theta) < 1e-7
    assert apart(ours.rho_hat, theirs.rho_hat) < 1e-7


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_unit_that_never_fires_has_a_finite_cost_and_the_same_way_back(precision):
    """A mean activation of 0 is held off it; its slope leads back on both paths."""
    settings = spec(solver="sgd", precision=precision, learning_rate=1e-6)
    ours, theirs = pair(settings)
    for learner in (ours, theirs):
        state = learner.state()
        # The bias of the first unit follows W1.
        state["theta"][WIDTH * 5] = -200.0
        learner.restore(state)
    one, other = (take(learner, settings, [2]) for learner in (ours, theirs))
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_cost_of_all_rows_is_equal_whatever_the_blocks(decoder, monkeypatch):
    monkeypatch.setattr("app.core.learners.torch_autoencoder.BLOCK", 64)
    settings = spec(decoder=decoder, precision="float64")
    ours, theirs = pair(settings)
    np.testing.assert_allclose(ours.evaluate(settings), theirs.evaluate(settings), rtol=1e-12)
    np.testing.assert_allclose(ours.rho_hat, theirs.rho_hat, rtol=1e-12)


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_the_division_into_calls_changes_nothing(solver):
    settings = spec(solver=solver)
    whole, parts = (make(settings) for _ in range(2))
    together = take(whole, settings, [5])
    np.testing.assert_array_equal(take(parts, settings, [1, 2, 2]), together)
    np.testing.assert_array_equal(parts.theta, whole.theta)


def test_rows_that_lie_on_a_device_are_the_same_rows():
    settings = spec(precision="float64")
    there, here = make(settings), make(settings)
    # As a GPU has them that has room.
    there._rows = torch.from_numpy(rows().astype(np.float64))
    np.testing.assert_array_equal(take(there, settings, [5]), take(here, settings, [5]))
    np.testing.assert_array_equal(there.evaluate(settings), here.evaluate(settings))


def test_mapped_rows_are_let_go_and_interrupt_an_iteration(tmp_path, monkeypatch):
    monkeypatch.setattr("app.core.learners.torch_autoencoder.BLOCK", 32)
    monkeypatch.setattr("app.core.learners.torch_autoencoder.PIECE", 64)
    path = tmp_path / "rows.f32"
    rows().tofile(path)
    mapped = np.memmap(path, np.float32, "r", shape=(ROWS, WIDTH))
    interrupt, let_go = np.zeros(1, np.int32), []

    def release():
        let_go.append(True)
        interrupt[0] = len(let_go) > 2

    settings = spec(solver="lbfgs", engine="torch")
    learner = make_autoencoder_learner(mapped, settings, threads=1, release=release)
    before = learner.theta.copy()
    outcome = learner.steps(np.arange(ROWS), settings, interrupt, 1)
    assert len(let_go) == 3
    assert not len(outcome.terms)
    np.testing.assert_array_equal(learner.theta, before)


# --- training


def test_it_trains_and_goes_on_exactly_where_it_was():
    settings = spec(solver="adam", epochs=4, engine="torch")
    straight = make(settings)
    events = list(begin(straight, settings))
    assert isinstance(events[-1], Finished)
    assert events[-1].terms.sum() < make(settings).evaluate(settings).sum()
    halfway = make(settings)
    kept = [
        event
        for event in itertools.takewhile(
            lambda event: not (isinstance(event, Checkpoint) and event.step >= 10),
            begin(halfway, settings, checkpoint_seconds=0.0),
        )
        if isinstance(event, Checkpoint)
    ][-1]
    again = make(settings)
    again.restore(kept.state)
    place = Progress(kept.step, kept.epoch, kept.steps_into_epoch)
    list(begin(again, settings, resume=place))
    assert again.theta.tobytes() == straight.theta.tobytes()


def test_snapshots_are_of_the_weights_and_of_what_units_did():
    settings = spec(engine="torch", epochs=1)
    learner = make(settings)
    snapshots = [e for e in begin(learner, settings) if isinstance(e, Snapshot)]
    last = snapshots[-1]
    np.testing.assert_array_equal(last.weights["W1"], learner.weights()["W1"])
    assert last.weights["W1"].shape == (WIDTH, 5)
    other = AutoencoderLearner(rows(), settings, threads=1)
    take(other, settings, [5])
    np.testing.assert_allclose(last.statistics["rho_hat"], other.rho_hat, rtol=1e-4)


@pytest.mark.parametrize("solver", [*FIRST_ORDER, "lbfgs"])
def test_a_state_is_taken_up_by_either_engine(solver):
    settings = spec(solver=solver, precision="float64")
    ours, theirs = pair(settings)
    calls = [1, 1, 1] if solver == "lbfgs" else [3]
    for first, second in ((ours, theirs), (theirs, ours)):
        take(first, settings, calls)
        second.restore(first.state())
        np.testing.assert_array_equal(second.theta, first.theta)
        order = EpochOrder(ROWS, 0).epoch(0)[96:]
        one, other = (learner.steps(order, settings, CALM, 1) for learner in (first, second))
        assert apart(one.terms, other.terms) < 1e-9
        assert apart(first.theta, second.theta) < 1e-9


# --- what goes wrong


@pytest.mark.parametrize("solver", FIRST_ORDER)
@pytest.mark.parametrize("calls", [[5], [3, 2], [1, 1, 1, 1], [2, 3]])
def test_divergence_returns_to_the_last_finite_cost(solver, calls):
    settings = spec(solver=solver)
    x = rows()
    x[EpochOrder(ROWS, 0).epoch(0)[3 * 32 + 5]] = np.nan
    good = make(settings)
    take(good, settings, [2])
    learner, done, outcomes = make(settings, x), 0, []
    order = EpochOrder(ROWS, 0).epoch(0)
    for most in calls:
        outcomes.append(learner.steps(order[done * 32 :], settings, CALM, most))
        done += len(outcomes[-1].terms)
    assert [one.finite for one in outcomes[:-1]] == [True] * (len(outcomes) - 1)
    assert not outcomes[-1].finite
    assert done == 3
    np.testing.assert_array_equal(learner.theta, good.theta)
    assert learner.taken == 2


def test_a_first_cost_that_is_no_number_leaves_the_first_weights():
    learner = make(spec(), np.full((ROWS, WIDTH), np.nan, np.float32))
    before = learner.theta.copy()
    outcome = learner.steps(np.arange(ROWS), spec(), CALM, 3)
    assert (outcome.finite, len(outcome.terms), learner.taken) == (False, 0, 0)
    np.testing.assert_array_equal(learner.theta, before)


def test_a_device_that_fails_falls_back_to_the_cpu_and_says_so(monkeypatch):
    broken = Device("cuda:0", "Some GPU", problem="no kernel image is available")
    monkeypatch.setattr(devices, "find_devices", lambda: (broken, CPU))
    learner = make(spec(device="cuda"))
    assert learner.device.name == "cpu"
    assert (
        "Some GPU cannot be used: no kernel image is available; the CPU computes" in learner.engine
    )
    assert len(learner.steps(np.arange(ROWS), spec(), CALM, 2).terms) == 2


def test_apple_gpus_have_no_float64(monkeypatch):
    monkeypatch.setattr(
        devices, "find_devices", lambda: (Device("mps", "Apple GPU", 1 << 30, 1 << 31), CPU)
    )
    learner = make(spec(device="mps", precision="float64"))
    assert learner.device.name == "cpu"
    assert "Apple GPUs have no float64; the CPU computes" in learner.engine


def test_single_sums_as_on_an_apple_gpu_are_near_and_finite_where_a_unit_is_always_on(monkeypatch):
    monkeypatch.setattr(TorchAutoencoderLearner, "_mean_type", "float32")
    settings = spec(solver="sgd")
    ours, theirs = pair(settings)
    np.testing.assert_allclose(take(ours, settings, [5]), take(theirs, settings, [5]), rtol=1e-4)
    state = theirs.state()
    state["theta"][WIDTH * 5] = 200.0
    theirs.restore(state)
    assert np.isfinite(take(theirs, settings, [2])).all()
    assert np.isfinite(theirs.theta).all()


def test_an_error_of_the_device_in_the_middle_ends_with_one_sentence(monkeypatch):
    settings = spec(epochs=4, engine="torch")
    learner = make(settings)
    batch, calls = learner._batch, []

    def failing(indices):
        calls.append(len(indices))
        if len(calls) == 13:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
        return batch(indices)

    monkeypatch.setattr(learner, "_batch", failing)
    events = list(begin(learner, settings, checkpoint_seconds=0.0))
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.kind == "expected"
    assert "CPU stopped working: CUDA error: an illegal memory access" in last.message
    assert "kept last is good" in last.hint
    checkpoint = [event for event in events if isinstance(event, Checkpoint)][-1]
    other = AutoencoderLearner(rows(), settings)
    other.restore(checkpoint.state)
    assert np.isfinite(other.evaluate(settings)).all()
    with pytest.raises(FilterscopeError, match="stopped working"):
        learner.steps(np.arange(ROWS), settings, CALM, 1)


def test_too_little_memory_is_said_with_a_batch_that_would_fit(monkeypatch):
    settings = spec(batch_size=64, epochs=1, engine="torch")
    learner = make(settings)
    cost = learner._cost

    def small(x, settings):
        if len(x) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return cost(x, settings)

    monkeypatch.setattr(learner, "_cost", small)
    last = list(begin(learner, settings))[-1]
    assert isinstance(last, Failed)
    assert last.message == "CPU has too little memory for 64 patches at once."
    assert last.hint == "A batch of 16 would fit."


@pytest.mark.parametrize(
    ("engine", "kind", "word"),
    [
        ("torch", "TorchAutoencoderLearner", "PyTorch"),
        ("reference", "AutoencoderLearner", "NumPy twin"),
        ("compiled", "AutoencoderLearner", "compiled" if kernels.COMPILED else "NumPy twin"),
    ],
)
def test_the_engine_of_the_settings_computes(engine, kind, word):
    learner = make_autoencoder_learner(rows(), spec(engine=engine), threads=1)
    assert type(learner).__name__ == kind
    assert learner.engine.startswith(word)


def test_without_torch_the_own_loops_compute_and_it_is_said(monkeypatch):
    def missing():
        raise FilterscopeError("PyTorch is not installed.", "Install it.")

    monkeypatch.setattr(choice, "load_torch", missing)
    settings = spec(engine="torch")
    learner = make_autoencoder_learner(rows(), settings, threads=1)
    assert type(learner) is AutoencoderLearner
    assert "PyTorch is not installed; the program's own loops compute" in learner.engine
    assert isinstance(list(begin(learner, settings.changed(epochs=1)))[-1], Finished)
