"""One image through the network, layer by layer, and the images to choose it from."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app.core.data.image_preprocess import FittedImages
from app.core.nn.layer_info import NetworkDescription
from app.core.nn.reading import Look, View
from app.ui.widgets.card import ChoiceButton, TabbedCard, elided_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.veil import Veil

__all__ = ["MapsCard", "pixels_of"]

SHOWN_IMAGES = 8  # of each class
MOST_CLASSES = 20
MOST_MAPS = 144
SIDE = 104  # width of the column beside the maps: an image of 32 pixels at three times its size
WIDEST_CHOICE = 160  # a row with its two numbers
LEAST_MAPS = 112  # what is left beside it of the card's width
FIRST_ROW = (0,)
VIEWS = {
    "maps": "maps",
    "saliency": "saliency",
    "cam": "Grad-CAM",
    "excites": "what excites it",
}
SHORT_VIEWS = {"excites": "excites"}
VIEW_TIPS = {
    "maps": "What the layer gives, a tile for each filter",
    "saliency": "Where a small change of a pixel changes the score of the likeliest class most",
    "cam": "Which places of the layer's maps speak for the likeliest class",
    "excites": "For each filter an image that it answers to most, found by climbing its slope from noise",
}


def pixels_of(data: FittedImages, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return images (n, C, H, W) of the set as 0 … 1."""
    pixels: NDArray[np.float32] = data.images.x[rows].astype(np.float32)
    pixels /= 255
    return pixels


class MapsCard(TabbedCard):
    """Feature maps of a chosen image; a page of images of each class.

    Signals
    -------
    look_wanted()
        Another image, another layer, or the page came into sight.
    """

    look_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(
            ["Maps", "Images"],
            "maps",
            [
                "What a layer makes of one image",
                "Some images of each class; click one to look at it",
            ],
        )
        self.data: FittedImages | None = None
        self.chosen = 0  # a row of the images
        self.dropped: NDArray[np.uint8] | None = None
        self._sample: NDArray[np.int64] = np.empty(0, np.int64)
        self.maps = MosaicView("featureMaps", self._describe_map, "Feature maps, a tile each")
        self.maps.empty_text = "Appear when training begins"
        self.samples = MosaicView("imageSamples", self._describe_sample, "Images of each class")
        self.samples.set_scale("unit")
        self.samples.empty_text = "No images are open"
        self.samples.tile_clicked.connect(self._on_sample)
        self.image = MosaicView("lookedAt", lambda _index: "", "The image that is looked at")
        self.image.set_scale("unit")
        self.image.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.image.setFixedSize(SIDE, SIDE)
        left = Qt.AlignmentFlag.AlignLeft
        self.true = elided_label("lookTrue", left)
        self.says = [elided_label(f"lookSays{place}", left) for place in range(3)]
        what = "Which layer's feature maps are shown"
        self.layer_choice = ChoiceBox("mapsLayer", what, what)
        self.layer_choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.layer_choice.setFixedWidth(SIDE)
        # Nothing to choose from yet; its place stays.
        policy = self.layer_choice.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.layer_choice.setSizePolicy(policy)
        self.layer_choice.hide()
        self.layer_choice.activated.connect(lambda _index: self.look_wanted.emit())
        self.view_choice = ChoiceButton(
            "mapsView", "How a layer is looked into", VIEWS, self._on_view, SHORT_VIEWS
        )
        for key, tip in VIEW_TIPS.items():
            self.view_choice.set_tip(key, tip)
        self.add_tool(self.view_choice)
        page = self._build_look()
        self.veil = Veil(page)
        self.add_page(page)
        self.add_page(self.samples)
        self.on_page_changed(self._on_page)

    def _build_look(self) -> QWidget:
        """Return the page: what is looked at and what it is called on the left, its maps beside."""
        page = QWidget()
        page.setObjectName("mapsPage")
        line = QHBoxLayout(page)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(10)
        side = QVBoxLayout()
        side.setSpacing(3)
        left = Qt.AlignmentFlag.AlignLeft
        side.addWidget(self.layer_choice, 0, left)
        side.addStretch(1)
        side.addWidget(self.image, 0, left)
        for label in (self.true, *self.says):
            side.addWidget(label)
        side.addStretch(1)
        line.addLayout(side)
        line.addWidget(self.maps, 1)
        return page

    def set_data(self, data: FittedImages | None) -> None:
        """Show images of each class; the maps wait for a network."""
        self.data, self.dropped = data, None
        self.maps.set_bands(None)
        if data is None:
            self.samples.set_tiles(None)
            self.note.setText("")
            return
        self._sample = _of_each_class(data.images.y, data.split.train, len(data.classes))
        self.samples.set_tiles(pixels_of(data, self._sample))
        rows = data.split.validation if len(data.split.validation) else data.split.train
        self.chosen = int(rows[0])
        self._say(None)

    def set_network(self, description: NetworkDescription) -> None:
        """Offer the rows of a network."""
        self.layer_choice.clear()
        for layer in description.layers:
            if len(layer.place) == 1 and not layer.error:
                text = f"{layer.place[0] + 1}  {layer.row.text.partition('(')[0]}"
                self.layer_choice.addItem(text, layer.place)
        self.layer_choice.setVisible(self.layer_choice.count() > 0)
        self._fit_choice()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: in a wide card the longest row can be read, in a narrow one maps come first."""
        super().resizeEvent(event)
        self._fit_choice()

    def _fit_choice(self) -> None:
        wanted = self.layer_choice.sizeHint().width() + 12
        room = self.contentsRect().width() - LEAST_MAPS
        self.layer_choice.setFixedWidth(max(SIDE, min(wanted, WIDEST_CHOICE, room)))

    def choose(self, row: int) -> None:
        """Look at one of the open images."""
        self.dropped, self.chosen = None, row
        self._turn_to_maps()

    def look_at(self, pixels: NDArray[np.uint8]) -> None:
        """Look at an image (C, H, W) from elsewhere."""
        self.dropped = pixels
        self._turn_to_maps()

    def show_map(self, index: int) -> None:
        """Choose the map that filter `index` of the first layer gives."""
        self.layer_choice.setCurrentIndex(0)
        self.maps.select(index)
        self._turn_to_maps()

    def _turn_to_maps(self) -> None:
        if not self.tabs[0].isEnabled():
            return
        if self.page == 0:
            self.look_wanted.emit()
        else:
            self.show_page(0)

    def wanted(
        self,
    ) -> tuple[NDArray[np.uint8] | NDArray[np.float32], tuple[int, ...], View] | None:
        """Return the image to be looked at, the row and the view, if maps are in sight."""
        if self.data is None or self.page != 0:
            return None
        pixels = self.dropped if self.dropped is not None else self.data.images.x[self.chosen]
        return pixels, self.layer_choice.currentData() or FIRST_ROW, self.view

    @property
    def view(self) -> View:
        """How what the layer makes of the image is seen."""
        return cast(View, self.view_choice.value)

    def _on_view(self, view: str) -> None:
        # All of the network counts for the saliency, whatever the layer.
        self.layer_choice.setEnabled(view != "saliency")
        self.maps.set_tiles(None)
        self.maps.empty_text = "Looking"
        self.maps.set_scale("unit" if view in ("saliency", "cam") else "own")
        self.look_wanted.emit()

    def set_look(self, look: Look) -> None:
        """Show what was seen."""
        if look.view != self.view or self.veil.isVisible():
            return
        self.maps.empty_text = "No layer up to this one gives maps"
        maps = look.maps
        if maps.ndim == 1:
            # Numbers in a row: a picture of as many cells, about square.
            side = int(np.ceil(np.sqrt(len(maps))))
            padded = np.full(side * side, maps.min(), np.float32)
            padded[: len(maps)] = maps
            maps = padded.reshape(1, side, side)
        self.maps.set_tiles(maps[:MOST_MAPS])
        self._say(look.probabilities if len(look.probabilities) else None)

    def _say(self, probabilities: NDArray[np.float64] | None) -> None:
        """Show the image, what it is and what the network says it is, the likeliest first."""
        data = self.data
        if data is None:
            return
        maps = self.tabs[0].isEnabled()
        choosing = self.page == 1 and maps
        self.note.setText("click one to see its maps" if choosing else "")
        self.note.setProperty("short", "click one" if choosing else "")
        if self.page == 0 and probabilities is not None and self.view in ("saliency", "cam"):
            self.note.setText(f"of “{data.classes[int(probabilities.argmax())]}”")
        pixels = self.dropped if self.dropped is not None else data.images.x[self.chosen]
        self.image.set_tiles(np.asarray(pixels, np.float32)[None] / 255)
        own = data.classes[data.images.y[self.chosen]]
        self.true.setText("your image" if self.dropped is not None else own)
        likely: list[int] = []
        if probabilities is not None:
            likely = np.argsort(-probabilities)[: len(self.says)].tolist()
        for label in self.says:
            label.setText("")
        for label, said in zip(self.says, likely, strict=False):
            assert probabilities is not None
            label.setText(f"{probabilities[said]:4.0%}  {data.classes[said]}")
            told = f"The network says {data.classes[said]}: {probabilities[said]:.1%}"
            label.setProperty("meaning", told)

    def _on_sample(self, index: int) -> None:
        self.choose(int(self._sample[index]))

    def _on_page(self, page: int) -> None:
        self.view_choice.setVisible(page == 0)
        self._say(None)
        if page == 0:
            self.look_wanted.emit()

    def _describe_map(self, index: int) -> str:
        layer = self.layer_choice.currentText()
        if self.view == "excites":
            return f"what map {index} of {layer} answers to most"
        if self.view == "maps":
            return f"map {index} of {layer}"
        where = "where the score changes most" if self.view == "saliency" else "what speaks for it"
        return where if index == 0 else f"{where}, lit in the image"

    def _describe_sample(self, index: int) -> str:
        if self.data is None or index >= len(self._sample):
            return ""
        row = self._sample[index]
        return f"image {row}: {self.data.classes[self.data.images.y[row]]}"


def _of_each_class(
    labels: NDArray[np.int64], rows: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return the first few of `rows` of each class, class after class."""
    found = [
        rows[labels[rows] == number][:SHOWN_IMAGES] for number in range(min(classes, MOST_CLASSES))
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)
