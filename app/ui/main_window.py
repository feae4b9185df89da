"""The window: it connects sessions, panels and menus, and holds no logic of its own."""

from __future__ import annotations

from functools import partial
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
    QShowEvent,
)
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QButtonGroup,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.data.sample import sample_path
from app.core.errors import FilterscopeError
from app.core.settings import Settings
from app.core.specs import AutoencoderSpec
from app.ui.data_session import DataRequest, DataSession
from app.ui.dialogs.cut_dialog import CutDialog
from app.ui.dialogs.dataset_dialog import DatasetDialog
from app.ui.dialogs.help_dialogs import AboutDialog, ShortcutsDialog
from app.ui.exports import Exporter
from app.ui.labs import AutoencoderLab, ConvNetLab, Lab
from app.ui.panels.data_panel import DataPanel
from app.ui.panels.workbench.playground import IMAGES, is_photograph
from app.ui.panels.workbench.your_network import network_of
from app.ui.panels.workbench_panel import WorkbenchPanel
from app.ui.theme import theme
from app.ui.training_session import TrainingSession
from app.ui.widgets.card import elided_label
from app.ui.widgets.drop_overlay import DropOverlay
from app.ui.widgets.notice_bar import NoticeBar
from app.ui.widgets.transport import Transport
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
        self.data_panel = DataPanel(self.data)
        self.autoencoder_lab = AutoencoderLab(self.runner, self.data, self.data_panel, self)
        self.convnet_lab = ConvNetLab(self.runner, self)
        # The lab that the bar at the bottom steers.
        self.lab: Lab = self.autoencoder_lab
        self._build()
        self._build_menus()
        self._connect()
        self.resize(1400, 880)
        self.setMinimumSize(980, 640)
        self.show_lab(1)

    @property
    def training(self) -> TrainingSession:
        """The training of the lab in sight."""
        return self.lab.training

    @property
    def exported(self) -> Lab | QWidget:
        """What the Export menu is about."""
        return self.workbench if self.stack.currentWidget() is self.workbench else self.lab

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
        header = QHBoxLayout()
        header.setSpacing(4)
        self.stack = QStackedWidget()
        self._tabs = QButtonGroup(self)
        self.autoencoder = self.autoencoder_lab.panel
        self.cnn = self.convnet_lab.panel
        self.workbench = WorkbenchPanel(self.runner)
        self.labs: list[tuple[str, QWidget]] = [
            ("Data", self.data_panel),
            ("Autoencoder", self.autoencoder),
            ("CNN", self.cnn),
            ("Workbench", self.workbench),
        ]
        for place, (title, panel) in enumerate(self.labs):
            tab = QPushButton(title)
            tab.setObjectName(f"tab{title}")
            tab.setProperty("tab", True)
            tab.setCheckable(True)
            # A ring around a tab is for the keyboard; a click has chosen it already.
            tab.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            tab.setToolTip(f"The {title} lab (Ctrl+{place + 1})")
            self._tabs.addButton(tab, place)
            header.addWidget(tab)
            self.stack.addWidget(panel)
        self._tabs.idClicked.connect(self.show_lab)
        header.addStretch(1)
        self.info = elided_label("dataInfo")
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
        self._action(file, "actionPhotos", "Cut patches from photographs…", self.ask_for_folder, "Ctrl+Shift+O", "Squares at random places of the pictures in a folder")
        self._action(file, "actionSample", "Open the sample patches", self.open_sample, "", "10 240 crops of free photographs that come with the program")
        recent = file.addMenu("Open recent")
        assert recent is not None
        self.recent = recent
        self.recent.aboutToShow.connect(self._fill_recent)
        file.addSeparator()
        file.addMenu(self.exporter.menu)
        file.addSeparator()
        self._action(file, "actionQuit", "Quit", self.close, "Ctrl+Q", "Stop what runs and close the window; runs stay in their folders")
        train = self._menu("&Train")
        self.main_action = self._action(train, "actionTrain", "Train", self.on_space, "Space", "Train, pause or go on")
        self.step_action = self._action(train, "actionStep", "One step", self.on_step, ".", "One mini-batch, then wait")
        self.stop_action = self._action(train, "actionStop", "Stop, keep the model", self.on_stop, "Ctrl+.", "End after this mini-batch; Continue goes on from there")
        train.addSeparator()
        self.reset_action = self._action(train, "actionReset", "Reset to the same first weights", self.on_reset, "Ctrl+R", "The same seed: the same noise, the same order, the same curve")
        self.seed_action = self._action(train, "actionNewSeed", "Reset with a new seed", self.on_new_seed, "Ctrl+Shift+R", "Other noise to begin with: which filters come out each time?")
        view = self._menu("&View")
        for place, (title, _) in enumerate(self.labs):
            action = self._action(view, f"actionLab{title}", title, self._lab_opener(place), f"Ctrl+{place + 1}")
            action.setToolTip(f"The {title} lab")
        view.addSeparator()
        group = QActionGroup(self)
        for choice, text, tip in (
            ("system", "Colours of the system", "Dark or light as the system is, and follow it"),
            ("light", "Light", "Dark signs on white, as on paper"),
            ("dark", "Dark", "Light signs on black, for dim rooms"),
        ):
            action = self._action(
                view, f"actionTheme{choice.title()}", text, self._theme_chooser(choice), "", tip
            )
            action.setCheckable(True)
            action.setChecked(self.settings.theme == choice)
            group.addAction(action)
        view.addSeparator()
        full = self._action(view, "actionFullScreen", "Full screen", self._on_full_screen, "F11", "All of the screen for the pictures, and back")
        full.setCheckable(True)
        help_ = self._menu("&Help")
        self._action(help_, "actionShortcuts", "Keys", self._on_keys, "F1", "What can be done without the mouse")
        self._action(help_, "actionDesktop", "Put a shortcut on the desktop", self._on_desktop_shortcut, "", "An icon that starts Filterscope with a double click")
        self._action(help_, "actionAbout", "About Filterscope", self._on_about, "", "Version, engine and licence")
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
        self.cnn.images_page.file_clicked.connect(self.ask_for_file)
        self.cnn.images_page.folder_clicked.connect(self.ask_for_folder)
        self.data.changed.connect(self._on_data)
        self.data.choice_needed.connect(self._on_choice)
        images = self.convnet_lab.session
        images.changed.connect(self._on_images)
        for session in (self.data, images):
            session.working.connect(self._on_working)
            session.problem.connect(self._on_problem)
            session.fault.connect(self.report_bug)
            session.progressed.connect(self._on_loading)
        self.transport.main_clicked.connect(self.on_main)
        self.transport.step_clicked.connect(self.on_step)
        self.transport.stop_clicked.connect(self.on_stop)
        self.transport.reset_clicked.connect(self.on_reset)
        for lab in (self.autoencoder_lab, self.convnet_lab):
            lab.changed.connect(self._show_state)
            lab.told.connect(self.notice.tell)
            lab.began.connect(self._on_began)
        self.workbench.problem.connect(self._on_failed)
        self.workbench.network = partial(network_of, self.convnet_lab)
        self.convnet_lab.changed.connect(self.workbench.network_changed)

    # --- labs and looks

    def show_lab(self, place: int) -> None:
        """Turn to a lab."""
        self.stack.setCurrentIndex(place)
        button = self._tabs.button(place)
        if button is not None:
            button.setChecked(True)
        panel = self.stack.currentWidget()
        if panel is self.cnn:
            self.lab = self.convnet_lab
        elif panel in (self.data_panel, self.autoencoder):
            self.lab = self.autoencoder_lab
        for lab in (self.autoencoder_lab, self.convnet_lab):
            lab.visible = lab.panel is panel
            if lab.visible:
                lab.refresh()
        # The workbench has buttons of its own.
        self.transport.setVisible(panel is not self.workbench)
        self._show_info()
        self._show_state()

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
        """Open a file, ``FILE::/data set``, or a folder, for the lab in sight."""
        path, _, dataset = text.partition("::")
        if self.exported is self.workbench and is_photograph(path):
            self.workbench.open_photograph(path)
            return
        if self.lab is self.convnet_lab:
            self.convnet_lab.open_path(text)
            return
        if Path(path).is_dir():
            self._ask_how_to_cut(Path(path))
        else:
            self.data.open(DataRequest(Path(path), dataset=dataset or None))

    def open_sample(self) -> None:
        """Open the patches that come with the program."""
        self.data.open(DataRequest(sample_path()))

    def ask_for_file(self) -> None:
        """Let the person choose a file."""
        title, kinds = "Open patches", "Patches (*.h5 *.hdf5 *.mat *.npy *.npz);;All files (*)"
        if self.exported is self.workbench:
            title, kinds = "Open a photograph", IMAGES
        elif self.lab is self.convnet_lab:
            title = "Open images with labels, or an image to look at"
            kinds = (
                "Images (*.h5 *.hdf5 *.mat *.npz *.bin *.gz *.tar *.png *.jpg *.jpeg *.webp);;"
                "All files (*)"
            )
        path, _ = QFileDialog.getOpenFileName(self, title, self.settings.last_folder, kinds)
        if path:
            self.open_path(path)

    def ask_for_folder(self) -> None:
        """Let the person choose a folder of photographs."""
        labelled = self.lab is self.convnet_lab
        title = "CIFAR-10, or a folder for each class" if labelled else "A folder of photographs"
        path = QFileDialog.getExistingDirectory(self, title, self.settings.last_folder)
        if path:
            self.open_path(path)

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
            action.setObjectName("actionRecent")
            action.setData(path)
            action.setToolTip(f"Open {path} again")
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
        request = self.data.request
        if request is not None and request.path != sample_path():
            self._remember(str(request.path), request.path.parent)
        self.notice.hide()
        self._show_info()

    def _on_images(self) -> None:
        self.notice.hide()
        self._show_info()

    def _remember(self, path: str, folder: Path) -> None:
        recent = [path, *(old for old in self.settings.recent if old != path)][:10]
        if recent != list(self.settings.recent):
            self._save_settings(recent=recent, last_folder=str(folder))

    def _show_info(self) -> None:
        self.info.setText(self.lab.info())

    def _on_working(self, text: str) -> None:
        if text:
            self.info.setText(f"{text} …")
        else:
            self._show_info()

    def _on_loading(self, share: float) -> None:
        if not self.lab.training.state.alive:
            self.transport.show_progress(share, self.info.text())

    def _on_problem(self, message: str, hint: str) -> None:
        self.notice.tell("problem", message, hint)
        self._show_info()
        self._show_state()

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
        elif isinstance(focused, QComboBox):
            focused.showPopup()
        else:
            self.on_main()

    def on_main(self) -> None:
        """Train, pause or go on, whichever the state asks for."""
        self.lab.on_main()

    def on_step(self) -> None:
        """Take one step."""
        self.lab.on_step()

    def on_stop(self) -> None:
        """End after this mini-batch; the model is kept."""
        self.lab.training.stop()

    def on_reset(self) -> None:
        """Back to the first weights of the same seed."""
        self.lab.reset(self.lab.spec.seed)

    def on_new_seed(self) -> None:
        """Back to first weights of another seed."""
        self.lab.reset(self.lab.spec.seed + 1)

    def _on_began(self) -> None:
        lab = self.sender()
        self.notice.hide()
        for place, (_, panel) in enumerate(self.labs):
            if isinstance(lab, Lab) and panel is lab.panel and not lab.visible:
                self.show_lab(place)

    def use_preset(self, name: str) -> None:
        """Use the settings and the preprocessing of a preset of the autoencoder lab."""
        self.autoencoder_lab.use_preset(name)

    def _show_state(self) -> None:
        """Show what the training in sight does, and how far it is."""
        lab = self.lab
        self.transport.show_state(
            lab.training.state, ready=lab.data is not None, goes_on=lab.goes_on
        )
        self.main_action.setText(self.transport.main.text().strip())
        self.stop_action.setEnabled(lab.training.state.alive)
        self.exporter.refresh()
        self.transport.show_progress(*lab.progress())

    def _on_failed(self, message: str, hint: str, report: str) -> None:
        self.notice.tell("problem", message, hint, report)

    # --- the rest

    def _on_export(self) -> None:
        # Below the button, right edges in line: it stays inside the window.
        menu, corner = self.exporter.menu, self.export_button.rect().bottomRight()
        corner.setX(corner.x() - menu.sizeHint().width())
        menu.popup(self.export_button.mapToGlobal(corner))

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

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: begin with the focus nowhere, else the first tab would look chosen."""
        super().showEvent(event)
        centre = self.centralWidget()
        assert centre is not None
        centre.setFocus()

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
        self.convnet_lab.session.cancel()
        self.convnet_lab.readings.cancel()
        self.workbench.cancel()
        for lab in (self.autoencoder_lab, self.convnet_lab):
            lab.training.stop()
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
