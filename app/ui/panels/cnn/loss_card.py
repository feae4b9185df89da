"""The loss while it falls, and how the layers behave meanwhile."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QWidget

from app.core.events import Snapshot
from app.core.nn.network import TERM_NAMES
from app.core.one_training import Training
from app.ui.training_curves import clear_curves, draw_curves
from app.ui.widgets.card import ChoiceButton, TabbedCard, ToggleButton
from app.ui.widgets.cost_plot import CostPlot
from app.ui.widgets.layer_behaviour import KINDS, LayerBehaviour

__all__ = ["LossCard"]

# What a snapshot calls the slopes of a parameter.
GRADIENT = "gradient "
# Width of the card from which each switch of the plot is shown.
ROOM = (200, 330, 290)


class LossCard(TabbedCard):
    """Curves of the loss in its terms; numbers and histograms of every layer.

    Signals
    -------
    behaviour_wanted()
        The page of the layers came into sight.
    """

    behaviour_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(
            ["Loss", "Layers"],
            "loss",
            ["What the network is trained to make small", "What comes out of each layer"],
        )
        self.plot = CostPlot(TERM_NAMES, "loss")
        self.plot.setObjectName("lossPlot")
        self.behaviour = LayerBehaviour()
        self.add_page(self.plot)
        self.add_page(self.behaviour)
        self.on_page_changed(self._on_page)
        self._plot_tools: list[QWidget] = []
        for name, text, tip, on in (
            ("smooth", "smooth", "A running mean, with every step behind it", True),
            ("log_x", "log x", "Logarithmic epochs", False),
            ("log_y", "log y", "Logarithmic loss", False),
        ):
            button = ToggleButton(f"loss_{name}", text, tip, partial(self._set_option, name), on=on)
            self.plot.set_options(**{name: on})
            self.add_tool(button)
            self._plot_tools.append(button)
        self.kind = ChoiceButton(
            "behaviourKind", "What the histogram is of", KINDS, self.behaviour.set_kind
        )
        self.kind.hide()
        self.add_tool(self.kind)

    def _set_option(self, name: str, on: bool) -> None:
        self.plot.set_options(**{name: on})

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: in a small window the axes keep as they are, and their switches make room."""
        super().resizeEvent(event)
        self._show_tools()

    def _show_tools(self) -> None:
        for button, least in zip(self._plot_tools, ROOM, strict=True):
            button.setVisible(self.page == 0 and self.width() >= least)
        self.kind.setVisible(self.page == 1)

    def _on_page(self, page: int) -> None:
        self._show_tools()
        if page == 1:
            self.behaviour_wanted.emit()

    def set_training(self, training: Training | None) -> None:
        """Draw the curves of a training, with a mark wherever a live value moved."""
        if training is None:
            clear_curves(self.plot)
        else:
            draw_curves(self.plot, training)

    def set_snapshot(self, snapshot: Snapshot) -> None:
        """Take the newest weights and slopes."""
        gradients = {
            name.removeprefix(GRADIENT): values
            for name, values in snapshot.statistics.items()
            if name.startswith(GRADIENT)
        }
        self.behaviour.set_values(snapshot.weights, gradients)
