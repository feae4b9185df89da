"""The trainer in the main thread: what it says, when it listens, and that nothing depends on timing."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.errors import FilterscopeError
from app.core.events import (
    Checkpoint,
    EpochEnded,
    Failed,
    Finished,
    ParamsChanged,
    Paused,
    Resumed,
    Snapshot,
    Started,
    Steps,
)
from app.core.feed import Feed
from app.core.history import History
from app.core.learners import AutoencoderLearner
from app.core.specs import AutoencoderSpec
from app.core.training import Progress, train

ROWS = 200


def rows(count=ROWS, width=16):
    return np.random.default_rng(0).uniform(0.1, 0.9, (count, width)).astype(np.float32)


def spec(**values):
    return AutoencoderSpec(hidden_units=5, batch_size=32, epochs=4).changed(**values)


def begin(settings, control=None, learner=None, **more):
    learner = learner or AutoencoderLearner(rows(), settings)
    return train(
        learner,
        settings,
        control or Control(),
        examples=ROWS,
        order=EpochOrder(ROWS, settings.seed),
        run_id="run",
        **more,
    )


def curve(events):
    history = History(AutoencoderLearner.term_names)
    for event in events:
        history.take(event)
    return history


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_a_whole_training_says_what_it_does():
    events = list(begin(spec()))
    assert isinstance(events[0], Started)
    assert isinstance(events[1], Snapshot)
    assert isinstance(events[-1], Finished)
    assert events[0].steps_per_epoch == 7
    assert events[0].total_steps == 28
    assert [e.epoch for e in of(EpochEnded, events)] == [1, 2, 3, 4]
    history = curve(events)
    np.testing.assert_array_equal(history.steps, np.arange(1, 29))
    assert sum(e.examples for e in of(Steps, events)) == 4 * ROWS
    assert events[-1].reason == "done"
    assert events[-1].step == 28
    assert {e.run_id for e in events} == {"run"}


def test_the_last_terms_are_the_cost_over_all_rows():
    settings = spec(precision="float64")
    learner = AutoencoderLearner(rows(), settings)
    events = list(begin(settings, learner=learner))
    np.testing.assert_array_equal(events[-1].terms, learner.evaluate(settings))


def test_an_epochs_terms_are_the_mean_of_its_steps():
    events = list(begin(spec()))
    history = curve(events)
    for event in of(EpochEnded, events):
        last = event.step
        np.testing.assert_allclose(event.terms, history.terms[last - 7 : last].mean(axis=0))


def test_the_curve_does_not_depend_on_the_clock():
    def slow():
        return next(ticks) * 3.0

    ticks = itertools.count()
    quick, lame = curve(begin(spec())), curve(begin(spec(), clock=slow))
    np.testing.assert_array_equal(quick.terms, lame.terms)


def test_pausing_changes_nothing_of_the_curve():
    expected = curve(begin(spec()))
    control = Control()
    history = History(AutoencoderLearner.term_names)
    paused = 0
    for number, event in enumerate(begin(spec(), control)):
        history.take(event)
        if isinstance(event, Paused):
            paused += 1
            control.resume()
        elif isinstance(event, Steps) and number % 3 == 0:
            control.pause()
    assert paused > 1
    np.testing.assert_array_equal(history.terms, expected.terms)


def test_pause_waits_and_resume_goes_on():
    control = Control()
    control.pause()
    events = begin(spec(), control)
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, Paused):
            break
    assert not of(Steps, seen)
    # Held at the pause in another thread, until it is released.
    rest = []
    thread = threading.Thread(target=lambda: rest.extend(events))
    thread.start()
    control.resume()
    thread.join(30)
    assert isinstance(rest[0], Resumed)
    assert isinstance(rest[-1], Finished)


def test_single_steps_are_single():
    control = Control()
    control.pause()
    taken = []
    for event in begin(spec(), control):
        if isinstance(event, Paused):
            if len(taken) == 3:
                control.stop()
            else:
                control.single_step()
        elif isinstance(event, Steps):
            taken.append(len(event.terms))
    assert taken == [1, 1, 1]


def test_stop_keeps_the_model_and_releases_a_pause():
    control = Control()
    control.pause()
    events = []
    for event in begin(spec(), control):
        events.append(event)
        if isinstance(event, Paused):
            control.stop()
    assert events[-1].reason == "stopped"
    assert events[-1].step == 0
    assert of(Snapshot, events)[-1].weights["W1"].shape == (16, 5)


def test_a_live_value_reaches_the_very_next_step_and_is_marked():
    settings = spec(epochs=3)
    control = Control()
    events, sent = [], False
    for event in begin(settings, control):
        events.append(event)
        if isinstance(event, Steps) and not sent:
            sent = True
            changed_after = event.last_step
            control.set_live(settings.changed(rho=0.3, learning_rate=0.05, hidden_units=9))
    changed = of(ParamsChanged, events)
    assert len(changed) == 1
    assert changed[0].step == changed_after
    moved = {c.name: (c.old, c.new) for c in changed[0].changes}
    # What is not live is not touched.
    assert moved == {"rho": (0.05, 0.3), "learning_rate": (settings.learning_rate, 0.05)}
    # The same by hand: the steps before with the old values, the others with the new.
    learner = AutoencoderLearner(rows(), settings)
    order, calm = EpochOrder(ROWS, 0), np.zeros(1, np.int32)
    flat = [
        order.epoch(epoch)[step * 32 : step * 32 + 32] for epoch in range(3) for step in range(7)
    ]
    expected = [
        learner.steps(
            batch,
            settings if number < changed_after else settings.changed(rho=0.3, learning_rate=0.05),
            calm,
            1,
        ).terms[0]
        for number, batch in enumerate(flat)
    ]
    np.testing.assert_array_equal(curve(events).terms, expected)


def test_the_last_of_many_live_values_wins():
    control = Control()
    for rho in (0.1, 0.2, 0.3):
        control.set_live(spec(rho=rho))
    changed = of(ParamsChanged, begin(spec(), control))
    assert [c.new for e in changed for c in e.changes] == [0.3]


@pytest.mark.parametrize("solver", ["momentum", "adam", "lbfgs"])
def test_a_training_goes_on_exactly_from_a_checkpoint(solver):
    settings = spec(solver=solver, learning_rate=0.01)
    whole = curve(begin(settings))
    control = Control()
    learner = AutoencoderLearner(rows(), settings)
    first, checkpoint = [], None
    for event in begin(settings, control, learner):
        first.append(event)
        if isinstance(event, Steps) and event.last_step >= 3:
            control.stop()
        if isinstance(event, Checkpoint):
            checkpoint = event
    fresh = AutoencoderLearner(rows(), settings.changed(seed=77))
    fresh.restore(checkpoint.state)
    progress = Progress(checkpoint.step, checkpoint.epoch, checkpoint.steps_into_epoch)
    rest = list(begin(settings, learner=fresh, resume=progress))
    terms = np.concatenate([curve(first).terms, curve(rest).terms])
    np.testing.assert_array_equal(terms, whole.terms)


def test_divergence_names_the_step_and_suggests_a_rate():
    settings = spec(solver="sgd", learning_rate=1e8, lam=10.0, decoder="linear")
    events = list(begin(settings))
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "diverged"
    assert f"step {failed.step + 1}" in failed.message
    assert "1e+07" in failed.hint
    weights = of(Snapshot, events)[-1].weights
    assert all(np.isfinite(array).all() for array in weights.values())
    assert np.isfinite(curve(events).terms).all()


def test_one_bad_number_in_the_data_stops_at_its_step():
    settings = spec()
    x = rows()
    x[17, 3] = np.nan
    events = list(begin(settings, learner=AutoencoderLearner(x, settings)))
    position = int(np.flatnonzero(EpochOrder(ROWS, 0).epoch(0) == 17)[0])
    assert isinstance(events[-1], Failed)
    assert events[-1].step == position // 32


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FilterscopeError("The graphics card is gone.", "Use the CPU."), "expected"),
        (MemoryError(), "expected"),
        (RuntimeError("a bug"), "bug"),
    ],
)
def test_whatever_goes_wrong_is_an_event(error, kind, monkeypatch):
    settings = spec()
    learner = AutoencoderLearner(rows(), settings)

    def fail(*_):
        raise error

    monkeypatch.setattr(learner, "steps", fail)
    failed = list(begin(settings, learner=learner))[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == kind
    assert bool(failed.traceback_text) == (kind == "bug")


def test_snapshots_are_copies_that_nobody_can_write():
    settings = spec()
    learner = AutoencoderLearner(rows(), settings)
    events = begin(settings, learner=learner)
    next(events)
    first = next(events)
    before = first.weights["W1"].copy()
    list(events)
    np.testing.assert_array_equal(first.weights["W1"], before)
    with pytest.raises(ValueError, match="read-only"):
        first.weights["W1"][0, 0] = 1


def test_a_converged_run_ends_and_says_so():
    settings = spec(solver="lbfgs", epochs=3000, precision="float64", beta=0.0, lam=1.0)
    finished = list(begin(settings))[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "converged"
    assert finished.step < 3000


def test_the_feed_keeps_all_scalars_and_only_the_newest_picture():
    feed = Feed("run")
    events = list(begin(spec(), snapshot_seconds=0.0))
    for event in events:
        feed.put(event)
    collected, newest = feed.collect()
    assert newest is of(Snapshot, events)[-1]
    assert of(Steps, collected) == of(Steps, events)
    assert not of(Checkpoint, collected)
    assert feed.collect() == ([], None)


def test_the_feed_drops_events_of_another_run():
    feed = Feed("another")
    for event in begin(spec()):
        feed.put(event)
    assert feed.collect() == ([], None)


@pytest.mark.parametrize(("seconds", "known"), [(0.001, True), (5.0, False)])
def test_after_a_stop_nobody_waits_for_a_slow_engine(seconds, known):
    control, moments = Control(), itertools.count(0, seconds)
    events = begin(spec(epochs=100), control, clock=lambda: next(moments))
    for event in events:
        if isinstance(event, Steps):
            control.stop()
        if isinstance(event, Finished):
            assert event.reason == "stopped"
            assert (event.terms is not None) is known


def test_the_first_checkpoint_of_a_large_network_waits_until_it_is_worth_its_time(monkeypatch):
    size = sum(array.nbytes for array in AutoencoderLearner(rows(), spec()).state().values())

    def moments(rate):
        monkeypatch.setattr("app.core.training.DISK_RATE", rate)
        clock, now = itertools.count(0, 0.001), [0.0]

        def tell():
            now[0] = next(clock)
            return now[0]

        events = begin(spec(epochs=400), clock=tell, checkpoint_seconds=0.2, most_steps=1)
        return [now[0] for event in events if isinstance(event, Checkpoint)]

    small, large = moments(np.inf), moments(size / 0.02)
    assert 0.2 <= small[1] - small[0] < 0.3
    assert 2.0 <= large[1] - large[0] < 2.1
    # What the later ones took is known.
    assert large[2] - large[1] < 0.3


def test_what_a_checkpoint_says_stays_as_it_was():
    events = list(begin(spec(), checkpoint_seconds=0.0))
    states = [event.state["theta"] for event in of(Checkpoint, events)]
    assert len(states) > 2
    assert not any(theta.flags.writeable for theta in states)
    assert not np.array_equal(states[0], states[1])


def test_in_haste_nothing_more_is_computed_than_what_is_kept():
    control = Control()
    events = []
    for event in begin(spec(epochs=100), control):
        events.append(event)
        if isinstance(event, Steps):
            control.stop(in_haste=True)
            control.stop()
    assert isinstance(events[-1], Finished)
    assert events[-1].terms is None
    assert any(isinstance(event, Checkpoint) for event in events)
