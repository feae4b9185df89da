"""The window: it connects sessions, panels and menus, and holds no logic of its own."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeySequence,
)
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QButtonGroup,
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.data.patches import Patches
from app.core.data.sample import SAMPLE_NAME, sample_path
from app.core.errors import FilterscopeError
from app.core.models.autoencoder import pca_bound
from app.core.presets import PRESETS
from app.core.settings import Settings
from app.core.specs import AutoencoderSpec
from app.ui.data_session import DataRequest, DataSession
from app.ui.dialogs.cut_dialog import CutDialog
from app.ui.dialogs.dataset_dialog import DatasetDialog
from app.ui.dialogs.help_dialogs import AboutDialog, ShortcutsDialog
from app.ui.exports import Exporter
from app.ui.panels.autoencoder_panel import AutoencoderPanel
from app.ui.panels.data_panel import DataPanel
from app.ui.panels.workbench_panel import WorkbenchPanel
from app.ui.recipes import AutoencoderRecipe
from app.ui.theme import theme
from app.ui.training_session import State, TrainingSession
from app.ui.widgets.card import quiet_label
from app.ui.widgets.drop_overlay import DropOverlay
from app.ui.widgets.notice_bar import NoticeBar
from app.ui.widgets.transport import Transport
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["MainWindow"]


class MainWindow(QMainWindow):
    """The one window of the program."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.setWindowTitle("Filterscope")
        self.setAcceptDrops(True)
        self.settings = settings
        self.keep_settings = True
        self.runner = Runner(self)
        self.data = DataSession(self.runner, self)
        self.training = TrainingSession(self.runner, AutoencoderRecipe(), self)
        self.spec = AutoencoderSpec()
        self._bounds: dict[int, float] = {}
        self._bound_worker: TaskWorker[float] | None = None
        self._bound_for: tuple[Patches, int] | None = None
        self._build()
        self._build_menus()
        self._connect()
        self.resize(1400, 880)
        self.setMinimumSize(980, 640)
        self._on_state()

    # --- building

    def _build(self) -> None:
        centre = QWidget()
        centre.setObjectName("window")
        self.setCentralWidget(centre)
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(12, 2, 12, 12)
        layout.setSpacing(10)
        header = QHBoxLayout()
        header.setSpacing(4)
        self.stack = QStackedWidget()
        self._tabs = QButtonGroup(self)
        self.data_panel = DataPanel(self.data)
        self.autoencoder = AutoencoderPanel(self.spec)
        self.workbench = WorkbenchPanel(self.runner)
        self.labs: list[tuple[str, QWidget]] = [
            ("Data", self.data_panel),
            ("Autoencoder", self.autoencoder),
            ("Workbench", self.workbench),
        ]
        for place, (title, panel) in enumerate(self.labs):
            tab = QPushButton(title)
            tab.setObjectName(f"tab{title}")
            tab.setProperty("tab", True)
            tab.setCheckable(True)
            tab.setToolTip(f"The {title} lab (Ctrl+{place + 1})")
            self._tabs.addButton(tab, place)
            header.addWidget(tab)
            self.stack.addWidget(panel)
        self._tabs.idClicked.connect(self.show_lab)
        header.addStretch(1)
        self.info = quiet_label(name="dataInfo")
        self.info.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.info.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        header.addWidget(self.info, 100)
        header.addSpacing(10)
        self.open_button = QPushButton("Open…")
        self.open_button.setObjectName("openButton")
        self.open_button.setToolTip("Open a file of patches (Ctrl+O), or drop one on the window")
        self.export_button = QPushButton("Export…")
        self.export_button.setObjectName("exportButton")
        self.export_button.setToolTip("Take filters, curves and weights away as files")
        header.addWidget(self.open_button)
        header.addWidget(self.export_button)
        self.notice = NoticeBar()
        self.transport = Transport()
        layout.addLayout(header)
        layout.addWidget(self.notice)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.transport)
        self.overlay = DropOverlay(centre)
        self.exporter = Exporter(self)
        self.show_lab(1)

    def _action(
        self, menu: QMenu, name: str, text: str, slot: object, keys: str = "", tip: str = ""
    ) -> QAction:
        action = QAction(text, self)
        action.setObjectName(name)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.setStatusTip(tip)
        action.setToolTip(tip or text)
        action.triggered.connect(slot)  # type: ignore[arg-type]
        menu.addAction(action)
        return action

    def _menu(self, title: str) -> QMenu:
        bar = self.menuBar()
        assert bar is not None
        menu = bar.addMenu(title)
        assert menu is not None
        menu.setToolTipsVisible(True)
        return menu

    def _build_menus(self) -> None:
        file = self._menu("&File")
        self._action(file, "actionOpen", "Open…", self.ask_for_file, "Ctrl+O", "An HDF5, .npy or .npz file of patches")
        self._action(file, "actionPhotos", "Cut patches from photographs…", self.ask_for_folder, "Ctrl+Shift+O")
        self._action(file, "actionSample", "Open the sample patches", self.open_sample)
        recent = file.addMenu("Open recent")
        assert recent is not None
        self.recent = recent
        self.recent.aboutToShow.connect(self._fill_recent)
        file.addSeparator()
        file.addMenu(self.exporter.menu)
        file.addSeparator()
        self._action(file, "actionQuit", "Quit", self.close, "Ctrl+Q")
        train = self._menu("&Train")
        self.main_action = self._action(train, "actionTrain", "Train", self.on_space, "Space", "Train, pause or go on")
        self.step_action = self._action(train, "actionStep", "One step", self.on_step, ".")
        self.stop_action = self._action(train, "actionStop", "Stop, keep the model", self.training.stop, "Ctrl+.")
        train.addSeparator()
        self.reset_action = self._action(train, "actionReset", "Reset to the same first weights", self.on_reset, "Ctrl+R")
        self.seed_action = self._action(train, "actionNewSeed", "Reset with a new seed", self.on_new_seed, "Ctrl+Shift+R")
        view = self._menu("&View")
        for place, (title, _) in enumerate(self.labs):
            action = self._action(view, f"actionLab{title}", title, self._lab_opener(place), f"Ctrl+{place + 1}")
            action.setToolTip(f"The {title} lab")
        view.addSeparator()
        group = QActionGroup(self)
        for choice, text in (("system", "Colours of the system"), ("light", "Light"), ("dark", "Dark")):
            action = self._action(view, f"actionTheme{choice.title()}", text, self._theme_chooser(choice))
            action.setCheckable(True)
            action.setChecked(self.settings.theme == choice)
            group.addAction(action)
        view.addSeparator()
        full = self._action(view, "actionFullScreen", "Full screen", self._on_full_screen, "F11")
        full.setCheckable(True)
        help_ = self._menu("&Help")
        self._action(help_, "actionShortcuts", "Keys", self._on_keys, "F1")
        self._action(help_, "actionDesktop", "Put a shortcut on the desktop", self._on_desktop_shortcut)
        self._action(help_, "actionAbout", "About Filterscope", self._on_about)
        escape = QAction(self)
        escape.setShortcut(QKeySequence("Esc"))
        escape.triggered.connect(self.notice.hide)
        self.addAction(escape)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self.ask_for_file)
        self.export_button.clicked.connect(self._on_export)
        self.data_panel.open_clicked.connect(self.ask_for_file)
        self.data_panel.folder_clicked.connect(self.ask_for_folder)
        self.data_panel.sample_clicked.connect(self.open_sample)
        self.data.changed.connect(self._on_data)
        self.data.working.connect(self._on_working)
        self.data.problem.connect(self._on_problem)
        self.data.choice_needed.connect(self._on_choice)
        self.data.progressed.connect(self._on_loading)
        self.transport.main_clicked.connect(self.on_main)
        self.transport.step_clicked.connect(self.on_step)
        self.transport.stop_clicked.connect(self.training.stop)
        self.transport.reset_clicked.connect(self.on_reset)
        self.training.state_changed.connect(self._on_state)
        self.training.ticked.connect(self._on_tick)
        self.training.failed.connect(self._on_failed)
        self.training.notice.connect(self._on_training_notice)
        self.autoencoder.spec_changed.connect(self._on_spec)
        self.autoencoder.preset_chosen.connect(self.use_preset)
        self.workbench.problem.connect(self._on_failed)

    # --- labs and looks

    def show_lab(self, place: int) -> None:
        """Turn to a lab."""
        self.stack.setCurrentIndex(place)
        button = self._tabs.button(place)
        if button is not None:
            button.setChecked(True)
        if self.stack.currentWidget() is self.autoencoder:
            self.autoencoder.refresh()

    def _lab_opener(self, place: int) -> object:
        def opened() -> None:
            self.show_lab(place)

        return opened

    def _theme_chooser(self, choice: str) -> object:
        def chosen() -> None:
            theme.choose(choice)
            self._save_settings(theme=choice)

        return chosen

    def _on_full_screen(self, on: bool) -> None:
        self.showFullScreen() if on else self.showNormal()

    def report_bug(self, line: str, report: str) -> None:
        """Show a fault of the program, once, with a report to copy."""
        self.notice.tell("problem", f"A fault in the program: {line}", "It goes on.", report)

    def _save_settings(self, **values: object) -> None:
        self.settings = self.settings.changed(**values)
        if not self.keep_settings:
            return
        try:
            self.settings.save()
        except FilterscopeError as error:
            self.notice.tell("problem", error.message, error.hint)

    # --- data

    def open_path(self, text: str) -> None:
        """Open a file, ``FILE::/data set``, or a folder of photographs."""
        path, _, dataset = text.partition("::")
        if Path(path).is_dir():
            self._ask_how_to_cut(Path(path))
        else:
            self.data.open(DataRequest(Path(path), dataset=dataset or None))

    def open_sample(self) -> None:
        """Open the patches that come with the program."""
        self.data.open(DataRequest(sample_path()))

    def ask_for_file(self) -> None:
        """Let the person choose a file."""
        path, _ = QFileDialog.getOpenFileName(
            self,
            "Open patches",
            self.settings.last_folder,
            "Patches (*.h5 *.hdf5 *.mat *.npy *.npz);;All files (*)",
        )
        if path:
            self.open_path(path)

    def ask_for_folder(self) -> None:
        """Let the person choose a folder of photographs."""
        path = QFileDialog.getExistingDirectory(self, "A folder of photographs", self.settings.last_folder)
        if path:
            self._ask_how_to_cut(Path(path))

    def _ask_how_to_cut(self, folder: Path) -> None:
        dialog = CutDialog(folder, self)
        if dialog.exec():
            self.data.open(dialog.request())
        dialog.deleteLater()

    def _fill_recent(self) -> None:
        self.recent.clear()
        for path in self.settings.recent:
            action = self.recent.addAction(path)
            assert action is not None
            action.setData(path)
            action.triggered.connect(self._on_recent)
        self.recent.setToolTipsVisible(True)
        if not self.settings.recent:
            nothing = self.recent.addAction("Nothing yet")
            assert nothing is not None
            nothing.setEnabled(False)

    def _on_recent(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.open_path(action.data())

    def _on_data(self) -> None:
        request, patches = self.data.request, self.data.patches
        if request is not None and request.path != sample_path():
            path = str(request.path)
            recent = [path, *(old for old in self.settings.recent if old != path)][:10]
            if recent != list(self.settings.recent):
                self._save_settings(recent=recent, last_folder=str(request.path.parent))
        self.notice.hide()
        self.autoencoder.set_patches(patches)
        self._show_info()
        self._on_state()
        self._want_bound()

    def _show_info(self) -> None:
        patches, request = self.data.patches, self.data.request
        if patches is None or request is None:
            self.info.setText("")
            return
        channels, height, width = patches.image_shape
        spec = patches.fitted.spec
        words = [
            "grey" if channels == 1 else "RGB",
            "mean removed" if spec.remove_mean else "",
            f"ZCA ε {spec.epsilon:g}" if spec.whiten != "none" else "",
            f"±{spec.deviations:g}σ" if spec.clip else "",
            "→ 0.1…0.9" if spec.rescale else "",
        ]
        name = SAMPLE_NAME if request.path == sample_path() else request.name
        count = f"{len(patches.x):,}".replace(",", " ")
        self.info.setText(
            f"{name} ▸ {patches.source.dataset.lstrip('/')}   {count} × {channels} × {height} × {width}"
            f"   ·   {', '.join(word for word in words if word)}"
        )

    def _on_working(self, text: str) -> None:
        if text:
            self.info.setText(f"{text} …")
        else:
            self._show_info()

    def _on_loading(self, share: float) -> None:
        if not self.training.state.alive:
            self.transport.show_progress(share, self.info.text())

    def _on_problem(self, message: str, hint: str) -> None:
        self.notice.tell("problem", message, hint)
        self._show_info()
        self._on_state()

    def _on_choice(self, report: object) -> None:
        dialog = DatasetDialog(report, self)  # type: ignore[arg-type]
        if dialog.exec():
            self.data.open(dialog.request())
        dialog.deleteLater()

    # --- training

    def on_space(self) -> None:
        """Space was pressed: the button that has the focus, if one has, else Train."""
        focused = QApplication.focusWidget()
        if isinstance(focused, QAbstractButton) and focused is not self.transport.main:
            focused.click()
        else:
            self.on_main()

    def on_main(self) -> None:
        """Train, pause or go on, whichever the state asks for."""
        state = self.training.state
        if state in (State.RUNNING, State.STARTING):
            self.training.pause()
        elif state is State.PAUSED:
            self.training.resume()
        elif not state.alive:
            self._start(single=False)

    def on_step(self) -> None:
        """Take one step."""
        if self.training.state.alive:
            self.training.single_step()
        else:
            self._start(single=True)

    def _start(self, *, single: bool) -> None:
        patches = self.data.patches
        if patches is None:
            if self.data.refusal is not None:
                self.notice.tell("problem", *self.data.refusal)
            return
        problem = self._cannot_train(patches)
        if problem:
            self.notice.tell("problem", *problem)
            return
        self.notice.hide()
        if self.stack.currentWidget() is not self.autoencoder:
            self.show_lab(1)
        self.training.start(patches, self.spec, single=single)
        self.autoencoder.set_training(self.training.training)
        self._want_bound()

    def _cannot_train(self, patches: Patches) -> tuple[str, str] | None:
        if self.spec.held_out >= len(patches.x):
            return (
                f"All {len(patches.x)} patches are held out; none is left to train on.",
                "Hold out fewer.",
            )
        spec = patches.fitted.spec
        if self.spec.decoder == "sigmoid" and not spec.rescale:
            return (
                "A sigmoid decoder cannot reach values outside 0 … 1.",
                "Choose the linear decoder, or scale to 0.1 … 0.9 in the Data lab.",
            )
        return None

    def on_reset(self) -> None:
        """Back to the first weights of the same seed."""
        self._reset_with(self.spec.seed)

    def on_new_seed(self) -> None:
        """Back to first weights of another seed."""
        self._reset_with(self.spec.seed + 1)

    def _reset_with(self, seed: int) -> None:
        self.spec = self.spec.changed(seed=seed)
        if self.training.state.alive:
            self.training.stop_then(self._finish_reset)
        else:
            self._finish_reset()

    def _finish_reset(self) -> None:
        self.autoencoder.set_spec(self.spec)
        self.training.discard()
        self.autoencoder.set_training(None)
        self._on_state()

    def use_preset(self, name: str) -> None:
        """Use the settings and the preprocessing of a preset."""
        preset = PRESETS[name]
        self.spec = preset.spec
        self.autoencoder.set_spec(self.spec)
        self.data_panel.set_preprocess(preset.preprocess)
        self._on_spec(self.spec)
        self.notice.tell("plain", preset.title, preset.teaches)

    def _on_spec(self, spec: AutoencoderSpec) -> None:
        self.spec = spec
        self.training.set_live(spec)
        if not self.training.state.alive:
            self._on_state()
            self._want_bound()

    def _on_state(self) -> None:
        state = self.training.state
        ready = self.data.patches is not None
        self.transport.show_state(
            state, ready=ready, goes_on=self.training.can_continue(self.data.patches, self.spec)
        )
        self.autoencoder.set_locked(state.alive)
        self.main_action.setText(self.transport.main.text().strip())
        self.stop_action.setEnabled(state.alive)
        self.exporter.refresh()
        if not state.alive:
            self.autoencoder.refresh()
        self._show_progress()

    def _on_tick(self, snapshot: object, grew: bool) -> None:
        if self.stack.currentWidget() is self.autoencoder:
            self.autoencoder.tick(snapshot, grew)  # type: ignore[arg-type]
        self._show_progress()

    def _show_progress(self) -> None:
        training = self.training.training
        if training is None or not len(training.history.steps):
            self.transport.show_progress(0.0, "Ready" if self.data.patches is not None else "")
            return
        step = int(training.history.steps[-1])
        total = max(training.total_steps, 1)
        epoch = step / max(training.steps_per_epoch, 1)
        parts = [
            f"epoch {int(epoch)} / {total // max(training.steps_per_epoch, 1)}",
            f"J {training.history.terms[-1].sum():.3g}",
        ]
        if self.training.state is State.RUNNING and self.training.speed:
            parts.append(f"{_rate(self.training.speed)} patches/s")
            left = self.training.seconds_left()
            if left is not None:
                parts.append(f"{_duration(left)} left")
        elif self.training.state is State.PAUSED:
            parts.append(f"paused after step {step}")
        elif self.training.state is State.STOPPING:
            parts.append("finishing this batch")
        parts.append(training.engine)
        self.transport.show_progress(step / total, "   ·   ".join(part for part in parts if part))

    def _on_failed(self, message: str, hint: str, report: str) -> None:
        self.notice.tell("problem", message, hint, report)

    def _on_training_notice(self, message: str, hint: str) -> None:
        self.notice.tell("problem", message, hint)

    # --- the bound of principal components

    def _want_bound(self) -> None:
        """Compute the PCA bound for the model in sight, off this thread, once."""
        training = self.training.training
        patches = training.data if training is not None else self.data.patches
        spec = training.spec if training is not None else self.spec
        if patches is None or self._bound_worker is not None:
            return
        wanted = (patches, spec.hidden_units)
        if self._bound_for == wanted:
            return
        self._bound_for = wanted

        def job(task: Task) -> float:
            return pca_bound(patches.x, spec.hidden_units, cancel=task.cancelled)

        self._bound_worker = TaskWorker(job)
        self._bound_worker.ended.connect(self._on_bound)
        self.runner.start(self._bound_worker)

    def _on_bound(self) -> None:
        worker, self._bound_worker = self._bound_worker, None
        if worker is None or self._bound_for is None:
            return
        if worker.result is not None:
            self.autoencoder.set_bound(worker.result, self._bound_for[1])
        self._want_bound()

    # --- the rest

    def _on_export(self) -> None:
        corner = self.export_button.rect().bottomLeft()
        self.exporter.menu.popup(self.export_button.mapToGlobal(corner))

    def _on_keys(self) -> None:
        dialog = ShortcutsDialog(self)
        dialog.exec()
        dialog.deleteLater()

    def _on_about(self) -> None:
        dialog = AboutDialog(self)
        dialog.exec()
        dialog.deleteLater()

    def _on_desktop_shortcut(self) -> None:
        from app.shortcut import install_shortcut

        try:
            where = install_shortcut()
        except FilterscopeError as error:
            self.notice.tell("problem", error.message, error.hint)
        else:
            self.notice.tell("good", f"A shortcut is at {where}.")

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Qt: take files."""
        assert event is not None
        mime = event.mimeData()
        if mime is not None and mime.hasUrls() and any(url.isLocalFile() for url in mime.urls()):
            event.acceptProposedAction()
            self.overlay.cover()

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """Qt: the file left again."""
        self.overlay.hide()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Qt: open the first file."""
        assert event is not None
        self.overlay.hide()
        mime = event.mimeData()
        paths = [url.toLocalFile() for url in mime.urls() if url.isLocalFile()] if mime else []
        if paths:
            # Let the drag end before a dialog might open.
            QTimer.singleShot(0, lambda: self.open_path(paths[0]))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Qt: stop what runs, then go; nothing that was trained is lost, the run is recorded."""
        assert event is not None
        self.data.cancel()
        self.training.stop()
        if not self.runner.shutdown(3.0):
            self.notice.tell("problem", "Still finishing a step; the window closes when it is done.")
            QTimer.singleShot(200, self.close)
            event.ignore()
            return
        self._remember_geometry()
        event.accept()

    def _remember_geometry(self) -> None:
        state = bytes(self.saveGeometry().data()).hex()
        self._save_settings(geometry=state)


def _rate(value: float) -> str:
    return f"{value / 1000:.0f} k" if value >= 10_000 else f"{value:.0f}"


def _duration(seconds: float) -> str:
    seconds = max(seconds, 0)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
