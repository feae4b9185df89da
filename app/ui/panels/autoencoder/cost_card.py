"""The cost while it falls, and as it was at an older moment."""

from __future__ import annotations

from functools import partial

from app.core.learners import AutoencoderLearner
from app.core.one_training import Training
from app.ui.cost_watch import newest_cost
from app.ui.training_curves import clear_curves, draw_curves
from app.ui.widgets.card import Card, ToggleButton
from app.ui.widgets.cost_plot import CostPlot

__all__ = ["CostCard"]

OPTIONS = (
    ("stacked", "bands", "Stack the terms to J, so that their shares are seen", False),
    ("each_step", "each step", "Shade from the least to the greatest step", False),
    ("log_x", "log x", "Logarithmic epochs", True),
    ("log_y", "log y", "Logarithmic cost", True),
)


class CostCard(Card):
    """Curves of the cost in its terms."""

    def __init__(self) -> None:
        super().__init__("Cost", "cost")
        self.plot = CostPlot(AutoencoderLearner.term_names)
        self.body.addWidget(self.plot)
        for name, text, tip, on in OPTIONS:
            toggled = partial(self._set_option, name)
            self.add_tool(ToggleButton(f"cost_{name}", text, tip, toggled, on=on))

    def _set_option(self, name: str, on: bool) -> None:
        self.plot.set_options(**{name: on})

    def set_training(self, training: Training | None) -> None:
        """Draw the curves of a training, with a mark wherever a live value moved."""
        if training is None:
            clear_curves(self.plot)
        else:
            draw_curves(self.plot, training, *newest_cost(training))

    def show_step(self, training: Training | None, step: int | None) -> None:
        """Point at a step that is done, with the figures of then; None points at nothing."""
        if training is None or step is None:
            self.plot.set_cursor(None)
            return
        values, meaning = newest_cost(training, step)
        self.plot.set_cursor(step / max(training.steps_per_epoch, 1), values, meaning)
