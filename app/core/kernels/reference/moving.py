"""Affine layers that move their weights on the way back, for training with one solver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.kernels.reference.activations import relu_backward
from app.core.kernels.reference.dense import affine_backward
from app.core.solvers.first_order import update

__all__ = ["affine_backward_update", "affine_relu_backward_update"]


def affine_backward_update(
    solver: str,
    dout: NDArray[Any],
    cache: tuple[Any, ...],
    memory: Sequence[NDArray[Any]],
    step: int,
    learning_rate: float,
    momentum: float,
    reg: float = 0.0,
    need_dx: bool = True,
) -> tuple[NDArray[Any] | None, NDArray[Any], float]:
    """Return dx, and move w by one step of `solver`; for when nobody asks for dw itself.

    Compiled, this passes over w and the solver's memory once, which for a wide layer takes about
    as long as the solver alone.

    Parameters
    ----------
    solver : {"sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad"}
    dout : ndarray, shape (N, M)
    cache : tuple
        From `affine_forward`, whose w (D, M) is changed in place.
    memory : sequence of ndarray, shape (D, M)
        What the rule remembers of w, changed in place: as many as
        `app.core.solvers.first_order.MEMORY` says.
    step, learning_rate, momentum, reg
        See `app.core.solvers.first_order.update`.
    need_dx : bool
        The first layer's dx is of no use to anybody.

    Returns
    -------
    dx : ndarray, shape (N, d1, ..., dk), or None
        By w as it was before.
    db : ndarray, shape (M,)
        The bias does not move.
    squares : float
        Σw², before w moved: the loss of L2 is reg/2 of it.
    """
    w = cache[1]
    squares = float(np.square(w, dtype=np.float64).sum())
    dx, dw, db = affine_backward(dout, cache)
    update(solver, w, dw, memory, step, learning_rate, momentum, reg)
    return dx if need_dx else None, db, squares


def affine_relu_backward_update(
    solver: str,
    dout: NDArray[Any],
    cache: tuple[Any, ...],
    memory: Sequence[NDArray[Any]],
    step: int,
    learning_rate: float,
    momentum: float,
    reg: float = 0.0,
    need_dx: bool = True,
) -> tuple[NDArray[Any] | None, NDArray[Any], float]:
    """Do the same behind a ReLU, with the cache of `affine_relu_forward`."""
    affine_cache, relu_cache = cache
    arguments = (memory, step, learning_rate, momentum, reg, need_dx)
    return affine_backward_update(solver, relu_backward(dout, relu_cache), affine_cache, *arguments)
