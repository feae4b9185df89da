"""Looks into a network while it trains: one job at a time, always at the newest weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from app.core.data.image_preprocess import FittedImages
from app.core.errors import Cancelled
from app.core.nn.reading import LayerReading, Look, NetworkReader, View
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["Reading", "ReadingSession", "Wish"]

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Wish:
    """What the window would like to know.

    Attributes
    ----------
    look : (ndarray, tuple of int, View) or None
        An image (C, H, W), the place of a row, and how to see what the row makes of it.
    answers, behaviour : bool
        Answers for validation images; how all rows behave.
    """

    look: tuple[NDArray[Any], tuple[int, ...], View] | None = None
    answers: bool = False
    behaviour: bool = False

    def also(self, other: Wish) -> Wish:
        """Return both wishes as one; of two looks the newer, `other`'s, counts."""
        return Wish(
            other.look or self.look,
            self.answers or other.answers,
            self.behaviour or other.behaviour,
        )

    def __bool__(self) -> bool:
        return self != Wish()


@dataclass(frozen=True)
class Reading:
    """What was read at the weights after `step`; None where it was not asked for."""

    look: Look | None = None
    answers: Predictions | None = None
    behaviour: tuple[LayerReading, ...] | None = None
    seconds: float = 0.0
    step: int = 0


class ReadingSession(QObject):
    """Reads a network in the background.

    Signals
    -------
    read(object)
        A `Reading`, of the network that is in sight.
    """

    read = pyqtSignal(object)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._worker: TaskWorker[Reading] | None = None
        self._reader: NetworkReader | None = None
        self._made_for: tuple[FittedImages, str] | None = None
        self._next: tuple[Weights, Wish, int] | None = None
        self._doing = Wish()
        self._fitted: FittedImages | None = None
        self._spec = ConvNetSpec()
        # Bumped when another network is to be seen: what is read of the last one is dropped.
        self._generation = 0
        self._read_generation = 0

    @property
    def busy(self) -> bool:
        """Whether something is being read."""
        return self._worker is not None

    def set_network(self, fitted: FittedImages | None, spec: ConvNetSpec) -> None:
        """Read this network from now on; None for none."""
        self._fitted, self._spec = fitted, spec
        self._generation += 1
        self._next = None
        if self._worker is not None:
            self._worker.request_stop()

    def want(self, weights: Weights, wish: Wish, step: int = 0, *, hurry: bool = False) -> None:
        """Read at `weights`, those after `step`, as soon as what is under way is done.

        In a `hurry`, what takes long of a moment that is left already is given up.
        """
        if self._fitted is None or not wish:
            return
        wish = wish if self._next is None or hurry else self._next[1].also(wish)
        self._next = weights, wish, step
        if self._worker is None:
            self._start()
        elif hurry and (self._doing.answers or self._doing.behaviour):
            self._worker.request_stop()

    def cancel(self) -> None:
        """Give up what is under way, and read nothing more: the window closes."""
        self._next = self._fitted = None
        if self._worker is not None:
            self._worker.request_stop()

    def _start(self) -> None:
        if self._next is None or self._fitted is None:
            return
        (weights, wish, step), self._next = self._next, None
        fitted, spec = self._fitted, self._spec
        self._doing = wish
        self._read_generation = self._generation
        known = self._made_for is not None and self._made_for[0] is fitted
        reader = self._reader if known and self._made_for == (fitted, spec.layers) else None

        def job(task: Task) -> Reading:
            found = reader or NetworkReader(fitted, spec)
            self._reader, self._made_for = found, (fitted, spec.layers)
            return replace(_read(found, weights, wish, task), step=step)

        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_ended)
        self._runner.start(self._worker)

    def _on_ended(self) -> None:
        worker, self._worker = self._worker, None
        current = self._read_generation == self._generation
        if worker is not None and worker.result is not None and current:
            self.read.emit(worker.result)
        self._start()


def _read(reader: NetworkReader, weights: Weights, wish: Wish, task: Task) -> Reading:
    began = time.perf_counter()

    def check() -> None:
        if task.cancelled():
            raise Cancelled("Reading was given up.")

    # Of an older moment a large network may be known in part: enough for the maps of a row.
    reader.load(weights, partly=not (wish.answers or wish.behaviour))
    found = Reading()
    if wish.look is not None:
        found = replace(found, look=reader.look(*wish.look, check=check))
    if wish.behaviour:
        found = replace(found, behaviour=reader.behaviour(check=check))
    if wish.answers:
        found = replace(found, answers=reader.answers(check=check))
    return replace(found, seconds=time.perf_counter() - began)
