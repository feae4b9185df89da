"""The thread in which a training runs: it forwards events and decides nothing."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from typing import Protocol

from app.core.control import Control
from app.core.errors import FilterscopeError
from app.core.events import Event, Failed
from app.core.feed import Feed
from app.workers.thread import Worker

__all__ = ["EventSink", "TrainingWorker"]

log = logging.getLogger(__name__)


class EventSink(Protocol):
    """Something that keeps events, such as the recorder of a run."""

    def take(self, event: Event) -> Event | None:
        """Keep `event`; returns what the window should be told."""

    def close(self) -> None:
        """Nothing more will come."""


class TrainingWorker(Worker):
    """Runs a training and passes its events to the feed and to the recorder.

    Parameters
    ----------
    begin : callable
        Builds the learner and returns the events; called in the thread, since it may take
        a while.
    control : Control
        The hand on this training; stopping the worker stops the training.
    feed : Feed
        Where the window looks.
    recorder : EventSink, optional
        Where the run is kept. If it fails, training goes on and `recording_error` says why
        the run is no longer kept.
    step : int
        Where the training begins. A beginning that fails ends there, in the record too: it would
        count as running else.
    """

    def __init__(
        self,
        begin: Callable[[], Iterable[Event]],
        control: Control,
        feed: Feed,
        recorder: EventSink | None = None,
        step: int = 0,
    ) -> None:
        super().__init__()
        self.control = control
        self.feed = feed
        self.recording_error: tuple[str, str] | None = None
        self._begin: Callable[[], Iterable[Event]] | None = begin
        self._recorder = recorder
        self._step = step

    def work(self) -> None:
        """Run the training to its end."""
        begin, self._begin = self._begin, None
        assert begin is not None, "a training runs once"
        try:
            for event in begin():
                self.feed.put(event)
                self._record(event)
        except FilterscopeError as error:
            self._fail("expected", error.message, error.hint)
        except MemoryError:
            hint = "Try a smaller batch, fewer hidden units or fewer patches."
            self._fail("expected", "There is not enough memory to begin.", hint)
        except Exception as error:
            log.exception("A training ended with a bug")
            text = f"{type(error).__name__}: {error}"
            self._fail("bug", text, "", traceback.format_exc())
        finally:
            self._close_recorder()

    def _fail(self, kind: str, message: str, hint: str, report: str = "") -> None:
        """Tell that the training could not begin."""
        failed = Failed(self.feed.run_id, self._step, kind, message, hint, report)
        self.feed.put(failed)
        self._record(failed)

    def _record(self, event: Event) -> None:
        if self._recorder is None:
            return
        try:
            note = self._recorder.take(event)
            if note is not None:
                self.feed.put(note)
        except FilterscopeError as error:
            self.recording_error = (error.message, error.hint)
            self._close_recorder()

    def _close_recorder(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            recorder.close()
        except FilterscopeError as error:
            self.recording_error = self.recording_error or (error.message, error.hint)

    def request_stop(self) -> None:
        """End after the mini-batch that is being computed: the window closes."""
        super().request_stop()
        self.control.stop(in_haste=True)
