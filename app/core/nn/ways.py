"""One network computed in five ways from the same weights: equal, and how fast.

The readable loops, the compiled layers, and PyTorch at its three levels where it is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.devices import load_torch
from app.core.errors import FilterscopeError
from app.core.nn.network import Network
from app.core.specs import ConvNetSpec

__all__ = ["BOUNDS", "WAYS", "Result", "Way", "five_ways", "masks_of", "ways_here"]

Array = NDArray[Any]
# The loss, scores (N, classes), and the gradient (P,).
Result = tuple[float, Array, Array]

WAYS = ("reference", "compiled", "barebones", "module", "sequential")
# How far scores and gradient of two ways may be apart, relative to the largest number.
BOUNDS = {"float64": 1e-9, "float32": 1e-4}

# A way is called again while this lasts: noise only ever makes it slower.
SECONDS, MOST_CALLS = 0.5, 20


@dataclass(frozen=True)
class Way:
    """What one way gave.

    Attributes
    ----------
    name : str
        One of `WAYS`.
    loss : float
        Of the scores, without L2.
    scores : ndarray, shape (N, classes)
    gradient : ndarray, shape (P,)
        Of the loss, along all that is learned.
    seconds : float
        Of both ways through the network, the best of some.
    scores_apart, gradient_apart : float
        Largest difference from the loops' scores and from their gradient, relative to the
        largest number there.
    """

    name: str
    loss: float
    scores: Array = field(repr=False)
    gradient: Array = field(repr=False)
    seconds: float
    scores_apart: float
    gradient_apart: float

    @property
    def apart(self) -> float:
        """The larger of both differences."""
        return max(self.scores_apart, self.gradient_apart)


def ways_here() -> tuple[tuple[str, ...], str]:
    """Return the names of the ways there are here, and why others are not."""
    names, why = ["reference"], []
    if kernels.COMPILED:
        names.append("compiled")
    else:
        why.append(f"There are no compiled layers: {kernels.REASON}.")
    try:
        load_torch()
    except FilterscopeError as error:
        why.append(error.message)
    else:
        names += WAYS[2:]
    return tuple(names), " ".join(why)


def five_ways(
    spec: ConvNetSpec,
    x: Array,
    y: NDArray[np.int64],
    classes: int,
    say: Callable[[str], None] = lambda _name: None,
) -> Iterator[Way]:
    """Yield each way that there is here as soon as it is computed, the readable loops first.

    Parameters
    ----------
    spec : ConvNetSpec
        Its layers, first weights, seed, precision, loss and dropout; the masks are the same
        everywhere.
    x : ndarray, shape (N, C, H, W)
        A few images: the loops take seconds.
    y : ndarray of int, shape (N,)
    classes : int
    say : callable, optional
        Told the name of each way before it is computed; may raise `Cancelled`.

    Raises
    ------
    ShapeError
        A row is impossible.
    """
    x = np.ascontiguousarray(x, spec.precision)
    names, _ = ways_here()
    loops: Result | None = None
    for name, function in _ways(names, spec, x, y, classes):
        say(name)
        # The loops are slow, and start nothing that would make a first call slower.
        result, seconds = _timed(function, warm=name != "reference")
        loops = loops or result
        scores, gradient = (_apart(*pair) for pair in zip(result[1:], loops[1:], strict=True))
        yield Way(name, *result, seconds, scores, gradient)


def _ways(
    names: tuple[str, ...], spec: ConvNetSpec, x: Array, y: NDArray[np.int64], classes: int
) -> Iterator[tuple[str, Callable[[], Result]]]:
    def make(engine: str) -> Network:
        network = Network(spec.rows, x.shape[1:], classes, dtype=spec.precision, engine=engine)
        network.initialise(
            np.random.default_rng([spec.seed, 1]),
            how=spec.initialisation,
            weight_scale=spec.weight_scale,
        )
        return network

    for engine in WAYS[:2]:
        if engine in names:
            network = make(engine)
            yield engine, lambda network=network: _by_hand(network, spec, x, y)  # type: ignore[misc]
    if WAYS[2] in names:
        from app.core.torch_models.five_ways import torch_ways

        yield from torch_ways(make("reference"), spec, x, y)


def masks_of(spec: ConvNetSpec) -> np.random.Generator:
    """Return the generator of dropout's masks: that of the first step of a training."""
    return np.random.default_rng([spec.seed, 8, 0])


def _by_hand(network: Network, spec: ConvNetSpec, x: Array, y: NDArray[np.int64]) -> Result:
    scores, caches = network.forward(x, "train", masks_of(spec), keep=1 - spec.dropout)
    loss, dscores = network.data_loss(scores, y, spec.loss, spec.label_smoothing)
    slopes, _ = network.backward(dscores, caches)
    return loss, scores, np.concatenate([slopes[name].ravel() for name in network.parameters])


def _timed(function: Callable[[], Result], *, warm: bool = True) -> tuple[Result, float]:
    # The first call starts threads and loads libraries: it is nobody's time.
    if warm:
        function()
    best, began, calls = np.inf, time.perf_counter(), 0
    while calls == 0 or (calls < MOST_CALLS and time.perf_counter() - began < SECONDS):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return result, best


def _apart(one: Array, other: Array) -> float:
    largest: float = max(float(np.abs(other).max()), float(np.finfo(other.dtype).tiny))
    furthest: float = float(np.abs(one - other).max())
    return furthest / largest
