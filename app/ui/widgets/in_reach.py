"""What stays in reach while a message is over the foot of a page."""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame

__all__ = ["InReach"]


class InReach(QFrame):
    """A bar at the foot of a page, above which messages stay; see `NoticeBar`."""
