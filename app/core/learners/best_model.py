"""When a network that names images is judged, and the best of its models so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages
from app.core.errors import Cancelled
from app.core.learners.protocol import Evaluation
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.waiting import Cancel, Progress

__all__ = ["BestModel", "KeepsBest", "best_arrays", "best_of", "counted", "train_sample"]

# Training images that are looked at beside the validation images, always the same.
TRAIN_SAMPLE = 1000

Array = NDArray[Any]


@dataclass(frozen=True)
class BestModel:
    """The weights with the highest validation accuracy so far, and the running averages."""

    step: int
    accuracy: float
    loss: float
    theta: Array = field(repr=False)
    running: Array = field(repr=False)


def counted(
    total: int, each: int, cancel: Cancel | None, progress: Progress | None
) -> Callable[[], None]:
    """Return what is called for every `each` of `total` images that a network was asked about.

    What is returned raises `Cancelled` when `cancel` says so, and tells `progress` how far it is.
    """
    asked = 0

    def check() -> None:
        nonlocal asked
        if cancel is not None and cancel():
            raise Cancelled("The evaluation was given up.")
        asked += each
        if progress is not None:
            progress(min(1.0, asked / max(total, 1)), "Asking the network")

    return check


class KeepsBest(ABC):
    """The part of a learner that knows when it is judged and which model was best.

    Attributes
    ----------
    best : BestModel or None
        None until the first evaluation with validation images.
    last_evaluation : Evaluation or None
    """

    data: FittedImages
    taken: int
    best: BestModel | None
    last_evaluation: Evaluation | None
    _evaluated_at: int
    # The training images that are looked at.
    _sample: NDArray[np.int64]

    @abstractmethod
    def steps_per_epoch(self, spec: TrainingSpec) -> int:
        """Return how many steps visit every image once."""

    def evaluation_due(self, spec: ConvNetSpec) -> bool:
        """Return whether an epoch, or `evaluate_every` steps, are done and were not looked at."""
        if self.taken == self._evaluated_at:
            return False
        per_epoch = self.steps_per_epoch(spec)
        return self.taken % (spec.evaluate_every or per_epoch) == 0 or self.taken % per_epoch == 0

    def _judged(
        self,
        train: Predictions,
        found: Predictions,
        weights: Callable[[], tuple[Array, Array]],
        behaviour: Mapping[str, Array] | None = None,
        layers: tuple[str, ...] = (),
    ) -> Evaluation:
        """Note what was found of the sample and of the validation images, of which may be none.

        `weights` returns theta and the running averages; they are copied if they are the best.
        """
        self._evaluated_at = self.taken
        seen = (behaviour or {}, layers)
        if not len(found.rows):
            self.last_evaluation = Evaluation(train.accuracy, None, None, False, *seen)
            return self.last_evaluation
        best = self.best is None or found.accuracy > self.best.accuracy
        if best:
            theta, running = (vector.copy() for vector in weights())
            self.best = BestModel(self.taken, found.accuracy, found.loss, theta, running)
        self.last_evaluation = Evaluation(train.accuracy, found.accuracy, found.loss, best, *seen)
        return self.last_evaluation


def train_sample(data: FittedImages, seed: int) -> NDArray[np.int64]:
    """Return the training images that are looked at beside the validation images, in order."""
    rng = np.random.default_rng([seed, 9])
    count = min(TRAIN_SAMPLE, len(data.split.train))
    return np.sort(rng.choice(data.split.train, count, replace=False))


def best_arrays(best: BestModel | None) -> dict[str, Array]:
    """Return copies of what a checkpoint keeps of the best model; all empty where there is none."""
    none = np.empty(0)
    if best is None:
        return {"best_theta": none, "best_running": none, "best": none}
    return {
        "best_theta": best.theta.copy(),
        "best_running": best.running.copy(),
        "best": np.array([best.step, best.accuracy, best.loss]),
    }


def best_of(state: Mapping[str, Array]) -> BestModel | None:
    """Return the best model of what `best_arrays` gave."""
    if not len(state["best"]):
        return None
    step, accuracy, loss = (float(number) for number in state["best"])
    theta, running = state["best_theta"].copy(), state["best_running"].copy()
    return BestModel(int(step), accuracy, loss, theta, running)
