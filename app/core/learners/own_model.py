"""A person's own network behind the learner's protocol; it runs in a process that can be ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages, augmentation_rng
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.learners.best_model import BestModel, best_arrays, best_of, train_sample
from app.core.learners.own_model_judging import OwnModelJudging
from app.core.learners.protocol import (
    Evaluation,
    Learner,
    StepOutcome,
    check_state,
    smaller_rate,
)
from app.core.nn.network import TERM_NAMES
from app.core.own_model.file import ModelFile, needs_consent, read_model_file
from app.core.own_model.hosted import KEPT, HostedModel, shapes_by_name
from app.core.own_model.remote import OwnModelError
from app.core.predictions import Predictions
from app.core.runs import ModelInfo
from app.core.runs.weights import as_filters
from app.core.solvers.schedules import rate
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.threads import kernel_threads

__all__ = ["OwnModelLearner", "learner_of_run", "let_go"]

Array = NDArray[Any]


class OwnModelLearner(OwnModelJudging):
    """A module of the person's, on PyTorch.

    Parameters
    ----------
    data : FittedImages
    spec : ConvNetSpec
        Its solver, batch, loss, regularisation, precision, seed and device count; layers, first
        weights and dropout are the file's own.
    model : ModelFile
        The person agreed that it is run.
    threads : int, optional
    interrupt : ndarray, shape (1,), int32, optional
        Of the `Control` that steers it: a stop ends it while it is being built.

    Attributes
    ----------
    best : BestModel or None
    last_evaluation : Evaluation or None
    answers : Predictions or None
        For the validation images, of the last evaluation.
    info : ModelInfo
        What a run keeps of it.
    host : HostedModel
        Its process; whoever asks the network again after it was closed starts another.

    Raises
    ------
    FilterscopeError
        The file is none that can be trained; the line that raised is named.
    """

    term_names: ClassVar[tuple[str, ...]] = TERM_NAMES

    def __init__(
        self,
        data: FittedImages,
        spec: ConvNetSpec,
        model: ModelFile,
        *,
        threads: int | None = None,
        interrupt: NDArray[np.int32] | None = None,
    ) -> None:
        if spec.solver == "lbfgs":
            raise UsageError(
                "L-BFGS is not there for an own model.", "Choose another solver, such as Adam."
            )
        self.data, self.spec, self.model = data, spec, model
        self.threads = threads or kernel_threads(window=False)
        self.taken = self._evaluated_at = 0
        self.best: BestModel | None = None
        self.last_evaluation: Evaluation | None = None
        self.answers: Predictions | None = None
        self._sample = train_sample(data, spec.seed)
        self._problem: FilterscopeError | None = None
        self.host = HostedModel(model, data, spec, self.threads, interrupt)

    # --- what there is

    @property
    def engine(self) -> str:
        """What computes, for people."""
        facts, notes = self.host.facts, "; ".join(self.notes)
        where = facts["device"]
        if facts["kind"] == "cpu":
            where += f", {self.threads} thread{'s' if self.threads > 1 else ''}"
        beside = f" ({notes})" if notes else ""
        return f"{facts['name']} of {self.model.name}, PyTorch {facts['torch']}, {where}{beside}"

    @property
    def notes(self) -> Sequence[str]:
        """What could not be had as it was asked for."""
        return tuple(str(note) for note in self.host.facts["notes"])

    @property
    def info(self) -> ModelInfo:
        """What a run keeps of it."""
        return ModelInfo(
            path=self.model.path,
            name=self.host.facts["name"],
            sha256=self.model.sha256,
            wanted=self.model.wanted,
            parameters=shapes_by_name(self.host.facts["parameters"]),
            averages=shapes_by_name(self.host.facts["averages"]),
            filters=self.host.facts["filters"],
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What it learns, then its running averages, by their names in its state_dict."""
        return dict((*self.info.parameters, *self.info.averages))

    def steps_per_epoch(self, spec: TrainingSpec) -> int:
        """Return N / batch, rounded up."""
        return -(-len(self.data.split.train) // spec.batch_size)

    # --- steps

    def steps(
        self,
        order: NDArray[np.int64],
        spec: ConvNetSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        """Take steps; see `Learner`. A stop waits a second for one that lasts long."""
        self.host.interrupt = interrupt
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem
        most = min(most, -(-len(order) // spec.batch_size))
        terms: list[NDArray[np.float64]] = []
        finite = True
        for number in range(most):
            rows = order[number * spec.batch_size : (number + 1) * spec.batch_size]
            try:
                found = self._step(rows, spec, interrupt)
            except Cancelled:
                # It was ended for a stop; what it had learned is here.
                self._check_whole()
                break
            except OwnModelError as error:
                problem = self._no_room(error, len(rows)) if error.memory else error
                if not terms:
                    raise problem from None
                # The steps before it count: it is told when the next is asked for.
                self._problem = problem
                break
            finite = bool(found[3])
            if np.isfinite(found[:2].sum()):
                terms.append(found[:3])
                self.taken += 1
            if not finite or interrupt[0] or self.evaluation_due(spec):
                break
        seen = np.array(terms).reshape(len(terms), 3)
        return StepOutcome(seen[:, :2], finite, accuracies=seen[:, 2])

    def _step(
        self, rows: NDArray[np.int64], spec: ConvNetSpec, interrupt: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        per_epoch = self.steps_per_epoch(spec)
        epoch, step = divmod(self.taken, per_epoch)
        indices = self.data.split.train[rows]
        rng = augmentation_rng(spec.seed, epoch, step)
        self.host.be_there()
        self._hand_over(self.data.batch(indices, rng, np.dtype(spec.precision)), indices)
        self.host.ask(
            {
                "do": "step",
                "count": len(rows),
                "step": self.taken,
                "seed": spec.seed,
                "rate": rate(spec, self.taken, per_epoch),
                "momentum": spec.momentum,
                "reg": spec.reg,
                "loss": spec.loss,
                "smoothing": spec.label_smoothing,
                # Looking at all weights takes its time: once in an epoch is enough.
                "check": (self.taken + 1) % per_epoch == 0,
            },
            interrupt,
        )
        self.host.stale = True
        return self.host.shared["results"].copy()

    def _no_room(self, error: OwnModelError, batch: int) -> FilterscopeError:
        message = f"There is too little memory for {batch} images at once. {error.message}"
        if batch < 2:
            return FilterscopeError(message, "Choose a smaller network, or another device.")
        return FilterscopeError(message, f"Try a batch of {batch // 2}.")

    def params_changed(self, old: Any, new: Any) -> None:
        """Live values moved; each step is told them."""

    # --- what is kept

    def snapshot(self) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """Return all weights by their own names, and the first layer's as ``W1``, if pictures."""
        if not self.host.gone:
            self.host.pull()
        weights = self.host.weights()
        first = self.host.facts["filters"]
        if first:
            weights.setdefault("W1", as_filters(weights[first], self.data.images.shape))
        return weights, {}

    def state(self) -> dict[str, Array]:
        """Return copies of all that an exact continuation needs."""
        return {
            **self.host.kept(),
            "counters": np.array([self.taken, self._evaluated_at], np.int64),
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
        check_state({name: self.host.shared[name] for name in KEPT}, state)
        self._problem = None
        self.host.put(**{name: state[name] for name in KEPT})
        self.taken, self._evaluated_at = (int(number) for number in state["counters"])
        self.best = best_of(state)

    def suggestion(self, spec: ConvNetSpec) -> str:
        """Return a learning rate to try: a tenth of the one that failed."""
        return smaller_rate(spec.learning_rate)


def learner_of_run(
    info: ModelInfo, data: FittedImages, spec: ConvNetSpec, threads: int, *, trust_code: bool
) -> OwnModelLearner:
    """Return the network of a run anew, with its first weights.

    Raises
    ------
    FilterscopeError
        Nobody agreed that it is run, or the file is not what it was.
    """
    name = Path(info.path).name
    if not trust_code:
        raise needs_consent(name)
    model = read_model_file(f"{info.path}:{info.wanted}" if info.wanted else info.path)
    if model.sha256 != info.sha256:
        raise UsageError(f"{name} is not what it was when the run was made.")
    return OwnModelLearner(data, spec, model, threads=threads)


def let_go(learner: Learner | None) -> None:
    """End the process of a learner that has one: nobody asks it any more."""
    if isinstance(learner, OwnModelLearner):
        learner.host.close()
