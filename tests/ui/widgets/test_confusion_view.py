"""The confusion matrix: where cells stand, what they say, mouse and keys."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from app.ui.widgets.confusion_view import ConfusionView

NAMES = ("cat", "dog", "a class with a very long name")
COUNTS = np.array([[5, 1, 0], [2, 7, 0], [0, 0, 9]])


@pytest.fixture
def view(qtbot: QtBot) -> ConfusionView:
    view = ConfusionView()
    qtbot.addWidget(view)
    view.resize(300, 280)
    view.set_counts(COUNTS, NAMES)
    view.show()
    return view


def test_cells_are_found_where_they_are_drawn(view: ConfusionView) -> None:
    for true in range(3):
        for said in range(3):
            rect = view.cell_rect(true, said)
            assert view.cell_at(rect.center()) == (true, said)
            assert view.rect().contains(rect.toRect())
    assert view.cell_at(view.rect().topLeft().toPointF()) is None


def test_a_click_and_the_arrows_choose_a_cell(qtbot: QtBot, view: ConfusionView) -> None:
    chosen: list[tuple[int, int]] = []
    view.cell_clicked.connect(lambda true, said: chosen.append((true, said)))
    place: QPoint = view.cell_rect(1, 0).center().toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=place)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Down)  # over the edge: nothing
    assert chosen == [(1, 0), (1, 1), (2, 1)]
    assert view.selected == (2, 1)


def test_a_cell_says_what_it_counts(view: ConfusionView) -> None:
    assert view.describe(0, 1).startswith("1 of 6 cat taken for dog")
    assert view.describe(1, 1) == "7 of 9 dog named right"


def test_right_and_wrong_have_colours_of_their_own(view: ConfusionView) -> None:
    image = view.grab().toImage()

    def colour(true: int, said: int) -> tuple[int, ...]:
        corner = view.cell_rect(true, said).topLeft().toPoint() + QPoint(3, 3)
        return image.pixelColor(corner).getRgb()[:3]

    assert colour(2, 2) != colour(0, 2)
    assert colour(1, 0) != colour(0, 2)
    assert colour(2, 2) != colour(1, 0)


@pytest.mark.parametrize("size", [(40, 40), (120, 600), (900, 130)])
@pytest.mark.parametrize("classes", [1, 2, 10, 100])
def test_any_size_and_any_number_of_classes_can_be_drawn(
    view: ConfusionView, size: tuple[int, int], classes: int
) -> None:
    view.resize(*size)
    view.set_counts(np.eye(classes, dtype=int), [f"class {n}" for n in range(classes)])
    assert not view.grab().isNull()


def test_without_counts_it_says_when_they_come(view: ConfusionView) -> None:
    view.select((2, 2))
    view.set_counts(None, ())
    assert view.selected is None
    assert view.cell_at(view.rect().center().toPointF()) is None
    assert not view.grab().isNull()
