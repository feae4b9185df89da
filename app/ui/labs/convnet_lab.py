"""The CNN lab: images with labels, a network of layers, and what it makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QMessageBox

from app.core.data.download import cifar10_archive
from app.core.data.files import is_photograph
from app.core.data.image_preprocess import FittedImages
from app.core.data.image_reader import CIFAR10_NAME
from app.core.data.in_words import images_in_words
from app.core.data.photographs import read_photograph
from app.core.errors import FilterscopeError
from app.core.events import Snapshot
from app.core.learners import ConvNetLearner
from app.core.learners.own_model import OwnModelLearner, let_go
from app.core.one_training import Training
from app.core.own_model.file import ModelFile, read_model_file
from app.core.predictions import Predictions
from app.core.presets import CNN_PRESETS
from app.core.recipes import ConvNetRecipe
from app.core.specs import ConvNetSpec, ImageSpec
from app.ui.device_notes import DeviceNotes
from app.ui.dialogs.own_model_dialog import OwnModelDialog
from app.ui.image_session import ImageRequest, ImageSession
from app.ui.labs.lab import Lab
from app.ui.panels.cnn_panel import CnnPanel
from app.ui.range_session import RangeSession
from app.ui.reading_session import ReadingSession
from app.ui.scrub_session import ScrubSession
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["ConvNetLab"]


class ConvNetLab(Lab):
    """Trains networks of layers on labelled images."""

    title = "CNN"
    panel: CnnPanel

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(runner, ConvNetRecipe(), parent)
        self.session = ImageSession(runner, self)
        self.readings = ReadingSession(runner, self)
        self.spec = ConvNetSpec()
        self.panel = CnnPanel(self.spec, self.session, self.readings)
        self.range_test = RangeSession(self, self.panel.network_page.form)
        self.device_notes = DeviceNotes(runner, self.panel.network_page.form, self)
        self.scrub = ScrubSession(self, self.panel)
        self._photo_worker: TaskWorker[NDArray[np.uint8]] | None = None
        self._test_worker: TaskWorker[Predictions] | None = None
        self._test_asked = 0
        self.panel.spec_changed.connect(self.take_spec)
        self.panel.preset_chosen.connect(self.use_preset)
        self.panel.network_page.layers_wanted.connect(lambda: self.set_model(None))
        self.panel.test_wanted.connect(self.ask_test)
        page = self.panel.images_page
        page.spec_changed.connect(self._on_image_spec)
        page.drawn_clicked.connect(self.open_drawn)
        page.download_clicked.connect(self.open_cifar10)
        self.session.changed.connect(self._on_images)
        self.session.weights_found.connect(lambda path: self.takes_weights.load(Path(path)))
        self.session.unclear.connect(self._ask_about)
        self.session.problem.connect(self._on_notice)

    @property
    def data(self) -> FittedImages | None:
        """The images, divided and normalised."""
        return self.session.fitted

    def cannot_train(self, data: FittedImages) -> tuple[str, str] | None:
        """Return what does not fit together."""
        description = self.panel.network_page.layers.description
        if self.model is not None:
            return None
        if description is not None and description.error is not None:
            return description.error.message, "Change that row of the list."
        return None

    # --- data

    def open_path(self, text: str) -> None:
        """Open images with labels, look at one photograph, or take a network of one's own."""
        if Path(text).suffix.lower() == ".py":
            self.use_model(text)
        elif is_photograph(text) and self.data is not None:
            self._look_at(Path(text))
        else:
            self._open(ImageRequest(text))

    def _ask_about(self, path: str, question: object) -> None:
        from app.ui.dialogs.images_dialogs import dialog_about

        dialog = dialog_about(question, self.panel)  # type: ignore[arg-type]
        if dialog.exec():
            self.open_path(f"{path}::{dialog.answer()}")
        elif self.session.images is None:
            self.session.open_first()
        dialog.deleteLater()

    def open_drawn(self) -> None:
        """Open the images that need no file."""
        self._open(ImageRequest())

    def open_cifar10(self) -> None:
        """Open CIFAR-10; if it is not there, ask before it is downloaded."""
        there = cifar10_archive().is_file()
        if there or self.agreed_to_download():
            self._open(ImageRequest(CIFAR10_NAME, download=not there))

    def agreed_to_download(self) -> bool:
        """Ask the person whether CIFAR-10 is to be downloaded, saying how much and where to."""
        answer = QMessageBox.question(
            self.panel,
            "Download CIFAR-10?",
            "CIFAR-10 is a file of 170 MB from the University of Toronto. "
            f"It is downloaded once and kept in {cifar10_archive().parent}.",
        )
        return answer == QMessageBox.StandardButton.Yes

    def _open(self, request: ImageRequest) -> None:
        if self.training.state.alive:
            self.told.emit(
                "problem",
                "A network is training on the images that are open.",
                "Stop it, then open others.",
                "",
            )
        else:
            self.session.open(request)

    def is_open(self, data: FittedImages) -> bool:
        """Return whether the images are the same, however they are prepared."""
        return data.images is self.session.images

    def cancel(self) -> None:
        """Stop what is under way."""
        super().cancel()
        self.session.cancel()
        self.readings.cancel()
        self.range_test.cancel()

    def _look_at(self, path: Path) -> None:
        if self._photo_worker is not None or self.data is None:
            return
        channels, side, _ = self.data.images.shape

        def job(task: Task) -> NDArray[np.uint8]:
            pixels = read_photograph(path, side, cancel=task.cancelled)
            if channels == 1:
                grey: NDArray[np.uint8] = np.rint(pixels.mean(axis=0, keepdims=True)).astype(
                    np.uint8
                )
                return grey
            return pixels

        self._photo_worker = TaskWorker(job)
        self._photo_worker.ended.connect(self._on_photo)
        self.runner.start(self._photo_worker)

    def _on_photo(self) -> None:
        worker, self._photo_worker = self._photo_worker, None
        if worker is None:
            return
        if worker.result is not None:
            self.panel.look_at(worker.result)
        elif worker.error is not None:
            self._on_notice(*worker.error)

    def _on_image_spec(self, spec: ImageSpec) -> None:
        self.session.set_spec(spec)

    def _on_images(self) -> None:
        self.on_other_data()
        self.panel.set_images()
        self.on_state()

    def info(self) -> str:
        """Return what is open, and how it was prepared."""
        fitted, request = self.panel.seen_data, self.session.request
        if fitted is None or request is None:
            return ""
        return images_in_words(request.name, fitted)

    # --- the panel

    def show_spec(self) -> None:
        """Let the panel show the settings."""
        self.panel.set_spec(self.spec)

    def show_training(self, training: Training | None) -> None:
        """Let the panel show a training."""
        if training is None:
            self._test_asked = 0
        self.panel.set_training(training)

    def show_locked(self, locked: bool) -> None:
        """Let the panel lock what cannot change."""
        self.panel.set_locked(locked)

    def refresh(self) -> None:
        """Draw everything; the first time, the images have yet to be drawn."""
        self.session.open_first()
        self.panel.refresh()

    def tick(self, snapshot: Snapshot | None, grew: bool) -> None:
        """Draw what is due."""
        self.panel.tick(snapshot, grew)

    # --- a network of the person's own

    def use_model(self, text: str) -> None:
        """Train the network of a file instead of layers, once the person agreed that it runs."""
        if self.training.state.alive:
            self.told.emit("problem", "A network is training in this lab.", "Stop it first.", "")
            return
        try:
            model = read_model_file(text)
        except FilterscopeError as error:
            self.told.emit("problem", error.message, error.hint, "")
            return
        if self.agreed_to_run(model):
            self.set_model(model)
            self.start()

    def agreed_to_run(self, model: ModelFile) -> bool:
        """Ask the person whether a program may run."""
        dialog = OwnModelDialog(model, self.panel)
        agreed = bool(dialog.exec())
        dialog.deleteLater()
        return agreed

    def set_model(self, model: ModelFile | None) -> None:
        """Let a person's own network, or the list of layers again, be what is trained."""
        if model == self.model:
            return
        self.model = model
        self.panel.set_model(model)
        self.forget()

    def use_preset(self, name: str) -> None:
        """Use the settings of a preset, and how it prepares images."""
        self.set_model(None)
        preset = CNN_PRESETS[name]
        self.spec = preset.spec
        self.panel.set_spec(self.spec)
        self.panel.images_page.form.set_spec(preset.images)
        self._on_image_spec(preset.images)
        self.take_spec(self.spec)
        self.told.emit("plain", preset.title, preset.teaches, "")

    def figure(self, training: Training) -> str:
        """Return the newest validation accuracy, or the loss before there is one."""
        for event in reversed(training.history.evaluations):
            if event.validation_accuracy is not None:
                return f"validation {event.validation_accuracy:.1%}"
        return f"loss {training.history.terms[-1].sum():.3g}"

    # --- the test images

    def ask_test(self) -> None:
        """Measure the best model on the test images, which counts only once."""
        training = self.training.training
        if training is None or training.learner is None or self._test_worker is not None:
            self.told.emit("problem", "There is no network to test yet.", "Train one first.", "")
            return
        if self.training.state.alive:
            self.told.emit(
                "problem", "The network is still training.", "Stop it first, then ask.", ""
            )
            return
        learner = training.learner
        assert isinstance(learner, ConvNetLearner | OwnModelLearner)
        if not len(training.data.split.test):
            self.told.emit("problem", "These images have no part that is kept for a test.", "", "")
            return

        def job(task: Task) -> Predictions:
            try:
                answers = learner.score("test", cancel=task.cancelled, progress=task.report)
            finally:
                let_go(learner)
            if training.run is not None:
                step = learner.best.step if learner.best is not None else learner.taken
                training.run.mark_tested(step, answers.accuracy, answers.loss)
            return answers

        self._test_worker = TaskWorker(job)
        self._test_worker.ended.connect(self._on_tested)
        self.runner.start(self._test_worker)

    def _on_tested(self) -> None:
        worker, self._test_worker = self._test_worker, None
        if worker is None:
            return
        if worker.result is not None:
            self._test_asked += 1
            answers: Predictions = worker.result
            self.panel.mistakes_card.set_test(
                answers.accuracy, times=self._test_asked, count=len(answers.labels)
            )
        elif worker.error is not None:
            self._on_notice(*worker.error)
        elif worker.bug:
            self.told.emit("problem", "The test ended with a fault in the program.", "", worker.bug)
