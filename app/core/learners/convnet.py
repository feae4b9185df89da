"""A convolutional network on labelled images behind the learner's protocol."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.control import GIVE_UP
from app.core.data.image_preprocess import FittedImages, augmentation_rng
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.learners.protocol import Evaluation, StepOutcome
from app.core.memory import Need, enough_for
from app.core.nn.description import describe_network
from app.core.nn.looks import scores_of_looks
from app.core.nn.network import TERM_NAMES, Network
from app.core.nn.operations import SAMPLE, Mover, nothing
from app.core.predictions import Predictions
from app.core.solvers.first_order import MEMORY, update
from app.core.solvers.lbfgs import LBFGS
from app.core.solvers.schedules import rate
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.threads import kernel_threads

__all__ = ["BestModel", "ConvNetLearner"]

# Training images that are looked at beside the validation images, always the same.
TRAIN_SAMPLE = 1000
# Of these, so many show how layers answer.
BEHAVIOUR_IMAGES = 50
# Products that the twins' loops may be asked for in an evaluation: some ten seconds.
TWIN_PRODUCTS = 500_000_000
# The weights are kept so often, to go back to from a step that was too much.
MARK_STEPS = 50
# Images that L-BFGS, which looks at all of them in each iteration, is good for.
MOST_LBFGS_IMAGES = 20_000

# Arrays of the weights' size: they, the solver's memory, both at the mark and in a checkpoint's
# copies, the best model, the gradient, and snapshots.
COPIES = {solver: 5 * (1 + memory) + 6 for solver, memory in MEMORY.items()} | {"lbfgs": 6 * 41}

# What has no room, and what to do where no batch would have.
NETWORK = "This network and its batches"
SMALLER = "Take fewer or smaller layers, or pool earlier."

Array = NDArray[Any]
Part = Literal["train", "validation", "test"]


class _GivenUp(Exception):  # noqa: N818 - no error
    """A pause or a stop came in the middle of a step; nothing has changed."""


@dataclass
class _Mark:
    """The state before some steps, and all that repeats them."""

    theta: Array
    memory: Array
    running: Array
    taken: int
    steps: list[tuple[NDArray[np.int64], ConvNetSpec]] = field(default_factory=list)


@dataclass(frozen=True)
class _Whole:
    """What all training images say at some weights."""

    terms: NDArray[np.float64]
    accuracy: float
    averages: dict[str, Array]


@dataclass(frozen=True)
class BestModel:
    """The weights with the highest validation accuracy so far.

    `weights` maps names to arrays as `Network.weights` does.
    """

    step: int
    accuracy: float
    loss: float
    theta: Array = field(repr=False)
    running: Array = field(repr=False)


class ConvNetLearner:
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
            _check_lbfgs(data, spec)
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
        self._reached: _Whole | None = None
        self._evaluated_at = 0
        # The twins and L-BFGS need the gradient as a whole.
        whole = self.network.sliced or spec.solver == "lbfgs"
        self._gradient: Array = np.zeros_like(self.network.theta[: None if whole else 0])
        self._samples: Mapping[str, Array] = {}
        self._memories = self._views_of_memory()
        self._mark: _Mark | None = None
        rng = np.random.default_rng([spec.seed, 9])
        count = min(TRAIN_SAMPLE, len(data.split.train))
        self._sample = np.sort(rng.choice(data.split.train, count, replace=False))

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
            except _GivenUp:
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
                raise _GivenUp
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
            self._mark = _Mark(
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

    def _iterate(self, spec: ConvNetSpec, interrupt: NDArray[np.int32]) -> StepOutcome:
        """Take one iteration of L-BFGS over all training images."""
        network, check = self.network, self._check(interrupt)
        kept = network.theta.copy()
        seen: dict[float, _Whole] = {}
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
        except _GivenUp:
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

    def _whole(self, spec: ConvNetSpec, check: Callable[[], None]) -> tuple[_Whole, Array]:
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
        return _Whole(terms, accuracy, averages), gradient

    def params_changed(self, old: ConvNetSpec, new: ConvNetSpec) -> None:
        """Drop L-BFGS's curvature: it belongs to another function now."""
        self.lbfgs.reset()
        self._reached = None

    # --- evaluation

    def evaluation_due(self, spec: ConvNetSpec) -> bool:
        """Return whether an epoch, or `evaluate_every` steps, are done and were not looked at."""
        if self.taken == self._evaluated_at:
            return False
        every = spec.evaluate_every or self.steps_per_epoch(spec)
        return self.taken % every == 0 or self.taken % self.steps_per_epoch(spec) == 0

    def validate(self, spec: ConvNetSpec, interrupt: NDArray[np.int32]) -> Evaluation | None:
        """Look at the fixed sample of training images and at the validation images."""
        try:
            with self._threads(), np.errstate(all="ignore"):
                train = self._predict(self.network, self._few(self._sample), self._check(interrupt))
                rows = self._few(self.data.split.validation)
                found = self._predict(self.network, rows, self._check(interrupt))
                seen = self._behave(self._check(interrupt))
        except _GivenUp:
            return None
        self._evaluated_at = self.taken
        if not len(rows):
            self.last_evaluation = Evaluation(train.accuracy, None, None, False, *seen)
            return self.last_evaluation
        best = self.best is None or found.accuracy > self.best.accuracy
        if best:
            network = self.network
            self.best = BestModel(
                self.taken,
                found.accuracy,
                found.loss,
                network.theta.copy(),
                network.running.copy(),
            )
        self.last_evaluation = Evaluation(train.accuracy, found.accuracy, found.loss, best, *seen)
        return self.last_evaluation

    def _behave(self, check: Callable[[], None]) -> tuple[dict[str, Array], tuple[str, ...]]:
        """Return how each row answers to some images: mean, deviation, share that is always 0.

        It is one more pass of a few images beside the many that an evaluation asks for.
        """
        rows = self._few(self._sample)[:BEHAVIOUR_IMAGES]
        layers, found = [], []
        images = self.data.rows(rows, self.network.dtype)
        for layer, out in self.network.outputs(images, check=check):
            dead = (out == 0).reshape(*out.shape[:2], -1).all(axis=(0, 2)).mean()
            found.append((out.mean(), out.std(), dead))
            layers.append(layer.row.text)
        columns = np.array(found, np.float32).reshape(-1, 3).T
        return dict(zip(("mean", "deviation", "dead"), columns, strict=True)), tuple(layers)

    def _few(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return as many rows as the engine can look at in some seconds, spread over all."""
        if not self.network.sliced:
            return rows
        most = max(10, TWIN_PRODUCTS // max(self.network.description.multiply_adds, 1))
        return rows if len(rows) <= most else rows[:: -(-len(rows) // most)]

    def _predict(
        self, network: Network, rows: NDArray[np.int64], check: Callable[[], None]
    ) -> Predictions:
        scores = np.empty((len(rows), network.classes))
        for start in range(0, len(rows), 250):
            piece = rows[start : start + 250]

            def ask(mirrored: bool, piece: NDArray[np.int64] = piece) -> Array:
                return network.scores(self.data.rows(piece, network.dtype, mirrored), check=check)

            scores[start : start + 250] = scores_of_looks(ask, self.mirror_looks)
        return Predictions.of_scores(rows, self.data.labels(rows), scores)

    def score(
        self,
        part: Part,
        *,
        best: bool = True,
        cancel: Callable[[], bool] | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> Predictions:
        """Return what the network says of the images of one part, each looked at once.

        The test images are for the end: who asks marks them as used, see `RunFolder.mark_tested`.

        Parameters
        ----------
        part : {"train", "validation", "test"}
            Of the training images, the fixed sample.
        best : bool
            Whether the model that validation chose is asked, where there is one; else the
            present one. It may be called while another thread trains.

        Raises
        ------
        Cancelled
            `cancel` returned true.
        """
        rows = self._sample if part == "train" else getattr(self.data.split, part)
        network = (
            self.best_network() if best else self._copy(self.network.theta, self.network.running)
        )
        asked = 0

        def check() -> None:
            nonlocal asked
            if cancel is not None and cancel():
                raise Cancelled("The evaluation was given up.")
            if progress is not None:
                asked += 1
                progress(min(1.0, asked * 10 / max(len(rows), 1)), "Asking the network")

        with self._threads(), np.errstate(all="ignore"):
            return self._predict(network, rows, check)

    def best_network(self) -> Network:
        """Return a network of its own with the best weights, or the present ones without any."""
        if self.best is None:
            return self._copy(self.network.theta, self.network.running)
        return self._copy(self.best.theta, self.best.running)

    def _copy(self, theta: Array, running: Array) -> Network:
        network = Network(
            [layer.row for layer in self.network.description.layers if len(layer.place) == 1],
            self.network.input_shape,
            self.network.classes,
            dtype=str(self.network.dtype),
            engine="reference" if self.network.sliced else None,
        )
        network.theta[...] = theta
        network.running[...] = running
        return network

    def evaluate(self, spec: ConvNetSpec) -> NDArray[np.float64]:
        """Return the terms (2,) over the fixed sample of training images."""
        rows = self._few(self._sample)
        data, network = 0.0, self.network
        with self._threads(), np.errstate(all="ignore"):
            for start in range(0, len(rows), 50):
                piece = rows[start : start + 50]
                scores = network.scores(self.data.rows(piece, network.dtype))
                loss, _ = network.data_loss(
                    scores, self.data.labels(piece), spec.loss, spec.label_smoothing
                )
                data += loss * len(piece) / len(rows)
            return np.array([data, network.l2(spec.reg)])

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
        best = self.best
        return {
            "theta": self.network.theta.copy(),
            "running": self.network.running.copy(),
            "memory": self.memory.copy(),
            "counters": np.array([self.taken, self._evaluated_at, self.memory_began], np.int64),
            "lbfgs_s": np.stack([s for s, _ in pairs]) if pairs else empty,
            "lbfgs_y": np.stack([y for _, y in pairs]) if pairs else empty,
            "best_theta": empty[0:0] if best is None else best.theta.copy(),
            "best_running": empty[0:0] if best is None else best.running.copy(),
            "best": np.empty(0)
            if best is None
            else np.array([best.step, best.accuracy, best.loss]),
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
        for name, array in own.items():
            if state[name].shape != array.shape or state[name].dtype != array.dtype:
                raise ValueError(f"{name} is of another network or solver")
        for name, array in own.items():
            array[...] = state[name]
        self.taken, self._evaluated_at, *began = (int(number) for number in state["counters"])
        # Checkpoints of older versions have two counters: their solvers remember all steps.
        self.memory_began = began[0] if began else 0
        self.best = None
        if len(state["best"]):
            step, accuracy, loss = (float(number) for number in state["best"])
            self.best = BestModel(
                int(step), accuracy, loss, state["best_theta"].copy(), state["best_running"].copy()
            )
        self._mark = self._reached = None
        self.lbfgs.reset()
        self.lbfgs.pairs.extend(
            (s.copy(), y.copy()) for s, y in zip(state["lbfgs_s"], state["lbfgs_y"], strict=True)
        )

    def suggestion(self, spec: ConvNetSpec) -> str:
        """Return a learning rate to try: a tenth of the one that failed."""
        if spec.solver == "lbfgs":
            return "Try stronger L2 regularisation or another solver."
        return f"Try a learning rate of {spec.learning_rate / 10:.1g}, then Continue."


def need_of(data: FittedImages, spec: ConvNetSpec, shares: int = 1) -> Need:
    """Return what a training of a network takes of this machine's memory, beside the images.

    Raises
    ------
    ShapeError
        A row of the network is impossible.
    """
    description = describe_network(spec.rows, data.images.shape, len(data.classes))
    if description.error is not None:
        raise description.error
    size = np.dtype(spec.precision).itemsize
    images = -(-min(spec.batch_size, len(data.split.train)) // shares)
    values = math.prod(data.images.shape) + sum(math.prod(x.out_shape) for x in description.layers)
    # What every row gives is kept for the way back, and its slope beside it.
    weights = size * COPIES[spec.solver] * description.parameter_count
    return Need(weights, 3 * size * values, images)


def _check_lbfgs(data: FittedImages, spec: ConvNetSpec) -> None:
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
