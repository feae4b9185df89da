"""From a moment that is seen to a branch: the question, and the stop before it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from app.ui.dialogs.branch_dialog import BranchDialog
from app.ui.labs.lab import Lab

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["ask_for_branch"]

# Of the newest weights: whatever step the training has reached when it has stopped.
END = 1 << 53


def ask_for_branch(window: MainWindow, lab: Lab) -> None:
    """Ask with which settings a child goes on from the moment seen in `lab`, and train it.

    A training under way is stopped first; what it has learned stays in its run.
    """
    training, scrub = lab.training.training, lab.scrub
    if training is None or training.run is None or scrub is None or window.resuming.busy:
        return
    held = scrub.held
    step = scrub.newest_step if held is None else held.snapshot.step
    spec = training.spec if held is None else held.spec
    done = step / max(training.steps_per_epoch, 1)
    dialog = BranchDialog(
        spec,
        f"epoch {done:.3g}",
        done,
        training.spec.epochs,
        running=lab.training.state.alive,
        whole=held is None or held.whole,
        parent=window,
    )
    if dialog.exec():
        path, at = training.run.path, END if held is None else step
        begin = partial(_begin, window, lab, path, at, dialog.changes(), dialog.epochs())
        if lab.training.state.alive:
            lab.training.stop_then(begin)
        else:
            begin()
    dialog.deleteLater()


def _begin(
    window: MainWindow, lab: Lab, path: Any, step: int, changes: dict[str, Any], epochs: int
) -> None:
    window.resuming.branch(lab, path, step, changes, epochs)
