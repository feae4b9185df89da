"""Threads that take a share of each call of a compiled kernel."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Helpers"]

Task = tuple[Callable[[int], None], int]


class Helpers:
    """Some threads that wait for tasks until this object is let go.

    All of them run before the first task is given: the parts of a kernel wait for each other,
    so a thread that failed to start in the middle of a call would stop the others for ever.

    Parameters
    ----------
    wanted : int
        How many threads; there may be fewer when the system refuses.

    Attributes
    ----------
    inboxes : list of SimpleQueue
        One for each thread; takes ``(function, part)``.
    outbox : SimpleQueue
        Receives something for each task that is done.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.inboxes: list[SimpleQueue[Task | None]] = []
        self.outbox: SimpleQueue[None] = SimpleQueue()
        # Before the first start, so that what was started ends even if a later start fails.
        weakref.finalize(self, _dismiss, self.inboxes)
        for number in range(1, wanted + 1):
            inbox: SimpleQueue[Task | None] = SimpleQueue()
            thread = threading.Thread(
                target=_serve, args=(inbox, self.outbox), name=f"kernel-{number}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                break
            self.inboxes.append(inbox)


def _serve(inbox: SimpleQueue[Task | None], outbox: SimpleQueue[None]) -> None:
    """Do one task after the other."""
    while (task := inbox.get()) is not None:
        function, part = task
        # Nothing here may keep a workspace alive while the thread waits for the next task.
        del task
        try:
            function(part)
        finally:
            del function
            outbox.put(None)


def _dismiss(inboxes: list[SimpleQueue[Task | None]]) -> None:
    for inbox in inboxes:
        inbox.put(None)
