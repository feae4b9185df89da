"""Curves of several runs over each other: what is drawn of each, and the band of its seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core.chart import Chart, Curve
from app.core.curves import bin_curve, smoothed_both_ways
from app.core.history import History
from app.core.params import describe, format_number
from app.core.runs import RunInfo
from app.core.solvers.schedules import rate_factor
from app.core.specs import ConvNetSpec

__all__ = [
    "AXES",
    "Axis",
    "Drawn",
    "RunCurve",
    "curve_of",
    "draw",
    "of_what",
    "overlay_chart",
    "overlay_csv",
    "quantities",
    "together",
    "unit_of",
    "value_at",
]

Axis = Literal["epoch", "step", "seconds"]
AXES: dict[str, str] = {"epoch": "epochs", "step": "steps", "seconds": "seconds"}
# A smooth curve is a mean over about this share of the points that are drawn.
SMOOTHED_SHARE = 0.05
# More points than a sheet of paper can show.
FINE = 4000


@dataclass(frozen=True)
class RunCurve:
    """One curve, or those of several seeds.

    Attributes
    ----------
    name, colour : str
    x : ndarray, shape (N,)
        Increasing places.
    y : ndarray, shape (N, K)
        A column for each of K runs; K is 1 but for seeds that were put together.
    marks : tuple of (float, str)
        Where live values moved, and what moved.
    growing : bool
        Whether its run, or one of its runs, is still being trained.
    """

    name: str
    colour: str
    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    marks: tuple[tuple[float, str], ...] = ()
    growing: bool = False


@dataclass(frozen=True)
class Drawn:
    """A curve as it is drawn: the line, and what stands behind it.

    Attributes
    ----------
    x, line : ndarray, shape (B,)
    raw : ndarray, shape (B,), or None
        The curve itself, behind a smooth line.
    low, high : ndarray, shape (B,), or None
        Least and greatest of the seeds.
    """

    name: str
    colour: str
    x: NDArray[np.float64]
    line: NDArray[np.float64]
    raw: NDArray[np.float64] | None
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None


def quantities(infos: Sequence[RunInfo]) -> dict[str, str]:
    """Return what can be drawn of at least one of the runs: key and words."""
    found = {"cost": "cost"}
    for info in infos:
        found.update({f"term {name}": name for name in info.term_names})
    if any(info.kind == "cnn" for info in infos):
        found["validation"] = "validation accuracy"
        found["train"] = "training accuracy"
        found["batch"] = "accuracy of each batch"
        found["validation loss"] = "validation loss"
    found["rate"] = "learning rate"
    return found


def unit_of(what: str) -> str:
    """Return how the axis of a quantity is called."""
    if what in ("validation", "train", "batch"):
        return "per cent right"
    return {"cost": "cost", "rate": "learning rate"}.get(what, what.removeprefix("term "))


def of_what(what: str) -> str:
    """Return of what one value of a quantity is, where it is not of the whole training data."""
    return "one batch" if what in ("cost", "batch") or what.startswith("term ") else ""


def curve_of(
    info: RunInfo, history: History, what: str, axis: str, *, name: str = "", colour: str = ""
) -> RunCurve:
    """Return one quantity of a run, every step of it, against epochs, steps or seconds.

    Places that are not known (the time of a run that was recorded without) are left out.
    """
    steps, y = _values(info, history, what)
    x = _places(info, history, steps.astype(np.float64), axis)
    known = np.isfinite(x)
    symbols = {p.name: p.hyper.symbol or p.hyper.label for p in describe(type(info.spec))}
    moves = history.moves()
    at = _places(info, history, np.array([step + 1.0 for step, _ in moves]), axis)
    marks = tuple(
        (float(place), f"{symbols.get(c.name, c.name)} {_number(c.old)} → {_number(c.new)}")
        for place, (_, c) in zip(at, moves, strict=True)
        if np.isfinite(place)
    )
    growing = info.state == "running"
    return RunCurve(name, colour, x[known], y[known, None], marks, growing)


def _number(value: Any) -> str:
    return format_number(value) if isinstance(value, int | float) else str(value)


def _values(
    info: RunInfo, history: History, what: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return steps (N,) and values (N,)."""
    none = np.empty(0, np.int64), np.empty(0)
    if what == "cost":
        return history.steps, history.terms.sum(axis=1)
    if what.startswith("term "):
        term = what.removeprefix("term ")
        if term not in history.term_names:
            return none
        return history.steps, history.terms[:, history.term_names.index(term)]
    if what == "rate":
        return history.steps, _rates(info, history)
    if what == "batch":
        known = np.isfinite(history.accuracies)
        return history.steps[known], 100 * history.accuracies[known]
    attribute, factor = {
        "validation": ("validation_accuracy", 100.0),
        "train": ("train_accuracy", 100.0),
        "validation loss": ("validation_loss", 1.0),
    }[what]
    found = [
        (event.step, factor * value)
        for event in history.evaluations
        if (value := getattr(event, attribute)) is not None
    ]
    steps = np.array([step for step, _ in found], np.int64)
    return steps, np.array([value for _, value in found], np.float64)


def _rates(info: RunInfo, history: History) -> NDArray[np.float64]:
    """Return the learning rate that each step used: moved by hand, and by its schedule."""
    spec = info.spec
    moves = [(step, change) for step, change in history.changes if change.name == "learning_rate"]
    rates = np.full(len(history), spec.learning_rate if not moves else moves[0][1].old, np.float64)
    for step, change in moves:
        # The step after it is the first that uses it.
        rates[np.searchsorted(history.steps, step, side="right") :] = change.new
    if isinstance(spec, ConvNetSpec) and spec.schedule != "constant":
        per_epoch = max(info.steps_per_epoch, 1)
        rates *= [rate_factor(spec, step - 1, per_epoch) for step in history.steps.tolist()]
    return rates


def _places(
    info: RunInfo, history: History, steps: NDArray[np.float64], axis: str
) -> NDArray[np.float64]:
    if axis == "step":
        return steps
    if axis == "epoch":
        return steps / max(info.steps_per_epoch, 1)
    if not len(history):
        return np.full(len(steps), np.nan)
    taken = history.steps.astype(np.float64)
    return np.asarray(np.interp(steps, taken, history.seconds), np.float64)


def together(curves: Sequence[RunCurve], name: str = "", colour: str = "") -> RunCurve:
    """Return the curves of several seeds as one, at the places that all of them have reached.

    Where their places differ, values between two steps are those of the straight line.
    """
    known = [curve for curve in curves if len(curve.x)]
    marks = tuple(dict.fromkeys(mark for curve in curves for mark in curve.marks))
    growing = any(curve.growing for curve in curves)
    if not known:
        return RunCurve(name, colour, np.empty(0), np.empty((0, 1)), marks, growing)
    begin, end = max(c.x[0] for c in known), min(c.x[-1] for c in known)
    longest = max(known, key=lambda curve: len(curve.x)).x
    x = longest[(longest >= begin) & (longest <= end)]
    columns = [np.interp(x, c.x, column) for c in known for column in c.y.T]
    return RunCurve(name, colour, x, np.stack(columns, axis=1), marks, growing)


def draw(
    curve: RunCurve, points: int, *, log_x: bool = False, smooth: bool = False, band: bool = True
) -> Drawn:
    """Return a curve in about as many points as can be seen.

    Of several seeds the line is their mean, and the band reaches from the least to the greatest
    of them, each smoothed like the line. A smooth line lies in the middle of its curve, neither
    behind it nor ahead, and reaches equally far on the screen everywhere.
    """
    x, y = curve.x, curve.y
    if log_x:
        x, y = x[x > 0], y[x > 0]
    binned = bin_curve(x, y, points, log_x=log_x)
    raw = binned.mean
    places = np.log10(binned.x) if log_x else binned.x
    width = len(binned.x) * SMOOTHED_SHARE
    values = _smooth(raw, width, places) if smooth else raw
    many = y.shape[1] > 1 and band
    return Drawn(
        curve.name,
        curve.colour,
        binned.x,
        values.mean(axis=1),
        raw.mean(axis=1) if smooth else None,
        values.min(axis=1) if many else None,
        values.max(axis=1) if many else None,
    )


def _smooth(
    raw: NDArray[np.float64], width: float, places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a smooth line that a bend does not pull off its curve.

    What smoothing left over is smoothed and added (twicing, Tukey 1977).
    """
    once = smoothed_both_ways(raw, width, places)
    twice = once + smoothed_both_ways(raw - once, width, places)
    known = np.where(np.isfinite(raw), raw, once)
    return np.clip(twice, known.min(axis=0), known.max(axis=0)) if len(raw) else once


def overlay_chart(
    curves: Sequence[RunCurve],
    what: str,
    axis: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    smooth: bool = False,
) -> Chart:
    """Return the curves as a chart for paper, finer than any screen."""
    lines = []
    for curve in curves:
        drawn = draw(curve, FINE, log_x=log_x, smooth=smooth)
        if drawn.raw is not None:
            lines.append(Curve("", curve.colour, drawn.x, drawn.raw, faint=True))
        lines.append(
            Curve(curve.name, curve.colour, drawn.x, drawn.line, low=drawn.low, high=drawn.high)
        )
    marks = list(dict.fromkeys(mark for curve in curves for mark in curve.marks))
    return Chart(lines, axis, unit_of(what), log_x, log_y, None, marks, unit_of(what).capitalize())


def overlay_csv(curves: Sequence[RunCurve], what: str, axis: str) -> bytes:
    """Return every point of every curve as a row: run, place, value; nothing is thinned.

    Of several seeds each row has their mean, least and greatest value.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    seeds = any(curve.y.shape[1] > 1 for curve in curves)
    more = ["least", "greatest", "runs"] if seeds else []
    writer.writerow(["run", axis, unit_of(what), *more])
    for curve in curves:
        rows = zip(
            curve.x.tolist(),
            curve.y.mean(axis=1).tolist(),
            curve.y.min(axis=1).tolist(),
            curve.y.max(axis=1).tolist(),
            strict=True,
        )
        for x, mean, low, high in rows:
            ends = [repr(low), repr(high), curve.y.shape[1]] if seeds else []
            writer.writerow([curve.name, repr(x), repr(mean), *ends])
    return out.getvalue().encode()


def value_at(curve: RunCurve, x: float) -> Mapping[str, float] | None:
    """Return what a curve says at the place nearest to `x`: mean, least, greatest, or None.

    None where the curve has not begun yet, or has ended.
    """
    if not len(curve.x) or not curve.x[0] <= x <= curve.x[-1]:
        return None
    place = int(np.searchsorted(curve.x, x))
    if place and x - curve.x[place - 1] < curve.x[place] - x:
        place -= 1
    row = curve.y[place]
    return {
        "x": float(curve.x[place]),
        "mean": float(row.mean()),
        "low": float(row.min()),
        "high": float(row.max()),
    }
