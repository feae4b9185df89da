"""Plots that look like the rest of the window; created once, then only given new data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFont
from PyQt6.QtWidgets import QSizePolicy

from app.ui.theme import theme

__all__ = ["Plot", "calm_top", "to_plottable"]

# Where an axis that follows what is highest may end, in each decade.
TOPS = np.array([1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0])


def to_plottable(
    x: NDArray[Any], y: NDArray[Any], *, log_x: bool = False, log_y: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a plot can draw of a curve: finite pairs, positive where the axis is logarithmic."""
    x, y = np.asarray(x, np.float64).ravel(), np.asarray(y, np.float64).ravel()
    count = min(len(x), len(y))
    x, y = x[:count], y[:count]
    good = np.isfinite(x) & np.isfinite(y)
    if log_x:
        good &= x > 0
    if log_y:
        good &= y > 0
    return x[good], y[good]


def calm_top(highest: float) -> float:
    """Return where an axis from 0 ends so that `highest` is below it, rounded up.

    While what is drawn grows and shrinks a little, the axis stays as it is: the eye can compare,
    and nothing but the bars is drawn anew.
    """
    if not np.isfinite(highest) or highest <= 0:
        return 1e-6
    decade = 10.0 ** np.floor(np.log10(highest))
    return float(decade * TOPS[np.searchsorted(TOPS, min(highest / decade, 10.0))])


def _plain_power(exponent: int) -> str:
    if -4 <= exponent <= 4:
        return f"{10.0**exponent:g}"
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"


def _roomy(step: float, low: float, high: float, size: float) -> float:
    """Return `step`, or the next of 1, 2, 5, 10, … whose labels do not meet on `size` pixels."""
    if not (np.isfinite(high - low) and step > 0):
        return step
    while True:
        decimals = max(0, -int(np.floor(np.log10(step) + 1e-9)))
        # Longer numbers are written with an exponent.
        widest = min(8, max(len(f"{end:.{decimals}f}") for end in (low, high)))
        # A digit is 6.5 pixels wide, and two labels are a digit apart.
        if 6.5 * (widest + 1) * (high - low) <= size * step or step >= high - low:
            return step
        leading = round(step / 10 ** np.floor(np.log10(step) + 1e-9))
        step *= 2.5 if leading == 2 else 2


class _Axis(pg.AxisItem):  # type: ignore[misc]
    """An axis whose logarithmic labels are whole decades, or 1-2-5 within few decades."""

    def updateAutoSIPrefix(self) -> None:
        """Pyqtgraph: numbers are written as they are, never as thousands of something."""
        self.autoSIPrefixScale = 1.0
        self.labelUnitPrefix = ""
        self._updateLabel()

    def tickSpacing(self, low: float, high: float, size: float) -> list[Any]:
        """Pyqtgraph: how far apart ticks stand; their labels must never meet."""
        levels = super().tickSpacing(low, high, size)
        if self.orientation not in ("top", "bottom") or not high > low:
            return list(levels)
        # The finest that is written stands alone: a wider step need not be a multiple of it.
        step, offset = levels[:2][-1]
        return [(_roomy(step, low, high, size), offset)]

    def logTickValues(self, low: float, high: float, size: float, levels: Any) -> list[Any]:
        """Pyqtgraph: where logarithmic ticks stand; labels must never meet."""
        if not (np.isfinite(low) and np.isfinite(high)) or high <= low:
            return []
        room = max(2, int(size / (46 if self.orientation in ("top", "bottom") else 24)))
        decades = np.arange(np.floor(low), np.ceil(high) + 1)
        # Whole decades if there are two; else 1-2-5, else every digit, else two digits.
        for mantissas in ([1.0], [1, 2, 5], np.arange(1, 10), np.arange(10, 100) / 10):
            ticks = np.sort((decades[:, None] + np.log10(mantissas)).ravel())
            inside = ticks[(ticks >= low - 1e-9) & (ticks <= high + 1e-9)]
            if len(inside) >= 2:
                break
        # At the very ends a label has no room: it would not be written, and with few ticks none.
        label = 14 if self.orientation in ("top", "bottom") else 7
        edge = (high - low) * min(label / max(size, 1), 0.25)
        readable = inside[(inside >= low + edge) & (inside <= high - edge)]
        inside = readable if len(readable) else inside
        every = max(1, -(-len(inside) // room))
        return [(None, list(inside[::every]))]

    def logTickStrings(self, values: Any, scale: float, spacing: Any) -> list[str]:
        """Pyqtgraph: what logarithmic ticks are called."""
        texts = []
        for value in values:
            exponent = round(value)
            is_decade = abs(value - exponent) < 1e-6
            texts.append(_plain_power(exponent) if is_decade else f"{10.0**value:.3g}")
        return texts


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A plot in the theme's colours, with no menu and no surprises under the mouse."""

    def __init__(self, name: str, x_label: str, y_label: str) -> None:
        axes = {side: _Axis(orientation=side) for side in ("left", "bottom")}
        super().__init__(axisItems=axes, enableMenu=False)
        # Its menus are made all the same, without a parent: let them go when the plot goes.
        menu = self.getPlotItem().ctrlMenu
        # It stays a window of its own, or it would be drawn inside the plot.
        menu.setParent(self, menu.windowFlags())
        self.setObjectName(name)
        self.setAccessibleName(f"{y_label} against {x_label}")
        self.hideButtons()
        self.setMouseEnabled(x=False, y=False)
        for axis in axes.values():
            # Its letters and ticks are drawn when they are other ones, not whenever a curve is.
            axis.setCacheMode(axis.CacheMode.DeviceCoordinateCache)
        self.setFrameShape(self.Shape.NoFrame)
        self.setMinimumHeight(90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._labels = {"bottom": x_label, "left": y_label}
        self.getPlotItem().setContentsMargins(0, 4, 6, 0)
        self.getPlotItem().getViewBox().setDefaultPadding(0.02)
        self.repaint_theme()
        theme.changed.connect(self.repaint_theme)

    def set_label(self, side: str, text: str) -> None:
        """Name an axis, with its unit."""
        if self._labels.get(side) != text:
            self._labels[side] = text
            self.repaint_theme()

    def repaint_theme(self) -> None:
        """Take the colours that are in force."""
        c = theme.colours
        self.setBackground(c.card)
        font = QFont()
        font.setPixelSize(11)
        for side, text in self._labels.items():
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(c.border))
            axis.setTextPen(pg.mkPen(c.quiet))
            axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=1)
            axis.setLabel(text, color=c.quiet, **{"font-size": "11px"})
        self.getAxis("left").setWidth(58)
        self.getPlotItem().showGrid(x=True, y=True, alpha=0.12)


def pen(colour: str, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> Any:
    """Return a pen in the theme's `colour`; wide pens are slow in pyqtgraph, so 1 is usual."""
    return pg.mkPen(theme.colour(colour), width=width, style=style)
