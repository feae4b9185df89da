"""Is the gradient right? Central differences, element by element.

For each element of an array ``(f(x + h) − f(x − h)) / 2h`` is set against what the backward pass
says. Two things besides a fault can drive them apart, and are told apart from one:

- a kink within reach of h (ReLU at 0, equal values in a pool's window): the function has another
  slope on either side, and the difference measures something in between;
- rounding: the change of f is so small that the last digits of f hide it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.core.errors import ShapeError

__all__ = [
    "GradientCheck",
    "Tried",
    "check_gradient",
    "check_layer",
    "check_network",
    "numeric_gradient",
    "relative_error",
    "relative_errors",
]

# Rounding of f in units of its last digit; sums of many terms lose a little more than one.
ROUNDING = 8.0
STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


def relative_errors(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return ``|a − b| / max(1e-8, |a| + |b|)`` for each element."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ShapeError(f"Arrays of the shapes {a.shape} and {b.shape} cannot be compared.")
    with np.errstate(invalid="ignore", over="ignore"):
        errors: NDArray[np.float64] = np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))
    return errors


def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """Return the largest of `relative_errors`; not a number where either is not one."""
    errors = relative_errors(a, b)
    return float(errors.max()) if errors.size else 0.0


@dataclass(frozen=True)
class Tried:
    """What central differences with one step say about one element."""

    h: float
    numeric: float
    error: float


@dataclass(frozen=True)
class GradientCheck:
    """One array's gradient against central differences.

    Attributes
    ----------
    name : str
        The array's.
    analytic, numeric : ndarray
        Both gradients.
    errors : ndarray
        `relative_errors` of the two: the heat map.
    looked : ndarray of bool
        Which elements were looked at; the others are NaN in `numeric` and `errors`.
    kinks, rounding : ndarray of bool
        Elements above the bound for a reason that is no fault.
    worst : tuple of int
        The element with the largest error that is not a kink.
    tried : tuple of Tried
        Other steps for that element. A fault stays whatever h is; curvature goes away with a
        smaller one, rounding with a larger one.
    h, bound : float
    """

    name: str
    analytic: NDArray[np.float64]
    numeric: NDArray[np.float64]
    errors: NDArray[np.float64]
    looked: NDArray[np.bool_]
    kinks: NDArray[np.bool_]
    rounding: NDArray[np.bool_]
    worst: tuple[int, ...]
    tried: tuple[Tried, ...]
    h: float
    bound: float

    @property
    def error(self) -> float:
        """The largest error of all elements that are not kinks."""
        seen = self.errors[self.looked & ~self.kinks]
        return float(seen.max()) if seen.size else 0.0

    @property
    def clear_error(self) -> float:
        """The largest error of those that rounding does not hide either."""
        seen = self.errors[self.looked & ~self.kinks & ~self.rounding]
        return float(seen.max()) if seen.size else 0.0

    @property
    def faults(self) -> int:
        """How many elements are above the bound without an excuse."""
        # Not "above": what is not a number is a fault too.
        wrong = self.looked & ~(self.errors <= self.bound)
        return int((wrong & ~self.kinks & ~self.rounding).sum())

    @property
    def passed(self) -> bool:
        """Whether no element is wrong."""
        return self.faults == 0

    @property
    def looked_at(self) -> int:
        """How many elements were looked at."""
        return int(self.looked.sum())

    def sentence(self) -> str:
        """Say it in one line."""
        a, n = self.analytic[self.worst], self.numeric[self.worst]
        place = ", ".join(map(str, self.worst))
        text = f"{self.name}: {self.error:.2g}"
        if not self.kinks[self.worst]:
            text += f", largest at [{place}]: {a:.8g} against {n:.8g}"
        for count, what in (
            (int(self.kinks.sum()), "kink"),
            (int(self.rounding.sum()), "rounding"),
        ):
            if count:
                text += f"; {count} × {what}"
        return text


class _Along:
    """f, contracted with dout, along single elements of x, which is changed and put back."""

    def __init__(self, f: Callable[[Any], Any], x: NDArray[Any], dout: NDArray[Any] | None) -> None:
        if not (x.flags.writeable and np.issubdtype(x.dtype, np.floating)):
            raise ShapeError(
                "Central differences need a writeable array of floating point numbers."
            )
        self.f, self.x = f, x
        # A copy: f may return one of its own arrays, changed by the next call.
        self.here = np.array(f(x), np.float64)
        self.dout = np.ones(self.here.shape) if dout is None else np.asarray(dout, np.float64)
        if self.dout.shape != self.here.shape:
            raise ShapeError(
                f"dout has the shape {self.dout.shape}; the output's is {self.here.shape}."
            )
        size = float(np.linalg.norm(self.here * self.dout))
        self.eps = float(np.finfo(x.dtype).eps)
        self.grain = ROUNDING * self.eps * size

    def least(self, index: tuple[int, ...], h: float) -> float:
        """Return h, or what it takes to move more than x's own last digits."""
        return max(h, 64 * self.eps * abs(float(self.x[index])))

    def move(self, index: tuple[int, ...], step: float) -> tuple[NDArray[np.float64], float]:
        """Return f at x + step, and the step that was really taken."""
        old = self.x[index]
        try:
            self.x[index] = old + np.copysign(self.least(index, abs(step)), step)
            taken = float(self.x[index]) - float(old)
            return np.array(self.f(self.x), np.float64), taken
        finally:
            self.x[index] = old

    def sides(self, index: tuple[int, ...], h: float) -> tuple[float, float, float]:
        """Return the slopes to the left, through the middle and to the right."""
        above, right = self.move(index, h)
        below, left = self.move(index, -h)
        # Differences first, sums afterwards: what does not change leaves no rounding behind.
        up = float(((above - self.here) * self.dout).sum())
        down = float(((self.here - below) * self.dout).sum())
        middle = float(((above - below) * self.dout).sum())
        return down / -left, middle / (right - left), up / right

    def middle(self, index: tuple[int, ...], h: float) -> float:
        above, right = self.move(index, h)
        below, left = self.move(index, -h)
        return float(((above - below) * self.dout).sum()) / (right - left)


def numeric_gradient(
    f: Callable[[Any], Any],
    x: NDArray[Any],
    dout: NDArray[Any] | None = None,
    h: float = 1e-5,
) -> NDArray[np.float64]:
    """Return the gradient of ``Σ f(x) · dout`` along x by central differences.

    Parameters
    ----------
    f : callable
        Takes `x` and returns a number or an array.
    x : ndarray of float
        Changed while f is called, and put back.
    dout : ndarray, optional
        Of the shape of f(x); ones when not given.
    h : float
        How far to go to either side.
    """
    along = _Along(f, x, dout)
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        gradient[index] = along.middle(index, h)
    return gradient


def check_gradient(
    f: Callable[[Any], Any],
    x: NDArray[Any],
    analytic: NDArray[Any],
    dout: NDArray[Any] | None = None,
    *,
    name: str = "x",
    h: float = 1e-5,
    bound: float = 1e-6,
    sample: int | None = None,
    rng: np.random.Generator | None = None,
    between: Callable[[int, int], None] | None = None,
) -> GradientCheck:
    """Hold a gradient against central differences.

    Parameters
    ----------
    f, x, dout, h
        As for `numeric_gradient`.
    analytic : ndarray, shape of x
        What the backward pass says.
    bound : float
        Relative errors above it must have an excuse.
    sample : int, optional
        Look at so many elements only, drawn from `rng`; at all when not given.
    between : callable, optional
        Called with how many elements are done and how many there are; may raise to give up.

    Raises
    ------
    ShapeError
        The gradient has another shape than x.
    """
    analytic = np.array(analytic, np.float64)
    if analytic.shape != x.shape:
        raise ShapeError(f"The gradient of {name} has the shape {analytic.shape}, not {x.shape}.")
    if not x.size:
        raise ShapeError(f"{name} is empty.")
    along = _Along(f, x, dout)
    numeric = np.full(x.shape, np.nan)
    chosen = np.arange(x.size)
    if sample is not None and sample < x.size:
        chosen = np.sort((rng or np.random.default_rng(0)).choice(x.size, sample, replace=False))
    for done, flat in enumerate(chosen):
        if between is not None:
            between(done, len(chosen))
        index = tuple(map(int, np.unravel_index(flat, x.shape)))
        numeric[index] = along.middle(index, h)
    looked = np.isin(np.arange(x.size), chosen).reshape(x.shape)
    errors = np.where(looked, relative_errors(analytic, numeric), np.nan)
    kinks, rounding = np.zeros(x.shape, bool), np.zeros(x.shape, bool)
    for found in np.argwhere(looked & ~(errors <= bound)):
        index = tuple(map(int, found))
        a, n = float(analytic[index]), float(numeric[index])
        if abs(a - n) <= along.grain / along.least(index, h):
            rounding[index] = True
        elif _bends(along, index, a, n, h, bound):
            kinks[index] = True
    rated = np.where(looked & ~kinks, np.nan_to_num(errors, nan=np.inf), -1.0)
    worst = tuple(map(int, np.unravel_index(int(rated.argmax()), x.shape)))
    tried = tuple(
        Tried(step, value, relative_error(analytic[worst], value))
        for step, value in ((step, along.middle(worst, step)) for step in STEPS)
    )
    return GradientCheck(
        name, analytic, numeric, errors, looked, kinks, rounding, worst, tried, h, bound
    )


def _bends(
    along: _Along, index: tuple[int, ...], analytic: float, numeric: float, h: float, bound: float
) -> bool:
    """Whether the function bends within h, and the gradient is a slope that it has at x.

    Nearer to x than h there are fewer kinks: looked at as closely as rounding allows, the slopes
    to both sides agree with a right gradient, or where the kink is at x itself, enclose it. A
    wrong one stays outside.
    """
    apart = abs(analytic - numeric)
    if not np.isfinite(apart):
        return False
    step = along.least(index, h)
    while step > h / 1000 and along.grain / step < apart / 100:
        step = along.least(index, step / 10)
        if step == along.least(index, 0):
            break
    left, middle, right = along.sides(index, step)
    slack = max(along.grain / step, bound * (abs(analytic) + abs(middle)))
    return min(left, right) - slack <= analytic <= max(left, right) + slack


def check_layer(
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Any],
    arrays: Mapping[str, NDArray[Any]],
    dout: NDArray[Any] | None = None,
    *,
    leave_out: Collection[str] = (),
    **options: Any,
) -> dict[str, GradientCheck]:
    """Check all gradients of a layer.

    Parameters
    ----------
    forward : callable
        Takes the arrays by position, in their order, and returns (out, cache).
    backward : callable
        Takes (dout, cache) and returns the gradients in the same order, or the only one.
    arrays : mapping of str to ndarray
    dout : ndarray, optional
        Ones when not given.
    leave_out : collection of str
        Arrays whose gradient is not looked at.
    **options
        For `check_gradient`.
    """
    given = list(arrays.values())
    out, cache = forward(*given)
    if dout is None:
        dout = np.ones_like(out)
    found = backward(dout, cache)
    gradients = found if isinstance(found, tuple) else (found,)
    return {
        name: check_gradient(lambda _: forward(*given)[0], x, gradient, dout, name=name, **options)
        for name, x, gradient in zip(arrays, given, gradients, strict=True)
        if name not in leave_out
    }


def check_network(
    loss: Callable[[], float],
    parameters: Mapping[str, NDArray[Any]],
    gradients: Mapping[str, NDArray[Any]],
    **options: Any,
) -> dict[str, GradientCheck]:
    """Check the gradients of a whole network.

    Parameters
    ----------
    loss : callable
        Returns the loss with the parameters as they are now; the same each time it is called.
    parameters, gradients : mapping of str to ndarray
        Parameters are changed in place while `loss` is called, and put back.
    **options
        For `check_gradient`.
    """
    return {
        name: check_gradient(lambda _: loss(), x, gradients[name], name=name, **options)
        for name, x in parameters.items()
    }
