"""The readable twin of the autoencoder's kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.models.autoencoder import cost_gradient as whole_gradient
from app.core.models.autoencoder import decode, hidden, sparsity, unflatten
from app.core.solvers.first_order import update

__all__ = ["cost_gradient", "train_steps"]

# Rows of a block in a pass over all of them, so that memory does not grow with their number.
BLOCK = 4096
# `between` is called after so many rows, as often as the compiled kernel does.
PIECE = 65_536


def train_steps(
    theta: NDArray[Any],
    memory: NDArray[Any],
    x: NDArray[Any],
    order: NDArray[np.int64],
    terms: NDArray[np.float64],
    rho_hat: NDArray[np.float64],
    interrupt: NDArray[np.int32],
    *,
    hidden_units: int,
    batch_size: int,
    taken: int,
    solver: str,
    decoder: str,
    learning_rate: float,
    momentum: float,
    lam: float,
    beta: float,
    rho: float,
    threads: int = 1,
) -> tuple[int, bool]:
    """Take consecutive steps of a first-order solver, a mini-batch each.

    Parameters
    ----------
    theta : ndarray, shape (P,)
        W1, b1, W2, b2 one after the other; changed in place.
    memory : ndarray, shape (M, P)
        The solver's memory; changed in place.
    x : ndarray, shape (N, D)
        All rows, of the type of `theta` or float32.
    order : ndarray of int64
        Rows to visit; the last mini-batch may be short.
    terms : ndarray, shape (n, 3), float64
        Receives the terms that each step saw; n is the most steps that may be taken.
    rho_hat : ndarray, shape (L,), float64
        Receives the mean activations that the last step saw.
    interrupt : ndarray, shape (1,), int32
        Looked at after every step: not zero means come back.
    taken : int
        Steps that were taken before, for Adam's correction.
    threads : int
        Ignored here; the result does not depend on it.

    Returns
    -------
    done : int
        Steps that were taken.
    finite : bool
        False when the next step's cost is not a finite number; it was not taken.
    """
    width = x.shape[1]
    weights = unflatten(theta, width, hidden_units)
    for step in range(len(terms)):
        rows = x[order[step * batch_size : (step + 1) * batch_size]].astype(theta.dtype, copy=False)
        with np.errstate(all="ignore"):
            seen, gradient, mean = whole_gradient(
                weights, rows, lam=lam, beta=beta, rho=rho, decoder=decoder
            )
            terms[step] = seen
            if not np.isfinite(seen.sum()):
                return step, False
            flat = np.concatenate([gradient[name].ravel() for name in weights])
            update(solver, theta, flat, memory, taken + step + 1, learning_rate, momentum)
        rho_hat[:] = mean
        if interrupt[0]:
            return step + 1, True
    return len(terms), True


def cost_gradient(
    theta: NDArray[Any],
    x: NDArray[Any],
    *,
    hidden_units: int,
    decoder: str,
    lam: float,
    beta: float,
    rho: float,
    gradient: bool = True,
    threads: int = 1,
    between: Callable[[], None] | None = None,
) -> tuple[NDArray[np.float64], NDArray[Any] | None, NDArray[np.float64]]:
    """Return terms (3,), gradient (P,) or None, and ρ̂ (L,) over all rows, block by block.

    Two passes: the mean activations must be known before their slope is. `between` is called
    now and then on the way through many rows; what it raises ends the pass.
    """
    count, width = x.shape

    def blocks() -> Iterator[NDArray[Any]]:
        for start in range(0, count, BLOCK):
            if between is not None and start and start % PIECE == 0:
                between()
            yield x[start : start + BLOCK].astype(theta.dtype, copy=False)

    weights = unflatten(theta, width, hidden_units)
    kind = theta.dtype.type
    with np.errstate(all="ignore"):
        sums = np.zeros(hidden_units)
        for block in blocks():
            sums += hidden(weights, block).sum(axis=0, dtype=np.float64)
        rho_hat = sums / count
        divergence, slope = sparsity(rho_hat, rho)
        pull = (beta / count * slope).astype(theta.dtype)
        total = np.zeros_like(theta)
        parts = unflatten(total, width, hidden_units)
        loss = 0.0
        for block in blocks():
            h = hidden(weights, block)
            o = decode(weights, h, decoder)
            difference = o - block
            loss += float(np.square(difference, dtype=np.float64).sum())
            if not gradient:
                continue
            delta2 = difference / kind(count)
            if decoder == "sigmoid":
                delta2 *= o * (1 - o)
            delta1 = (delta2 @ weights["W2"].T + pull) * (h * (1 - h))
            parts["W1"] += block.T @ delta1
            parts["b1"] += delta1.sum(axis=0)
            parts["W2"] += h.T @ delta2
            parts["b2"] += delta2.sum(axis=0)
        squares = 0.0
        for name in ("W1", "W2"):
            squares += float(np.square(weights[name], dtype=np.float64).sum())
            parts[name] += kind(lam) * weights[name]
    terms = np.array([loss / (2 * count), lam / 2 * squares, beta * divergence])
    return terms, total if gradient else None, rho_hat
