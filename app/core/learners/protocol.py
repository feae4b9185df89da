"""What the trainer needs of a network, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Evaluation",
    "GivenUp",
    "Learner",
    "StepOutcome",
    "check_state",
    "smaller_rate",
]


class GivenUp(Exception):  # noqa: N818 - no error
    """A pause or a stop came in the middle of a step or of a look; nothing has changed."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What some consecutive steps gave.

    Attributes
    ----------
    terms : ndarray, shape (n, T), float64
        Terms of the cost that each step saw before it moved the weights.
    finite : bool
        False when the step after these met a cost that is no finite number; the weights are
        those that gave the last finite one.
    converged : bool
        No step leads lower any more.
    accuracies : ndarray, shape (n,), optional
        Share of each step's examples that were named rightly, where there are labels.
    """

    terms: NDArray[np.float64]
    finite: bool = True
    converged: bool = False
    accuracies: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well a network names images, and how its layers answer; see `app.core.events.Evaluated`."""

    train_accuracy: float
    validation_accuracy: float | None
    validation_loss: float | None
    best: bool
    behaviour: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, compare=False)
    layers: tuple[str, ...] = ()


class Learner(Protocol):
    """A network with its data and its solver.

    Results must not depend on how steps are divided into calls, nor on threads.
    """

    term_names: ClassVar[tuple[str, ...]]

    @property
    def engine(self) -> str:
        """What computes, for people."""

    @property
    def notes(self) -> Sequence[str]:
        """What could not be had as it was asked for: a device, a number of bits, PyTorch itself."""

    def steps_per_epoch(self, spec: Any) -> int:
        """Return how many steps visit every row once."""

    def steps(
        self, order: NDArray[np.int64], spec: Any, interrupt: NDArray[np.int32], most: int
    ) -> StepOutcome:
        """Take at least one and at most `most` steps over the rows `order`.

        Comes back between two steps when ``interrupt[0]`` is not zero, and where
        `evaluation_due`. A single step that lasts long may be given up when ``interrupt[0]``
        becomes not zero under way: none is taken.
        """

    def params_changed(self, old: Any, new: Any) -> None:
        """Live values moved; the next step uses `new`."""

    def evaluate(self, spec: Any) -> NDArray[np.float64] | None:
        """Return the terms (T,) over all rows at the current weights; None if nobody can tell."""

    def evaluation_due(self, spec: Any) -> bool:
        """Return whether `validate` is to be called before the next step."""

    def validate(self, spec: Any, interrupt: NDArray[np.int32]) -> Evaluation | None:
        """Look at images that do not train; None when it was given up for an interruption."""

    def snapshot(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]:
        """Return weights and small statistics by name."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that an exact continuation needs."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `state` returned."""

    def suggestion(self, spec: Any) -> str:
        """Return one sentence on what to try after the cost left the finite numbers."""


def check_state(own: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a state whose arrays cannot take the places of a learner's own.

    Raises
    ------
    ValueError
        The arrays are of another network or solver.
    """
    for name, array in own.items():
        if state[name].shape != array.shape or state[name].dtype != array.dtype:
            raise ValueError(f"{name} is of another network or solver")


def smaller_rate(rate: float) -> str:
    """Return a learning rate to try, in words: a tenth of the one that failed."""
    return f"Try a learning rate of {rate / 10:.1g}, then Continue."
