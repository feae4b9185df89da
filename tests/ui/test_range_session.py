"""The range test in the window: a button, a band, and nothing that training would feel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.core.errors import FilterscopeError
from app.core.range_test import RangeBand, RangeTest
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui import range_session
from app.ui.image_session import ImageRequest
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.core.small_images import small_images

SPEC = ConvNetSpec.build(
    {"layers": "conv 4 3x3, relu, pool 2", "epochs": 2, "batch_size": 9, "initialisation": "he"}
)


@pytest.fixture
def lab(qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path) -> ConvNetLab:
    images = small_images()
    np.savez(tmp_path / "few.npz", x=images.x, y=images.y)
    window = make_window()
    window.show_lab(2)
    lab = window.convnet_lab
    lab.session.spec = ImageSpec(train_count=45, validation_count=30, normalisation="per_channel")
    with qtbot.waitSignal(lab.session.changed, timeout=20_000):
        lab.session.open(ImageRequest(str(tmp_path / "few.npz")))
    lab.spec = SPEC
    lab.show_spec()
    lab.on_state()
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=10_000)
    return lab


def press(qtbot: QtBot, lab: ConvNetLab) -> None:
    qtbot.mouseClick(lab.range_test.button, Qt.MouseButton.LeftButton)


def row(lab: ConvNetLab):  # type: ignore[no-untyped-def]
    return lab.panel.network_page.form.rows["learning_rate"]


def find_band(qtbot: QtBot, lab: ConvNetLab) -> RangeBand:
    press(qtbot, lab)
    assert lab.range_test.busy
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=30_000)
    assert lab.range_test.band is not None
    return lab.range_test.band


def test_a_band_is_drawn_with_a_sentence_and_its_numbers(qtbot: QtBot, lab: ConvNetLab) -> None:
    assert lab.range_test.button.isEnabled()
    band = find_band(qtbot, lab)
    shown = row(lab)
    assert shown.teaching.text() == band.sentence
    low, high = shown.slider.band
    parameter = shown.parameter
    assert (low, high) == (parameter.to_position(band.low), parameter.to_position(band.high))
    assert f"{band.low:.2g}" in shown.slider.toolTip()
    assert parameter.hyper.teaches in shown.slider.toolTip()
    # The rate itself is the person's to choose, and choosing it keeps the band.
    assert lab.spec.learning_rate == SPEC.learning_rate
    shown.slider.setValue(low)
    assert shown.teaching.text() == band.sentence
    assert lab.spec.learning_rate == pytest.approx(band.low, rel=0.02)


def test_the_band_is_gone_with_another_network(qtbot: QtBot, lab: ConvNetLab) -> None:
    find_band(qtbot, lab)
    form = lab.panel.network_page.form
    form.rows["batch_size"].changed.emit("batch_size", 5)
    assert lab.range_test.band is None
    assert row(lab).slider.band is None
    assert row(lab).teaching.text() == row(lab).parameter.hyper.teaches


def test_of_a_trained_network_a_copy_is_tested(
    qtbot: QtBot, lab: ConvNetLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.on_main()
    qtbot.waitUntil(lambda: lab.training.state is State.ENDED, timeout=60_000)
    training = lab.training.training
    assert training is not None
    assert training.learner is not None
    before = training.learner.state()
    seen = []
    run = RangeTest.run

    def kept(self: RangeTest, *arguments: object) -> object:
        seen.append(self._state)
        return run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RangeTest, "run", kept)
    press(qtbot, lab)
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=30_000)
    assert seen[0] is not None
    np.testing.assert_array_equal(seen[0]["theta"], before["theta"])
    after = training.learner.state()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    assert lab.goes_on


def test_training_ends_a_test_and_none_begins_beside_it(qtbot: QtBot, lab: ConvNetLab) -> None:
    lab.spec = SPEC.changed(epochs=100_000)
    lab.show_spec()
    press(qtbot, lab)
    assert lab.range_test.button.text().startswith("stop")
    lab.on_main()
    qtbot.waitUntil(lambda: lab.training.state is State.RUNNING, timeout=20_000)
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=20_000)
    assert lab.range_test.band is None
    assert not lab.range_test.button.isEnabled()
    assert "pause" in lab.range_test.button.toolTip()
    lab.training.pause()
    qtbot.waitUntil(lambda: lab.training.state is State.PAUSED, timeout=20_000)
    assert lab.range_test.button.isEnabled()
    press(qtbot, lab)
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=30_000)
    assert lab.training.state is State.PAUSED
    lab.training.stop()
    qtbot.waitUntil(lambda: not lab.training.state.alive, timeout=20_000)


def test_it_can_be_given_up(qtbot: QtBot, lab: ConvNetLab) -> None:
    press(qtbot, lab)
    press(qtbot, lab)
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=20_000)
    assert lab.range_test.band is None
    assert lab.range_test.button.text() == "range test"


def test_nothing_found_and_a_failure_are_said(
    qtbot: QtBot, lab: ConvNetLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_session.RangeTest, "run", lambda self, progress: None)
    press(qtbot, lab)
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=20_000)
    assert row(lab).teaching.text() == range_session.NOTHING

    def refuse(self: RangeTest, progress: object) -> None:
        raise FilterscopeError("There is no room.", "Make some.")

    monkeypatch.setattr(range_session.RangeTest, "run", refuse)
    with qtbot.waitSignal(lab.told, timeout=20_000) as told:
        press(qtbot, lab)
    assert told.args[:3] == ["problem", "There is no room.", "Make some."]
    assert row(lab).teaching.text() == range_session.NOTHING


def test_the_autoencoder_has_it_too(qtbot: QtBot, window: MainWindow) -> None:
    lab = window.autoencoder_lab
    qtbot.mouseClick(lab.range_test.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not lab.range_test.busy, timeout=30_000)
    assert lab.range_test.band is not None
    assert lab.panel.form.rows["learning_rate"].slider.band is not None  # type: ignore[attr-defined]
