"""Runs of a study on a Dask cluster: one of this computer, or one that is there already.

Whoever is a member of a Dask cluster can run any code on all other members, on the one that asks
too: that is how Dask works. So a cluster of our own listens on the loopback address alone and
speaks TLS with a key made for it, that other people of this computer do not have; one elsewhere
has to be reached with TLS, unless the person says that all of its network is trusted.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import queue
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from app.core.data.preprocess import PREFIX, sweep_work_files
from app.core.errors import FilterscopeError, UsageError
from app.core.storage import remove_folder
from app.core.studies.dask_job import read_files, stop_here, train_here, write_files
from app.core.studies.job import Job
from app.core.studies.pool import Report, share_threads

__all__ = ["TRUST", "ClusterAddress", "DaskPool"]

TRUST = (
    "Every member of a Dask cluster, and whoever can reach its scheduler, can run code on this "
    "computer."
)
SECONDS_TO_CONNECT = 10.0
SECONDS_BETWEEN_COUNTS = 1.0


@dataclass(frozen=True)
class ClusterAddress:
    """Where a scheduler is, and the TLS files that open it.

    Parameters
    ----------
    address : str
        Such as ``tls://10.0.0.5:8786``.
    ca, certificate, key : Path, optional
        PEM files: whom to believe, who we are, and our key.
    trusted : bool
        The person said that all of the network is trusted.
    """

    address: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    trusted: bool = False

    def check(self) -> None:
        """Raise `UsageError` when it cannot be meant, or is not safe."""
        try:
            parts = urlsplit(self.address if "://" in self.address else f"tcp://{self.address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or port is None or parts.scheme not in ("tcp", "tls"):
            raise UsageError(
                f"“{self.address}” is no address of a scheduler.",
                "Write it like tls://10.0.0.5:8786.",
            )
        given = [file for file in (self.ca, self.certificate, self.key) if file is not None]
        if given and len(given) < 3:
            raise UsageError(
                "TLS needs three files: the certificate of whom to believe, our own, and its key."
            )
        for file in given:
            if not file.is_file():
                raise UsageError(f"{file} is not a file.")
        if parts.scheme == "tls" and not given:
            raise UsageError(
                "A tls:// address needs three files: the certificate of whom to believe, our own, "
                "and its key."
            )
        if not given and not self.trusted and not _is_loopback(host):
            raise UsageError(
                f"{host} is not this computer, and without TLS anybody on the way can take over. "
                + TRUST,
                "Give the three TLS files of its cluster, or say that you trust everybody on that "
                "network.",
            )

    @property
    def url(self) -> str:
        """The address with its protocol."""
        if "://" in self.address:
            return self.address.replace("tcp://", "tls://") if self.ca else self.address
        return f"{'tls' if self.ca else 'tcp'}://{self.address}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class DaskPool:
    """A Dask cluster as a `Pool`.

    Parameters
    ----------
    workers : int
        Of a cluster of our own, which ends with the pool.
    cluster : ClusterAddress, optional
        One that is there already, and stays; `workers` counts for nothing then. No disk need be
        shared: a run's files come back when it ends. Data must be at the same path everywhere.
    threads : int, optional
        Threads of each worker of our own; the cores, shared evenly, by default.
    window : bool
        Whether one core is left to the window.

    Raises
    ------
    FilterscopeError
        Dask is not installed, or nobody answers.
    UsageError
        The address is none, or not safe.
    """

    def __init__(
        self,
        workers: int,
        *,
        cluster: ClusterAddress | None = None,
        threads: int | None = None,
        window: bool = False,
    ) -> None:
        self.workers = workers
        self.threads = threads or share_threads(workers, window=window)
        self.remote = cluster is not None
        self._topic = f"filterscope-{uuid.uuid4().hex}"
        self._reports: queue.SimpleQueue[Report | Any] = queue.SimpleQueue()
        self._futures: dict[str, Any] = {}
        self._folders: dict[str, Path] = {}
        self._stopping = False
        self._counted = (-1.0, 0)
        self._cluster: Any = None
        self._scratch: Path | None = None
        if cluster is not None:
            cluster.check()
        try:
            import dask
            import distributed
        except ImportError:
            raise FilterscopeError(
                "This needs Dask, which is not installed.",
                'Install it with: python -m pip install "filterscope[studies]"',
            ) from None
        # Neither has types.
        self._dask: Any = dask
        self._distributed: Any = distributed
        self._client = self._connect(cluster) if cluster is not None else self._start()
        self._client.subscribe_topic(self._topic, self._hear)

    def _start(self) -> Any:
        """Start a cluster of our own."""
        # Dask would put its locks into a folder of everybody's that stays. That of a process that
        # was killed is swept by the next one.
        sweep_work_files()
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-dask-"))
        with self._dask.config.set(
            {
                # A worker that goes away is told to us, who begin its run once more.
                "distributed.scheduler.allowed-failures": 0,
                "temporary-directory": str(self._scratch),
                # The servers that would show diagnostics have nothing to show.
                "distributed.scheduler.http.routes": [],
                "distributed.worker.http.routes": [],
            }
        ):
            try:
                self._cluster = self._distributed.LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    protocol="tls://",
                    security=self._distributed.Security.temporary(),
                    dashboard_address=None,
                    # Else it would take port 8787 or complain.
                    scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                    silence_logs=logging.CRITICAL,
                    # Runs of a study may need all memory there is: nobody is ended for it.
                    memory_limit=0,
                )
            except ImportError as error:
                remove_folder(self._scratch)
                raise FilterscopeError(
                    f"A Dask cluster could not be started: {error}.",
                    'Install what it needs with: python -m pip install "filterscope[studies]"',
                ) from None
        self._cluster.scheduler.http_server.stop()
        return self._distributed.Client(self._cluster, set_as_default=False)

    def _connect(self, cluster: ClusterAddress) -> Any:
        security = None
        if cluster.ca is not None:
            security = self._distributed.Security(
                tls_ca_file=str(cluster.ca),
                tls_client_cert=str(cluster.certificate),
                tls_client_key=str(cluster.key),
                require_encryption=True,
            )
        try:
            return self._distributed.Client(
                cluster.url,
                security=security,
                timeout=SECONDS_TO_CONNECT,
                set_as_default=False,
            )
        except Exception as error:
            # Whatever is wrong there, of sockets, TLS or versions, nobody can train.
            raise FilterscopeError(
                f"The scheduler at {cluster.address} does not answer: {_one_line(error)}.",
                "Is it running, and are the TLS files those of its cluster?",
            ) from None

    def __enter__(self) -> DaskPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def room(self) -> int:
        """Return how many more jobs can begin at once: one that was lost may not be replaced yet."""
        counted, count = self._counted
        if time.monotonic() - counted >= SECONDS_BETWEEN_COUNTS:
            try:
                found = sum(self._client.nthreads().values())
            except Exception as error:
                raise _gone(error) from None
            if found == 0 and self.remote and (count or counted < 0):
                words = {"message": "The cluster has no worker; waiting for one."}
                self._reports.put(Report("", "said", words))
            self._counted = (time.monotonic(), found)
            count = found
        return count - len(self._futures)

    def submit(self, job: Job) -> None:
        """Have a job trained by a worker."""
        files = None
        if self.remote:
            self._folders[job.key] = Path(job.folder)
            files = read_files(Path(job.folder))
        try:
            future = self._client.submit(
                train_here,
                job.model_dump(),
                self._topic,
                files,
                key=f"{job.key} {uuid.uuid4().hex}",
                pure=False,
            )
        except Exception as error:
            raise _gone(error) from None
        self._futures[job.key] = future
        future.add_done_callback(self._reports.put)

    def _hear(self, event: Any) -> None:
        """Take a worker's word, in Dask's thread."""
        words = dict(event[1])
        key = str(words.pop("key"))
        if words.pop("began", False):
            self._reports.put(Report(key, "began", words))
        else:
            self._reports.put(Report(key, "moved", words))

    def wait(self, seconds: float) -> list[Report]:
        """Return what there is to say; wait at most so long for it."""
        found: list[Report] = []
        patience = seconds
        while True:
            try:
                one = (
                    self._reports.get(timeout=patience) if patience else self._reports.get_nowait()
                )
            except queue.Empty:
                return found
            patience = 0.0
            if not isinstance(one, Report):
                found.extend(self._ended(one))
                continue
            if one.kind == "began" and self._stopping:
                # It was on its way when the others were told.
                self.stop()
            found.append(one)

    def _ended(self, future: Any) -> list[Report]:
        key = next((key for key, one in self._futures.items() if one is future), None)
        if key is None:
            return []
        del self._futures[key]
        if future.status == "finished":
            ended = dict(future.result())
            files = ended.pop("files", None)
            if files is not None:
                try:
                    write_files(self._folders.pop(key), files)
                except FilterscopeError as error:
                    ended.update(state="failed", message=str(error))
            return [Report(key, "ended", ended)]
        if future.status == "cancelled":
            if self._stopping:
                return [Report(key, "ended", {"state": "stopped"})]
            return [Report(key, "lost", {"message": "The scheduler went away."})]
        found = future.exception()
        if isinstance(found, self._distributed.scheduler.KilledWorker):
            where = getattr(found.last_worker, "address", "a worker")
            return [Report(key, "lost", {"message": f"Worker {where} went away."})]
        words = f"{type(found).__name__}: {_one_line(found)}"
        return [Report(key, "ended", {"state": "failed", "message": words})]

    def stop(self) -> None:
        """Have every run end after its mini-batch, saved."""
        self._stopping = True
        keys = list(self._futures)
        if keys:
            try:
                self._client.run(stop_here, keys, wait=False, on_error="ignore")
            except Exception as error:
                raise _gone(error) from None

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        futures, self._futures = list(self._futures.values()), {}
        # A scheduler that is gone is left all the same, and was told before.
        with contextlib.suppress(Exception):
            if futures:
                self._client.cancel(futures, force=True)
        with contextlib.suppress(Exception):
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()
        if self._scratch is not None:
            remove_folder(self._scratch)


def _gone(error: BaseException) -> FilterscopeError:
    """Return what is said when the scheduler went away, whatever Dask makes of it."""
    return FilterscopeError(
        f"The scheduler does not answer any more: {_one_line(error)}.",
        "What came back is kept; “Go on”, or study resume, trains the rest.",
    )


def _one_line(error: BaseException) -> str:
    words = " ".join(str(error).split()).rstrip(".")
    return words[:200] or type(error).__name__
