"""Convolution as image processing: a filter to edit, a photograph, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from app.core.data.photographs import BUNDLED_PHOTOGRAPHS
from app.core.filter_design import (
    DESIGNS,
    MOST_VALUE,
    SIZES,
    FilterDesign,
    explain_place,
    short,
    to_pixels,
)
from app.ui.file_kinds import PHOTOGRAPH_FILES
from app.ui.panels.workbench.photographs import Photographs
from app.ui.widgets.card import Card, ChoiceButton, quiet_label
from app.ui.widgets.error_line import ErrorLine
from app.ui.widgets.kernel_grid import KernelGrid
from app.ui.widgets.number_field import NumberField
from app.ui.widgets.picture_view import PictureView
from app.ui.widgets.splitters import one_below_another, side_by_side
from app.ui.widgets.window_view import WindowView
from app.workers.thread import Runner

__all__ = ["Playground"]

CHANNELS = ("Red", "Green", "Blue")


class Playground(QWidget):
    """Filters a photograph while the filter is edited.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("playground")
        self.design = DESIGNS["edges"]
        self.photographs = Photographs(runner, self)
        self.photographs.read.connect(self._on_read)
        self.photographs.filtered.connect(self._show_result)
        self.photographs.problem.connect(self.problem)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self._build_filter())
        layout.addWidget(self._build_pictures(), 1)
        self._show_design()
        self._explain(None)

    def _build_filter(self) -> QWidget:
        card = Card("Filter", "filter")
        card.setFixedWidth(250)
        self.presets = QComboBox()
        self.presets.setObjectName("filterPreset")
        self.presets.setAccessibleName("Known filters")
        self.presets.setToolTip("Filters that are known; change any of their numbers afterwards")
        for key, design in DESIGNS.items():
            self.presets.addItem(design.title, key)
            self.presets.setItemData(
                self.presets.count() - 1, design.teaches, Qt.ItemDataRole.ToolTipRole
            )
        self.presets.addItem("Your own", "")
        self.presets.activated.connect(self._on_preset)
        self.teaching = quiet_label(name="filterTeaching")
        self.teaching.setWordWrap(True)
        self.sides = ChoiceButton(
            "kernelSize",
            "Rows and columns of the grid: how far around a pixel the filter looks",
            {str(size): f"{size} × {size}" for size in SIZES},
            self._on_size,
        )
        card.add_tool(self.sides)
        self.grid = KernelGrid()
        self.grid.value_typed.connect(self._on_value)
        numbers = QWidget()
        rows = QGridLayout(numbers)
        rows.setContentsMargins(0, 4, 0, 0)
        rows.setHorizontalSpacing(6)
        rows.setVerticalSpacing(4)
        self.channels: list[NumberField] = []
        for place, name in enumerate(CHANNELS):
            field = NumberField(f"channel_{name.lower()}", most=MOST_VALUE)
            field.setAccessibleName(f"Weight of {name.lower()}")
            field.setToolTip(f"The grid is multiplied by this where it looks at {name.lower()}")
            field.setStyleSheet("padding: 3px 4px; font-size: 12px;")
            field.value_typed.connect(self._on_channel)
            self.channels.append(field)
            rows.addWidget(quiet_label(name), 0, place)
            rows.addWidget(field, 1, place)
        self.bias = NumberField("filterBias", most=MOST_VALUE)
        self.bias.setAccessibleName("Bias")
        self.bias.setToolTip(
            "Added to every value: 128 puts zero in the middle between black and white"
        )
        self.bias.value_typed.connect(self._on_bias)
        rows.addWidget(quiet_label("Bias"), 0, 3)
        rows.addWidget(self.bias, 1, 3)
        self.wrong = ErrorLine("filterError")
        self.grid.problem.connect(self.wrong.say)
        for field in (*self.channels, self.bias):
            field.problem.connect(self.wrong.say)
        self.colour = QCheckBox("Each channel by itself")
        self.colour.setObjectName("filterColour")
        self.colour.setToolTip(
            "Off: one filter sums over the three channels, as in a ConvNet, and gives a grey "
            "picture.\nOn: three filters, one for each channel, give a coloured one."
        )
        self.colour.toggled.connect(self._on_colour)
        self.stretch = QCheckBox("Stretch to black … white")
        self.stretch.setObjectName("filterStretch")
        self.stretch.setToolTip(
            "Off: below 0 is black and above 255 white. On: the least is black, the greatest white."
        )
        self.stretch.toggled.connect(self._on_stretch)
        for widget in (self.presets, self.teaching, self.grid, numbers, self.wrong):
            card.body.addWidget(widget)
        card.body.addSpacing(4)
        card.body.addWidget(self.colour)
        card.body.addWidget(self.stretch)
        card.body.addStretch(1)
        return card

    def _build_pictures(self) -> QWidget:
        self.before_card = Card("Photograph", "photograph")
        self.before = PictureView("photograph", "Photograph")
        self.before.empty_text = "Reading …"
        self.before_card.body.addWidget(self.before, 1)
        self.which = QComboBox()
        self.which.setObjectName("whichPhotograph")
        self.which.setAccessibleName("Photograph")
        self.which.setMinimumWidth(80)
        self.which.setToolTip("Two photographs in the public domain come with the program")
        for name in BUNDLED_PHOTOGRAPHS:
            self.which.addItem(name.capitalize(), name)
        self.which.activated.connect(self._on_which)
        self.open = QPushButton("Open…")
        self.open.setObjectName("openPhotograph")
        self.open.setAccessibleName("Open a photograph")
        self.open.setToolTip("Any photograph: its middle square is taken; or drop one here")
        self.open.clicked.connect(self._on_open)
        # The choice is the title.
        self.before_card.title.hide()
        self.before_card.title_row.insertWidget(0, self.which)
        self.before_card.add_tool(self.open)
        self.after_card = Card("Result", "result")
        self.after = PictureView("filteredPhotograph", "What the filter makes of it")
        self.after_card.body.addWidget(self.after, 1)
        for view in (self.before, self.after):
            view.pointed.connect(self._on_pointed)
            view.dropped.connect(self.open_photograph)
        self.window_card = Card("Under the window", "window")
        self.window_view = WindowView()
        self.window_card.body.addWidget(self.window_view, 1)
        pair = side_by_side({self.before_card: 500, self.after_card: 500}, stretch=(1, 1))
        return one_below_another({pair: 540, self.window_card: 170}, stretch=(1,))

    # --- photographs

    @property
    def picture(self) -> NDArray[np.uint8] | None:
        """The photograph that is filtered."""
        return self.photographs.picture

    @property
    def result(self) -> NDArray[np.float64] | None:
        """What the filter made of it."""
        return self.photographs.result

    def begin(self) -> None:
        """Read the first photograph, if none is there: the playground came into sight."""
        if self.picture is None and not self.photographs.reading:
            self.photographs.open(str(self.which.currentData()))

    def open_photograph(self, path: str) -> None:
        """Take a photograph of the person's."""
        self.photographs.open(Path(path))

    def cancel(self) -> None:
        """Give up what is being read, and let nothing follow."""
        self.photographs.cancel()

    def _on_which(self, place: int) -> None:
        self.photographs.open(str(self.which.itemData(place)))

    def _on_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a photograph", "", PHOTOGRAPH_FILES)
        if path:
            self.open_photograph(path)

    def _on_read(self, name: str) -> None:
        self.before.set_pixels(self.picture)
        known = self.which.findData(name)
        if known < 0:
            if self.which.count() > len(BUNDLED_PHOTOGRAPHS):
                self.which.removeItem(len(BUNDLED_PHOTOGRAPHS))
            self.which.addItem(name, name)
            known = self.which.count() - 1
            self.which.model().item(known).setEnabled(False)  # type: ignore[union-attr]
        self.which.setCurrentIndex(known)
        self.photographs.use(self.design)

    # --- the filter

    def _on_preset(self, place: int) -> None:
        key = self.presets.itemData(place)
        if key:
            self._use(DESIGNS[key])
        else:
            self._show_design()

    def _on_size(self, size: str) -> None:
        self._use(self.design.with_size(int(size)))

    def _on_value(self, row: int, column: int, value: float) -> None:
        self._use(self.design.with_value(row, column, value))

    def _on_channel(self, value: float) -> None:
        field = self.sender()
        weights = list(self.design.channels)
        weights[self.channels.index(field)] = value  # type: ignore[arg-type]
        self._use(replace(self.design, channels=tuple(weights)))  # type: ignore[arg-type]

    def _on_bias(self, value: float) -> None:
        self._use(replace(self.design, bias=value))

    def _on_colour(self, on: bool) -> None:
        self._use(replace(self.design, colour=on))

    def _on_stretch(self, _on: bool) -> None:
        self._show_result()

    def _use(self, design: FilterDesign) -> None:
        self.design = design
        self._show_design()
        self.photographs.use(design)

    def _show_design(self) -> None:
        design = self.design
        key = next((key for key, known in DESIGNS.items() if known == design), "")
        self.presets.setCurrentIndex(self.presets.findData(key))
        self.teaching.setText(design.teaches if key else "A filter of your own.")
        self.sides.set_value(str(design.size))
        self.grid.set_kernel(design.kernel)
        for field, weight in zip(self.channels, design.channels, strict=True):
            field.set_value(weight)
        self.bias.set_value(design.bias)
        self.colour.blockSignals(True)
        self.colour.setChecked(design.colour)
        self.colour.blockSignals(False)

    def _show_result(self) -> None:
        if self.result is None:
            return
        self.after.set_pixels(to_pixels(self.result, stretch=self.stretch.isChecked()))
        low, high = float(self.result.min()), float(self.result.max())
        self.after_card.note.setText(f"{short(low)} … {short(high)}")
        self._explain(self.after.place)

    # --- one pixel

    def _on_pointed(self, place: object) -> None:
        found = place if isinstance(place, tuple) else None
        self.before.show_place(found, self.design.size)
        self.after.show_place(found, 1)
        self._explain(found)

    def _explain(self, place: tuple[int, int] | None) -> None:
        if place is None or self.picture is None:
            self.window_card.note.setText(
                "Each value is Σ weight · pixel over the window, plus the bias"
            )
            self.window_view.show_window(None, self.design)
            return
        row, column = place
        found = explain_place(self.picture, self.design, row, column)
        self.window_card.note.setText(f"[{row}, {column}]   {found.sentence(self.design)}")
        self.window_view.show_window(found, self.design)
