"""The cost in its parts while it falls, with a mark wherever a live value moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.core.curves import bin_curve, smoothed
from app.core.params import format_number
from app.ui.theme import theme
from app.ui.widgets.card import quiet_label
from app.ui.widgets.plots import Plot, pen, to_plottable

__all__ = ["CostPlot", "Mark"]

COLOURS = ("accent", "good", "warm")
# A smooth curve is a mean over about this share of the points that are drawn.
SMOOTHED_SHARE = 0.03


@dataclass(frozen=True)
class Mark:
    """Where a live value moved: the place on the axis and what is written there."""

    x: float
    text: str


class CostPlot(QWidget):
    """Curves of J and its terms, or the terms stacked to J.

    Parameters
    ----------
    term_names : tuple of str
        What the columns of the terms are; three at most.
    total : str
        What their sum is called.

    Signals
    -------
    clicked(float)
        The place on the axis, in epochs, at which somebody clicked.
    """

    clicked = pyqtSignal(float)

    def __init__(self, term_names: tuple[str, ...], total: str = "J") -> None:
        super().__init__()
        self.setObjectName("costPlot")
        self.term_names, self.total = term_names, total
        self.log_x = self.log_y = True
        self.each_step = self.stacked = self.smooth = False
        self._x: NDArray[np.float64] = np.empty(0)
        self._terms: NDArray[np.float64] = np.empty((0, len(term_names)))
        self._marks: list[Mark] = []
        self._newest: NDArray[np.float64] | None = None
        self._meaning = ""
        # Where an older moment is seen: its place and, as long as the rest, its figures.
        self._cursor: float | None = None
        self._then: NDArray[np.float64] | None = None
        self._then_meaning = ""
        self._last: NDArray[np.float64] | None = None
        self._drawn: tuple[NDArray[np.float64], NDArray[np.float64]]
        self._drawn = np.empty(0), np.empty((0, len(term_names) + 1))
        self._bound: float | None = None
        self._bound_text = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        # The figures change their width all the time; nothing around them may move for it.
        self._legend_line = QWidget()
        self._legend_line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._legend = QHBoxLayout(self._legend_line)
        self._legend.setContentsMargins(0, 0, 0, 0)
        self._legend.setSpacing(14)
        self._readouts = [QLabel() for _ in (*term_names, total)]
        for label in (self._readouts[-1], *self._readouts[:-1]):
            label.setTextFormat(Qt.TextFormat.PlainText)
            self._legend.addWidget(label)
        self._bound_label = quiet_label(name="pcaBound")
        self._bound_label.setToolTip(
            "Principal components, as many as there are hidden units: no linear code "
            "reconstructs with a smaller cost."
        )
        self._legend.addWidget(self._bound_label)
        self._legend.addStretch(1)
        layout.addWidget(self._legend_line)
        self.plot = Plot("costCurves", "epoch", "cost" if total == "J" else total)
        layout.addWidget(self.plot)
        item = self.plot.getPlotItem()
        # What moved, in a strip above the curves: a label inside would cover them.
        item.showAxis("top")
        self._bands = [pg.PlotCurveItem() for _ in term_names]
        self._spread = [pg.PlotCurveItem() for _ in range(2)]
        self._fill = pg.FillBetweenItem(*self._spread)
        self._curves = [pg.PlotCurveItem() for _ in (*term_names, total)]
        self._raw = pg.PlotCurveItem()
        self._bound_line = pg.InfiniteLine(angle=0, movable=False)
        self._mark_lines = pg.PlotCurveItem(connect="pairs")
        self._cursor_line = pg.InfiniteLine(angle=90, movable=False)
        self._cursor_line.hide()
        for part in (
            *reversed(self._bands),
            self._fill,
            self._raw,
            self._mark_lines,
            *self._curves,
        ):
            self.plot.addItem(part)
        self.plot.addItem(self._bound_line, ignoreBounds=True)
        self.plot.addItem(self._cursor_line, ignoreBounds=True)
        item.getViewBox().disableAutoRange()
        self.plot.scene().sigMouseClicked.connect(self._on_clicked)
        self._dress()
        theme.changed.connect(self._dress)

    def _on_clicked(self, event: Any) -> None:
        box = self.plot.getPlotItem().getViewBox()
        if len(self._x) and box.sceneBoundingRect().contains(event.scenePos()):
            x = box.mapSceneToView(event.scenePos()).x()
            self.clicked.emit(float(10.0**x) if self.log_x else float(x))

    def set_options(
        self,
        *,
        log_x: bool | None = None,
        log_y: bool | None = None,
        each_step: bool | None = None,
        stacked: bool | None = None,
        smooth: bool | None = None,
    ) -> None:
        """Change how the curves are drawn."""
        self.log_x = self.log_x if log_x is None else log_x
        self.log_y = self.log_y if log_y is None else log_y
        self.each_step = self.each_step if each_step is None else each_step
        self.stacked = self.stacked if stacked is None else stacked
        self.smooth = self.smooth if smooth is None else smooth
        self._draw()

    def set_bound(self, bound: float | None, components: int = 0) -> None:
        """Draw the least reconstruction cost that PCA with as many components reaches."""
        self._bound = bound
        self._bound_text = "" if bound is None else f"┄ PCA {bound:.3g}"
        self._draw()

    def set_curves(
        self,
        x: NDArray[np.float64],
        terms: NDArray[np.float64],
        marks: list[Mark],
        x_label: str,
        newest: NDArray[np.float64] | None = None,
        meaning: str = "",
    ) -> None:
        """Show `terms` (N, T) at the places `x` (N,), in epochs.

        `newest` (T,) are the figures beside the names, and `meaning` says what they are; with
        none, they are where the curves end.
        """
        self._x, self._terms, self._marks = x, terms, marks
        self._newest = None if newest is None else np.append(newest, newest.sum())
        self._meaning = meaning
        self.plot.set_label("bottom", x_label)
        self._draw()

    def set_cursor(
        self, x: float | None, values: NDArray[np.float64] | None = None, meaning: str = ""
    ) -> None:
        """Draw a line where an older moment is seen, and show its figures; None for none.

        `values` (T,) are the terms of that moment, and `meaning` says what they are.
        """
        self._cursor = x
        self._then = None if x is None or values is None else np.append(values, values.sum())
        self._then_meaning = meaning
        self._draw_cursor()

    def _draw_cursor(self) -> None:
        """Put the line and the figures where they belong; the curves stay as they are."""
        x = self._cursor
        shown = x is not None and (x > 0 or not self.log_x)
        self._cursor_line.setVisible(shown)
        if x is not None and shown:
            self._cursor_line.setPos(np.log10(x) if self.log_x else x)
        if x is None:
            self._read_out(self._last if self._newest is None else self._newest)
        else:
            self._read_out(self._at(x) if self._then is None else self._then)
        for label in self._readouts:
            label.setToolTip(self._meaning if x is None else self._then_meaning)

    def _at(self, x: float) -> NDArray[np.float64] | None:
        """Return the figures of the curves where they were, as they are drawn, at `x`."""
        places, means = self._drawn
        before = int(np.searchsorted(places, x * (1 + 1e-9), side="right"))
        return means[before - 1] if before else None

    def _dress(self) -> None:
        c = theme.colours
        of_terms = COLOURS[: len(self.term_names)]
        for label, colour in zip(self._readouts, (*of_terms, "text"), strict=True):
            label.setStyleSheet(f"color: {getattr(c, colour)}; font-size: 12px;")
        top = self.plot.getAxis("top")
        top.setPen(pg.mkPen(None))
        top.setTextPen(pg.mkPen(c.accent))
        top.setStyle(
            tickFont=self.plot.getAxis("bottom").style["tickFont"],
            tickLength=0,
            hideOverlappingLabels=False,
        )
        top.setHeight(16)
        for curve, colour in zip(self._curves, (*of_terms, "text"), strict=True):
            curve.setPen(pen(colour, 1.4))
        for band, colour in zip(self._bands, of_terms, strict=True):
            band.setPen(pen(colour))
            band.setBrush(theme.colour(colour))
        self._raw.setPen(pen("faint"))
        for edge in self._spread:
            edge.setPen(pg.mkPen(None))
        shade = theme.colour("text")
        shade.setAlpha(38)
        self._fill.setBrush(shade)
        self._bound_line.setPen(pen("quiet", 1, Qt.PenStyle.DashLine))
        self._mark_lines.setPen(pen("accent", 1, Qt.PenStyle.DotLine))
        self._cursor_line.setPen(pen("text", 1))
        self._draw()

    def _draw(self) -> None:
        total = self._terms.sum(axis=1, keepdims=True)
        values = np.hstack([self._terms, total])
        log_y = self.log_y and not self.stacked
        self.plot.setLogMode(x=self.log_x, y=log_y)
        binned = bin_curve(self._x, values, max(200, self.plot.width()), log_x=self.log_x)
        smooth = self.smooth and not self.stacked
        means = smoothed(binned.mean, len(binned.x) * SMOOTHED_SHARE) if smooth else binned.mean
        self._last = means[-1] if len(binned.x) else None
        self._drawn = binned.x, means
        self._draw_cursor()
        self._set(self._raw, binned.x, binned.mean[:, -1], log_y, smooth)
        for number, curve in enumerate(self._curves):
            # A term that is switched off is not drawn as a line at zero.
            drawn = not self.stacked and (
                number == len(self.term_names) or np.any(means[:, number])
            )
            self._set(curve, binned.x, means[:, number], log_y, bool(drawn))
        stack = np.cumsum(binned.mean[:, :-1], axis=1)
        for number, band in enumerate(self._bands):
            self._set(band, binned.x, stack[:, number], False, self.stacked)
            band.setFillLevel(0 if self.stacked else None)
        spread = self.each_step and not self.stacked
        for edge, value in zip(self._spread, (binned.low[:, -1], binned.high[:, -1]), strict=True):
            self._set(edge, binned.x, value, log_y, spread)
        self._fill.setVisible(spread and len(binned.x) > 1)
        self._range(binned.x, values, spread)

    def _set(
        self, curve: Any, x: NDArray[np.float64], y: NDArray[np.float64], log_y: bool, shown: bool
    ) -> None:
        if not shown:
            curve.setData([], [])
            return
        x, y = to_plottable(x, y, log_x=self.log_x, log_y=log_y)
        curve.setData(np.log10(x) if self.log_x else x, np.log10(y) if log_y else y)

    def _range(self, x: NDArray[np.float64], values: NDArray[np.float64], spread: bool) -> None:
        """Fit the axes: the curves fill the plot and nothing is cut."""
        log_y = self.log_y and not self.stacked
        box = self.plot.getPlotItem().getViewBox()
        if len(x) == 0:
            left, right = (-1.0, 1.0) if self.log_x else (0.0, 1.0)
            low, high = (-1.0, 1.0) if log_y else (0.0, 1.0)
        else:
            ends = np.array([x[0], max(x[-1], x[0] * 1.0001 + 1e-9)])
            left, right = np.log10(ends) if self.log_x else (0.0, ends[1])
            heights = values[np.isfinite(values)]
            if self._bound is not None:
                heights = np.append(heights, self._bound)
            if log_y:
                heights = heights[heights > 0]
                # Six decades below the top are enough: a term near zero is near zero. But
                # the sum is seen from its least value on, even if it has risen far since.
                top = heights.max(initial=1.0) if not len(heights) else heights.max()
                sums = values[:, -1]
                sums = sums[np.isfinite(sums) & (sums > 0)]
                floor = min(top * 1e-6, sums.min(initial=np.inf) / 10)
                bottom = max(heights.min() if len(heights) else top / 10, floor)
                low, high = np.log10(bottom), np.log10(top)
            else:
                low, high = 0.0, float(heights.max(initial=0.0)) or 1.0
        pad = (high - low) * 0.06 or 0.1
        box.setRange(
            xRange=(left, right),
            yRange=(low if low == 0.0 else low - pad, high + pad),
            padding=0.015,
        )
        self._bound_line.setVisible(self._bound is not None and not (log_y and self._bound <= 0))
        if self._bound is not None and self._bound_line.isVisible():
            self._bound_line.setPos(np.log10(self._bound) if log_y else self._bound)
        self._place_marks(left, right, low - pad, high + pad)

    def _place_marks(self, left: float, right: float, low: float, high: float) -> None:
        marks = [mark for mark in self._marks if mark.x > 0 or not self.log_x]
        places = np.array([np.log10(mark.x) if self.log_x else mark.x for mark in marks])
        span = high - low
        lines_x, lines_y = np.repeat(places, 2), np.tile([low - span, high + span], len(places))
        self._mark_lines.setData(lines_x, lines_y)
        # Newest first: a label is left out where it would touch one that is written already.
        metrics = QFontMetrics(self.plot.getAxis("bottom").style["tickFont"])
        room = max(1.0, self.plot.getPlotItem().getViewBox().width())
        taken: list[tuple[float, float]] = []
        ticks = []
        for place, mark in sorted(zip(places, marks, strict=True), key=lambda p: -p[0]):
            centre = (place - left) / max(right - left, 1e-12) * room
            half = metrics.horizontalAdvance(mark.text) / 2 + 6
            centre = min(max(centre, half), room - half)
            if all(centre + half <= a or centre - half >= b for a, b in taken):
                taken.append((centre - half, centre + half))
                ticks.append((left + centre / room * (right - left), mark.text))
        self.plot.getAxis("top").setTicks([ticks])

    def _read_out(self, newest: NDArray[np.float64] | None) -> None:
        for number, (label, name) in enumerate(
            zip(self._readouts, (*self.term_names, self.total), strict=True)
        ):
            value = "" if newest is None else f" {newest[number]:.3g}"
            label.setText(f"━ {name}{value}")
        self._bound_label.setText(self._bound_text)
        # Where there is no room for all of it, names matter more than the figures of the terms.
        room = self._legend_line.width()
        if self._legend.sizeHint().width() > room:
            self._bound_label.setText("")
        if self._legend.sizeHint().width() > room:
            for label, name in zip(self._readouts, self.term_names, strict=False):
                label.setText(f"━ {name}")

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: labels of marks and the number of bins follow the width."""
        super().resizeEvent(event)
        self._draw()


def change_text(symbol: str, old: float, new: float) -> str:
    """Return what a mark says, such as ``ρ 0.25 → 0.05``."""
    return f"{symbol} {format_number(old)} → {format_number(new)}"
