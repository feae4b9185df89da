"""The thread of a race forwards what racers say, each to its own feed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import DiskFullError
from app.core.events import Failed, Finished, Started
from app.core.feed import Feed
from app.core.race.line_up import line_up, new_ids
from app.core.race.lockstep import RaceControl
from app.core.runs import RunFolder
from app.workers.race_worker import RaceWorker
from app.workers.thread import Runner
from tests.core.race.racing import SMALL, patches, specs_of


@pytest.fixture
def runner(qapp) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    assert runner.shutdown(10.0)


def make(tmp_path, specs) -> tuple[RaceWorker, list[Feed]]:
    data, ids = patches(tmp_path), new_ids(len(specs))
    feeds = [Feed(run_id) for run_id in ids]

    def begin():
        return line_up(data, specs, root=tmp_path / "runs", threads=1, run_ids=ids)

    control = RaceControl(len(specs))
    return RaceWorker(begin, control, dict(zip(ids, feeds, strict=True))), feeds


def test_each_feed_hears_its_racer(qtbot: QtBot, runner, tmp_path) -> None:
    worker, feeds = make(tmp_path, specs_of(rho=(0.1, 0.2)))
    with qtbot.waitSignal(worker.ended, timeout=20_000):
        runner.start(worker)
    assert worker.error is None
    for racer, feed in zip(worker.racers, feeds, strict=True):
        events, snapshot = feed.collect()
        assert isinstance(events[0], Started)
        assert isinstance(events[-1], Finished)
        assert {event.run_id for event in events} == {racer.run_id}
        assert snapshot is not None
        assert snapshot.step == 21


def test_what_cannot_be_lined_up_is_said(qtbot: QtBot, runner, tmp_path) -> None:
    for error, says in ((DiskFullError("Full.", "Tidy."), "Full."), (MemoryError(), "memory")):
        worker, _ = make(tmp_path, specs_of(rho=(0.1, 0.2)))

        def refuse(error=error):
            raise error

        worker._line_up = refuse
        with qtbot.waitSignal(worker.ended, timeout=20_000):
            runner.start(worker)
        assert worker.error is not None
        assert says in worker.error[0]


def test_stopping_the_worker_keeps_every_run(qtbot: QtBot, runner, tmp_path) -> None:
    worker, feeds = make(tmp_path, specs_of(SMALL.changed(epochs=100_000), rho=(0.1, 0.2)))
    runner.start(worker)
    qtbot.waitUntil(lambda: bool(worker.racers) and bool(feeds[1].collect()[0]), timeout=20_000)
    with qtbot.waitSignal(worker.ended, timeout=20_000):
        worker.request_stop()
    for racer, feed in zip(worker.racers, feeds, strict=True):
        assert not [event for event in feed.collect()[0] if isinstance(event, Failed)]
        assert RunFolder.open(racer.run.path).info.state == "stopped"
