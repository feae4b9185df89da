"""What every run offers to take away, in its lab and in the Runs lab: made of its folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtWidgets import QWidget

from app.core.runs import RunFolder
from app.ui.export_items import Choices, FromRun, Item
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
# What is asked before it is made.
ASKED = ("film", "archive")
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
    owner: Lab | QWidget,
    prefix: str,
    folder: Callable[[], Path | None],
    *,
    autoencoder: bool,
    is_autoencoder: Callable[[], bool] = lambda: True,
    needs: str = "",
    of: Callable[[], str] = str,
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
    is_autoencoder : callable
        Whether the run of this moment is one.
    needs : str
        What is to be done where there is no run, such as ``Choose one run``.
    of : callable
        Which of several runs it is, for its name in the menu.
    """

    def ready(key: str) -> bool:
        return folder() is not None and (key != "notebook" or is_autoencoder())

    return [
        Item(
            owner,
            f"{prefix}_{key}",
            text,
            {},
            partial(ready, key),
            from_run={kind: _making(folder, what, kind) for kind in kinds},
            tip=tip,
            needs=f"{needs} of an autoencoder" if needs and key == "notebook" else needs,
            ask=_asking(folder, key) if key in ASKED else None,
            of=of,
        )
        for key, (text, tip) in OFFERS.items()
        if autoencoder or key not in OF_AUTOENCODERS
        for what, kinds in [KINDS[key]]
    ]


def _making(folder: Callable[[], Path | None], what: str, kind: str) -> FromRun:
    def begin(choices: Choices) -> Callable[[Task], tuple[bytes, list[str]]]:
        path = folder()
        assert path is not None

        def make(task: Task) -> tuple[bytes, list[str]]:
            from app.core.run_exports import export_run

            return export_run(
                RunFolder.open(path),
                what,
                kind,
                cancel=task.cancelled,
                progress=task.report,
                **choices,
            )

        return make

    return begin


def _asking(folder: Callable[[], Path | None], key: str) -> Callable[[QWidget], Choices | None]:
    """Return what asks how a film or an archive is to be made."""

    def ask(parent: QWidget) -> Choices | None:
        from app.ui.dialogs.take_away_dialogs import ArchiveDialog, FilmDialog

        path = folder()
        if path is None:
            return None
        kind = FilmDialog if key == "film" else ArchiveDialog
        dialog = kind(RunFolder.open(path), parent)
        accepted = bool(dialog.exec())
        dialog.deleteLater()
        return dialog.choices() if accepted else None

    return ask
