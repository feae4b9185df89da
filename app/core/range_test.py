"""The learning-rate range test: which rates help, before an epoch is spent on one.

    test = RangeTest(make, spec, order)
    for point in test.points():          # a rate and the smoothed loss there
        …
    band = suggest_band(test.seen)

A few steps are taken with a rate that grows from step to step (Smith 2015, 2017). It happens on a
copy, a learner of its own that took up the state of the first: weights, averages, the solver's
memory and all random draws of the original stay bit for bit what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.batches import EpochOrder
from app.core.errors import Cancelled, UsageError
from app.core.learners import Learner
from app.core.params import format_number
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.waiting import Cancel

__all__ = ["RangeBand", "RangePoint", "RangeTest", "suggest_band"]

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 140
# How much of the last value the smoothed loss keeps.
KEPT = 0.9
# The test ends where the smoothed loss is so many times what it was at its lowest.
TOO_MUCH = 4.0
# The first steps tell how much the loss varies from batch to batch; their rates move nothing.
QUIET = 20
# The band ends at this share of the rate at the lowest loss: there the loss is about to rise.
BEFORE_LOWEST = 1 / 3
# … or, where the loss keeps falling because the copy has learned all there is, at this share of
# the fall.
DONE = 0.9
# The band begins where this share of the fall was done; its ends are so many times apart.
BEGUN = 0.1
NARROWEST, WIDEST = 3.0, 10.0


@dataclass(frozen=True)
class RangePoint:
    """One step of the test: its rate, the loss that its batch saw, and the smoothed loss."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class RangeBand:
    """Learning rates between which training is quick and does not diverge."""

    low: float
    high: float

    @property
    def sentence(self) -> str:
        """One line for people."""
        return f"range test suggests {_short(self.low)} … {_short(self.high)}"


def _short(rate: float) -> str:
    digit, _, power = f"{rate:.0e}".partition("e")
    return f"{digit}e{int(power)}" if rate < 0.01 else format_number(float(f"{rate:.1g}"))


class RangeTest:
    """Steps of a copy of a network with a rate that grows.

    Parameters
    ----------
    make : callable
        Returns a new learner for a spec: the copy.
    spec : TrainingSpec
        Settings of the network; its own rate and schedule do not count.
    order : EpochOrder
        Which rows are visited when.
    state : mapping, optional
        What `Learner.state` of the original returned. Without it the first weights are tested.
    lowest, highest : float
        Rates of the first and the last step; those between are as many times apart.
    steps : int
        How many steps lead from one to the other.
    cancel : callable, optional
        Says whether the person gave up; asked between steps.

    Attributes
    ----------
    seen : list of RangePoint
        What the steps that were taken gave.

    Raises
    ------
    UsageError
        The solver has no learning rate, or the rates are none.
    """

    def __init__(
        self,
        make: Callable[[Any], Learner],
        spec: TrainingSpec,
        order: EpochOrder,
        *,
        state: Mapping[str, NDArray[Any]] | None = None,
        lowest: float = LOWEST,
        highest: float = HIGHEST,
        steps: int = STEPS,
        cancel: Cancel | None = None,
    ) -> None:
        if spec.solver == "lbfgs":
            raise UsageError("L-BFGS chooses how far it goes by itself: there is no rate to test.")
        if not 0 < lowest < highest or steps < 2:
            raise UsageError("A range test needs two rates above 0, the first the smaller.")
        self.rates = np.geomspace(lowest, highest, steps)
        # A schedule would change the rate once more.
        plain: dict[str, Any] = {"schedule": "constant"} if isinstance(spec, ConvNetSpec) else {}
        self.spec: Any = spec.changed(**plain)
        self.seen: list[RangePoint] = []
        self._make, self._order, self._state, self._cancel = make, order, state, cancel

    def points(self) -> Iterator[RangePoint]:
        """Take the steps; yields what each gave, until the loss is far above its lowest.

        Raises
        ------
        Cancelled
            `cancel` returned true.
        """
        learner = self._make(self.spec)
        if self._state is not None:
            learner.restore(self._state)
        batches = self._batches(learner.steps_per_epoch(self.spec))
        spec, interrupt = self.spec, np.zeros(1, np.int32)
        mean = 0.0
        lowest = np.inf
        for number, (rate, rows) in enumerate(zip(self.rates, batches, strict=False), 1):
            if self._cancel is not None and self._cancel():
                raise Cancelled("The range test was given up.")
            before, spec = spec, spec.changed(learning_rate=float(rate))
            learner.params_changed(before, spec)
            outcome = learner.steps(rows, spec, interrupt, 1)
            if not outcome.finite or not len(outcome.terms):
                return
            loss = float(outcome.terms[0].sum())
            mean = KEPT * mean + (1 - KEPT) * loss
            # The mean began at 0: without this it would grow into the losses at first.
            smoothed = mean / (1 - KEPT**number)
            lowest = min(lowest, smoothed)
            point = RangePoint(float(rate), loss, smoothed)
            self.seen.append(point)
            yield point
            if number > QUIET and smoothed > TOO_MUCH * lowest:
                return

    def _batches(self, per_epoch: int) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of one batch after the other, as many epochs as it takes."""
        size, epoch = self.spec.batch_size, 0
        while True:
            rows = self._order.epoch(epoch)
            for start in range(0, per_epoch * size, size):
                yield rows[start : start + size]
            epoch += 1

    def run(self, progress: Callable[[float, str], None] | None = None) -> RangeBand | None:
        """Take all steps, and return the rates to choose from; None where none helped."""
        for number, _ in enumerate(self.points(), 1):
            if progress is not None:
                progress(number / len(self.rates), "Trying rates")
        return suggest_band(self.seen)


def suggest_band(points: Sequence[RangePoint]) -> RangeBand | None:
    """Return rates between which the loss falls, or None where it never clearly does.

    The band ends at a third of the rate at which the smoothed loss is lowest, a little before it
    turns (Smith 2017 looks for where it becomes ragged), or where nine tenths of the fall are
    done. It begins where a tenth was done, but at most a decade below its end: slower rates work
    too, and take longer.
    """
    if len(points) <= QUIET:
        return None
    rates = np.array([point.rate for point in points])
    smoothed = np.array([point.smoothed for point in points])
    before = float(np.median(smoothed[:QUIET]))
    scatter = float(np.std([point.loss for point in points[:QUIET]])) / np.sqrt(1 / (1 - KEPT))
    at = int(smoothed.argmin())
    fall = before - float(smoothed[at])
    # Less than what batches differ by anyhow is no fall.
    if at < QUIET or fall < max(3 * scatter, 1e-3 * abs(before)):
        return None
    done = int(np.flatnonzero(smoothed <= before - DONE * fall)[0])
    high = min(float(rates[at]) * BEFORE_LOWEST, float(rates[done]))
    falling = np.flatnonzero(smoothed[: at + 1] > before - BEGUN * fall)
    low = float(rates[falling[-1]]) if len(falling) else float(rates[0])
    return RangeBand(min(max(low, high / WIDEST), high / NARROWEST), high)
