"""A network of the person's own in the window: asked for consent, trained, seen, stopped, gone on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.core.data.weights_file import read_weights_file
from app.core.own_model.file import ModelFile, read_model_file
from app.core.runs import RunFolder, list_runs
from app.core.settings import data_folder
from app.ui.dialogs.own_model_dialog import OwnModelDialog
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.core.own_model.models import GOOD, trouble
from tests.ui.test_convnet_lab import SPEC, cnn, ended

pytest.importorskip("torch")

__all__ = ["cnn"]


@pytest.fixture
def net(tmp_path: Path) -> Callable[[str], str]:
    def write(source: str) -> str:
        path = tmp_path / "net.py"
        path.write_text(source)
        return str(path)

    return write


@pytest.fixture
def agrees(monkeypatch: pytest.MonkeyPatch) -> list[ModelFile]:
    """Agree to whatever is asked, and keep what it was."""
    asked: list[ModelFile] = []

    def agreed(_lab: ConvNetLab, model: ModelFile) -> bool:
        asked.append(model)
        return True

    monkeypatch.setattr(ConvNetLab, "agreed_to_run", agreed)
    return asked


def test_the_dialog_says_what_running_means(qtbot: QtBot, net: Callable[[str], str]) -> None:
    dialog = OwnModelDialog(read_model_file(net(GOOD) + ":Net"))
    qtbot.addWidget(dialog)
    words = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert "This file is a program. It will run with your rights on this computer." in words
    assert "net.py:Net" in words
    buttons = {button.text().strip("&"): button for button in dialog.findChildren(QPushButton)}
    assert set(buttons) == {"Run", "Cancel"}
    assert buttons["Cancel"].isDefault()
    assert not buttons["Run"].isDefault()
    buttons["Run"].click()
    assert dialog.result() == 1


def test_without_consent_nothing_runs(
    qtbot: QtBot,
    cnn: MainWindow,
    net: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    canary = tmp_path / "canary"
    monkeypatch.setattr(ConvNetLab, "agreed_to_run", lambda *_: False)
    cnn.opening.open(net(f"open({str(canary)!r}, 'w')"))
    assert cnn.training.state is State.IDLE
    assert cnn.convnet_lab.model is None
    assert not canary.exists()
    cnn.opening.open(str(tmp_path / "nowhere.py"))
    assert cnn.notice.message.text() == "There is no file nowhere.py."


@pytest.mark.slow
def test_it_trains_is_seen_tested_and_left(
    qtbot: QtBot,
    cnn: MainWindow,
    net: Callable[[str], str],
    agrees: list[ModelFile],
    tmp_path: Path,
) -> None:
    panel = cnn.cnn
    cnn.opening.open(net(GOOD))
    ended(qtbot, cnn)
    training = cnn.training.training
    assert training is not None
    assert training.snapshot is not None
    assert [model.name for model in agrees] == ["net.py"]
    assert len(training.history) == 15
    assert training.engine.startswith("Net of net.py, PyTorch")
    # What it can be asked is there; what only its code knows says why it is not.
    assert panel.filters.count == 5
    assert panel.answers is not None
    assert len(training.history.evaluations) > 0
    for tab in (panel.maps_card.tabs[0], panel.loss_card.tabs[1]):
        assert not tab.isEnabled()
        assert "own network" in tab.toolTip()
    assert panel.network_page.own_name.text() == "net.py: your own network"
    assert not panel.network_page.layers.isVisible()
    (run,) = list_runs(data_folder())
    assert run.info.model is not None
    assert run.info.model.filters == "conv.weight"
    # Its weights are files in its own names; what needs its code is refused in a sentence.
    for kind in ("safetensors", "npz", "pt"):
        cnn.exporter.save("cnn_weights", tmp_path / f"own.{kind}")
        qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=30_000)
        assert set(read_weights_file(tmp_path / f"own.{kind}").arrays) == set(run.shapes())
    for key, name in (("cnn_weights", "own.onnx"), ("cnn_script", "own_script.py")):
        cnn.exporter.save(key, tmp_path / name)
        qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=30_000)
        assert " own" in cnn.notice.message.text()
        assert not (tmp_path / name).exists()
    cnn.exporter.refresh()
    script = cnn.exporter.actions["cnn_script"]
    assert not script.isEnabled()
    assert "is a program already" in script.toolTip()
    # The test images, of a process that was started anew.
    cnn.convnet_lab.ask_test()
    qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=60_000)
    assert list_runs(data_folder())[0].info.tested
    # It goes on, also from weights of a file; then layers are trained again.
    assert cnn.convnet_lab.goes_on
    weights = cnn.convnet_lab.takes_weights
    path = tmp_path / "mine.npz"
    brought = {name: array for name, array in training.snapshot.weights.items() if name != "W1"}
    np.savez(path, **brought)
    weights.load(path)
    qtbot.waitUntil(lambda: not weights.busy, timeout=60_000)
    assert "has the weights of mine.npz" in cnn.notice.message.text()
    assert panel.weights["conv.weight"].tolist() == brought["conv.weight"].tolist()
    panel.network_page.use_layers.click()
    assert cnn.convnet_lab.model is None
    assert panel.network_page.layers.isVisible()
    assert panel.maps_card.tabs[0].isEnabled()
    cnn.on_main()
    ended(qtbot, cnn)
    newest = list_runs(data_folder())
    assert sum(run.info.model is None for run in newest) == 1


@pytest.mark.slow
def test_a_stop_ends_one_that_does_not_answer(
    qtbot: QtBot, cnn: MainWindow, net: Callable[[str], str], agrees: list[ModelFile]
) -> None:
    cnn.opening.open(net(trouble("while True: pass")))
    training = cnn.training.training
    assert training is not None
    qtbot.waitUntil(lambda: getattr(training.learner, "taken", 0) >= 3, timeout=60_000)
    cnn.on_stop()
    # It would never end by itself.
    qtbot.waitUntil(lambda: cnn.training.state is State.ENDED)
    assert len(training.history) == 3
    assert cnn.convnet_lab.goes_on


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (trouble("raise ValueError('no more')"), "net.py, line 17: ValueError: no more."),
        (trouble("os._exit(3)"), "The process of net.py ended by itself (with the status 3)."),
        ("x = 1", "net.py has no network"),
    ],
    ids=["raises", "is gone", "is none"],
)
def test_what_befalls_it_is_a_message(
    qtbot: QtBot,
    cnn: MainWindow,
    net: Callable[[str], str],
    agrees: list[ModelFile],
    source: str,
    said: str,
) -> None:
    cnn.opening.open(net(source))
    qtbot.waitUntil(lambda: cnn.training.state is State.FAILED, timeout=60_000)
    assert cnn.notice.message.text().startswith(said)
    assert "ault in the program" not in cnn.notice.message.text()
    # Its run is over: it would count as running as long as the window is there.
    training = cnn.training.training
    assert training is not None
    assert training.run is not None
    assert RunFolder.open(training.run.path).info.state == "expected"


@pytest.mark.slow
def test_a_run_of_it_goes_on_from_the_table_once_it_is_agreed_to(
    qtbot: QtBot, cnn: MainWindow, net: Callable[[str], str], agrees: list[ModelFile]
) -> None:
    cnn.convnet_lab.take_spec(SPEC.changed(epochs=100_000))
    cnn.opening.open(net(GOOD))
    training = cnn.training.training
    assert training is not None
    qtbot.waitUntil(lambda: len(training.history) >= 3, timeout=60_000)
    cnn.on_stop()
    ended(qtbot, cnn)
    (run,) = list_runs(data_folder())
    cnn.convnet_lab.set_model(None)
    cnn.resume_run(run.path)
    qtbot.waitUntil(lambda: cnn.training.state is State.RUNNING, timeout=60_000)
    assert len(agrees) == 2
    assert cnn.convnet_lab.model == agrees[0]
    cnn.on_stop()
    ended(qtbot, cnn)
    # Looked at again, nothing of it runs.
    cnn.on_reset()
    cnn.convnet_lab.set_model(None)
    cnn.resuming.open(run.path)
    qtbot.waitUntil(lambda: cnn.training.training is not None, timeout=60_000)
    qtbot.waitUntil(lambda: not cnn.runner.busy, timeout=20_000)
    assert len(agrees) == 2
    assert cnn.cnn.filters.count == 5
    assert not cnn.cnn.maps_card.tabs[0].isEnabled()
    assert not cnn.convnet_lab.goes_on
