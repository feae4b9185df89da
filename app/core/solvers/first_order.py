"""Rules that need only the gradient of one mini-batch, on one vector of all weights.

They are the readable form of `update` in the compiled kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEMORY", "SOLVERS", "update"]

# The order is the kernel's numbering.
SOLVERS = ("sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad")

# How many vectors of the weights' size each rule remembers.
MEMORY = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "rmsprop": 1, "adagrad": 1, "lbfgs": 0}

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# How much RMSprop keeps of what it remembers.
DECAY = 0.99


def update(
    solver: str,
    theta: NDArray[Any],
    gradient: NDArray[Any],
    memory: NDArray[Any] | Sequence[NDArray[Any]],
    step: int,
    learning_rate: float,
    momentum: float,
    reg: float = 0.0,
) -> None:
    """Move `theta` (P,) in place by one step of `solver`.

    Parameters
    ----------
    gradient : ndarray, shape (P,)
    memory : ndarray, shape (MEMORY[solver], P)
        What the rule remembers, zero before the first step; changed in place.
    step : int
        Number of this step, from 1.
    learning_rate, momentum : float
    reg : float
        L2 decay that `gradient` does not hold yet: the slope is ``gradient + reg theta``.

    Notes
    -----
    Momentum and Nesterov as in CS231n (the second in the form of Sutskever et al. 2013,
    seen from the point looked ahead to); Adam as in Kingma and Ba 2015, algorithm 1; RMSprop
    after Hinton's lecture 6e, with the numbers of CS231n; Adagrad as in Duchi et al. 2011.
    """
    kind = theta.dtype.type
    if reg:
        gradient = gradient + kind(reg) * theta
    rate, mu = kind(learning_rate), kind(momentum)
    if solver == "sgd":
        theta -= rate * gradient
    elif solver == "momentum":
        v = memory[0]
        v *= mu
        v -= rate * gradient
        theta += v
    elif solver == "nesterov":
        v = memory[0]
        v *= mu
        v -= rate * gradient
        theta += mu * v - rate * gradient
    elif solver == "adam":
        m, v = memory
        m *= kind(BETA1)
        m += kind(1 - BETA1) * gradient
        v *= kind(BETA2)
        v += kind(1 - BETA2) * np.square(gradient)
        m_hat = m * kind(1 / (1 - BETA1**step))
        v_hat = v * kind(1 / (1 - BETA2**step))
        theta -= rate * m_hat / (np.sqrt(v_hat) + kind(EPSILON))
    elif solver == "rmsprop":
        v = memory[0]
        v *= kind(DECAY)
        v += kind(1 - DECAY) * np.square(gradient)
        theta -= rate * gradient / (np.sqrt(v) + kind(EPSILON))
    elif solver == "adagrad":
        v = memory[0]
        v += np.square(gradient)
        theta -= rate * gradient / (np.sqrt(v) + kind(EPSILON))
    else:
        raise ValueError(f"{solver} is no first-order solver")
