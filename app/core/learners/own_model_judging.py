"""How a person's own network is judged; see `judging.py` for networks of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import Cancelled, FilterscopeError
from app.core.kernels import reference
from app.core.learners.best_model import KeepsBest, counted
from app.core.learners.judging import Part
from app.core.learners.protocol import Evaluation
from app.core.nn.looks import scores_of_looks
from app.core.own_model.file import ModelFile
from app.core.own_model.hosted import ANSWER_SECONDS, ASKED, HostedModel
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec
from app.core.waiting import Cancel, Progress

__all__ = ["OwnModelJudging"]

Array = NDArray[Any]


class OwnModelJudging(KeepsBest):
    """The part of a learner that asks a network in its process about images.

    Attributes
    ----------
    host : HostedModel
        Its process.
    answers : Predictions or None
        For the validation images, of the last evaluation.
    """

    spec: ConvNetSpec
    model: ModelFile
    host: HostedModel
    answers: Predictions | None

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
        self.answers = found if len(rows) else train
        return self._judged(train, found, self._vectors)

    def _vectors(self) -> tuple[Array, Array]:
        """Return the weights as they are now, and the running averages."""
        self.host.pull()
        return self.host.shared["theta"], self.host.shared["running"]

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
        cancel: Cancel | None = None,
        progress: Progress | None = None,
    ) -> Predictions:
        """Return what the network says of the images of one part; see `ConvNetLearner.score`."""
        rows = self._sample if part == "train" else getattr(self.data.split, part)
        check = counted(len(rows), ASKED, cancel, progress)
        now = self.host.kept()
        chosen = self.best if best else None
        if chosen is not None:
            self.host.put(theta=chosen.theta, running=chosen.running)
        try:
            return self._predict(rows, self.spec.mirror_looks, check=check)
        finally:
            if chosen is not None:
                self.host.put(**now)

    def evaluate(self, spec: ConvNetSpec) -> NDArray[np.float64] | None:
        """Return the terms (2,) over the fixed sample of training images, unless it was ended."""
        if self.host.gone:
            return None
        answers = self._predict(self._sample)
        # Of the softmax; a hinge loss is not told by probabilities alone, and is computed here.
        data = answers.loss if spec.loss == "softmax" else _hinge_loss(answers)
        self.host.pull()
        learned = {name for name, _ in self.host.facts["parameters"]}
        squares = sum(
            float(np.square(array, dtype=np.float64).sum())
            for name, array in self.host.weights().items()
            if array.ndim > 1 and name in learned
        )
        return np.array([data, spec.reg / 2 * squares])

    def _hand_over(self, x: Array, indices: NDArray[np.int64]) -> None:
        self.host.shared["x"][: x.size] = x.reshape(-1)
        self.host.shared["y"][: len(indices)] = self.data.labels(indices)

    def _check_whole(self) -> None:
        if self.host.lost:
            raise FilterscopeError(
                f"{self.model.name} did not answer and was ended with what it had learned.",
                "The run has what was kept last: filterscope runs resume.",
            )


def _hinge_loss(answers: Predictions) -> float:
    """Return the mean hinge loss; differences of scores are those of the logarithms of shares."""
    scores = np.log(np.maximum(answers.probabilities, np.finfo(np.float64).tiny))
    return reference.svm_loss(scores, answers.labels)[0]
