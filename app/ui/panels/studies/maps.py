"""Many trials at once: a heat map of two settings, and parallel coordinates of all of them."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent

from app.core.studies.pictures import rank_colour
from app.core.studies.results import HeatMap, StudyResults, parallel_axes
from app.ui.theme import theme
from app.ui.widgets.plots import Plot

__all__ = ["ParallelPlot", "TrialMap"]

# A click farther from a line than this, in shares of the plot, is on none.
NEAR = 0.04
# More cells than these have no number in them.
MOST_WORDS = 120


class TrialMap(Plot):
    """The mean objective over two settings; a click chooses the trial of a cell.

    Signals
    -------
    chosen(int)
        The number of a trial.
    """

    chosen = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__("studyMap", "", "")
        self.found: HeatMap | None = None
        self.least_is_best = True
        self._items: list[pg.GraphicsObject] = []
        self.setAccessibleName("Heat map of two settings")
        self.setToolTip("Each cell is a combination of two settings: a click shows its runs")
        self.getPlotItem().showGrid(x=False, y=False)
        theme.changed.connect(self._draw)

    def set_map(self, found: HeatMap | None, *, least_is_best: bool, percent: bool) -> None:
        """Show another study."""
        self.found, self.least_is_best, self._percent = found, least_is_best, percent
        left, bottom = ("", "") if found is None else found.names
        self.set_label("bottom", bottom)
        self.set_label("left", left)
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.removeItem(item)
        self._items = []
        self.getPlotItem().showGrid(x=False, y=False)
        found = self.found
        if found is None:
            return
        rows, columns = found.values.shape
        # Its colours are what they are: nothing is stretched.
        pixels = self._pixels(found.values)
        image = pg.ImageItem(pixels, axisOrder="row-major", levels=(0, 255))
        image.setRect(-0.5, -0.5, columns, rows)
        self._add(image)
        for side, called in zip(("left", "bottom"), found.words, strict=True):
            self.getAxis(side).setTicks([list(enumerate(called))])
        if found.values.size <= MOST_WORDS:
            for (row, column), value in np.ndenumerate(found.values):
                if not math.isfinite(value):
                    continue
                words = f"{value:.1%}" if self._percent else f"{value:.4g}"
                dark = QColor(*self._pixels(found.values)[row, column]).lightness() < 140
                text = pg.TextItem(words, "#ffffff" if dark else "#161b22", anchor=(0.5, 0.5))
                text.setPos(column, row)
                self._add(text)
        self.getPlotItem().setRange(
            xRange=(-0.5, columns - 0.5), yRange=(-0.5, rows - 0.5), padding=0
        )

    def _add(self, item: pg.GraphicsObject) -> None:
        self.addItem(item)
        self._items.append(item)

    def _pixels(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return a colour for each cell: from the worst, faint, to the best, in the accent."""
        known = np.isfinite(values)
        filled = np.where(known, values, np.nanmean(values) if known.any() else 0.0)
        low, high = filled.min(), filled.max()
        share = (filled - low) / (high - low) if high > low else np.full(filled.shape, 0.5)
        share = 1 - share if self.least_is_best else share
        ends = [theme.colour(name) for name in ("hover", "accent")]
        worst, best = (np.array([c.red(), c.green(), c.blue()], np.float64) for c in ends)
        card = theme.colour("card")
        pixels = worst + share[..., None] * (best - worst)
        pixels[~known] = (card.red(), card.green(), card.blue())
        return np.rint(pixels).astype(np.uint8)

    def trial_at(self, column: float, row: float) -> int | None:
        """Return the trial of the cell at a place."""
        if self.found is None:
            return None
        return self.found.trials.get((round(row), round(column)))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Qt: choose the trial below the mouse."""
        super().mouseReleaseEvent(event)
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = self.getPlotItem().getViewBox().mapSceneToView(QPointF(event.position()))
        trial = self.trial_at(place.x(), place.y())
        if trial is not None:
            self.chosen.emit(trial)


class ParallelPlot(Plot):
    """Each trial as a line across its settings and what it gave; a click chooses the nearest.

    Signals
    -------
    chosen(int)
        The number of a trial.
    """

    chosen = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__("studyParallel", "", "")
        self.results: StudyResults | None = None
        self.highlighted: int | None = None
        self._items: list[pg.GraphicsObject] = []
        self._places: NDArray[np.float64] = np.empty((0, 0))
        self._numbers: list[int] = []
        self.setAccessibleName("Trials as lines across their settings")
        self.setToolTip("Each line is a trial, blue the best: a click shows its runs")
        theme.changed.connect(self._draw)

    def set_results(self, results: StudyResults | None) -> None:
        """Show another study."""
        self.results, self.highlighted = results, None
        self._draw()

    def highlight(self, trial: int | None) -> None:
        """Show one trial above the others."""
        if trial != self.highlighted:
            self.highlighted = trial
            self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.removeItem(item)
        self._items = []
        self.getPlotItem().showGrid(x=False, y=False)
        self.hideAxis("left")
        results = self.results
        if results is None:
            return
        axes = parallel_axes(results)
        places = np.stack([axis.places for axis in axes], axis=1)
        known = np.asarray(np.isfinite(places).all(axis=1))
        self._places = places[known]
        self._numbers = [t.number for t, ok in zip(results.trials, known, strict=True) if ok]
        x = np.arange(len(axes), dtype=np.float64)
        for at in x:
            self._add(pg.PlotDataItem([at, at], [0, 1], pen=pg.mkPen(theme.colour("border"))))
        best = None if results.best is None else results.best.number
        order = sorted(
            range(len(self._numbers)), key=lambda i: self._weight(self._numbers[i], best)
        )
        for index in order:
            number = self._numbers[index]
            judged = self._places[index, -1]
            share = judged if results.spec.least_is_best else 1 - judged
            colour = QColor(rank_colour(float(share)))
            chosen = number == self.highlighted
            if self.highlighted is not None and not chosen:
                colour.setAlpha(90)
            width = 3 if chosen or number == best else 1
            self._add(pg.PlotDataItem(x, self._places[index], pen=pg.mkPen(colour, width=width)))
        for at, axis in zip(x, axes, strict=True):
            # Beside the lines, not on them: to the left, of the last axis to the right.
            anchor = (-0.15, 0.5) if at == x[-1] else (1.15, 0.5)
            for place, words in axis.ticks:
                text = pg.TextItem(words, theme.colours.quiet, anchor=anchor)
                text.setPos(at, place)
                self._add(text)
        self.getAxis("bottom").setTicks(
            [[(at, axis.name) for at, axis in zip(x, axes, strict=True)]]
        )
        self.getPlotItem().setRange(xRange=(-0.2, len(axes) - 0.8), yRange=(-0.06, 1.06), padding=0)

    def _weight(self, number: int, best: int | None) -> int:
        return 2 * (number == self.highlighted) + (number == best)

    def _add(self, item: pg.GraphicsObject) -> None:
        self.addItem(item)
        self._items.append(item)

    def trial_at(self, x: float, y: float) -> int | None:
        """Return the trial whose line is nearest to a place, or None far from all."""
        if not len(self._places):
            return None
        last = self._places.shape[1] - 1
        x = min(max(x, 0.0), float(last))
        left = min(int(x), max(last - 1, 0))
        right = min(left + 1, last)
        share = x - left
        heights = self._places[:, left] * (1 - share) + self._places[:, right] * share
        nearest = int(np.argmin(np.abs(heights - y)))
        return self._numbers[nearest] if abs(heights[nearest] - y) <= NEAR else None

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Qt: choose the trial nearest to the mouse."""
        super().mouseReleaseEvent(event)
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = self.getPlotItem().getViewBox().mapSceneToView(QPointF(event.position()))
        trial = self.trial_at(place.x(), place.y())
        if trial is not None:
            self.chosen.emit(trial)
