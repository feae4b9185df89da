"""A person's own network behind the learner's protocol; it runs in a process that can be ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages, augmentation_rng
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.learners.judging import TRAIN_SAMPLE, BestModel, Part
from app.core.learners.protocol import Evaluation, Learner, StepOutcome
from app.core.nn.looks import scores_of_looks
from app.core.nn.network import TERM_NAMES
from app.core.own_model.file import ModelFile, needs_consent, read_model_file
from app.core.own_model.hosted import ANSWER_SECONDS, ASKED, KEPT, HostedModel, shapes_by_name
from app.core.own_model.remote import OwnModelError
from app.core.predictions import Predictions
from app.core.runs import ModelInfo
from app.core.runs.folder import as_filters
from app.core.solvers.schedules import rate
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.threads import kernel_threads

__all__ = ["OwnModelLearner", "learner_of_run", "let_go"]

Array = NDArray[Any]


class OwnModelLearner:
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
        rng = np.random.default_rng([spec.seed, 9])
        count = min(TRAIN_SAMPLE, len(data.split.train))
        self._sample = np.sort(rng.choice(data.split.train, count, replace=False))
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

    def _hand_over(self, x: Array, indices: NDArray[np.int64]) -> None:
        self.host.shared["x"][: x.size] = x.reshape(-1)
        self.host.shared["y"][: len(indices)] = self.data.labels(indices)

    def _check_whole(self) -> None:
        if self.host.lost:
            raise FilterscopeError(
                f"{self.model.name} did not answer and was ended with what it had learned.",
                "The run has what was kept last: filterscope runs resume.",
            )

    def _no_room(self, error: OwnModelError, batch: int) -> FilterscopeError:
        message = f"There is too little memory for {batch} images at once. {error.message}"
        if batch < 2:
            return FilterscopeError(message, "Choose a smaller network, or another device.")
        return FilterscopeError(message, f"Try a batch of {batch // 2}.")

    def params_changed(self, old: Any, new: Any) -> None:
        """Live values moved; each step is told them."""

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
            looks = self.spec.mirror_looks
            train = self._predict(self._sample, looks, interrupt=interrupt)
            rows = self.data.split.validation
            found = self._predict(rows, looks, interrupt=interrupt)
        except Cancelled:
            self._check_whole()
            return None
        self._evaluated_at = self.taken
        if not len(rows):
            self.answers = train
            self.last_evaluation = Evaluation(train.accuracy, None, None, False)
            return self.last_evaluation
        self.answers = found
        best = self.best is None or found.accuracy > self.best.accuracy
        if best:
            self.host.pull()
            theta, running = (self.host.shared[name].copy() for name in ("theta", "running"))
            self.best = BestModel(self.taken, found.accuracy, found.loss, theta, running)
        self.last_evaluation = Evaluation(train.accuracy, found.accuracy, found.loss, best)
        return self.last_evaluation

    def _predict(
        self,
        rows: NDArray[np.int64],
        mirror_looks: bool = False,
        *,
        interrupt: NDArray[np.int32] | None = None,
        check: Callable[[], None] | None = None,
    ) -> Predictions:
        classes = len(self.data.classes)
        scores = np.empty((len(rows), classes))
        piece = rows

        def ask(mirrored: bool) -> NDArray[Any]:
            images = self.data.rows(piece, np.dtype(self.spec.precision), mirrored)
            self._hand_over(images, piece)
            self.host.ask({"do": "scores", "count": len(piece)}, interrupt, ANSWER_SECONDS)
            # A copy: the next answer takes its place.
            return self.host.shared["scores"][: len(piece) * classes].copy()

        self.host.be_there()
        for start in range(0, len(rows), ASKED):
            if check is not None:
                check()
            piece = rows[start : start + ASKED]
            found = scores_of_looks(ask, mirror_looks)
            scores[start : start + ASKED] = found.reshape(len(piece), classes)
        return Predictions.of_scores(rows, self.data.labels(rows), scores)

    def score(
        self,
        part: Part,
        *,
        best: bool = True,
        cancel: Callable[[], bool] | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> Predictions:
        """Return what the network says of the images of one part; see `ConvNetLearner.score`."""
        rows = self._sample if part == "train" else getattr(self.data.split, part)
        asked = 0

        def check() -> None:
            nonlocal asked
            if cancel is not None and cancel():
                raise Cancelled("The evaluation was given up.")
            asked += ASKED
            if progress is not None:
                progress(min(1.0, asked / max(len(rows), 1)), "Asking the network")

        now = self.state()
        chosen = self.best if best else None
        if chosen is not None:
            self.host.put(theta=chosen.theta, running=chosen.running)
        try:
            return self._predict(rows, self.spec.mirror_looks, check=check)
        finally:
            if chosen is not None:
                self.host.put(**{name: now[name] for name in KEPT})

    def evaluate(self, spec: ConvNetSpec) -> NDArray[np.float64] | None:
        """Return the terms (2,) over the fixed sample of training images, unless it was ended."""
        if self.host.gone:
            return None
        answers = self._predict(self._sample)
        # Of the softmax; a hinge loss is not told by probabilities alone, and is computed here.
        data = answers.loss if spec.loss == "softmax" else _hinge(answers)
        self.host.pull()
        squares = sum(
            float(np.square(array, dtype=np.float64).sum())
            for name, array in self.host.weights().items()
            if array.ndim > 1 and name in dict(self.info.parameters)
        )
        return np.array([data, spec.reg / 2 * squares])

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
        if not self.host.gone:
            self.host.pull()
        best = self.best
        empty = np.empty(0, np.dtype(self.spec.precision))
        return {
            **{n: self.host.shared[n].copy() for n in KEPT},
            "counters": np.array([self.taken, self._evaluated_at], np.int64),
            "best_theta": empty if best is None else best.theta.copy(),
            "best_running": empty if best is None else best.running.copy(),
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
        vectors = {name: state[name] for name in KEPT}
        for name, array in vectors.items():
            own = self.host.shared[name]
            if array.shape != own.shape or array.dtype != own.dtype:
                raise ValueError(f"{name} is of another network or solver")
        self._problem = None
        self.host.put(**vectors)
        self.taken, self._evaluated_at = (int(number) for number in state["counters"])
        self.best = None
        if len(state["best"]):
            step, accuracy, loss = (float(number) for number in state["best"])
            self.best = BestModel(
                int(step), accuracy, loss, state["best_theta"].copy(), state["best_running"].copy()
            )

    def suggestion(self, spec: ConvNetSpec) -> str:
        """Return a learning rate to try: a tenth of the one that failed."""
        return f"Try a learning rate of {spec.learning_rate / 10:.1g}, then Continue."


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


def _hinge(answers: Predictions) -> float:
    """Return the mean hinge loss; differences of scores are those of the logarithms of shares."""
    scores = np.log(np.maximum(answers.probabilities, np.finfo(np.float64).tiny))
    rows = np.arange(len(scores))
    margins = np.maximum(0, scores - scores[rows, answers.labels][:, None] + 1)
    return float(margins.sum() / max(len(scores), 1) - 1)
