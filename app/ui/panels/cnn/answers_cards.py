"""What the network says of validation images: the confusion matrix, and its worst mistakes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.core.data.image_preprocess import FittedImages
from app.core.predictions import Predictions
from app.core.words import grouped
from app.ui.panels.cnn.maps_card import pixels_of
from app.ui.widgets.card import TabbedCard, quiet_label
from app.ui.widgets.confusion_view import ConfusionView
from app.ui.widgets.mosaic_view import MosaicView

__all__ = ["ConfusionCard", "MistakesCard"]

SHOWN_MISTAKES = 40
SHOWN_OF_CELL = 100


class _AnswersCard(TabbedCard):
    """Shows some of the images that were answered; a click chooses one.

    Signals
    -------
    image_chosen(int)
        A row of the images.
    """

    image_chosen = pyqtSignal(int)

    def __init__(self, titles: list[str], name: str, tips: list[str]) -> None:
        super().__init__(titles, name, tips)
        self.answers: Predictions | None = None
        self.data: FittedImages | None = None
        self.step = 0
        self._shown: NDArray[np.intp] = np.empty(0, np.intp)

    def _mosaic(self, name: str, title: str, empty: str) -> MosaicView:
        view = MosaicView(name, self._describe, title)
        view.set_scale("unit")
        view.empty_text = empty
        view.tile_clicked.connect(self._on_tile)
        return view

    def _show_images(self, view: MosaicView, places: NDArray[np.intp], empty: str) -> None:
        assert self.answers is not None
        assert self.data is not None
        self._shown = places
        view.empty_text = empty
        rows = self.answers.rows[places]
        view.set_tiles(pixels_of(self.data, rows) if len(rows) else None)

    def _on_tile(self, index: int) -> None:
        if self.answers is not None and index < len(self._shown):
            self.image_chosen.emit(int(self.answers.rows[self._shown[index]]))

    def _describe(self, index: int) -> str:
        answers, data = self.answers, self.data
        if answers is None or data is None or index >= len(self._shown):
            return ""
        place = self._shown[index]
        true, said = data.classes[answers.labels[place]], data.classes[answers.said[place]]
        sure = answers.probabilities[place, answers.said[place]]
        return f"{true}, called {said} ({sure:.0%})\nclick to see its maps"


class ConfusionCard(_AnswersCard):
    """The confusion matrix, and the images of one of its cells."""

    def __init__(self) -> None:
        super().__init__(
            ["Confusion", "Cell"],
            "confusion",
            ["Which class is taken for which", "The images of a cell of the matrix"],
        )
        self.cell: tuple[int, int] | None = None
        self.matrix = ConfusionView()
        self.matrix.cell_clicked.connect(self._on_cell)
        self.images = self._mosaic(
            "cellImages", "Images of the cell", "Choose a cell of the matrix"
        )
        self.caption = quiet_label(name="cellCaption")
        self.caption.setWordWrap(True)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.caption)
        column.addWidget(self.images, 1)
        self.add_page(self.matrix)
        self.add_page(page)
        self.on_page_changed(lambda _page: self._say())

    def set_answers(
        self, answers: Predictions | None, data: FittedImages | None, step: int = 0
    ) -> None:
        """Show other answers, of the weights after `step`; None for none yet."""
        self.answers, self.data, self.step = answers, data, step
        if answers is None or data is None:
            self.cell = None
            self.caption.setText("")
            self.matrix.select(None)
            self.matrix.set_counts(None, ())
            self.images.set_tiles(None)
            self.note.setText("")
            return
        self.matrix.set_counts(answers.confusion(), data.classes)
        self._draw_cell()

    def _on_cell(self, true: int, said: int) -> None:
        self.cell = true, said
        self._draw_cell()
        self.show_page(1)

    def _draw_cell(self) -> None:
        if self.answers is not None and self.cell is not None:
            places = self.answers.cell(*self.cell)[:SHOWN_OF_CELL]
            self._show_images(self.images, places, "No image in this cell")
        self._say()

    def _say(self) -> None:
        if self.page == 1 and self.cell is not None and self.data is not None:
            true, said = (self.data.classes[index] for index in self.cell)
            right = f"{true}, named right"
            self.caption.setText(right if true == said else f"{true}, called {said}")
            self.note.setText("")
        elif self.answers is not None:
            self.note.setText(f"step {self.step}")
            self.note.setToolTip(f"{len(self.answers.labels)} images, after step {self.step}")


class MistakesCard(_AnswersCard):
    """The most confident mistakes, and the test that is asked once.

    Signals
    -------
    test_wanted()
        The person wants the test accuracy.
    """

    test_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(
            ["Worst mistakes", "Test"],
            "mistakes",
            ["Validation images that are named wrong, the surest first", "Images kept for the end"],
        )
        self.images = self._mosaic(
            "worstMistakes", "The worst mistakes", "Appear with the first validation"
        )
        self.add_page(self.images)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        self.test_text = quiet_label(name="testText")
        self.test_text.setWordWrap(True)
        self.test_button = QPushButton("Ask the test images")
        self.test_button.setObjectName("testButton")
        self.test_button.setAccessibleName("Ask the test images")
        self.test_button.setToolTip(
            "Measures the best model on images that played no part; it counts only the first time"
        )
        self.test_button.clicked.connect(self.test_wanted)
        column.addWidget(self.test_text)
        column.addWidget(self.test_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        self.add_page(page)
        self.on_page_changed(lambda _page: self._say())
        self.set_test(None)

    def set_answers(
        self, answers: Predictions | None, data: FittedImages | None, step: int = 0
    ) -> None:
        """Show other answers, of the weights after `step`; None for none yet."""
        self.answers, self.data, self.step = answers, data, step
        if answers is None or data is None:
            self.images.empty_text = "Appear with the first validation"
            self.images.set_tiles(None)
        else:
            self._show_images(
                self.images, answers.mistakes()[:SHOWN_MISTAKES], "No mistake is left"
            )
        self._say()

    def _say(self) -> None:
        if self.answers is None or self.page == 1:
            self.note.setText("")
            return
        wrong = int((self.answers.said != self.answers.labels).sum())
        self.note.setText(f"{wrong} of {len(self.answers.labels)} · step {self.step}")
        self.note.setToolTip("Images that are named wrong by the weights after this step")

    def set_test(self, accuracy: float | None, *, times: int = 0, count: int = 0) -> None:
        """Show the test accuracy, and how often it was asked for."""
        if accuracy is None:
            self.test_text.setText(
                "The test images play no part until you ask. Choose by validation, then ask once: "
                "whoever chooses by the test only fools themselves."
            )
            self.tabs[1].setText("Test")
            return
        often = "the first time" if times <= 1 else f"{times} times: no longer an honest figure"
        images = grouped(count)
        self.test_text.setText(
            f"{100 * accuracy:.2f} % of {images} test images, asked {often}. "
            "The weights are those with the best validation."
        )
        self.tabs[1].setText(f"Test {100 * accuracy:.1f} %")
