"""The autoencoder lab: settings on the left, filters and reconstructions, curves below."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.core.data.patches import Patches
from app.core.events import Snapshot
from app.core.explain import Moment, explain
from app.core.models.autoencoder import initial_weights
from app.core.one_training import Training
from app.core.probe import Probe, Reading, Sight
from app.core.specs import AutoencoderSpec
from app.ui.moment import Moment as Seen
from app.ui.moment import See
from app.ui.panels.autoencoder.cost_card import CostCard
from app.ui.panels.autoencoder.reconstruction_card import ReconstructionCard
from app.ui.panels.autoencoder.settings_card import SettingsCard
from app.ui.panels.autoencoder.units_card import UnitsCard
from app.ui.widgets.card import Card, ChoiceButton
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.scrub_bar import ScrubBar
from app.ui.widgets.splitters import one_below_another, side_by_side

__all__ = ["AutoencoderPanel"]

# Filters follow every snapshot; what costs more is drawn less often.
READING_SECONDS = 0.25
CURVES_SECONDS = 0.1
# While an older moment is seen, the hand that looks for one comes first.
PATIENT_SECONDS = 0.5

SCALES = {"own": "own scale", "common": "common scale", "diverging": "diverging"}
SHOWN_PATCHES = 40


class AutoencoderPanel(QWidget):
    """Everything about one sparse autoencoder.

    Signals
    -------
    spec_changed(object)
        The person chose other settings.
    preset_chosen(str)
        The person chose a preset by name.
    """

    spec_changed = pyqtSignal(object)
    preset_chosen = pyqtSignal(str)

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.setObjectName("autoencoderPanel")
        self.spec = spec
        self.patches: Patches | None = None
        self.training: Training | None = None
        self.probe: Probe | None = None
        self.reading: Reading | None = None
        self.weights: Any = None
        # The moment of the past that is seen; None while the newest weights are.
        self.moment: Seen | None = None
        self.explained = "cost"
        self._last_reading = self._last_curves = 0.0
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.settings = SettingsCard(spec)
        self.settings.changed.connect(self._on_form)
        self.settings.preset_chosen.connect(self.preset_chosen)
        self.settings.focused.connect(self._on_focused)
        self.form = self.settings.form
        layout.addWidget(self.settings)
        layout.addWidget(self._build_pictures(), 1)
        self._explain()

    def _build_pictures(self) -> QWidget:
        self.filters_card = Card("Filters  W₁", "filters")
        self.filters = MosaicView(
            "filters", self._describe_unit, "Filters, a tile for each hidden unit"
        )
        self.filters.empty_text = "Press Train"
        self.filters.tile_clicked.connect(self.open_unit)
        self.filters_card.body.addWidget(self.filters)
        self.scale = ChoiceButton(
            "filterScale", "How weights become grey levels", SCALES, self.filters.set_scale
        )
        self.filters_card.add_tool(self.scale)

        self.right = ReconstructionCard()
        self.right.wish_changed.connect(self._read)
        self.reconstructions, self.unit = self.right.reconstructions, self.right.unit
        self.cost_card = CostCard()
        self.cost = self.curves = self.cost_card.plot
        self.units_card = UnitsCard()
        self.units_card.unit_clicked.connect(self.open_unit)
        self.units_card.wish_changed.connect(self._read)
        self.bars, self.histogram = self.units_card.bars, self.units_card.histogram

        top = side_by_side({self.filters_card: 600, self.right: 480})
        bottom = side_by_side({self.cost_card: 600, self.units_card: 480})
        whole = one_below_another({top: 490, bottom: 250}, "pictures", stretch=(2, 1))
        self.scrub_bar = ScrubBar("autoencoder")
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(whole, 1)
        layout.addWidget(self.scrub_bar)
        return column

    # --- what the person does

    def _on_form(self, spec: AutoencoderSpec) -> None:
        self.spec = spec
        self._explain()
        if self.training is None:
            self._show_first_weights()
        self.spec_changed.emit(spec)

    def _on_focused(self, name: str) -> None:
        self.explained = name
        self._explain()

    def open_unit(self, unit: int) -> None:
        """Look at one hidden unit from all sides."""
        if self.weights is None or unit >= self.weights["W1"].shape[1]:
            return
        self.filters.select(unit)
        self.bars.select(unit)
        self.right.open_unit(unit)
        self.explained = "unit"
        self._read()

    # --- what the sessions say

    def set_spec(self, spec: AutoencoderSpec) -> None:
        """Show other settings."""
        self.spec = spec
        self.settings.set_spec(spec)
        self._explain()
        if self.training is None and self.patches is not None:
            self._show_first_weights()

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        self.settings.set_locked(locked)

    @property
    def seen_patches(self) -> Patches | None:
        """The data of the model in sight."""
        return self.training.data if self.training is not None else self.patches

    @property
    def seen_spec(self) -> AutoencoderSpec:
        """The settings of the model in sight."""
        if self.moment is not None:
            spec: AutoencoderSpec = self.moment.spec
            return spec
        return self.training.spec if self.training is not None else self.spec

    def set_patches(self, patches: Patches | None) -> None:
        """Other data is open; a model that was trained on other data stays to be seen."""
        self.patches = patches
        if self.training is None:
            self._show_first_weights()

    def set_training(self, training: Training | None) -> None:
        """Another training is the one to be seen; None forgets the last."""
        if training is self.training and training is not None:
            return
        self.training = training
        self.reading = self.moment = None
        self.cost.set_cursor(None)
        if training is None:
            self.cost_card.set_training(None)
            self._show_first_weights()
        else:
            self._make_probe(training.data, training.spec.held_out)
            if self.weights is not None and len(self.weights["W1"]) != training.data.x.shape[1]:
                # Of data of another size: they cannot be read until the first news comes.
                self.weights = None
                self.filters.set_tiles(None)

    def _make_probe(self, patches: Patches, held_out: int) -> None:
        self.probe = Probe(patches, min(held_out, len(patches.x) - 1))
        self.right.set_probe(self.probe, patches)

    def _show_first_weights(self) -> None:
        """Show the noise from which training would begin."""
        self.filters.select(None)
        self.bars.select(None)
        self.right.forget_unit()
        if self.patches is None:
            self.weights = self.probe = None
            self.filters.set_tiles(None)
            self.right.set_probe(None, None)
            self.bars.set_values(np.empty(0), self.spec.rho, {})
            return
        self._make_probe(self.patches, self.spec.held_out)
        self.weights = initial_weights(self.patches.x.shape[1], self.spec)
        self._draw_filters()
        self._read()

    def set_bound(self, bound: float | None, components: int) -> None:
        """Draw the PCA bound for as many components; None while it is not known."""
        self.cost.set_bound(bound, components)

    def tick(self, snapshot: Snapshot | None, grew: bool) -> None:
        """There is news of the training; draw what is due."""
        if self.training is None:
            return
        now = time.monotonic()
        seconds = CURVES_SECONDS if self.moment is None else PATIENT_SECONDS
        # Long curves take as long as a place of the scrub bar does: never while a hand moves.
        dragged = self.moment is not None and self.moment.prompt
        if grew and not dragged and now - self._last_curves >= seconds:
            self._draw_curves()
        if self.moment is not None:
            return
        if snapshot is not None:
            self.weights = snapshot.weights
            self._draw_filters()
        if now - self._last_reading >= READING_SECONDS:
            self._read()

    def refresh(self) -> None:
        """Draw everything as it stands now, whatever was drawn last."""
        if self.training is not None and self.training.snapshot is not None:
            snapshot = self.training.snapshot if self.moment is None else self.moment.snapshot
            self.weights = snapshot.weights
            self._draw_filters()
            self._draw_curves()
            self._read()

    # --- other moments than the newest

    def seer(self, prompt: bool) -> See:
        """Return what works out, in another thread, all that is drawn of a moment.

        `prompt` says that a hand moves: large models are looked at with fewer patches then.
        """
        probe, patches, spec = self.probe, self.seen_patches, self.seen_spec
        assert probe is not None
        assert patches is not None
        wish = self._wish()

        def see(snapshot: Snapshot) -> tuple[NDArray[Any], Sight]:
            sight = probe.see(snapshot.weights, spec.decoder, prompt=prompt, **wish)
            return _tiles(patches, snapshot.weights), sight

        return see

    def show_moment(self, moment: Seen) -> None:
        """Show the model as it was; what is new of the training waits."""
        self.moment = moment
        self.weights = moment.snapshot.weights
        tiles, sight = moment.seen
        self.filters.set_tiles(tiles)
        self._show_sight(sight)
        self._place_cursor()

    def show_newest(self) -> None:
        """Show the newest weights again."""
        self.moment = None
        self._place_cursor()
        self.refresh()

    def _place_cursor(self) -> None:
        moment = self.moment
        self.cost_card.show_step(self.training, None if moment is None else moment.snapshot.step)

    def _draw_filters(self) -> None:
        patches = self.seen_patches
        assert patches is not None
        self.filters.set_tiles(_tiles(patches, self.weights))

    def _draw_curves(self) -> None:
        self._last_curves = time.monotonic()
        self.cost_card.set_training(self.training)

    def _read(self) -> None:
        """Read activations and reconstructions at the newest weights and show them."""
        self._last_reading = time.monotonic()
        probe, weights, spec = self.probe, self.weights, self.seen_spec
        if probe is None or weights is None:
            return
        self._show_sight(probe.see(weights, spec.decoder, **self._wish()))

    def _wish(self) -> dict[str, Any]:
        """Return what is in sight beside the filters, as `Probe.see` is asked for it."""
        return {
            "which": self.right.shown,
            "count": SHOWN_PATCHES,
            "histogram": self.units_card.wants_histogram,
        }

    def _show_sight(self, sight: Sight) -> None:
        """Draw what a model does; the one way, for the newest weights and for older ones."""
        spec = self.seen_spec
        self.reading = sight.reading
        reading = self.reading
        frames = {int(unit): "bad" for unit in reading.dead}
        frames |= {int(unit): "warm" for unit in reading.saturated}
        self.filters.set_frames(frames)
        self.units_card.show_sight(sight, spec.rho, frames)
        self.right.show_sight(sight, self.weights, spec.rho)
        self._explain()

    def all_weights(self) -> NDArray[np.float32]:
        """Return the weights of both layers (2DL,), of which the histogram is."""
        assert self.weights is not None
        return np.concatenate([self.weights["W1"].ravel(), self.weights["W2"].ravel()])

    def _describe_unit(self, unit: int) -> str:
        if self.weights is None or unit >= self.weights["W1"].shape[1]:
            return ""
        norm = float(np.linalg.norm(self.weights["W1"][:, unit]))
        text = f"unit {unit}: ‖w‖ {norm:.3g}"
        if self.reading is not None and unit < len(self.reading.rho_hat):
            text += f", mean activation {self.reading.rho_hat[unit]:.3g}"
            if unit in self.reading.dead:
                text += " (dead: never fires)"
            elif unit in self.reading.saturated:
                text += " (saturated: always fires)"
        return text + "\nclick to open"

    def _explain(self) -> None:
        source = self.seen_patches
        # A slider is explained where it stands; a moment of the past had values of its own.
        spec = self.spec if self.moment is None else self.seen_spec
        moment = Moment(
            spec,
            self.weights,
            None if self.reading is None else self.reading.rho_hat,
            self.filters.selected,
            0 if source is None else len(source.x),
            0 if source is None else source.x.shape[1],
        )
        title, lines = explain(self.explained, moment)
        self.settings.explain(title, "\n".join(lines))


def _tiles(patches: Patches, weights: Any) -> NDArray[Any]:
    """Return the filters as pictures (L, C, H, W), as the patches are seen."""
    pixels = patches.fitted.to_pixels(weights["W1"])
    return pixels.T.reshape(-1, *patches.image_shape)
