"""One network computed in five ways from the same weights: proven equal, and how fast.

The readable loops, the compiled layers, and PyTorch at its three levels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from app.core import kernels
from app.core.nn.network import Network
from app.core.specs import ConvNetSpec
from app.core.threads import cores
from app.core.torch_models.functions import data_loss
from app.core.torch_models.model import Level, Model

__all__ = ["Way", "five_ways"]

Array = NDArray[Any]
# The loss, scores (N, classes), and the gradient (P,).
Result = tuple[float, Array, Array]

# A way is called again while this lasts: noise only ever makes it slower.
SECONDS, MOST_CALLS = 0.5, 20


@dataclass(frozen=True)
class Way:
    """What one way gave.

    Attributes
    ----------
    name : str
        ``reference``, ``compiled``, ``barebones``, ``module`` or ``sequential``.
    loss : float
        Of the scores, without L2.
    scores : ndarray, shape (N, classes)
    gradient : ndarray, shape (P,)
        Of the loss, along all that is learned.
    seconds : float
        Of both ways through the network, the best of some.
    apart : float
        Largest difference of scores and of gradient from those of the loops, relative to their
        largest number.
    """

    name: str
    loss: float
    scores: Array = field(repr=False)
    gradient: Array = field(repr=False)
    seconds: float
    apart: float


def five_ways(spec: ConvNetSpec, x: Array, y: NDArray[np.int64], classes: int) -> Iterator[Way]:
    """Yield each way as soon as it is computed, the readable loops first.

    Without compiled layers there are four.

    Parameters
    ----------
    spec : ConvNetSpec
        Its layers, first weights, seed, precision, loss and dropout; the masks are the same
        everywhere.
    x : ndarray, shape (N, C, H, W)
        A few images: the loops take seconds.
    y : ndarray of int, shape (N,)
    classes : int

    Raises
    ------
    ShapeError
        A row is impossible.
    """
    with ExitStack() as afterwards:
        afterwards.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(cores())
        loops: Result | None = None
        for name, function in _ways(spec, np.ascontiguousarray(x, spec.precision), y, classes):
            result, seconds = _timed(function)
            loops = loops or result
            apart = max(
                _apart(one, other) for one, other in zip(result[1:], loops[1:], strict=True)
            )
            yield Way(name, *result, seconds, apart)


def _ways(
    spec: ConvNetSpec, x: Array, y: NDArray[np.int64], classes: int
) -> Iterator[tuple[str, Callable[[], Result]]]:
    theta: Array | None = None
    for engine in ("reference", "compiled") if kernels.COMPILED else ("reference",):
        network = Network(spec.rows, x.shape[1:], classes, dtype=spec.precision, engine=engine)
        network.initialise(
            np.random.default_rng([spec.seed, 1]),
            how=spec.initialisation,
            weight_scale=spec.weight_scale,
        )
        theta = network.theta
        yield engine, lambda network=network: _by_hand(network, spec, x, y)  # type: ignore[misc]
    assert theta is not None
    for level in get_args(Level):
        running = torch.from_numpy(network.running.copy())
        model = Model(network, level, torch.from_numpy(theta), running)
        yield level, lambda model=model: _by_torch(model, spec, x, y)  # type: ignore[misc]


def _masks(spec: ConvNetSpec) -> np.random.Generator:
    return np.random.default_rng([spec.seed, 8, 0])


def _by_hand(network: Network, spec: ConvNetSpec, x: Array, y: NDArray[np.int64]) -> Result:
    scores, caches = network.forward(x, "train", _masks(spec), keep=1 - spec.dropout)
    loss, dscores = network.data_loss(scores, y, spec.loss, spec.label_smoothing)
    slopes, _ = network.backward(dscores, caches)
    return loss, scores, np.concatenate([slopes[name].ravel() for name in network.parameters])


def _by_torch(model: Model, spec: ConvNetSpec, x: Array, y: NDArray[np.int64]) -> Result:
    mode = model.mode
    mode.train, mode.keep, mode.rng = True, 1 - spec.dropout, _masks(spec)
    scores = model.forward(torch.from_numpy(x))
    loss = data_loss(scores, torch.from_numpy(y), spec.loss, spec.label_smoothing)
    slopes = model.slopes(loss)
    gradient = torch.cat([slope.reshape(-1) for slope in slopes.values()])
    return float(loss.detach()), scores.detach().numpy(), gradient.numpy()


def _timed(function: Callable[[], Result]) -> tuple[Result, float]:
    # The first call starts threads and loads libraries: it is nobody's time.
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
