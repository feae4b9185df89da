"""The range test of a lab: a small button at its learning rate, and a band on the slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PyQt6.QtCore import QObject, QTimer
from PyQt6.QtWidgets import QToolButton

from app.core.range_test import RangeBand, RangeTest
from app.ui.labs.lab import Lab
from app.ui.param_form import ParamForm
from app.ui.training_session import State
from app.workers.task_worker import Task, TaskWorker

__all__ = ["RangeSession"]

RATE = "learning_rate"
TEXT = "range test"
TIP = "Try rates from small to large on a copy of the network, and mark those that help"
BUSY = "While it trains, both would be slow: pause or stop first"
OWN = "A network of your own is not tried: it runs in a process of its own"
NOTHING = "no rate made the loss fall clearly"
POLL_MILLISECONDS = 100


@dataclass(frozen=True)
class _Found:
    band: RangeBand | None


class RangeSession(QObject):
    """Runs range tests in the background, one at a time, and shows what they suggest.

    Parameters
    ----------
    lab : Lab
        Whose network is copied: the one that Train would go on with, else a new one.
    form : ParamForm
        Where the lab's learning rate is.
    """

    def __init__(self, lab: Lab, form: ParamForm) -> None:
        super().__init__(lab)
        self.lab, self.form = lab, form
        self.band: RangeBand | None = None
        self._worker: TaskWorker[_Found] | None = None
        # What the band was found for: with another network or other images it says nothing.
        self._found_for: tuple[Any, Any] | None = None
        self.button = QToolButton()
        self.button.setObjectName(f"{lab.title.lower()}RangeTest")
        self.button.setProperty("flat", True)
        self.button.setAccessibleName("Range test of the learning rate")
        self.button.clicked.connect(self._on_clicked)
        form.add_tool(RATE, self.button)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.timeout.connect(self._show_progress)
        lab.changed.connect(self.refresh)
        form.changed.connect(self.refresh)
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether a test is under way."""
        return self._worker is not None

    def refresh(self, *_: object) -> None:
        """Offer the test where there can be one; forget what is of another network."""
        training = self.lab.training.state in (State.STARTING, State.RUNNING, State.STOPPING)
        if self._worker is not None:
            if training or not self._still():
                self._worker.request_stop()
            return
        if self.band is not None and not self._still():
            self._show(None)
        self.button.setText(TEXT if self.band is None else "again")
        own = self.lab.model is not None
        self.button.setEnabled(not training and not own and self.lab.data is not None)
        self.button.setToolTip(BUSY if training else OWN if own else TIP)

    def _what(self) -> tuple[Any, Any]:
        """Return images and settings, without the rate that is chosen."""
        return self.lab.data, self.lab.spec.model_copy(update={RATE: 1.0})

    def _still(self) -> bool:
        """Return whether the network and its images are those that were tested."""
        if self._found_for is None:
            return False
        data, spec = self._what()
        return data is self._found_for[0] and bool(spec == self._found_for[1])

    def _on_clicked(self) -> None:
        if self._worker is not None:
            self._worker.request_stop()
        else:
            self.start()

    def start(self) -> None:
        """Test on a copy of the network."""
        data, lab = self.lab.data, self.lab
        problem = lab.why_nothing() if data is None else lab.cannot_train(data)
        if data is None or problem is not None:
            if problem is not None:
                lab.told.emit("problem", *problem, "")
            return
        session, spec, recipe = lab.training, lab.spec, lab.training.recipe
        training = session.training
        kept = training is not None and (session.state is State.PAUSED or lab.goes_on)
        learner = training.learner if training is not None and kept else None
        if training is not None and kept:
            data, spec = training.data, training.spec

        def job(task: Task) -> _Found:
            test = RangeTest(
                lambda spec: recipe.make_learner(data, spec, session.threads),
                spec,
                recipe.order(data, spec),
                # Nobody trains meanwhile: a training that goes on ends the test.
                state=None if learner is None else learner.state(),
                cancel=task.cancelled,
            )
            return _Found(test.run(task.report))

        self._found_for = self._what()
        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_ended)
        self._timer.start()
        self._show_progress()
        self.button.setToolTip("Give the range test up")
        lab.runner.start(self._worker)

    def cancel(self) -> None:
        """Give up what is under way."""
        if self._worker is not None:
            self._worker.request_stop()

    def _show_progress(self) -> None:
        if self._worker is not None:
            share, _ = self._worker.task.progress
            self.button.setText(f"stop {share:.0%}")

    def _on_ended(self) -> None:
        worker, self._worker = self._worker, None
        self._timer.stop()
        if worker is None:
            return
        if worker.result is not None and self._still():
            self._show(worker.result.band)
            if worker.result.band is None:
                self.form.show_band(RATE, None, NOTHING)
        elif worker.error is not None:
            self.lab.told.emit("problem", *worker.error, "")
        elif worker.bug:
            said = "The range test ended with a fault in the program."
            self.lab.told.emit("problem", said, "", worker.bug)
        self.refresh()

    def _show(self, band: RangeBand | None) -> None:
        self.band = band
        ends = None if band is None else (band.low, band.high)
        self.form.show_band(RATE, ends, "" if band is None else band.sentence)
