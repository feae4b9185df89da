"""The Runs lab: find, compare, write on, delete and go on with what was trained."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PyQt6.QtCore import QItemSelectionModel, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QColorDialog, QLineEdit, QMessageBox
from pytestqt.qtbot import QtBot

from app.core.memory import to_safetensors
from app.core.params import describe
from app.core.race.line_up import tag_of
from app.core.run_table import read_rows
from app.core.runs import ParentInfo, RunFolder
from app.core.runs.labels import RunLabels, read_labels, write_labels
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from app.ui.dialogs.branch_dialog import BranchDialog
from app.ui.labs.places import RUNS
from app.ui.main_window import MainWindow
from app.ui.panels.runs.columns import NOTE, TAGS, TITLES
from app.ui.panels.runs.filters_page import FiltersPage
from app.ui.panels.runs.run_tree import LEAST_SETTINGS
from app.ui.panels.runs_panel import RunsPanel
from app.ui.training_session import State
from app.ui.widgets.card import ChoiceButton, ToggleButton
from app.ui.widgets.run_curves import PALETTE
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=4)


@pytest.fixture
def runs(tmp_path: Path) -> list[RunFolder]:
    """Keep three small runs."""
    file = write(tmp_path / "some patches.npy", images())
    specs = (SPEC, SPEC.changed(rho=0.3), SPEC.changed(solver="sgd", learning_rate=0.01))
    return [record(data_folder(), file, spec) for spec in specs]


@pytest.fixture
def lab(qtbot: QtBot, make_window: Callable[[], MainWindow], runs: list[RunFolder]) -> MainWindow:
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    return window


def settled(qtbot: QtBot, window: MainWindow) -> None:
    # A reading that was given up is begun again a moment after its thread has ended.
    panel = window.runs
    qtbot.waitUntil(lambda: not window.runner.busy and not panel.reading, timeout=20_000)


def choose(qtbot: QtBot, window: MainWindow, *paths: Path) -> None:
    window.runs.choose(set(paths))
    settled(qtbot, window)


def column(title: str) -> int:
    return TITLES.index(title)


def names(panel: RunsPanel) -> list[str]:
    return [panel.shown.index(row, 0).data() for row in range(panel.shown.rowCount())]


def test_all_runs_are_listed_newest_first(lab: MainWindow, runs: list[RunFolder]) -> None:
    panel = lab.runs
    assert set(names(panel)) == {run.name for run in runs}
    assert panel.runs.note.text() == "3 runs"
    assert not lab.transport.isVisible()
    started = [panel.shown.index(row, column("Started")).data() for row in range(3)]
    assert started == sorted(started, reverse=True)
    last = panel.shown.index(0, column("Last")).data()
    assert last.startswith("J ")


def test_the_newest_is_chosen_at_the_first_look(lab: MainWindow) -> None:
    panel = lab.runs
    (row,) = panel.chosen_rows()
    assert row.name == names(panel)[0]
    assert panel.curves_page.curves.curves
    # What the person leaves unchosen stays so.
    panel.table.clearSelection()
    panel.refresh()
    assert panel.chosen_rows() == []


def test_a_chosen_run_that_a_search_hides_is_chosen_no_more(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[0].path)
    lab.runs.runs.search.setText("rho=0.3")
    assert names(lab.runs) == [runs[1].name]
    assert lab.runs.chosen_rows() == []


def test_more_can_be_done_with_one_run(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(BranchDialog, "exec", lambda dialog: asked.append("branch") and None)
    actions = lab.runs.runs.run_actions
    choose(qtbot, lab, runs[0].path)
    menu = lab.runs.runs.menu()
    offered = {action.text(): action for action in menu.actions() if action.text()}
    assert list(offered) == [
        "Open", "Go on", "Branch…", "Train again and compare", "Export", "Tags…", "Note…",
        "Colour of its curve…",
        "Delete…",
    ]  # fmt: skip
    with qtbot.waitSignal(actions.branch_wanted) as wanted:
        offered["Branch…"].trigger()
    assert wanted.args == [runs[0].path]
    # The run is opened in its lab first, and then it is asked how a child goes on.
    qtbot.waitUntil(lambda: asked == ["branch"], timeout=20_000)
    settled(qtbot, lab)
    lab.show_lab(RUNS)
    settled(qtbot, lab)
    choose(qtbot, lab, runs[0].path, runs[1].path)
    both = {action.text(): action for action in lab.runs.runs.menu().actions()}
    assert not both["Branch…"].isEnabled()
    assert both["Delete…"].isEnabled()


def test_columns_are_hidden_and_shown_and_stay_so(
    qtbot: QtBot, lab: MainWindow, make_window: Callable[[], MainWindow]
) -> None:
    table = lab.runs.table
    size, name = column("Size"), column("Name")
    offered = {action.text(): action for action in table.columns_menu().actions() if action.text()}
    # Without names nobody knows what a row is.
    assert "Name" not in offered
    assert TITLES[1:] == [text for text in offered if text != "All columns"]
    with qtbot.waitSignal(table.columns_hidden) as hidden:
        offered["Size"].trigger()
    assert hidden.args == [("Size",)]
    assert table.isColumnHidden(size)
    assert not table.isColumnHidden(name)
    assert lab.settings.hidden_columns == ("Size",)
    # A name that no column has any more, as after an update, hides none.
    table.hide_columns(("Size", "Name", "Shoe size"))
    assert [place for place in range(len(TITLES)) if table.isColumnHidden(place)] == [size]
    again = {action.text(): action for action in table.columns_menu().actions()}
    assert not again["Size"].isChecked()
    again["All columns"].trigger()
    assert not table.isColumnHidden(size)
    assert lab.settings.hidden_columns == ()


def test_numbers_sort_as_numbers(lab: MainWindow) -> None:
    panel = lab.runs
    panel.table.sortByColumn(column("Last"), Qt.SortOrder.AscendingOrder)
    role = Qt.ItemDataRole.UserRole
    values = [panel.shown.index(row, column("Last")).data(role) for row in range(3)]
    assert values == sorted(values)


def test_a_search_is_for_all_words(lab: MainWindow, runs: list[RunFolder]) -> None:
    lab.runs.runs.search.setText("some patches rho=0.3")
    assert names(lab.runs) == [runs[1].name]
    assert lab.runs.runs.note.text() == "1 of 3 runs"
    lab.runs.runs.search.setText("nothing like it")
    assert names(lab.runs) == []
    lab.runs.runs.search.clear()
    assert len(names(lab.runs)) == 3


def test_tags_and_notes_are_kept_in_the_run(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    panel = lab.runs
    lab.runs.runs.search.setText("rho=0.3")
    assert panel.shown.setData(panel.shown.index(0, TAGS), "good, edges")
    assert panel.shown.setData(panel.shown.index(0, NOTE), "look again")
    assert read_labels(runs[1].path) == RunLabels(tags=("good", "edges"), note="look again")
    panel.runs.search.setText("edges again")
    assert names(panel) == [runs[1].name]
    assert not panel.shown.setData(panel.shown.index(0, TAGS), "x" * 50)
    assert lab.notice.isVisible()
    assert read_labels(runs[1].path).tags == ("good", "edges")
    assert not panel.shown.setData(panel.shown.index(0, 0), "another name")


def test_curves_lie_over_each_other_in_colours_that_the_table_shows(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    write_labels(runs[0].path, RunLabels(colour="#123456"))
    lab.runs.refresh()
    settled(qtbot, lab)
    choose(qtbot, lab, *(run.path for run in runs))
    page = lab.runs.curves_page
    curves = {curve.name: curve for curve in page.curves.curves}
    called = {
        "η 0.006, Adam, ρ 0.05": runs[0],
        "η 0.006, Adam, ρ 0.3": runs[1],
        "η 0.01, SGD, ρ 0.05": runs[2],
    }
    assert curves.keys() == called.keys()
    for name, run in called.items():
        history, _ = run.read_history()
        np.testing.assert_array_equal(curves[name].y[:, 0], history.terms.sum(axis=1))
        assert curves[name].x[-1] == SPEC.epochs
    assert curves["η 0.006, Adam, ρ 0.05"].colour == "#123456"
    assert len({curve.colour for curve in curves.values()}) == 3
    assert {c.colour for c in curves.values()} - {"#123456"} <= set(PALETTE)
    page.curves.set_options(log_x=False, log_y=False, smooth=False)
    plain = len(page.curves.plot.getPlotItem().curves)
    # The curve itself stays behind a smooth one.
    page.curves.set_options(smooth=True)
    assert len(page.curves.plot.getPlotItem().curves) == plain + 3


def test_what_is_drawn_and_against_what_is_chosen(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[0].path)
    page = lab.runs.curves_page
    history, _ = runs[0].read_history()
    trigger(page.what, "term sparsity")
    (curve,) = page.curves.curves
    np.testing.assert_array_equal(curve.y[:, 0], history.terms[:, 2])
    trigger(page.axis, "step")
    np.testing.assert_array_equal(page.curves.curves[0].x, history.steps)
    trigger(page.axis, "seconds")
    np.testing.assert_array_equal(page.curves.curves[0].x, history.seconds)
    trigger(page.what, "rate")
    np.testing.assert_array_equal(page.curves.curves[0].y, SPEC.learning_rate)
    # An autoencoder names nothing: its accuracy is not offered.
    offered = [action.data() for action in page.what.menu().actions() if action.isVisible()]
    assert "cost" in offered
    assert "validation" not in offered


def trigger(button: ChoiceButton, key: str) -> None:
    next(action for action in button.menu().actions() if action.data() == key).trigger()


def test_seeds_are_one_line_with_a_band(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    specs = [SPEC.changed(rho=rho, seed=seed) for rho in (0.1, 0.4) for seed in range(3)]
    made = [record(data_folder(), file, spec) for spec in specs]
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    choose(qtbot, window, *(run.path for run in made))
    page = window.runs.curves_page
    assert {curve.name for curve in page.curves.curves} == {"ρ 0.1 · 3 seeds", "ρ 0.4 · 3 seeds"}
    costs = [run.read_history()[0].terms.sum(axis=1) for run in made[:3]]
    (curve,) = [one for one in page.curves.curves if one.name.startswith("ρ 0.1")]
    np.testing.assert_array_equal(np.sort(curve.y, axis=1), np.sort(np.stack(costs, 1), axis=1))
    # All seeds of one line have its colour in the table.
    assert {window.runs.model._colours[run.path] for run in made[:3]} == {curve.colour}
    # Read off at a place: the mean, and from where to where the seeds lie.
    page.curves.read_at(2.0)
    place = page.curves.curves.index(curve)
    column = np.stack(costs, 1)[7]
    assert curve.x[7] == 2.0
    said = page.curves.values()[place]
    assert said == f"{column.mean():.4g}  ({column.min():.3g} … {column.max():.3g})"
    assert page.curves.where.text() == "epoch 2"
    page.curves.read_at(None)
    last = np.stack(costs, 1)[-1]
    assert page.curves.values()[place].startswith(f"{last.mean():.4g}")
    button = window.findChild(ToggleButton, "runCurves_seeds")
    button.setChecked(False)
    assert len(page.curves.curves) == 6
    assert "ρ 0.1, seed 2" in {curve.name for curve in page.curves.curves}


def test_curves_are_taken_away_as_they_are_seen(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], tmp_path: Path
) -> None:
    choose(qtbot, lab, runs[0].path, runs[1].path)
    for kind in ("svg", "png", "csv"):
        assert lab.exporter.save("run_curves", tmp_path / f"curves.{kind}")
    table = (tmp_path / "curves.csv").read_text().splitlines()
    assert table[0] == "run,epoch,cost"
    assert len(table) == 1 + 2 * 16
    assert "ρ 0.3" in (tmp_path / "curves.svg").read_text()
    assert lab.exporter.actions["run_curves"].isVisible()
    lab.exporter.refresh()
    assert not lab.exporter.actions["run_pairs"].isEnabled()


def test_a_run_is_opened_and_coloured_from_the_table(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = lab.runs
    if panel.receivers(panel.open_wanted):
        panel.open_wanted.disconnect()
    opened: list[Path] = []
    panel.open_wanted.connect(opened.append)
    place = names(panel).index(runs[0].name)
    panel.table.doubleClicked.emit(panel.shown.index(place, 0))
    # A double click on a tag is to edit it.
    panel.table.doubleClicked.emit(panel.shown.index(place, TAGS))
    choose(qtbot, lab, runs[0].path)
    qtbot.keyClick(panel.table, Qt.Key.Key_Return)
    panel.runs.open.click()
    assert opened == [runs[0].path] * 3
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#aa3377"))
    menu = panel.runs.menu()
    colour = next(action for action in menu.actions() if action.objectName() == "runColour")
    colour.trigger()
    menu.deleteLater()
    settled(qtbot, lab)
    assert read_labels(runs[0].path).colour == "#aa3377"
    (curve,) = panel.curves_page.curves.curves
    assert curve.colour == "#aa3377"


def test_what_differs_is_a_column_for_each_run(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[0].path, runs[1].path)
    table = lab.runs.settings_page
    assert table.rowCount() == 1
    first = table.horizontalHeaderItem(1).text()
    values = [table.item(0, number).text() for number in range(3)]
    expected = [f"{SPEC.rho:g}", "0.3"]
    assert values[1:] == (expected if first == runs[0].name else expected[::-1])
    choose(qtbot, lab, *(run.path for run in runs))
    assert table.columnCount() == 4
    told = {table.item(row, 0).text() for row in range(table.rowCount())}
    assert told == {"Target activation  ρ", "Solver", "Learning rate  η"}
    choose(qtbot, lab)
    assert table.rowCount() == 0
    assert lab.runs.curves_page.curves.curves == []


def test_of_one_run_all_settings_are_told(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[1].path)
    table = lab.runs.settings_page
    told = {
        table.item(row, 0).text(): (table.item(row, 1).text(), table.item(row, 0).font().bold())
        for row in range(table.rowCount())
    }
    assert told["Target activation  ρ"] == ("0.3", True)
    assert told["Solver"] == ("Adam", False)
    assert told["Sparsity weight  β"] == (f"{SPEC.beta:g}", False)
    known = sum(len(describe(type(s))) for s in (runs[1].info.spec, runs[1].info.preprocess))
    assert table.rowCount() == known


# --- which filter is which


def show_filters(qtbot: QtBot, window: MainWindow) -> FiltersPage:
    window.runs.details.show_page(2)
    settled(qtbot, window)
    return window.runs.filters_page


def test_a_filter_stands_where_its_twin_does(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    # The weights of one run in another order: each filter has a perfect twin.
    step, weights, _ = runs[0].read_weights()
    order = np.array([3, 0, 4, 1, 2])
    turned = {
        "W1": np.ascontiguousarray(weights["W1"][:, order]),
        "b1": weights["b1"][order],
        "W2": np.ascontiguousarray(weights["W2"][order]),
        "b2": weights["b2"],
    }
    path = runs[1].path / "keyframes" / f"{step:09d}.safetensors"
    path.write_bytes(to_safetensors(turned, {"step": str(step)}))
    choose(qtbot, lab, runs[0].path, runs[1].path)
    page = show_filters(qtbot, lab)
    first, second = ([int(unit) for unit in order] for order in page.order)
    mine = page.seen.runs[0].run.path == runs[0].path
    there = order if mine else np.argsort(order)
    assert [int(there[unit]) for unit in second] == first == list(range(5))
    np.testing.assert_allclose(page.grids[0].mosaic.pixels, page.grids[1].mosaic.pixels, atol=1)
    assert page.score.text().startswith("stability 1.000")
    assert set(page.grids[0]._frames.values()) == {"good"}
    said = {grade: words.text() for grade, words in page.legend.words.items()}
    assert said["alike"] == "5 the same, |r| ≥ 0.9"
    assert said["chance"].startswith("0 ")
    assert not page.legend.words["alone"].isVisible()
    # Hovering one frames its twin, in either order, and says how alike they are.
    for paired in (True, False):
        page.paired.setChecked(paired)
        page.grids[1].tile_hovered.emit(2)
        unit = int(page.order[1][2])
        assert int(page.order[0][page.grids[0].selected]) == int(there[unit])
        assert page.score.text() == f"unit {there[unit]} and unit {unit}:  r 1.000"
        # And so says a tag at each of the two.
        twin = page.grids[0].selected
        assert [grid._tag for grid in page.grids] == [(twin, "r 1.00"), (2, "r 1.00")]
        assert f"its twin is unit {there[unit]}" in page.grids[1].describe(2)
    assert [int(unit) for unit in page.order[1]] == list(range(5))
    page.grids[1].tile_hovered.emit(-1)
    assert page.grids[0].selected is None
    assert [grid._tag for grid in page.grids] == [None, None]
    assert page.score.text().startswith("stability")


def test_only_what_is_seen_of_the_chosen_runs_is_taken_away(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    def offered() -> list[bool]:
        lab.exporter.refresh()
        keys = ("run_filters_0", "run_filters_1", "run_pairs")
        return [lab.exporter.actions[key].isEnabled() for key in keys]

    choose(qtbot, lab, runs[0].path, runs[1].path)
    assert offered() == [False] * 3
    assert lab.exporter.actions["run_pairs"].toolTip() == "See them under Filters first"
    show_filters(qtbot, lab)
    assert offered() == [True] * 3
    # Others are chosen while nobody looks at filters: those on the page are not theirs.
    lab.runs.details.show_page(0)
    choose(qtbot, lab, runs[2].path)
    assert offered() == [False] * 3
    show_filters(qtbot, lab)
    assert offered() == [True, False, False]


def test_the_slider_is_one_moment_of_both_runs(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[0].path, runs[1].path)
    page = show_filters(qtbot, lab)
    assert page.moment.text() == "epoch 4"
    page.time.setValue(0)
    settled(qtbot, lab)
    assert page.moment.text() == "epoch 0"
    assert [shown.step for shown in page.seen.shown] == [0, 0]
    # The same seed: the same first weights.
    assert page.score.text().startswith("stability 1.000")


def test_more_filters_than_the_other_has_stand_last_without_a_frame(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    small = record(data_folder(), file, SPEC)
    large = record(data_folder(), file, SPEC.changed(hidden_units=8, seed=1))
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    choose(qtbot, window, small.path, large.path)
    page = show_filters(qtbot, window)
    counts = [len(order) for order in page.order]
    assert sorted(counts) == [5, 8]
    larger = counts.index(8)
    frames = page.grids[larger]._frames
    assert [frames[cell] for cell in range(5, 8)] == ["faint"] * 3
    assert "faint" not in [frames[cell] for cell in range(5)]
    assert "without a twin" in page.grids[larger].describe(7)
    assert page.legend.words["alone"].text() == "3 no twin"
    assert page.legend.words["alone"].isVisible()
    assert page.grids[larger]._dimmed == {5, 6, 7}
    assert page.grids[1 - larger]._dimmed == frozenset()
    page.grids[larger].tile_hovered.emit(7)
    assert page.grids[1 - larger].selected is None
    assert page.grids[larger]._tag is None
    assert window.exporter.save("run_pairs", tmp_path / "pairs.csv")
    assert (tmp_path / "pairs.csv").read_text().startswith("first,second,correlation")


def test_filters_that_cannot_be_drawn_say_why(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], tmp_path: Path
) -> None:
    page = show_filters(qtbot, lab)
    assert page.grids[0].empty_text == "Choose two runs"
    for _, path in runs[0].keyframes():
        path.unlink()
    choose(qtbot, lab, runs[0].path)
    assert "no weights" in page.grids[0].empty_text
    choose(qtbot, lab, runs[1].path)
    assert page.grids[0].mosaic is not None
    assert "second run" in page.grids[1].empty_text
    other = record(data_folder(), write(tmp_path / "small.npy", images(side=4)), SPEC)
    lab.runs.refresh()
    settled(qtbot, lab)
    choose(qtbot, lab, runs[1].path, other.path)
    assert "cannot be compared" in page.score.text()
    assert page.grids[0].mosaic is not None
    assert page.grids[1].mosaic is not None


def test_a_run_is_chosen_and_written_on_by_keys_alone(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    table = lab.runs.table
    table.setFocus()
    table.clearSelection()
    assert lab.runs.chosen_rows() == []
    place = names(lab.runs).index(runs[1].name)
    selection = table.selectionModel()
    selection.setCurrentIndex(lab.runs.shown.index(place, 0), selection.SelectionFlag.NoUpdate)
    # Space is for the row, and begins no training.
    qtbot.keyClick(table, Qt.Key.Key_Space)
    settled(qtbot, lab)
    assert [row.path for row in lab.runs.chosen_rows()] == [runs[1].path]
    assert lab.training.state is State.IDLE
    shift = Qt.KeyboardModifier.ShiftModifier
    for modifier, words in ((Qt.KeyboardModifier.NoModifier, "good, edges"), (shift, "look again")):
        qtbot.keyClick(table, Qt.Key.Key_F2, modifier)
        editor = table.findChild(QLineEdit)
        # Its letters are whole, though a row is less high.
        assert editor.height() >= editor.sizeHint().height()
        assert editor.geometry().right() < table.viewport().width()
        qtbot.keyClicks(editor, words)
        qtbot.keyClick(editor, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: table.findChild(QLineEdit) is None)
    labels = read_labels(runs[1].path)
    assert (labels.tags, labels.note) == (("good", "edges"), "look again")
    # The same from the menu; a column that was hidden is shown for it.
    table.hide_columns(("Note",))
    offered = {action.text(): action for action in lab.runs.runs.menu().actions()}
    offered["Note…"].trigger()
    assert not table.isColumnHidden(NOTE)
    assert table.findChild(QLineEdit).text() == "look again"


def test_a_message_leaves_the_slider_of_filters_in_reach(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[0].path, runs[1].path)
    lab.notice.tell("problem", "A message", "and a hint")
    low = lab.notice.geometry().bottom()
    lab.runs.details.show_page(2)
    qtbot.waitUntil(lambda: lab.notice.geometry().bottom() < low)
    slider = lab.runs.filters_page.time
    top = slider.mapTo(lab.notice.parentWidget(), slider.rect().topLeft()).y()
    assert lab.notice.geometry().bottom() <= top


def test_settings_take_the_room_that_other_columns_leave(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    table, place = lab.runs.table, column("Settings")
    lab.resize(1024, 700)
    qtbot.waitUntil(lambda: table.columnWidth(place) == LEAST_SETTINGS)
    lab.resize(1400, 880)
    qtbot.waitUntil(lambda: table.columnWidth(place) > LEAST_SETTINGS)
    # In a small window what a person writes is seen without scrolling.
    lab.resize(1024, 700)
    qtbot.waitUntil(lambda: table.columnWidth(place) == LEAST_SETTINGS)
    assert table.columnViewportPosition(NOTE) < table.viewport().width()
    # A person who has chosen another width is left alone.
    table.header().resizeSection(place, 170)
    lab.resize(1400, 880)
    qtbot.waitUntil(lambda: table.viewport().width() > 1100)
    assert table.columnWidth(place) == 170


# --- the tree of runs


def test_runs_stand_below_what_they_went_on_from_and_below_their_study(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    root, child, grandchild, one, two = (
        record(data_folder(), file, SPEC.changed(epochs=1, seed=seed)) for seed in range(5)
    )
    for run, above in ((child, root), (grandchild, child)):
        parent = ParentInfo(
            run_id=above.info.run_id,
            name=above.path.name,
            step=2,
            epoch=0.5,
            changes=(("solver", "adam", "momentum"), ("rho", 0.05, 0.1)),
        )
        run.write_info(run.info.changed(parent=parent.model_dump()))
    for run in (one, two):
        run.write_info(run.info.changed(study="20261125-140833-rho-and-seeds"))
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    panel = window.runs
    assert set(names(panel)) == {root.name, "study rho-and-seeds · 2 runs"}
    at = panel.shown.index(names(panel).index(root.name), 0)
    below = panel.shown.index(0, 0, at)
    assert below.data() == child.name
    assert panel.shown.index(0, 0, below).data() == grandchild.name
    assert f"went on from {root.name}" in below.data(Qt.ItemDataRole.ToolTipRole)
    told = below.siblingAtColumn(column("Settings")).data()
    assert told == "from epoch 0.5: momentum, ρ 0.1"
    # A study stands for its runs, when it is chosen and when it is sorted.
    study = panel.shown.index(names(panel).index("study rho-and-seeds · 2 runs"), 0)
    panel.table.selectionModel().select(
        study,
        QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows,
    )
    settled(qtbot, window)
    assert {row.path for row in panel.chosen_rows()} == {one.path, two.path}
    assert not panel.runs.open.isEnabled()
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        panel.table.sortByColumn(column("Best"), order)
        role = Qt.ItemDataRole.UserRole
        values = [panel.shown.index(row, column("Best")).data(role) for row in range(2)]
        assert values == sorted(values, reverse=order is Qt.SortOrder.DescendingOrder)
    # What is found below another run brings that one along.
    panel.runs.search.setText(f"{grandchild.path.name}")
    assert names(panel) == [root.name]
    assert panel.runs.note.text() == "1 of 5 runs"
    panel.runs.search.setText("rho-and-seeds")
    assert names(panel) == ["study rho-and-seeds · 2 runs"]
    panel.runs.search.clear()
    panel.runs.tree.setChecked(False)
    assert len(names(panel)) == 5


def test_the_runs_of_a_race_stand_below_it(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    alone, *racers = (
        record(data_folder(), file, SPEC.changed(epochs=1, seed=seed)) for seed in range(3)
    )
    tag = tag_of([run.info.run_id for run in racers])
    for run in racers:
        write_labels(run.path, RunLabels(tags=(tag, "good")))
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    panel = window.runs
    assert set(names(panel)) == {alone.name, f"{tag} · 2 runs"}
    race = panel.shown.index(names(panel).index(f"{tag} · 2 runs"), 0)
    below = {panel.shown.index(row, 0, race).data() for row in range(2)}
    assert below == {run.name for run in racers}
    panel.runs.search.setText(tag)
    assert names(panel) == [f"{tag} · 2 runs"]


def test_a_run_that_trains_is_followed(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    done = runs[0].info
    born = psutil.Process().create_time()
    runs[0].write_info(done.changed(outcome=None, ended=None, pid=os.getpid(), pid_started=born))
    history = runs[0].path / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join(lines[:-1]))
    panel = lab.runs
    panel.runs.reader.clock.setInterval(30)
    panel.refresh()
    settled(qtbot, lab)
    choose(qtbot, lab, runs[0].path)
    place = names(panel).index(runs[0].name)
    state = panel.shown.index(place, column("State"))
    assert state.data() == "running"
    qtbot.waitUntil(
        lambda: panel.curves_page.curves.where.text().startswith("so far"), timeout=10_000
    )
    panel.curves_page.curves.read_at(1.0)
    # It ends: the table and the curve tell so by themselves, and what is read off stays.
    history.write_bytes(b"".join(lines))
    runs[0].write_info(done)
    qtbot.waitUntil(lambda: state.data() == "done", timeout=10_000)
    qtbot.waitUntil(lambda: not panel.curves_page.curves.curves[0].growing, timeout=10_000)
    assert panel.curves_page.curves.curves[0].x[-1] == SPEC.epochs
    assert panel.curves_page.curves.place == 1.0
    settled(qtbot, lab)
    assert not panel.runs.reader.clock.isActive()
    assert [row.path for row in panel.chosen_rows()] == [runs[0].path]


# --- the trash


def test_deleting_asks_and_moves_to_the_trash(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(qtbot, lab, runs[0].path)
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    lab.runs.runs.delete.click()
    assert runs[0].path.is_dir()
    qtbot.keyClick(lab.runs.table, Qt.Key.Key_Delete)
    settled(qtbot, lab)
    assert not runs[0].path.exists()
    assert (data_folder() / "trash" / runs[0].path.name).is_dir()
    assert len(names(lab.runs)) == 2
    assert "trash" in lab.notice.message.text()
    # The message takes it back.
    lab.notice.action.click()
    settled(qtbot, lab)
    assert runs[0].path.is_dir()
    assert len(names(lab.runs)) == 3


def test_several_runs_go_and_come_back(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = lab.runs
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    choose(qtbot, lab, runs[0].path, runs[2].path)
    panel.runs.delete.click()
    settled(qtbot, lab)
    assert names(panel) == [runs[1].name]
    panel.runs.trash.setChecked(True)
    settled(qtbot, lab)
    assert set(names(panel)) == {runs[0].name, runs[2].name}
    assert panel.runs.note.text() == "2 runs in the trash"
    choose(qtbot, lab, data_folder() / "trash" / runs[0].path.name)
    assert not panel.runs.open.isEnabled()
    assert panel.runs.delete.text() == "Restore"
    panel.runs.delete.click()
    settled(qtbot, lab)
    assert names(panel) == [runs[2].name]
    panel.runs.trash.setChecked(False)
    settled(qtbot, lab)
    assert set(names(panel)) == {runs[0].name, runs[1].name}


def test_no_runs_is_a_sentence(qtbot: QtBot, make_window: Callable[[], MainWindow]) -> None:
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    assert window.runs.runs.empty.isVisible()
    assert not window.runs.runs.go_on.isEnabled()
    assert not window.runs.runs.delete.isEnabled()


# --- going on


def crash(run: RunFolder) -> RunFolder:
    """Make a run look as if its process had died."""
    run.write_info(run.info.changed(outcome=None, ended=None, pid_started=1.0))
    return RunFolder.open(run.path)


def test_a_stopped_run_goes_on_in_its_lab_and_folder(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    whole = record(data_folder(), file, SPEC)
    run = record(data_folder(), file, SPEC, stop_after=4)
    assert run.info.state == "stopped"
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    choose(qtbot, window, whole.path)
    assert not window.runs.runs.go_on.isEnabled()
    choose(qtbot, window, run.path)
    assert window.runs.runs.go_on.isEnabled()
    window.runs.runs.go_on.click()
    qtbot.waitUntil(lambda: window.autoencoder_lab.training.state is State.ENDED, timeout=20_000)
    settled(qtbot, window)
    assert window.lab is window.autoencoder_lab
    assert window.place == 1
    again = RunFolder.open(run.path)
    assert again.info.state == "done"
    assert len(read_rows()) == 2
    np.testing.assert_array_equal(again.read_history()[0].terms, whole.read_history()[0].terms)
    for name, array in whole.read_weights()[1].items():
        np.testing.assert_array_equal(again.read_weights()[1][name], array)
    # The lab shows the whole curve, not only what came now.
    training = window.autoencoder_lab.training.training
    assert training is not None
    np.testing.assert_array_equal(training.history.steps, whole.read_history()[0].steps)


def test_after_a_crash_the_next_start_offers_to_go_on(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    run = crash(record(data_folder(), file, SPEC, stop_after=5))
    window = make_window()
    window.offer_to_go_on()
    settled(qtbot, window)
    assert window.notice.isVisible()
    (row,) = read_rows()
    assert window.notice.message.text() == (
        f"A training ended unexpectedly: some patches.npy ▸ array, epoch {int(row.epochs_done)} of 4."
    )
    # Opening the sample, as each start does, does not take the offer away.
    with qtbot.waitSignal(window.data.changed, timeout=30_000):
        window.opening.open_sample()
    assert window.notice.isVisible()
    window.notice.action.click()
    qtbot.waitUntil(lambda: window.autoencoder_lab.training.state is State.ENDED, timeout=20_000)
    settled(qtbot, window)
    assert RunFolder.open(run.path).info.state == "done"
    window.notice.hide()
    window.offer_to_go_on()
    settled(qtbot, window)
    assert window.notice.isHidden()


def test_data_that_is_gone_is_said_and_nothing_trains(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    file = write(tmp_path / "some patches.npy", images())
    run = crash(record(data_folder(), file, SPEC, stop_after=5))
    write(file, images(seed=3))
    window = make_window()
    window.resume_run(run.path)
    settled(qtbot, window)
    assert window.notice.isVisible()
    assert "not what it was" in window.notice.message.text()
    file.unlink()
    window.data.request = None
    window.resume_run(run.path)
    settled(qtbot, window)
    assert "some patches.npy" in window.notice.message.text()
    assert window.autoencoder_lab.training.training is None
    assert not window.resuming.busy


def test_a_network_of_layers_goes_on_too(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    from app.cli import main
    from tests.core.learners_of_images import images as labelled

    drawn = labelled()
    np.savez(tmp_path / "few.npz", images=drawn.x, labels=drawn.y)
    small = [
        *("train", "cnn", str(tmp_path / "few.npz"), "--epochs", "2", "--set", "batch_size=16"),
        *("--set", "layers=conv 4 3x3, relu, pool 2, affine 8, relu", "--set", "train_count=80"),
        *("--set", "validation_count=20", "--set", "normalisation=per_channel"),
    ]
    assert main(small) == 0
    (row,) = read_rows()
    row.run.write_info(
        row.run.info.changed(spec={**row.run.info.spec.model_dump(), "epochs": 4}, outcome=None)
    )
    crash(RunFolder.open(row.path))
    window = make_window()
    window.resume_run(row.path)
    qtbot.waitUntil(lambda: window.convnet_lab.training.state is State.ENDED, timeout=60_000)
    qtbot.waitUntil(lambda: not window.convnet_lab.readings.busy, timeout=20_000)
    settled(qtbot, window)
    assert RunFolder.open(row.path).info.state == "done"
    assert RunFolder.open(row.path).info.outcome.step == 20
    assert window.place == 2


def test_several_runs_are_chosen_by_the_keyboard(qtbot: QtBot, lab: MainWindow) -> None:
    selection = lab.runs.table.selectionModel()
    mode = QItemSelectionModel.SelectionFlag
    selection.select(lab.runs.shown.index(0, 0), mode.ClearAndSelect | mode.Rows)
    settled(qtbot, lab)
    lab.runs.table.setFocus()
    lab.runs.table.setCurrentIndex(lab.runs.shown.index(0, 0))
    qtbot.keyClick(lab.runs.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    settled(qtbot, lab)
    assert len(lab.runs.curves_page.curves.curves) == 2
