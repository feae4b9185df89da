"""The window: it connects sessions, panels and menus, and holds no logic of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QShowEvent
from PyQt6.QtWidgets import QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.core.errors import FilterscopeError
from app.core.settings import Settings
from app.core.specs import AutoencoderSpec
from app.ui.branch_session import ask_for_branch
from app.ui.data_session import DataSession
from app.ui.exports import Exporter
from app.ui.keyboard import Keyboard
from app.ui.labs.autoencoder_lab import AutoencoderLab
from app.ui.labs.lab import Lab
from app.ui.labs.on_demand import (
    OnDemand,
    make_convnet_lab,
    make_race,
    make_resuming,
    make_runs,
    make_studies,
    make_takeaway,
    make_workbench,
)
from app.ui.labs.places import (
    AUTOENCODER,
    CNN,
    RACE,
    RUNS,
    STUDIES,
    TITLES,
    WORKBENCH,
)
from app.ui.loading_session import LoadingSession
from app.ui.menus import Menus
from app.ui.opening import Opening
from app.ui.panels.data_panel import DataPanel
from app.ui.theme import theme
from app.ui.training_session import TrainingSession
from app.ui.widgets.drop_overlay import DropOverlay
from app.ui.widgets.header import Header
from app.ui.widgets.notice_bar import NoticeBar
from app.ui.widgets.transport import Transport
from app.workers.thread import Runner

if TYPE_CHECKING:
    from app.ui.panels.cnn_panel import CnnPanel
    from app.ui.panels.race_panel import RacePanel

__all__ = ["MainWindow"]


class MainWindow(QMainWindow):
    """The one window of the program."""

    # The window is there sooner without them.
    convnet_lab = OnDemand(make_convnet_lab, CNN)
    workbench = OnDemand(make_workbench, WORKBENCH)
    runs = OnDemand(make_runs, RUNS)
    studies = OnDemand(make_studies, STUDIES)
    race = OnDemand(make_race, RACE)
    resuming = OnDemand(make_resuming)
    takeaway = OnDemand(make_takeaway)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.setWindowTitle("Filterscope")
        self.settings = settings
        self.keep_settings = True
        self.runner = Runner(self)
        self.data = DataSession(self.runner, self)
        self.data_panel = DataPanel(self.data)
        self.autoencoder_lab = AutoencoderLab(self.runner, self.data, self.data_panel, self)
        # The lab that the bar at the bottom steers.
        self.lab: Lab = self.autoencoder_lab
        self._working = ""
        self.opening = Opening(self)
        self._gone = False
        self._build()
        self.keyboard = Keyboard(self)
        self.menus = Menus(self)
        self._connect()
        self.resize(1400, 880)
        self.setMinimumSize(980, 640)
        self.show_lab(AUTOENCODER)

    @property
    def training(self) -> TrainingSession:
        """The training of the lab in sight."""
        return self.lab.training

    @property
    def steered(self) -> Lab | RacePanel:
        """What the bar at the bottom steers: the race while it is in sight, else the lab."""
        return self.race if self.place == RACE else self.lab

    @property
    def place(self) -> int:
        """Which lab is in sight: its place among the tabs."""
        return self.stack.currentIndex()

    @property
    def exported(self) -> Lab | QWidget:
        """What the Export menu is about."""
        if self.place in (RUNS, RACE):
            return self.runs if self.place == RUNS else self.race
        return self.workbench if self.place == WORKBENCH else self.lab

    @property
    def labs(self) -> list[tuple[str, QWidget]]:
        """Titles and panels, in the order of the tabs."""
        panels: tuple[QWidget, ...] = (self.data_panel, self.autoencoder, self.cnn)
        panels += (self.workbench, self.runs, self.studies, self.race)
        return list(zip(TITLES, panels, strict=True))

    @property
    def cnn(self) -> CnnPanel:
        """The panel of the CNN lab."""
        return self.convnet_lab.panel

    def show_run(self, path: Path) -> None:
        """Look at a run in the Runs lab: it is searched for by its name."""
        self.runs.runs.search.setText(path.name)
        self.show_lab(RUNS)

    def resume_run(self, path: Path) -> None:
        """Go on with the run in `path`, in its lab."""
        self.resuming.start(path)

    def open_run(self, path: Path) -> None:
        """Show the run in `path` in its lab, as it was left."""
        self.resuming.open(path)

    def branch_run(self, path: Path) -> None:
        """Show the run in `path` in its lab, and ask how a child of it goes on."""
        self.resuming.open(path, partial(ask_for_branch, self))

    def offer_to_go_on(self, report: str = "") -> None:
        """Offer to go on with a training that ended unexpectedly, if the newest did."""
        self.resuming.offer_newest(report)

    def _there(self) -> list[Lab]:
        """Return the labs that have been made."""
        return [self.autoencoder_lab, *([self.convnet_lab] if "convnet_lab" in vars(self) else [])]

    @property
    def spec(self) -> AutoencoderSpec:
        """The settings of the autoencoder lab."""
        spec: AutoencoderSpec = self.autoencoder_lab.spec
        return spec

    # --- building

    def _build(self) -> None:
        centre = QWidget()
        centre.setObjectName("window")
        # A click beside everything confirms what was typed; and nothing looks chosen at the start.
        centre.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setCentralWidget(centre)
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(12, 2, 12, 12)
        layout.setSpacing(10)
        self.header = Header(TITLES)
        self.info = self.header.info
        self._tabs = self.header.tabs
        self.stack = QStackedWidget()
        self.autoencoder = self.autoencoder_lab.panel
        for panel in (self.data_panel, self.autoencoder, *(QWidget() for _ in TITLES[2:])):
            self.stack.addWidget(panel)
        self.notice = NoticeBar()
        self.transport = Transport()
        layout.addWidget(self.header)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.transport)
        self.notice.float_over(self.stack)
        self.overlay = DropOverlay(self, centre)
        self.exporter = Exporter(self)

    def _connect(self) -> None:
        self.header.lab_wanted.connect(self.show_lab)
        self.header.open_wanted.connect(self.opening.ask_for_file)
        self.header.export_wanted.connect(lambda: self.header.show_exports(self.exporter.menu))
        self.overlay.dropped.connect(self._on_dropped)
        self.data_panel.open_clicked.connect(self.opening.ask_for_file)
        self.data_panel.folder_clicked.connect(self.opening.ask_for_folder)
        self.data_panel.sample_clicked.connect(self.opening.open_sample)
        self.data.changed.connect(self.on_data)
        self.transport.main_clicked.connect(self.on_main)
        self.transport.step_clicked.connect(self.on_step)
        self.transport.stop_clicked.connect(self.on_stop)
        self.transport.reset_clicked.connect(self.on_reset)
        self.follow(self.autoencoder_lab, self.data)

    def follow(self, lab: Lab, session: LoadingSession) -> None:
        """Show what a lab and its data have to say."""
        session.working.connect(self._on_working)
        session.problem.connect(self._on_problem)
        session.fault.connect(self.report_bug)
        session.progressed.connect(self._on_loading)
        lab.changed.connect(self.show_state)
        lab.told.connect(self.notice.tell)
        lab.began.connect(self._on_began)
        if lab.scrub is not None:
            lab.scrub.bar.branch_wanted.connect(partial(ask_for_branch, self, lab))

    # --- labs and looks

    def _on_dropped(self, path: str) -> None:
        # Let the drag end before a dialog might open.
        QTimer.singleShot(0, lambda: self.opening.open(path))

    def show_lab(self, place: int) -> None:
        """Turn to a lab."""
        # A tab that the keyboard went to keeps the focus; what is on a page must not pass it on.
        if not (self.keyboard.tabbed and self.focusWidget() in self._tabs.buttons()):
            self.keyboard.leave()
        if place == CNN:
            self.lab = self.convnet_lab
        elif place == WORKBENCH:
            self.workbench.network_changed()
        elif place == RUNS:
            self.runs.refresh()
        elif place == STUDIES:
            self.studies.refresh()
        elif place == RACE:
            self.race.on_data()
        else:
            self.lab = self.autoencoder_lab
        self.stack.setCurrentIndex(place)
        self.header.choose(place)
        for lab in self._there():
            lab.visible = lab.panel is self.stack.currentWidget()
            if lab.visible:
                lab.refresh()
        # The workbench, the runs and the studies have buttons of their own.
        self.transport.setVisible(place not in (WORKBENCH, RUNS, STUDIES))
        self._show_info()
        self.show_state()

    def choose_theme(self, choice: str) -> None:
        """Use dark, light or the system's colours, now and the next time."""
        theme.choose(choice)
        self.save_settings(theme=choice)

    def show_full_screen(self, on: bool) -> None:
        """Take all of the screen, or give it back."""
        self.showFullScreen() if on else self.showNormal()

    def report_bug(self, line: str, report: str) -> None:
        """Show a fault of the program, once, with a report to copy."""
        self.notice.tell("problem", f"A fault in the program: {line}", "It goes on.", report)

    def save_settings(self, **values: object) -> None:
        """Keep other settings of the program."""
        self.settings = self.settings.changed(**values)
        if not self.keep_settings:
            return
        try:
            self.settings.save()
        except FilterscopeError as error:
            self.notice.tell("problem", error.message, error.hint)

    # --- data

    def on_data(self) -> None:
        """Other data is there, of any lab."""
        self.notice.outdate()
        self._show_info()
        if "race" in vars(self):
            self.race.on_data()

    def _show_info(self) -> None:
        self.info.setText(self._working or self.steered.info())

    def _on_working(self, text: str) -> None:
        self._working = f"{text} …" if text else ""
        self._show_info()

    def _on_loading(self, share: float) -> None:
        if not self.steered.state.alive:
            self.transport.show_progress(share, self.info.text())

    def _on_problem(self, message: str, hint: str) -> None:
        self.notice.tell("problem", message, hint)
        self._show_info()
        self.show_state()

    # --- training

    def on_space(self) -> None:
        """Space was pressed: the control that Tab went to, if it is one to press, else Train."""
        if not self.keyboard.press():
            self.on_main()

    def on_main(self) -> None:
        """Train, pause or go on, whichever the state asks for."""
        self.steered.on_main()

    def on_step(self) -> None:
        """Take one step."""
        self.steered.on_step()

    def on_stop(self) -> None:
        """End after this mini-batch; the model is kept."""
        self.steered.stop()

    def on_reset(self) -> None:
        """Back to the first weights of the same seed."""
        self._reset(0)

    def on_new_seed(self) -> None:
        """Back to first weights of another seed."""
        self._reset(1)

    def _reset(self, by: int) -> None:
        self.keyboard.leave()
        try:
            self.steered.reset(self.steered.spec.seed + by)
        except FilterscopeError as error:
            # A race has no settings without data; and there is a last seed.
            self.notice.tell("problem", error.message, error.hint)

    def _on_began(self) -> None:
        lab = self.sender()
        self.notice.hide()
        if isinstance(lab, Lab) and not lab.visible:
            self.show_lab(TITLES.index(lab.title))

    def use_preset(self, name: str) -> None:
        """Use the settings and the preprocessing of a preset of the autoencoder lab."""
        self.autoencoder_lab.use_preset(name)

    def show_state(self) -> None:
        """Show what the training in sight does, and how far it is."""
        lab = self.steered
        self.transport.show_state(lab.state, ready=lab.ready, goes_on=lab.goes_on)
        self.menus.train.setText(self.transport.main.text().strip())
        self.menus.stop.setEnabled(lab.state.alive)
        self.exporter.refresh()
        self.transport.show_progress(*lab.progress())
        self._show_info()

    def tell_problem(self, message: str, hint: str, report: str) -> None:
        """Say what did not work; of a fault of the program, with a report to copy."""
        self.notice.tell("problem", message, hint, report)

    # --- the rest

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Qt: the Tab key was pressed, or what had the focus was hidden or locked.

        In the second case Qt would go to whatever comes next, and Space would press that.
        """
        if self.keyboard.leave_what_is_gone():
            return True
        moved = super().focusNextPrevChild(forward)
        self.keyboard.tab_went()
        return moved

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: begin with the focus nowhere, else the first tab would look chosen."""
        super().showEvent(event)
        self.keyboard.leave()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Qt: stop what runs, then go; nothing that was trained is lost, the run is recorded."""
        assert event is not None
        if self._gone:
            event.accept()
            return
        for lab in self._there():
            lab.cancel()
        for name in ("workbench", "runs", "studies", "race", "resuming", "takeaway"):
            if name in vars(self):
                getattr(self, name).cancel()
        if not self.runner.shutdown(3.0):
            self.notice.tell(
                "problem", "Still finishing a step; the window closes when it is done."
            )
            QTimer.singleShot(200, self.close)
            event.ignore()
            return
        self._remember_geometry()
        # Qt may ask once more when the program ends; the workers are gone by then.
        self._gone = True
        event.accept()

    def _remember_geometry(self) -> None:
        state = bytes(self.saveGeometry().data()).hex()
        self.save_settings(geometry=state)
