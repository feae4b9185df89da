"""One piece of work that ends by itself: reading a file, preprocessing, looking for patches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from app.core.errors import Cancelled, FilterscopeError
from app.workers.thread import Worker

__all__ = ["Task", "TaskWorker"]

Result = TypeVar("Result")


class Task:
    """What a job may ask and say while it works; safe from any thread."""

    def __init__(self) -> None:
        self._cancel = threading.Event()
        self._lock = threading.Lock()
        self._progress = (0.0, "")

    def cancelled(self) -> bool:
        """Whether the job should give up."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the job to give up."""
        self._cancel.set()

    def report(self, share: float, text: str = "") -> None:
        """Say how far the job is (0 … 1)."""
        with self._lock:
            self._progress = (share, text)

    @property
    def progress(self) -> tuple[float, str]:
        """The newest report."""
        with self._lock:
            return self._progress


class TaskWorker(Worker, Generic[Result]):
    """Runs ``job(task)`` and keeps its result, or why there is none.

    Attributes
    ----------
    result : object or None
        What the job returned.
    error : tuple of str or None
        Message and hint of an expected failure.
    cancelled : bool
        Whether the job gave up because it was asked to.
    """

    def __init__(self, job: Callable[[Task], Result]) -> None:
        super().__init__()
        self.task = Task()
        self.result: Any = None
        self.error: tuple[str, str] | None = None
        self.cancelled = False
        self._job: Callable[[Task], Result] | None = job

    def work(self) -> None:
        """Run the job."""
        job, self._job = self._job, None
        assert job is not None, "a task runs once"
        try:
            self.result = job(self.task)
        except Cancelled:
            self.cancelled = True
        except FilterscopeError as error:
            self.error = (error.message, error.hint)
        except MemoryError:
            self.error = (
                "There is not enough memory for this.",
                "Close other programs or take fewer patches.",
            )

    def request_stop(self) -> None:
        """Ask the job to give up."""
        super().request_stop()
        self.task.cancel()
