"""The thread that conducts studies."""

from __future__ import annotations

import pytest

from app.core.errors import FilterscopeError
from app.core.studies.conduct import MemberMoved, StudyEnded
from app.core.studies.local import LocalPool
from app.workers.study_worker import StudyWorker
from app.workers.thread import Runner
from tests.core.studies.small import small_study
from tests.core.studies.test_conduct import LONG


@pytest.fixture
def runner(qapp):
    runner = Runner()
    yield runner
    assert runner.shutdown(10.0)


def test_events_are_taken_once(qtbot, runner, tmp_path) -> None:
    study = small_study(tmp_path)
    worker = StudyWorker([study], lambda: LocalPool(1, threads=1))
    with qtbot.waitSignal(worker.ended, timeout=60_000):
        runner.start(worker)
    events = worker.take()
    assert events[-1] == StudyEnded(study.info.study_id, "done", 2, 0, 0)
    assert worker.take() == []
    assert worker.error is None


def test_it_is_stopped_and_all_is_kept(qtbot, runner, tmp_path) -> None:
    study = small_study(tmp_path, set=LONG)
    worker = StudyWorker([study], lambda: LocalPool(1, threads=1))
    runner.start(worker)
    heard = []

    def moved() -> bool:
        heard.extend(worker.take())
        return any(isinstance(event, MemberMoved) for event in heard)

    qtbot.waitUntil(moved, timeout=60_000)
    with qtbot.waitSignal(worker.ended, timeout=60_000):
        worker.request_stop()
    assert worker.take()[-1].reason == "stopped"
    run = study.run_of(study.info.members[0])
    assert run is not None
    assert run.info.state == "stopped"


def test_a_pool_that_cannot_be_opened_is_told(qtbot, runner, tmp_path) -> None:
    def nobody() -> LocalPool:
        raise FilterscopeError("The cluster does not answer.", "Is it running?")

    worker = StudyWorker([small_study(tmp_path)], nobody)
    with qtbot.waitSignal(worker.ended, timeout=60_000):
        runner.start(worker)
    assert worker.error == ("The cluster does not answer.", "Is it running?")
    assert worker.bug == ""
