"""L-BFGS on a network of layers: each iteration looks at all training images."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages
from app.core.errors import FilterscopeError, UsageError
from app.core.learners.protocol import GivenUp, StepOutcome
from app.core.nn.network import Network
from app.core.solvers.lbfgs import LBFGS
from app.core.specs import ConvNetSpec

__all__ = ["Whole", "WholeSet", "check_lbfgs"]

# Images that L-BFGS, which looks at all of them in each iteration, is good for.
MOST_LBFGS_IMAGES = 20_000

Array = NDArray[Any]


@dataclass(frozen=True)
class Whole:
    """What all training images say at some weights."""

    terms: NDArray[np.float64]
    accuracy: float
    averages: dict[str, Array]


class WholeSet(ABC):
    """The part of a learner that iterates over all training images at once."""

    term_names: ClassVar[tuple[str, ...]]
    data: FittedImages
    network: Network
    lbfgs: LBFGS
    taken: int
    # What was seen at the point that L-BFGS reached last.
    _reached: Whole | None
    _gradient: Array

    def _check(self, interrupt: NDArray[np.int32]) -> Callable[[], None]:
        raise NotImplementedError

    def _iterate(self, spec: ConvNetSpec, interrupt: NDArray[np.int32]) -> StepOutcome:
        """Take one iteration of L-BFGS over all training images."""
        network, check = self.network, self._check(interrupt)
        kept = network.theta.copy()
        seen: dict[float, Whole] = {}
        if self._reached is not None:
            seen[float(self._reached.terms.sum())] = self._reached

        def function(theta: Array) -> tuple[float, Array]:
            network.theta[...] = theta
            found, gradient = self._whole(spec, check)
            cost = float(found.terms.sum())
            seen[cost] = found
            return cost, gradient

        none = np.empty((0, len(self.term_names)))
        theta = kept.copy()
        try:
            cost, _ = self.lbfgs.step(theta, function)
        except GivenUp:
            network.theta[...] = kept
            return StepOutcome(none)
        network.theta[...] = theta
        if not np.isfinite(cost):
            return StepOutcome(none, finite=False)
        before = seen[cost]
        if self.lbfgs.cost is not None:
            self._reached = seen[self.lbfgs.cost]
            network.keep_averages(self._reached.averages)
        self.taken += 1
        return StepOutcome(
            before.terms[None],
            converged=self.lbfgs.converged,
            accuracies=np.array([before.accuracy]),
        )

    def _whole(self, spec: ConvNetSpec, check: Callable[[], None]) -> tuple[Whole, Array]:
        """Return what all training images say at the present weights, and the gradient."""
        train = self.data.split.train
        terms, accuracy = np.zeros(len(self.term_names)), 0.0
        gradient = np.zeros_like(self.network.theta)
        averages = {name: np.zeros_like(one) for name, one in self.network.averages.items()}
        for start in range(0, len(train), spec.batch_size):
            indices = train[start : start + spec.batch_size]
            share = len(indices) / len(train)
            outcome = self.network.loss(
                self.data.rows(indices, self.network.dtype),
                self.data.labels(indices),
                reg=spec.reg,
                kind=spec.loss,
                smoothing=spec.label_smoothing,
                check=check,
                momentum=0.0,
                into=self._gradient,
            )
            gradient += self.network.dtype.type(share) * outcome.gradient
            terms += share * outcome.terms
            accuracy += share * outcome.accuracy
            for name, one in outcome.averages.items():
                averages[name] += self.network.dtype.type(share) * one
        return Whole(terms, accuracy, averages), gradient


def check_lbfgs(data: FittedImages, spec: ConvNetSpec) -> None:
    """Refuse what makes the loss another function each time."""
    if spec.dropout or data.spec.flip or data.spec.crop:
        raise UsageError(
            "L-BFGS needs the same loss each time it looks.",
            "Switch dropout, mirroring and shifting off.",
        )
    if len(data.split.train) > MOST_LBFGS_IMAGES:
        raise FilterscopeError(
            f"L-BFGS looks at all {len(data.split.train):,} images in each iteration.",
            f"Train on at most {MOST_LBFGS_IMAGES:,}, or choose another solver.",
        )
