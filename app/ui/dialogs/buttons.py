"""The row of buttons below a question about what is opened."""

from __future__ import annotations

from PyQt6.QtWidgets import QDialog, QDialogButtonBox

__all__ = ["open_or_cancel"]


def open_or_cancel(dialog: QDialog) -> QDialogButtonBox:
    """Return “Open” and “Cancel”, which answer for `dialog`."""
    buttons = QDialogButtonBox()
    open_ = buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
    assert open_ is not None
    open_.setProperty("primary", True)
    buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons
