"""One line below the header that says what happened, until it is dismissed or outdated."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout

from app.ui.icons import icon
from app.ui.theme import theme

__all__ = ["NoticeBar"]


class NoticeBar(QFrame):
    """Shows one message at a time; the newest wins."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.setAccessibleName("Message")
        self._report = ""
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
        self.dismiss = QToolButton()
        self.dismiss.setObjectName("dismissNotice")
        self.dismiss.setAccessibleName("Dismiss")
        self.dismiss.setToolTip("Dismiss (Esc)")
        self.dismiss.setProperty("flat", True)
        self.dismiss.clicked.connect(self.hide)
        layout.addWidget(self.dismiss)
        theme.changed.connect(self._paint_icon)
        self._paint_icon()
        self.hide()

    def _paint_icon(self) -> None:
        self.dismiss.setIcon(icon("close", theme.colours.quiet))

    def tell(self, kind: str, message: str, hint: str = "", report: str = "") -> None:
        """Show a message: `kind` is ``problem``, ``good`` or ``plain``."""
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

    def _on_copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.message.text()}\n{self._report}")
