"""L-BFGS on the whole set: the curvature of the last steps, and a line search.

Nocedal and Wright, Numerical Optimization (2006): two-loop recursion, algorithm 7.4; line search
for the strong Wolfe conditions, algorithms 3.5 and 3.6 with cubic interpolation (eq. 3.59).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LBFGS"]

Vector = NDArray[Any]
# Cost and gradient at a point.
Function = Callable[[Vector], tuple[float, Vector]]

SUFFICIENT, CURVATURE = 1e-4, 0.9
MOST_TRIALS = 20


class LBFGS:
    """One minimisation, an iteration at a time.

    Parameters
    ----------
    memory : int
        How many steps' curvature is kept.

    Attributes
    ----------
    evaluations : int
        How often the function was called.
    converged : bool
        Not even the plain gradient leads lower: rounding has the last word.
    """

    def __init__(self, memory: int = 20) -> None:
        self.pairs: deque[tuple[Vector, Vector]] = deque(maxlen=memory)
        self.evaluations = 0
        self.converged = False
        self._known: tuple[float, Vector] | None = None

    @property
    def cost(self) -> float | None:
        """The cost at the point that was reached, when it is known."""
        return None if self._known is None else self._known[0]

    def reset(self) -> None:
        """Forget curvature and values: the function has changed."""
        self.pairs.clear()
        self.converged = False
        self._known = None

    def step(self, theta: Vector, function: Function) -> tuple[float, bool]:
        """Move `theta` (P,) in place by one iteration.

        Returns
        -------
        cost : float
            The cost before the step.
        moved : bool
            Whether a better point was found. If not, `theta` is unchanged and the curvature is
            forgotten, so that the next iteration starts along the gradient.
        """
        cost, gradient = self._known or self._evaluate(theta, function)
        if not math.isfinite(cost):
            self._known = None
            return cost, False
        direction = -self._times_inverse_hessian(gradient)
        slope = _dot(direction, gradient)
        if not slope < 0:
            self.pairs.clear()
            direction = -gradient
            slope = _dot(direction, gradient)
        if slope == 0:
            self.converged = True
            self._known = (cost, gradient)
            return cost, False
        first = 1.0 if self.pairs else min(1.0, 1.0 / max(float(np.abs(gradient).sum()), 1e-300))
        found = self._search(theta, function, cost, gradient, direction, slope, first)
        if found is None:
            # Rounding has the last word here: try the plain gradient next time.
            self.converged = not self.pairs
            self.pairs.clear()
            self._known = (cost, gradient)
            return cost, False
        length, new_cost, new_gradient = found
        s = (length * direction).astype(theta.dtype)
        y = new_gradient - gradient
        theta += s
        if _dot(s, y) > 1e-10 * _dot(y, y):
            self.pairs.append((s, y))
        self._known = (new_cost, new_gradient)
        return cost, True

    def _evaluate(self, theta: Vector, function: Function) -> tuple[float, Vector]:
        self.evaluations += 1
        return function(theta)

    def _times_inverse_hessian(self, gradient: Vector) -> Vector:
        """Return H g by the two-loop recursion, H0 = (s·y / y·y) I of the newest pair."""
        q = gradient.copy()
        weights = []
        for s, y in reversed(self.pairs):
            alpha = _dot(s, q) / _dot(y, s)
            q -= q.dtype.type(alpha) * y
            weights.append(alpha)
        if self.pairs:
            s, y = self.pairs[-1]
            q *= q.dtype.type(_dot(s, y) / _dot(y, y))
        for (s, y), alpha in zip(self.pairs, reversed(weights), strict=True):
            beta = _dot(y, q) / _dot(y, s)
            q += q.dtype.type(alpha - beta) * s
        return q

    def _search(
        self,
        theta: Vector,
        function: Function,
        cost: float,
        gradient: Vector,
        direction: Vector,
        slope: float,
        first: float,
    ) -> tuple[float, float, Vector] | None:
        """Return a step length that satisfies the strong Wolfe conditions, or the best decrease."""
        best: tuple[float, float, Vector] | None = None

        def at(length: float) -> tuple[float, float, Vector]:
            nonlocal best
            value, gradient_there = self._evaluate(
                (theta + length * direction).astype(theta.dtype), function
            )
            if not math.isfinite(value):
                return math.inf, math.inf, gradient_there
            if value < cost + SUFFICIENT * length * slope and (best is None or value < best[1]):
                best = (length, value, gradient_there)
            return value, _dot(gradient_there, direction), gradient_there

        # Each end of the interval is (length, cost, slope).
        low, high = (0.0, cost, slope), None
        length = first
        for _ in range(MOST_TRIALS):
            value, slope_there, gradient_there = at(length)
            if value > cost + SUFFICIENT * length * slope or (low[0] > 0 and value >= low[1]):
                high = (length, value, slope_there)
            elif abs(slope_there) <= -CURVATURE * slope:
                return length, value, gradient_there
            else:
                # The other end must lie downhill of the better one.
                if slope_there * (math.inf if high is None else high[0] - low[0]) >= 0:
                    high = low
                low = (length, value, slope_there)
            length = 2 * length if high is None else _between(low, high)
            if high is not None and abs(high[0] - low[0]) * float(np.abs(direction).max()) < 1e-12:
                break
        return best


def _dot(a: Vector, b: Vector) -> float:
    """Inner product, summed in float64 whatever the vectors are."""
    return (
        float(np.dot(a, b))
        if a.dtype == np.float64
        else float(np.einsum("i,i", a, b, dtype=np.float64))
    )


def _between(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Return the minimum of the cubic through two ends, kept off both."""
    a, fa, da = low
    b, fb, db = high
    middle = (a + b) / 2
    if not (math.isfinite(fb) and math.isfinite(db)) or a == b:
        return middle
    d1 = da + db - 3 * (fa - fb) / (a - b)
    root = d1 * d1 - da * db
    if root < 0:
        return middle
    d2 = math.copysign(math.sqrt(root), b - a)
    denominator = db - da + 2 * d2
    if denominator == 0:
        return middle
    length = b - (b - a) * (db + d2 - d1) / denominator
    edge = 0.1 * abs(b - a)
    return min(max(length, min(a, b) + edge), max(a, b) - edge)
