"""Weights from a file into the network of a lab: read, put in as it is built, and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject

from app.core.data.weights_file import WeightsFile, read_weights_file
from app.core.events import Snapshot, frozen_copy
from app.core.first_learner import first_learner
from app.core.history import History
from app.core.learners import Learner
from app.core.learners.own_model import let_go
from app.core.one_training import Training
from app.ui.labs.lab import Lab
from app.workers.task_worker import Task, TaskWorker

__all__ = ["WeightsSession"]

Loaded = tuple[WeightsFile, Learner, Snapshot]


class WeightsSession(QObject):
    """Reads one file of weights at a time.

    Parameters
    ----------
    lab : Lab
        Its data and settings say what the network is.
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.lab = lab
        self._worker: TaskWorker[Loaded] | None = None
        # What the network is made of: it must be the same when the file has been read.
        self._made_of: tuple[Any, Any, Any] = (None, None, None)

    @property
    def busy(self) -> bool:
        """Whether a file is being read."""
        return self._worker is not None

    def load(self, path: Path) -> None:
        """Let the lab's network begin with the weights of a file."""
        lab = self.lab
        if lab.training.state.alive:
            lab.told.emit("problem", "A network is training in this lab.", "Stop it first.", "")
            return
        if self._worker is not None:
            return
        data, spec = lab.data, lab.spec
        problem = lab.why_nothing() if data is None else lab.cannot_train(data)
        if data is None or problem is not None:
            said = problem or ("There is no data yet to build a network for.", "Open some first.")
            lab.told.emit("problem", *said, "")
            return
        recipe, threads, model = lab.training.recipe, lab.training.threads, lab.model

        def job(task: Task) -> Loaded:
            file = read_weights_file(path, cancel=task.cancelled)
            learner = first_learner(
                recipe.make_learner, data, spec, threads, model=model, weights=file
            )
            try:
                weights, statistics = learner.snapshot()
                snapshot = Snapshot(
                    "",
                    0,
                    0.0,
                    {name: frozen_copy(array) for name, array in weights.items()},
                    {name: frozen_copy(array) for name, array in statistics.items()},
                )
            finally:
                let_go(learner)
            return file, learner, snapshot

        self._made_of = data, spec, model
        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_ended)
        lab.runner.start(self._worker)

    def cancel(self) -> None:
        """Give up what is under way."""
        if self._worker is not None:
            self._worker.request_stop()

    def _on_ended(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if worker.error is not None:
            self.lab.told.emit("problem", *worker.error, "")
        elif worker.bug:
            said = "Reading the weights ended with a fault in the program."
            self.lab.told.emit("problem", said, "", worker.bug)
        elif worker.result is not None and not self.lab.training.state.alive:
            self._show(*worker.result)

    def _show(self, file: WeightsFile, learner: Learner, snapshot: Snapshot) -> None:
        lab = self.lab
        data, spec, model = self._made_of
        if data is not lab.data or spec != lab.spec or model != lab.model:
            lab.told.emit(
                "problem",
                f"Data or settings changed while {file.name} was read: nothing was put in.",
                "Load it again.",
                "",
            )
            return
        training = Training(
            lab.training.recipe, data, spec, History(lab.training.recipe.term_names)
        )
        training.learner, training.snapshot = learner, snapshot
        training.weights, training.model = file, model
        lab.began.emit()
        lab.training.adopt(training)
        lab.show_training(training)
        lab.on_state()
        lab.told.emit(
            "good",
            f"The network has the weights of {file.name}.",
            "Continue trains on from them; Reset goes back to random ones.",
            "",
        )
