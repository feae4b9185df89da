"""The filters of a study's trials, side by side, also while they form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QPixmap
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.core.studies.look import Picture
from app.ui.widgets.card import elided_label, quiet_label

__all__ = ["FilterStrip"]


EMPTY = (
    "Filters are here as soon as a run has some; those of a run on another computer come when it "
    "ends."
)


class _Column(QWidget):
    """One trial: its words, when that was, and its filters."""

    def __init__(self, place: int, chosen: Callable[[int], None]) -> None:
        super().__init__()
        self._chosen = chosen
        self.trial = -1
        self._png = b""
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        self.words = elided_label(f"studyFilterWords{place}")
        self.words.setAlignment(Qt.AlignmentFlag.AlignLeft)
        self.picture = QLabel()
        self.picture.setObjectName(f"studyFilters{place}")
        inside.addWidget(self.words)
        inside.addWidget(self.picture)
        inside.addStretch(1)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_picture(self, picture: Picture, *, strong: bool) -> None:
        """Show other filters, or the same ones further on."""
        self.trial = picture.trial
        words = f"{picture.words}   {picture.note}".rstrip()
        self.words.setProperty("strong", strong)
        self.words.setText(words)
        self.words.update()
        self.picture.setAccessibleName(f"Filters with {words}")
        if picture.png != self._png:
            self._png = picture.png
            pixmap = QPixmap()
            pixmap.loadFromData(picture.png)
            self.picture.setPixmap(pixmap)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Qt: a click chooses the trial."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._chosen(self.trial)


class FilterStrip(QScrollArea):
    """A column for each trial that is shown; the chosen one stands first.

    Signals
    -------
    chosen(int)
        The number of a trial.
    """

    chosen = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("studyFilterStrip")
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        self._layout = QHBoxLayout(inside)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(18)
        self.empty = quiet_label(EMPTY, "studyNoFilters")
        self._layout.addWidget(self.empty, 0, Qt.AlignmentFlag.AlignTop)
        self._layout.addStretch(1)
        self.setWidget(inside)
        self.columns: list[_Column] = []
        self._pictures: list[Picture] = []
        self._trial: int | None = None

    def set_pictures(self, pictures: Sequence[Picture]) -> None:
        """Show the filters of other trials, or of the same ones further on."""
        self._pictures = list(pictures)
        self._show()

    def show_trial(self, trial: int | None) -> None:
        """Put one trial first."""
        self._trial = trial
        self._show()

    def _show(self) -> None:
        # The layout takes a column out itself when it is deleted.
        while len(self.columns) > len(self._pictures):
            column = self.columns.pop()
            column.hide()
            column.deleteLater()
        while len(self.columns) < len(self._pictures):
            column = _Column(len(self.columns), self.chosen.emit)
            self._layout.insertWidget(len(self.columns), column)
            self.columns.append(column)
        self.empty.setVisible(not self._pictures)
        first = sorted(self._pictures, key=lambda one: one.trial != self._trial)
        for column, picture in zip(self.columns, first, strict=True):
            column.show_picture(picture, strong=picture.trial == self._trial)
