"""The torch learner against the compiled one: steps, dropout, flips, resuming, divergence, L-BFGS."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools

import numpy as np
import pytest

from app.core import devices, kernels
from app.core.control import Control
from app.core.data.batches import EpochOrder, Share
from app.core.data.image_preprocess import augmentation_rng
from app.core.devices import Device
from app.core.errors import FilterscopeError
from app.core.events import Checkpoint, Evaluated, Failed, Finished
from app.core.learners import ConvNetLearner, make_convnet_learner
from app.core.learners.device_images import DeviceImages
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.training import Progress, train
from tests.core.learners_of_images import data, spec

torch = pytest.importorskip("torch")

CALM = np.zeros(1, np.int32)
FIRST_ORDER = ("sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad")
LEVELS = ("barebones", "module", "sequential")
# Every kind of row. No bias stands before a batchnorm: its slope is rounding alone, which the
# solvers that divide by a slope's size make large.
ALL_ROWS = (
    "conv 4 3x3 stride 2, leaky_relu 0.1, batchnorm, pool 2 stride 1, "
    "residual(conv 6 3x3, elu, groupnorm 2, conv 6 3x3 stride 2), relu, "
    "residual(conv 6 3x3, relu, conv 6 3x3), avg_pool 2 stride 1, layernorm, dropout keep 0.8, "
    "affine 8, relu, batchnorm, layernorm, dropout"
)


def make(settings, fitted=None, **more):
    """Return a torch learner; on one thread, for what is this small."""
    return make_convnet_learner(fitted or data(), settings, **{"threads": 1, **more})


def torch_spec(**values):
    return spec(**{"engine": "torch", **values})


def pair(settings, fitted=None):
    """Return the compiled learner and the torch one, of the same settings."""
    fitted = fitted or data()
    torch_one = make(settings.changed(engine="torch"), fitted)
    return ConvNetLearner(fitted, settings, threads=1), torch_one


def apart(one, other):
    return float(np.max(np.abs(one - other)))


def begin(learner, settings, **more):
    return train(
        learner,
        settings,
        more.pop("control", Control()),
        examples=80,
        order=EpochOrder(80, settings.seed),
        run_id="run",
        **more,
    )


# --- equal to the compiled path


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_steps_are_those_of_the_compiled_path(solver, level):
    settings = spec(
        layers=ALL_ROWS,
        solver=solver,
        level=level,
        precision="float64",
        learning_rate=0.01,
        schedule="cosine",
        dropout=0.3,
        label_smoothing=0.1,
        reg=0.05,
    )
    ours, theirs = pair(settings, data(flip=True, crop=2))
    order = EpochOrder(80, 0).epoch(0)
    for number in range(4):
        rows = order[16 * number :]
        one, other = (learner.steps(rows, settings, CALM, 1) for learner in (ours, theirs))
        assert apart(one.terms, other.terms) < 1e-9
        assert one.accuracies.tolist() == other.accuracies.tolist()
        assert apart(ours.network.theta, theirs.network.theta) < 1e-9
        assert apart(ours.network.running, theirs.network.running) < 1e-9
    assert apart(ours.memory, theirs.memory) < 1e-9 if ours.memory.size else True


@pytest.mark.parametrize("solver", FIRST_ORDER)
@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_a_step_in_single_precision_is_equal_as_far_as_rounding_goes(solver, loss):
    layers = "conv 6 3x3, relu, pool 2, conv 8 3x3, relu, affine 16, relu"
    settings = spec(layers=layers, solver=solver, loss=loss, learning_rate=1e-2)
    ours, theirs = pair(settings)
    order = EpochOrder(80, 0).epoch(0)
    for learner in (ours, theirs):
        learner.steps(order, settings, CALM, 1)
    assert apart(ours.network.theta, theirs.network.theta) < 1e-4


def test_ways_through_the_network_do_not_depend_on_how_steps_are_divided_into_calls():
    settings = torch_spec(dropout=0.2)
    order = EpochOrder(80, 0).epoch(0)
    one, other = (make(settings) for _ in range(2))
    while one.taken < 5:
        one.steps(order[16 * one.taken :], settings, CALM, 1)
    while other.taken < 5:
        other.steps(order[16 * other.taken :], settings, CALM, 5)
    assert one.network.theta.tobytes() == other.network.theta.tobytes()


def test_lbfgs_goes_the_way_of_the_compiled_path():
    settings = spec(solver="lbfgs", precision="float64", epochs=3)
    ours, theirs = pair(settings)
    for _ in range(3):
        one, other = (learner.steps(np.arange(80), settings, CALM, 1) for learner in (ours, theirs))
        assert one.terms == pytest.approx(other.terms, rel=1e-7)
    assert apart(ours.network.theta, theirs.network.theta) < 1e-6
    assert apart(ours.network.running, theirs.network.running) < 1e-6


def test_evaluations_and_answers_are_equal():
    settings = spec(precision="float64", label_smoothing=0.1)
    ours, theirs = pair(settings)
    for learner in (ours, theirs):
        learner.steps(EpochOrder(80, 0).epoch(0), settings, CALM, 1)
    assert ours.evaluate(settings) == pytest.approx(theirs.evaluate(settings), rel=1e-9)
    one, other = ours.validate(settings, CALM), theirs.validate(settings, CALM)
    assert dataclasses.replace(one, validation_loss=0) == dataclasses.replace(
        other, validation_loss=0
    )
    assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-9)
    asked = [learner.score("test").labels for learner in (ours, theirs)]
    assert asked[0].tolist() == asked[1].tolist()
    samples = [learner.snapshot()[1] for learner in (ours, theirs)]
    assert samples[0]
    assert set(samples[0]) == set(samples[1])
    for name, one in samples[0].items():
        if samples[1][name].size == one.size:
            assert apart(one, samples[1][name]) < 1e-9, name


@pytest.mark.parametrize("images", [{}, {"flip": True}, {"crop": 3}, {"flip": True, "crop": 2}])
def test_pictures_on_a_device_are_those_of_the_host(images):
    fitted = data(**images)
    there = DeviceImages(fitted, Device("cpu", "CPU"), np.dtype(np.float32), resident=True)
    indices = np.array([5, 3, 70, 11, 5])
    x, y = there.batch(indices, augmentation_rng(1, 2, 3))
    assert np.array_equal(x.numpy(), fitted.batch(indices, augmentation_rng(1, 2, 3)))
    assert y.tolist() == fitted.labels(indices).tolist()
    assert np.array_equal(there.rows(indices)[0].numpy(), fitted.rows(indices))


# --- training


def test_it_trains_and_goes_on_exactly_where_it_was():
    settings = torch_spec(dropout=0.2, solver="nesterov", learning_rate=0.02, epochs=4)
    fitted = data(flip=True)
    straight = make(settings, fitted)
    events = list(begin(straight, settings))
    assert isinstance(events[-1], Finished)
    evaluations = [event for event in events if isinstance(event, Evaluated)]
    assert len(evaluations) == 4

    halfway = make(settings, fitted)
    gone = itertools.takewhile(
        lambda event: not (isinstance(event, Evaluated) and event.step == 10),
        begin(halfway, settings),
    )
    list(gone)
    again = make(settings, fitted)
    again.restore(halfway.state())
    list(begin(again, settings, resume=Progress(step=10, epoch=2)))
    assert again.network.theta.tobytes() == straight.network.theta.tobytes()
    assert (again.best.step, again.best.accuracy) == (straight.best.step, straight.best.accuracy)


def test_a_state_is_taken_up_by_the_other_engine():
    settings = torch_spec()
    learner = make(settings)
    learner.steps(EpochOrder(80, 0).epoch(0), settings, CALM, 3)
    other = ConvNetLearner(data(), settings.changed(engine="compiled"))
    other.restore(learner.state())
    assert np.array_equal(other.network.theta, learner.network.theta)


@pytest.mark.parametrize("most", [1, 5])
def test_after_too_long_a_step_the_last_good_weights_are_back(most):
    settings = torch_spec(solver="sgd", layers="affine 8, relu", learning_rate=1e-2)
    learner = make(settings)
    order = EpochOrder(80, 0).epoch(0)
    learner.steps(order, settings, CALM, 1)
    before = learner.network.theta.copy()
    wild = settings.changed(learning_rate=1e9)
    taken, outcome = 1, None
    while outcome is None or outcome.finite:
        assert taken < 40
        epoch_order = order[16 * (taken % 5) :]
        outcome = learner.steps(epoch_order, wild, CALM, most)
        taken += len(outcome.terms)
    assert learner.taken == taken
    assert np.isfinite(learner.network.theta).all()
    assert np.isfinite(outcome.terms).all()
    assert np.isfinite(learner.evaluate(settings)).all()
    if taken == 2:
        assert np.array_equal(learner.network.theta, before)


def test_bfloat16_channels_last_and_threads_are_what_the_settings_say():
    settings = torch_spec(
        mixed_precision="bfloat16", channels_last=True, learning_rate=0.01, epochs=8
    )
    learner = make(settings)
    seen = []
    forward = learner.model.forward

    def watched(x):
        out = forward(x)
        seen.append((x.is_contiguous(memory_format=torch.channels_last), out.dtype))
        return out

    learner.model.forward = watched
    events = list(begin(learner, settings))
    assert isinstance(events[-1], Finished)
    assert set(seen) == {(True, torch.bfloat16)}
    assert torch.get_num_threads() == 1
    assert learner.best.accuracy > 0.5
    assert "1 thread" in learner.engine


# --- what goes wrong


def test_a_device_that_fails_falls_back_to_the_cpu_and_says_so(monkeypatch):
    broken = Device("cuda:0", "Some GPU", problem="no kernel image is available")
    monkeypatch.setattr(
        devices, "find_devices", lambda: (broken, Device("cpu", "CPU", 1 << 30, 1 << 31))
    )
    learner = make(torch_spec(device="cuda"))
    assert learner.device.name == "cpu"
    assert (
        "Some GPU cannot be used: no kernel image is available; the CPU computes" in learner.engine
    )


def test_an_error_of_the_device_in_the_middle_of_an_epoch_ends_with_one_sentence(monkeypatch):
    settings = torch_spec(epochs=4)
    learner = make(settings)
    forward, calls = learner.model.forward, []

    def failing(x):
        calls.append(len(x))
        if learner.taken == 12:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
        return forward(x)

    learner.model.forward = failing
    events = list(begin(learner, settings, checkpoint_seconds=0.0))
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.kind == "expected"
    assert "stopped working: CUDA error: an illegal memory access" in last.message
    assert "kept last is good" in last.hint
    checkpoint = [event for event in events if isinstance(event, Checkpoint)][-1]
    # The call that failed tells no step of its own.
    assert 10 <= checkpoint.step <= 12
    other = ConvNetLearner(data(), settings)
    other.restore(checkpoint.state)
    assert np.isfinite(other.evaluate(settings)).all()
    # What is gone stays gone, and says so.
    with pytest.raises(FilterscopeError, match="stopped working"):
        learner.steps(np.arange(80), settings, CALM, 1)


def test_too_little_memory_is_said_with_a_batch_that_would_fit():
    settings = torch_spec(batch_size=64, epochs=1)
    learner = make(settings)
    forward = learner.model.forward

    def small(x):
        if len(x) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return forward(x)

    learner.model.forward = small
    before = learner.network.running.copy()
    last = list(begin(learner, settings))[-1]
    assert isinstance(last, Failed)
    assert last.message == "CPU has too little memory for 64 images at once."
    assert last.hint == "A batch of 16 would fit."
    assert np.array_equal(learner.network.running, before)


def test_a_fault_of_the_program_is_still_a_bug():
    learner = make(torch_spec())

    def wrong(x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    learner.model.forward = wrong
    last = list(begin(learner, torch_spec()))[-1]
    assert isinstance(last, Failed)
    assert last.kind == "bug"


def test_where_torch_cannot_compile_it_goes_on_without(monkeypatch):
    def broken(forward):
        def call(x):
            raise RuntimeError("no compiler")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    learner = make(torch_spec(compile=True))
    assert "torch.compile gave up" in learner.engine
    assert len(learner.steps(np.arange(80), torch_spec(), CALM, 2).terms) == 2


class Alone:
    """A group of one, for a learner."""

    rank, size, notes, sentence, asking = 0, 1, (), "1 process on 1 host", 0.0
    device = Device("cpu", "CPU", 1 << 30, 1 << 31)
    share = staticmethod(lambda whole: Share.of(0, 1, whole))
    heard = staticmethod(contextlib.nullcontext)
    add = add_array = heed = staticmethod(lambda _: None)


def test_processes_that_measure_batches_together_leave_compile_out_and_say_so(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda _: pytest.fail("nothing is to be compiled"))
    settings = torch_spec(compile=True)
    shared = TorchConvNetLearner(data(), settings, threads=1, group=Alone())
    assert "1 process on 1 host, each CPU" in shared.engine
    assert "torch.compile is left out" in shared.engine
    # One process that has all of each batch takes the steps of one without a group.
    alone = make(torch_spec())
    order = EpochOrder(80, 0).epoch(0)
    for step in range(3):
        rows = order[16 * step :]
        expected = alone.steps(rows, settings, CALM, 1).terms
        np.testing.assert_allclose(shared.steps(rows, settings, CALM, 1).terms, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("engine", "kind", "word"),
    [
        ("torch", "TorchConvNetLearner", "PyTorch"),
        ("reference", "ConvNetLearner", "NumPy twin"),
        ("compiled", "ConvNetLearner", "compiled" if kernels.COMPILED else "NumPy twin"),
    ],
)
def test_the_engine_of_the_settings_computes(engine, kind, word):
    learner = make(spec(engine=engine))
    assert type(learner).__name__ == kind
    assert learner.engine.startswith(word)
