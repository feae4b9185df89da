"""The curves of a training as a plot takes them: its terms, and a mark where a value moved."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.core.one_training import Training
from app.core.params import describe
from app.core.specs import TrainingSpec
from app.ui.widgets.cost_plot import CostPlot, Mark, change_text

__all__ = ["clear_curves", "draw_curves"]


def draw_curves(
    plot: CostPlot,
    training: Training,
    newest: NDArray[np.float64] | None = None,
    meaning: str = "",
) -> None:
    """Draw the terms of a training against epochs; `newest` and `meaning` say its figures now."""
    rhythm = max(training.steps_per_epoch, 1)
    kind: type[TrainingSpec] = type(training.spec)
    symbols = _symbols(kind)
    marks = [
        Mark((step + 1) / rhythm, change_text(symbols[change.name], change.old, change.new))
        for step, change in training.history.moves()
    ]
    label = "iteration" if training.spec.solver == "lbfgs" else "epoch"
    plot.set_curves(training.epochs(), training.history.terms, marks, label, newest, meaning)


def clear_curves(plot: CostPlot) -> None:
    """Draw that nothing was trained."""
    plot.set_curves(np.empty(0), np.empty((0, len(plot.term_names))), [], "epoch")


@cache
def _symbols(spec: type[TrainingSpec]) -> dict[str, str]:
    return {one.name: one.hyper.symbol or one.name for one in describe(spec)}
