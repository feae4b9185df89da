"""How a network of layers is judged: validation, the best model so far, the test images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core.learners.best_model import KeepsBest, counted
from app.core.learners.protocol import Evaluation, GivenUp
from app.core.nn.looks import scores_of_looks
from app.core.nn.network import Network
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec
from app.core.waiting import Cancel, Progress

__all__ = ["ASKED", "Judging", "Part"]

# Of the training images that are looked at, so many show how layers answer.
BEHAVIOUR_IMAGES = 50
# Images that are asked about at once.
ASKED = 250
# A look is checked at every layer of every batch: about so many images pass between two checks.
CHECKED = 10
# Products that the twins' loops may be asked for in an evaluation: some ten seconds.
TWIN_PRODUCTS = 500_000_000

Array = NDArray[Any]
Part = Literal["train", "validation", "test"]


class Judging(KeepsBest):
    """The part of a learner that looks at images without learning from them.

    Attributes
    ----------
    mirror_looks : bool
        The best model was chosen by looks of this kind: one kind for the whole of a training.
    """

    network: Network
    mirror_looks: bool

    @abstractmethod
    def _check(self, interrupt: NDArray[np.int32]) -> Callable[[], None]: ...

    @abstractmethod
    def _threads(self) -> AbstractContextManager[None]: ...

    def validate(self, spec: ConvNetSpec, interrupt: NDArray[np.int32]) -> Evaluation | None:
        """Look at the fixed sample of training images and at the validation images."""
        try:
            with self._threads(), np.errstate(all="ignore"):
                train = self._predict(self.network, self._few(self._sample), self._check(interrupt))
                rows = self._few(self.data.split.validation)
                found = self._predict(self.network, rows, self._check(interrupt))
                seen = self._behave(self._check(interrupt))
        except GivenUp:
            return None
        return self._judged(train, found, lambda: (self.network.theta, self.network.running), *seen)

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
        for start in range(0, len(rows), ASKED):
            piece = rows[start : start + ASKED]

            def ask(mirrored: bool, piece: NDArray[np.int64] = piece) -> Array:
                return network.scores(self.data.rows(piece, network.dtype, mirrored), check=check)

            scores[start : start + ASKED] = scores_of_looks(ask, self.mirror_looks)
        return Predictions.of_scores(rows, self.data.labels(rows), scores)

    def score(
        self,
        part: Part,
        *,
        best: bool = True,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
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
        check = counted(len(rows), CHECKED, cancel, progress)
        with self._threads(), np.errstate(all="ignore"):
            return self._predict(network, rows, check)

    def best_network(self) -> Network:
        """Return a network of its own with the best weights, or the present ones without any."""
        if self.best is None:
            return self._copy(self.network.theta, self.network.running)
        return self._copy(self.best.theta, self.best.running)

    def _copy(self, theta: Array, running: Array) -> Network:
        network = Network(
            [layer.row for layer in self.network.description.rows],
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
