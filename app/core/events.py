"""What a training says of itself: small, frozen, and free of threads and Qt.

Arrays in events are read-only copies, so that whoever draws them can take their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.specs import TrainingSpec

__all__ = [
    "Change",
    "Checkpoint",
    "EpochEnded",
    "Evaluated",
    "Event",
    "Failed",
    "Finished",
    "Noted",
    "ParamsChanged",
    "Paused",
    "Resumed",
    "Snapshot",
    "Started",
    "Steps",
    "frozen",
    "frozen_copy",
]


def frozen_copy(array: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
    """Return a read-only copy of `array` in `dtype` that shares no memory with it."""
    # What diverges in double precision may be past all that single precision has.
    with np.errstate(over="ignore"):
        copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of an array that nobody else will change."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the run `run_id`."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The first event of a run, or of its continuation.

    `step` and `epoch` count what is already done (0 for a new run); `total_steps` is the
    step at which the run will be done. `term_names` names the columns of `Steps.terms`.
    """

    step: int
    epoch: int
    steps_per_epoch: int
    total_steps: int
    examples: int
    term_names: tuple[str, ...]
    engine: str


@dataclass(frozen=True, slots=True)
class Steps(Event):
    """Consecutive steps that were taken in one call of the learner.

    `terms` is (n, T) float64: row i holds the terms of the cost that step
    ``first_step + i`` saw, before it moved the weights. Steps count from 1. `accuracies` (n,)
    are the shares of each step's examples that were named rightly; None where there are no
    labels.
    """

    first_step: int
    terms: NDArray[np.float64]
    examples: int
    seconds: float
    accuracies: NDArray[np.float64] | None = None

    @property
    def last_step(self) -> int:
        """Number of the last of these steps."""
        return self.first_step + len(self.terms) - 1


@dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """The weights after `step`, with what was measured beside them.

    `weights` maps names (W1, b1, W2, b2) to read-only float32 arrays; `statistics` holds
    small per-unit arrays such as ``rho_hat`` (L,).
    """

    step: int
    epoch: float
    weights: Mapping[str, NDArray[np.float32]]
    statistics: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class EpochEnded(Event):
    """An epoch is complete; `terms` (T,) is the mean over its steps."""

    epoch: int
    step: int
    terms: NDArray[np.float64]
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluated(Event):
    """How well the weights after `step` name images, without dropout and augmentation.

    `train_accuracy` is over a fixed sample of the training images, the others over the
    validation images; None where there are none. `best` says that no evaluation before had a
    higher validation accuracy: these weights are kept as the best model. `behaviour` maps
    ``mean``, ``deviation`` and ``dead`` to arrays with a value for each of `layers`, see
    `app.core.nn.reading.LayerReading`; empty where nobody measured it.
    """

    step: int
    epoch: float
    train_accuracy: float
    validation_accuracy: float | None
    validation_loss: float | None
    best: bool
    behaviour: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, compare=False)
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint(Event):
    """Everything an exact continuation needs, between two steps.

    `state` is what `Learner.state` returned; `step` steps are done, `epoch` epochs are
    complete and `steps_into_epoch` steps of the next one. `spec` holds the values in force.
    Only the recorder takes it: it never travels to the window.
    """

    step: int
    epoch: int
    steps_into_epoch: int
    spec: TrainingSpec
    state: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """One live value that moved."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class ParamsChanged(Event):
    """New live values: step ``step + 1`` is the first that uses them."""

    step: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """Training waits after `step`."""

    step: int


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """Training goes on after `step`."""

    step: int


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """Something a person should know though training goes on, such as a disk that gets full."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """The end that was meant: `reason` is ``done``, ``converged`` or ``stopped``.

    `terms` (T,) is the cost over all training examples at the final weights; None when a
    very large set was stopped early and nobody wants to wait for it.
    """

    step: int
    epoch: float
    reason: str
    terms: NDArray[np.float64] | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The end that was not meant.

    `kind` is ``diverged``, ``expected`` (a `FilterscopeError`) or ``bug``; the last good
    weights were sent in the snapshot before this event.
    """

    step: int
    kind: str
    message: str
    hint: str
    traceback_text: str
