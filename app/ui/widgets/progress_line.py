"""A thin bar that says how much is done."""

from __future__ import annotations

from PyQt6.QtWidgets import QProgressBar

__all__ = ["ProgressLine"]

FINE = 1000


class ProgressLine(QProgressBar):
    """Shows a share of all, without figures."""

    def __init__(self, name: str, accessible_name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible_name)
        self.setRange(0, FINE)
        self.setTextVisible(False)

    def set_share(self, share: float) -> None:
        """Show how much is done, 0 … 1."""
        self.setValue(round(min(max(share, 0.0), 1.0) * FINE))
