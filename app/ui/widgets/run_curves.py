"""Curves of several runs over each other, a colour each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.core.curves import bin_curve, smoothed
from app.ui.theme import theme
from app.ui.widgets.plots import Plot, to_plottable

__all__ = ["PALETTE", "RunCurve", "RunCurves"]

# Told apart on white and on black, also by most who do not tell red from green (Okabe and Ito).
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7cd8", "#8c8c8c")
SMOOTHED_SHARE = 0.05


@dataclass(frozen=True)
class RunCurve:
    """One curve: its run's name, its colour, and `y` (N,) at the places `x` (N,), in epochs."""

    name: str
    colour: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


class RunCurves(QWidget):
    """A plot with a legend; smooth curves have the raw ones behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("runCurves")
        self.log_x, self.log_y, self.smooth = True, True, True
        self.curves: list[RunCurve] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        line = QWidget()
        line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._legend = QHBoxLayout(line)
        self._legend.setContentsMargins(0, 0, 0, 0)
        self._legend.setSpacing(14)
        self._legend.addStretch(1)
        layout.addWidget(line)
        self.plot = Plot("runCurvesPlot", "epoch", "cost")
        layout.addWidget(self.plot, 1)
        self._items: list[pg.PlotCurveItem] = []
        theme.changed.connect(self._draw)

    def set_curves(self, curves: Sequence[RunCurve], label: str) -> None:
        """Show other curves."""
        self.curves = list(curves)
        self.plot.set_label("left", label)
        while self._legend.count() > 1:
            item = self._legend.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.deleteLater()
        for place, curve in enumerate(self.curves):
            text = QLabel(f"━ {curve.name}")
            text.setTextFormat(Qt.TextFormat.PlainText)
            text.setStyleSheet(f"color: {curve.colour}; font-size: 12px;")
            self._legend.insertWidget(place, text)
        self._draw()

    def set_options(
        self,
        *,
        log_x: bool | None = None,
        log_y: bool | None = None,
        smooth: bool | None = None,
    ) -> None:
        """Change how the curves are drawn."""
        self.log_x = self.log_x if log_x is None else log_x
        self.log_y = self.log_y if log_y is None else log_y
        self.smooth = self.smooth if smooth is None else smooth
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.plot.removeItem(item)
        self._items = []
        self.plot.setLogMode(x=self.log_x, y=self.log_y)
        for curve in self.curves:
            binned = bin_curve(
                curve.x, curve.y[:, None], max(200, self.plot.width()), log_x=self.log_x
            )
            raw = binned.mean[:, 0]
            colour = QColor(curve.colour)
            if self.smooth:
                faint = QColor(colour)
                faint.setAlpha(70)
                self._add(binned.x, raw, faint)
                raw = smoothed(raw, len(raw) * SMOOTHED_SHARE)
            self._add(binned.x, raw, colour)
        box = self.plot.getPlotItem().getViewBox()
        box.enableAutoRange()
        box.updateAutoRange()

    def _add(self, x: NDArray[np.float64], y: NDArray[np.float64], colour: QColor) -> None:
        x, y = to_plottable(x, y, log_x=self.log_x, log_y=self.log_y)
        item = pg.PlotCurveItem(
            np.log10(x) if self.log_x else x,
            np.log10(y) if self.log_y else y,
            pen=pg.mkPen(colour, width=1.4),
        )
        self.plot.addItem(item)
        self._items.append(item)
