"""From the thread that trains to the thread that draws, without ever flooding it.

Every scalar is kept until it is collected; of pictures only the newest is.
"""

from __future__ import annotations

import threading
from collections import deque

from app.core.events import Checkpoint, Event, Snapshot

__all__ = ["Feed"]


class Feed:
    """A mailbox for the events of one run; events of any other run are dropped."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._events: deque[Event] = deque()
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """Take an event in (called from the training thread)."""
        if event.run_id != self.run_id or isinstance(event, Checkpoint):
            return
        with self._lock:
            if isinstance(event, Snapshot):
                self._snapshot = event
            else:
                self._events.append(event)

    def collect(self) -> tuple[list[Event], Snapshot | None]:
        """Return all events since the last call, in order, and the newest snapshot if it is new."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            snapshot, self._snapshot = self._snapshot, None
        return events, snapshot
