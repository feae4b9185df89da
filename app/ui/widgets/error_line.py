"""What is wrong with what stands in a form, in a line that is not there while nothing is."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel

from app.core.errors import FilterscopeError

__all__ = ["ErrorLine"]


class ErrorLine(QLabel):
    """Says a reason, never read as markup."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("error", True)
        self.setWordWrap(True)
        self.hide()

    def say(self, reason: str) -> None:
        """Say why; empty says nothing and takes no room."""
        self.setText(reason)
        self.setVisible(bool(reason))

    def tell(self, error: FilterscopeError | None) -> None:
        """Say an error with its hint; None says nothing."""
        self.say("" if error is None else f"{error.message} {error.hint}".strip())
