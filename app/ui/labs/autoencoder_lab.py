"""The autoencoder lab: patches, a sparse autoencoder, and the bound of principal components."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QObject

from app.core.data.in_words import patches_in_words, title_of
from app.core.data.patches import Patches
from app.core.events import Snapshot
from app.core.models.autoencoder import pca_bound
from app.core.one_training import Training
from app.core.presets import PRESETS
from app.core.recipes import AutoencoderRecipe
from app.core.specs import AutoencoderSpec
from app.ui.data_session import DataSession
from app.ui.device_notes import DeviceNotes
from app.ui.labs.lab import Lab
from app.ui.panels.autoencoder_panel import AutoencoderPanel
from app.ui.panels.data_panel import DataPanel
from app.ui.range_session import RangeSession
from app.ui.scrub_session import ScrubSession
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["AutoencoderLab"]


class AutoencoderLab(Lab):
    """Trains sparse autoencoders on the patches of the data lab."""

    title = "Autoencoder"
    panel: AutoencoderPanel

    def __init__(
        self,
        runner: Runner,
        session: DataSession,
        data_panel: DataPanel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(runner, AutoencoderRecipe(), parent)
        self.session, self.data_panel = session, data_panel
        self.spec = AutoencoderSpec()
        self.panel = AutoencoderPanel(self.spec)
        self.range_test = RangeSession(self, self.panel.form)
        self.device_notes = DeviceNotes(runner, self.panel.form, self)
        self.scrub = ScrubSession(self, self.panel)
        self._bound_worker: TaskWorker[float] | None = None
        self._bound_for: tuple[Patches, int] | None = None
        self.panel.spec_changed.connect(self.take_spec)
        self.panel.preset_chosen.connect(self.use_preset)
        session.changed.connect(self._on_data)

    @property
    def data(self) -> Patches | None:
        """The preprocessed patches."""
        return self.session.patches

    def why_nothing(self) -> tuple[str, str] | None:
        """Return why the open data could not be preprocessed."""
        return self.session.refusal

    def cannot_train(self, data: Patches) -> tuple[str, str] | None:
        """Return what does not fit together."""
        if self.spec.held_out >= len(data.x):
            return (
                f"All {len(data.x)} patches are held out; none is left to train on.",
                "Hold out fewer.",
            )
        if self.spec.decoder == "sigmoid" and not data.fits_sigmoid:
            low, high = data.value_range
            return (
                "A sigmoid decoder cannot reach values outside 0 … 1, and these lie in "
                f"{low:.3g} … {high:.3g}.".replace("-", "−"),
                "Choose the linear decoder, or scale to 0.1 … 0.9 in the Data lab.",
            )
        return None

    def show_spec(self) -> None:
        """Let the panel show the settings."""
        self.panel.set_spec(self.spec)

    def show_training(self, training: Training | None) -> None:
        """Let the panel show a training."""
        self.panel.set_training(training)
        self._want_bound()

    def show_locked(self, locked: bool) -> None:
        """Let the panel lock what cannot change."""
        self.panel.set_locked(locked)

    def refresh(self) -> None:
        """Draw everything."""
        self.panel.refresh()

    def tick(self, snapshot: Snapshot | None, grew: bool) -> None:
        """Draw what is due."""
        self.panel.tick(snapshot, grew)

    def take_spec(self, spec: Any) -> None:
        """Take other settings."""
        super().take_spec(spec)
        if not self.training.state.alive:
            self._want_bound()

    def use_preset(self, name: str) -> None:
        """Use the settings and the preprocessing of a preset."""
        preset = PRESETS[name]
        self.spec = preset.spec
        self.panel.set_spec(self.spec)
        self.data_panel.set_preprocess(preset.preprocess)
        self.take_spec(self.spec)
        self.forget_unless_it_goes_on()
        self.told.emit("plain", preset.title, preset.teaches, "")

    def cancel(self) -> None:
        """Stop what is under way."""
        super().cancel()
        self.session.cancel()
        self.range_test.cancel()

    def _on_data(self) -> None:
        self.panel.set_patches(self.session.patches)
        self.on_other_data()
        self._want_bound()

    def info(self) -> str:
        """Return what is seen, and how it was prepared: what is open, or the last run's data."""
        patches, request = self.panel.seen_patches, self.session.request
        if patches is None or request is None:
            return ""
        name = title_of(patches.source.path)
        if self.training.training is not None and patches is not self.session.patches:
            # Something else was opened while it trained.
            opened = (
                request.name
                if self.session.patches is None
                else title_of(self.session.patches.source.path)
            )
            again = ", prepared another way" if opened == name else ""
            return f"{patches_in_words(patches)}   ·   next: {opened}{again}"
        return patches_in_words(patches)

    # --- the bound of principal components

    def _want_bound(self) -> None:
        """Compute the PCA bound for the model in sight, off this thread, once."""
        training = self.training.training
        patches = training.data if training is not None else self.session.patches
        spec = training.spec if training is not None else self.spec
        if patches is None or self._bound_worker is not None:
            return
        known = self._bound_for
        if known is not None and known[0] is patches and known[1] == spec.hidden_units:
            return
        self._bound_for = (patches, spec.hidden_units)
        self.panel.set_bound(None, 0)

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
            self.panel.set_bound(worker.result, self._bound_for[1])
        self._want_bound()
