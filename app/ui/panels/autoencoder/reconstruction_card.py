"""What goes into an autoencoder and what comes out, or one of its units from all sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import pyqtSignal

from app.core.data.patches import Patches
from app.core.probe import Probe, Sight
from app.core.words import grouped
from app.ui.widgets.card import ChoiceButton, TabbedCard
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.unit_view import UnitView

__all__ = ["ReconstructionCard"]

SETS = {"spread": "training set", "worst": "worst", "held out": "held out"}
ERROR_MEANING = (
    "½‖d − o‖², the mean over the patches that are shown here; "
    "“reconstruction” below the cost is the same over the patches of training"
)


class ReconstructionCard(TabbedCard):
    """Patches, their reconstructions and what is left over; and the unit that was clicked.

    Signals
    -------
    wish_changed()
        Other patches, or the other page, are in sight and want to be drawn.
    """

    wish_changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(
            ["Reconstruction", "Unit"],
            "right",
            [
                "What goes in, what comes out, and the difference",
                "One hidden unit from all sides; click a filter to choose it",
            ],
        )
        self._probe: Probe | None = None
        self._patches: Patches | None = None
        self._value_range = (0.0, 1.0)
        self._errors = np.empty(0)
        self.reconstructions = MosaicView(
            "reconstructions",
            self._describe_error,
            "Patches, their reconstructions and what is left over",
        )
        self.reconstructions.set_scale("unit")
        self.reconstructions.empty_text = "Reconstructions appear when training begins"
        self.unit = UnitView()
        self.add_page(self.reconstructions)
        self.add_page(self.unit)
        self.on_page_changed(self._on_page)
        self.shown_set = ChoiceButton(
            "shownSet", "Which patches are shown", SETS, lambda _: self.wish_changed.emit()
        )
        self.add_tool(self.shown_set)

    @property
    def shown(self) -> str:
        """Which patches are shown; nothing while the unit is."""
        return self.shown_set.value if self.page == 0 else ""

    def set_probe(self, probe: Probe | None, patches: Patches | None) -> None:
        """Take the patches that a model is looked at with; None when there are none."""
        self._probe, self._patches = probe, patches
        if probe is None or patches is None:
            self.reconstructions.set_bands(None)
        elif patches.fitted.spec.rescale:
            self._value_range = (0.1, 0.9)
        else:
            low, high = np.percentile(probe.x, (0.5, 99.5))
            self._value_range = (float(low), float(high))

    def open_unit(self, unit: int) -> None:
        """Turn to one hidden unit."""
        self.tabs[1].setText(f"Unit {unit}")
        self.unit.unit = unit
        self.show_page(1)

    def forget_unit(self) -> None:
        """Turn to the reconstructions: the units are others now."""
        self.show_page(0)
        self.tabs[1].setText("Unit")
        self.unit.unit = None

    def show_sight(self, sight: Sight, weights: Any, rho: float) -> None:
        """Draw what is in sight of a model."""
        if self.page == 0:
            self._draw_reconstructions(sight)
        else:
            self._draw_unit(weights, rho)

    def _on_page(self, page: int) -> None:
        self.shown_set.setVisible(page == 0)
        self.wish_changed.emit()

    def _draw_reconstructions(self, sight: Sight) -> None:
        assert self._probe is not None
        rows, output = sight.rows, sight.output
        if rows is None or output is None:
            self.reconstructions.set_bands(None)
            self.reconstructions.empty_text = "Nothing is held out: set “Held out” before training"
            self.note.setText("")
            return
        low, high = self._value_range
        span = max(high - low, 1e-12)
        shape = (-1, *self._probe.image_shape)
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
        self.note.setText(f"mean error {self._errors.mean():.3g}")
        self.note.setProperty("short", f"{self._errors.mean():.3g}")
        self.note.setProperty("meaning", ERROR_MEANING)

    def _draw_unit(self, weights: Any, rho: float) -> None:
        self.note.setProperty("short", "")
        self.note.setProperty("meaning", "")
        if self.unit.unit is None or self._patches is None or self._probe is None:
            self.note.setText("click a filter")
            return
        self.note.setText(f"on {grouped(len(self._probe.x))} patches")
        self.unit.show_unit(
            self.unit.unit, weights, self._patches, self._probe, rho, self._value_range
        )

    def _describe_error(self, index: int) -> str:
        return f"½‖d − o‖² = {self._errors[index]:.3g}" if index < len(self._errors) else ""
