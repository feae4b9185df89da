"""Runs of a study in processes of this computer."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import app
from app.core.errors import FilterscopeError
from app.core.studies.job import Job
from app.core.studies.pool import Report, share_threads

__all__ = ["LocalPool"]

ROOT = Path(app.__file__).parents[1]
# A process that is asked to end has so long to save its run.
SECONDS_TO_END = 5.0


class _Process:
    """One process, and the thread that hears it."""

    def __init__(self, reports: queue.SimpleQueue[Report]) -> None:
        environment = dict(os.environ)
        paths = [str(ROOT), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        for name in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS"):
            environment.setdefault(name, "1")
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.core.studies.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise FilterscopeError(
                f"No process could be started: {error.strerror}.", "Use fewer workers."
            ) from None
        self.job: Job | None = None
        self._reports = reports
        self._thread = threading.Thread(target=self._hear, name="study worker", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs can be sent to it."""
        return self.process.poll() is None and self._thread.is_alive()

    def send(self, message: dict[str, Any]) -> None:
        """Send a line; one that is gone does not hear it, and the thread says so."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def begin(self, job: Job) -> None:
        """Send a job."""
        self.job = job
        self.send({"job": job.model_dump()})
        if not self._thread.is_alive():
            # It died before it could hear.
            self._lose()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        worker = f"process {self.process.pid}"
        for line in self.process.stdout:
            try:
                message = json.loads(line)
                key = message.pop("key")
            except (ValueError, KeyError, AttributeError):
                # Cut off in the middle: the end follows.
                continue
            if "ended" in message:
                self.job = None
                self._reports.put(Report(key, "ended", message["ended"]))
            elif "began" in message:
                self._reports.put(Report(key, "began", {"worker": worker}))
            else:
                self._reports.put(Report(key, "moved", message))
        self.process.wait()
        self._lose()

    def _lose(self) -> None:
        job, self.job = self.job, None
        if job is not None:
            code = self.process.wait()
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            words = {"message": f"Process {self.process.pid} ended in the middle ({why})."}
            self._reports.put(Report(job.key, "lost", words))

    def hang_up(self) -> None:
        """Close its ear: it saves what it trains, and ends."""
        # Unsent words to a process that is gone are of no interest.
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()

    def end(self, deadline: float) -> None:
        """Wait until it has ended; what takes too long is killed."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._thread.join()
        self.hang_up()
        if self.process.stdout is not None:
            self.process.stdout.close()


class LocalPool:
    """So many processes, each of which trains one run after the other.

    Parameters
    ----------
    workers : int
        How many; they are started when there is something to do.
    threads : int, optional
        Threads of each; the cores, shared evenly, by default.
    window : bool
        Whether one core is left to the window.
    """

    def __init__(self, workers: int, *, threads: int | None = None, window: bool = False) -> None:
        self.workers = workers
        self.threads = threads or share_threads(workers, window=window)
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._processes: list[_Process] = []

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that are alive."""
        return [one.process.pid for one in self._processes if one.alive]

    def room(self) -> int:
        """Return how many more jobs can begin at once."""
        return self.workers - sum(one.job is not None for one in self._processes)

    def submit(self, job: Job) -> None:
        """Have a job trained by a process that is free; one is started if there is none."""
        for one in list(self._processes):
            if not one.alive and one.job is None:
                one.end(time.monotonic())
                self._processes.remove(one)
        free = next((one for one in self._processes if one.job is None), None)
        if free is None:
            free = _Process(self._reports)
            self._processes.append(free)
        free.begin(job)

    def wait(self, seconds: float) -> list[Report]:
        """Return what there is to say; wait at most so long for it."""
        found = []
        try:
            found.append(self._reports.get(timeout=seconds))
            while True:
                found.append(self._reports.get_nowait())
        except queue.Empty:
            return found

    def stop(self) -> None:
        """Have every run end after its mini-batch, saved."""
        for one in self._processes:
            one.send({"stop": True})

    def close(self) -> None:
        """End the processes; what they train is saved."""
        processes, self._processes = self._processes, []
        for one in processes:
            one.hang_up()
        deadline = time.monotonic() + SECONDS_TO_END
        for one in processes:
            one.end(deadline)
