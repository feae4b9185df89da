"""What can be done with any window: whatever is seen on it is clicked, written into or dragged."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TypeVar

from PyQt6.QtCore import QItemSelectionModel, QObject, QPoint, Qt
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QListView,
    QPlainTextEdit,
    QSlider,
    QTextEdit,
    QWidget,
)

from tools.random_user import hand
from tools.random_user.watch import Watch

Kind = TypeVar("Kind", bound=QWidget)

TEXTS = (
    "", " ", "0", "-1", "1", "2", "3", "7", "0.5", "1e-3", "1e308", "1e999", "-0", "nan", "inf",
    "9" * 18, "9" * 400, "1,5", " 7 ", "0x10", "−3", "½", "abc", "ρ = 0.3", "%s%n{}{0}",
    "<b>x</b>", "../../x", "\u202eabc", "🦊" * 30, "A" * 5000, "a|b|c", "0.1, 0.5", "0.1, 0.1",
    "sgd, adam", "1..100:log:3", "1e-4..1e-2:log:3", "conv 8 5x5, relu", "conv 0 0x0",
    "conv 99999 99x99", "conv 4 3x3, batchnorm, relu, pool 2, affine 8, relu, dropout 0.5",
    "residual(conv 8 3x3), relu", "pool 2, pool 2, pool 2, pool 2, pool 2, pool 2", "(((", "affine",
    "[", "\\", "tag one", "rho>0.1",
)  # fmt: skip
KEYS = (
    "Space", "Space", "Period", "BracketLeft", "BracketRight", "Escape", "Tab", "Tab", "Backtab",
    "Left", "Right", "Up", "Down", "Home", "End", "PageUp", "PageDown", "Return", "Delete", "F1",
    "F2", "F11", "Backspace",
)  # fmt: skip
# With Ctrl; Q is left to the action that closes.
CTRL_KEYS = ("1", "2", "3", "4", "5", "6", "7", "R", "A", "C", "V", "Z", "Period", "O")
MODIFIERS = (
    hand.NONE,
    hand.NONE,
    hand.NONE,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
SMALL = {"epochs": ("1", "2", "3"), "hidden_units": ("5", "16"), "batch_size": ("50", "200")}


class Fingers(QObject):
    """Each action is given the window in front, and tells what it is about to do."""

    def __init__(self, parent: QObject, choose: random.Random, watch: Watch) -> None:
        super().__init__(parent)
        self._choose, self._watch = choose, watch

    def _tell(self, text: str) -> None:
        self._watch.add(text)

    def _one(self, of: Iterable[Kind]) -> Kind | None:
        there = [widget for widget in of if hand.seen(widget) and widget.isEnabled()]
        return self._choose.choice(there) if there else None

    def _point(self, widget: QWidget) -> QPoint:
        region = widget.visibleRegion().boundingRect()
        x = self._choose.randint(region.left(), max(region.left(), region.right()))
        return QPoint(x, self._choose.randint(region.top(), max(region.top(), region.bottom())))

    # --- what can be done with what is seen

    def click_a_button(self, root: QWidget) -> None:
        button = self._one(root.findChildren(QAbstractButton))
        if button is None:
            return
        self._tell(f"{hand.named(button)} “{button.text()}”")
        hand.click(button, twice=self._choose.random() < 0.05)

    def press_a_key(self, root: QWidget) -> None:
        if self._choose.random() < 0.25:
            name, keys = self._choose.choice(CTRL_KEYS), Qt.KeyboardModifier.ControlModifier
        else:
            name, keys = self._choose.choice(KEYS), self._choose.choice(MODIFIERS)
        self._tell(f"{name} {keys.name} at {hand.named(root.focusWidget())}")
        hand.press(root, getattr(Qt.Key, f"Key_{name}"), keys)

    def write_into_a_field(self, root: QWidget) -> None:
        kinds = (QLineEdit, QPlainTextEdit, QTextEdit)
        field = self._one(w for kind in kinds for w in root.findChildren(kind))
        if field is None:
            return
        text = self._choose.choice(TEXTS)
        self._tell(f"{text[:60]!r} into {hand.named(field)}")
        self._fill(field, text)

    def _fill(self, field: QWidget, text: str) -> None:
        hand.click(field)
        field.setFocus()
        if isinstance(field, QLineEdit):
            field.selectAll()
        hand.write(field, text)
        if self._choose.random() < 0.7:
            hand.press(field, Qt.Key.Key_Return)

    def make_it_small(self, root: QWidget) -> None:
        """Write a small number where it lets trainings come to their end."""
        name = self._choose.choice(list(SMALL))
        field = self._one(root.findChildren(QLineEdit, name))
        if field is None:
            return
        text = self._choose.choice(SMALL[name])
        self._tell(f"{text} into {hand.named(field)}")
        self._fill(field, text)

    def choose_from_a_box(self, root: QWidget) -> None:
        boxes = [box for box in root.findChildren(QComboBox) if box.objectName() != "studyWhere"]
        box = self._one(boxes)
        if box is None or not box.count():
            return
        self._tell(f"{hand.named(box)}, where {box.currentText()} is chosen")
        box.setFocus()
        for _ in range(self._choose.randint(1, box.count())):
            down = self._choose.random() < 0.7
            hand.press(box, Qt.Key.Key_Down if down else Qt.Key.Key_Up)

    def move_a_slider(self, root: QWidget) -> None:
        slider = self._one(root.findChildren(QSlider))
        if slider is None:
            return
        path = [self._point(slider) for _ in range(self._choose.randint(1, 6))]
        self._tell(f"{hand.named(slider)} from {slider.value()}")
        hand.drag(slider, path)

    def choose_rows(self, root: QWidget) -> None:
        view = self._one(root.findChildren(QAbstractItemView))
        if view is None or view.model() is None:
            return
        if isinstance(view, QHeaderView):
            self._tell(hand.named(view))
            hand.click(view.viewport() or view, self._point(view))
            return
        model = view.model()
        rows = model.rowCount()
        # A list says nothing of its columns.
        columns = 1 if isinstance(view, QListView) else model.columnCount()
        if not rows or not columns:
            return
        index = model.index(self._choose.randrange(rows), self._choose.randrange(columns))
        view.scrollTo(index)
        place = view.visualRect(index).center()
        twice = self._choose.random() < 0.2
        self._tell(f"row {index.row()} of {hand.named(view)}{', twice' if twice else ''}")
        port = view.viewport()
        if port is not None and port.rect().contains(place):
            hand.click(port, place, keys=self._choose.choice(MODIFIERS), twice=twice)
        else:
            flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
            selection = view.selectionModel()
            if selection is not None:
                selection.select(index, flag)

    def click_anywhere(self, root: QWidget) -> None:
        point = self._point(root)
        target, at = hand.below(root, point)
        self._tell(f"{hand.named(target)} at {at.x()}, {at.y()}")
        hand.move(target, at)
        hand.click(root, point, keys=self._choose.choice(MODIFIERS))

    def drag_anywhere(self, root: QWidget) -> None:
        target, at = hand.below(root, self._point(root))
        if not target.isEnabled():
            return
        path = [at, *(self._point(target) for _ in range(self._choose.randint(1, 8)))]
        self._tell(f"{hand.named(target)} from {at.x()}, {at.y()}")
        hand.drag(target, path)

    def turn_the_wheel(self, root: QWidget) -> None:
        target, at = hand.below(root, self._point(root))
        by = self._choose.choice((-960, -120, 120, 960))
        self._tell(f"{by} over {hand.named(target)}")
        hand.turn_wheel(target, at, by, self._choose.choice(MODIFIERS))

    def ask_for_a_menu(self, root: QWidget) -> None:
        target, at = hand.below(root, self._point(root))
        if not target.isEnabled():
            return
        self._tell(f"of {hand.named(target)}")
        hand.ask_for_menu(target, at)
