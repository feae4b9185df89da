"""Runs of studies in real processes: the bits of a run alone; one that dies is begun once more."""

from __future__ import annotations

import hashlib
import os
import queue
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.core.control import Control
from app.core.errors import UsageError
from app.core.runs import RunFolder
from app.core.studies.conduct import (
    MemberBegan,
    MemberEnded,
    MemberMoved,
    Said,
    StudyControl,
    StudyEnded,
    conduct,
)
from app.core.studies.folder import StudyFolder
from app.core.studies.job import Stage, job_of, perform
from app.core.studies.local import LocalPool
from app.core.studies.pool import Report, share_threads
from app.core.studies.spec import StudySpec
from tests.core.studies.small import small_study
from tests.core.trained import images, record, write

# So many epochs that a test has time to do something to the process.
LONG = {"epochs": 1_000_000, "hidden_units": 6, "batch_size": 16}


def weights_of(run: RunFolder) -> dict[str, np.ndarray]:
    return run.read_weights()[1]


def same_bits(first: RunFolder, second: RunFolder) -> bool:
    one, other = weights_of(first), weights_of(second)
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def test_a_run_of_a_study_has_the_bits_of_the_run_alone(tmp_path: Path) -> None:
    study = small_study(tmp_path, seeds=2)
    with LocalPool(2, threads=1) as pool:
        events = list(conduct([study], pool, StudyControl()))
        assert len(pool.pids) == 2
        pids = pool.pids
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert events[-1] == StudyEnded(study.info.study_id, "done", 4, 0, 0)
    assert sorted(e.number for e in events if isinstance(e, MemberBegan)) == [0, 1, 2, 3]
    for member in study.info.members:
        run = study.run_of(member)
        assert run is not None
        assert run.info.study == study.info.study_id
        spec, preprocess = study.spec.member_specs(member.values, member.seed)
        assert (run.info.spec, run.info.preprocess) == (spec, preprocess)
        alone = record(tmp_path / "alone", Path(study.spec.data), spec, preprocess)
        assert same_bits(run, alone)
        assert run.read_history()[0].terms.tobytes() == alone.read_history()[0].terms.tobytes()
        ended = next(e for e in events if isinstance(e, MemberEnded) and e.number == member.number)
        assert run.info.outcome is not None
        assert run.info.outcome.terms is not None
        assert ended.value == sum(run.info.outcome.terms)


def test_of_two_studies_the_first_is_begun_first(tmp_path: Path) -> None:
    first = small_study(tmp_path)
    second = small_study(tmp_path, vary=[{"name": "hidden_units", "values": [3, 5]}])
    with LocalPool(1, threads=1) as pool:
        events = list(conduct([first, second], pool, StudyControl()))
    began = [(e.study_id, e.number) for e in events if isinstance(e, MemberBegan)]
    ids = first.info.study_id, second.info.study_id
    assert began == [(ids[0], 0), (ids[0], 1), (ids[1], 0), (ids[1], 1)]
    assert [e.reason for e in events if isinstance(e, StudyEnded)] == ["done", "done"]


def test_networks_of_images_too(tmp_path: Path) -> None:
    study = StudyFolder.create(
        StudySpec.build(
            {
                "kind": "cnn",
                "set": {
                    "layers": "conv 2 3x3, relu, pool 4",
                    "epochs": 1,
                    "batch_size": 500,
                    "train_count": 1000,
                },
                "vary": [{"name": "reg", "values": [0.0, 0.1]}],
            }
        ),
        tmp_path / "runs",
    )
    with LocalPool(1, threads=1) as pool:
        events = list(conduct([study], pool, StudyControl()))
    assert events[-1].reason == "done"
    runs = [study.run_of(member) for member in study.info.members]
    values = [e.value for e in events if isinstance(e, MemberEnded)]
    assert values == [run.info.best.accuracy for run in runs]


def test_a_killed_process_is_replaced_and_its_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    epochs = 4000
    study = small_study(tmp_path, set={"epochs": epochs})
    killed: list[int] = []
    events = []
    with LocalPool(2, threads=1) as pool:
        for event in conduct([study], pool, StudyControl()):
            events.append(event)
            if isinstance(event, MemberMoved) and event.number == 1 and not killed:
                began = next(e for e in events if isinstance(e, MemberBegan) and e.number == 1)
                killed.append(int(began.worker.split()[1]))
                os.kill(killed[0], signal.SIGKILL)
    lost = [e for e in events if isinstance(e, MemberEnded) and e.state == "lost"]
    assert [e.number for e in lost] == [1]
    assert f"Process {killed[0]} ended in the middle (signal 9)" in lost[0].message
    assert [e.attempt for e in events if isinstance(e, MemberBegan) and e.number == 1] == [1, 2]
    assert events[-1].reason == "done"
    kept = StudyFolder.open(study.path)
    assert [len(member.failures) for member in kept.info.members] == [0, 1]
    for member in kept.info.members:
        run = kept.run_of(member)
        assert run is not None
        assert run.info.state == "done"
        alone = record(tmp_path / "alone", Path(study.spec.data), run.info.spec)
        assert same_bits(run, alone)


def test_a_run_that_kills_every_process_fails_and_the_others_go_on(tmp_path: Path) -> None:
    study = small_study(tmp_path, set=LONG, vary=[{"name": "rho", "values": [0.1, 0.2, 0.3]}])
    control = StudyControl()
    events = []
    with LocalPool(1, threads=1) as pool:
        for event in conduct([study], pool, control):
            events.append(event)
            if isinstance(event, MemberMoved):
                if event.number == 0:
                    os.kill(pool.pids[0], signal.SIGKILL)
                else:
                    control.stop()
    states = [(e.number, e.state) for e in events if isinstance(e, MemberEnded)]
    assert states == [(0, "lost"), (0, "failed"), (1, "stopped")]
    members = StudyFolder.open(study.path).info.members
    assert len(members[0].failures) == 2
    assert study.state_of(members[0], study.run_of(members[0])) == "failed"
    assert events[-1] == StudyEnded(study.info.study_id, "stopped", 0, 1, 2)


def test_a_stopped_study_goes_on_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    study = small_study(tmp_path, set={"epochs": 3000})
    control = StudyControl()
    events = []
    with LocalPool(1, threads=1) as pool:
        for event in conduct([study], pool, control):
            events.append(event)
            if isinstance(event, MemberMoved) and event.number == 1:
                control.stop()
    assert events[-1] == StudyEnded(study.info.study_id, "stopped", 1, 0, 1)
    first = study.run_of(study.info.members[0])
    assert first is not None
    before = {path: path.stat().st_mtime_ns for path in first.path.rglob("*")}
    study = StudyFolder.open(study.path)
    assert not study.conducted
    with LocalPool(1, threads=1) as pool:
        events = list(conduct([study], pool, StudyControl()))
    # What was done is not touched again.
    assert [e.number for e in events if isinstance(e, MemberBegan)] == [1]
    assert {path: path.stat().st_mtime_ns for path in first.path.rglob("*")} == before
    assert events[-1] == StudyEnded(study.info.study_id, "done", 2, 0, 0)
    run = study.run_of(study.info.members[1])
    assert run is not None
    alone = record(tmp_path / "alone", Path(study.spec.data), run.info.spec)
    assert same_bits(run, alone)
    # And a study that is done is done at once.
    assert [type(e) for e in conduct([study], NoPool(), StudyControl())] == [StudyEnded]


def test_settings_that_cannot_be_trained_fail_once_and_the_others_go_on(tmp_path: Path) -> None:
    study = small_study(tmp_path, vary=[{"name": "held_out", "values": [64, 0]}])
    with LocalPool(1, threads=1) as pool:
        events = list(conduct([study], pool, StudyControl()))
    ended = [e for e in events if isinstance(e, MemberEnded)]
    assert [(e.number, e.state) for e in ended] == [(0, "failed"), (1, "done")]
    assert "All 64 patches are held out" in ended[0].message
    assert events[-1] == StudyEnded(study.info.study_id, "failed", 1, 1, 0)


@pytest.mark.parametrize("data", ["patches.npy", "patches.h5", "drawn shapes"])
def test_a_run_that_is_stopped_before_its_data_is_read_waits_for_none_of_it(
    tmp_path: Path, data: str
) -> None:
    if data == "drawn shapes":
        spec = StudySpec.build({"kind": "cnn", "vary": [{"name": "reg", "values": [0.1]}]})
        study = StudyFolder.create(spec, tmp_path / "runs")
    else:
        study = small_study(tmp_path, file=write(tmp_path / data, images(64)))
    job = job_of(study, study.info.members[0], 1)
    control, stage = Control(), Stage()
    control.stop()
    said: list[dict] = []
    ended = perform(job, said.append, control, stage=stage)
    assert (ended["state"], said) == ("stopped", [])
    assert not Path(job.folder).exists()
    if data != "drawn shapes":
        # What was given up half-way is not taken for the data of the next job.
        assert len(stage.data(job).x) == 64


def test_data_that_changes_under_a_study_is_noticed(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    member = study.info.members[0]
    digest = hashlib.sha256(b"other").hexdigest()
    job = job_of(study, member, 1).changed(data_sha256=digest)
    with pytest.raises(UsageError, match="not what it was when the study began"):
        perform(job, lambda _: None, Control(), stage=Stage())
    ended = perform(job_of(study, member, 1), lambda _: None, Control())
    assert ended["data_sha256"] == RunFolder.open(study.run_path(member)).info.source.sha256


def test_a_worker_of_another_version_is_refused(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    job = job_of(study, study.info.members[0], 1).changed(version="0.0.1")
    with pytest.raises(UsageError, match=r"the study is of 0\.0\.1"):
        perform(job, lambda _: None, Control())


def test_a_run_that_diverges_is_not_begun_again(tmp_path: Path) -> None:
    vary = [{"name": "learning_rate", "values": [1e9, 0.01]}]
    study = small_study(tmp_path, vary=vary, set={"solver": "sgd", "decoder": "linear"})
    with LocalPool(1, threads=1) as pool:
        events = list(conduct([study], pool, StudyControl()))
    ended = [(e.number, e.state, e.value is None) for e in events if isinstance(e, MemberEnded)]
    assert ended == [(0, "diverged", True), (1, "done", False)]
    assert study.unfinished() == []


class NoPool:
    """A pool that says what a test wants."""

    threads = 1

    def __init__(self, reports=(), room=1) -> None:
        self.jobs: list = []
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._answer, self._room = list(reports), room
        self.stopped = 0

    def room(self) -> int:
        return self._room - len(self.jobs)

    def submit(self, job) -> None:
        self.jobs.append(job)

    def wait(self, seconds: float) -> list[Report]:
        assert self._answer, "nothing more to say"
        kind, words = self._answer.pop(0)
        key = self.jobs[-1].key if self.jobs and kind != "said" else ""
        if kind in ("ended", "lost"):
            self.jobs.pop()
        return [Report(key, kind, words)]

    def stop(self) -> None:
        self.stopped += 1


def test_a_scheduler_that_begins_a_lost_run_again_is_believed(tmp_path: Path) -> None:
    study = small_study(tmp_path, vary=[{"name": "rho", "values": [0.1]}])
    pool = NoPool(
        [
            ("said", {"message": "The cluster has no worker; waiting for one."}),
            ("began", {"worker": "first"}),
            ("began", {"worker": "second"}),
            ("ended", {"state": "done"}),
        ]
    )
    events = list(conduct([study], pool, StudyControl()))
    name = study.info.study_id
    assert events[:-2] == [
        Said("", "The cluster has no worker; waiting for one."),
        MemberBegan(name, 0, "first", 1),
        MemberEnded(name, 0, "lost", "first went away.", None),
        MemberBegan(name, 0, "second", 2),
    ]


def test_reports_of_nobody_are_of_no_interest(tmp_path: Path) -> None:
    study = small_study(tmp_path, vary=[{"name": "rho", "values": [0.1]}])
    pool = NoPool([("ended", {"state": "done"})])
    wait = pool.wait
    pool.wait = lambda seconds: [Report("another 7", "ended", {"state": "done"}), *wait(seconds)]
    events = list(conduct([study], pool, StudyControl()))
    assert [type(event) for event in events] == [MemberEnded, StudyEnded]


def test_a_study_that_is_conducted_elsewhere_is_left_alone(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    study.take()
    with pytest.raises(UsageError, match="being conducted right now"):
        next(conduct([study], NoPool(), StudyControl()))
    assert StudyFolder.open(study.path).conducted


def test_cores_are_shared(monkeypatch) -> None:
    monkeypatch.setenv("FILTERSCOPE_THREADS", "8")
    assert [share_threads(workers, window=False) for workers in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_a_process_whose_asker_is_gone_saves_and_ends(tmp_path: Path) -> None:
    study = small_study(tmp_path, set=LONG)
    member = study.info.members[0]
    pool = LocalPool(1, threads=1)
    pool.submit(job_of(study, member, 1))
    while not any(report.kind == "moved" for report in pool.wait(1.0)):
        continue
    pool.close()
    run = study.run_of(member)
    assert run is not None
    assert run.info.state == "stopped"
    assert run.info.outcome is not None
    assert run.info.outcome.step > 0


def test_the_file_of_a_study_is_one_that_processes_can_read(tmp_path: Path) -> None:
    """Names with spaces and letters of other alphabets go through the pipe."""
    file = write(tmp_path / "натюрморт 1.npy", images(64))
    study = small_study(tmp_path, file=file)
    with LocalPool(1, threads=1) as pool:
        assert list(conduct([study], pool, StudyControl()))[-1].reason == "done"
