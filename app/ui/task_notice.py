"""A message that says how far a task is, and has a button to give it up."""

from __future__ import annotations

from PyQt6.QtCore import QTimer

from app.ui.widgets.notice_bar import NoticeBar
from app.workers.task_worker import TaskWorker

__all__ = ["tell_progress"]

LOOK_MILLISECONDS = 200


def tell_progress(notice: NoticeBar, worker: TaskWorker, text: str) -> None:  # type: ignore[type-arg]
    """Say what `worker` does, and how far it is, until it ends or another message comes.

    Messages of the task's end are the caller's.
    """
    # A hint from the start: the message keeps its height.
    notice.offer(f"{text}.", "It has begun.", "Give up", worker.request_stop)
    notice.action.setToolTip("Stop this; what was there is as it was")
    shown = [notice.message.text()]
    timer = QTimer(notice)

    def look() -> None:
        # Another message took the place: it stays.
        if notice.message.text() != shown[0] or notice.isHidden():
            return
        share, what = worker.task.progress
        if share > 0:
            notice.hint.setText(f"{what} {share:.0%}".strip())
            notice.hint.setVisible(True)

    def ended() -> None:
        timer.stop()
        timer.deleteLater()

    timer.timeout.connect(look)
    worker.ended.connect(ended)
    timer.start(LOOK_MILLISECONDS)
