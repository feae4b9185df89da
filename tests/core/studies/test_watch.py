"""What is heard of runs while they train, and how long the rest takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.studies.conduct import MemberBegan, MemberEnded, MemberMoved
from app.core.studies.results import read_results
from app.core.studies.watch import Watch
from tests.core.studies.small import small_study


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def results(tmp_path: Path):
    study = small_study(
        tmp_path, set={"epochs": 100}, vary=[{"name": "rho", "values": [0.1, 0.2, 0.3, 0.4, 0.5]}]
    )
    return read_results(study)


def begin(watch: Watch, results, number: int, attempt: int = 1) -> None:
    watch.take(MemberBegan(results.study.info.study_id, number, f"process {number}", attempt))


def move(watch: Watch, results, number: int, epoch: float, cost: float = 1.0) -> None:
    watch.take(MemberMoved(results.study.info.study_id, number, epoch, 100, cost, None))


def end(watch: Watch, results, number: int, state: str, message: str = "") -> None:
    watch.take(MemberEnded(results.study.info.study_id, number, state, message, None))


def test_how_the_runs_stand_is_what_was_heard_last(results) -> None:
    watch = Watch()
    assert watch.states(results) == {"waiting": 5}
    begin(watch, results, 0)
    begin(watch, results, 1)
    end(watch, results, 0, "done")
    end(watch, results, 1, "lost", "It ended.")
    begin(watch, results, 2)
    assert watch.states(results) == {"at work": 1, "done": 1, "lost": 1, "waiting": 2}
    begin(watch, results, 1, attempt=2)
    seen = watch.of(results.study.info.study_id, 1)
    assert seen is not None
    assert (seen.state, seen.attempt, seen.message) == ("at work", 2, "It ended.")
    # Nobody conducts any more, and it was not said what became of two.
    watch.end()
    assert watch.states(results) == {"done": 1, "waiting": 4}
    watch.begin([results.study])
    assert watch.states(results) == {"waiting": 5}


def test_the_share_counts_epochs_of_all_runs(results) -> None:
    watch = Watch()
    begin(watch, results, 0)
    move(watch, results, 0, 25.0)
    assert watch.share(results) == pytest.approx(0.05)
    end(watch, results, 0, "done")
    end(watch, results, 1, "failed")
    assert watch.share(results) == pytest.approx(0.4)


def test_the_time_left_is_that_of_the_last_run_to_end(results, clock) -> None:
    watch = Watch(clock)
    begin(watch, results, 0)
    begin(watch, results, 1)
    move(watch, results, 0, 10.0)
    move(watch, results, 1, 0.0)
    # One word says where a run is, not how fast it goes.
    assert watch.seconds_left([results]) is None
    clock.now += 10
    move(watch, results, 0, 20.0)
    move(watch, results, 1, 50.0)
    # 1 and 0.2 s an epoch: 80 and 10 s are left of these, 60 s each for the three that wait.
    # The second worker is free after 10, 70 and 130 s; the first after 80 s.
    assert watch.seconds_left([results]) == pytest.approx(140.0)
    for number in range(5):
        end(watch, results, number, "done")
    assert watch.seconds_left([results]) == 0.0


def test_trials_that_are_not_chosen_yet_take_time_too(tmp_path, clock) -> None:
    pytest.importorskip("optuna")
    results = read_results(small_study(tmp_path, search="optuna", trials=3, set={"epochs": 100}))
    assert results.missing
    watch = Watch(clock)
    study = results.study
    study.plan([{"rho": 0.1}])
    results = read_results(study)
    begin(watch, results, 0)
    move(watch, results, 0, 0.0)
    clock.now += 1
    move(watch, results, 0, 50.0)
    assert watch.seconds_left([results]) == pytest.approx(1.0 + 2 * 2.0)


def test_a_run_that_goes_on_from_before_says_its_costs_once(results, clock) -> None:
    watch = Watch(clock)
    begin(watch, results, 0)
    for epoch, cost in ((1.0, 9.0), (2.0, 8.0), (3.0, 7.0)):
        move(watch, results, 0, epoch, cost)
    end(watch, results, 0, "lost")
    begin(watch, results, 0, attempt=2)
    clock.now += 60
    move(watch, results, 0, 1.5, 8.5)
    seen = watch.of(results.study.info.study_id, 0)
    assert seen is not None
    assert seen.costs == [(1.0, 9.0), (1.5, 8.5)]
    # Those 60 s are nobody's pace.
    clock.now += 2
    move(watch, results, 0, 2.5, 8.0)
    assert seen.pace == pytest.approx(2.0)
