"""A network made from a list of layers: scores, loss and gradient, by hand.

    scores = network.scores(x)                       x (N, C, H, W) -> (N, classes)
    outcome = network.loss(x, y, reg=1e-3)           terms, gradient along theta, accuracy

All that is learned lies in one vector `theta`, of which W1, b1, gamma1 … are views: solvers and
checkpoints see one array. Nothing about a batch stays behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.nn.description import LayerInfo, describe_network
from app.core.nn.operations import (
    Chain,
    Mover,
    Operation,
    Pass,
    nothing,
    operation_for,
    residual_for,
)
from app.core.specs.layers import Batchnorm, Dropout, Layer, Residual

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


class Network:
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
    description : NetworkDescription
        Shapes and numbers of all rows.
    theta : ndarray, shape (P,)
        All that is learned; zeros, gammas 1, until `initialise`.
    parameters, averages : dict
        Views of `theta` by name (W1, b1, gamma1 …), and of the running averages of batchnorm.

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
        self.description = describe_network(rows, input_shape, classes).checked()
        self.input_shape, self.classes = input_shape, classes
        self.kernel = kernels.choose(engine)
        # The twins' loops take seconds for a batch: they are asked picture by picture.
        self.sliced = self.kernel is kernels.choose("reference")
        self.theta: Array = np.zeros(self.description.parameter_count, dtype)
        self.parameters = self.views(self.theta)
        self.decayed = frozenset(p.name for p in self.description.parameters if p.fan_in)
        self.running: Array = np.zeros(2 * sum(self._normed().values()), dtype)
        self.averages = self._views_of_averages(self.running)
        for name, array in (*self.parameters.items(), *self.averages.items()):
            if name.startswith(("gamma", "running_var")):
                array[...] = 1
        self._chain = self._build(join=not self.sliced)
        # As the rows are, for a look at what is between them.
        self._rows = self._build(join=False)

    # --- what there is

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of weights and scores."""
        return self.theta.dtype

    def views(self, vector: Array) -> dict[str, Array]:
        """Return the parts of a vector (P,) by name, as views."""
        parts, at = {}, 0
        for parameter in self.description.parameters:
            parts[parameter.name] = vector[at : at + parameter.size].reshape(parameter.shape)
            at += parameter.size
        return parts

    def _normed(self) -> dict[str, int]:
        """Return how many channels each batchnorm has, by its number."""
        return {
            layer.parameters[0].name.removeprefix("gamma"): layer.parameters[0].size
            for layer in self.description.layers
            if isinstance(layer.row, Batchnorm)
        }

    def _views_of_averages(self, vector: Array) -> dict[str, Array]:
        parts, at = {}, 0
        for number, size in self._normed().items():
            for name in ("running_mean", "running_var"):
                parts[f"{name}{number}"] = vector[at : at + size]
                at += size
        return parts

    def _build(self, *, join: bool) -> Chain:
        """Return the operations, in the order of the rows."""
        top = [layer for layer in self.description.layers if len(layer.place) == 1]
        drops = any(isinstance(layer.row, Dropout) for layer in self.description.layers)
        operations: list[Operation] = []
        for layer in top:
            if not drops and layer is top[-1]:
                operations.append(operation_for(Dropout(), (), layer.in_shape))
            operations.append(self._operation(layer, join))
        return Chain(operations, join)

    def _operation(self, layer: LayerInfo, join: bool) -> Operation:
        names = tuple(parameter.name for parameter in layer.parameters)
        if not isinstance(layer.row, Residual):
            return operation_for(layer.row, names, layer.in_shape)
        inside = [
            self._operation(inner, join)
            for inner in self.description.layers
            if len(inner.place) == len(layer.place) + 1 and inner.place[:-1] == layer.place
        ]
        return residual_for(Chain(inside, join), names, layer.in_shape, layer.out_shape)

    # --- weights

    def initialise(
        self,
        rng: np.random.Generator | np.random.RandomState,
        *,
        how: str = "normal",
        weight_scale: float = 1e-3,
    ) -> None:
        """Draw the first weights; biases are 0, gammas 1, betas 0.

        Parameters
        ----------
        how : {"normal", "he", "uniform"}
            N(0, weight_scale²), or N(0, 2 / inputs): He et al. 2015, which keeps the variance of
            signals through ReLUs. Or evenly within ±1/√inputs, as torch's layers begin.
        """
        for parameter in self.description.parameters:
            array = self.parameters[parameter.name]
            array[...] = 1 if parameter.name.startswith("gamma") else 0
            if parameter.fan_in and how == "uniform":
                reach = 1 / np.sqrt(parameter.fan_in)
                array[...] = rng.uniform(-reach, reach, parameter.shape)
            elif parameter.fan_in:
                deviation = weight_scale if how == "normal" else np.sqrt(2 / parameter.fan_in)
                array[...] = rng.normal(0, deviation, parameter.shape)

    def weights(self) -> dict[str, Array]:
        """Return all that a use of the network needs, by name, as views."""
        return {**self.parameters, **self.averages}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Take up what `weights` returned, of this network or an equal one.

        Raises
        ------
        ValueError
            An array is missing or of another network.
        """
        own = self.weights()
        for name, array in own.items():
            if name not in weights or weights[name].shape != array.shape:
                raise ValueError(f"{name} is missing or of another network")
        for name, array in own.items():
            array[...] = weights[name]

    def keep_averages(self, averages: Mapping[str, Array]) -> None:
        """Let batchnorm use these running averages from now on."""
        for name, array in averages.items():
            self.averages[name][...] = array

    # --- what it computes

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

    def l2(self, reg: float) -> float:
        """Return reg/2 ΣW²."""
        weights = [self.parameters[name] for name in sorted(self.decayed)]
        return reg / 2 * sum(float(np.vdot(w, w)) for w in weights)

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

    def feature_maps(self, x: Array, place: tuple[int, ...]) -> Array:
        """Return what the row at `place` gives for images (N, C, H, W): (N, F, H', W') or (N, D).

        Only rows of the list itself can be asked for, not those inside of a residual block.
        """
        for layer, out in self.outputs(x):
            if layer.place == tuple(place):
                return out
        raise ValueError(f"there is no row {place}")

    def outputs(
        self, x: Array, *, check: Callable[[], None] = nothing
    ) -> Iterator[tuple[LayerInfo, Array]]:
        """Yield each row of the list with what it gives for images, without dropout."""
        run = self._pass("test", check=check)
        layers = [layer for layer in self.description.layers if len(layer.place) == 1]
        out: Array = np.asarray(x, self.dtype)
        waiting = iter(layers)
        # An operation that no row stands for, dropout before the scores, does nothing here.
        extra = len(self._rows.operations) - len(layers)
        for index, operation in enumerate(self._rows.operations):
            out, _ = operation.forward(out, run)
            if not (extra and index == len(layers) - 1):
                yield next(waiting), out

    @property
    def rows(self) -> tuple[LayerInfo, ...]:
        """The rows of the list, without those inside of residual blocks."""
        return tuple(layer for layer in self.description.layers if len(layer.place) == 1)

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
        count = len(self.rows)
        end = count - 1 if last is None else last
        # An operation that no row stands for, dropout before the scores, does nothing here.
        extra = len(self._rows.operations) - count if end == count - 1 else 0
        chain = Chain(self._rows.operations[first : end + 1 + extra])
        run = self._pass("test", check=check)
        out, cache = chain.forward(np.asarray(x, self.dtype), run)

        def back(dout: Array) -> Array:
            dx = chain.backward(np.asarray(dout, self.dtype).reshape(out.shape), cache, run, True)
            assert dx is not None
            return dx

        return out, back
