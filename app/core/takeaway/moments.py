"""The few moments of a training that show how its filters formed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.errors import FilterscopeError
from app.core.runs import RunFolder

__all__ = ["Moment", "telling_moments"]

# Keyframes that are looked at, spaced evenly in the logarithm of their step: most happens early.
MOST_READ = 100


@dataclass(frozen=True)
class Moment:
    """A keyframe, and how alike its filters are to those of the last one.

    `likeness` is the mean over filters of Pearson's correlation of each with itself at the end.
    """

    step: int
    path: Path
    likeness: float


def telling_moments(run: RunFolder, most: int) -> list[Moment]:
    """Return at most so many moments between which the first layer came about equally far.

    The first and the last keyframe are among them. Nothing where there are fewer than three, or
    where they hold no first layer. A keyframe that is damaged counts as not there.
    """
    frames = run.keyframes()
    if len(frames) < 3:
        return []
    chosen = set(_spread([step for step, _ in frames]))
    last: NDArray[np.float64] | None = None
    found: list[Moment] = []
    # The last one first: all others are compared with it.
    for step, path in reversed(frames):
        if step not in chosen:
            continue
        filters = _filters(run, path)
        if filters is not None:
            last = filters if last is None else last
            found.append(Moment(step, path, float((filters * last).sum(axis=1).mean())))
    if len(found) < 3:
        return []
    found.reverse()
    # How far each is on the way: what turns back is no nearer.
    reached = np.maximum.accumulate([moment.likeness for moment in found])
    wanted = np.linspace(reached[0], reached[-1], most)[1:-1]
    places = {0, *np.searchsorted(reached, wanted).tolist(), len(found) - 1}
    return [found[place] for place in sorted(places)]


def _spread(steps: list[int]) -> list[int]:
    """Return at most so many of the steps as are read, dense early."""
    if len(steps) <= MOST_READ:
        return steps
    logs = np.log1p(np.array(steps, np.float64))
    wanted = np.linspace(logs[0], logs[-1], MOST_READ)
    return [steps[int(np.abs(logs - value).argmin())] for value in wanted]


def _filters(run: RunFolder, path: Path) -> NDArray[np.float64] | None:
    """Return the first layer as rows, a filter each, with mean 0 and length 1; None without one."""
    try:
        first = run.read_keyframe(path).get("W1")
    except FilterscopeError:
        return None
    if first is None:
        return None
    # An autoencoder's W1 (inputs, units) has its filters in columns.
    rows = (first.T if first.ndim == 2 else first.reshape(len(first), -1)).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-30))
