"""Where the Tab key went, and what Space presses there."""

from __future__ import annotations

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QMainWindow,
    QToolButton,
    QWidget,
)

__all__ = ["Keyboard"]


class Keyboard(QObject):
    """The focus of a window.

    Space is for the control that Tab brought the focus to, as long as it is there. A control that
    was clicked has done its work: Space is the window's again.
    """

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._tabbed_to: QWidget | None = None
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._on_focus)

    @property
    def tabbed(self) -> bool:
        """Whether the focus is where the Tab key brought it."""
        return self._tabbed_to is not None and QApplication.focusWidget() is self._tabbed_to

    def tab_went(self) -> None:
        """Take note that the Tab key moved the focus to where it is now."""
        self._tabbed_to = QApplication.focusWidget()

    def press(self) -> bool:
        """Press the control that Tab went to; return whether there is one to press."""
        focused = QApplication.focusWidget() if self.tabbed else None
        if isinstance(focused, QToolButton) and focused.menu() is not None:
            focused.showMenu()
        elif isinstance(focused, QAbstractButton):
            focused.click()
        elif isinstance(focused, QComboBox):
            focused.showPopup()
        else:
            return False
        return True

    def leave(self) -> None:
        """Give the focus to the centre of the window, where no key does harm."""
        centre = self._window.centralWidget()
        assert centre is not None
        centre.setFocus()

    def leave_what_is_gone(self) -> bool:
        """Leave a control that was hidden or locked; return whether the focus was at one."""
        focused = self._window.focusWidget()
        if focused is None or (focused.isEnabled() and focused.isVisible()):
            return False
        self.leave()
        return True

    def _on_focus(self, _old: QWidget | None, new: QWidget | None) -> None:
        if new is not None and new is not self._tabbed_to:
            self._tabbed_to = None
