"""How every layer behaves: a row of numbers each, and the spread of what is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.core.nn.reading import Histogram, LayerReading
from app.ui.widgets.bar_plots import HistogramPlot

__all__ = ["LayerBehaviour"]

KINDS = {"outputs": "outputs", "weights": "weights", "gradients": "gradients"}


class LayerBehaviour(QWidget):
    """Shows activation statistics of all layers, and a histogram of one."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("layerBehaviour")
        self.kind = "outputs"
        self._readings: tuple[LayerReading, ...] = ()
        self._weights: Mapping[str, NDArray[Any]] = {}
        self._gradients: Mapping[str, NDArray[Any]] = {}
        self.table = QTreeWidget()
        self.table.setObjectName("behaviourRows")
        self.table.setAccessibleName("Mean, spread and zeros of what each layer gives")
        self.table.setHeaderLabels(["layer", "mean", "σ", "zeros", "silent"])
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setToolTip(
            "zeros: values that are exactly 0. silent: maps or units that are 0 for all of 50 images; "
            "many of them learn nothing any more."
        )
        header = self.table.header()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(36)
        header.setStretchLastSection(False)
        self.histogram = HistogramPlot("behaviourHistogram", "output", "count")
        # How often is of no interest here, and room is short.
        self.histogram.hideAxis("left")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.table, 3)
        layout.addWidget(self.histogram, 2)
        self.table.currentItemChanged.connect(lambda *_: self._draw())

    def set_kind(self, kind: str) -> None:
        """Show histograms of ``outputs``, ``weights`` or ``gradients``."""
        self.kind = kind
        self._draw()

    def set_readings(self, readings: tuple[LayerReading, ...]) -> None:
        """Show what was read of all layers."""
        fresh = [reading.layer.row.text for reading in readings]
        if fresh != [reading.layer.row.text for reading in self._readings]:
            self.table.clear()
            for text in fresh:
                item = QTreeWidgetItem([text])
                for column in range(1, 5):
                    item.setTextAlignment(
                        column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.addTopLevelItem(item)
            self.table.setCurrentItem(self.table.topLevelItem(0))
        self._readings = readings
        for place, reading in enumerate(readings):
            found = self.table.topLevelItem(place)
            if found is None:
                continue
            for column, text in enumerate(
                (
                    f"{reading.mean:.3g}",
                    f"{reading.deviation:.3g}",
                    f"{reading.zeros:.0%}" if reading.zeros else "",
                    f"{reading.dead:.0%}" if reading.dead else "",
                ),
                start=1,
            ):
                found.setText(column, text)
        self._draw()

    def set_values(
        self, weights: Mapping[str, NDArray[Any]], gradients: Mapping[str, NDArray[Any]]
    ) -> None:
        """Take the newest weights, and slopes of the loss along them, by name."""
        self._weights, self._gradients = weights, gradients
        if self.kind != "outputs":
            self._draw()

    def _draw(self) -> None:
        item = self.table.currentItem()
        place = -1 if item is None else self.table.indexOfTopLevelItem(item)
        if not 0 <= place < len(self._readings):
            return
        reading = self._readings[place]
        if self.kind == "outputs":
            histogram = reading.histogram
            self.histogram.set_label("bottom", f"output of {reading.layer.row.text}")
        else:
            source = self._weights if self.kind == "weights" else self._gradients
            names = [p.name for p in reading.layer.parameters if p.name in source]
            if not names:
                # Of an older moment not everything is kept.
                kept = (
                    "was not kept of this moment" if reading.layer.parameters else "learns nothing"
                )
                self.histogram.set_label("bottom", f"{reading.layer.row.text} {kept}")
                self.histogram.set_counts(np.zeros(1), np.array([0.0, 1.0]))
                return
            histogram = Histogram.of(source[names[0]].ravel())
            self.histogram.set_label(
                "bottom", names[0] if self.kind == "weights" else f"∂loss/∂{names[0]}"
            )
        self.histogram.set_counts(histogram.counts, histogram.edges)
