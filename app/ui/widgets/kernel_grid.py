"""A small square of numbers to edit: the grid of a filter."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QWidget

from app.core.filter_design import MOST_VALUE
from app.ui.theme import theme
from app.ui.widgets.number_field import NumberField

__all__ = ["KernelGrid"]

ROOM = 222


class KernelGrid(QWidget):
    """Boxes for the numbers of a filter, tinted by sign and size.

    Signals
    -------
    value_typed(int, int, float)
        Row, column and the new number.
    problem(str)
        What is wrong with a text, empty when all is well again.
    """

    value_typed = pyqtSignal(int, int, float)
    problem = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("kernelGrid")
        self.setAccessibleName("Grid of the filter")
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)
        self.fields: dict[tuple[int, int], NumberField] = {}
        self._size = 0
        theme.changed.connect(self._tint)

    def set_kernel(self, kernel: tuple[tuple[float, ...], ...]) -> None:
        """Show other numbers."""
        if len(kernel) != self._size:
            self._build(len(kernel))
        for place, field in self.fields.items():
            field.set_value(kernel[place[0]][place[1]])
        self._tint()

    def _build(self, size: int) -> None:
        for field in self.fields.values():
            self._layout.removeWidget(field)
            field.hide()
            field.deleteLater()
        self.fields = {}
        self._size = size
        middle = size // 2
        for row in range(size):
            for column in range(size):
                field = NumberField(f"kernel_{row}_{column}", most=MOST_VALUE)
                field.setAccessibleName(f"Row {row + 1}, column {column + 1} of the filter")
                where = "the pixel itself" if row == column == middle else "its neighbour there"
                field.setToolTip(f"How much {where} counts; below zero it is taken away")
                field.setFixedSize((ROOM - 3 * (size - 1)) // size, 26 if size > 5 else 32)
                field.setAlignment(Qt.AlignmentFlag.AlignCenter)
                field.value_typed.connect(self._on_typed)
                field.problem.connect(self.problem)
                self._layout.addWidget(field, row, column)
                self.fields[row, column] = field

    def _tint(self) -> None:
        reach = max((abs(field.value) for field in self.fields.values()), default=0.0) or 1.0
        small = 9 if self._size > 5 else 11 if self._size > 3 else 13
        for field in self.fields.values():
            share = field.value / reach
            ground = theme.colour("field")
            tint = theme.colour("warm" if share > 0 else "accent")
            weight = 0.35 * abs(share)
            mixed = [
                round(a + (b - a) * weight)
                for a, b in zip(ground.getRgb()[:3], tint.getRgb()[:3], strict=True)
            ]
            style = (
                f"QLineEdit {{ background: rgb({mixed[0]}, {mixed[1]}, {mixed[2]}); "
                f"font-size: {small}px; padding: 1px 2px; }}"
            )
            # A style sheet costs a millisecond: most boxes keep theirs.
            if style != field.styleSheet():
                field.setStyleSheet(style)

    def _on_typed(self, value: float) -> None:
        field = self.sender()
        for (row, column), one in self.fields.items():
            if one is field:
                self.value_typed.emit(row, column, value)
                return
