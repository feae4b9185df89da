"""A convolutional network on labelled images behind the learner's protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.control import GIVE_UP
from app.core.data.image_preprocess import FittedImages, augmentation_rng
from app.core.learners.best_model import BestModel, best_arrays, best_of, train_sample
from app.core.learners.judging import Judging
from app.core.learners.need import NETWORK, SMALLER, need_of
from app.core.learners.protocol import Evaluation, GivenUp, StepOutcome, check_state, smaller_rate
from app.core.learners.whole_set import Whole, WholeSet, check_lbfgs
from app.core.memory import enough_for
from app.core.nn.network import TERM_NAMES, Network
from app.core.nn.passes import SAMPLE, Mover, nothing
from app.core.solvers.first_order import MEMORY, update
from app.core.solvers.lbfgs import LBFGS
from app.core.solvers.schedules import rate
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.threads import kernel_threads

__all__ = ["MARK_STEPS", "ConvNetLearner", "Mark"]

# The weights are kept so often, to go back to from a step that was too much.
MARK_STEPS = 50

Array = NDArray[Any]


@dataclass
class Mark:
    """The state before some steps, and all that repeats them."""

    theta: Array
    memory: Array
    running: Array
    taken: int
    steps: list[tuple[NDArray[np.int64], ConvNetSpec]] = field(default_factory=list)


class ConvNetLearner(WholeSet, Judging):
    """A network of layers on the CPU.

    Parameters
    ----------
    data : FittedImages
        Images, their split and their normalisation.
    spec : ConvNetSpec
        Its layers and seed make the weights.
    threads : int, optional
        All that `kernel_threads` allows without a window by default.
    engine : {"compiled", "reference"}, optional
        The one of `spec` by default; for "compiled", the fastest there is.
    shares : int
        How many processes a batch is shared among.

    Attributes
    ----------
    best : BestModel or None
        None until the first evaluation with validation images.
    last_evaluation : Evaluation or None
    notes : list of str
        What could not be had as it was asked for.
    """

    term_names: ClassVar[tuple[str, ...]] = TERM_NAMES

    def __init__(
        self,
        data: FittedImages,
        spec: ConvNetSpec,
        *,
        threads: int | None = None,
        engine: str | None = None,
        shares: int = 1,
    ) -> None:
        if spec.solver == "lbfgs":
            check_lbfgs(data, spec)
        enough_for(need_of(data, spec, shares), NETWORK, "images", SMALLER)
        self.data = data
        self.notes: list[str] = []
        self.threads = threads or kernel_threads(window=False)
        if engine is None and spec.engine == "reference":
            engine = "reference"
        self.network = Network(
            spec.rows, data.images.shape, len(data.classes), dtype=spec.precision, engine=engine
        )
        self.network.initialise(
            np.random.default_rng([spec.seed, 1]),
            how=spec.initialisation,
            weight_scale=spec.weight_scale,
        )
        self.solver = spec.solver
        # The best model was chosen by looks of this kind: one kind for the whole of a training.
        self.mirror_looks = spec.mirror_looks
        self.memory: Array = np.zeros(
            (MEMORY[spec.solver], self.network.theta.size), self.network.dtype
        )
        self.taken = 0
        # Steps that were taken before the solver began to remember: a branch lets it begin anew.
        self.memory_began = 0
        self.best: BestModel | None = None
        self.last_evaluation: Evaluation | None = None
        self.lbfgs = LBFGS()
        # What was seen at the point that L-BFGS reached last.
        self._reached: Whole | None = None
        self._evaluated_at = 0
        # The twins and L-BFGS need the gradient as a whole.
        whole = self.network.sliced or spec.solver == "lbfgs"
        self._gradient: Array = np.zeros_like(self.network.theta[: None if whole else 0])
        self._samples: Mapping[str, Array] = {}
        self._memories = self._views_of_memory()
        self._mark: Mark | None = None
        self._sample = train_sample(data, spec.seed)

    # --- what there is

    @property
    def engine(self) -> str:
        """What computes, for people."""
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        if self.network.sliced:
            return f"NumPy twin ({kernels.REASON or 'asked for'}){notes}"
        return f"compiled, {self.threads} thread{'s' if self.threads > 1 else ''}{notes}"

    def steps_per_epoch(self, spec: TrainingSpec) -> int:
        """Return N / batch, rounded up; one for L-BFGS, which looks at all images."""
        count = len(self.data.split.train)
        return 1 if spec.solver == "lbfgs" else -(-count // spec.batch_size)

    def _threads(self) -> AbstractContextManager[None]:
        """Let the kernels called inside use this learner's threads."""
        use: Callable[[int], AbstractContextManager[None]] | None = getattr(
            self.network.kernel, "use_threads", None
        )
        return nullcontext() if use is None else use(self.threads)

    def _views_of_memory(self) -> dict[str, list[Array]]:
        parts = [self.network.views(one) for one in self.memory]
        return {name: [part[name] for part in parts] for name in self.network.parameters}

    # --- steps

    def steps(
        self,
        order: NDArray[np.int64],
        spec: ConvNetSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        """Take steps; see `Learner`. A pause or a stop is heard between two layers."""
        with self._threads(), np.errstate(all="ignore"):
            if spec.solver == "lbfgs":
                return self._iterate(spec, interrupt)
            return self._descend(order, spec, interrupt, most)

    def _descend(
        self,
        order: NDArray[np.int64],
        spec: ConvNetSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        per_epoch = self.steps_per_epoch(spec)
        most = min(most, -(-len(order) // spec.batch_size))
        terms: list[NDArray[np.float64]] = []
        accuracies: list[float] = []
        finite = True
        for number in range(most):
            rows = order[number * spec.batch_size : (number + 1) * spec.batch_size]
            before = self.taken
            try:
                seen, accuracy = self._step(rows, spec, self._check(interrupt))
            except GivenUp:
                break
            if not np.isfinite(seen.sum()):
                finite = False
                if self.taken > before:
                    # Weights were too large for ΣW², which is known only after they moved.
                    self._forget_last_step()
                break
            terms.append(seen)
            accuracies.append(accuracy)
            # Looking at all weights takes as long as a layer: now and then is enough.
            if self.taken % per_epoch == 0 and not np.isfinite(self.network.theta).all():
                finite = False
                break
            if interrupt[0] or self.evaluation_due(spec):
                break
        if not finite:
            self._undo_last_step()
        seen_terms = np.array(terms).reshape(len(terms), len(self.term_names))
        return StepOutcome(seen_terms, finite, accuracies=np.array(accuracies))

    def _check(self, interrupt: NDArray[np.int32]) -> Callable[[], None]:
        def check() -> None:
            if interrupt[0] >= GIVE_UP:
                raise GivenUp
            if self.network.sliced:
                # Loops in Python: whoever waits for the interpreter may have it now.
                time.sleep(0)

        return check

    def _step(
        self, rows: NDArray[np.int64], spec: ConvNetSpec, check: Callable[[], None]
    ) -> tuple[NDArray[np.float64], float]:
        """Take one step unless its loss is no finite number; returns terms and accuracy."""
        per_epoch = self.steps_per_epoch(spec)
        epoch, step = divmod(self.taken, per_epoch)
        indices = self.data.split.train[rows]
        x = self.data.batch(indices, augmentation_rng(spec.seed, epoch, step), self.network.dtype)
        y = self.data.labels(indices)
        # A function of the step, like flips and crops: a training taken up again draws the same.
        rng = np.random.default_rng([spec.seed, 8, self.taken])
        moving = rate(spec, self.taken, per_epoch), spec.momentum, spec.reg
        loss: dict[str, Any] = {
            "kind": spec.loss,
            "smoothing": spec.label_smoothing,
            "keep": 1 - spec.dropout,
            "rng": rng,
            "check": check,
        }
        if self.network.sliced:
            # The way back may take a minute, and be given up: first all slopes, then the step.
            outcome = self.network.loss(x, y, reg=spec.reg, into=self._gradient, **loss)
            terms, accuracy = outcome.terms, outcome.accuracy
            if not np.isfinite(terms.sum()):
                return terms, accuracy
            self._keep_mark()
            update(
                spec.solver, self.network.theta, self._gradient, self.memory,
                self.taken + 1 - self.memory_began,
                *moving[:2],
            )  # fmt: skip
            self.network.keep_averages(outcome.averages)
            self._samples = {
                name: slope.ravel()[:: max(1, slope.size // SAMPLE)]
                for name, slope in self.network.views(self._gradient).items()
            }
        else:
            self._keep_mark()
            mover = Mover(
                spec.solver,
                self._memories,
                self.taken + 1 - self.memory_began,
                *moving,
                self.network.decayed,
            )
            terms, accuracy = self.network.move(x, y, mover, **loss)
            if not np.isfinite(terms[0]):
                return terms, accuracy
            self._samples = mover.samples
        assert self._mark is not None
        self._mark.steps.append((rows, spec))
        self.taken += 1
        return terms, accuracy

    def _keep_mark(self) -> None:
        """Keep the state now and then, to go back to."""
        if self._mark is None or len(self._mark.steps) >= (
            1 if self.network.sliced else MARK_STEPS
        ):
            self._mark = Mark(
                self.network.theta.copy(),
                self.memory.copy(),
                self.network.running.copy(),
                self.taken,
            )

    def _forget_last_step(self) -> None:
        """Let a step that was taken not count: it is not repeated."""
        assert self._mark is not None
        self._mark.steps.pop()
        self.taken -= 1

    def _undo_last_step(self) -> None:
        """Return to the weights that gave the last finite loss: the step after it was too much.

        All steps since the mark but the last are repeated, which is exact.
        """
        mark, self._mark = self._mark, None
        if mark is None:
            return
        taken = self.taken
        self.network.theta[...] = mark.theta
        self.network.running[...] = mark.running
        self.memory[...] = mark.memory
        self.taken = mark.taken
        for rows, spec in mark.steps[:-1]:
            self._step(rows, spec, nothing)
        # The step stays counted: its loss was finite and is on the curve.
        self.taken = taken
        self._mark = None

    def params_changed(self, old: ConvNetSpec, new: ConvNetSpec) -> None:
        """Drop L-BFGS's curvature: it belongs to another function now."""
        self.lbfgs.reset()
        self._reached = None

    # --- what is kept

    def snapshot(self) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """Return all weights, and a sample of each gradient of the last step."""
        return self.network.weights(), {
            f"gradient {name}": slopes for name, slopes in self._samples.items()
        }

    def state(self) -> dict[str, Array]:
        """Return copies of weights, averages, solver memory, best model and counters."""
        pairs = list(self.lbfgs.pairs)
        empty = np.empty((0, self.network.theta.size), self.network.dtype)
        return {
            "theta": self.network.theta.copy(),
            "running": self.network.running.copy(),
            "memory": self.memory.copy(),
            "counters": np.array([self.taken, self._evaluated_at, self.memory_began], np.int64),
            "lbfgs_s": np.stack([s for s, _ in pairs]) if pairs else empty,
            "lbfgs_y": np.stack([y for _, y in pairs]) if pairs else empty,
            **best_arrays(self.best),
            **self.data.state(),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` returned.

        Raises
        ------
        ValueError
            The arrays are of another network or solver.
        """
        own = {"theta": self.network.theta, "running": self.network.running, "memory": self.memory}
        check_state(own, state)
        for name, array in own.items():
            array[...] = state[name]
        self.taken, self._evaluated_at, *began = (int(number) for number in state["counters"])
        # Checkpoints of older versions have two counters: their solvers remember all steps.
        self.memory_began = began[0] if began else 0
        self.best = best_of(state)
        self._mark = self._reached = None
        self.lbfgs.reset()
        self.lbfgs.pairs.extend(
            (s.copy(), y.copy()) for s, y in zip(state["lbfgs_s"], state["lbfgs_y"], strict=True)
        )

    def suggestion(self, spec: ConvNetSpec) -> str:
        """Return a learning rate to try: a tenth of the one that failed."""
        if spec.solver == "lbfgs":
            return "Try stronger L2 regularisation or another solver."
        return smaller_rate(spec.learning_rate)
