"""A choice that ends in dots where there is no room, and is whole in its tooltip."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPaintEvent
from PyQt6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

__all__ = ["ChoiceBox"]


class ChoiceBox(QComboBox):
    """A combo box; Qt's own cuts its text in the middle of a letter."""

    def __init__(self, name: str, accessible_name: str, tip: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible_name)
        self._tip = ""
        self.setToolTip(tip)

    def setToolTip(self, tip: str | None) -> None:
        """Qt: what it is; what is chosen is said above it where there is no room for it."""
        self._tip = tip or ""
        super().setToolTip(tip)

    def shown_text(self) -> str:
        """Return the chosen text as far as there is room."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        room = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        return self.fontMetrics().elidedText(
            self.currentText(), Qt.TextElideMode.ElideRight, room.width() - 2
        )

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the frame, and what fits."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        whole, option.currentText = option.currentText, self.shown_text()
        super().setToolTip(self._tip if option.currentText == whole else f"{whole}\n{self._tip}")
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
