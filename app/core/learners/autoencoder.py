"""A sparse autoencoder behind the learner's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.learners.protocol import Evaluation, GivenUp, StepOutcome, check_state, smaller_rate
from app.core.memory import enough_memory
from app.core.models import autoencoder
from app.core.solvers.first_order import MEMORY
from app.core.solvers.lbfgs import LBFGS
from app.core.specs import AutoencoderSpec, TrainingSpec
from app.core.threads import kernel_threads

__all__ = ["AutoencoderLearner"]

# After so many rows of a large memory map, its pages are let go.
RELEASE_ROWS = 65_536

# How many vectors as long as the weights there are at most: the weights and what the solver
# remembers, each also as it was before the last call, in a checkpoint and in its file's bytes
# (three times), besides the gradient. L-BFGS remembers 20 pairs.
COPIES = {solver: 6 * (1 + memory) + 1 for solver, memory in MEMORY.items()} | {"lbfgs": 6 * 41}


@dataclass(frozen=True, slots=True)
class _Call:
    """All that repeats one call of the kernel: what was there before it, and what it was given."""

    theta: Any
    memory: Any
    taken: int
    order: NDArray[np.int64]
    spec: AutoencoderSpec
    done: int


class AutoencoderLearner:
    """A sparse autoencoder on the CPU.

    Parameters
    ----------
    x : ndarray, shape (N, D), float32
        Rows to train on, in memory or a memory map.
    spec : AutoencoderSpec
        Its structure and seed make the weights.
    threads : int, optional
        All that `kernel_threads` allows without a window by default.
    engine : {"compiled", "reference"}, optional
        The fastest there is by default; the spec's engine "reference" asks for the twin.
    release : callable, optional
        Lets the pages of a large memory map go.

    Attributes
    ----------
    notes : list of str
        What could not be had as it was asked for.
    """

    term_names: ClassVar[tuple[str, ...]] = autoencoder.TERM_NAMES

    def __init__(
        self,
        x: NDArray[np.float32],
        spec: AutoencoderSpec,
        *,
        threads: int | None = None,
        engine: str | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        self.x = x
        self.width, self.units = x.shape[1], spec.hidden_units
        self.threads = threads or kernel_threads(window=False)
        if engine is None and spec.engine == "reference":
            engine = "reference"
        self.kernel = kernels.choose(engine)
        self.notes: list[str] = []
        self.solver = spec.solver
        count = autoencoder.parameter_count(self.width, self.units)
        enough_memory(
            count * np.dtype(spec.precision).itemsize * COPIES[spec.solver],
            f"{count:,} weights",
            "Close other programs, or take fewer hidden units or smaller patches.",
        )
        self.theta = autoencoder.flatten(autoencoder.initial_weights(self.width, spec))
        self.memory = np.zeros((MEMORY[spec.solver], self.theta.size), self.theta.dtype)
        self.taken = 0
        self.rho_hat = np.zeros(self.units)
        self.lbfgs = LBFGS()
        self._seen: dict[float, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self._last: _Call | None = None
        self._release = release
        self._rows_until_release = RELEASE_ROWS

    @property
    def engine(self) -> str:
        """What computes, for people."""
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        if self.kernel is kernels.choose("reference"):
            return f"NumPy twin ({kernels.REASON or 'asked for'}){notes}"
        return f"compiled, {self.threads} thread{'s' if self.threads > 1 else ''}{notes}"

    def steps_per_epoch(self, spec: TrainingSpec) -> int:
        """Return N / batch, rounded up; one for L-BFGS, which looks at all rows."""
        return 1 if spec.solver == "lbfgs" else -(-len(self.x) // spec.batch_size)

    def steps(
        self,
        order: NDArray[np.int64],
        spec: AutoencoderSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        """Take steps; see `Learner`."""
        if spec.solver == "lbfgs":
            return self._iterate(spec, interrupt)
        outcome = self._descend(order, spec, interrupt, most)
        self._rows_until_release -= len(outcome.terms) * spec.batch_size
        if self._release is not None and self._rows_until_release <= 0:
            self._rows_until_release = RELEASE_ROWS
            self._release()
        return outcome

    def _descend(
        self,
        order: NDArray[np.int64],
        spec: AutoencoderSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        """Take steps of a first-order solver; after divergence, return to the last finite cost."""
        most = min(most, -(-len(order) // spec.batch_size))
        order = order[: most * spec.batch_size]
        theta, memory = self._copies()
        terms, done, finite = self._call(order, spec, interrupt, most)
        if done:
            self._last = _Call(theta, memory, self.taken, order, spec, done)
            self.taken += done
        # Weights that are no numbers would stop the next step; there may be none.
        if not (finite and self._weights_are_finite()):
            finite = False
            self._undo_last_step()
        return StepOutcome(terms[:done], finite)

    def _copies(self) -> tuple[Any, Any]:
        """Return copies of the weights and of what the solver remembers, for `_put_back`."""
        return self.theta.copy(), self.memory.copy()

    def _put_back(self, theta: Any, memory: Any) -> None:
        """Take up what `_copies` returned."""
        self.theta, self.memory = theta, memory

    def _weights_are_finite(self) -> bool:
        return bool(np.isfinite(self.theta).all())

    def _undo_last_step(self) -> None:
        """Return to the weights that gave the last finite cost: the step after it was too much.

        Repeating all but that step is exact, and costs nothing while all goes well. It may have
        been the last step of the call before.
        """
        last, self._last = self._last, None
        if last is None:
            return
        rho_hat = self.rho_hat.copy()
        self._put_back(last.theta, last.memory)
        self.taken = last.taken
        if last.done > 1:
            rows = last.order[: (last.done - 1) * last.spec.batch_size]
            self._call(rows, last.spec, np.zeros(1, np.int32), last.done - 1)
            self.taken += last.done - 1
        self.rho_hat = rho_hat

    def _call(
        self,
        order: NDArray[np.int64],
        spec: AutoencoderSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> tuple[NDArray[np.float64], int, bool]:
        terms = np.empty((most, len(self.term_names)))
        done, finite = self.kernel.train_steps(
            self.theta,
            self.memory,
            self.x,
            order,
            terms,
            self.rho_hat,
            interrupt,
            hidden_units=self.units,
            batch_size=spec.batch_size,
            taken=self.taken,
            solver=spec.solver,
            decoder=spec.decoder,
            learning_rate=spec.learning_rate,
            momentum=spec.momentum,
            lam=spec.lam,
            beta=spec.beta,
            rho=spec.rho,
            threads=self.threads,
        )
        return terms, done, finite

    def _whole(
        self,
        theta: NDArray[Any],
        spec: AutoencoderSpec,
        *,
        gradient: bool,
        interrupt: NDArray[np.int32] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[Any] | None, NDArray[np.float64]]:
        """Visit all rows; of very many, let the pages go on the way, and give up if asked to."""
        terms, slope, rho_hat = self.kernel.cost_gradient(
            theta,
            self.x,
            hidden_units=self.units,
            decoder=spec.decoder,
            lam=spec.lam,
            beta=spec.beta,
            rho=spec.rho,
            gradient=gradient,
            threads=self.threads,
            between=lambda: self._between(interrupt),
        )
        return terms, slope, rho_hat

    def _between(self, interrupt: NDArray[np.int32] | None) -> None:
        """Do what is due now and then on the way through many rows."""
        if self._release is not None:
            self._release()
        if interrupt is not None and interrupt[0]:
            raise GivenUp

    def _iterate(self, spec: AutoencoderSpec, interrupt: NDArray[np.int32]) -> StepOutcome:
        """Take one iteration of L-BFGS over all rows."""
        # One that was there before is no reason to give up: a single step is asked for like that.
        watched = None if interrupt[0] else interrupt
        # What the line search saw, so that the terms of the chosen point need no further pass.
        seen: dict[float, tuple[NDArray[np.float64], NDArray[np.float64]]] = dict(self._seen)

        def function(theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
            terms, gradient, rho_hat = self._whole(theta, spec, gradient=True, interrupt=watched)
            assert gradient is not None
            cost = float(terms.sum())
            seen[cost] = terms, rho_hat
            return cost, gradient

        none = np.empty((0, len(self.term_names)))
        try:
            cost, _ = self.lbfgs.step(self.theta, function)
        except GivenUp:
            return StepOutcome(none)
        if not np.isfinite(cost):
            return StepOutcome(none, finite=False)
        terms, _ = seen[cost]
        reached = self.lbfgs.cost
        if reached is not None and reached in seen:
            self._seen = {reached: seen[reached]}
            self.rho_hat = seen[reached][1]
        self.taken += 1
        return StepOutcome(terms[None], converged=self.lbfgs.converged)

    def params_changed(self, old: AutoencoderSpec, new: AutoencoderSpec) -> None:
        """Drop L-BFGS's curvature: it belongs to another function now."""
        self.lbfgs.reset()
        self._seen = {}

    def evaluate(self, spec: AutoencoderSpec) -> NDArray[np.float64]:
        """Return the terms (3,) over all rows at the current weights."""
        terms, _, self.rho_hat = self._whole(self.theta, spec, gradient=False)
        return terms

    def evaluation_due(self, spec: TrainingSpec) -> bool:
        """Return False: the cost says it all."""
        return False

    def validate(self, spec: TrainingSpec, interrupt: NDArray[np.int32]) -> Evaluation | None:
        """Return None; see `evaluation_due`."""
        return None

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return W1 (D, L), b1 (L,), W2 (L, D), b2 (D,) as views."""
        return autoencoder.unflatten(self.theta, self.width, self.units)

    def snapshot(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]:
        """Return weights and the mean activations that the last step saw."""
        return self.weights(), {"rho_hat": self.rho_hat}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of weights, solver memory and counters."""
        pairs = list(self.lbfgs.pairs)
        empty = np.empty((0, self.theta.size), self.theta.dtype)
        return {
            "theta": self.theta.copy(),
            "memory": self.memory.copy(),
            "taken": np.array([self.taken], np.int64),
            "rho_hat": self.rho_hat.copy(),
            "lbfgs_s": np.stack([s for s, _ in pairs]) if pairs else empty,
            "lbfgs_y": np.stack([y for _, y in pairs]) if pairs else empty,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `state` returned.

        Raises
        ------
        ValueError
            The arrays are of another network or solver.
        """
        check_state({"theta": self.theta, "memory": self.memory}, state)
        # In place: another engine may look at the same memory.
        self.theta[...] = state["theta"]
        self.memory[...] = state["memory"]
        self.taken = int(state["taken"][0])
        self._last = None
        self.rho_hat = state["rho_hat"].copy()
        self.lbfgs.reset()
        self._seen = {}
        self.lbfgs.pairs.extend(
            (s.copy(), y.copy()) for s, y in zip(state["lbfgs_s"], state["lbfgs_y"], strict=True)
        )

    def suggestion(self, spec: AutoencoderSpec) -> str:
        """Return a learning rate to try: a tenth of the one that failed."""
        if spec.solver == "lbfgs":
            return "Try a larger weight decay λ or another solver."
        return smaller_rate(spec.learning_rate)
