"""The autoencoder lab: settings on the left, filters and reconstructions, curves below."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.core.data.patches import Patches
from app.core.events import Snapshot
from app.core.explain import Moment, explain
from app.core.learners import AutoencoderLearner
from app.core.models.autoencoder import initial_weights
from app.core.params import describe
from app.core.presets import PRESETS
from app.core.probe import Probe, Reading, Sight
from app.core.specs import AutoencoderSpec
from app.ui.cost_watch import newest_cost
from app.ui.moment import Moment as Seen
from app.ui.moment import See
from app.ui.param_form import ParamForm
from app.ui.training_session import Training
from app.ui.widgets.bar_plots import HistogramPlot, UnitBars
from app.ui.widgets.card import Card, ChoiceButton, TabbedCard, ToggleButton
from app.ui.widgets.cost_plot import CostPlot, Mark, change_text
from app.ui.widgets.fading_scroll import FadingScroll
from app.ui.widgets.formula import FormulaLabel
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.scrub_bar import ScrubBar
from app.ui.widgets.unit_view import UnitView

__all__ = ["AutoencoderPanel"]

# Filters follow every snapshot; what costs more is drawn less often.
READING_SECONDS = 0.25
CURVES_SECONDS = 0.1
# While an older moment is seen, the hand that looks for one comes first.
PATIENT_SECONDS = 0.5

SCALES = {"own": "own scale", "common": "common scale", "diverging": "diverging"}
SETS = {"spread": "training set", "worst": "worst", "held out": "held out"}
SHOWN_PATCHES = 40
ERROR_MEANING = (
    "½‖d − o‖², the mean over the patches that are shown here; "
    "“reconstruction” below the cost is the same over the patches of training"
)
UNIT_MEANING = (
    "Dead: a mean activation below 0.001, the unit never fires. "
    "Saturated: above 0.999, it always does and tells nothing."
)
SLIDERS = ("rho", "beta", "lam", "learning_rate", "momentum", "hidden_units")


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
        self._value_range = (0.0, 1.0)
        self._last_reading = self._last_curves = 0.0
        self._parameters = {p.name: p for p in describe(AutoencoderSpec)}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self._build_settings())
        layout.addWidget(self._build_pictures(), 1)
        self.set_spec(spec)

    def _build_settings(self) -> QWidget:
        card = Card("Sparse autoencoder", "settings")
        card.setFixedWidth(304)
        self.presets = QComboBox()
        self.presets.setObjectName("preset")
        self.presets.setAccessibleName("Preset")
        self.presets.setToolTip("Settings that are known to give something worth seeing")
        self.presets.addItem("Preset…", "")
        for name, preset in PRESETS.items():
            self.presets.addItem(preset.title, name)
            self.presets.setItemData(
                self.presets.count() - 1, preset.teaches, Qt.ItemDataRole.ToolTipRole
            )
        self.presets.activated.connect(self._on_preset)
        formula = FormulaLabel("formula", "J = 1/(2N) Σ‖d−o‖² + λ/2 ΣW² + β Σ KL(ρ‖ρ̂)")
        formula.setToolTip(
            "Reconstruction + weight decay + sparsity; ρ with a hat is a unit's mean activation"
        )
        card.body.addWidget(formula)
        card.body.addWidget(self.presets)
        self.form = ParamForm(self.spec, SLIDERS)
        self.form.changed.connect(self._on_form)
        self.form.focused.connect(self._on_focused)
        card.body.addWidget(FadingScroll("settingsScroll", self.form), 1)
        inset = QFrame()
        inset.setObjectName("inset")
        inside = QVBoxLayout(inset)
        inside.setContentsMargins(10, 8, 10, 8)
        inside.setSpacing(2)
        self.explain_title = QLabel()
        self.explain_title.setProperty("heading", True)
        self.explain_title.setTextFormat(Qt.TextFormat.PlainText)
        self.explain_text = FormulaLabel("explain")
        inside.addWidget(self.explain_title)
        inside.addWidget(self.explain_text)
        card.body.addWidget(inset)
        return card

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

        self.right = TabbedCard(
            ["Reconstruction", "Unit"],
            "right",
            [
                "What goes in, what comes out, and the difference",
                "One hidden unit from all sides; click a filter to choose it",
            ],
        )
        self.reconstructions = MosaicView(
            "reconstructions",
            self._describe_error,
            "Patches, their reconstructions and what is left over",
        )
        self.reconstructions.set_scale("unit")
        self.reconstructions.empty_text = "Reconstructions appear when training begins"
        self.unit = UnitView()
        self.right.add_page(self.reconstructions)
        self.right.add_page(self.unit)
        self.right.on_page_changed(self._on_right_page)
        self.shown_set = ChoiceButton("shownSet", "Which patches are shown", SETS, self._on_set)
        self.right.add_tool(self.shown_set)

        self.cost_card = Card("Cost", "cost")
        self.cost = CostPlot(AutoencoderLearner.term_names)
        self.cost_card.body.addWidget(self.cost)
        for name, text, tip, on in (
            ("stacked", "bands", "Stack the terms to J, so that their shares are seen", False),
            ("each_step", "each step", "Shade from the least to the greatest step", False),
            ("log_x", "log x", "Logarithmic epochs", True),
            ("log_y", "log y", "Logarithmic cost", True),
        ):
            button = ToggleButton(f"cost_{name}", text, tip, self._option_setter(name))
            button.blockSignals(True)
            button.setChecked(on)
            button.blockSignals(False)
            self.cost_card.add_tool(button)

        self.units_card = TabbedCard(
            ["Mean activation", "Weights"],
            "units",
            [
                "How often each unit fires, against ρ; click a bar to open the unit",
                "How the weights are spread",
            ],
        )
        self.bars = UnitBars()
        self.bars.unit_clicked.connect(self.open_unit)
        self.histogram = HistogramPlot("weightHistogram", "weight", "count")
        self.units_card.add_page(self.bars)
        self.units_card.add_page(self.histogram)
        self.units_card.on_page_changed(lambda _page: self._read())

        top = QSplitter(Qt.Orientation.Horizontal)
        top.addWidget(self.filters_card)
        top.addWidget(self.right)
        bottom = QSplitter(Qt.Orientation.Horizontal)
        bottom.addWidget(self.cost_card)
        bottom.addWidget(self.units_card)
        for splitter in (top, bottom):
            splitter.setHandleWidth(10)
            splitter.setSizes([600, 480])
            splitter.setChildrenCollapsible(False)
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.setObjectName("pictures")
        whole.setHandleWidth(10)
        whole.setChildrenCollapsible(False)
        whole.addWidget(top)
        whole.addWidget(bottom)
        whole.setSizes([490, 250])
        whole.setStretchFactor(0, 2)
        whole.setStretchFactor(1, 1)
        self.scrub_bar = ScrubBar("autoencoder")
        self.curves = self.cost
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(whole, 1)
        layout.addWidget(self.scrub_bar)
        return column

    # --- what the person does

    def _on_preset(self, index: int) -> None:
        name = self.presets.itemData(index)
        if name:
            self.preset_chosen.emit(name)

    def _on_form(self, spec: AutoencoderSpec) -> None:
        self.spec = spec
        self.presets.setCurrentIndex(0)
        self._show_rows()
        self._explain()
        if self.training is None:
            self._show_first_weights()
        self.spec_changed.emit(spec)

    def _on_focused(self, name: str) -> None:
        self.explained = name
        self._explain()

    def _on_set(self, _which: str) -> None:
        self._read()

    def _on_right_page(self, page: int) -> None:
        self.shown_set.setVisible(page == 0)
        self._read()

    def _option_setter(self, name: str) -> Any:
        def set_option(on: bool) -> None:
            self.cost.set_options(**{name: on})

        return set_option

    def open_unit(self, unit: int) -> None:
        """Look at one hidden unit from all sides."""
        if self.weights is None or unit >= self.weights["W1"].shape[1]:
            return
        self.filters.select(unit)
        self.bars.select(unit)
        self.right.tabs[1].setText(f"Unit {unit}")
        self.unit.unit = unit
        self.right.show_page(1)
        self.explained = "unit"
        self._read()

    # --- what the sessions say

    def set_spec(self, spec: AutoencoderSpec) -> None:
        """Show other settings."""
        self.spec = spec
        self.form.set_spec(spec)
        self._show_rows()
        self._explain()
        if self.training is None and self.patches is not None:
            self._show_first_weights()

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        self.form.set_locked(locked)
        self.presets.setEnabled(not locked)

    def _show_rows(self) -> None:
        self.form.show_row("momentum", self.spec.solver in ("momentum", "nesterov"))
        self.form.show_row("learning_rate", self.spec.solver != "lbfgs")
        self.form.show_row("batch_size", self.spec.solver != "lbfgs")
        self.form.show_row("device", self.spec.engine == "torch")

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
            self.cost.set_curves(np.empty(0), np.empty((0, len(self.cost.term_names))), [], "epoch")
            self._show_first_weights()
        else:
            self._make_probe(training.data, training.spec.held_out)

    def _make_probe(self, patches: Patches, held_out: int) -> None:
        self.probe = Probe(patches, min(held_out, len(patches.x) - 1))
        if patches.fitted.spec.rescale:
            self._value_range = (0.1, 0.9)
        else:
            low, high = np.percentile(self.probe.x, (0.5, 99.5))
            self._value_range = (float(low), float(high))

    def _show_first_weights(self) -> None:
        """Show the noise from which training would begin."""
        self.filters.select(None)
        self.bars.select(None)
        self.right.show_page(0)
        self.right.tabs[1].setText("Unit")
        self.unit.unit = None
        if self.patches is None:
            self.weights = self.probe = None
            self.filters.set_tiles(None)
            self.reconstructions.set_bands(None)
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
        training, moment = self.training, self.moment
        if training is None or moment is None:
            self.cost.set_cursor(None)
            return
        rhythm = max(training.steps_per_epoch, 1)
        values, meaning = newest_cost(training, moment.snapshot.step)
        self.cost.set_cursor(moment.snapshot.step / rhythm, values, meaning)

    def _draw_filters(self) -> None:
        patches = self.seen_patches
        assert patches is not None
        self.filters.set_tiles(_tiles(patches, self.weights))

    def _draw_curves(self) -> None:
        training = self.training
        if training is None:
            return
        self._last_curves = time.monotonic()
        rhythm = max(training.steps_per_epoch, 1)
        marks = [
            Mark(
                (step + 1) / rhythm,
                change_text(self._parameters[change.name].hyper.symbol, change.old, change.new),
            )
            for step, change in training.history.moves()
        ]
        label = "iteration" if training.spec.solver == "lbfgs" else "epoch"
        newest, meaning = newest_cost(training)
        self.cost.set_curves(
            training.epochs(), training.history.terms, marks, label, newest, meaning
        )

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
            "which": self.shown_set.value if self.right.page == 0 else "",
            "count": SHOWN_PATCHES,
            "histogram": self.units_card.page == 1,
        }

    def _show_sight(self, sight: Sight) -> None:
        """Draw what a model does; the one way, for the newest weights and for older ones."""
        spec = self.seen_spec
        self.reading = sight.reading
        reading = self.reading
        frames = {int(unit): "bad" for unit in reading.dead}
        frames |= {int(unit): "warm" for unit in reading.saturated}
        self.filters.set_frames(frames)
        if self.units_card.page == 0:
            self.bars.set_values(reading.rho_hat, spec.rho, frames)
            self.units_card.note.setText(
                f"{len(reading.dead)} dead · {len(reading.saturated)} saturated"
            )
            self.units_card.note.setProperty("meaning", UNIT_MEANING)
            # Those that are there; the whole is in the tooltip.
            kinds = {"dead": len(reading.dead), "saturated": len(reading.saturated)}
            some = [f"{count} {kind}" for kind, count in kinds.items() if count]
            self.units_card.note.setProperty("short", some[0] if some else "0 dead")
        elif sight.counts is not None and sight.edges is not None:
            self.histogram.set_counts(sight.counts, sight.edges)
            self.units_card.note.setText("W1 and W2")
            self.units_card.note.setProperty("meaning", "")
        if self.right.page == 0:
            self._draw_reconstructions(sight)
        else:
            self._draw_unit()
        self._explain()

    def all_weights(self) -> NDArray[np.float32]:
        """Return the weights of both layers (2DL,), of which the histogram is."""
        assert self.weights is not None
        return np.concatenate([self.weights["W1"].ravel(), self.weights["W2"].ravel()])

    def _draw_reconstructions(self, sight: Sight) -> None:
        assert self.probe is not None
        rows, output = sight.rows, sight.output
        if rows is None or output is None:
            self.reconstructions.set_bands(None)
            self.reconstructions.empty_text = "Nothing is held out: set “Held out” before training"
            self.right.note.setText("")
            return
        low, high = self._value_range
        span = max(high - low, 1e-12)
        shape = (-1, *self.probe.image_shape)
        residual = rows - output
        reach = max(float(np.abs(residual).max(initial=0.0)), 1e-12)
        self.reconstructions.set_bands(
            [
                ((rows - low) / span).reshape(shape),
                ((output - low) / span).reshape(shape),
                (0.5 + 0.5 * residual / reach).reshape(shape),
            ],
            ("input", "output", "residual"),
        )
        self._errors = 0.5 * np.square(residual).sum(axis=1)
        self.right.note.setText(f"mean error {self._errors.mean():.3g}")
        self.right.note.setProperty("short", f"{self._errors.mean():.3g}")
        self.right.note.setProperty("meaning", ERROR_MEANING)

    def _draw_unit(self) -> None:
        patches = self.seen_patches
        if self.unit.unit is None or patches is None or self.probe is None:
            self.right.note.setText("click a filter")
            self.right.note.setProperty("short", "")
            self.right.note.setProperty("meaning", "")
            return
        self.right.note.setProperty("meaning", "")
        self.right.note.setProperty("short", "")
        self.right.note.setText(f"on {len(self.probe.x):,} patches".replace(",", " "))
        self.unit.show_unit(
            self.unit.unit,
            self.weights,
            patches,
            self.probe,
            self.seen_spec.rho,
            self._value_range,
        )

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

    def _describe_error(self, index: int) -> str:
        errors = getattr(self, "_errors", ())
        return f"½‖d − o‖² = {errors[index]:.3g}" if index < len(errors) else ""

    def _explain(self) -> None:
        source = self.seen_patches
        spec = self.spec
        moment = Moment(
            spec,
            self.weights,
            None if self.reading is None else self.reading.rho_hat,
            self.filters.selected,
            0 if source is None else len(source.x),
            0 if source is None else source.x.shape[1],
        )
        title, lines = explain(self.explained, moment)
        self.explain_title.setText(title)
        self.explain_text.set_text("\n".join(lines))


def _tiles(patches: Patches, weights: Any) -> NDArray[Any]:
    """Return the filters as pictures (L, C, H, W), as the patches are seen."""
    pixels = patches.fitted.to_pixels(weights["W1"])
    return pixels.T.reshape(-1, *patches.image_shape)
