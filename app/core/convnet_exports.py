"""What is read of a convolutional network's run: its first filters, its curves, its table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.core.chart import Chart, Curve
from app.core.curves import bin_curve
from app.core.errors import UsageError
from app.core.history import History
from app.core.params import describe
from app.core.specs import ConvNetSpec

__all__ = ["accuracy_chart", "first_filters", "with_accuracies"]

COLOURS = {"loss": "#2f6fed", "train": "#1f8a5b", "validation": "#c9700f"}


def first_filters(weights: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the first convolution's filters (F, C, HH, WW) as tiles (n, 1 or 3, HH, WW).

    Filters of three channels are in colour. Of another number of channels each is a tile.

    Raises
    ------
    UsageError
        The network has no convolution at its start.
    """
    filters = weights.get("W1")
    if filters is None or filters.ndim != 4:
        raise UsageError("This network does not begin with filters.")
    if filters.shape[1] not in (1, 3):
        filters = filters.reshape(-1, 1, *filters.shape[2:])
    return filters


def with_accuracies(table: bytes, history: History) -> bytes:
    """Return the table of curves with what was named rightly: each batch, and each evaluation."""
    rows = list(csv.reader(io.StringIO(table.decode())))
    evaluated = {evaluation.step: evaluation for evaluation in history.evaluations}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [*rows[0], "batch_accuracy", "train_accuracy", "validation_accuracy", "validation_loss"]
    )
    for row, step, accuracy in zip(
        rows[1:], history.steps.tolist(), history.accuracies.tolist(), strict=True
    ):
        found = evaluated.get(step)
        values = (
            (None, None, None)
            if found is None
            else (found.train_accuracy, found.validation_accuracy, found.validation_loss)
        )
        writer.writerow([*row, *("" if v is None else repr(v) for v in (accuracy, *values))])
    return out.getvalue().encode()


def accuracy_chart(history: History, spec: ConvNetSpec, steps_per_epoch: int) -> Chart:
    """Return the loss of the batches, and accuracies, against epochs."""
    per_epoch = max(steps_per_epoch, 1)
    x = history.steps / per_epoch
    loss = bin_curve(x, history.terms.sum(axis=1, keepdims=True), 600, log_x=False)
    curves = [Curve("loss", COLOURS["loss"], loss.x, loss.mean[:, 0])]
    at = np.array([evaluation.step for evaluation in history.evaluations]) / per_epoch
    for name, values in (
        ("train", [e.train_accuracy for e in history.evaluations]),
        ("validation", [e.validation_accuracy for e in history.evaluations]),
    ):
        known = np.array([np.nan if value is None else value for value in values], float)
        if np.isfinite(known).any():
            curves.append(Curve(f"{name} accuracy", COLOURS[name], at, known))
    symbols = {p.name: p.hyper.symbol or p.name for p in describe(type(spec))}
    marks = [
        (
            (step + 1) / per_epoch,
            f"{symbols.get(change.name, change.name)} {change.old:g} → {change.new:g}",
        )
        for step, change in history.moves()
    ]
    return Chart(curves, "epoch", "loss and accuracy", False, False, None, marks, "Curves")
