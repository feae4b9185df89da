"""What is taken away of a run in the window, and what comes back: files, and a run trained again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.core.run_exports import export_run
from app.core.runs import RunFolder, list_runs
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from app.ui.dialogs.take_away_dialogs import FilmDialog
from app.ui.export_items import GROUPS
from app.ui.labs.places import RUNS
from app.ui.main_window import MainWindow
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=4)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    file = write(tmp_path / "some patches.h5", images())
    return record(data_folder(), file, SPEC, live=[SPEC.changed(rho=0.2)])


@pytest.fixture
def lab(qtbot: QtBot, make_window: Callable[[], MainWindow], run: RunFolder) -> MainWindow:
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    window.runs.choose({run.path})
    settled(qtbot, window)
    return window


def settled(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=30_000)


def chosen(window: MainWindow) -> list[Path]:
    return [row.path for row in window.runs.chosen_rows()]


KINDS = {
    "chosen_report": "html pdf",
    "chosen_film": "gif png",
    "chosen_archive": "filterscope",
    "chosen_poster": "pdf svg",
    "chosen_events": "tfevents",
    "chosen_notebook": "ipynb",
    "chosen_script": "py",
}


def test_all_of_a_run_is_written_off_the_windows_thread(
    qtbot: QtBot, lab: MainWindow, tmp_path: Path
) -> None:
    lab.exporter.refresh()
    for key, kinds in KINDS.items():
        assert lab.exporter.actions[key].isEnabled()
        assert lab.exporter.actions[key].toolTip()
        for kind in kinds.split():
            path = tmp_path / f"{key}.{kind}"
            assert lab.exporter.save(key, path)
            settled(qtbot, lab)
            qtbot.waitUntil(lambda p=path: f"Saved {p.name}" in lab.notice.message.text())
    assert (tmp_path / "chosen_report.html").read_bytes().startswith(b"<!doctype html>")
    assert json.loads((tmp_path / "chosen_notebook.ipynb").read_bytes())["nbformat"] == 4
    with Image.open(tmp_path / "chosen_film.gif") as film:
        assert film.n_frames >= 2


def test_the_menu_is_in_groups(lab: MainWindow) -> None:
    lab.exporter.refresh()
    seen: dict[str, list[str]] = {}
    group = ""
    for action in lab.exporter.menu.actions():
        if action.text() in GROUPS and action.isVisible():
            group = action.text()
            assert not action.isEnabled()
        elif action.isVisible() and action.data() in lab.exporter.actions:
            seen.setdefault(group, []).append(action.data())
    assert list(seen) == [name for name in GROUPS if name in seen]
    assert {"chosen_report", "chosen_film", "chosen_archive"} <= set(seen["Whole run"])
    assert {"chosen_notebook", "chosen_script"} == set(seen["Program"])
    for item in lab.exporter.items:
        assert item.key in seen[item.group]


def test_nothing_is_offered_of_no_run(qtbot: QtBot, lab: MainWindow) -> None:
    lab.runs.choose(set())
    settled(qtbot, lab)
    lab.exporter.refresh()
    assert not lab.exporter.actions["chosen_report"].isEnabled()


def test_a_film_is_asked_for_before_its_name(
    qtbot: QtBot, lab: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(FilmDialog, "exec", lambda _: 0)
    lab.exporter.refresh()
    lab.exporter.actions["chosen_film"].trigger()
    assert not lab.runner.busy
    monkeypatch.setattr(FilmDialog, "exec", lambda _: 1)
    monkeypatch.setattr(FilmDialog, "choices", lambda _: {"fps": 2.0, "scale": "own"})
    lab.exporter.actions["chosen_film"].trigger()
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: "Saved film.png" in lab.notice.message.text())
    with Image.open(path) as film:
        film.seek(1)
        assert film.info["duration"] == 500


def test_what_is_to_be_known_of_a_file_is_told(
    qtbot: QtBot, lab: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.takeaway.film.MOST_BYTES", 1)
    assert lab.exporter.save("chosen_film", tmp_path / "film.gif")
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: "Saved film.gif" in lab.notice.message.text())
    assert "The film shows 2 of" in lab.notice.hint.text()
    # It stays until it was read.
    assert lab.notice.property("kind") == "warning"


def test_one_run_is_taken_away_at_a_time(
    qtbot: QtBot, lab: MainWindow, run: RunFolder, tmp_path: Path
) -> None:
    other = record(data_folder(), Path(run.info.source.path), SPEC.changed(seed=1))
    lab.runs.runs.refresh_and_choose({run.path, other.path})
    settled(qtbot, lab)
    assert len(chosen(lab)) == 2
    lab.exporter.refresh()
    assert not lab.exporter.actions["chosen_report"].isEnabled()
    assert lab.exporter.actions["chosen_report"].toolTip() == "Choose one run"
    assert lab.exporter.actions["run_curves"].isEnabled()
    lab.findChild(QAction, "actionTrainAgain").trigger()
    assert lab.notice.message.text() == "Several runs are chosen."


def test_a_film_can_be_given_up(
    qtbot: QtBot, lab: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core.takeaway.film import Film

    plain = Film.frame

    def slow(self: Film, shot: object) -> Image.Image:
        # As if it took long: the button is pressed meanwhile.
        while not self.contents.cancel():
            self.contents.progress(0.5, "Drawing the film")
        return plain(self, shot)

    monkeypatch.setattr(Film, "frame", slow)
    path = tmp_path / "film.gif"
    path.write_bytes(b"precious")
    assert lab.exporter.save("chosen_film", path)
    qtbot.waitUntil(lambda: "50%" in lab.notice.hint.text())
    assert lab.notice.action.text() == "Give up"
    lab.notice.action.click()
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: "was not written" in lab.notice.message.text())
    assert path.read_bytes() == b"precious"


def test_a_run_comes_back_by_file_by_dialog_and_by_drop(
    qtbot: QtBot, lab: MainWindow, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "taken away.filterscope"
    path.write_bytes(export_run(run, "archive", "filterscope")[0])
    lab.show_lab(0)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    lab.findChild(QAction, "actionOpenRun").trigger()
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: "among the runs" in lab.notice.message.text())
    assert lab.place == RUNS
    qtbot.waitUntil(lambda: chosen(lab) == [data_folder() / "taken-away"], timeout=10_000)
    # What is dropped goes the same way.
    lab.opening.open(str(path))
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: chosen(lab) == [data_folder() / "taken-away-2"], timeout=10_000)
    assert len({each.info.run_id for each in list_runs(data_folder())}) == 3


def test_a_file_that_is_no_run_is_one_sentence(
    qtbot: QtBot, lab: MainWindow, tmp_path: Path
) -> None:
    path = tmp_path / "evil.filterscope"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil", b"x")
    lab.opening.open(str(path))
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: "has no place in a run" in lab.notice.message.text())
    assert len(list_runs(data_folder())) == 1


def test_a_run_is_trained_again_and_compared(qtbot: QtBot, lab: MainWindow, run: RunFolder) -> None:
    lab.findChild(QAction, "actionTrainAgain").trigger()
    settled(qtbot, lab)
    qtbot.waitUntil(lambda: lab.notice.message.text().startswith("Bit-equal"), timeout=10_000)
    assert lab.notice.property("kind") == "good"
    qtbot.waitUntil(lambda: len(chosen(lab)) == 2, timeout=10_000)
    both = [RunFolder.open(path).read_weights()[1] for path in chosen(lab)]
    for name, array in both[0].items():
        np.testing.assert_array_equal(array, both[1][name])


def test_without_a_run_there_is_nothing_to_train_again(qtbot: QtBot, lab: MainWindow) -> None:
    lab.runs.choose(set())
    settled(qtbot, lab)
    lab.findChild(QAction, "actionTrainAgain").trigger()
    assert lab.notice.message.text() == "There is no run to train again."
