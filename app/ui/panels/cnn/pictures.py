"""The cards at the right of the CNN lab: what the network sees, says and learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.core.data.image_preprocess import FittedImages
from app.core.events import Evaluated, Snapshot
from app.core.nn.reading import first_filters
from app.core.predictions import Predictions
from app.ui.panels.cnn.answers_cards import ConfusionCard, MistakesCard
from app.ui.panels.cnn.loss_card import LossCard
from app.ui.panels.cnn.maps_card import MapsCard
from app.ui.widgets.accuracy_plot import AccuracyPlot
from app.ui.widgets.card import Card, ChoiceButton
from app.ui.widgets.layer_list import shape_text
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.scrub_bar import ScrubBar
from app.ui.widgets.splitters import one_below_another, side_by_side
from app.ui.widgets.veil import Veil

__all__ = ["NOT_KEPT", "Pictures"]

SCALES = {"own": "own scale", "common": "common scale"}
# Why some pages are not there for a file of the person's.
OWN_MODEL = "Your own network is asked as a whole: what its layers give, it alone knows"
NOT_KEPT = (
    "Of so large a network only the smaller arrays are kept of each moment. "
    "With more room for Keyframes, set before training, all are."
)


class Pictures(QWidget):
    """Six cards in two rows above the scrub bar.

    Attributes
    ----------
    weights : mapping or None
        Those whose filters are seen.
    veils : list of Veil
        Over what needs all weights of the network, which are not kept of every moment.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: Any = None
        self.filters_card = Card("Filters  W₁", "cnnFilters")
        self.filters = MosaicView(
            "cnnFilters", self._describe_filter, "Filters of the first layer, a tile each"
        )
        self.filters_card.body.addWidget(self.filters)
        self.filters_card.add_tool(
            ChoiceButton(
                "cnnFilterScale", "How weights become colours", SCALES, self.filters.set_scale
            )
        )
        self.maps_card = MapsCard()
        self.confusion_card = ConfusionCard()
        self.loss_card = LossCard()
        self.accuracy_card = Card("Accuracy", "accuracy")
        self.accuracy = AccuracyPlot()
        self.accuracy_card.body.addWidget(self.accuracy)
        self.mistakes_card = MistakesCard()
        self.filters.tile_clicked.connect(self._on_filter)
        self.maps_card.maps.tile_clicked.connect(self._on_map)
        self.confusion_card.image_chosen.connect(self.maps_card.choose)
        self.mistakes_card.image_chosen.connect(self.maps_card.choose)
        self._tips = self.maps_card.tabs[0].toolTip(), self.loss_card.tabs[1].toolTip()
        self.scrub_bar = ScrubBar("cnn")
        self.veils = [
            Veil(card)
            for card in (self.confusion_card, self.mistakes_card, self.loss_card.behaviour)
        ]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self._build_rows(), 1)
        layout.addWidget(self.scrub_bar)

    def _build_rows(self) -> QSplitter:
        # The least width is said here and not asked of what is in a card: else cards would move
        # whenever a figure in them gets longer. In the smallest window all of them have just these.
        for card, least in (
            (self.filters_card, 203),
            (self.maps_card, 240),
            (self.confusion_card, 163),
            (self.loss_card, 220),
            (self.accuracy_card, 180),
            (self.mistakes_card, 206),
        ):
            card.setMinimumWidth(least)
        top = side_by_side({self.filters_card: 370, self.maps_card: 420, self.confusion_card: 300})
        bottom = side_by_side(
            {self.loss_card: 420, self.accuracy_card: 340, self.mistakes_card: 330}
        )
        return one_below_another({top: 440, bottom: 300}, "cnnPictures", stretch=(1,))

    def _on_filter(self, index: int) -> None:
        self.maps_card.show_map(index)

    def _on_map(self, index: int) -> None:
        # Maps that the first filters gave, one each, also after their ReLU and pool.
        if self.maps_card.maps.count == self.filters.count:
            self.filters.select(index)

    def _describe_filter(self, index: int) -> str:
        filters = first_filters(self.weights) if self.weights is not None else None
        if filters is None or index >= len(filters):
            return ""
        norm = float(np.linalg.norm(filters[index]))
        return f"filter {index}: ‖w‖ {norm:.3g}\nclick to see its map"

    # --- what is shown

    def show_possible(self, own: bool) -> None:
        """Offer what can be seen: of a person's own network, what its layers give is not known."""
        for card, page, tip in zip(
            (self.maps_card, self.loss_card), (0, 1), self._tips, strict=True
        ):
            card.tabs[page].setEnabled(not own)
            card.tabs[page].setToolTip(OWN_MODEL if own else tip)
            if own and card.page == page:
                card.show_page(1 - page)

    def clear(self, data: FittedImages | None) -> None:
        """Show `data`, and what there is before the first step."""
        self.weights = None
        self.filters.empty_text = "Press Train"
        self.filters.set_tiles(None)
        self.filters_card.note.setText("")
        self.set_answers(None, data)
        self.maps_card.set_data(data)

    def set_answers(
        self, answers: Predictions | None, data: FittedImages | None, step: int = 0
    ) -> None:
        """Show what the network says after `step`; None for nothing yet."""
        for card in (self.confusion_card, self.mistakes_card):
            card.set_answers(answers, data, step)

    def set_snapshot(self, snapshot: Snapshot) -> None:
        """Show other weights."""
        self.weights = snapshot.weights
        filters = first_filters(self.weights)
        self.filters.empty_text = "The first layer is no convolution of the image"
        self.filters.set_tiles(filters)
        if filters is not None:
            self.filters_card.note.setText(shape_text(filters.shape).replace(" ", ""))
        self.loss_card.set_snapshot(snapshot)

    def set_evaluations(self, evaluations: Sequence[Evaluated], data: FittedImages | None) -> None:
        """Draw the accuracies."""

        def values(name: str) -> NDArray[np.float64]:
            found = [getattr(event, name) for event in evaluations]
            return np.array([np.nan if value is None else value for value in found], np.float64)

        self.accuracy.set_values(
            values("epoch"),
            values("train_accuracy"),
            values("validation_accuracy"),
            0 if data is None else len(data.classes),
        )

    def place_cursor(self, epoch: float | None) -> None:
        """Mark the moment that is seen in the curves; None for the newest."""
        self.loss_card.plot.set_cursor(epoch)
        self.accuracy.set_cursor(epoch)

    def veil(self, words: str) -> None:
        """Say why what needs all weights is not seen; empty lifts the veils."""
        for veil in self.veils:
            veil.say(words)
