"""The row of a parameter that is on or off."""

from __future__ import annotations

from typing import Any

from PyQt6.QtWidgets import QCheckBox, QVBoxLayout

from app.core.params import Parameter
from app.ui.params.row import ParamRow, row_label

__all__ = ["CheckRow"]


class CheckRow(ParamRow):
    """A switch with one sentence."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        self.box = QCheckBox(parameter.hyper.label)
        self.box.setObjectName(parameter.name)
        self.box.toggled.connect(self._on_toggled)
        self.teaching = row_label(parameter.hyper.teaches, teaching=True)
        self.teaching.setWordWrap(True)
        self.teaching.setContentsMargins(23, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        for widget in (self.box, self.teaching):
            layout.addWidget(widget)
        self.watch(self.box)

    def _on_toggled(self, checked: bool) -> None:
        self.changed.emit(self.parameter.name, checked)

    def set_value(self, value: Any) -> None:
        """Show a value, telling nobody."""
        self.box.blockSignals(True)
        self.box.setChecked(bool(value))
        self.box.blockSignals(False)
