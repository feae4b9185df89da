"""One line over the foot of the page that says what happened, until it is dismissed or outdated."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QGuiApplication, QShowEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.icons import icon
from app.ui.theme import theme
from app.ui.widgets.in_reach import InReach

__all__ = ["NoticeBar"]

# What is no problem and asks for nothing is read by then.
FADE_MILLISECONDS = 7000
WIDEST, MARGIN = 760, 8
PLACED = (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide)


class NoticeBar(QFrame):
    """Shows one message at a time; the newest wins."""

    _page: QWidget | None = None

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.setAccessibleName("Message")
        self._report = ""
        self._wanted: Callable[[], None] | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 8, 8, 8)
        texts = QVBoxLayout()
        texts.setSpacing(1)
        self.message = QLabel()
        self.message.setObjectName("noticeMessage")
        self.hint = QLabel()
        self.hint.setObjectName("noticeHint")
        self.hint.setProperty("quiet", True)
        for label in (self.message, self.hint):
            # A message may name a file: never read it as markup.
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            texts.addWidget(label)
        layout.addLayout(texts, 1)
        self.copy = QPushButton("Copy report")
        self.copy.setObjectName("copyReport")
        self.copy.setToolTip("Copy what happened in detail, to send it to the developers")
        self.copy.clicked.connect(self._on_copy)
        layout.addWidget(self.copy)
        self.action = QPushButton("Go on")
        self.action.setToolTip("Do what the message offers")
        self.action.setObjectName("noticeAction")
        self.action.setProperty("primary", True)
        self.action.clicked.connect(self._on_action)
        layout.addWidget(self.action)
        self.dismiss = QToolButton()
        self.dismiss.setObjectName("dismissNotice")
        self.dismiss.setAccessibleName("Dismiss")
        self.dismiss.setToolTip("Dismiss (Esc)")
        self.dismiss.setProperty("flat", True)
        self.dismiss.clicked.connect(self.hide)
        layout.addWidget(self.dismiss)
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.setInterval(FADE_MILLISECONDS)
        self._fade.timeout.connect(self._on_faded)
        theme.changed.connect(self._paint_icon)
        self._paint_icon()
        self.hide()

    def _paint_icon(self) -> None:
        self.dismiss.setIcon(icon("close", theme.colours.quiet))

    def float_over(self, page: QWidget) -> None:
        """Lie over the foot of `page` from now on: nothing moves when a message comes or goes.

        At its head are titles, tabs and buttons, which a message must not cover; at its foot are
        the ends of pictures and curves, and a bar that is to stay in reach, above which it stays.
        """
        self._page = page
        self.setParent(page.parentWidget())
        page.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: the page, or a bar that stays in reach, has another size or place, or came or went."""
        if event is not None and event.type() in PLACED:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        if self._page is None or self.isHidden():
            return
        room = self._page.geometry()
        width = min(room.width() - 2 * MARGIN, WIDEST)
        layout = self.layout()
        assert layout is not None
        layout.activate()
        height = max(layout.totalHeightForWidth(width), layout.totalMinimumSize().height())
        left = room.center().x() - width // 2
        bottom = room.bottom()
        for bar in self._page.findChildren(InReach):
            # It may come while the message is there: of a filter there is only one.
            bar.installEventFilter(self)
            if bar.isVisible():
                bottom = bar.mapTo(self._page, bar.rect().topLeft()).y() + room.top()
        top = max(room.top(), bottom - MARGIN - height)
        self.setGeometry(left, top, width, height)
        self.raise_()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: find the place."""
        super().showEvent(event)
        self._place()

    def _on_faded(self) -> None:
        waits = any(button.isVisible() for button in self.findChildren(QPushButton))
        if self.underMouse():
            self._fade.start()
        elif not waits:
            self.hide()

    def tell(self, kind: str, message: str, hint: str = "", report: str = "") -> None:
        """Show a message: `kind` is ``problem``, ``warning``, ``good`` or ``plain``.

        The last two fade after some seconds, unless there is a button to press.
        """
        self._wanted = None
        self.action.hide()
        self.setProperty("kind", kind)
        style = self.style()
        assert style is not None
        style.unpolish(self)
        style.polish(self)
        self._report = report
        self.message.setText(message)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.copy.setVisible(bool(report))
        self.show()
        self._place()
        self._fade.start() if kind in ("good", "plain") else self._fade.stop()

    def offer(
        self, message: str, hint: str, text: str, wanted: Callable[[], None], report: str = ""
    ) -> None:
        """Show a message with a button `text`, which calls `wanted`."""
        self.tell("plain", message, hint, report)
        self._wanted = wanted
        self.action.setText(text)
        self.action.setToolTip(hint or message)
        self.action.show()

    def outdate(self) -> None:
        """Hide a message that was about what was open before; an offer waits for its answer."""
        if self._wanted is None and not self._report:
            self.hide()

    def _on_action(self) -> None:
        wanted, self._wanted = self._wanted, None
        self.hide()
        if wanted is not None:
            wanted()

    def _on_copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.message.text()}\n{self._report}")
