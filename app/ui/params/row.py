"""What every row of a form has: names for what is in it, a message below, a menu."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent
from PyQt6.QtWidgets import QLabel, QMenu, QWidget

from app.core.params import Parameter, format_number

__all__ = ["ParamRow", "row_label"]


def row_label(text: str, **properties: bool) -> QLabel:
    """Return words of a row, never read as markup, with what the theme dresses them by."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    for name, value in properties.items():
        label.setProperty(name, value)
    return label


class ParamRow(QWidget):
    """One parameter in the form.

    Signals
    -------
    changed(str, object)
        The name of the parameter, and the value that the person wants.
    focused(str)
        The person is at it.
    all_defaults_wanted()
        The person wants every default back.
    """

    changed = pyqtSignal(str, object)
    focused = pyqtSignal(str)
    all_defaults_wanted = pyqtSignal()

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self.parameter = parameter
        self.error = row_label("", error=True, floating=True)
        self.error.setObjectName(f"{parameter.name}Error")
        self.error.setWordWrap(True)
        self.error.setParent(self)
        self.error.hide()

    def watch(self, *widgets: QWidget) -> None:
        """Give widgets their names, tooltips and accessible names, and notice their focus."""
        parameter = self.parameter
        tip = parameter.hyper.teaches
        if parameter.kind in ("int", "float"):
            tip = f"{tip}\n{self.range_text}"
        for widget in widgets:
            widget.setToolTip(tip)
            widget.setAccessibleName(parameter.hyper.label)
            widget.setAccessibleDescription(parameter.hyper.teaches)
            widget.installEventFilter(self)

    @property
    def called(self) -> str:
        """What the row is called in messages: what is written at its left."""
        return self.parameter.hyper.label

    @property
    def range_text(self) -> str:
        """The hard bounds in words."""
        return self.parameter.range_text.replace(self.parameter.name, self.called)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: tell which parameter the person is at."""
        if event is not None and event.type() == QEvent.Type.FocusIn:
            self.focused.emit(self.parameter.name)
        return super().eventFilter(watched, event)

    def on_typed(self, value: float) -> None:
        """Tell of a number that was typed."""
        self.changed.emit(
            self.parameter.name, int(value) if self.parameter.kind == "int" else value
        )

    def on_problem(self, reason: str) -> None:
        """Show or hide what is wrong with the typed value."""
        self.error.setText(reason)
        if reason:
            self._place_error()
        self.error.setVisible(bool(reason))

    def _place_error(self) -> None:
        """Lie below the box, over what is there: nothing moves for a message."""
        form = self.parentWidget()
        if form is None:
            return
        self.error.setParent(form)
        height = self.error.heightForWidth(self.width())
        below = self.y() + 28
        fits = below + height <= form.height()
        self.error.setGeometry(self.x(), below if fits else self.y() - height, self.width(), height)
        self.error.raise_()

    def menu(self) -> QMenu:
        """Return what the right mouse button offers."""
        default, hyper = self.parameter.default, self.parameter.hyper
        if self.parameter.kind == "bool":
            written = "on" if default else "off"
        elif self.parameter.kind == "choice":
            written = (hyper.choices or {}).get(default, str(default))
        else:
            written = format_number(default)
        menu = QMenu(self)
        menu.setObjectName(f"{self.parameter.name}Menu")
        one = menu.addAction(f"{hyper.label}: back to {written}")
        every = menu.addAction("All back to their defaults")
        assert one is not None
        assert every is not None
        one.triggered.connect(lambda: self.changed.emit(self.parameter.name, default))
        every.triggered.connect(self.all_defaults_wanted)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        """Qt: the right mouse button, beside the box (which has a menu of its own)."""
        assert event is not None
        menu = self.menu()
        menu.exec(event.globalPos())
        menu.deleteLater()

    def set_value(self, value: Any) -> None:
        """Show a value, telling nobody."""

    def refuse(self, reason: str) -> None:
        """Say why the value that was given cannot be taken."""
        self.on_problem(reason)

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        if not self.parameter.hyper.live:
            self.setEnabled(not locked)
