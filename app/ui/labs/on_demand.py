"""Labs that are made when they are first asked for, and how each is tied to the window.

What they import is imported then: the window is there sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from PyQt6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.ui.labs.convnet_lab import ConvNetLab
    from app.ui.main_window import MainWindow
    from app.ui.panels.race_panel import RacePanel
    from app.ui.panels.runs_panel import RunsPanel
    from app.ui.panels.studies_panel import StudiesPanel
    from app.ui.panels.workbench_panel import WorkbenchPanel
    from app.ui.resume_session import ResumeSession
    from app.ui.takeaway_session import TakeawaySession

__all__ = [
    "OnDemand",
    "make_convnet_lab",
    "make_race",
    "make_resuming",
    "make_runs",
    "make_studies",
    "make_takeaway",
    "make_workbench",
]

Made = TypeVar("Made")


class OnDemand(Generic[Made]):
    """An attribute of the window that is made when it is first asked for, and then is there.

    Parameters
    ----------
    make : callable
        Makes it for a window.
    place : int, optional
        Where its panel stands among the tabs, if it has one.
    """

    def __init__(self, make: Callable[[MainWindow], Made], place: int | None = None) -> None:
        self._make = make
        self._place = place
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, window: Any, owner: type | None = None) -> Made:
        if window is None:
            raise AttributeError(f"{self._name} is made for a window, not for its class")
        made = self._make(window)
        # As an attribute of the window's own it comes before this one from now on.
        vars(window)[self._name] = made
        if self._place is not None:
            # A lab that trains has a panel; the others are panels themselves.
            panel: Any = made
            _put(window, self._place, getattr(panel, "panel", panel))
        return made


def _put(window: MainWindow, place: int, panel: QWidget) -> None:
    """Let `panel` stand where a lab's place was kept."""
    kept = window.stack.widget(place)
    assert kept is not None
    window.stack.removeWidget(kept)
    kept.deleteLater()
    window.stack.insertWidget(place, panel)


def make_convnet_lab(window: MainWindow) -> ConvNetLab:
    """Return the CNN lab."""
    from app.ui.labs.convnet_lab import ConvNetLab
    from app.ui.panels.cnn.exports import convnet_items
    from app.ui.run_items import run_folder_of, run_items

    lab, exporter = ConvNetLab(window.runner, window), window.exporter
    lab.panel.images_page.file_clicked.connect(window.opening.ask_for_file)
    lab.panel.images_page.folder_clicked.connect(window.opening.ask_for_folder)
    lab.session.changed.connect(window.on_data)
    lab.session.changed.connect(window.opening.remember_images)
    window.follow(lab, lab.session)
    exporter.add(convnet_items(lab, exporter.current_zoom))
    exporter.add(run_items(lab, "network", partial(run_folder_of, lab), autoencoder=False))
    return lab


def make_workbench(window: MainWindow) -> WorkbenchPanel:
    """Return the workbench; it asks about the network of the CNN lab."""
    from app.ui.panels.workbench.exports import workbench_items
    from app.ui.panels.workbench.your_network import images_shape_of, network_of
    from app.ui.panels.workbench_panel import WorkbenchPanel

    panel = WorkbenchPanel(window.runner)
    panel.problem.connect(window.tell_problem)
    panel.network = partial(network_of, window.convnet_lab)
    panel.images_shape = partial(images_shape_of, window.convnet_lab)
    window.convnet_lab.changed.connect(panel.network_changed)
    window.exporter.add(workbench_items(panel, window.exporter.current_zoom))
    return panel


def make_runs(window: MainWindow) -> RunsPanel:
    """Return the table of runs."""
    from app.ui.panels.runs.exports import runs_items
    from app.ui.panels.runs_panel import RunsPanel
    from app.ui.run_items import run_items

    panel, exporter = RunsPanel(window.runner), window.exporter
    panel.problem.connect(window.tell_problem)
    panel.told.connect(partial(window.notice.tell, "good"))
    panel.undo_offered.connect(
        lambda message, where, undo: window.notice.offer(message, where, "Undo", undo)
    )
    panel.resume_wanted.connect(window.resume_run)
    panel.open_wanted.connect(window.open_run)
    panel.branch_wanted.connect(window.branch_run)
    panel.again_wanted.connect(lambda _: window.takeaway.train_again())
    panel.runs.run_actions.export_menu = exporter.menu
    panel.table.hide_columns(window.settings.hidden_columns)
    panel.table.columns_hidden.connect(lambda names: window.save_settings(hidden_columns=names))
    exporter.add(runs_items(panel, exporter.current_zoom))
    exporter.add(
        run_items(
            panel,
            "chosen",
            panel.chosen_run,
            autoencoder=True,
            is_autoencoder=lambda: panel.chosen_rows()[0].kind == "autoencoder",
            needs="Choose one run",
        )
    )
    return panel


def make_studies(window: MainWindow) -> StudiesPanel:
    """Return the studies; they begin with the settings and the data of the labs."""
    from app.ui.panels.studies.given import given_by
    from app.ui.panels.studies_panel import StudiesPanel

    panel = StudiesPanel(window.runner)
    panel.problem.connect(window.tell_problem)
    panel.told.connect(partial(window.notice.tell, "good"))
    panel.run_wanted.connect(window.show_run)
    panel.given = partial(given_by, window)
    panel.form.place_box.address.setText(window.settings.scheduler)
    panel.scheduler_used.connect(lambda address: window.save_settings(scheduler=address))
    return panel


def make_race(window: MainWindow) -> RacePanel:
    """Return the race; it begins with the settings and the data of the labs."""
    from app.ui.panels.race.exports import race_items
    from app.ui.panels.race.given import given_by
    from app.ui.panels.race_panel import RacePanel

    panel = RacePanel(window.runner)
    panel.given = partial(given_by, window)
    panel.told.connect(window.notice.tell)
    panel.changed.connect(window.show_state)
    window.exporter.add(race_items(panel, window.exporter.current_zoom))
    return panel


def make_resuming(window: MainWindow) -> ResumeSession:
    """Return what goes on with runs from the disk."""
    from app.ui.resume_session import ResumeSession

    session = ResumeSession(window)
    session.problem.connect(window.tell_problem)
    return session


def make_takeaway(window: MainWindow) -> TakeawaySession:
    """Return what opens the files of runs, and trains runs again."""
    from app.ui.takeaway_session import TakeawaySession

    return TakeawaySession(window)
