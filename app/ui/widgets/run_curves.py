"""Curves of several runs over each other, a colour each, with what they say below the mouse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QObject, QPointF, Qt
from PyQt6.QtGui import QColor, QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from app.core.compare.curves import RunCurve, draw, value_at
from app.ui.theme import theme
from app.ui.widgets.card import elided_label, quiet_label
from app.ui.widgets.plots import Plot, to_plottable

__all__ = ["PALETTE", "RunCurves"]

# After Okabe and Ito, told apart by most who do not tell red from green; each a little lighter or
# darker than theirs, so that a thin line is seen on white and on the dark cards alike.
PALETTE = ("#2f88d6", "#c28400", "#009e73", "#c9749f", "#1f9bb0", "#d55e00", "#8a7cd8", "#8c8c8c")
FAINT, BAND = 70, 45
# The legend takes what its names and values need, and never more than these.
LEGEND_WIDTH, LEGEND_SHARE = 310, 0.45
# The longest that a value gets, of one run and of several.
WIDEST_VALUE, WIDEST_BAND = "1.234e-05 …", "1.234e-05  (1.23e-05 … 1.23e-05) …"
WHOLE = "Each step sees one mini-batch alone; the tables say what is true of all the training data."
# Stands behind the last value of a curve that still grows.
SO_FAR = " …"


class RunCurves(QWidget):
    """A plot, and beside it what each curve is called and says.

    The values are those of the step below the mouse, of every curve, or without the mouse the
    last ones: of the curve itself, not of the smooth line that is drawn of it. A smooth line has
    the curve itself behind it; several seeds are a line with a band.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("runCurves")
        self.log_x, self.log_y, self.smooth, self.band = True, True, True, True
        # While curves grow: smooth lines alone, and thin, for jagged ones take long to draw.
        self.growing = False
        self.curves: list[RunCurve] = []
        self.place: float | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.plot = Plot("runCurvesPlot", "epoch", "cost")
        self.plot.showAxis("top")
        layout.addWidget(self.plot, 1)
        self._side = side = QWidget()
        side.setFixedWidth(LEGEND_WIDTH)
        side.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self._legend = QGridLayout(side)
        self._legend.setContentsMargins(0, 4, 0, 0)
        self._legend.setVerticalSpacing(2)
        self._legend.setColumnStretch(1, 1)
        self._legend.setHorizontalSpacing(6)
        self.where = quiet_label(name="runCurvesPlace")
        self.where.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._legend.addWidget(self.where, 0, 0, 1, 3)
        self._legend.setRowStretch(100, 1)
        self._rows: list[tuple[QLabel, QLabel, QLabel]] = []
        layout.addWidget(side)
        self._axis, self._of = "epoch", ""
        self._items: list[pg.GraphicsObject] = []
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.hide()
        self.plot.addItem(self._cursor, ignoreBounds=True)
        self.plot.scene().sigMouseMoved.connect(self._on_mouse)
        self.plot.viewport().installEventFilter(self)
        theme.changed.connect(self._dress)
        self._dress()

    def values(self) -> list[str]:
        """Return what is written beside each curve."""
        return [value.text() for _, _, value in self._rows]

    def set_curves(
        self, curves: Sequence[RunCurve], label: str, axis: str = "epoch", of: str = ""
    ) -> None:
        """Show other curves.

        `label` and `axis` are what stands at the axes; `of` says of what a single value is, where
        another number of the same name is of something else.
        """
        self.curves = list(curves)
        self._axis, self._of = axis, of
        self.plot.set_label("left", label)
        self.plot.set_label("bottom", axis)
        for old in self._rows:
            for part in old:
                self._legend.removeWidget(part)
                part.deleteLater()
        self._rows = []
        for row, curve in enumerate(self.curves, 1):
            swatch = QLabel("━")
            swatch.setStyleSheet(f"color: {curve.colour}; font-size: 12px;")
            name = elided_label(f"runCurveName{row - 1}")
            name.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            name.setText(curve.name)
            value = quiet_label(name=f"runCurveValue{row - 1}")
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for column, part in enumerate((swatch, name, value)):
                self._legend.addWidget(part, row, column)
            self._rows.append((swatch, name, value))
        self.place = None
        self._fit_legend()
        self._draw()

    def _fit_legend(self) -> None:
        """Give the legend the room that it needs, and the curves the rest."""
        wide = 0
        for curve, (swatch, name, value) in zip(self.curves, self._rows, strict=True):
            longest = WIDEST_BAND if curve.y.shape[1] > 1 else WIDEST_VALUE
            need = swatch.sizeHint().width() + name.fontMetrics().horizontalAdvance(curve.name)
            wide = max(wide, need + value.fontMetrics().horizontalAdvance(longest))
        # What the first line says changes with the mouse; nothing may move for it.
        metrics = self.where.fontMetrics()
        texts = (self._said(None), f"{self._axis} {1.234e-05:.4g}")
        first = max(metrics.horizontalAdvance(text) for text in texts)
        wide = max(wide + 3 * self._legend.horizontalSpacing(), first + 4)
        most = min(LEGEND_WIDTH, round(LEGEND_SHARE * self.width()))
        self._side.setFixedWidth(max(1, min(wide, most)))

    def renew(self, curves: Sequence[RunCurve]) -> None:
        """Show how the same curves went on: names, axes and the place that is read stay."""
        self.curves = list(curves)
        for curve, (_, name, _) in zip(self.curves, self._rows, strict=True):
            name.setText(curve.name)
        self._draw()

    def set_options(
        self,
        *,
        log_x: bool | None = None,
        log_y: bool | None = None,
        smooth: bool | None = None,
        band: bool | None = None,
        growing: bool | None = None,
    ) -> None:
        """Change how the curves are drawn."""
        self.growing = self.growing if growing is None else growing
        self.log_x = self.log_x if log_x is None else log_x
        self.log_y = self.log_y if log_y is None else log_y
        self.smooth = self.smooth if smooth is None else smooth
        self.band = self.band if band is None else band
        self._draw()

    # --- drawing

    def _dress(self) -> None:
        top = self.plot.getAxis("top")
        top.setPen(pg.mkPen(None))
        top.setTextPen(pg.mkPen(theme.colours.quiet))
        top.setStyle(
            tickFont=self.plot.getAxis("bottom").style["tickFont"],
            tickLength=0,
            hideOverlappingLabels=False,
        )
        top.setHeight(16)
        self._cursor.setPen(pg.mkPen(theme.colours.quiet, style=Qt.PenStyle.DotLine))
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.plot.removeItem(item)
        self._items = []
        self.plot.setLogMode(x=self.log_x, y=self.log_y)
        points = max(200, 0 if self.growing else self.plot.width())
        lines = []
        for curve in self.curves:
            drawn = draw(curve, points, log_x=self.log_x, smooth=self.smooth, band=self.band)
            colour = QColor(curve.colour)
            faint = QColor(colour)
            faint.setAlpha(FAINT)
            if drawn.low is not None and drawn.high is not None:
                self._add_band(drawn.x, drawn.low, drawn.high, colour)
            elif drawn.raw is not None and not self.growing:
                self._add(drawn.x, drawn.raw, faint)
            lines.append((drawn.x, drawn.line, colour))
        # The lines lie over all that stands behind any of them.
        for x, y, colour in lines:
            self._add(x, y, colour)
        box = self.plot.getPlotItem().getViewBox()
        box.enableAutoRange()
        box.updateAutoRange()
        self._mark()
        self._read_out()

    def _curve(self, x: NDArray[np.float64], y: NDArray[np.float64], pen: object) -> object:
        x, y = to_plottable(x, y, log_x=self.log_x, log_y=self.log_y)
        return pg.PlotCurveItem(
            np.log10(x) if self.log_x else x, np.log10(y) if self.log_y else y, pen=pen
        )

    def _add(self, x: NDArray[np.float64], y: NDArray[np.float64], colour: QColor) -> None:
        item = self._curve(x, y, pg.mkPen(colour, width=1 if self.growing else 1.4))
        self.plot.addItem(item)
        self._items.append(item)

    def _add_band(
        self,
        x: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        colour: QColor,
    ) -> None:
        edges = [self._curve(x, edge, pg.mkPen(None)) for edge in (low, high)]
        shade = QColor(colour)
        shade.setAlpha(BAND)
        fill = pg.FillBetweenItem(*edges, brush=shade)
        for item in (*edges, fill):
            self.plot.addItem(item)
            self._items.append(item)

    def _mark(self) -> None:
        """Draw where live values moved, each in its run's colour, with what moved above."""
        box = self.plot.getPlotItem().getViewBox()
        (left, right), _ = box.viewRange()
        metrics = QFontMetrics(self.plot.getAxis("bottom").style["tickFont"])
        room = max(1.0, box.width())
        taken: list[tuple[float, float]] = []
        ticks: list[tuple[float, str]] = []
        known: set[tuple[float, str]] = set()
        for curve in self.curves:
            for x, text in curve.marks:
                if self.log_x and x <= 0:
                    continue
                place = np.log10(x) if self.log_x else x
                pen = pg.mkPen(QColor(curve.colour), width=1, style=Qt.PenStyle.DotLine)
                line = pg.InfiniteLine(place, angle=90, movable=False, pen=pen)
                self.plot.addItem(line, ignoreBounds=True)
                self._items.append(line)
                # A label is left out where it would touch another.
                centre = (place - left) / max(right - left, 1e-12) * room
                half = metrics.horizontalAdvance(text) / 2 + 6
                centre = min(max(centre, half), room - half)
                free = all(centre + half <= a or centre - half >= b for a, b in taken)
                if free and (x, text) not in known:
                    known.add((x, text))
                    taken.append((centre - half, centre + half))
                    ticks.append((left + centre / room * (right - left), text))
        self.plot.getAxis("top").setTicks([ticks])

    # --- reading off

    def read_at(self, place: float | None) -> None:
        """Write what every curve says at `place` on the axis; None for where each ends."""
        self.place = place
        self._cursor.setVisible(place is not None)
        if place is not None:
            self._cursor.setPos(np.log10(place) if self.log_x else place)
        self._read_out()

    def _read_out(self) -> None:
        self.where.setText(self._said(self.place))
        self.where.setToolTip(WHOLE if self._of else "")
        for curve, (_, _, label) in zip(self.curves, self._rows, strict=True):
            end = curve.x[-1] if len(curve.x) else 0.0
            found = value_at(curve, end if self.place is None else self.place)
            text = "" if found is None else f"{found['mean']:.4g}"
            if found is not None and curve.y.shape[1] > 1:
                text += f"  ({found['low']:.3g} … {found['high']:.3g})"
            if self.place is None and text and curve.growing:
                text += SO_FAR
            label.setText(text)

    def _said(self, place: float | None) -> str:
        """Return what the values are of."""
        if not self.curves:
            return ""
        where = _of_the_last(self.curves) if place is None else f"{self._axis} {place:.4g}"
        return f"{where}, {self._of}" if self._of and place is None else where

    def _on_mouse(self, position: QPointF) -> None:
        box = self.plot.getPlotItem().getViewBox()
        if not self.curves or not box.sceneBoundingRect().contains(position):
            self.read_at(None)
            return
        x = box.mapSceneToView(position).x()
        self.read_at(float(10**x) if self.log_x else float(x))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: when the mouse leaves, the last values are written again."""
        if event is not None and event.type() == QEvent.Type.Leave:
            self.read_at(None)
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: labels of marks and the number of points follow the width."""
        super().resizeEvent(event)
        self._fit_legend()
        self._draw()


def _of_the_last(curves: Sequence[RunCurve]) -> str:
    """Return what the last values of these curves are."""
    growing = sum(curve.growing for curve in curves)
    if not growing:
        return "at the end"
    return "so far" if growing == len(curves) else f"at the end, or so far ({SO_FAR.strip()})"
