"""Lists of checks, maps of errors, code, bars, ladders, grids and pictures of the workbench."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QColor, QDragEnterEvent, QDropEvent, QHelpEvent
from PyQt6.QtWidgets import QApplication, QLabel, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from app.core.filter_design import DESIGNS, explain_place
from app.core.nn.gradient_check import GradientCheck, check_gradient
from app.core.source_code import compiled_code, twin_code
from app.ui.theme import theme
from app.ui.widgets.check_list import (
    FAILS,
    HOLDS,
    NOT_HERE,
    NOT_RUN,
    RUNNING,
    WAITING,
    CheckItem,
    CheckList,
)
from app.ui.widgets.code_view import CodeView
from app.ui.widgets.heat_map import HeatLegend, HeatMap, element_text
from app.ui.widgets.kernel_grid import KernelGrid
from app.ui.widgets.ladder import Ladder, Rung
from app.ui.widgets.measure_rows import MeasureRow, MeasureRows
from app.ui.widgets.picture_view import PictureView
from app.ui.widgets.time_bars import TimeBar, TimeBars, duration
from app.ui.widgets.window_view import WindowView


def shown(qtbot: QtBot, widget: QWidget, width: int = 400, height: int = 240) -> None:
    qtbot.addWidget(widget)
    widget.resize(width, height)
    with qtbot.waitExposed(widget):
        widget.show()


def colour_at(widget: QWidget, point: QPointF) -> QColor:
    return QColor(widget.grab().toImage().pixel(point.toPoint()))


def wrong_gradient() -> GradientCheck:
    """Return a check of ReLU with a kink at [0, 1, 0] and a fault at [1, 0, 2]."""
    x = np.random.default_rng(0).uniform(0.5, 1.0, (2, 3, 4))
    x[0, 1, 0] = 1e-7
    analytic = np.ones_like(x)
    analytic[1, 0, 2] = 2.0
    return check_gradient(lambda a: np.maximum(a, 0), x, analytic, name="x", bound=1e-6)


# --- the map of errors


def test_a_fault_is_red_a_kink_is_blue_and_the_worst_is_framed(qtbot: QtBot) -> None:
    view = HeatMap("map")
    check = wrong_gradient()
    assert check.worst == (1, 0, 2)
    shown(qtbot, view)
    view.set_check(check)
    for index, name in (((1, 0, 2), "bad"), ((0, 1, 0), "accent")):
        assert colour_at(view, view.cell_rect(index).center()) == theme.colour(name)
    frame = view.cell_rect(check.worst)
    assert colour_at(view, QPointF(frame.left(), frame.center().y())) == theme.colour("text")


def test_the_mouse_names_an_element_and_arrows_walk(qtbot: QtBot) -> None:
    view = HeatMap("map")
    shown(qtbot, view)
    view.set_check(wrong_gradient())
    with qtbot.waitSignal(view.element_changed) as told:
        qtbot.mouseMove(view, view.cell_rect((1, 2, 3)).center().toPoint())
    assert told.args == [(1, 2, 3)]
    view.choose((0, 0, 0))
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.element == (0, 0, 1)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.element == (0, 1, 1)
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert view.element is None


def test_every_element_is_found_where_it_is_drawn(qtbot: QtBot) -> None:
    view = HeatMap("map")
    shown(qtbot, view, 301, 187)
    view.set_check(wrong_gradient())
    for index in np.ndindex(2, 3, 4):
        assert view.element_at(view.cell_rect(index).center()) == index
    assert view.element_at(QPointF(-5, -5)) is None


def test_a_tooltip_tells_both_gradients(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda _place, text, _widget: said.append(text))
    view = HeatMap("map")
    shown(qtbot, view)
    view.set_check(wrong_gradient())
    place = view.cell_rect((0, 1, 0)).center().toPoint()
    QApplication.sendEvent(view, QHelpEvent(QEvent.Type.ToolTip, place, view.mapToGlobal(place)))
    assert len(said) == 1
    assert said[0].startswith("x[0, 1, 0]\nanalytic 1\nnumeric ")
    assert "kink" in said[0]


def test_an_element_that_was_not_looked_at_says_so() -> None:
    check = check_gradient(lambda a: a, np.ones(9), np.ones(9), sample=1)
    said = [element_text(check, index) for index in np.ndindex(9)]
    assert sum("not looked at" in text for text in said) == 8


def test_an_empty_map_says_what_to_do(qtbot: QtBot) -> None:
    view, legend = HeatMap("map"), HeatLegend()
    view.empty_text = "Press Check"
    shown(qtbot, view)
    qtbot.addWidget(legend)
    view.set_check(None)
    legend.set_check(None)
    assert view.pixels is None
    assert legend.isHidden()
    assert view.element_at(QPointF(5, 5)) is None
    qtbot.keyClick(view, Qt.Key.Key_Right)
    view.grab()


def test_the_legend_names_what_is_there(qtbot: QtBot) -> None:
    legend = HeatLegend()
    shown(qtbot, legend, 400, 26)
    legend.set_check(wrong_gradient())
    assert [kind.name for kind in legend.shown] == ["FAULT", "KINK"]
    theme.choose("dark")
    legend.grab()


# --- the list


def test_the_list_tells_standings_and_choices(qtbot: QtBot) -> None:
    items = [CheckItem(name, name.title(), "It teaches.") for name in ("conv", "pool", "affine")]
    view = CheckList("list", items)
    shown(qtbot, view)
    for standing in (NOT_RUN, WAITING, RUNNING, HOLDS, FAILS, NOT_HERE):
        view.set_standing("pool", standing, "2/3")
        row = view.item(1)
        assert row is not None
        assert row.data(Qt.ItemDataRole.AccessibleTextRole) == f"Pool: {standing.word}, 2/3"
        assert "It teaches." in row.toolTip()
        view.grab()
    with qtbot.waitSignal(view.chosen) as told:
        row = view.item(2)
        qtbot.mouseClick(
            view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualItemRect(row).center()
        )
    assert told.args == ["affine"]
    with qtbot.waitSignal(view.chosen) as told:
        qtbot.keyClick(view, Qt.Key.Key_Up)
    assert told.args == ["pool"]


# --- rows of figures


def test_rows_open_and_say_all_in_words(qtbot: QtBot) -> None:
    rows = MeasureRows("rows")
    shown(qtbot, rows, 500, 80)
    rows.set_rows(
        [
            MeasureRow("dx", HOLDS, "dx", "1e-8", "1e-7", "1.2e-8", opens=True, aside="2 × 3"),
            MeasureRow("db", FAILS, "db", "3", "1e-7"),
        ]
    )
    first = rows.findChild(QWidget, "rows_dx")
    assert first is not None
    assert first.accessibleName() == "dx 2 × 3, holds, 1e-8, bound 1e-7, report 1.2e-8"
    with qtbot.waitSignal(rows.opened) as told:
        qtbot.mouseClick(first, Qt.MouseButton.LeftButton)
    assert told.args == ["dx"]
    with qtbot.assertNotEmitted(rows.opened):
        qtbot.mouseClick(rows.findChild(QWidget, "rows_db"), Qt.MouseButton.LeftButton)
    for width in (500, 200):
        rows.resize(width, 80)
        rows.grab()


# --- code


def test_code_has_its_true_numbers_and_is_copied_without_them(qtbot: QtBot) -> None:
    view = CodeView("code")
    shown(qtbot, view)
    (excerpt,) = twin_code("conv_forward")
    view.set_code([excerpt])
    assert view.toPlainText().startswith("app/core/kernels/reference/conv.py\ndef conv_forward(")
    assert view.isReadOnly()
    view.copy_all()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == excerpt.text
    view.selectAll()
    view.copy_all()
    assert clipboard.text() == view.toPlainText()
    view.set_code([], "nothing here")
    assert view.toPlainText() == "nothing here"


def test_code_is_coloured_in_both_themes(qtbot: QtBot) -> None:
    view = CodeView("code")
    shown(qtbot, view, 600, 300)
    view.set_code([excerpt.brief() for excerpt in twin_code("relu_forward")])
    for choice in ("light", "dark"):
        theme.choose(choice)
        image = view.grab().toImage()
        seen = {
            QColor(image.pixel(x, y)).name()
            for x in range(0, image.width())
            for y in range(0, min(image.height(), 60))
        }
        assert theme.colour("accent").name() in seen
        assert theme.colour("good").name() in seen


def test_files_of_compiled_code_can_be_gone_to(qtbot: QtBot) -> None:
    excerpts = compiled_code("train_steps")
    if not excerpts:
        pytest.skip("no compiled kernels")
    view = CodeView("code")
    shown(qtbot, view, 600, 200)
    view.set_code(excerpts)
    view.show_excerpt(1)
    assert view.firstVisibleBlock().text() == excerpts[1].path


# --- bars and ladders


def test_bars_keep_their_figures_inside(qtbot: QtBot) -> None:
    view = TimeBars("bars")
    view.empty_text = "Press Time it"
    shown(qtbot, view, 420, 160)
    view.grab()
    view.set_bars(
        [TimeBar("readable", 6.3), TimeBar("compiled", 3e-4, "18 000×"), TimeBar("none", 0.0)]
    )
    assert [bar.name for bar in view.bars] == ["readable", "compiled"]
    assert view.ends() == (-4, 1)
    assert view.accessibleDescription() == "readable 6.3 s ; compiled 300 µs 18 000×"
    for width in (420, 200):
        view.resize(width, 120)
        view.grab()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.345, "12.3 s"), (0.5, "500 ms"), (2.13e-3, "2.13 ms"), (4e-7, "0.4 µs"), (0.0, "–")],
)
def test_durations_have_three_figures(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_remedy_is_shown_where_a_step_fails(qtbot: QtBot) -> None:
    ladder = Ladder()
    shown(qtbot, ladder, 360, 300)

    def texts() -> set[str]:
        return {label.text() for label in ladder.findChildren(QLabel) if not label.isHidden()}

    step = ("2.9", "2.3", "It should guess.", "Make the weights smaller.")
    ladder.set_rungs([Rung("first", "First loss?", FAILS, *step), Rung("next", "Next?", NOT_RUN)])
    assert {"First loss?", "2.9   should be 2.3", "→ Make the weights smaller."} <= texts()
    ladder.set_rungs([Rung("first", "First loss?", HOLDS, *step), Rung("next", "Next?", RUNNING)])
    assert "→ Make the weights smaller." not in texts()
    theme.choose("dark")
    ladder.grab()


# --- pictures and grids


def test_the_grid_changes_one_number_and_refuses_what_is_none(qtbot: QtBot) -> None:
    grid = KernelGrid()
    shown(qtbot, grid)
    for size in (3, 7, 5):
        grid.set_kernel(DESIGNS["emboss"].with_size(size).kernel)
        assert len(grid.fields) == size * size
    field = grid.fields[0, 4]
    field.selectAll()
    qtbot.keyClicks(field, "2.5")
    with qtbot.waitSignal(grid.value_typed) as told:
        qtbot.keyClick(field, Qt.Key.Key_Return)
    assert told.args == [0, 4, 2.5]
    field.selectAll()
    # What is none, and what products of would be infinite.
    for text, said in (("much", "much"), ("-1e200", "1e+06")):
        field.selectAll()
        qtbot.keyClicks(field, text)
        with (
            qtbot.assertNotEmitted(grid.value_typed),
            qtbot.waitSignal(grid.problem, check_params_cb=lambda reason: bool(reason)) as told,
        ):
            qtbot.keyClick(field, Qt.Key.Key_Return)
        assert field.property("wrong")
        assert said in told.args[0]


def test_a_picture_is_crisp_and_points_at_its_pixels(qtbot: QtBot) -> None:
    view = PictureView("picture", "Picture")
    shown(qtbot, view, 260, 250)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 16), np.uint8)
    view.set_pixels(pixels)
    zoom = 16
    left, top = (260 - 16 * zoom) / 2, (250 - 12 * zoom) // 2
    for row, column in ((0, 0), (5, 9), (11, 15)):
        point = QPointF(left + (column + 0.5) * zoom, top + (row + 0.5) * zoom)
        assert view.place_at(point) == (row, column)
        assert colour_at(view, point).getRgb()[:3] == tuple(
            int(one) for one in pixels[:, row, column]
        )
    assert view.place_at(QPointF(1, 1)) is None
    with qtbot.waitSignal(view.pointed) as told:
        qtbot.keyClick(view, Qt.Key.Key_Left)
    assert told.args == [(6, 7)]
    view.set_pixels(pixels[:1])
    view.show_place((0, 0), 3)
    view.grab()


def test_a_file_can_be_dropped_on_a_picture(qtbot: QtBot) -> None:
    view = PictureView("picture", "Picture")
    shown(qtbot, view)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/some/photo.png")])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(view, enter)
    assert enter.isAccepted()
    with qtbot.waitSignal(view.dropped) as told:
        QApplication.sendEvent(
            view, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, buttons, keys)
        )
    assert told.args == ["/some/photo.png"]


def test_what_is_under_the_window_is_written_out(qtbot: QtBot) -> None:
    view = WindowView()
    shown(qtbot, view, 640, 150)
    picture = np.random.default_rng(0).integers(0, 256, (3, 12, 16), np.uint8)
    view.show_window(None, DESIGNS["edges"])
    view.grab()
    for name in ("edges", "gaussian"):
        found = explain_place(picture, DESIGNS[name], 0, 0)
        view.show_window(found, DESIGNS[name])
        assert view.accessibleDescription() == found.sentence(DESIGNS[name])
        view.grab()
