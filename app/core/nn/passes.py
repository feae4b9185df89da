"""What one way through a network carries: weights, averages, slopes, and who moves along them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE", "Mover", "Pass", "nothing"]

Array = NDArray[Any]

# Numbers of each gradient that are kept to show how they are spread.
SAMPLE = 2048


def nothing() -> None:
    """Nobody wants the work to be given up."""


@dataclass
class Mover:
    """Moves weights on the way back, as soon as their slopes are known.

    So the gradient of a large affine layer never lies in memory as a whole, and weights and the
    solver's memory are read once.

    Attributes
    ----------
    memory : mapping
        What the solver remembers, by parameter, see `app.core.solvers.first_order`.
    step : int
        Number of this step, from 1.
    decayed : collection of str
        Parameters that L2 acts on.
    squares : float
        Sum of the squares of those, as they were before the step.
    samples : dict
        Some of the slopes along each parameter, without L2.
    """

    solver: str
    memory: Mapping[str, Sequence[Array]]
    step: int
    learning_rate: float
    momentum: float
    reg: float
    decayed: frozenset[str]
    squares: float = 0.0
    samples: dict[str, Array] = field(default_factory=dict)

    def move(self, kernel: Any, name: str, parameter: Array, slope: Array) -> None:
        """Move one parameter along its slope."""
        w, flat = parameter.reshape(-1), slope.reshape(-1)
        reg = self.reg if name in self.decayed else 0.0
        if reg:
            self.squares += float(np.vdot(w, w))
        memory = [one.reshape(-1) for one in self.memory[name]]
        self.samples[name] = flat[:: max(1, flat.size // SAMPLE)].copy()
        kernel.update(
            self.solver, w, flat, memory, self.step, self.learning_rate, self.momentum, reg
        )

    def move_affine(
        self,
        backward_update: Callable[..., tuple[Array | None, Array, float]],
        name: str,
        dout: Array,
        cache: tuple[Any, ...],
        need_dx: bool,
    ) -> tuple[Array | None, Array]:
        """Move W of an affine layer while its slopes are computed; returns dx and db."""
        dx, db, squares = backward_update(
            self.solver, dout, cache, self.memory[name], self.step, self.learning_rate,
            self.momentum, self.reg, need_dx,
        )  # fmt: skip
        self.squares += squares
        return dx, db


@dataclass
class Pass:
    """What one way through a network, forth and back, is given and leaves.

    Attributes
    ----------
    kernel : module
        The layer functions, compiled or twins.
    parameters, averages : mapping
        W1, b1, gamma1 … and running_mean1, running_var1 …
    mode : {"train", "test"}
    rng : Generator, optional
        Draws the masks of dropout.
    keep : float
        Share of values that dropout keeps where its row says none.
    sliced : bool
        Work picture by picture where a layer is a loop in Python, so that `check` is heard.
    check : callable
        Called between pieces of work; what it raises ends the pass.
    gradient : dict
        Receives the slope along each parameter; arrays that are there already are filled.
    new_averages : dict
        Running averages after this batch. Without a mover, the pass changes nothing of the
        network itself.
    momentum : float
        How much of the running averages a batch leaves.
    mover : Mover, optional
        Moves the parameters on the way back, in place of filling `gradient`.
    """

    kernel: Any
    parameters: Mapping[str, Array]
    averages: Mapping[str, Array]
    mode: Literal["train", "test"]
    rng: np.random.Generator | None = None
    keep: float = 1.0
    sliced: bool = False
    check: Callable[[], None] = nothing
    gradient: dict[str, Array] = field(default_factory=dict)
    new_averages: dict[str, Array] = field(default_factory=dict)
    momentum: float = 0.9
    mover: Mover | None = None

    def take(self, name: str, slope: Array) -> None:
        """Keep the slope along a parameter, where there is room for it already, or move along it."""
        if self.mover is not None:
            self.mover.move(self.kernel, name, self.parameters[name], slope)
            return
        room = self.gradient.get(name)
        if room is None:
            self.gradient[name] = slope
        elif room is not slope:
            room[...] = slope
