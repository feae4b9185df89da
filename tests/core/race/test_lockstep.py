"""Racers take turns, batch by batch, and each is bit for bit the run that is trained alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from app.core.errors import StorageError
from app.core.events import (
    Evaluated,
    Failed,
    Finished,
    Noted,
    ParamsChanged,
    Paused,
    Resumed,
    Started,
    Steps,
)
from app.core.race.lockstep import RaceControl, Stopwatch, race
from app.core.resume import prepare
from app.core.runs import Recorder, RunFolder
from tests.core import learners_of_images
from tests.core.race.racing import SMALL, alone, begin, patches, run_race, specs_of


def of(kind, events, racer=None):
    return [
        event
        for event in events
        if isinstance(event, kind) and (racer is None or event.run_id == racer.run_id)
    ]


def assert_the_same(run: RunFolder, other: RunFolder) -> None:
    """Hold curve, last weights and outcome of two runs against each other, to the last bit."""
    one, two = run.read_history()[0], other.read_history()[0]
    np.testing.assert_array_equal(one.steps, two.steps)
    np.testing.assert_array_equal(one.terms, two.terms)
    np.testing.assert_array_equal(one.accuracies, two.accuracies)
    assert one.evaluations == two.evaluations
    (step, weights, _), (again, others, _) = run.read_weights(), other.read_weights()
    assert (step, set(weights)) == (again, set(others))
    for name in weights:
        np.testing.assert_array_equal(weights[name], others[name])
    assert run.info.outcome.terms == other.info.outcome.terms
    assert run.info.outcome.reason == other.info.outcome.reason


@pytest.mark.parametrize(
    "varied",
    [
        {"rho": (0.05, 0.2, 0.5)},
        {"solver": ("adam", "momentum", "sgd", "nesterov")},
        {"hidden_units": (3, 8)},
        {"solver": ("adam", "lbfgs")},
        {"precision": ("float32", "float64")},
    ],
    ids=lambda varied: next(iter(varied)),
)
def test_each_is_the_run_that_is_trained_alone(tmp_path, varied) -> None:
    data = patches(tmp_path)
    racers, events = run_race(tmp_path, data, specs_of(**varied))
    assert not of(Failed, events)
    for racer in racers:
        assert_the_same(RunFolder.open(racer.run.path), alone(racer, data, tmp_path))


def test_so_are_networks_of_layers(tmp_path) -> None:
    data = learners_of_images.data(flip=True)
    base = learners_of_images.spec(dropout=0.3)
    racers, events = run_race(tmp_path, data, specs_of(base, learning_rate=(1e-3, 1e-2, 1e-1)))
    assert of(Evaluated, events)
    for racer in racers:
        assert_the_same(RunFolder.open(racer.run.path), alone(racer, data, tmp_path))


def test_all_take_a_batch_before_any_takes_the_next(tmp_path) -> None:
    racers, events = run_race(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2, 0.5, 0.8)))
    done = dict.fromkeys((racer.run_id for racer in racers), 0)
    for event in of(Steps, events):
        assert len(event.terms) == 1
        assert event.first_step == done[event.run_id] + 1
        done[event.run_id] = event.last_step
        assert max(done.values()) - min(done.values()) <= 1
    assert set(done.values()) == {3 * 7}


def test_iterations_of_lbfgs_are_epochs(tmp_path) -> None:
    racers, events = run_race(tmp_path, patches(tmp_path), specs_of(solver=("adam", "lbfgs")))
    adam, lbfgs = (racer.run_id for racer in racers)
    epochs = {adam: 0.0, lbfgs: 0.0}
    for event in of(Steps, events):
        epochs[event.run_id] = event.last_step / (7 if event.run_id == adam else 1)
        # It has no smaller step than an epoch.
        assert -1 / 7 - 1e-9 <= epochs[lbfgs] - epochs[adam] <= 1
    assert epochs == {adam: 3.0, lbfgs: 3.0}


def test_one_that_ends_sooner_leaves_the_others(tmp_path) -> None:
    racers, events = run_race(tmp_path, patches(tmp_path), specs_of(epochs=(1, 3)))
    assert [event.step for event in of(Finished, events)] == [7, 21]
    assert events.index(of(Finished, events, racers[0])[0]) < events.index(
        of(Steps, events, racers[1])[8]
    )


def test_one_that_diverges_is_out_with_a_sentence(tmp_path) -> None:
    base = SMALL.changed(decoder="linear", solver="sgd")
    data = patches(tmp_path)
    racers, events = run_race(tmp_path, data, specs_of(base, learning_rate=(1e-3, 1e8)))
    (failed,) = of(Failed, events)
    assert failed.run_id == racers[1].run_id
    assert failed.kind == "diverged"
    assert failed.message.startswith("The cost stopped being a finite number")
    (finished,) = of(Finished, events)
    assert (finished.run_id, finished.step) == (racers[0].run_id, 21)
    assert RunFolder.open(racers[1].run.path).info.state == "diverged"
    assert_the_same(RunFolder.open(racers[0].run.path), alone(racers[0], data, tmp_path))


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (StorageError("No.", "Why."), "expected", "No."),
        (MemoryError(), "expected", "not enough memory"),
        (ZeroDivisionError("a fault"), "bug", "ZeroDivisionError: a fault"),
    ],
)
def test_one_that_cannot_be_made_is_out(tmp_path, error, kind, says) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2, 0.5)))

    def refuse():
        raise error

    racers[1].begin = refuse
    events = list(race(racers, control))
    (failed,) = of(Failed, events)
    assert (failed.run_id, failed.kind) == (racers[1].run_id, kind)
    assert says in failed.message
    assert {event.run_id for event in of(Finished, events)} == {racers[0].run_id, racers[2].run_id}


def test_one_whose_record_breaks_races_on(tmp_path, monkeypatch) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    take = Recorder.take

    def broken(self, event):
        if self.run is racers[0].run and isinstance(event, Steps):
            raise StorageError("The disk went away.", "Plug it in.")
        return take(self, event)

    monkeypatch.setattr(Recorder, "take", broken)
    events = list(race(racers, control))
    (note,) = of(Noted, events)
    assert note.message == "The run of ρ 0.05 was not recorded to its end: The disk went away."
    assert len(of(Finished, events)) == 2


def test_stop_ends_all_at_one_batch_and_keeps_them(tmp_path) -> None:
    data = patches(tmp_path)
    racers, control = begin(tmp_path, data, specs_of(rho=(0.05, 0.2, 0.5)))
    events = []
    for event in race(racers, control):
        events.append(event)
        if isinstance(event, Steps) and event.run_id == racers[0].run_id and event.last_step == 9:
            control.stop()
    assert [(e.reason, e.step) for e in of(Finished, events)] == [("stopped", 9)] * 3
    for racer in racers:
        run = RunFolder.open(racer.run.path)
        assert run.info.state == "stopped"
        assert len(run.read_history()[0]) == 9
        # And each goes on as any run does, to the same bits.
        going = prepare(run.path, threads=1, data=data)
        recorder = going.recorder()
        for event in going.events(racer.control.__class__()):
            recorder.take(event)
        recorder.close()
        assert_the_same(RunFolder.open(run.path), alone(racer, data, tmp_path))


def test_in_haste_each_ends_where_it_is(tmp_path) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    events = []
    for event in race(racers, control):
        events.append(event)
        if isinstance(event, Steps) and event.last_step == 2:
            control.stop(in_haste=True)
    # The second has not taken the batch that the first took last.
    assert {event.run_id: event.step for event in of(Finished, events)} == {
        racers[0].run_id: 2,
        racers[1].run_id: 1,
    }
    assert all(event.terms is None for event in of(Finished, events))


def test_closing_the_generator_keeps_what_there_is(tmp_path) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    events = race(racers, control)
    while not isinstance(next(events), Steps):
        pass
    events.close()
    assert all(not racer.running for racer in racers)
    assert len(RunFolder.open(racers[0].run.path).read_history()[0]) == 1


def test_pause_and_single_steps_are_for_all(tmp_path) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2, 0.5)))
    events, seen = [], threading.Event()
    waits = threading.Semaphore(0)

    def follow() -> None:
        for event in race(racers, control):
            events.append(event)
            if isinstance(event, Paused):
                waits.release()
        seen.set()

    control.pause()
    control.single_step()
    thread = threading.Thread(target=follow)
    thread.start()
    try:
        for _ in racers:
            assert waits.acquire(timeout=20)
        assert [event.step for event in of(Paused, events)] == [1, 1, 1]
        control.single_step()
        for _ in racers:
            assert waits.acquire(timeout=20)
        assert [event.step for event in of(Paused, events)] == [1] * 3 + [2] * 3
        # A value that moves while all wait is there in the next batch, of one alone.
        control.set_live(1, racers[1].spec.changed(rho=0.3))
        control.resume()
        assert seen.wait(20)
    finally:
        control.stop()
        thread.join(20)
    (moved,) = of(ParamsChanged, events)
    assert (moved.run_id, moved.step) == (racers[1].run_id, 2)
    assert len(of(Resumed, events)) == 3
    assert [event.step for event in of(Finished, events)] == [21] * 3


def test_a_pause_waits_for_the_end_of_the_turn(tmp_path) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    paused = 0
    for event in race(racers, control):
        if isinstance(event, Steps) and event.run_id == racers[0].run_id and event.last_step == 5:
            control.pause()
        if isinstance(event, Paused):
            assert event.step == 5
            paused += 1
            if paused == 2:
                control.resume()
    assert paused == 2


def test_a_watch_stands_while_others_have_their_turns() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    with watch:
        now[0] = 2.0
        assert watch() == 2.0
    now[0] = 10.0
    assert watch() == 2.0
    with watch:
        now[0] = 11.0
    assert watch() == 3.0


def test_the_seconds_of_a_run_are_its_own(tmp_path) -> None:
    racers, control = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    now = [0.0]
    for racer in racers:
        racer.watch._clock = lambda: now[0]
    for event in race(racers, control):
        # Whatever the first does takes a second; the other takes no time.
        now[0] += event.run_id == racers[0].run_id
    seconds = [RunFolder.open(racer.run.path).info.outcome.seconds for racer in racers]
    assert seconds[0] > 20
    assert seconds[1] == 0


def test_there_are_as_many_controls_as_racers(tmp_path) -> None:
    racers, _ = begin(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    with pytest.raises(ValueError, match="longer"):
        next(race(racers, RaceControl(3)))
    for racer in racers:
        list(racer.close())


def test_it_begins_with_all_of_them(tmp_path) -> None:
    racers, events = run_race(tmp_path, patches(tmp_path), specs_of(rho=(0.05, 0.2)))
    assert [event.run_id for event in of(Started, events)] == [racer.run_id for racer in racers]
