"""A framed part of the window: title on the left, its few tools on the right, content below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QActionGroup, QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.theme import theme

__all__ = [
    "Card",
    "ChoiceButton",
    "ElidedLabel",
    "TabbedCard",
    "ToggleButton",
    "elided_label",
    "quiet_label",
]

# Fewer letters of a line, with dots behind them, are not worth drawing.
LEAST_LETTERS = 5
# Where a line is made of parts, they are so far apart.
GAP = "   "


class ElidedLabel(QLabel):
    """A line that ends in dots where there is no room, and is whole in its tooltip.

    Parts of a line that do not fit are left out as a whole. Its property ``meaning``, if it has
    one, says in the tooltip what the figures in it are; its property ``short`` is written instead
    where there is no room for the whole. With the property ``strong`` it is written as a heading
    is, with ``whole`` as a whole or not at all.
    """

    def written(self) -> str:
        """Return what of the line fits."""
        metrics, room = self.fontMetrics(), self.contentsRect().width()
        if metrics.horizontalAdvance(self.text()) <= room:
            return self.text()
        if self.property("whole"):
            return ""
        words = self.property("short") or self.text()
        parts = words.split(GAP)
        for count in range(len(parts), 0, -1):
            # A dot between two parts is not left at the end.
            some = GAP.join(parts[:count]).rstrip(" ·") + (" …" if count < len(parts) else "")
            if metrics.horizontalAdvance(some) <= room:
                return some
        text = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
        # Dots alone say nothing.
        return text if len(text) >= LEAST_LETTERS else ""

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: draw what fits."""
        text = self.written()
        parts = (self.text() if text != self.text() else "", self.property("meaning") or "")
        self.setToolTip("\n".join(part for part in parts if part and self.text()))
        painter = QPainter(self)
        painter.setPen(theme.colour("text" if self.property("strong") else "quiet"))
        painter.drawText(self.contentsRect(), int(self.alignment()), text)


def quiet_label(text: str = "", name: str = "") -> QLabel:
    """Return a small grey label that never interprets its text as markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("quiet", True)
    if name:
        label.setObjectName(name)
    return label


def elided_label(name: str, at: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignRight) -> ElidedLabel:
    """Return a small grey line, at the right by default, which never asks for room."""
    label = ElidedLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("quiet", True)
    label.setObjectName(name)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    label.setAlignment(at | Qt.AlignmentFlag.AlignVCenter)
    return label


class Card(QFrame):
    """A titled frame.

    Attributes
    ----------
    body : QVBoxLayout
        Where the content goes.
    note : QLabel
        A quiet sentence at the right end of the title row.
    """

    def __init__(self, title: str, name: str) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setAccessibleName(title)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(12, 8, 12, 10)
        outer.setSpacing(6)
        self.title_row = QHBoxLayout()
        self.title_row.setSpacing(4)
        self.title = QLabel(title)
        self.title.setObjectName("cardTitle")
        self.title_row.addWidget(self.title)
        self.title_row.addStretch(1)
        self.note = elided_label(f"{name}Note")
        self.title_row.addWidget(self.note, 100)
        outer.addLayout(self.title_row)
        self.body = QVBoxLayout()
        self.body.setSpacing(4)
        outer.addLayout(self.body, 1)

    def add_tool(self, widget: QWidget) -> None:
        """Put a small control at the right of the title."""
        self.title_row.addWidget(widget)


class TabbedCard(Card):
    """A card whose title is a choice between a few contents."""

    def __init__(self, titles: Sequence[str], name: str, tips: Sequence[str] = ()) -> None:
        super().__init__(titles[0], name)
        self.title.hide()
        self._pages = QStackedLayout()
        self.body.addLayout(self._pages)
        self._group = QButtonGroup(self)
        self.tabs: list[QPushButton] = []
        for position, title in enumerate(titles):
            button = QPushButton(title)
            button.setObjectName(f"{name}Tab{position}")
            button.setAccessibleName(title)
            button.setToolTip(tips[position] if tips else title)
            button.setProperty("segment", True)
            button.setCheckable(True)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            self._group.addButton(button, position)
            self.title_row.insertWidget(position, button)
            self.tabs.append(button)
        self._group.idClicked.connect(self._pages.setCurrentIndex)
        self.tabs[0].setChecked(True)

    def add_page(self, widget: QWidget) -> None:
        """Add the content of the next title."""
        self._pages.addWidget(widget)

    def show_page(self, position: int) -> None:
        """Turn to a page."""
        self.tabs[position].setChecked(True)
        self._pages.setCurrentIndex(position)

    @property
    def page(self) -> int:
        """Which page is shown."""
        return self._pages.currentIndex()

    def on_page_changed(self, slot: Callable[[int], None]) -> None:
        """Call `slot` with the page whenever another one is shown."""
        self._pages.currentChanged.connect(slot)


class ChoiceButton(QToolButton):
    """A flat button that shows the chosen one of a few words and opens their menu.

    Parameters
    ----------
    name, tip : str
    choices : dict
        What each choice is called in the menu.
    chosen : callable
        Told the key of another choice.
    short : dict, optional
        What the button itself says of choices that are long.
    """

    def __init__(
        self,
        name: str,
        tip: str,
        choices: dict[str, str],
        chosen: Callable[[str], None],
        short: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setProperty("flat", True)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._words = {**choices, **(short or {})}
        self._chosen = chosen
        menu = QMenu(self)
        group = QActionGroup(self)
        self._actions = {}
        for key, text in choices.items():
            action = menu.addAction(text)
            assert action is not None
            action.setCheckable(True)
            action.setData(key)
            action.setObjectName(f"{name}_{key.replace(' ', '_')}")
            action.setToolTip(f"{tip}: {text}")
            group.addAction(action)
            self._actions[key] = action
        group.triggered.connect(self._on_triggered)
        self.setMenu(menu)
        self.value = next(iter(choices))
        self.set_value(self.value)

    def _on_triggered(self, action: object) -> None:
        self.set_value(action.data())  # type: ignore[attr-defined]
        self._chosen(self.value)

    def set_tip(self, key: str, tip: str) -> None:
        """Let the menu say more of one choice."""
        menu = self.menu()
        assert menu is not None
        menu.setToolTipsVisible(True)
        self._actions[key].setToolTip(tip)

    def offer(self, keys: set[str]) -> None:
        """Offer these choices only."""
        for key, action in self._actions.items():
            action.setVisible(key in keys)

    def set_value(self, key: str) -> None:
        """Show `key` as chosen, without telling anybody."""
        self.value = key
        self._actions[key].setChecked(True)
        self.setText(f"{self._words[key]} ▾")


class ToggleButton(QToolButton):
    """A flat word that is on or off."""

    def __init__(
        self,
        name: str,
        text: str,
        tip: str,
        toggled: Callable[[bool], None],
        *,
        on: bool = False,
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setText(text)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setProperty("flat", True)
        self.setCheckable(True)
        self.setChecked(on)
        self.toggled.connect(toggled)
