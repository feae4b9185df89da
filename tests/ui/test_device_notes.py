"""Devices that are shown below their choice, with their memory or why they cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PyQt6.QtWidgets import QComboBox, QLabel
from pytestqt.qtbot import QtBot

from app.core.checks.remote import ask
from app.core.checks.wire import decode, encode
from app.core.devices import Device
from app.core.errors import FilterscopeError
from app.core.specs import AutoencoderSpec
from app.ui.device_notes import DeviceNotes
from app.ui.panels.workbench import remote_job
from app.ui.param_form import ParamForm
from app.workers.thread import Runner

GIB = 1 << 30
FOUND = (
    Device("cuda:0", "Some GPU", 7 * GIB, 8 * GIB),
    Device("cuda:1", "Old GPU", problem="no kernel image is available"),
    Device("mps", "Apple GPU", 3 * GIB, 4 * GIB),
    Device("cpu", "CPU", 2 * GIB, 16 * GIB),
)


@pytest.fixture(autouse=True)
def no_look_for_devices() -> None:
    """Here they are looked for."""


@pytest.fixture
def form(qtbot: QtBot) -> ParamForm:
    form = ParamForm(AutoencoderSpec())
    qtbot.addWidget(form)
    form.show_row("device", False)
    form.show()
    return form


def answered(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[str]:
    """Let the process say `answers`; return the list of what it is asked."""
    asked: list[str] = []

    def reply(job: str, *, cancelled: Any = None, **_request: Any) -> Iterator[dict[str, Any]]:
        asked.append(job)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield decode(encode(answer))

    monkeypatch.setattr(remote_job, "ask", reply)
    return asked


def note_of(form: ParamForm) -> QLabel:
    label = form.findChild(QLabel, "deviceNote")
    assert isinstance(label, QLabel)
    return label


def test_devices_are_shown_when_their_choice_comes_into_sight(
    qtbot: QtBot, runner: Runner, form: ParamForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answered(monkeypatch, {"devices": FOUND})
    notes = DeviceNotes(runner, form)
    assert note_of(form).isHidden()
    assert asked == []
    form.show_row("device", True)
    qtbot.waitUntil(lambda: bool(note_of(form).text()), timeout=20_000)
    assert note_of(form).text().splitlines() == [
        "Some GPU, 7 GiB free",
        "Old GPU: no kernel image is available",
        "Apple GPU, 3 GiB free",
        "CPU, 2 GiB free",
    ]
    assert note_of(form).isVisible()
    box = form.findChild(QComboBox, "device")
    assert box is not None
    assert "Apple GPU, 3 GiB free" in box.accessibleDescription()
    # Who turns away and back at once is not waited for again.
    qtbot.waitUntil(lambda: not runner.busy, timeout=20_000)
    form.show_row("device", False)
    form.show_row("device", True)
    assert asked == ["devices"]
    del notes


def test_without_torch_it_is_said_there(
    qtbot: QtBot, runner: Runner, form: ParamForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, FilterscopeError("PyTorch is not installed.", "Install it."))
    notes = DeviceNotes(runner, form)
    form.show_row("device", True)
    qtbot.waitUntil(lambda: note_of(form).text() == "PyTorch is not installed.", timeout=20_000)
    qtbot.waitUntil(lambda: not runner.busy, timeout=20_000)
    del notes


def test_the_process_knows_this_computer() -> None:
    pytest.importorskip("torch")
    (answer,) = [message for message in ask("devices") if "devices" in message]
    assert answer["devices"][-1].sentence.startswith("CPU, ")
