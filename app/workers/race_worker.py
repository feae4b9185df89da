"""The thread in which a race is run: it forwards events and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.core.errors import FilterscopeError
from app.core.feed import Feed
from app.core.race.lockstep import RaceControl, Racer, race
from app.workers.thread import Worker

__all__ = ["RaceWorker"]


class RaceWorker(Worker):
    """Runs a race and passes the events of each racer to its feed.

    Parameters
    ----------
    line_up : callable
        Makes the run folders and returns the racers; called in the thread, since it may take a
        while.
    control : RaceControl
        Of as many racers; stopping the worker stops the race.
    feeds : mapping of str to Feed
        Where the window looks, by the run's id.

    Attributes
    ----------
    racers : tuple of Racer
        Once they are lined up.
    error : tuple of str or None
        Message and hint, when they could not be.
    """

    def __init__(
        self,
        line_up: Callable[[], list[Racer]],
        control: RaceControl,
        feeds: Mapping[str, Feed],
    ) -> None:
        super().__init__()
        self.control = control
        self.feeds = dict(feeds)
        self.racers: tuple[Racer, ...] = ()
        self.error: tuple[str, str] | None = None
        self._line_up: Callable[[], list[Racer]] | None = line_up

    def work(self) -> None:
        """Run the race to its end."""
        line_up, self._line_up = self._line_up, None
        assert line_up is not None, "a race is run once"
        try:
            self.racers = tuple(line_up())
            for event in race(self.racers, self.control):
                self.feeds[event.run_id].put(event)
        except FilterscopeError as error:
            self.error = (error.message, error.hint)
        except MemoryError:
            message = "There is not enough memory for these networks at once."
            self.error = (message, "Race fewer, or smaller ones.")

    def request_stop(self) -> None:
        """End each where it is: the window closes."""
        super().request_stop()
        self.control.stop(in_haste=True)
