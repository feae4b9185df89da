"""The Runs lab: find, compare, write on, delete and go on with what was trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QItemSelectionModel, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QColorDialog, QMessageBox
from pytestqt.qtbot import QtBot

from app.core.run_table import read_rows
from app.core.runs import RunFolder
from app.core.runs.labels import RunLabels, read_labels, write_labels
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from app.ui.main_window import RUNS, MainWindow
from app.ui.panels.runs.table_model import COLUMNS, NOTE, TAGS
from app.ui.panels.runs_panel import RunsPanel
from app.ui.training_session import State
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
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=20_000)


def choose(qtbot: QtBot, window: MainWindow, *paths: Path) -> None:
    window.runs.choose(set(paths))
    settled(qtbot, window)


def column(title: str) -> int:
    return [name for name, *_ in COLUMNS].index(title)


def names(panel: RunsPanel) -> list[str]:
    return [panel.shown.index(row, 0).data() for row in range(panel.shown.rowCount())]


def test_all_runs_are_listed_newest_first(lab: MainWindow, runs: list[RunFolder]) -> None:
    panel = lab.runs
    assert set(names(panel)) == {run.path.name for run in runs}
    assert panel.note.text() == "3 runs"
    assert not lab.transport.isVisible()
    started = [panel.shown.index(row, column("Started")).data() for row in range(3)]
    assert started == sorted(started, reverse=True)
    last = panel.shown.index(0, column("Last")).data()
    assert last.startswith("J ")


def test_numbers_sort_as_numbers(lab: MainWindow) -> None:
    panel = lab.runs
    panel.table.sortByColumn(column("Last"), Qt.SortOrder.AscendingOrder)
    role = Qt.ItemDataRole.UserRole
    values = [panel.shown.index(row, column("Last")).data(role) for row in range(3)]
    assert values == sorted(values)


def test_a_search_is_for_all_words(lab: MainWindow, runs: list[RunFolder]) -> None:
    lab.runs.search.setText("some patches rho=0.3")
    assert names(lab.runs) == [runs[1].path.name]
    assert lab.runs.note.text() == "1 of 3 runs"
    lab.runs.search.setText("nothing like it")
    assert names(lab.runs) == []
    lab.runs.search.clear()
    assert len(names(lab.runs)) == 3


def test_tags_and_notes_are_kept_in_the_run(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    panel = lab.runs
    lab.runs.search.setText("rho=0.3")
    assert panel.shown.setData(panel.shown.index(0, TAGS), "good, edges")
    assert panel.shown.setData(panel.shown.index(0, NOTE), "look again")
    assert read_labels(runs[1].path) == RunLabels(tags=("good", "edges"), note="look again")
    panel.search.setText("edges again")
    assert names(panel) == [runs[1].path.name]
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
    curves = {curve.name: curve for curve in lab.runs.curves.curves}
    assert curves.keys() == {run.path.name for run in runs}
    for run in runs:
        history, _ = run.read_history()
        np.testing.assert_array_equal(curves[run.path.name].y, history.terms.sum(axis=1))
        assert curves[run.path.name].x[-1] == SPEC.epochs
    assert curves[runs[0].path.name].colour == "#123456"
    assert len({curve.colour for curve in curves.values()}) == 3
    assert {c.colour for c in curves.values()} - {"#123456"} <= set(PALETTE)
    lab.runs.curves.set_options(log_x=False, log_y=False, smooth=False)
    assert len(lab.runs.curves.plot.getPlotItem().curves) == 3
    # The curve itself stays behind a smooth one.
    lab.runs.curves.set_options(smooth=True)
    assert len(lab.runs.curves.plot.getPlotItem().curves) == 6


def test_a_double_click_on_a_name_chooses_its_colour(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(qtbot, lab, runs[0].path)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#aa3377"))
    panel = lab.runs
    index = next(
        panel.shown.index(row, 0) for row in range(3) if names(panel)[row] == runs[0].path.name
    )
    panel.table.doubleClicked.emit(index)
    settled(qtbot, lab)
    assert read_labels(runs[0].path).colour == "#aa3377"
    (curve,) = panel.curves.curves
    assert curve.colour == "#aa3377"


def test_two_runs_show_what_differs_and_their_filters(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    choose(qtbot, lab, runs[0].path, runs[1].path)
    table = lab.runs.settings
    assert table.rowCount() == 1
    first = table.horizontalHeaderItem(1).text()
    values = [table.item(0, number).text() for number in range(3)]
    expected = [f"{SPEC.rho:g}", "0.3"]
    assert values[1:] == (expected if first == runs[0].path.name else expected[::-1])
    for name, picture in lab.runs._filters:
        assert name.text() in {run.path.name for run in runs}
        assert picture.pixmap().width() > 10
    choose(qtbot, lab)
    assert table.rowCount() == 0
    assert lab.runs.curves.curves == []


def test_filters_that_cannot_be_drawn_say_why(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder]
) -> None:
    for _, path in runs[0].keyframes():
        path.unlink()
    choose(qtbot, lab, runs[0].path)
    assert "no weights" in lab.runs._filters[0][1].text()


def test_deleting_asks_and_moves_to_the_trash(
    qtbot: QtBot, lab: MainWindow, runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(qtbot, lab, runs[0].path)
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    lab.runs.delete.click()
    assert runs[0].path.is_dir()
    lab.runs.delete.click()
    settled(qtbot, lab)
    assert not runs[0].path.exists()
    assert (data_folder() / "trash" / runs[0].path.name).is_dir()
    assert len(names(lab.runs)) == 2
    assert "trash" in lab.notice.message.text()


def test_no_runs_is_a_sentence(qtbot: QtBot, make_window: Callable[[], MainWindow]) -> None:
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    assert window.runs.empty.isVisible()
    assert not window.runs.go_on.isEnabled()
    assert not window.runs.delete.isEnabled()


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
    assert not window.runs.go_on.isEnabled()
    choose(qtbot, window, run.path)
    assert window.runs.go_on.isEnabled()
    window.runs.go_on.click()
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
        window.open_sample()
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
    assert len(lab.runs.curves.curves) == 2
