"""Keyframes fit their budget, are dense early, and the whole training stays in sight."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.control import Control
from app.core.events import Checkpoint, ParamsChanged, Snapshot, Steps
from app.core.runs import Recorder, RunFolder
from app.core.runs.checkpoint import checkpoint_files
from app.core.runs.keyframes import (
    DENSITY,
    MARKS_STRIDE,
    Keyframes,
    fitting_arrays,
    keyframe_files,
    spaced,
)
from tests.core.test_runs import events_of, folder, slow_clock, spec

WEIGHTS = {"W1": np.zeros((16, 5), np.float32), "b1": np.zeros(5, np.float32)}


def size_of_one(tmp_path):
    frames = Keyframes(tmp_path, 1 << 20)
    frames.save(0, WEIGHTS)
    return frames.used


@pytest.fixture
def place(tmp_path):
    (tmp_path / "keyframes").mkdir()
    return tmp_path


def kept(place):
    return [step for step, _ in keyframe_files(place)]


@given(
    st.lists(st.integers(0, 10**6), unique=True, min_size=1).map(sorted),
    st.integers(0, 20),
    st.data(),
)
def test_what_is_kept_is_spaced_and_has_both_ends(steps, power, data):
    stride = 2**power
    marked = data.draw(st.sets(st.sampled_from(steps)))
    found = spaced(steps, marked, stride)
    assert found[0] == steps[0]
    assert found[-1] == steps[-1]
    assert set(found) <= set(steps)
    if stride <= MARKS_STRIDE:
        assert marked <= set(found)
    for before, after in itertools.pairwise(found[:-1]):
        room = max(1, (before + 1) * stride // DENSITY)
        assert after - before >= room or (stride <= MARKS_STRIDE and after in marked)
    # Nothing between two was left out without need.
    assert len(found) >= len(spaced(steps, (), 2 * stride))
    assert spaced(found, marked, stride) == found


def test_a_long_training_stays_in_sight_and_within_its_budget(place):
    """Fifty keyframes for a hundred thousand steps: early ones close, late ones far apart."""
    one = size_of_one(place)
    frames = Keyframes(place, 50 * one)
    for step in range(1, 100_001):
        if frames.due(step):
            assert frames.save(step, WEIGHTS)
            assert frames.used <= 50 * one
    steps = np.array(kept(place))
    assert frames.used == one * len(steps)
    assert 20 <= len(steps) <= 50
    assert steps[0] == 0
    assert steps[-1] > 80_000
    gaps = np.diff(steps)
    assert gaps[0] == 1
    # Relative to the step, no gap between two is much wider than the others.
    relative = gaps[10:] / steps[10:-1]
    assert relative.max() < 8 * np.median(relative)


def test_the_last_two_and_none_more_when_the_budget_is_that_of_two(place):
    frames = Keyframes(place, 2 * size_of_one(place))
    for step in (1, 2, 3, 4, 5):
        frames.save(step, WEIGHTS)
    assert kept(place)[0] == 0
    assert kept(place)[-1] == 5
    assert len(kept(place)) <= 3


def test_one_that_is_larger_than_the_budget_is_kept_only_if_it_must(place):
    frames = Keyframes(place, 10)
    assert not frames.save(0, WEIGHTS)
    assert kept(place) == []
    assert frames.save(7, WEIGHTS, always=True)
    assert kept(place) == [7]


def test_those_at_live_changes_stay_longest(place):
    one = size_of_one(place)
    frames = Keyframes(place, 20 * one)
    marks = [137, 1_005, 20_011]
    for step in range(1, 30_000):
        if step in marks:
            frames.mark(step)
            frames.save(step, WEIGHTS)
        elif frames.due(step):
            frames.save(step, WEIGHTS)
    assert set(marks) <= set(kept(place))


def test_thinning_goes_on_where_another_process_left_it(place):
    one = size_of_one(place)
    for begin, end in ((1, 500), (500, 5_000), (5_000, 50_000)):
        frames = Keyframes(place, 30 * one)
        assert frames.newest == kept(place)[-1]
        for step in range(begin, end):
            if frames.due(step):
                frames.save(step, WEIGHTS)
    assert frames.used <= 30 * one
    steps = np.array(kept(place))
    assert len(steps) >= 12
    assert steps[steps < 100].size >= 3
    assert steps[steps > 10_000].size >= 3


@pytest.mark.parametrize(("mebibytes", "names"), [(64, ["W1", "b1", "b2"]), (400, None)])
def test_of_a_large_network_small_arrays_are_kept_alone(mebibytes, names):
    """The exercise's network: 32 filters of 7 x 7, and an affine layer of 8,192 x 100."""
    arrays = {
        "W1": np.empty((32, 3, 7, 7), np.float32),
        "b1": np.empty(32, np.float32),
        "W2": np.empty((8192, 100), np.float32),
        "b2": np.empty(100, np.float32),
    }
    found = fitting_arrays(arrays, mebibytes << 20)
    assert list(found) == (names or list(arrays))


def test_a_live_change_keeps_the_weights_it_met(tmp_path, monkeypatch):
    """Whatever the budget and the time say: the step at which a hand moved a value is kept."""
    monkeypatch.setattr("app.core.runs.recorder.KEYFRAME_SECONDS", 1e9)
    monkeypatch.setattr("app.core.runs.recorder.KEYFRAME_ALLOWANCE", 0.0)
    settings_, control = spec(), Control()
    run = folder(tmp_path, settings_)
    recorder, moved, weights = Recorder(run), [], {}
    for event in events_of(settings_, control, clock=slow_clock()):
        recorder.take(event)
        if isinstance(event, Snapshot):
            weights[event.step] = event.weights
        if isinstance(event, Steps) and event.last_step == 9:
            control.set_live(settings_.changed(rho=0.3))
        if isinstance(event, ParamsChanged):
            moved.append(event.step)
    recorder.close()
    assert moved == [9]
    assert [step for step, _ in run.keyframes()] == [0, 9, 24]
    found = run.read_keyframe(dict(run.keyframes())[9])
    np.testing.assert_array_equal(found["W1"], weights[9]["W1"])


def test_the_budget_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setattr("app.core.runs.recorder.KEYFRAME_SECONDS", 0.0)
    settings_ = spec(keyframe_budget=0)
    run = folder(tmp_path, settings_)
    recorder = Recorder(run)
    for event in events_of(settings_, snapshot_seconds=0.0):
        recorder.take(event)
    recorder.close()
    # The last weights are kept whatever it says.
    assert [step for step, _ in run.keyframes()] == [24]
    assert RunFolder.open(run.path).info.spec.keyframe_budget == 0


def test_a_training_can_be_continued_from_its_first_moment(tmp_path):
    events = events_of(spec(), clock=slow_clock())
    first = next(event for event in events if isinstance(event, Checkpoint))
    assert (first.step, first.epoch, first.steps_into_epoch) == (0, 0, 0)


@pytest.mark.parametrize("began", [0, 6])
def test_its_first_checkpoint_is_its_seed_unless_its_weights_are_from_elsewhere(tmp_path, began):
    run = folder(tmp_path)
    run.write_info(run.info.changed(began=began))
    recorder = Recorder(run)
    for event in events_of(spec(), clock=slow_clock()):
        if isinstance(event, Steps):
            break
        recorder.take(event)
    recorder.close()
    assert [int(path.stem) for path in checkpoint_files(run.path)] == ([0] if began else [])


def test_the_first_steps_of_a_fast_engine_are_seen_again(tmp_path, monkeypatch):
    """Hardly a second goes by in this training, and its beginning is there."""
    # However slow the disk of the test is.
    monkeypatch.setattr("app.core.runs.recorder.KEYFRAME_ALLOWANCE", 60.0)
    settings_ = spec(epochs=100)
    run = folder(tmp_path, settings_)
    recorder = Recorder(run)
    for event in events_of(settings_):
        recorder.take(event)
    recorder.close()
    steps = [step for step, _ in run.keyframes()]
    assert steps[:2] == [0, 1]
    assert len([step for step in steps if step < 200]) >= 6
    assert steps[-1] == 600
