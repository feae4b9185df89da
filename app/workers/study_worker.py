"""The thread that conducts studies: it forwards events and decides nothing."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from app.core.errors import FilterscopeError
from app.core.studies.conduct import StudyControl, StudyEvent, conduct
from app.core.studies.folder import StudyFolder
from app.core.studies.pool import Pool
from app.workers.thread import Worker

__all__ = ["StudyWorker"]


class StudyWorker(Worker):
    """Has the runs of studies trained; the window takes the events when it draws.

    Parameters
    ----------
    studies : sequence of StudyFolder
    open_pool : callable
        Returns who trains them; called in the thread, since a cluster takes a while to start.

    Attributes
    ----------
    opened : bool
        Whether those who train are there.
    error : tuple of str or None
        Message and hint of an expected failure.
    """

    def __init__(self, studies: Sequence[StudyFolder], open_pool: Callable[[], Pool]) -> None:
        super().__init__()
        self.control = StudyControl()
        self.studies = list(studies)
        self.opened = False
        self.error: tuple[str, str] | None = None
        self._open_pool: Callable[[], Pool] | None = open_pool
        self._events: deque[StudyEvent] = deque()
        self._lock = threading.Lock()

    def work(self) -> None:
        """Conduct the studies to their end."""
        open_pool, self._open_pool = self._open_pool, None
        assert open_pool is not None, "a worker conducts once"
        try:
            with open_pool() as pool:
                self.opened = True
                for event in conduct(self.studies, pool, self.control):
                    with self._lock:
                        self._events.append(event)
        except FilterscopeError as error:
            self.error = (error.message, error.hint)

    def take(self) -> list[StudyEvent]:
        """Return what happened since the last call."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
        return events

    def request_stop(self) -> None:
        """End every run after its mini-batch; all is kept."""
        super().request_stop()
        self.control.stop()
