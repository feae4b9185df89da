"""What the window says of the cost of a training: its newest value, and a warning if it rises."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.core.events import Finished
from app.core.one_training import Training
from app.core.params import format_number

__all__ = ["CostWatch", "newest_cost"]

# Noise of single batches, and a value that was moved on purpose, stay far below this.
FAR = 100.0
NEWEST_STEPS = 20
# Values that move the weights but are no part of the cost.
NOT_IN_THE_COST = ("learning_rate", "momentum")


def newest_cost(
    training: Training, until: int | None = None
) -> tuple[NDArray[np.float64] | None, str]:
    """Return the terms (T,) that every figure of the window shows, and what they are.

    While it trains that is the mean over the steps of the last epoch, for single batches
    differ; at the end it is the cost over the whole set, which the record has too. `until` asks
    for the figures as they were when so many steps were done.
    """
    ending = training.ending
    at_end = isinstance(ending, Finished) and until in (None, ending.step)
    if at_end and isinstance(ending, Finished) and ending.terms is not None:
        return ending.terms, "Over the whole training set, at the last weights"
    newest = training.history.newest(training.steps_per_epoch, until)
    return newest, "Mean over the mini-batches of the last epoch"


class CostWatch:
    """Tells once when a cost rises far above its best: while it is finite, nothing else does."""

    def __init__(self) -> None:
        self._training: Training | None = None
        self._begin_anew()

    def _begin_anew(self, seen: int = 0, changes: int = 0) -> None:
        self._seen, self._changes = seen, changes
        self._best, self._best_step = np.inf, 0
        self._told = False

    def look(self, training: Training) -> tuple[str, str] | None:
        """Return a message and a hint, once, when the cost is far above what it was."""
        history = training.history
        if training is not self._training:
            self._training = training
            self._begin_anew()
        moved = history.changes[self._changes :]
        if any(change.name not in NOT_IN_THE_COST for _, change in moved):
            # It is another cost now.
            self._begin_anew(moved[-1][0], len(history.changes))
        costs = history.terms[self._seen :].sum(axis=1)
        if not len(costs):
            return None
        finite = np.where(np.isfinite(costs) & (costs > 0), costs, np.inf)
        least = int(finite.argmin())
        if finite[least] < self._best:
            self._best = float(finite[least])
            self._best_step = int(history.steps[self._seen + least])
        self._seen = len(history)
        now = float(history.terms[-NEWEST_STEPS:].sum(axis=1).mean())
        if self._told or not np.isfinite(now) or now < FAR * self._best:
            return None
        self._told = True
        times = format_number(float(f"{now / self._best:.0e}"))
        return (
            f"The cost has risen {times}-fold since step {self._best_step}.",
            "Lower η, then Reset.",
        )
