"""One hidden unit up close: its filter, its decoder column, what excites it, how it fires."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from app.core.data.patches import Patches
from app.core.probe import Probe
from app.ui.widgets.bar_plots import HistogramPlot
from app.ui.widgets.card import quiet_label
from app.ui.widgets.mosaic_view import MosaicView

__all__ = ["UnitView"]

STRONGEST = 24
NO_BREAK = "\u00a0"


def _heading(text: str) -> QLabel:
    label = quiet_label(text)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return label


class UnitView(QWidget):
    """Shows one hidden unit of a model on a probe."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("unitView")
        self.unit: int | None = None
        self.encoder = MosaicView("unitFilter", label="Filter of the unit")
        self.decoder = MosaicView("unitDecoder", label="Decoder column of the unit")
        self.strongest = MosaicView(
            "unitStrongest", self._describe, "Patches that excite the unit most"
        )
        self.strongest.set_scale("unit")
        self.histogram = HistogramPlot("unitHistogram", "activation", "patches")
        self.numbers = QLabel()
        self.numbers.setObjectName("unitNumbers")
        self.numbers.setTextFormat(Qt.TextFormat.PlainText)
        # Wrapped rather than wider: the filters beside it must not move.
        self.numbers.setWordWrap(True)
        self.numbers.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._activations: NDArray[np.float32] = np.empty(0, np.float32)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        grid.addWidget(_heading("filter, W1"), 0, 0)
        grid.addWidget(_heading("decoder, W2"), 0, 1)
        grid.addWidget(self.encoder, 1, 0)
        grid.addWidget(self.decoder, 1, 1)
        grid.addWidget(self.numbers, 2, 0, 1, 2)
        grid.addWidget(_heading("patches that excite it most"), 3, 0)
        grid.addWidget(_heading("how strongly it fires"), 3, 1)
        grid.addWidget(self.strongest, 4, 0)
        grid.addWidget(self.histogram, 4, 1)
        for row, stretch in ((1, 3), (4, 4)):
            grid.setRowStretch(row, stretch)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)

    def show_unit(
        self,
        unit: int,
        weights: Mapping[str, NDArray[np.float32]],
        patches: Patches,
        probe: Probe,
        rho: float,
        value_range: tuple[float, float],
    ) -> None:
        """Show `unit` at `weights`; `value_range` of the rows becomes black … white."""
        if unit >= weights["W1"].shape[1]:
            return
        self.unit = unit
        shape = patches.image_shape
        filter_ = patches.fitted.to_pixels(weights["W1"][:, unit : unit + 1])[:, 0]
        reading = probe.read_unit(weights, unit, STRONGEST)
        self._activations = reading.activations[reading.strongest]
        low, high = value_range
        excited = (probe.x[reading.strongest] - low) / max(high - low, 1e-12)
        self.encoder.set_tiles(filter_.reshape(1, *shape))
        self.decoder.set_tiles(weights["W2"][unit].reshape(1, *shape))
        self.strongest.set_tiles(excited.reshape(-1, *shape))
        counts, edges = np.histogram(reading.activations, np.linspace(0, 1, 51))
        self.histogram.set_counts(counts, edges, mark=rho)
        weight = weights["W1"][:, unit]
        numbers = (
            f"‖w‖ {np.linalg.norm(weight):.3g}",
            f"w {weight.min():.2g} … {weight.max():.2g}",
            f"b {weights['b1'][unit]:.3g}",
            f"mean activation {reading.activations.mean():.3g}",
        )
        # A line breaks between two figures, never within one.
        whole = (number.replace("-", "−").replace(" ", NO_BREAK) for number in numbers)
        self.numbers.setText("    ".join(whole))

    def _describe(self, index: int) -> str:
        if index < len(self._activations):
            return f"activation {self._activations[index]:.3f}"
        return ""
