"""Bars: the mean activation of every hidden unit, and histograms."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal

from app.ui.theme import theme
from app.ui.widgets.plots import Plot, calm_top, pen

__all__ = ["HistogramPlot", "UnitBars"]


class UnitBars(Plot):
    """One bar a hidden unit, against the line it is pulled to.

    Signals
    -------
    unit_clicked(int)
        The unit whose bar was clicked.
    """

    unit_clicked = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__("unitBars", "hidden unit", "mean activation")
        self._values: NDArray[np.float64] = np.empty(0)
        self._colours: dict[int, str] = {}
        self._rho = 0.05
        self.selected: int | None = None
        # A filled outline of all bars is one item, whatever the number of units.
        self._bars = {
            name: pg.PlotCurveItem(fillLevel=0, pen=None)
            for name in ("accent", "bad", "warm", "text")
        }
        for bars in self._bars.values():
            self.addItem(bars)
        self._line = pg.InfiniteLine(angle=0, movable=False)
        self.addItem(self._line, ignoreBounds=True)
        self.getPlotItem().getViewBox().disableAutoRange()
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.repaint_theme()

    def set_values(self, values: NDArray[np.floating], rho: float, colours: dict[int, str]) -> None:
        """Show ``values`` (L,), the target line, and units in colours of their own."""
        self._values = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
        self._rho, self._colours = rho, colours
        self._draw()

    def select(self, unit: int | None) -> None:
        """Show one unit's bar in the text colour."""
        self.selected = unit
        self._draw()

    def _draw(self) -> None:
        units = np.arange(len(self._values))
        groups = {name: np.zeros(len(units), bool) for name in self._bars}
        for unit, colour in self._colours.items():
            if unit < len(units):
                groups[colour][unit] = True
        if self.selected is not None and self.selected < len(units):
            for group in groups.values():
                group[self.selected] = False
            groups["text"][self.selected] = True
        groups["accent"] = ~np.logical_or.reduce([groups[n] for n in ("bad", "warm", "text")])
        for name, group in groups.items():
            x = (units[group][:, None] + np.array([-0.4, -0.4, 0.4, 0.4])).ravel()
            heights = self._values[group]
            y = (heights[:, None] * np.array([0, 1, 1, 0])).ravel()
            self._bars[name].setData(x, y)
        self._line.setPos(self._rho)
        top = calm_top(1.05 * max(float(self._values.max(initial=0.0)), self._rho))
        count = max(len(units), 1)
        self.getPlotItem().getViewBox().setRange(
            xRange=(-0.7, count - 0.3), yRange=(0, top), padding=0
        )

    def repaint_theme(self) -> None:
        """Take the colours that are in force."""
        super().repaint_theme()
        if not hasattr(self, "_line"):
            return
        for name, bars in self._bars.items():
            bars.setBrush(theme.colour(name))
        self._line.setPen(pen("warm", 2))

    def _on_clicked(self, event: object) -> None:
        place = self.getPlotItem().getViewBox().mapSceneToView(event.scenePos())  # type: ignore[attr-defined]
        unit = round(place.x())
        if 0 <= unit < len(self._values):
            self.unit_clicked.emit(unit)


class HistogramPlot(Plot):
    """One or two histograms over the same bins."""

    def __init__(self, name: str, x_label: str, y_label: str = "count") -> None:
        super().__init__(name, x_label, y_label)
        self._front = pg.PlotCurveItem(fillLevel=0)
        self._back = pg.PlotCurveItem(fillLevel=0)
        self._mark = pg.InfiniteLine(angle=90, movable=False)
        for item in (self._back, self._front):
            self.addItem(item)
        self.addItem(self._mark, ignoreBounds=True)
        self._mark.hide()
        self.getPlotItem().getViewBox().disableAutoRange()
        self.repaint_theme()

    def set_values(self, values: NDArray[np.floating], bins: int = 60) -> None:
        """Show how `values` are spread; non-finite ones are left out."""
        self.set_counts(*self.counts_of(values, bins))

    @staticmethod
    def counts_of(
        values: NDArray[np.floating], bins: int = 60
    ) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        """Return how many finite values (B,) lie between the edges (B + 1,) of each bar."""
        good = values[np.isfinite(values)].ravel()
        if len(good) == 0:
            return np.zeros(1, np.int64), np.array([0.0, 1.0])
        return np.histogram(good, bins)

    def set_counts(
        self,
        counts: NDArray[np.floating] | NDArray[np.integer],
        edges: NDArray[np.floating],
        back: NDArray[np.floating] | None = None,
        mark: float | None = None,
    ) -> None:
        """Show ``counts`` (B,) over ``edges`` (B + 1,), with another histogram behind."""
        x = np.repeat(edges, 2)[1:-1]
        self._front.setData(x, np.repeat(counts, 2))
        if back is None:
            self._back.setData([], [])
        else:
            self._back.setData(x, np.repeat(back, 2))
        self._mark.setVisible(mark is not None)
        if mark is not None:
            self._mark.setPos(mark)
        top = max(
            float(np.max(counts, initial=0)),
            float(np.max(back, initial=0)) if back is not None else 0.0,
        )
        self.getPlotItem().getViewBox().setRange(
            xRange=(float(edges[0]), float(edges[-1])),
            yRange=(0, calm_top(1.02 * top)),
            padding=0.01,
        )

    def repaint_theme(self) -> None:
        """Take the colours that are in force."""
        super().repaint_theme()
        if not hasattr(self, "_mark"):
            return
        self._front.setBrush(theme.colour("accent"))
        self._front.setPen(pen("accent"))
        behind = theme.colour("quiet")
        behind.setAlpha(110)
        self._back.setBrush(behind)
        self._back.setPen(pg.mkPen(None))
        self._mark.setPen(pen("warm", 2, Qt.PenStyle.SolidLine))
