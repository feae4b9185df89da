"""A network with its images and its solver: steps, interruptions, the best model, exact resuming."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from app.core import kernels
from app.core.control import GIVE_UP, Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import augmentation_rng
from app.core.errors import Cancelled, FilterscopeError, ShapeError, UsageError
from app.core.events import Checkpoint, Evaluated, Failed, Finished, Snapshot, Steps
from app.core.history import History
from app.core.learners import ConvNetLearner
from app.core.nn.network import Network
from app.core.solvers.first_order import MEMORY, update
from app.core.solvers.schedules import rate
from app.core.training import Progress, train
from tests.core.learners_of_images import CLASSES, data, spec

ENGINES = ["reference", "compiled"] if kernels.COMPILED else ["reference"]
engines = pytest.mark.parametrize("engine", ENGINES)
FIRST_ORDER = ("sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad")
CALM = np.zeros(1, np.int32)
# A network that the twins' loops are quick with.
FEW = "conv 2 3x3 stride 3 pad 0, batchnorm, relu, affine 5, relu"


def begin(settings, control=None, learner=None, fitted=None, **more):
    learner = learner or ConvNetLearner(fitted or data(), settings)
    return train(
        learner,
        settings,
        control or Control(),
        examples=80,
        order=EpochOrder(80, settings.seed),
        run_id="run",
        **more,
    )


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def curve(events):
    history = History(ConvNetLearner.term_names)
    for event in events:
        history.take(event)
    return history


# --- steps


@engines
@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_the_steps_are_those_of_the_formulas(solver, engine):
    """Loss, gradient and rule one after the other, on the twins, are the independent source."""
    settings = spec(
        solver=solver,
        precision="float64",
        learning_rate=0.01,
        schedule="cosine",
        dropout=0.3,
        reg=0.1,
    )
    fitted = data(flip=True, crop=1)
    learner = ConvNetLearner(fitted, settings, engine=engine)
    order = EpochOrder(80, 0).epoch(0)
    outcome = learner.steps(order, settings, CALM, 4)

    network = Network(settings.rows, (3, 8, 8), 4, dtype="float64", engine="reference")
    network.sliced = False
    network.initialise(np.random.default_rng([0, 1]), how="he")
    memory = np.zeros((MEMORY[solver], network.theta.size))
    for step in range(4):
        rows = fitted.split.train[order[step * 16 : step * 16 + 16]]
        x = fitted.batch(rows, augmentation_rng(0, 0, step), np.float64)
        found = network.loss(
            x, fitted.labels(rows), reg=0.1, keep=0.7, rng=np.random.default_rng([0, 8, step])
        )
        update(
            solver,
            network.theta,
            found.gradient,
            memory,
            step + 1,
            rate(settings, step, 5),
            settings.momentum,
        )
        network.keep_averages(found.averages)
        np.testing.assert_allclose(outcome.terms[step], found.terms, rtol=1e-9)
        assert outcome.accuracies[step] == found.accuracy
    np.testing.assert_allclose(learner.network.theta, network.theta, rtol=0, atol=1e-9)
    np.testing.assert_allclose(learner.network.running, network.running, rtol=0, atol=1e-9)


@engines
@pytest.mark.parametrize("calls", [[5], [1, 1, 1, 1, 1], [2, 3]])
def test_how_steps_are_divided_into_calls_changes_nothing(engine, calls):
    settings = spec(dropout=0.2, layers=FEW)
    learner = ConvNetLearner(data(flip=True), settings, engine=engine)
    order, terms = EpochOrder(80, 0).epoch(0), []
    for most in calls:
        at = 16 * sum(len(t) for t in terms)
        terms.append(learner.steps(order[at:], settings, CALM, most).terms)
    whole = ConvNetLearner(data(flip=True), settings, engine=engine)
    np.testing.assert_array_equal(
        np.concatenate(terms), whole.steps(order, settings, CALM, 5).terms
    )


@pytest.mark.skipif(not kernels.COMPILED, reason="the twins have no threads")
def test_threads_change_nothing():
    settings = spec(layers="conv 16 5x5, relu, pool 2, affine 64, relu")
    one, three = (ConvNetLearner(data(), settings, threads=n) for n in (1, 3))
    order = EpochOrder(80, 0).epoch(0)
    np.testing.assert_array_equal(
        one.steps(order, settings, CALM, 5).terms, three.steps(order, settings, CALM, 5).terms
    )
    np.testing.assert_array_equal(one.network.theta, three.network.theta)
    assert one.engine == "compiled, 1 thread"


def test_an_asked_for_twin_says_so():
    assert ConvNetLearner(data(), spec(), engine="reference").engine.startswith("NumPy twin")


# --- interruptions


def test_a_waiting_interruption_lets_one_step_through():
    learner = ConvNetLearner(data(), spec())
    outcome = learner.steps(np.arange(80), spec(), np.ones(1, np.int32), 5)
    assert len(outcome.terms) == 1


@engines
def test_a_pause_gives_a_step_up_and_leaves_everything(engine):
    learner = ConvNetLearner(data(), spec(), engine=engine)
    before = learner.state()
    interrupt = np.array([GIVE_UP], np.int32)
    outcome = learner.steps(np.arange(80), spec(), interrupt, 5)
    assert outcome.terms.shape == (0, 2)
    assert outcome.finite
    assert learner.validate(spec(), interrupt) is None
    after = learner.state()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_a_batch_of_the_twins_is_stopped_between_two_images():
    """The way back included: some minutes with the exercise's network."""
    settings = spec(batch_size=80)
    learner = ConvNetLearner(data(), settings, engine="reference")
    heard, interrupt = [], np.zeros(1, np.int32)
    check = learner._check(interrupt)

    def listen():
        heard.append(1)
        if len(heard) == stop_at:
            interrupt[0] = GIVE_UP
        check()

    learner._check = lambda _: listen
    # Somewhere in the pool's way back: 80 images in conv and pool forth, then back.
    stop_at = 2 * 80 + 40
    before = learner.network.theta.copy()
    assert not len(learner.steps(np.arange(80), settings, interrupt, 1).terms)
    assert len(heard) == stop_at
    np.testing.assert_array_equal(learner.network.theta, before)
    np.testing.assert_array_equal(learner.network.averages["running_mean1"], 0)


def test_a_stop_from_another_thread_ends_a_training_of_twins():
    control = Control()
    settings = spec(epochs=1000, batch_size=80)
    learner = ConvNetLearner(data(), settings, engine="reference")
    events = []
    thread = threading.Thread(
        target=lambda: events.extend(begin(settings, control, learner)), daemon=True
    )
    thread.start()
    control.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert events[-1].reason == "stopped"


def test_pauses_change_nothing_of_curve_and_evaluations():
    settings = spec(dropout=0.2, evaluate_every=2)
    expected = curve(begin(settings))
    control, history = Control(), History(ConvNetLearner.term_names)
    for number, event in enumerate(begin(settings, control)):
        history.take(event)
        if number % 3 == 0:
            control.pause()
            control.resume()
        elif type(event).__name__ == "Paused":
            control.resume()
    np.testing.assert_array_equal(history.terms, expected.terms)
    np.testing.assert_array_equal(history.accuracies, expected.accuracies)
    assert history.evaluations == expected.evaluations


def test_an_evaluation_that_a_pause_gave_up_is_done_after_it(monkeypatch):
    settings = spec(evaluate_every=2, epochs=1)
    control = Control()
    learner = ConvNetLearner(data(), settings)
    validate = learner.validate
    asked = []

    def paused_at_first(spec, interrupt):
        asked.append(learner.taken)
        if len(asked) == 1:
            control.pause()
        return validate(spec, interrupt)

    monkeypatch.setattr(learner, "validate", paused_at_first)
    events = []
    for event in begin(settings, control, learner):
        events.append(event)
        if type(event).__name__ == "Paused":
            control.resume()
    assert asked == [2, 2, 4, 5]
    assert [event.step for event in of(Evaluated, events)] == [2, 4, 5]


# --- evaluation


def test_evaluations_come_each_epoch_and_as_often_as_was_asked():
    steps = {0: [5, 10, 15], 2: [2, 4, 5, 6, 8, 10, 12, 14, 15], 7: [5, 7, 10, 14, 15]}
    for every, expected in steps.items():
        found = of(Evaluated, begin(spec(evaluate_every=every)))
        assert [event.step for event in found] == expected


def test_the_best_model_is_the_first_with_the_highest_validation_accuracy():
    settings = spec(epochs=6, learning_rate=0.02, evaluate_every=1)
    learner = ConvNetLearner(data(), settings)
    kept, found = {}, []
    for event in begin(settings, learner=learner):
        if isinstance(event, Evaluated):
            found.append(event)
            kept[event.step] = learner.network.theta.copy()
    accuracies = [event.validation_accuracy for event in found]
    best = found[int(np.argmax(accuracies))]
    assert learner.best.step == best.step
    assert learner.best.accuracy == max(accuracies) > 0.5
    assert learner.best.loss == best.validation_loss
    np.testing.assert_array_equal(learner.best.theta, kept[best.step])
    assert [event.best for event in found] == [
        value > max(accuracies[:index], default=-1) for index, value in enumerate(accuracies)
    ]
    # Asked again, the best model gives what it was chosen for; the present one its own.
    assert learner.score("validation").accuracy == best.validation_accuracy
    assert learner.score("validation", best=False).accuracy == accuracies[-1]
    np.testing.assert_array_equal(learner.network.theta, kept[15 * 2])


def test_accuracies_are_counted_by_hand():
    fitted, settings = data(), spec(epochs=1)
    learner = ConvNetLearner(fitted, settings)
    events = list(begin(settings, learner=learner))
    (found,) = of(Evaluated, events)
    rows = fitted.split.validation
    scores = learner.network.scores(fitted.rows(rows)).astype(float)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = fitted.labels(rows)
    assert found.validation_accuracy == np.mean(shares.argmax(axis=1) == labels)
    expected = -np.log(shares[np.arange(len(rows)), labels]).mean()
    assert found.validation_loss == pytest.approx(expected, rel=1e-6)
    predicted = learner.score("test")
    assert len(predicted.labels) == len(fitted.split.test) == 20
    assert predicted.probabilities.shape == (20, len(CLASSES))
    # All training images are the sample: what the end says is their loss.
    train_scores = learner.network.scores(fitted.rows(fitted.split.train))
    data_loss, _ = learner.network.data_loss(
        train_scores, fitted.labels(fitted.split.train), "softmax"
    )
    assert events[-1].terms[0] == pytest.approx(data_loss, rel=1e-5)


def test_without_validation_images_nothing_is_chosen():
    fitted, settings = data(validation_count=0), spec(epochs=1)
    learner = ConvNetLearner(fitted, settings)
    (found,) = of(Evaluated, begin(settings, learner=learner))
    assert found.validation_accuracy is found.validation_loss is None
    assert learner.best is None
    present = learner.score("train").probabilities
    np.testing.assert_array_equal(present, learner.score("train", best=False).probabilities)


def test_a_look_at_images_can_be_given_up():
    learner = ConvNetLearner(data(), spec())
    with pytest.raises(Cancelled):
        learner.score("test", cancel=lambda: True)
    shares = []
    learner.score("train", progress=lambda share, text: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] <= 1


# --- going on


@pytest.mark.parametrize(
    ("engine", "solver"),
    [("reference", "adam"), *((ENGINES[-1], solver) for solver in (*FIRST_ORDER, "lbfgs"))],
)
def test_a_training_goes_on_exactly_from_a_checkpoint(solver, engine):
    """Dropout, augmentation, running averages, schedule and the best model included."""
    small = {"epochs": 2, "layers": FEW} if engine == "reference" else {}
    settings = spec(
        solver=solver,
        learning_rate=0.01,
        schedule="one_cycle",
        evaluate_every=3,
        dropout=0.0 if solver == "lbfgs" else 0.3,
        **small,
    )
    more = {} if solver == "lbfgs" else {"flip": True, "crop": 1}

    def learner(**values):
        return ConvNetLearner(data(**more), settings.changed(**values), engine=engine)

    first = learner()
    whole = list(begin(settings, learner=first))
    control, stopped, checkpoint = Control(), [], None
    for event in begin(settings, control, learner()):
        stopped.append(event)
        if isinstance(event, Steps) and event.last_step >= (1 if solver == "lbfgs" else 4):
            control.stop()
        if isinstance(event, Checkpoint):
            checkpoint = event
    second = learner(seed=settings.seed + 1, solver=solver)
    second.restore(checkpoint.state)
    progress = Progress(checkpoint.step, checkpoint.epoch, checkpoint.steps_into_epoch)
    rest = list(begin(settings, learner=second, resume=progress))
    together = curve([*stopped, *rest])
    expected = curve(whole)
    np.testing.assert_array_equal(together.terms, expected.terms)
    np.testing.assert_array_equal(together.accuracies, expected.accuracies)
    ends = [
        {name: array for name, array in one.state().items() if not name.startswith("lbfgs")}
        for one in (first, second)
    ]
    for name, array in ends[0].items():
        np.testing.assert_array_equal(array, ends[1][name], err_msg=name)


def test_the_state_of_another_network_is_refused():
    state = ConvNetLearner(data(), spec()).state()
    for values in ({"layers": "conv 5"}, {"precision": "float64"}, {"solver": "sgd"}):
        with pytest.raises(ValueError, match="of another network or solver"):
            ConvNetLearner(data(), spec(**values)).restore(state)


def test_a_live_value_reaches_the_next_step():
    settings = spec()
    control, changed = Control(), None
    for event in begin(settings, control):
        if isinstance(event, Steps) and changed is None:
            changed = event.last_step
            control.set_live(settings.changed(reg=1.0, dropout=0.5, layers="conv 9"))
        if type(event).__name__ == "ParamsChanged":
            assert event.step == changed
            # The list of layers is fixed while it trains.
            assert {change.name for change in event.changes} == {"reg", "dropout"}
            return
    pytest.fail("nothing changed")


# --- what goes wrong


@engines
def test_divergence_keeps_the_weights_of_the_last_finite_loss(engine):
    settings = spec(
        solver="sgd", learning_rate=1e9, reg=10.0, layers="affine 8, relu, affine 8, relu"
    )
    learner = ConvNetLearner(data(), settings, engine=engine)
    events = list(begin(settings, learner=learner))
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "diverged"
    assert "1e+08" in failed.hint
    assert np.isfinite(curve(events).terms).all()
    assert all(np.isfinite(a).all() for a in of(Snapshot, events)[-1].weights.values())
    # The same by hand: the weights before the last step that counted.
    again = ConvNetLearner(data(), settings, engine=engine)
    order = EpochOrder(80, 0).epoch(0)
    assert 1 < failed.step <= 5
    for step in range(failed.step - 1):
        again.steps(order[step * 16 :], settings, CALM, 1)
    np.testing.assert_array_equal(learner.network.theta, again.network.theta)


@pytest.mark.skipif(not kernels.COMPILED, reason="the twins mark every step")
def test_divergence_late_in_a_long_call_repeats_what_was_before(monkeypatch):
    settings = spec(epochs=30, dropout=0.2)
    calm = ConvNetLearner(data(flip=True), settings)
    # With a clock this slow, a call takes one step.
    ticks = itertools.count()
    states = {}
    for event in begin(settings, learner=calm, clock=lambda: 3.0 * next(ticks)):
        if isinstance(event, Steps):
            states[event.last_step] = calm.network.theta.copy()
    learner = ConvNetLearner(data(flip=True), settings)
    move = learner.network.move

    def broken(*arguments, **more):
        if learner.taken == 120 and not learner.__dict__.get("said"):
            learner.said = True
            return np.array([np.nan, 0.0]), 0.0
        return move(*arguments, **more)

    monkeypatch.setattr(learner.network, "move", broken)
    failed = list(begin(settings, learner=learner))[-1]
    assert isinstance(failed, Failed)
    assert failed.step == 120
    np.testing.assert_array_equal(learner.network.theta, states[119])


def test_what_cannot_be_trained_is_refused_at_the_start():
    with pytest.raises(ShapeError, match="Row 1, pool 9"):
        ConvNetLearner(data(), spec(layers="pool 9"))
    with pytest.raises(UsageError, match="same loss each time"):
        ConvNetLearner(data(flip=True), spec(solver="lbfgs"))
    with pytest.raises(UsageError, match="same loss each time"):
        ConvNetLearner(data(), spec(solver="lbfgs", dropout=0.1))


@pytest.mark.parametrize(
    "values", [{"layers": "affine 16384, relu, affine 16384"}, {"layers": "[conv 4096 1x1] x 5"}]
)
def test_what_does_not_fit_into_memory_is_said_at_the_start(values, monkeypatch):
    class Free:
        available = 100 << 20

    monkeypatch.setattr("app.core.memory.psutil.virtual_memory", lambda: Free)
    with pytest.raises(FilterscopeError, match=r"need .* GiB of memory|are more than the"):
        ConvNetLearner(data(), spec(**values))
    ConvNetLearner(data(), spec())


def test_lbfgs_is_for_few_images(monkeypatch):
    monkeypatch.setattr("app.core.learners.whole_set.MOST_LBFGS_IMAGES", 79)
    with pytest.raises(FilterscopeError, match="all 80 images"):
        ConvNetLearner(data(), spec(solver="lbfgs"))


def test_lbfgs_goes_down_on_the_whole_set():
    settings = spec(
        solver="lbfgs", epochs=25, precision="float64", layers="conv 4, relu, affine 8, relu"
    )
    learner = ConvNetLearner(data(), settings)
    events = list(begin(settings, learner=learner))
    assert isinstance(events[-1], Finished)
    costs = curve(events).terms.sum(axis=1)
    assert (np.diff(costs) <= 0).all()
    assert costs[-1] < 0.2 * costs[0]
    assert curve(events).accuracies[-1] > 0.95


# --- learning


@pytest.mark.parametrize("solver", ["adam", "nesterov", "rmsprop"])
def test_it_learns(solver):
    settings = spec(solver=solver, learning_rate=0.02 if solver == "nesterov" else 0.005, epochs=12)
    events = list(begin(settings))
    assert of(Evaluated, events)[-1].validation_accuracy >= 0.9


def test_snapshots_hold_all_weights_and_some_slopes():
    settings = spec()
    learner = ConvNetLearner(data(), settings)
    last = of(Snapshot, begin(settings, learner=learner, snapshot_seconds=0.0))[-1]
    assert last.weights.keys() == learner.network.weights().keys()
    other = Network(settings.rows, (3, 8, 8), 4)
    other.load(last.weights)
    np.testing.assert_array_equal(other.theta, learner.network.theta)
    assert set(last.statistics) == {f"gradient {name}" for name in learner.network.parameters}
    assert all(0 < array.size <= 4096 for array in last.statistics.values())
