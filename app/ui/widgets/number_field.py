"""A box for one exact number that means the same in every locale."""

from __future__ import annotations

import math

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QResizeEvent
from PyQt6.QtWidgets import QLineEdit

from app.core.errors import UsageError
from app.core.params import format_number, parse_number

__all__ = ["NumberField"]

# Pixels of the frame and the paddings of the theme's style sheet, left and right.
PADDING = 22


class NumberField(QLineEdit):
    """A line edit that reads a number by our own rules, not the locale's.

    What cannot be read, or is out of bounds, is framed in red and explained; the last good
    value stays in force. Of magnitudes `most` is the bound, where there is no other.

    Signals
    -------
    value_typed(float)
        A new value was typed and confirmed.
    problem(str)
        What is wrong with the text, empty when all is well again.
    """

    value_typed = pyqtSignal(float)
    problem = pyqtSignal(str)

    def __init__(self, name: str, *, whole: bool = False, most: float = math.inf) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.whole, self.most = whole, most
        self._value: float = 0
        self._decimals: int | None = None
        self.editingFinished.connect(self._on_confirmed)
        self.textEdited.connect(self._on_edited)

    @property
    def value(self) -> float:
        """The last good value."""
        return self._value

    def set_value(self, value: float, decimals: int | None = None) -> None:
        """Show a value, with so many decimals where that is said; nothing is emitted."""
        self._value, self._decimals = value, decimals
        self._show()
        self._mark("")

    def _show(self) -> None:
        """Write the value; with more digits than there is room for, dots stand for the last."""
        text = format_number(self._value)
        if self._decimals is not None:
            text = f"{self._value:.{self._decimals}f}"
        if not self.hasFocus():
            room = self.width() - PADDING
            digits, mark, exponent = text.partition("e")
            while len(digits) > 3 and self.fontMetrics().horizontalAdvance(text) > room:
                digits = digits[:-1]
                text = f"{digits}…{mark}{exponent}"
        self.setText(text)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Qt: whoever types sees all digits."""
        super().focusInEvent(event)
        if not self.property("wrong") and not self.isModified():
            self._show()
            self.selectAll()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Qt: what was typed is confirmed; then the digits that fit are shown."""
        super().focusOutEvent(event)
        if not self.property("wrong") and not self.isModified():
            self._show()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: there is other room."""
        super().resizeEvent(event)
        if not self.property("wrong") and not self.isModified():
            self._show()

    def refuse(self, reason: str) -> None:
        """Say that the value that was typed cannot be taken, and why."""
        self._mark(reason)

    def _on_edited(self, _text: str) -> None:
        if self.property("wrong"):
            self._mark("")

    def _on_confirmed(self) -> None:
        if self.text() == format_number(self._value) or not self.isModified():
            self._show()
            return
        self.setModified(False)
        try:
            value = parse_number(self.text(), integer=self.whole)
        except UsageError as error:
            self._mark(str(error))
            return
        if abs(value) > self.most:
            self._mark(f"Numbers from −{self.most:g} to {self.most:g} can be computed with.")
            return
        self._mark("")
        self.value_typed.emit(value)

    def _mark(self, reason: str) -> None:
        if bool(self.property("wrong")) != bool(reason):
            self.setProperty("wrong", bool(reason))
            style = self.style()
            assert style is not None
            style.unpolish(self)
            style.polish(self)
        self.problem.emit(reason)
