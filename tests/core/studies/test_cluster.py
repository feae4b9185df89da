"""Studies on a real Dask cluster: loopback alone, nothing lost with a worker, files come back."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest

from app.core.data.preprocess import PREFIX
from app.core.errors import FilterscopeError, UsageError
from app.core.runs import RunFolder
from app.core.studies import dask_job
from app.core.studies.cluster import ClusterAddress, DaskPool
from app.core.studies.conduct import (
    MemberBegan,
    MemberEnded,
    MemberMoved,
    StudyControl,
    StudyEnded,
    conduct,
)
from app.core.studies.dask_job import read_files, write_files
from app.core.studies.folder import StudyFolder
from tests.core.studies.small import small_study
from tests.core.studies.test_conduct import LONG, same_bits
from tests.core.trained import record

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@pytest.fixture(autouse=True)
def no_tracker() -> Iterator[None]:
    """End the helper that Python keeps for processes that were spawned."""
    yield
    resource_tracker._resource_tracker._stop()


def listeners() -> set[str]:
    """Return the addresses at which this process and its children listen."""
    me = psutil.Process()
    return {
        connection.laddr.ip
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def worker_pid(pool: DaskPool, address: str) -> int:
    return pool._client.run(os.getpid)[address]


def test_a_killed_worker_loses_nothing_and_only_loopback_listens(
    tmp_path: Path, monkeypatch, logs
) -> None:
    logs.expect("marked as failed because 1 workers died")
    logs.expect("Restarting worker")
    before = listeners()
    # Nothing of it stays: its folder is one of ours, not Dask's own.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    dead = temporary / f"{PREFIX}{2**22 + 1}-dask-x"
    dead.mkdir()
    study = small_study(tmp_path, set={"epochs": 3000})
    events, killed = [], []
    with DaskPool(2, threads=1) as pool:
        (scratch,) = temporary.iterdir()
        assert scratch.name.startswith(f"{PREFIX}{os.getpid()}-dask-")
        assert listeners() - before == {"127.0.0.1"}
        assert pool._client.scheduler.address.startswith("tls://127.0.0.1:")
        for event in conduct([study], pool, StudyControl()):
            events.append(event)
            if isinstance(event, MemberMoved) and event.number == 1 and not killed:
                began = next(e for e in events if isinstance(e, MemberBegan) and e.number == 1)
                killed.append(began.worker)
                os.kill(worker_pid(pool, began.worker), signal.SIGKILL)
    assert listeners() == before
    assert list(temporary.iterdir()) == []
    lost = [
        (e.number, e.message) for e in events if isinstance(e, MemberEnded) and e.state == "lost"
    ]
    assert lost == [(1, f"Worker {killed[0]} went away.")]
    assert events[-1] == StudyEnded(study.info.study_id, "done", 2, 0, 0)
    for member in StudyFolder.open(study.path).info.members:
        assert len(member.failures) == (member.number == 1)
        run = study.run_of(member)
        assert run is not None
        assert same_bits(run, record(tmp_path / "alone", Path(study.spec.data), run.info.spec))


def test_stop_keeps_what_is_trained(tmp_path: Path) -> None:
    study = small_study(tmp_path, set=LONG)
    control = StudyControl()
    events = []
    with DaskPool(1, threads=1) as pool:
        for event in conduct([study], pool, control):
            events.append(event)
            if isinstance(event, MemberMoved):
                control.stop()
    assert [e.state for e in events if isinstance(e, MemberEnded)] == ["stopped"]
    run = study.run_of(study.info.members[0])
    assert run is not None
    assert run.info.state == "stopped"


def test_files_come_back_from_a_cluster_that_is_there_and_go_on_there(tmp_path: Path) -> None:
    study = small_study(tmp_path, set={"epochs": 4000}, vary=[{"name": "rho", "values": [0.2]}])
    with (
        dask.config.set({"temporary-directory": str(tmp_path)}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        address = ClusterAddress(cluster.scheduler_address)
        control = StudyControl()
        with DaskPool(1, cluster=address) as pool:
            for event in conduct([study], pool, control):
                if isinstance(event, MemberMoved):
                    control.stop()
        run = study.run_of(study.info.members[0])
        assert run is not None
        assert run.info.state == "stopped"
        assert run.info.outcome is not None
        assert run.info.outcome.step > 0
        with DaskPool(1, cluster=address) as pool:
            events = list(conduct([study], pool, StudyControl()))
        assert events[-1].reason == "done"
        # Leaving it does not end it.
        assert cluster.scheduler.status.name == "running"
    run = study.run_of(study.info.members[0])
    assert run is not None
    assert same_bits(run, record(tmp_path / "alone", Path(study.spec.data), run.info.spec))


def test_a_scheduler_that_goes_away_in_the_middle_is_told_once(
    tmp_path: Path, monkeypatch, logs
) -> None:
    logs.expect("Failed to reconnect to scheduler")
    # What the worker in this process says of its run that was cut off is of no interest.
    worker_log = logging.getLogger("distributed.worker.state_machine")
    monkeypatch.setattr(worker_log, "disabled", True)
    monkeypatch.setattr("app.core.studies.cluster.SECONDS_TO_CONNECT", 1.0)
    study = small_study(tmp_path, set=LONG)
    with dask.config.set({"temporary-directory": str(tmp_path)}):
        cluster = distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        )
        pool = DaskPool(1, cluster=ClusterAddress(cluster.scheduler_address))

    def close_in_the_middle() -> None:
        for event in conduct([study], pool, StudyControl()):
            if isinstance(event, MemberMoved):
                # The run itself ends, as it would with its worker.
                for at_work in dask_job._at_work.values():
                    at_work.stop(in_haste=True)
                cluster.close()

    with pytest.raises(FilterscopeError, match="does not answer any more") as told:
        close_in_the_middle()
    assert "trains the rest" in told.value.hint
    pool.close()
    kept = StudyFolder.open(study.path)
    assert not kept.conducted
    assert len(kept.unfinished()) == 2


def test_a_cluster_that_does_not_answer_is_told(monkeypatch) -> None:
    monkeypatch.setattr("app.core.studies.cluster.SECONDS_TO_CONNECT", 0.3)
    with pytest.raises(FilterscopeError, match=r"The scheduler at 127\.0\.0\.1:9 does not answer"):
        DaskPool(1, cluster=ClusterAddress("127.0.0.1:9"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "no address of a scheduler"),
        ("here", "no address of a scheduler"),
        ("tcp://10.0.0.5", "no address of a scheduler"),
        ("tcp://10.0.0.5:port", "no address of a scheduler"),
        ("http://10.0.0.5:8786", "no address of a scheduler"),
        ("tls://10.0.0.5:8786", "needs three files"),
        ("tcp://10.0.0.5:8786", "is not this computer.*can run code on this computer"),
        ("example.org:8786", "is not this computer"),
        ("[2001:db8::1]:8786", "is not this computer"),
    ],
)
def test_a_cluster_elsewhere_needs_tls_or_a_word(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ClusterAddress(address).check()


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786"])
def test_a_cluster_of_this_computer_needs_neither(address: str) -> None:
    ClusterAddress(address).check()


def test_tls_files_and_trust(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    with pytest.raises(UsageError, match="is not a file"):
        ClusterAddress("10.0.0.5:8786", *files).check()
    for file in files:
        file.write_text("")
    with pytest.raises(UsageError, match="TLS needs three files"):
        ClusterAddress("10.0.0.5:8786", files[0]).check()
    whole = ClusterAddress("10.0.0.5:8786", *files)
    whole.check()
    assert whole.url == "tls://10.0.0.5:8786"
    trusted = ClusterAddress("10.0.0.5:8786", trusted=True)
    trusted.check()
    assert trusted.url == "tcp://10.0.0.5:8786"


@pytest.mark.parametrize(
    "name", ["../run.json", "/etc/passwd", "a/b/c", ".hidden", "a\\b", "keyframes/../x", "", "a//b"]
)
def test_files_of_a_worker_stay_in_their_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a file that no run has"):
        write_files(tmp_path / "run", {"run.json": b"{}", name: b"x"})
    assert not (tmp_path / "run").exists()


def test_files_of_a_run_are_the_same_elsewhere(tmp_path: Path) -> None:
    study = small_study(tmp_path)
    run = record(tmp_path / "runs", Path(study.spec.data), study.spec.spec)
    write_files(tmp_path / "copy", read_files(run.path))
    copy = RunFolder.open(tmp_path / "copy")
    assert copy.info == run.info
    assert same_bits(copy, run)
