"""What every run offers to take away, in its lab and in the Runs lab: made of its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtWidgets import QWidget

from app.ui.export_items import Item
from app.ui.labs.lab import Lab
from app.workers.task_worker import Task

__all__ = ["run_folder_of", "run_items"]

# Its name, and what it is good for.
OFFERS = {
    "report": ("Report", "A page with figures, curves, settings and where it all comes from"),
    "film": ("Film of the filters forming", "Each keyframe is a frame, with the curve below it"),
    "archive": ("The whole run", "One file that File > Open a run… opens again, anywhere"),
    "poster": ("Poster", "A sheet of filters with a scale bar and the settings"),
    "events": (
        "Curves for TensorBoard",
        "An event file: put it below the folder TensorBoard reads",
    ),
    "notebook": ("Notebook that repeats the run", "For Jupyter; needs NumPy, not this program"),
    "script": ("Script that repeats the run", "Needs NumPy, not this program"),
}
# Labs of networks offer these by themselves.
OF_AUTOENCODERS = ("notebook", "script", "events")
# What of `app.core.run_exports.EXPORTS` it is, and the kinds of file.
KINDS = {
    "report": ("report", ("html", "pdf")),
    "film": ("film", ("gif", "png", "mp4")),
    "archive": ("archive", ("filterscope",)),
    "poster": ("poster", ("pdf", "svg")),
    "events": ("curves", ("tfevents",)),
    "notebook": ("notebook", ("ipynb",)),
    "script": ("script", ("py",)),
}


def run_folder_of(lab: Lab) -> Path | None:
    """Return the folder of the run in a lab, or None."""
    training = lab.training.training
    return None if training is None or training.run is None else training.run.path


def run_items(
    owner: Lab | QWidget, prefix: str, folder: Callable[[], Path | None], *, autoencoder: bool
) -> list[Item]:
    """Return what the run in `folder` offers.

    Parameters
    ----------
    owner : Lab or QWidget
        Where the items are offered.
    prefix : str
        Makes their keys different from those of other labs.
    folder : callable
        The run's, or None while there is none.
    autoencoder : bool
        Whether what only autoencoders have is offered.
    """
    return [
        Item(
            owner,
            f"{prefix}_{key}",
            text,
            {},
            lambda: folder() is not None,
            from_run={kind: _making(folder, what, kind) for kind in kinds},
            tip=tip,
        )
        for key, (text, tip) in OFFERS.items()
        if autoencoder or key not in OF_AUTOENCODERS
        for what, kinds in [KINDS[key]]
    ]


def _making(
    folder: Callable[[], Path | None], what: str, kind: str
) -> Callable[[], Callable[[Task], bytes]]:
    def begin() -> Callable[[Task], bytes]:
        path = folder()
        assert path is not None

        def make(task: Task) -> bytes:
            from app.core.run_exports import export_run
            from app.core.runs import RunFolder

            run = RunFolder.open(path)
            data, _ = export_run(run, what, kind, cancel=task.cancelled, progress=task.report)
            return data

        return make

    return begin
