"""The mouse and the keyboard: every event goes where it would go on a screen."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PyQt6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QMouseEvent,
    QWheelEvent,
)
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def named(widget: QWidget | None) -> str:
    """Return what a reader finds a widget by: its name or its kind, and who holds it."""
    words = []
    while widget is not None and len(words) < 3:
        words.append(widget.objectName() or type(widget).__name__)
        widget = widget.parentWidget()
    return " < ".join(words)


def seen(widget: QWidget) -> bool:
    """Whether a person sees at least a part of it."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()


def middle(widget: QWidget) -> QPoint:
    """Return a point in the part of a widget that is seen."""
    region: QRect = widget.visibleRegion().boundingRect()
    return region.center()


def below(window: QWidget, point: QPoint) -> tuple[QWidget, QPoint]:
    """Return what lies under the mouse, and where on it the mouse is."""
    widget = window.childAt(point) or window
    return widget, widget.mapFrom(window, point)


def click(
    widget: QWidget,
    point: QPoint | None = None,
    *,
    button: Qt.MouseButton = LEFT,
    keys: Qt.KeyboardModifier = NONE,
    twice: bool = False,
) -> None:
    """Click what lies at a point of `widget`, which may be something in front of it."""
    window = widget.window()
    assert window is not None
    where = widget.mapTo(window, point or middle(widget))
    target, at = below(window, where)
    if not target.isEnabled():
        return
    QTest.mouseClick(target, button, keys, at)
    if twice:
        QTest.mouseDClick(target, button, keys, at)


def move(widget: QWidget, point: QPoint, buttons: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
    """Move the mouse to a point of `widget`, with buttons held or not."""
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        QPointF(point),
        QPointF(widget.mapToGlobal(point)),
        Qt.MouseButton.NoButton,
        buttons,
        NONE,
    )
    QApplication.sendEvent(widget, event)


def drag(widget: QWidget, path: list[QPoint]) -> None:
    """Press, move along points of `widget`, and let go."""
    QTest.mousePress(widget, LEFT, NONE, path[0])
    for point in path[1:]:
        move(widget, point, LEFT)
    QTest.mouseRelease(widget, LEFT, NONE, path[-1])


def turn_wheel(widget: QWidget, point: QPoint, by: int, keys: Qt.KeyboardModifier = NONE) -> None:
    """Turn the wheel over a point of `widget`."""
    event = QWheelEvent(
        QPointF(point),
        QPointF(widget.mapToGlobal(point)),
        QPoint(),
        QPoint(0, by),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def ask_for_menu(widget: QWidget, point: QPoint) -> None:
    """Press the right mouse button, as the window system tells of it."""
    QTest.mouseClick(widget, Qt.MouseButton.RightButton, NONE, point)
    where = widget.mapToGlobal(point)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, point, where)
    QApplication.sendEvent(widget, event)


def press(widget: QWidget, key: Qt.Key, keys: Qt.KeyboardModifier = NONE) -> None:
    """Press a key where the focus is, or in `widget`; shortcuts are heard first, as ever."""
    target = QApplication.focusWidget() or widget
    if target.isEnabled():
        QTest.keyClick(target, key, keys)


def write(widget: QWidget, text: str) -> None:
    """Type a text, sign by sign; a long one is pasted."""
    clipboard = QGuiApplication.clipboard()
    if len(text) > 40 and clipboard is not None:
        clipboard.setText(text)
        QTest.keyClick(widget, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        return
    for sign in text:
        for kind in (QKeyEvent.Type.KeyPress, QKeyEvent.Type.KeyRelease):
            QApplication.sendEvent(widget, QKeyEvent(kind, 0, NONE, sign))


def drop(window: QWidget, path: Path, point: QPoint) -> None:
    """Drag a file from another program over the window, and let it fall."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    copy = Qt.DropAction.CopyAction
    QApplication.sendEvent(window, QDragEnterEvent(point, copy, mime, LEFT, NONE))
    QApplication.sendEvent(window, QDropEvent(QPointF(point), copy, mime, LEFT, NONE))
