"""The row of a parameter with a box or a choice alone."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QSize
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QVBoxLayout

from app.core.params import Parameter
from app.ui.params.row import ParamRow, row_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.number_field import NumberField

__all__ = ["CompactRow"]

# How wide a choice is, in pixels, where there is no room and where there is much.
NARROW_CHOICE, WIDE_CHOICE = 132, 206


class _Choice(ChoiceBox):
    """A choice that leaves the mouse wheel to the page, and is as wide as its longest text."""

    def sizeHint(self) -> QSize:
        """Qt: the longest choice can be read, in the letters of the theme."""
        wanted = super().sizeHint()
        return QSize(min(max(NARROW_CHOICE, wanted.width() + 12), WIDE_CHOICE), wanted.height())

    def minimumSizeHint(self) -> QSize:
        """Qt: in a narrow window it ends in dots; the page is not wider for it."""
        return QSize(NARROW_CHOICE, super().minimumSizeHint().height())

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Qt: scrolling the form must not change a value."""
        assert event is not None
        event.ignore()


class CompactRow(ParamRow):
    """Name on the left, box or choice on the right."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        hyper = parameter.hyper
        line = QHBoxLayout()
        line.setSpacing(6)
        self.name = row_label(hyper.label)
        line.addWidget(self.name)
        line.addStretch(1)
        self.control: NumberField | QComboBox
        if parameter.kind == "choice":
            self.control = _Choice(parameter.name, hyper.label, hyper.teaches)
            for choice in parameter.choices:
                self.control.addItem((hyper.choices or {}).get(choice, choice), choice)
            self.control.currentIndexChanged.connect(self._on_choice)
            self.control.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        else:
            self.control = NumberField(parameter.name, whole=parameter.kind == "int")
            self.control.value_typed.connect(self.on_typed)
            self.control.problem.connect(self.on_problem)
            self.control.setFixedWidth(76)
        line.addWidget(self.control)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        self.teaching = row_label("", teaching=True)
        self.teaching.setObjectName(f"{parameter.name}Note")
        self.teaching.setWordWrap(True)
        self.teaching.hide()
        layout.addWidget(self.teaching)
        self.watch(self.control, self.name)

    def note(self, text: str) -> None:
        """Say below what is known of the choices here and now."""
        self.teaching.setText(text)
        self.teaching.setVisible(bool(text))
        self.control.setAccessibleDescription(f"{self.parameter.hyper.teaches} {text}".strip())

    def _on_choice(self, index: int) -> None:
        assert isinstance(self.control, QComboBox)
        self.changed.emit(self.parameter.name, self.control.itemData(index))

    def set_value(self, value: Any) -> None:
        """Show a value, telling nobody."""
        if isinstance(self.control, QComboBox):
            self.control.blockSignals(True)
            self.control.setCurrentIndex(self.control.findData(value))
            self.control.blockSignals(False)
        else:
            self.control.set_value(value)

    def refuse(self, reason: str) -> None:
        """Say why the value that was given cannot be taken."""
        if isinstance(self.control, NumberField):
            self.control.refuse(reason)
        else:
            self.on_problem(reason)
