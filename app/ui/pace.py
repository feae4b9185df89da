"""How often the window looks at a training: seldom enough to leave it its time."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["TICK_MILLISECONDS", "Pace"]

# The screen is drawn at most this often; whatever comes in between is gathered.
TICK_MILLISECONDS = 33
# PyTorch's steps need the interpreter as drawing does, so what the window takes, they wait for.
# It may take this share of the time, but still moves some times a second.
SHARE = 0.04
SLOWEST_MILLISECONDS = 200
# How much the last tick counts in what one is thought to take.
NEWEST = 0.2


class Pace:
    """The time from one tick to the next.

    Parameters
    ----------
    clock : callable
        Processor time of the window's thread, in seconds: what others do meanwhile, or how busy
        the machine is, does not count.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._before = clock()
        self._seconds = 0.0

    def begin(self) -> None:
        """Forget what was measured: another training begins."""
        self._before, self._seconds = self._clock(), 0.0

    def milliseconds(self, *, gives_way: bool) -> int:
        """Return when to tick again; to be asked once a tick.

        Parameters
        ----------
        gives_way : bool
            Whether the training waits while the window is at work.
        """
        now = self._clock()
        # All that was done since the last tick, drawing included, came of it.
        self._seconds += NEWEST * (now - self._before - self._seconds)
        self._before = now
        if not gives_way:
            return TICK_MILLISECONDS
        wanted = round(1000 * self._seconds / SHARE)
        return min(max(wanted, TICK_MILLISECONDS), SLOWEST_MILLISECONDS)
