"""From every step that was recorded to as many points as a screen can show.

Nothing is thinned in the record; only the drawing is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Binned", "bin_curve", "smoothed", "smoothed_both_ways"]


@dataclass(frozen=True)
class Binned:
    """A curve in bins: their places and the mean, least and greatest value in each.

    Attributes
    ----------
    x : ndarray, shape (B,)
        Place of the last step of each bin.
    mean, low, high : ndarray, shape (B, T)
    """

    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bin_curve(
    x: NDArray[np.float64], values: NDArray[np.float64], bins: int, *, log_x: bool = False
) -> Binned:
    """Gather a curve into at most `bins` bins of equal width on the axis that is drawn.

    Parameters
    ----------
    x : ndarray, shape (N,)
        Increasing places; positive when `log_x`.
    values : ndarray, shape (N, T)
        T values at each place. Non-finite ones count as missing.
    bins : int
        Most points wanted, about one a pixel.
    log_x : bool
        Bins of equal width in log x, so that the first steps are not squeezed into one.

    Returns
    -------
    Binned
        With N ≤ bins, the curve itself.
    """
    if len(x) == 0:
        empty = np.empty((0, values.shape[1]))
        return Binned(np.empty(0), empty, empty, empty)
    if len(x) <= bins:
        return Binned(x, values, values, values)
    place = np.log(x) if log_x else x
    width = (place[-1] - place[0]) / bins
    if not width > 0:
        return Binned(x[-1:], values[-1:], values[-1:], values[-1:])
    # The places increase, so the bins' edges can be searched for: B log N, not N.
    edges = place[0] + width * np.arange(bins)
    starts = np.unique(np.searchsorted(place, edges))
    counts = np.diff(np.append(starts, len(x)))[:, None]
    return Binned(
        x[starts + counts[:, 0] - 1],
        np.add.reduceat(values, starts, axis=0) / counts,
        np.minimum.reduceat(values, starts, axis=0),
        np.maximum.reduceat(values, starts, axis=0),
    )


def smoothed(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return a running mean over about `width` points, the newest counting most.

    m_i = Σ_k a^(i−k) v_k / Σ_k a^(i−k) over the points k ≤ i, with a = 1 − 1/width: an
    exponential mean that is right from its first point on, as in Kingma and Ba's correction. It
    never looks ahead, so that a curve that grows is not drawn anew.

    Parameters
    ----------
    values : ndarray, shape (N,) or (N, T)
        Non-finite ones count as missing.
    width : float
        1 gives the curve itself.
    """
    if not len(values):
        return np.asarray(values, np.float64)
    sums, counts = _passed(values, np.full(len(values), 1 - 1 / max(width, 1.0)))
    return _mean(sums, counts).reshape(np.shape(values))


def smoothed_both_ways(
    values: NDArray[np.float64], width: float, places: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return what a straight line through about `width` points to either side says at each place.

    The points count a^|p_i−p_k|, the nearest most: a pass from the left and one from the right
    together. A mean of the past alone lies where the curve was: of one that falls it is too high.
    Here both delays cancel, and a turn stays at its step. A mean would still be too high at the
    end, where nothing comes later, and say of a curve that falls that it fell no more; a line is
    not (local linear regression, Cleveland 1979). It never leaves the range of the values.

    Parameters
    ----------
    values : ndarray, shape (N,) or (N, T)
        Non-finite ones count as missing.
    width : float
        1 gives the curve itself.
    places : ndarray, shape (N,), optional
        Where the points stand as they are drawn, increasing: those that stand far from others, as
        the first ones of a logarithmic axis do, keep more of their own. Equally far by default.
    """
    if not len(values):
        return np.asarray(values, np.float64)
    gaps = np.ones(len(values)) if places is None else np.diff(places, prepend=places[0])
    mean = gaps[1:].mean() if len(gaps) > 1 else 1.0
    decays = np.power(1 - 1 / max(width, 1.0), gaps / (mean if mean > 0 else 1.0))
    wide = np.asarray(values, np.float64).reshape(len(values), -1)
    known = np.isfinite(wide)
    v, one = np.where(known, wide, 0.0), known.astype(np.float64)
    p = np.linspace(0, 1, len(v)) if places is None else np.asarray(places, np.float64)
    p = ((p - p[0]) / max(p[-1] - p[0], 1e-300))[:, None]
    sums = np.hstack([one, p * one, p * p * one, v, p * v])
    # The gap before a point is the one after it, seen from the other end; each pass has the point.
    future, _ = _passed(sums[::-1], np.roll(decays[::-1], 1))
    sums = _passed(sums, decays)[0] + future[::-1] - sums
    s0, s1, s2, t0, t1 = np.split(sums, 5, axis=1)
    mean, heart = _mean(t0, s0), _mean(s1, s0)
    spread = _mean(s2, s0) - heart**2
    # Of one point alone, or of none, there is no slope.
    slope = np.zeros_like(mean)
    np.divide(_mean(t1, s0) - heart * mean, spread, out=slope, where=spread > 1e-12)
    low = np.where(known, wide, np.inf).min(axis=0)
    high = np.where(known, wide, -np.inf).max(axis=0)
    found = np.where(s0 > 0, np.clip(mean + slope * (p - heart), low, high), np.nan)
    return found.reshape(np.shape(values))


def _passed(
    values: NDArray[np.float64], decays: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return s_i = v_i + d_i s_(i−1) over the known points, and that of ones, both (N, T).

    `decays` are the d_i, shape (N,); the first does not matter.
    """
    wide = np.asarray(values, np.float64).reshape(len(values), -1)
    known = np.isfinite(wide)
    sums, counts = np.where(known, wide, 0.0), known.astype(np.float64)
    # Doubling: after round r each place holds its own last 2^r points, weighted.
    reach, weights = 1, decays[:, None].copy()
    while reach < len(wide) and weights[reach:].max() > 1e-12:
        sums[reach:] += weights[reach:] * sums[:-reach].copy()
        counts[reach:] += weights[reach:] * counts[:-reach].copy()
        weights[reach:] *= weights[:-reach].copy()
        reach *= 2
    return sums, counts


def _mean(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)
