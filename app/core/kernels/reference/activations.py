"""What happens to each value by itself: ReLU and its relatives.

At 0 the slope of ReLU and leaky ReLU is taken from the left, as in torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "elu_backward",
    "elu_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "relu_backward",
    "relu_forward",
]


def relu_forward(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return ``max(x, 0)``, of any shape, and the cache."""
    return np.maximum(x, 0), x


def relu_backward(dout: NDArray[Any], cache: NDArray[Any]) -> NDArray[Any]:
    """Return dx: what is above zero lets the slope through."""
    return dout * (cache > 0)


def leaky_relu_forward(
    x: NDArray[Any], slope: float = 0.01
) -> tuple[NDArray[Any], tuple[NDArray[Any], float]]:
    """Return x where it is above zero and ``slope · x`` elsewhere, and the cache.

    References
    ----------
    Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """
    return np.where(x > 0, x, x * slope), (x, slope)


def leaky_relu_backward(dout: NDArray[Any], cache: tuple[NDArray[Any], float]) -> NDArray[Any]:
    """Return dx."""
    x, slope = cache
    return np.where(x > 0, dout, dout * slope)


def elu_forward(
    x: NDArray[Any], alpha: float = 1.0
) -> tuple[NDArray[Any], tuple[NDArray[Any], float]]:
    """Return x where it is above zero and ``alpha (exp(x) − 1)`` elsewhere, and the cache.

    References
    ----------
    Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential
    linear units (ELUs)", 2015.
    """
    # expm1 of a large x would overflow on the side that is not used.
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), (x, alpha)


def elu_backward(dout: NDArray[Any], cache: tuple[NDArray[Any], float]) -> NDArray[Any]:
    """Return dx: the slope of the left side is ``alpha exp(x)``."""
    x, alpha = cache
    return np.where(x > 0, dout, dout * (alpha * np.exp(np.minimum(x, 0))))
