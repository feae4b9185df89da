"""A finished run is opened in its lab without training, gone on with, and branched."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QDialog, QFileDialog
from pytestqt.qtbot import QtBot

from app.core import training
from app.core.events import Finished
from app.core.run_table import read_rows
from app.core.run_tree import tree_of
from app.core.runs import RunFolder, list_runs, recorder
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from app.ui.dialogs.branch_dialog import BranchDialog
from app.ui.labs.autoencoder_lab import AutoencoderLab
from app.ui.labs.places import AUTOENCODER, RUNS
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=4)


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a keyframe of every step: these trainings last no second."""
    monkeypatch.setattr(recorder, "KEYFRAME_SECONDS", 0.0)
    monkeypatch.setattr(training, "CALL_SECONDS", 0.0)
    every = functools.partial(training.train, snapshot_seconds=0.0)
    monkeypatch.setattr("app.core.one_training.train", every)
    monkeypatch.setattr("tests.core.trained.train", every)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return record(data_folder(), write(tmp_path / "patches.npy", images()), SPEC)


@pytest.fixture
def opened(qtbot: QtBot, make_window: Callable[[], MainWindow], run: RunFolder) -> MainWindow:
    """Return a window in which the run was opened from the table."""
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    window.resuming.open(run.path)
    qtbot.waitUntil(lambda: not window.resuming.busy, timeout=20_000)
    settled(qtbot, window)
    return window


def settled(qtbot: QtBot, window: MainWindow) -> None:
    scrub = window.autoencoder_lab.scrub
    qtbot.waitUntil(lambda: not window.runner.busy and not scrub.busy, timeout=20_000)


def ended(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.training.state is State.ENDED, timeout=20_000)
    settled(qtbot, window)


def go_to(qtbot: QtBot, window: MainWindow, step: int) -> None:
    lab = window.autoencoder_lab
    lab.scrub.show_step(step)
    qtbot.waitUntil(
        lambda: lab.scrub.held is not None and lab.scrub.held.snapshot.step == step,
        timeout=10_000,
    )
    settled(qtbot, window)


def digest(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def answer(monkeypatch: pytest.MonkeyPatch, **changes: object) -> list[BranchDialog]:
    """Let the dialog be answered with other settings; returns those that were shown."""
    shown: list[BranchDialog] = []

    def exec_(dialog: BranchDialog) -> int:
        shown.append(dialog)
        for name, value in changes.items():
            dialog.form._on_row(name, value)
        dialog.length._on_row("more", 2)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(BranchDialog, "exec", exec_)
    return shown


def test_an_opened_run_is_seen_as_it_was_left(opened: MainWindow, run: RunFolder) -> None:
    lab: AutoencoderLab = opened.autoencoder_lab
    assert opened.place == AUTOENCODER
    assert lab.training.state is State.ENDED
    assert lab.spec == SPEC
    seen = lab.training.training
    history, _ = run.read_history()
    np.testing.assert_array_equal(seen.history.terms, history.terms)
    weights = run.read_weights()[1]
    np.testing.assert_array_equal(lab.panel.weights["W1"], weights["W1"])
    assert isinstance(seen.ending, Finished)
    np.testing.assert_allclose(seen.ending.terms, run.info.outcome.terms)
    bar = lab.panel.scrub_bar
    assert bar.isVisible()
    assert lab.scrub.timeline.steps == tuple(step for step, _ in run.keyframes())
    assert opened.transport.main.text().strip() == "Continue"
    assert list_runs(data_folder())[0].path == run.path
    assert len(list_runs(data_folder())) == 1


def test_the_whole_length_of_an_opened_run_can_be_scrubbed(
    qtbot: QtBot, opened: MainWindow, run: RunFolder
) -> None:
    before = digest(run.path)
    lab = opened.autoencoder_lab
    for step, path in run.keyframes()[:-1:4]:
        go_to(qtbot, opened, step)
        np.testing.assert_array_equal(lab.panel.weights["W1"], run.read_keyframe(path)["W1"])
    assert digest(run.path) == before


def test_a_done_run_is_trained_on_as_a_child(
    qtbot: QtBot, opened: MainWindow, run: RunFolder
) -> None:
    before = digest(run.path)
    lab = opened.autoencoder_lab
    lab.take_spec(lab.spec.changed(epochs=6))
    assert lab.goes_on
    opened.on_main()
    ended(qtbot, opened)
    assert digest(run.path) == before
    child = lab.training.training.run
    assert RunFolder.open(child.path).info.parent.run_id == run.info.run_id
    assert RunFolder.open(child.path).info.parent.step == 16
    history = lab.training.training.history
    np.testing.assert_array_equal(history.steps, np.arange(1, 25))
    assert lab.scrub.timeline.steps[0] == 0
    assert lab.scrub.timeline.steps[-1] == 24
    # As one that was never interrupted.
    whole = record(data_folder() / "x", Path(run.info.source.path), SPEC.changed(epochs=6))
    np.testing.assert_array_equal(history.terms, whole.read_history()[0].terms)


def test_a_child_that_is_opened_shows_its_parents_past_too(
    qtbot: QtBot, opened: MainWindow, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, rho=0.3)
    go_to(qtbot, opened, 8)
    opened.autoencoder_lab.panel.scrub_bar.branch.click()
    qtbot.waitUntil(lambda: not opened.resuming.busy, timeout=20_000)
    ended(qtbot, opened)
    child = opened.training.training.run.path
    lab = opened.autoencoder_lab
    lab.forget()
    opened.resuming.open(child)
    qtbot.waitUntil(lambda: not opened.resuming.busy, timeout=20_000)
    settled(qtbot, opened)
    np.testing.assert_array_equal(lab.training.training.history.steps, np.arange(1, 17))
    assert lab.scrub.timeline.steps[0] == 0
    go_to(qtbot, opened, 4)
    frame = dict(run.keyframes())[4]
    np.testing.assert_array_equal(lab.panel.weights["W1"], run.read_keyframe(frame)["W1"])
    assert lab.panel.seen_spec.rho == SPEC.rho


def test_a_branch_goes_on_from_the_moment_that_is_seen(
    qtbot: QtBot, opened: MainWindow, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(run.path)
    shown = answer(monkeypatch, rho=0.3)
    go_to(qtbot, opened, 10)
    lab = opened.autoencoder_lab
    lab.panel.scrub_bar.branch.click()
    qtbot.waitUntil(lambda: not opened.resuming.busy, timeout=20_000)
    ended(qtbot, opened)
    assert digest(run.path) == before
    (dialog,) = shown
    assert "hidden_units" not in dialog.form.rows
    child = RunFolder.open(lab.training.training.run.path)
    assert child.path != run.path
    assert child.info.parent.run_id == run.info.run_id
    assert ("rho", 0.05, 0.3) in child.info.parent.changes
    assert child.info.parent.step == 10
    assert child.info.outcome.epoch == 4
    assert lab.spec.rho == 0.3
    history = lab.training.training.history
    np.testing.assert_array_equal(history.steps, np.arange(1, 17))
    np.testing.assert_array_equal(history.terms[:10], run.read_history()[0].terms[:10])
    assert "A branch of" in opened.notice.message.text()
    assert [branch.depth for branch in tree_of(read_rows())] == [0, 1]


def test_a_training_is_stopped_before_it_is_branched(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = window.autoencoder_lab
    monkeypatch.setattr("app.ui.scrub_session.LOOK_SECONDS", 0.05)
    lab.take_spec(SPEC.changed(epochs=1_000_000))
    lab.start()
    qtbot.waitUntil(lambda: lab.panel.scrub_bar.isVisible(), timeout=20_000)
    parent = lab.training.training.run.path
    answer(monkeypatch, beta=2.0)
    step = lab.scrub.timeline.steps[1]
    lab.scrub.show_step(step)
    qtbot.waitUntil(lambda: lab.scrub.held is not None, timeout=10_000)
    lab.panel.scrub_bar.branch.click()
    qtbot.waitUntil(
        lambda: lab.training.training.run.path != parent and lab.training.state is State.ENDED,
        timeout=20_000,
    )
    settled(qtbot, window)
    assert RunFolder.open(parent).info.outcome.reason == "stopped"
    child = RunFolder.open(lab.training.training.run.path)
    assert child.info.parent.step == step
    assert child.info.spec.beta == 2.0


def test_the_branch_of_the_newest_weights_is_exact(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch)
    opened.autoencoder_lab.panel.scrub_bar.branch.click()
    qtbot.waitUntil(lambda: not opened.resuming.busy, timeout=20_000)
    ended(qtbot, opened)
    child = RunFolder.open(opened.training.training.run.path)
    assert child.info.parent.step == 16
    assert "anew" not in opened.notice.hint.text()
    assert child.info.outcome.epoch == 6


def test_what_cannot_be_opened_is_said(
    qtbot: QtBot, make_window: Callable[[], MainWindow], run: RunFolder
) -> None:
    window = make_window()
    for _, path in run.keyframes():
        path.write_bytes(b"nothing")
    window.resuming.open(run.path)
    qtbot.waitUntil(lambda: not window.resuming.busy, timeout=20_000)
    settled(qtbot, window)
    assert window.notice.isVisible()
    assert "no keyframe" in window.notice.message.text()
    assert window.training.training is None
    window.resuming.open(run.path.parent / "nothing there")
    assert "is not a run" in window.notice.message.text()


def test_the_table_opens_a_run_in_its_lab(
    qtbot: QtBot, make_window: Callable[[], MainWindow], run: RunFolder
) -> None:
    window = make_window()
    window.show_lab(RUNS)
    settled(qtbot, window)
    window.runs.open_wanted.emit(run.path)
    qtbot.waitUntil(lambda: window.place == AUTOENCODER, timeout=20_000)
    settled(qtbot, window)
    assert window.training.training.run.path == run.path
    # Once more it is only turned to.
    seen = window.training.training
    window.show_lab(RUNS)
    window.runs.open_wanted.emit(run.path)
    qtbot.waitUntil(lambda: window.place == AUTOENCODER, timeout=20_000)
    assert window.training.training is seen
    settled(qtbot, window)


def test_a_value_that_cannot_be_keeps_the_question_open(qtbot: QtBot) -> None:
    dialog = BranchDialog(SPEC, "epoch 2", 2.0, 4, running=True)
    qtbot.addWidget(dialog)
    dialog.show()
    field = dialog.form.rows["rho"].field
    field.setText("7")
    field.setModified(True)
    field.editingFinished.emit()
    dialog.accept()
    assert dialog.isVisible()
    field.setText("0.2")
    field.setModified(True)
    field.editingFinished.emit()
    dialog.accept()
    assert not dialog.isVisible()
    assert dialog.changes() == {"rho": 0.2}
    assert dialog.epochs() == 2 + 10


def test_data_that_moved_is_found_again_and_checked(
    qtbot: QtBot,
    make_window: Callable[[], MainWindow],
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    was = Path(run.info.source.path)
    other = write(tmp_path / "other.npy", images(seed=1))
    moved = tmp_path / "elsewhere" / "patches.npy"
    moved.parent.mkdir()
    was.rename(moved)
    window = make_window()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(other), ""))
    window.resuming.open(run.path)
    assert not window.resuming.busy
    said = f"The data of {run.name}, patches.npy, is not in its place."
    assert window.notice.message.text() == said
    before = (run.path / "run.json").read_bytes()
    with qtbot.waitSignal(window.resuming.problem, timeout=20_000) as told:
        window.notice.action.click()
    assert told.args[0] == "other.npy is not what it was when the run was made."
    assert (run.path / "run.json").read_bytes() == before
    # The right one.
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(moved), ""))
    window.resuming.open(run.path)
    window.notice.action.click()
    qtbot.waitUntil(lambda: not window.resuming.busy, timeout=20_000)
    settled(qtbot, window)
    assert window.autoencoder_lab.training.state is State.ENDED
    assert RunFolder.open(run.path).info.source.path == str(moved)
