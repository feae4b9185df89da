"""How many images are named right: training and validation, against guessing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.ui.theme import theme
from app.ui.widgets.card import elided_label
from app.ui.widgets.plots import Plot, pen, to_plottable

__all__ = ["AccuracyPlot"]

# Pixels from the middle of the best dot's ring to what must not cut it.
RING_ROOM = 10.0
COLOURS = {"validation": "accent", "train": "warm"}
# Short, so that all has room in a small window; the axis says of what, the tooltips say more.
NAMES = {"validation": "val", "train": "train"}


class AccuracyPlot(QWidget):
    """Two curves in per cent, the best validation marked, and the line of chance."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("accuracyPlot")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        legend = QHBoxLayout()
        legend.setSpacing(10)
        self._readouts = {name: QLabel() for name in COLOURS}
        for name, label in self._readouts.items():
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setToolTip(f"Share of {name} images that are named right")
            legend.addWidget(label)
        self._best = elided_label("bestAccuracy", Qt.AlignmentFlag.AlignLeft)
        self._best.setProperty("whole", True)
        self._best.setProperty("meaning", "The best validation so far; its weights are kept.")
        legend.addWidget(self._best, 1)
        layout.addLayout(legend)
        self.plot = Plot("accuracyCurves", "epoch", "per cent right")
        layout.addWidget(self.plot)
        self._curves = {name: pg.PlotCurveItem() for name in COLOURS}
        self._dots = {name: pg.ScatterPlotItem(size=5, pen=None) for name in COLOURS}
        self._star = pg.ScatterPlotItem(size=11, symbol="o")
        self._chance = pg.InfiniteLine(angle=0, movable=False)
        # Where an older moment is seen.
        self._cursor: float | None = None
        self._cursor_line = pg.InfiniteLine(angle=90, movable=False)
        self._cursor_line.hide()
        for name in ("train", "validation"):
            self.plot.addItem(self._curves[name])
            self.plot.addItem(self._dots[name])
        self.plot.addItem(self._star)
        self.plot.addItem(self._chance, ignoreBounds=True)
        self.plot.addItem(self._cursor_line, ignoreBounds=True)
        self.plot.getPlotItem().getViewBox().disableAutoRange()
        self._x: NDArray[np.float64] = np.empty(0)
        self._values: dict[str, NDArray[np.float64]] = {name: np.empty(0) for name in COLOURS}
        self._classes = 0
        self._dress()
        theme.changed.connect(self._dress)

    def set_values(
        self,
        x: NDArray[np.float64],
        train: NDArray[np.float64],
        validation: NDArray[np.float64],
        classes: int,
        x_label: str = "epoch",
    ) -> None:
        """Show accuracies (n,) between 0 and 1 at the places `x` (n,); NaN where there is none."""
        self._x, self._classes = np.asarray(x, np.float64), classes
        self._values = {
            "train": 100 * np.asarray(train, np.float64),
            "validation": 100 * np.asarray(validation, np.float64),
        }
        self.plot.set_label("bottom", x_label)
        self._draw()

    def set_cursor(self, x: float | None) -> None:
        """Draw a line where an older moment is seen, and show its figures; None for none."""
        self._cursor = x
        self._draw()

    def _dress(self) -> None:
        for name, colour in COLOURS.items():
            self._readouts[name].setStyleSheet(
                f"color: {getattr(theme.colours, colour)}; font-size: 12px;"
            )
            self._curves[name].setPen(pen(colour, 1.4))
            self._dots[name].setBrush(theme.colour(colour))
        self._star.setPen(pen("accent", 1.5))
        self._star.setBrush(pg.mkBrush(None))
        self._chance.setPen(pen("quiet", 1, Qt.PenStyle.DashLine))
        self._cursor_line.setPen(pen("text", 1))
        self._draw()

    def _draw(self) -> None:
        newest: dict[str, Any] = {}
        highest, lowest = 10.0, 100.0
        for name, values in self._values.items():
            x, y = to_plottable(self._x, values)
            self._curves[name].setData(x, y)
            # Dots say where a validation was; of very many only the line is drawn.
            few = len(x) <= 60
            self._dots[name].setData(x if few else [], y if few else [])
            known = y if self._cursor is None else y[x <= self._cursor * (1 + 1e-9)]
            newest[name] = known[-1] if len(known) else None
            if len(y):
                highest, lowest = max(highest, float(y.max())), min(lowest, float(y.min()))
        for name, label in self._readouts.items():
            value = newest[name]
            label.setText(f"━ {NAMES[name]}" + ("" if value is None else f" {value:.1f}"))
        x, y = to_plottable(self._x, self._values["validation"])
        best = int(y.argmax()) if len(y) else None
        self._star.setData([x[best]], [y[best]]) if best is not None else self._star.setData([], [])
        self._best.setText("" if best is None else f"○ {y[best]:.1f}")
        chance = 100 / self._classes if self._classes else 0.0
        self._chance.setVisible(self._classes > 0)
        self._chance.setPos(chance)
        self._chance.setToolTip(f"chance, {chance:.0f} %")
        self._cursor_line.setVisible(self._cursor is not None)
        if self._cursor is not None:
            self._cursor_line.setPos(self._cursor)
        right = float(self._x[-1]) if len(self._x) and self._x[-1] > 0 else 1.0
        if lowest > highest:  # nothing yet
            lowest, highest = 0.0, 100.0
        bottom = min(lowest, chance or lowest)
        box = self.plot.getPlotItem().getViewBox()
        # The last dot, and the ring around the best, are whole: also at 100 per cent.
        bottom, wide, high = max(0.0, bottom - 4), max(box.width(), 60.0), max(box.height(), 60.0)
        beside, above = RING_ROOM / (wide - RING_ROOM), RING_ROOM / (high - RING_ROOM)
        top = max(min(100.0, highest + 4), highest + (highest - bottom) * above)
        box.setRange(xRange=(0.0, right * (1 + beside)), yRange=(bottom, top), padding=0)
