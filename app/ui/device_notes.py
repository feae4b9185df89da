"""Where PyTorch can compute here, with the free memory, below the choice of a device."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QObject

from app.core.devices import Device
from app.ui.param_form import ParamForm
from app.workers.thread import Runner

if TYPE_CHECKING:
    from app.ui.panels.workbench.remote_job import RemoteJob

__all__ = ["DeviceNotes"]

# What was found is believed for so long.
SECONDS = 60.0


class DeviceNotes(QObject):
    """Looks for devices when their choice comes into sight.

    torch is loaded in a process of its own, so that the window does not wait for it.
    """

    def __init__(self, runner: Runner, form: ParamForm, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner, self._form = runner, form
        self._asked_at = -SECONDS
        self._job: RemoteJob | None = None
        form.rows["device"].installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: the row of devices came into sight."""
        if event is not None and event.type() == QEvent.Type.Show:
            self.look()
        return super().eventFilter(watched, event)

    def look(self) -> None:
        """Ask which devices there are, unless somebody did so of late."""
        if self._job is None:
            # What it imports is not needed for a window to come up.
            from app.ui.panels.workbench.remote_job import RemoteJob

            self._job = RemoteJob(self._runner, self)
            self._job.said.connect(self._on_said)
            self._job.problem.connect(lambda message, _hint, _report: self._note(message))
        now = time.monotonic()
        if now - self._asked_at >= SECONDS and not self._job.running:
            self._asked_at = now
            self._job.start("devices")

    def _on_said(self, message: dict[str, object]) -> None:
        found = message.get("devices")
        if isinstance(found, list):
            self._note("\n".join(one.sentence for one in found if isinstance(one, Device)))

    def _note(self, text: str) -> None:
        self._form.note("device", text)
