"""The past of a network of layers: filters, maps, answers and curves together."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from app.core import training
from app.core.nn.reading import NetworkReader
from app.core.runs import RunFolder, recorder
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui.dialogs.branch_dialog import BranchDialog
from app.ui.image_session import ImageRequest
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.core.small_images import small_images

SPEC = ConvNetSpec.build(
    {
        "layers": "conv 6 3x3, relu, pool 2, affine 12, relu",
        "epochs": 3,
        "batch_size": 9,
        "initialisation": "he",
        "evaluate_every": 2,
    }
)


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a keyframe of every step: these trainings last no second."""
    monkeypatch.setattr(recorder, "KEYFRAME_SECONDS", 0.0)
    every = functools.partial(training.train, snapshot_seconds=0.0)
    monkeypatch.setattr("app.core.one_training.train", every)


@pytest.fixture
def lab(qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path) -> ConvNetLab:
    """Return a lab in which a few tiny images are open."""
    images = small_images()
    path = tmp_path / "few.npz"
    np.savez(path, x=images.x, y=images.y)
    window = make_window()
    lab = window.convnet_lab
    lab.session.spec = ImageSpec(train_count=45, validation_count=30, normalisation="per_channel")
    with qtbot.waitSignal(lab.session.changed, timeout=20_000):
        lab.session.open(ImageRequest(str(path)))
    window.show_lab(2)
    lab.spec = SPEC
    lab.show_spec()
    lab.panel.maps_card.show_page(0)
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=10_000)
    return lab


def settled(qtbot: QtBot, lab: ConvNetLab) -> None:
    qtbot.waitUntil(
        lambda: not lab.runner.busy and not lab.readings.busy and not lab.scrub.busy,
        timeout=20_000,
    )


def train(qtbot: QtBot, lab: ConvNetLab) -> None:
    lab.start()
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=60_000)
    settled(qtbot, lab)


def go_to(qtbot: QtBot, lab: ConvNetLab, step: int) -> None:
    lab.scrub.show_step(step)
    qtbot.waitUntil(
        lambda: lab.scrub.held is not None and lab.scrub.held.snapshot.step == step,
        timeout=10_000,
    )
    settled(qtbot, lab)


def test_everything_moves_to_the_moment(qtbot: QtBot, lab: ConvNetLab) -> None:
    train(qtbot, lab)
    panel, steps = lab.panel, lab.scrub.timeline.steps
    assert panel.scrub_bar.isVisible()
    newest = panel.filters.mosaic.pixels.copy()
    step = steps[2]
    go_to(qtbot, lab, step)
    weights = lab.scrub.held.snapshot.weights
    assert not np.array_equal(panel.filters.mosaic.pixels, newest)
    reader = NetworkReader(panel.seen_data, SPEC)
    reader.load(weights)
    np.testing.assert_array_equal(panel.answers.probabilities, reader.answers().probabilities)
    assert panel.confusion_card.step == step
    maps = reader.look(*panel.maps_card.wanted()).maps
    np.testing.assert_array_equal(panel.maps_card.maps._bands[0].reshape(maps.shape), maps)
    rhythm = lab.training.training.steps_per_epoch
    assert panel.loss_card.plot._cursor == panel.accuracy._cursor == step / rhythm
    before = [e for e in lab.training.training.history.evaluations if e.step <= step]
    said = panel.accuracy._readouts["validation"].text()
    assert f"{100 * before[-1].validation_accuracy:.1f}" in said
    lab.scrub.show_newest()
    settled(qtbot, lab)
    np.testing.assert_array_equal(panel.filters.mosaic.pixels, newest)
    assert panel.confusion_card.step == steps[-1]
    assert not panel.accuracy._cursor_line.isVisible()


def test_the_layers_page_moves_too(qtbot: QtBot, lab: ConvNetLab) -> None:
    train(qtbot, lab)
    lab.panel.loss_card.show_page(1)
    settled(qtbot, lab)
    go_to(qtbot, lab, lab.scrub.timeline.steps[1])
    reader = NetworkReader(lab.panel.seen_data, SPEC)
    reader.load(lab.scrub.held.snapshot.weights)
    found = [one.mean for one in lab.panel.loss_card.behaviour._readings]
    assert found == [one.mean for one in reader.behaviour()]
    lab.panel.loss_card.behaviour.set_kind("gradients")
    label = lab.panel.loss_card.behaviour.histogram._labels["bottom"]
    assert "not kept of this moment" in label


def test_of_a_large_network_what_is_not_kept_is_said(
    qtbot: QtBot, lab: ConvNetLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(qtbot, lab)
    run = lab.training.training.run
    steps = lab.scrub.timeline.steps
    # As the recorder keeps large networks: without the weights of the affine layer.
    from app.core.memory import to_safetensors

    path = dict(run.keyframes())[steps[2]]
    kept = {name: one for name, one in run.read_keyframe(path).items() if name != "W2"}
    path.write_bytes(to_safetensors(kept, {"step": str(steps[2])}))
    panel = lab.panel
    answered = panel.confusion_card.step
    go_to(qtbot, lab, steps[2])
    assert not lab.scrub.held.whole
    assert panel.filters.count == 6
    assert all(veil.text() for veil in panel.pictures.veils)
    assert panel.confusion_card.step == answered
    # Maps of the first rows need no more than what was kept.
    assert not panel.maps_card.veil.isVisible()
    reader = NetworkReader(panel.seen_data, SPEC)
    reader.load(lab.training.training.snapshot.weights | kept)
    pixels, place, _ = panel.maps_card.wanted()
    assert place == (0,)
    maps = reader.look(pixels, place).maps
    np.testing.assert_array_equal(panel.maps_card.maps._bands[0].reshape(maps.shape), maps)
    assert all(not label.text() for label in panel.maps_card.says)
    # Later rows do.
    panel.maps_card.layer_choice.setCurrentIndex(3)
    panel.maps_card.look_wanted.emit()
    assert panel.maps_card.veil.isVisible()
    assert "kept" in panel.maps_card.veil.text()
    lab.scrub.show_newest()
    settled(qtbot, lab)
    assert not any(veil.isVisible() for veil in (*panel.pictures.veils, panel.maps_card.veil))
    assert panel.confusion_card.step == steps[-1]


def test_a_run_is_opened_and_branched(
    qtbot: QtBot, lab: ConvNetLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(qtbot, lab)
    window = lab.panel.window()
    parent = lab.training.training.run.path
    answered = lab.panel.answers.probabilities
    lab.forget()
    window.resuming.open(parent)
    qtbot.waitUntil(lambda: not window.resuming.busy, timeout=20_000)
    settled(qtbot, lab)
    assert lab.training.training.run.path == parent
    np.testing.assert_array_equal(lab.panel.answers.probabilities, answered)
    assert lab.panel.scrub_bar.isVisible()
    assert lab.goes_on
    step = lab.scrub.timeline.steps[3]
    go_to(qtbot, lab, step)

    def exec_(dialog: BranchDialog) -> int:
        dialog.form._on_row("dropout", 0.25)
        dialog.length._on_row("more", 2)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(BranchDialog, "exec", exec_)
    lab.panel.scrub_bar.branch.click()
    qtbot.waitUntil(lambda: not window.resuming.busy, timeout=20_000)
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=60_000)
    settled(qtbot, lab)
    child = RunFolder.open(lab.training.training.run.path)
    assert child.info.parent.step == step
    assert child.info.parent.name == parent.name
    assert child.info.spec.dropout == 0.25
    assert lab.scrub.timeline.steps[0] == 0
    assert lab.training.training.history.steps[0] == 1
