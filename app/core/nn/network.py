"""A network made from a list of layers: scores, loss and gradient, by hand.

    scores = network.scores(x)                       x (N, C, H, W) -> (N, classes)
    outcome = network.loss(x, y, reg=1e-3)           terms, gradient along theta, accuracy

All that is learned lies in one vector `theta`, of which W1, b1, gamma1 … are views: solvers and
checkpoints see one array. Nothing about a batch stays behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.nn.chain import Chain, chain_of
from app.core.nn.description import describe_network
from app.core.nn.layer_info import LayerInfo
from app.core.nn.passes import Mover, Pass, nothing
from app.core.nn.plan import plan, rows_of
from app.core.nn.weights import NetworkWeights
from app.core.specs.layers import Layer

__all__ = ["TERM_NAMES", "LossOutcome", "Network"]

TERM_NAMES = ("data", "l2")
# Pictures that are asked about at once: enough for the threads, small enough for the cache.
BATCH = 50

Array = NDArray[Any]


@dataclass(frozen=True)
class LossOutcome:
    """What one batch gave.

    Attributes
    ----------
    terms : ndarray, shape (2,), float64
        Mean loss of the scores, and reg/2 ΣW².
    gradient : ndarray, shape (P,)
        ∂(data + l2)/∂theta.
    accuracy : float
        Share of examples whose largest score is that of their class.
    averages : dict
        Running averages of batchnorm after this batch, by name; `Network.keep_averages` takes
        them.
    dx : ndarray, shape (N, C, H, W), optional
        Slope along the images, when it was asked for.
    """

    terms: NDArray[np.float64]
    gradient: Array
    accuracy: float
    averages: dict[str, Array] = field(repr=False)
    dx: Array | None = None


class Network(NetworkWeights):
    """Layers with their weights.

    Parameters
    ----------
    rows : sequence of Layer
        See `app.core.specs.layers`; the layer of the scores is added if it is missing.
    input_shape : tuple of int
        (C, H, W) of an image.
    classes : int
    dtype : {"float32", "float64"}
    engine : {"compiled", "reference"}, optional
        The fastest there is by default.

    Attributes
    ----------
    theta, running, parameters, averages, decayed : see `NetworkWeights`
    description : NetworkDescription
        Shapes and numbers of all rows.
    kernel : module
        The layer functions, compiled or twins.
    sliced : bool
        Whether they are the twins, whose loops are asked picture by picture.

    Raises
    ------
    ShapeError
        A row is impossible; it is named with its numbers.
    """

    def __init__(
        self,
        rows: Sequence[Layer],
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        dtype: str = "float32",
        engine: str | None = None,
    ) -> None:
        super().__init__(describe_network(rows, input_shape, classes).checked(), dtype)
        self.input_shape, self.classes = input_shape, classes
        self.kernel = kernels.choose(engine)
        # The twins' loops take seconds for a batch: they are asked picture by picture.
        self.sliced = self.kernel is kernels.choose("reference")
        self._chain = chain_of(plan(self.description), join=not self.sliced)
        # As the rows are, for a look at what is between them.
        self._rows = chain_of(rows_of(self.description), join=False)

    def _pass(self, mode: Literal["train", "test"], **more: Any) -> Pass:
        return Pass(self.kernel, self.parameters, self.averages, mode, sliced=self.sliced, **more)

    def forward(
        self,
        x: Array,
        mode: Literal["train", "test"] = "test",
        rng: np.random.Generator | None = None,
        *,
        keep: float = 1.0,
        check: Callable[[], None] = nothing,
        momentum: float = 0.9,
        gradient: dict[str, Array] | None = None,
        mover: Mover | None = None,
    ) -> tuple[Array, tuple[Any, Pass]]:
        """Return scores (N, classes) of images (N, C, H, W), and what `backward` needs."""
        x = np.asarray(x, self.dtype)
        run = self._pass(
            mode,
            rng=rng,
            keep=keep,
            check=check,
            momentum=momentum,
            gradient=gradient or {},
            mover=mover,
        )
        scores, caches = self._chain.forward(x, run)
        return scores.reshape(len(x), self.classes), (caches, run)

    def backward(
        self, dscores: Array, caches: tuple[Any, Pass], need_dx: bool = False
    ) -> tuple[dict[str, Array], Array | None]:
        """Return slopes along the parameters by name, and along the images if they are needed."""
        cache, run = caches
        dx = self._chain.backward(dscores, cache, run, need_dx)
        return run.gradient, dx if need_dx else None

    def loss(
        self,
        x: Array,
        y: NDArray[np.int64],
        *,
        reg: float = 0.0,
        kind: str = "softmax",
        smoothing: float = 0.0,
        keep: float = 1.0,
        mode: Literal["train", "test"] = "train",
        rng: np.random.Generator | None = None,
        check: Callable[[], None] = nothing,
        into: Array | None = None,
        momentum: float = 0.9,
        need_dx: bool = False,
    ) -> LossOutcome:
        """Return loss and gradient of one batch; the network itself is not changed.

        loss = 1/N Σ_n data(scores_n, y_n) + reg/2 ΣW²; biases, gammas and betas do not decay.

        Parameters
        ----------
        kind : {"softmax", "svm"}
        smoothing : float
            Of the labels, see `data_loss`.
        keep : float
            Share of values that dropout keeps where its row says none.
        check : callable
            Called between layers, and between the images of a slow one; what it raises ends it.
        into : ndarray, shape (P,), optional
            Receives the gradient.
        momentum : float
            How much of batchnorm's running averages is kept; with 0 the outcome has the batch's own.
        """
        gradient = np.empty_like(self.theta) if into is None else into
        slopes = self.views(gradient)
        scores, caches = self.forward(
            x, mode, rng, keep=keep, check=check, momentum=momentum, gradient=dict(slopes)
        )
        data, dscores = self.data_loss(scores, y, kind, smoothing)
        _, dx = self.backward(dscores, caches, need_dx)
        squares = 0.0
        for name in sorted(self.decayed) if reg else ():
            w = self.parameters[name].ravel()
            squares += float(np.dot(w, w))
            slopes[name] += w.dtype.type(reg) * self.parameters[name]
        accuracy = float((scores.argmax(axis=1) == y).mean())
        terms = np.array([data, reg / 2 * squares])
        return LossOutcome(terms, gradient, accuracy, caches[1].new_averages, dx)

    def move(
        self,
        x: Array,
        y: NDArray[np.int64],
        mover: Mover,
        *,
        kind: str = "softmax",
        smoothing: float = 0.0,
        keep: float = 1.0,
        rng: np.random.Generator | None = None,
        check: Callable[[], None] = nothing,
    ) -> tuple[NDArray[np.float64], float]:
        """Take one step of a solver; returns the terms that it saw, and the accuracy.

        The same as `loss` and the solver's update after it, with weights moved on the way back.
        When the loss of the scores is no finite number, nothing is moved.

        Parameters
        ----------
        mover : Mover
            The solver with its memory.
        kind, smoothing, keep, rng : see `loss`
        check : callable
            Called between layers on the way forth; what it raises ends it, with nothing moved.
        """
        scores, (caches, run) = self.forward(x, "train", rng, keep=keep, check=check, mover=mover)
        data, dscores = self.data_loss(scores, y, kind, smoothing)
        accuracy = float((scores.argmax(axis=1) == y).mean())
        if np.isfinite(data):
            # From here on there is no way back.
            run.check = nothing
            self.backward(dscores, (caches, run))
            self.keep_averages(run.new_averages)
        return np.array([data, mover.reg / 2 * mover.squares]), accuracy

    def data_loss(
        self, scores: Array, y: NDArray[np.int64], kind: str, smoothing: float = 0.0
    ) -> tuple[float, Array]:
        """Return the mean loss of scores (N, classes), and its slope along them.

        With `smoothing` ε, the right class is wanted with 1 − ε and every class with ε / C more
        (Szegedy et al. 2016): ``loss = CE + ε mean_n(s[n, y_n] − mean_c s[n, c])``. Softmax only.
        """
        function = self.kernel.svm_loss if kind == "svm" else self.kernel.softmax_loss
        loss: float
        loss, dscores = function(scores, y)
        if smoothing and kind == "softmax":
            rows, count = np.arange(len(scores)), scores.dtype.type(len(scores))
            share = scores.dtype.type(smoothing) / count
            right = scores[rows, y] - scores.mean(axis=1)
            loss += smoothing * float(right.mean(dtype=np.float64))
            dscores -= share / scores.dtype.type(scores.shape[1])
            dscores[rows, y] += share
        return loss, dscores

    def scores(self, x: Array, *, check: Callable[[], None] = nothing) -> Array:
        """Return scores (N, classes) without dropout, some images at a time."""
        found = np.empty((len(x), self.classes), self.dtype)
        for start in range(0, len(x), BATCH):
            check()
            found[start : start + BATCH] = self.forward(x[start : start + BATCH], check=check)[0]
        return found

    def outputs(
        self, x: Array, *, check: Callable[[], None] = nothing
    ) -> Iterator[tuple[LayerInfo, Array]]:
        """Yield each row of the list with what it gives for images, without dropout."""
        run = self._pass("test", check=check)
        out: Array = np.asarray(x, self.dtype)
        for layer, operation in zip(self.description.rows, self._rows.operations, strict=True):
            out, _ = operation.forward(out, run)
            yield layer, out

    def through(
        self,
        x: Array,
        first: int = 0,
        last: int | None = None,
        *,
        check: Callable[[], None] = nothing,
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Return what rows `first` to `last` of the list make of x, and the way back through them.

        The way back takes a slope along what comes out and returns the slope along x. Nothing is
        left out, and batchnorm uses its running averages.
        """
        end = None if last is None else last + 1
        chain = Chain(self._rows.operations[first:end])
        run = self._pass("test", check=check)
        out, cache = chain.forward(np.asarray(x, self.dtype), run)

        def back(dout: Array) -> Array:
            dx = chain.backward(np.asarray(dout, self.dtype).reshape(out.shape), cache, run, True)
            assert dx is not None
            return dx

        return out, back
