"""A batch for which there is no memory is told in the window before it is begun."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
from pytestqt.qtbot import QtBot

from app.core.learners.need import need_of
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tests.ui.test_convnet_lab import SPEC, cnn, ended

__all__ = ["cnn"]


def test_the_batch_that_would_fit_is_told_and_trains(
    qtbot: QtBot, cnn: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = cnn.convnet_lab
    large = SPEC.changed(batch_size=40)
    need = need_of(lab.data, large)
    room = int((need.weights + 30 * need.each) / 0.8)
    with monkeypatch.context() as patched:
        free = SimpleNamespace(available=room, total=1 << 40)
        patched.setattr(psutil, "virtual_memory", lambda: free)
        lab.take_spec(large)
        cnn.on_main()
        qtbot.waitUntil(lambda: cnn.training.state is State.FAILED, timeout=20_000)
    assert "for 40 images at once" in cnn.notice.message.text()
    assert cnn.notice.hint.text() == "A batch of 20 would fit."
    lab.take_spec(SPEC.changed(batch_size=20))
    cnn.on_main()
    ended(qtbot, cnn)
