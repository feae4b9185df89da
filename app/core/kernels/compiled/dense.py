"""Compiled affine layers, and the solvers' rules: shapes and types are checked here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError
from app.core.kernels import _layers
from app.core.kernels.compiled.sharing import helpers_for, kind_of, parts_for
from app.core.solvers.first_order import MEMORY, SOLVERS

__all__ = [
    "affine_backward",
    "affine_backward_update",
    "affine_forward",
    "affine_relu_backward",
    "affine_relu_backward_update",
    "affine_relu_forward",
    "update",
]


def affine_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.affine_forward`."""
    return _forward(x, w, b, False), (x, w, b)


def affine_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.affine_backward`."""
    x, w, _ = cache
    return _backward(dout, x, w, None)


def affine_relu_forward(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """See `app.core.kernels.reference.affine_relu_forward`."""
    out = _forward(x, w, b, True)
    return out, (x, w, b, out)


def affine_relu_backward(
    dout: NDArray[Any], cache: tuple[Any, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """See `app.core.kernels.reference.affine_relu_backward`."""
    x, w, _, seen = cache
    return _backward(dout, x, w, seen)


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
    """See `app.core.kernels.reference.affine_backward_update`.

    The gradient is never held as a whole: each row of w moves as soon as its slope is known, so
    that w and the solver's memory are read and written once.
    """
    x, w, _ = cache
    arguments = (memory, step, learning_rate, momentum, reg, need_dx)
    return _backward_update(solver, dout, x, w, None, *arguments)


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
    """See `app.core.kernels.reference.affine_relu_backward_update`."""
    x, w, _, seen = cache
    arguments = (memory, step, learning_rate, momentum, reg, need_dx)
    return _backward_update(solver, dout, x, w, seen, *arguments)


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
    """See `app.core.solvers.first_order.update`; one pass over all that is read and written."""
    number = _number(solver)
    _check_movable(theta, list(memory), solver)
    if gradient.shape != theta.shape:
        raise ValueError(f"a gradient {gradient.shape} does not fit weights {theta.shape}")
    gradient = np.ascontiguousarray(gradient, theta.dtype)
    # Of a weight three or four numbers are read, which takes as long as that many operations.
    parts = parts_for(4 * theta.size, theta.size)
    if theta.size:
        _layers.update(
            theta, gradient, list(memory), number, step, learning_rate, momentum, reg, parts,
            helpers_for(parts),
        )  # fmt: skip


def _forward(x: NDArray[Any], w: NDArray[Any], b: NDArray[Any], relu: bool) -> NDArray[Any]:
    values = math.prod(x.shape[1:])
    if w.ndim != 2 or w.shape[0] != values:
        raise ShapeError(f"x has {values} values each and w the shape {w.shape}.")
    if b.shape != (w.shape[1],):
        raise ShapeError(f"b has the shape {b.shape}; {w.shape[1]} outputs need ({w.shape[1]},).")
    kind = kind_of(x, w)
    x, w, b = (np.ascontiguousarray(one, kind) for one in (x, w, b))
    out = np.empty((len(x), w.shape[1]), kind)
    if out.size:
        parts = parts_for(len(x) * w.size, w.shape[1])
        rows = x.reshape(len(x), values)
        _layers.dense_forward(rows, w, b, out, relu, parts, helpers_for(parts))
    return out


def _backward(
    dout: NDArray[Any], x: NDArray[Any], w: NDArray[Any], seen: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    _check_slope(dout, x, w)
    kind, shape = kind_of(x, w), x.shape
    x, w, dout = (np.ascontiguousarray(one, kind) for one in (x, w, dout))
    if not x.size or not w.size:
        return np.zeros(shape, kind), np.zeros(w.shape, kind), dout.sum(axis=0)
    rows = x.reshape(len(x), len(w))
    dx, dw, db = np.empty(rows.shape, kind), np.empty(w.shape, kind), np.empty(w.shape[1], kind)
    parts = parts_for(2 * len(x) * w.size, len(w))
    _layers.dense_backward(dout, rows, w, dx, dw, db, seen, parts, helpers_for(parts))
    return dx.reshape(shape), dw, db


def _backward_update(
    solver: str,
    dout: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any],
    seen: NDArray[Any] | None,
    memory: Sequence[NDArray[Any]],
    step: int,
    learning_rate: float,
    momentum: float,
    reg: float,
    need_dx: bool,
) -> tuple[NDArray[Any] | None, NDArray[Any], float]:
    _check_slope(dout, x, w)
    number = _number(solver)
    _check_movable(w, memory, solver)
    shape = x.shape
    x, dout = (np.ascontiguousarray(one, w.dtype) for one in (x, dout))
    rows = x.reshape(len(x), len(w))
    dx = np.empty(rows.shape, w.dtype) if need_dx else None
    db = np.zeros(w.shape[1], w.dtype)
    squares = np.zeros(len(w) // 2 + 1)
    if w.size:
        parts = parts_for(2 * len(x) * w.size, len(w))
        _layers.dense_backward_update(
            dout, rows, w, list(memory), dx, db, seen, squares, number, step, learning_rate,
            momentum, reg, parts, helpers_for(parts),
        )  # fmt: skip
    return None if dx is None else dx.reshape(shape), db, float(squares.sum())


def _check_slope(dout: NDArray[Any], x: NDArray[Any], w: NDArray[Any]) -> None:
    if dout.shape != (len(x), w.shape[1]):
        expected = (len(x), w.shape[1])
        raise ShapeError(f"dout has the shape {dout.shape}; the output's was {expected}.")


def _number(solver: str) -> int:
    if solver not in SOLVERS:
        raise ValueError(f"{solver} is no first-order solver")
    return SOLVERS.index(solver)


def _check_movable(w: NDArray[Any], memory: Sequence[NDArray[Any]], solver: str) -> None:
    """Refuse weights that cannot be changed where they lie."""
    if w.dtype not in (np.float32, np.float64):
        raise TypeError(f"weights are {w.dtype}, not float32 or float64")
    if len(memory) != MEMORY[solver]:
        raise ValueError(f"{solver} remembers {MEMORY[solver]} vectors, not {len(memory)}")
    for one in (w, *memory):
        if one.shape != w.shape or one.dtype != w.dtype:
            raise ValueError(
                f"memory {one.dtype}{one.shape} does not fit weights {w.dtype}{w.shape}"
            )
        if not one.flags.c_contiguous or not one.flags.writeable:
            raise ValueError("weights and memory must be contiguous and writeable")
