"""What is opened for the lab in sight: asked for, dropped on the window, or named at the start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QFileDialog

from app.core.data.files import is_photograph
from app.core.data.image_reader import CIFAR10_NAME, plainly_images
from app.core.data.sample import sample_path
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.data.weights_file import is_weights
from app.ui.data_session import DataRequest
from app.ui.dialogs.cut_dialog import CutDialog
from app.ui.dialogs.dataset_dialog import DatasetDialog
from app.ui.file_kinds import (
    LABELLED_FILES,
    MODEL_FILES,
    PATCH_FILES,
    PHOTOGRAPH_FILES,
    WEIGHT_FILES,
)
from app.ui.labs.places import CNN, WORKBENCH

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["Opening"]

# So many files are offered again.
RECENT = 10


class Opening(QObject):
    """Opens files and folders; what a file is for depends on what it is and on the lab in sight."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        window.data.choice_needed.connect(self._ask_which)
        window.data.changed.connect(self._remember)
        window.data.problem.connect(self._on_refused)
        self._fell_back = False

    def open(self, text: str) -> None:
        """Open a file, ``FILE::/data set``, or a folder."""
        window = self._window
        path, _, dataset = text.partition("::")
        if window.place == WORKBENCH and is_photograph(path):
            window.workbench.open_photograph(path)
        elif path.lower().endswith(".filterscope") and Path(path).is_file():
            window.takeaway.open(Path(path))
        elif is_weights(path):
            window.lab.takes_weights.load(Path(path))
        elif self._for_images:
            window.convnet_lab.open_path(text)
        elif plainly_images(text):
            window.convnet_lab.open_path(text)
            window.show_lab(CNN)
        elif Path(path).is_dir():
            self._ask_how_to_cut(Path(path))
        else:
            window.data.open(DataRequest(Path(path), dataset=dataset or None))

    def open_sample(self) -> None:
        """Open the patches that come with the program."""
        self._window.data.open(DataRequest(sample_path()))

    def open_sample_instead(self, message: str, hint: str = "") -> None:
        """Open the sample, and say why when it is there: what was said before is hidden then."""
        data, notice = self._window.data, self._window.notice

        def say() -> None:
            data.changed.disconnect(say)
            notice.tell("problem", message, f"{hint} The sample is open.".strip())

        self.open_sample()
        data.changed.connect(say)

    def _on_refused(self, message: str, hint: str) -> None:
        # An empty window would say nothing beside the message.
        nothing = self._window.data.request is None and not self._window.data.busy
        if nothing and not self._fell_back:
            self._fell_back = True
            self.open_sample_instead(message, hint)

    @property
    def _for_images(self) -> bool:
        """Whether files are for the lab of images with labels."""
        return self._window.lab is not self._window.autoencoder_lab

    # --- what the person is asked

    def ask_for_file(self) -> None:
        """Let the person choose a file."""
        title, kinds = "Open patches", PATCH_FILES
        if self._window.place == WORKBENCH:
            title, kinds = "Open a photograph", PHOTOGRAPH_FILES
        elif self._for_images:
            title, kinds = "Open images with labels, or an image to look at", LABELLED_FILES
        path = self._chosen(title, kinds)
        if path:
            self.open(path)

    def ask_for_folder(self) -> None:
        """Let the person choose a folder of photographs."""
        title = "A folder of photographs"
        if self._for_images:
            title = "CIFAR-10, or a folder for each class"
        window = self._window
        path = QFileDialog.getExistingDirectory(window, title, window.settings.last_folder)
        if path:
            self.open(path)

    def ask_for_weights(self) -> None:
        """Let the person choose a file of weights for the network of the lab in sight."""
        path = self._chosen("Weights for this network", WEIGHT_FILES)
        if path:
            self._window.lab.takes_weights.load(Path(path))

    def ask_for_model(self) -> None:
        """Let the person choose a file with a network of their own, for the CNN lab."""
        path = self._chosen("A network of your own", MODEL_FILES)
        if path:
            self._window.show_lab(CNN)
            self._window.convnet_lab.use_model(path)

    def _chosen(self, title: str, kinds: str) -> str:
        window = self._window
        path, _ = QFileDialog.getOpenFileName(window, title, window.settings.last_folder, kinds)
        return path

    def _ask_how_to_cut(self, folder: Path) -> None:
        self._open_as_asked(CutDialog(folder, self._window))

    def _ask_which(self, report: object) -> None:
        self._open_as_asked(DatasetDialog(report, self._window))  # type: ignore[arg-type]

    def _open_as_asked(self, dialog: CutDialog | DatasetDialog) -> None:
        if dialog.exec():
            self._window.data.open(dialog.request())
        elif self._window.data.request is None:
            # Named at the start: the window would stay without any patches.
            self.open_sample()
        dialog.deleteLater()

    # --- what is offered again

    def _remember(self) -> None:
        request = self._window.data.request
        if request is None or request.path == sample_path():
            return
        self._keep("recent", str(request.path))

    def remember_images(self) -> None:
        """Offer the images with labels that are open again another time."""
        request = self._window.convnet_lab.session.request
        if request is not None and request.path not in (SYNTHETIC_NAME, CIFAR10_NAME):
            self._keep("recent_images", request.path)

    @property
    def recent(self) -> tuple[str, ...]:
        """What was opened last in labs such as the one in sight, the newest first."""
        settings = self._window.settings
        return settings.recent_images if self._for_images else settings.recent

    def _keep(self, which: str, text: str) -> None:
        before = getattr(self._window.settings, which)
        recent = (text, *(old for old in before if old != text))[:RECENT]
        if recent != before:
            folder = Path(text.partition("::")[0]).parent
            self._window.save_settings(**{which: recent, "last_folder": str(folder)})
