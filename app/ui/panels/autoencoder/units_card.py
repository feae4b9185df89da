"""How often each hidden unit fires, and how the weights are spread."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal

from app.core.probe import Sight
from app.ui.widgets.bar_plots import HistogramPlot, UnitBars
from app.ui.widgets.card import TabbedCard

__all__ = ["UnitsCard"]

UNIT_MEANING = (
    "Dead: a mean activation below 0.001, the unit never fires. "
    "Saturated: above 0.999, it always does and tells nothing."
)


class UnitsCard(TabbedCard):
    """Bars of mean activations, and a histogram of all weights.

    Signals
    -------
    unit_clicked(int)
    wish_changed()
        The other page is in sight, and wants to be drawn.
    """

    unit_clicked = pyqtSignal(int)
    wish_changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(
            ["Mean activation", "Weights"],
            "units",
            [
                "How often each unit fires, against ρ; click a bar to open the unit",
                "How the weights are spread",
            ],
        )
        self.bars = UnitBars()
        self.bars.unit_clicked.connect(self.unit_clicked)
        self.histogram = HistogramPlot("weightHistogram", "weight", "count")
        self.add_page(self.bars)
        self.add_page(self.histogram)
        self.on_page_changed(lambda _page: self.wish_changed.emit())

    @property
    def wants_histogram(self) -> bool:
        """Whether the page of the weights is in sight."""
        return self.page == 1

    def show_sight(self, sight: Sight, rho: float, frames: dict[int, str]) -> None:
        """Draw what is in sight of a model; `frames` colours the bars of some units."""
        reading = sight.reading
        if self.page == 0:
            self.bars.set_values(reading.rho_hat, rho, frames)
            kinds = {"dead": len(reading.dead), "saturated": len(reading.saturated)}
            self.note.setText(" · ".join(f"{count} {kind}" for kind, count in kinds.items()))
            self.note.setProperty("meaning", UNIT_MEANING)
            # Those that are there; the whole is in the tooltip.
            some = [f"{count} {kind}" for kind, count in kinds.items() if count]
            self.note.setProperty("short", some[0] if some else "0 dead")
        elif sight.counts is not None and sight.edges is not None:
            self.histogram.set_counts(sight.counts, sight.edges)
            self.note.setText("W1 and W2")
            self.note.setProperty("meaning", "")
