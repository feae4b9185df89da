"""The autoencoder's compiled kernel: shapes and types are checked here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.kernels import _autoencoder
from app.core.kernels.compiled.sharing import helpers_for
from app.core.models.autoencoder import DECODERS, parameter_count, sparsity, unflatten
from app.core.solvers.first_order import MEMORY, SOLVERS

__all__ = ["INSTRUCTIONS", "cost_gradient", "train_steps"]

INSTRUCTIONS: str = _autoencoder.INSTRUCTIONS

# Rows of a block in a pass over all of them: enough for the threads, small enough for the cache.
BLOCK = 256
# Rows of a call in a pass over all of them, so that the list of rows stays small.
PIECE = 65_536

_own = threading.local()


def _workspace(
    theta: NDArray[Any], width: int, units: int, rows: int, threads: int
) -> _autoencoder.Workspace:
    """Return this thread's arrays, made anew only when a size changes."""
    key = (theta.dtype == np.float64, width, units, rows, threads)
    if getattr(_own, "key", None) != key:
        _own.space = _autoencoder.Workspace(*key)
        _own.key = key
    space: _autoencoder.Workspace = _own.space
    return space


def _check(theta: NDArray[Any], x: NDArray[Any], units: int, threads: int) -> int:
    """Refuse arrays that do not fit; return how many threads there will be."""
    if theta.dtype not in (np.float32, np.float64):
        raise TypeError(f"weights are {theta.dtype}, not float32 or float64")
    if x.dtype not in (np.float32, theta.dtype) or x.ndim != 2 or not x.flags.c_contiguous:
        raise TypeError(f"rows must be a contiguous (N, D) array of float32 or {theta.dtype}")
    if not x.size:
        raise ValueError("there are no rows")
    if theta.shape != (parameter_count(x.shape[1], units),) or not theta.flags.c_contiguous:
        raise ValueError(
            f"{theta.size} weights do not make a network {x.shape[1]}–{units}–{x.shape[1]}"
        )
    threads = max(1, min(threads, _autoencoder.MAX_THREADS))
    # The machine may refuse to start as many; the result is the same.
    return min(threads, 1 + len(helpers_for(threads).inboxes))


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
    """See `app.core.kernels.reference.train_steps`; the result is the same for any `threads`."""
    threads = _check(theta, x, hidden_units, threads)
    if batch_size < 1 or order.ndim != 1:
        raise ValueError("batch_size must be positive and order a list of rows")
    steps = -(-len(order) // batch_size)
    if memory.shape != (MEMORY[solver], theta.size) or memory.dtype != theta.dtype:
        raise ValueError(f"{solver} remembers {MEMORY[solver]} vectors, not {memory.shape}")
    if terms.ndim != 2 or terms.shape[1] != 3 or not 1 <= len(terms) <= steps:
        raise ValueError(f"{len(terms)} steps do not fit {len(order)} rows")
    if rho_hat.shape != (hidden_units,) or interrupt.shape != (1,):
        raise ValueError("rho_hat must be (L,) and interrupt (1,)")
    if decoder not in DECODERS:
        raise ValueError(f"there is no decoder {decoder}")
    if int(order.min()) < 0 or int(order.max()) >= len(x):
        raise IndexError("order names a row that is not there")
    # The kernel never visits more rows than there are, however large a batch was asked for.
    batch_size = min(batch_size, len(order))
    space = _workspace(theta, x.shape[1], hidden_units, batch_size, threads)
    return _autoencoder.train_steps(
        space,
        theta,
        memory,
        x,
        np.ascontiguousarray(order, np.int64),
        terms,
        rho_hat,
        interrupt,
        batch_size,
        taken,
        SOLVERS.index(solver),
        decoder == "linear",
        learning_rate,
        momentum,
        lam,
        beta,
        rho,
        helpers_for(threads),
    )


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
    """See `app.core.kernels.reference.cost_gradient`."""
    threads = _check(theta, x, hidden_units, threads)
    if decoder not in DECODERS:
        raise ValueError(f"there is no decoder {decoder}")
    count, width = x.shape
    space = _workspace(theta, width, hidden_units, min(BLOCK, count), threads)
    sums = np.zeros(hidden_units)
    nothing = np.empty(0, theta.dtype)
    linear = decoder == "linear"

    def visit(total: NDArray[Any], pull: NDArray[np.float64], only_sums: bool) -> float:
        loss = 0.0
        for start in range(0, count, PIECE):
            if start and between is not None:
                between()
            rows = np.arange(start, min(count, start + PIECE), dtype=np.int64)
            part = np.empty_like(total)
            seen, _ = _autoencoder.full_pass(
                space, theta, part, x, rows, sums, pull, min(BLOCK, count), 1 / count,
                linear, only_sums, helpers_for(threads),
            )  # fmt: skip
            loss += seen
            total += part
        return loss

    visit(nothing, np.zeros(hidden_units), True)
    rho_hat = sums / count
    with np.errstate(all="ignore"):
        divergence, slope = sparsity(rho_hat, rho)
    total = np.zeros_like(theta) if gradient else nothing
    sums = np.zeros(hidden_units)
    loss = visit(total, beta / count * slope, False)
    weights = unflatten(theta, width, hidden_units)
    parts = unflatten(total, width, hidden_units) if gradient else {}
    squares = 0.0
    for name in ("W1", "W2"):
        squares += float(np.square(weights[name], dtype=np.float64).sum())
        if gradient:
            parts[name] += theta.dtype.type(lam) * weights[name]
    terms = np.array([loss / (2 * count), lam / 2 * squares, beta * divergence])
    return terms, total if gradient else None, rho_hat
