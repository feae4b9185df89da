"""Checks that are being made, and what came of those that were."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PyQt6.QtCore import QObject, pyqtSignal

from app.core.checks import Outcome
from app.core.checks.topics import Summary, summary
from app.core.data.cifar import CIFAR10
from app.ui.panels.workbench.remote_job import RemoteJob
from app.ui.widgets.check_list import (
    FAILS,
    HOLDS,
    NOT_HERE,
    NOT_RUN,
    RUNNING,
    WAITING,
    Standing,
)
from app.workers.thread import Runner

__all__ = ["CheckSession", "advice_on", "standing_of"]

# What to do where a check needs something that is not here.
ADVICE = {
    CIFAR10: "Open it in Data, then press “Check all”.",
    "PyTorch": 'Install it: pip install "filterscope[torch]".',
}


def standing_of(outcome: Outcome | None) -> Standing:
    """Return the mark of an outcome."""
    if outcome is None:
        return NOT_RUN
    return {True: HOLDS, False: FAILS, None: NOT_HERE}[outcome.passed]


def advice_on(needs: str) -> str:
    """Say what to do about something that a check needs; empty where nothing is known."""
    return ADVICE.get(needs, "")


class CheckSession(QObject):
    """Makes checks in a process of their own, a list at a time.

    Signals
    -------
    check_changed(str)
        The check of that name has begun, ended, or waits no longer.
    running_changed()
        It began or ended to work.
    progressed(float, str)
        How far the list is, and what is being done.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    check_changed = pyqtSignal(str)
    running_changed = pyqtSignal()
    progressed = pyqtSignal(float, str)
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.outcomes: dict[str, Outcome] = {}
        self.ended_at: float | None = None
        self.data: str | None = None
        self._waiting: list[str] = []
        self._next: list[str] = []
        self._active: str | None = None
        self._job = RemoteJob(runner, self)
        self._job.said.connect(self._on_said)
        self._job.progressed.connect(self.progressed)
        self._job.ended.connect(self._on_ended)
        self._job.problem.connect(self.problem)

    @property
    def running(self) -> bool:
        """Whether checks are being made."""
        return self._job.running

    def standing(self, name: str) -> Standing:
        """Return what is known of a check."""
        if name == self._active:
            return RUNNING
        if name in self._waiting or name in self._next:
            return WAITING
        return standing_of(self.outcomes.get(name))

    def summary(self, names: Sequence[str]) -> Summary:
        """Count what is known of these checks."""
        known = [self.outcomes[name] for name in names if name in self.outcomes]
        return summary(known, len(names) - len(known))

    def run(self, names: Sequence[str]) -> None:
        """Make these checks; after those that are being made, if some are."""
        coming = (*self._waiting, *self._next, self._active)
        fresh = [name for name in names if name not in coming]
        if not fresh:
            return
        if self.running:
            self._next += fresh
        else:
            self._start(fresh)
        for name in fresh:
            self.check_changed.emit(name)

    def _start(self, names: list[str]) -> None:
        self._waiting = list(names)
        self._job.start("checks", names=names, data=self.data)
        self.running_changed.emit()

    def cancel(self) -> None:
        """Give up; what was found stays."""
        waiting, self._next = self._next, []
        for name in waiting:
            self.check_changed.emit(name)
        self._job.cancel()

    def _on_said(self, message: dict[str, object]) -> None:
        if "begun" in message:
            name = self._active = str(message["begun"])
            if name in self._waiting:
                self._waiting.remove(name)
            self.check_changed.emit(name)
        elif isinstance(outcome := message.get("outcome"), Outcome):
            self.outcomes[outcome.check.name] = outcome
            self._active = None
            self.check_changed.emit(outcome.check.name)

    def _on_ended(self, cancelled: bool) -> None:
        left = [*self._waiting, *([self._active] if self._active else [])]
        self._waiting, self._active = [], None
        self.ended_at = time.monotonic()
        for name in left:
            self.check_changed.emit(name)
        following, self._next = self._next, []
        # Given up is given up, also when it is the window that closes.
        if following and not cancelled:
            self._start(following)
        else:
            self.running_changed.emit()
