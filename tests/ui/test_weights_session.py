"""Weights from a file in the window: they are seen at once, trained on, kept in the run, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.core.export import weights_safetensors
from app.core.models.autoencoder import initial_weights
from app.core.nn.network import Network
from app.core.runs import list_runs
from app.core.settings import data_folder
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.ui.test_convnet_lab import SPEC, cnn, ended

__all__ = ["cnn"]


@pytest.fixture
def network() -> Network:
    made = Network(SPEC.rows, (3, 8, 8), 3)
    made.initialise(np.random.default_rng(77), how="he")
    return made


@pytest.fixture
def file(network: Network, tmp_path: Path) -> Path:
    path = tmp_path / "brought.safetensors"
    path.write_bytes(weights_safetensors(network.weights()))
    return path


def load(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    window.opening.open(str(path))
    qtbot.waitUntil(lambda: not window.lab.takes_weights.busy, timeout=30_000)


def test_they_are_seen_before_anything_is_trained(
    qtbot: QtBot, cnn: MainWindow, file: Path, network: Network
) -> None:
    load(qtbot, cnn, file)
    assert "has the weights of brought.safetensors" in cnn.notice.message.text()
    np.testing.assert_array_equal(cnn.cnn.weights["W1"], network.parameters["W1"])
    assert cnn.cnn.filters.count == 6
    qtbot.waitUntil(lambda: cnn.cnn.answers is not None, timeout=20_000)
    assert cnn.transport.main.text().strip() == "Continue"
    assert list_runs(data_folder()) == []


def test_an_npz_of_weights_is_told_from_one_of_images(
    qtbot: QtBot, cnn: MainWindow, network: Network, tmp_path: Path
) -> None:
    path = tmp_path / "brought.npz"
    np.savez(path, **network.weights())
    images = cnn.convnet_lab.session.images
    cnn.opening.open(str(path))
    qtbot.waitUntil(lambda: "has the weights of" in cnn.notice.message.text(), timeout=30_000)
    np.testing.assert_array_equal(cnn.cnn.weights["W1"], network.parameters["W1"])
    assert cnn.convnet_lab.session.images is images


def test_training_begins_with_them_and_the_run_says_so(
    qtbot: QtBot, cnn: MainWindow, file: Path, network: Network
) -> None:
    load(qtbot, cnn, file)
    cnn.on_main()
    ended(qtbot, cnn)
    (run,) = list_runs(data_folder())
    assert run.info.weights is not None
    assert run.info.weights.path == str(file)
    first = run.read_keyframe(run.keyframes()[0][1])
    np.testing.assert_array_equal(first["W1"], network.parameters["W1"])
    # Another solver begins anew, and with the same weights.
    cnn.convnet_lab.take_spec(SPEC.changed(solver="sgd"))
    cnn.on_main()
    ended(qtbot, cnn)
    newest = list_runs(data_folder())[0]
    first = newest.read_keyframe(newest.keyframes()[0][1])
    np.testing.assert_array_equal(first["W1"], network.parameters["W1"])
    # Reset goes back to random ones.
    cnn.on_reset()
    cnn.on_main()
    ended(qtbot, cnn)
    without = [run for run in list_runs(data_folder()) if run.info.weights is None]
    assert len(without) == 1


def test_what_does_not_fit_is_one_sentence_and_changes_nothing(
    qtbot: QtBot, cnn: MainWindow, file: Path
) -> None:
    cnn.convnet_lab.take_spec(SPEC.changed(layers="conv 5 3x3, relu"))
    load(qtbot, cnn, file)
    assert "does not fit this network" in cnn.notice.message.text()
    assert cnn.training.state is State.IDLE
    assert cnn.training.training is None


def test_while_it_trains_they_wait(qtbot: QtBot, cnn: MainWindow, file: Path) -> None:
    cnn.convnet_lab.take_spec(SPEC.changed(epochs=100_000))
    cnn.on_main()
    qtbot.waitUntil(lambda: cnn.training.state is State.RUNNING, timeout=20_000)
    cnn.opening.open(str(file))
    assert "A network is training" in cnn.notice.message.text()
    cnn.on_stop()
    ended(qtbot, cnn)


def test_the_autoencoder_takes_them_too(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    patches = window.data.patches
    assert patches is not None
    weights = initial_weights(patches.x.shape[1], window.spec.changed(seed=5))
    path = tmp_path / "w.npz"
    np.savez(path, **weights)
    window.lab.takes_weights.load(path)
    qtbot.waitUntil(lambda: not window.lab.takes_weights.busy, timeout=30_000)
    assert "has the weights of w.npz" in window.notice.message.text()
    np.testing.assert_array_equal(window.autoencoder.weights["W1"], weights["W1"])
    assert window.transport.main.text().strip() == "Continue"
