"""The CNN lab: layers and images on the left, what the network sees and says, curves below."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QFrame,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.core.events import Evaluated, Snapshot
from app.core.nn.network import TERM_NAMES
from app.core.nn.reading import first_filters
from app.core.params import describe
from app.core.predictions import Predictions
from app.core.presets import CNN_PRESETS
from app.core.specs import ConvNetSpec
from app.ui.image_session import ImageSession
from app.ui.panels.cnn.images_page import ImagesPage
from app.ui.param_form import ParamForm
from app.ui.reading_session import Reading, ReadingSession, Wish
from app.ui.training_session import Training
from app.ui.widgets.accuracy_plot import AccuracyPlot
from app.ui.widgets.card import Card, ChoiceButton, TabbedCard, ToggleButton, quiet_label
from app.ui.widgets.confusion_view import ConfusionView
from app.ui.widgets.cost_plot import CostPlot, Mark, change_text
from app.ui.widgets.layer_behaviour import KINDS, LayerBehaviour
from app.ui.widgets.layer_list import LayerList, shape_text
from app.ui.widgets.mosaic_view import MosaicView

__all__ = ["CnnPanel"]

# The looks at one image follow the weights; what asks about many images comes less often, and
# takes at most this share of the time.
LOOK_SECONDS = 0.2
CURVES_SECONDS = 0.15
BEHAVIOUR_SECONDS = 1.0
SHARE = 0.08

SCALES = {"own": "own scale", "common": "common scale"}
SLIDERS = ("learning_rate", "reg", "dropout")
SHOWN_MISTAKES = 40
SHOWN_IMAGES = 8  # of each class
MOST_MAPS = 144

FIRST_ROW = (0,)
# What a snapshot calls the slopes of a parameter.
GRADIENT = "gradient "


class CnnPanel(QWidget):
    """Everything about one convolutional network.

    Signals
    -------
    spec_changed(object)
        The person chose other settings.
    preset_chosen(str)
        The person chose a preset by name.
    test_wanted()
        The person wants the test accuracy.
    """

    spec_changed = pyqtSignal(object)
    preset_chosen = pyqtSignal(str)
    test_wanted = pyqtSignal()

    def __init__(self, spec: ConvNetSpec, images: ImageSession, readings: ReadingSession) -> None:
        super().__init__()
        self.setObjectName("cnnPanel")
        self.spec, self.images, self.readings = spec, images, readings
        self.training: Training | None = None
        self.weights: Any = None
        self.answers: Predictions | None = None
        self.chosen = 0  # a row of the images
        self.dropped: NDArray[np.uint8] | None = None
        self.cell: tuple[int, int] | None = None
        self._parameters = {parameter.name: parameter for parameter in describe(ConvNetSpec)}
        self._last_curves = self._last_look = self._last_behaviour = 0.0
        self._next_answers = 0.0
        self._evaluations_seen = -1
        self._mistakes: NDArray[np.intp] = np.empty(0, np.intp)
        self._cell_images: NDArray[np.intp] = np.empty(0, np.intp)
        self._sample: NDArray[np.int64] = np.empty(0, np.int64)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        whole = QSplitter(Qt.Orientation.Horizontal)
        whole.setHandleWidth(10)
        whole.setChildrenCollapsible(False)
        whole.addWidget(self._build_settings())
        whole.addWidget(self._build_pictures())
        whole.setSizes([336, 1040])
        whole.setStretchFactor(0, 0)
        whole.setStretchFactor(1, 1)
        layout.addWidget(whole)
        readings.read.connect(self._on_read)
        self.layers.set_layers(spec.layers)
        self._show_rows()

    # --- building

    def _build_settings(self) -> QWidget:
        card = TabbedCard(["Network", "Images"], "cnnSettings")
        card.setMinimumWidth(320)
        card.setMaximumWidth(460)
        self.settings_card = card
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.layers = LayerList()
        self.layers.layers_changed.connect(self._on_layers)
        self.presets = QComboBox()
        self.presets.setObjectName("cnnPresets")
        self.presets.setAccessibleName("Preset")
        self.presets.setToolTip("Settings that are known to give something worth seeing")
        self.presets.addItem("Preset…", "")
        for name, preset in CNN_PRESETS.items():
            self.presets.addItem(preset.title, name)
            self.presets.setItemData(
                self.presets.count() - 1, preset.teaches, Qt.ItemDataRole.ToolTipRole
            )
        self.presets.activated.connect(self._on_preset)
        column.addWidget(self.presets)
        column.addWidget(self.layers, 2)
        self.form = ParamForm(self.spec, SLIDERS, hidden=("layers",))
        self.form.changed.connect(self._on_form)
        scroll = QScrollArea()
        scroll.setObjectName("cnnSettingsScroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(self.form)
        column.addWidget(scroll, 3)
        card.add_page(page)
        self.images_page = ImagesPage(self.images)
        card.add_page(self.images_page)
        return card

    def _build_pictures(self) -> QWidget:
        self.filters_card = Card("First-layer filters", "cnnFilters")
        self.filters = MosaicView("cnnFilters", self._describe_filter)
        self.filters.empty_text = "The first layer is no convolution"
        self.filters.tile_clicked.connect(self._on_filter)
        self.filters_card.body.addWidget(self.filters)
        self.filters_card.add_tool(
            ChoiceButton(
                "cnnFilterScale", "How weights become colours", SCALES, self.filters.set_scale
            )
        )

        self.maps_card = TabbedCard(["Feature maps", "Images"], "maps")
        self.maps = MosaicView("featureMaps", self._describe_map)
        self.maps.empty_text = "Choose an image"
        self.samples = MosaicView("imageSamples", self._describe_sample)
        self.samples.set_scale("unit")
        self.samples.empty_text = "No images are open"
        self.samples.tile_clicked.connect(self._on_sample)
        self.maps_card.add_page(self.maps)
        self.maps_card.add_page(self.samples)
        self.maps_card.on_page_changed(self._on_maps_page)
        self.layer_choice = QComboBox()
        self.layer_choice.setObjectName("mapsLayer")
        self.layer_choice.setAccessibleName("Which layer's feature maps are shown")
        self.layer_choice.setToolTip("Which layer's feature maps are shown")
        self.layer_choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.layer_choice.activated.connect(lambda _index: self._look())
        self.maps_card.add_tool(self.layer_choice)

        self.confusion_card = TabbedCard(["Confusion", "Cell"], "confusion")
        self.confusion = ConfusionView()
        self.confusion.cell_clicked.connect(self._on_cell)
        self.cell_images = MosaicView("cellImages", self._describe_cell_image)
        self.cell_images.set_scale("unit")
        self.cell_images.empty_text = "Choose a cell of the matrix"
        self.cell_images.tile_clicked.connect(self._on_cell_image)
        self.confusion_card.add_page(self.confusion)
        self.confusion_card.add_page(self.cell_images)
        self.confusion_card.on_page_changed(lambda _page: self._note_cell())

        self.loss_card = TabbedCard(["Loss", "Layers"], "loss")
        self.loss = CostPlot(TERM_NAMES, "loss")
        self.loss.setObjectName("lossPlot")
        self.behaviour = LayerBehaviour()
        self.loss_card.add_page(self.loss)
        self.loss_card.add_page(self.behaviour)
        self.loss_card.on_page_changed(self._on_loss_page)
        self._loss_tools: list[QWidget] = []
        for name, text, tip, on in (
            ("smooth", "smooth", "A running mean, with every step behind it", True),
            ("log_x", "log x", "Logarithmic epochs", False),
            ("log_y", "log y", "Logarithmic loss", False),
        ):
            button = ToggleButton(f"loss_{name}", text, tip, self._option_setter(name))
            button.blockSignals(True)
            button.setChecked(on)
            button.blockSignals(False)
            self.loss.set_options(**{name: on})
            self.loss_card.add_tool(button)
            self._loss_tools.append(button)
        self.kind = ChoiceButton(
            "behaviourKind", "What the histogram is of", KINDS, self.behaviour.set_kind
        )
        self.kind.hide()
        self.loss_card.add_tool(self.kind)

        self.accuracy_card = Card("Accuracy", "accuracy")
        self.accuracy = AccuracyPlot()
        self.accuracy_card.body.addWidget(self.accuracy)

        self.mistakes_card = TabbedCard(["Worst mistakes", "Test"], "mistakes")
        self.mistakes = MosaicView("worstMistakes", self._describe_mistake)
        self.mistakes.set_scale("unit")
        self.mistakes.empty_text = "Appear with the first validation"
        self.mistakes.tile_clicked.connect(self._on_mistake)
        self.mistakes_card.add_page(self.mistakes)
        self.mistakes_card.add_page(self._build_test())

        top = QSplitter(Qt.Orientation.Horizontal)
        for card in (self.filters_card, self.maps_card, self.confusion_card):
            top.addWidget(card)
        top.setSizes([370, 420, 300])
        bottom = QSplitter(Qt.Orientation.Horizontal)
        for card in (self.loss_card, self.accuracy_card, self.mistakes_card):
            bottom.addWidget(card)
        bottom.setSizes([420, 340, 330])
        for splitter in (top, bottom):
            splitter.setHandleWidth(10)
            splitter.setChildrenCollapsible(False)
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.setObjectName("cnnPictures")
        whole.setHandleWidth(10)
        whole.setChildrenCollapsible(False)
        whole.addWidget(top)
        whole.addWidget(bottom)
        whole.setSizes([440, 300])
        whole.setStretchFactor(0, 1)
        return whole

    def _build_test(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        self.test_text = quiet_label(name="testText")
        self.test_text.setWordWrap(True)
        self.test_button = QPushButton("Ask the test images")
        self.test_button.setObjectName("testButton")
        self.test_button.setAccessibleName("Ask the test images")
        self.test_button.setToolTip(
            "Measures the best model on images that played no part; it counts only the first time"
        )
        self.test_button.clicked.connect(self.test_wanted)
        column.addWidget(self.test_text)
        column.addWidget(self.test_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        self.set_test(None)
        return page

    # --- what the person does

    def _on_preset(self, index: int) -> None:
        name = self.presets.itemData(index)
        if name:
            self.preset_chosen.emit(name)

    def _on_layers(self, text: str) -> None:
        self._take(self.spec.changed(layers=text))
        self.form.set_spec(self.spec)

    def _on_form(self, spec: ConvNetSpec) -> None:
        self._take(spec)

    def _take(self, spec: ConvNetSpec) -> None:
        self.spec = spec
        self.presets.setCurrentIndex(0)
        self._show_rows()
        self.spec_changed.emit(spec)

    def _option_setter(self, name: str) -> Any:
        def set_option(on: bool) -> None:
            self.loss.set_options(**{name: on})

        return set_option

    def _on_filter(self, index: int) -> None:
        """Show the map that the filter gives."""
        self.layer_choice.setCurrentIndex(0)
        self.maps_card.show_page(0)
        self.maps.select(index)
        self._look()

    def _on_sample(self, index: int) -> None:
        self.choose_image(int(self._sample[index]))

    def _on_mistake(self, index: int) -> None:
        if self.answers is not None:
            self.choose_image(int(self.answers.rows[self._mistakes[index]]))

    def _on_cell_image(self, index: int) -> None:
        if self.answers is not None:
            self.choose_image(int(self.answers.rows[self._cell_images[index]]))

    def _on_cell(self, true: int, said: int) -> None:
        self.cell = true, said
        self._draw_cell()
        self.confusion_card.show_page(1)

    def _on_maps_page(self, page: int) -> None:
        self.layer_choice.setVisible(page == 0)
        self._note_maps()
        self._look()

    def _on_loss_page(self, page: int) -> None:
        for button in self._loss_tools:
            button.setVisible(page == 0)
        self.kind.setVisible(page == 1)
        self._read_behaviour()

    def choose_image(self, row: int) -> None:
        """Look at one of the open images."""
        self.dropped, self.chosen = None, row
        self.maps_card.show_page(0)
        self._look()

    def look_at(self, pixels: NDArray[np.uint8]) -> None:
        """Look at an image (C, H, W) from elsewhere."""
        self.dropped = pixels
        self.maps_card.show_page(0)
        self._look()

    # --- what the sessions say

    def set_spec(self, spec: ConvNetSpec) -> None:
        """Show other settings."""
        self.spec = spec
        self.form.set_spec(spec)
        self.layers.set_layers(spec.layers)
        self._show_rows()

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        self.form.set_locked(locked)
        self.layers.set_locked(locked)
        self.presets.setEnabled(not locked)
        self.images_page.set_locked(locked)

    def _show_rows(self) -> None:
        spec = self.spec
        self.form.show_row("momentum", spec.solver in ("momentum", "nesterov"))
        self.form.show_row("learning_rate", spec.solver != "lbfgs")
        self.form.show_row("batch_size", spec.solver != "lbfgs")
        self.form.show_row("weight_scale", spec.initialisation == "normal")
        self.form.show_row("rate_decay", spec.schedule in ("decay", "step"))
        self.form.show_row("step_epochs", spec.schedule == "step")
        self.form.show_row("warmup", spec.schedule in ("cosine", "one_cycle"))
        description = self.layers.description
        if description is not None and description.error is None:
            count = f"{description.parameter_count:,}".replace(",", " ")
            self.settings_card.note.setText(f"{count} weights")

    @property
    def seen_data(self) -> Any:
        """The images of the network in sight."""
        return self.training.data if self.training is not None else self.images.fitted

    def set_images(self) -> None:
        """Other images are open, or are prepared in another way."""
        self.images_page.refresh()
        fitted = self.images.fitted
        if fitted is not None:
            self.layers.set_input(fitted.images.shape, len(fitted.classes))
            self._show_rows()
        if self.training is None:
            self._show_data()

    def set_training(self, training: Training | None) -> None:
        """Another training is the one to be seen; None forgets the last."""
        if training is self.training and training is not None:
            return
        self.training = training
        self._evaluations_seen = -1
        self._next_answers = 0.0
        self.loss.set_curves(np.empty(0), np.empty((0, len(TERM_NAMES))), [], "epoch")
        self._draw_accuracy([])
        self.set_test(None)
        self._show_data()

    def _show_data(self) -> None:
        """Show what there is before the first step."""
        data = self.seen_data
        spec = self.training.spec if self.training is not None else self.spec
        self.weights = self.answers = None
        self._mistakes = self._cell_images = np.empty(0, np.intp)
        self.dropped, self.cell = None, None
        self.readings.set_network(data, spec)
        self.filters.set_tiles(None)
        self.filters.empty_text = "Press Train"
        self.maps.set_bands(None)
        self.mistakes.set_tiles(None)
        self.cell_images.set_tiles(None)
        self.confusion.set_counts(None, ())
        self.mistakes_card.note.setText("")
        if data is None:
            self.samples.set_tiles(None)
            return
        self._sample = _of_each_class(data.images.y, data.split.train, len(data.classes))
        self.samples.set_tiles(self._pixels(self._sample))
        rows = data.split.validation if len(data.split.validation) else data.split.train
        self.chosen = int(rows[0])
        if self.training is None:
            self.maps_card.show_page(1)
        self._note_maps()
        self._fill_layers()

    def _fill_layers(self) -> None:
        """Offer the rows of the network that is in sight."""
        description = self.layers.description
        self.layer_choice.clear()
        if description is None:
            return
        for layer in description.layers:
            if len(layer.place) == 1 and not layer.error:
                place = layer.place[0] + 1
                self.layer_choice.addItem(
                    f"{place}  {layer.row.text.partition('(')[0]}", layer.place
                )

    def _pixels(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return images of the set in sight as 0 … 1."""
        return np.asarray(self.seen_data.images.x[rows], np.float32) / 255

    def tick(self, snapshot: Snapshot | None, grew: bool) -> None:
        """There is news of the training; draw what is due."""
        training = self.training
        if training is None:
            return
        now = time.monotonic()
        if snapshot is not None:
            self._take_snapshot(snapshot)
        if grew and now - self._last_curves >= CURVES_SECONDS:
            self._draw_curves()
        if snapshot is None and not grew:
            return
        if now - self._last_look >= LOOK_SECONDS:
            self._look()
        if now - self._last_behaviour >= BEHAVIOUR_SECONDS:
            self._read_behaviour()
        seen = len(training.history.evaluations)
        if seen != self._evaluations_seen and now >= self._next_answers:
            self._evaluations_seen = seen
            self._want(Wish(answers=True))

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        self.weights = snapshot.weights
        self._draw_filters()
        gradients = {
            name.removeprefix(GRADIENT): values
            for name, values in snapshot.statistics.items()
            if name.startswith(GRADIENT)
        }
        self.behaviour.set_values(self.weights, gradients)

    def refresh(self) -> None:
        """Draw everything as it stands now, whatever was drawn last."""
        training = self.training
        if training is None or training.snapshot is None:
            return
        self._take_snapshot(training.snapshot)
        self._draw_curves()
        self._evaluations_seen = len(training.history.evaluations)
        self._want(Wish(answers=True))
        self._look()
        self._read_behaviour()

    def set_test(self, accuracy: float | None, *, times: int = 0, count: int = 0) -> None:
        """Show the test accuracy, and how often it was asked for."""
        if accuracy is None:
            self.test_text.setText(
                "The test images play no part until you ask. Choose by validation, then ask once: "
                "whoever chooses by the test only fools themselves."
            )
            self.mistakes_card.tabs[1].setText("Test")
            return
        often = (
            "the first time" if times <= 1 else f"the {times}th time: no longer an honest figure"
        )
        self.test_text.setText(
            f"{100 * accuracy:.2f} % of {count:,} test images, asked {often}. "
            "Of the weights with the best validation.".replace(",", " ", 1)
        )
        self.mistakes_card.tabs[1].setText(f"Test {100 * accuracy:.1f} %")

    # --- reading

    def _want(self, wish: Wish) -> None:
        if self.weights is not None:
            self.readings.want(self.weights, wish)

    def _look(self) -> None:
        data = self.seen_data
        if data is None or self.maps_card.page != 0:
            return
        self._last_look = time.monotonic()
        pixels = self.dropped if self.dropped is not None else data.images.x[self.chosen]
        place = self.layer_choice.currentData() or FIRST_ROW
        self._want(Wish(look=(pixels, place)))

    def _read_behaviour(self) -> None:
        if self.loss_card.page == 1:
            self._last_behaviour = time.monotonic()
            self._want(Wish(behaviour=True))

    def _on_read(self, reading: Reading) -> None:
        if reading.look is not None:
            self._draw_maps(reading.look.maps, reading.look.probabilities)
        if reading.behaviour is not None:
            self.behaviour.set_readings(reading.behaviour)
        if reading.answers is not None:
            self._next_answers = time.monotonic() + reading.seconds / SHARE
            self.answers = reading.answers
            self._draw_answers()

    # --- drawing

    def _draw_filters(self) -> None:
        filters = first_filters(self.weights)
        self.filters.empty_text = "The first layer is no convolution of the image"
        self.filters.set_tiles(filters)
        if filters is not None:
            self.filters_card.note.setText(f"{len(filters)} of {shape_text(filters.shape[1:])}")

    def _draw_curves(self) -> None:
        training = self.training
        if training is None:
            return
        self._last_curves = time.monotonic()
        rhythm = max(training.steps_per_epoch, 1)
        marks = [
            Mark(
                (step + 1) / rhythm,
                change_text(
                    self._parameters[change.name].hyper.symbol or change.name,
                    change.old,
                    change.new,
                ),
            )
            for step, change in training.history.changes
        ]
        label = "iteration" if training.spec.solver == "lbfgs" else "epoch"
        self.loss.set_curves(training.epochs(), training.history.terms, marks, label)
        self._draw_accuracy(training.history.evaluations)

    def _draw_accuracy(self, evaluations: list[Evaluated]) -> None:
        def values(name: str) -> NDArray[np.float64]:
            found = [getattr(event, name) for event in evaluations]
            return np.array([np.nan if value is None else value for value in found], np.float64)

        data = self.seen_data
        self.accuracy.set_values(
            values("epoch"),
            values("train_accuracy"),
            values("validation_accuracy"),
            0 if data is None else len(data.classes),
        )

    def _draw_maps(self, maps: NDArray[np.float32], probabilities: NDArray[np.float64]) -> None:
        if maps.ndim == 1:
            # Numbers in a row: a picture of as many cells, about square.
            side = int(np.ceil(np.sqrt(len(maps))))
            padded = np.full(side * side, maps.min(), np.float32)
            padded[: len(maps)] = maps
            maps = padded.reshape(1, side, side)
        self.maps.set_tiles(maps[:MOST_MAPS])
        self._note_maps(probabilities)

    def _note_maps(self, probabilities: NDArray[np.float64] | None = None) -> None:
        data = self.seen_data
        if data is None:
            self.maps_card.note.setText("")
        elif self.maps_card.page == 1:
            self.maps_card.note.setText("click one to see its maps")
        elif probabilities is not None:
            said = int(probabilities.argmax())
            true = (
                "your image"
                if self.dropped is not None
                else data.classes[data.images.y[self.chosen]]
            )
            self.maps_card.note.setText(f"{true} → {data.classes[said]} {probabilities[said]:.0%}")

    def _draw_answers(self) -> None:
        answers, data = self.answers, self.seen_data
        if answers is None or data is None:
            return
        self.confusion.set_counts(answers.confusion(), data.classes)
        self._mistakes = answers.mistakes()[:SHOWN_MISTAKES]
        self.mistakes.empty_text = "No mistake is left"
        rows = answers.rows[self._mistakes]
        self.mistakes.set_tiles(self._pixels(rows) if len(rows) else None)
        if self.mistakes_card.page == 0:
            wrong = int((answers.said != answers.labels).sum())
            self.mistakes_card.note.setText(f"{wrong} of {len(answers.labels)} wrong")
        self._draw_cell()

    def _draw_cell(self) -> None:
        answers = self.answers
        if answers is None or self.cell is None:
            return
        self._cell_images = answers.cell(*self.cell)[:100]
        rows = answers.rows[self._cell_images]
        self.cell_images.empty_text = "No image in this cell"
        self.cell_images.set_tiles(self._pixels(rows) if len(rows) else None)
        self._note_cell()

    def _note_cell(self) -> None:
        data = self.seen_data
        if self.confusion_card.page == 1 and self.cell is not None and data is not None:
            true, said = (data.classes[index] for index in self.cell)
            self.confusion_card.note.setText(f"{true} → {said}")
        elif self.answers is not None:
            self.confusion_card.note.setText(f"{len(self.answers.labels)} images")

    # --- words for tiles

    def _describe_filter(self, index: int) -> str:
        filters = first_filters(self.weights) if self.weights is not None else None
        if filters is None or index >= len(filters):
            return ""
        norm = float(np.linalg.norm(filters[index]))
        return f"filter {index}: ‖w‖ {norm:.3g}\nclick to see its map"

    def _describe_map(self, index: int) -> str:
        return f"map {index} of {self.layer_choice.currentText()}"

    def _describe_sample(self, index: int) -> str:
        data = self.seen_data
        if data is None or index >= len(self._sample):
            return ""
        row = self._sample[index]
        return f"image {row}: {data.classes[data.images.y[row]]}"

    def _describe_answer(self, place: int) -> str:
        answers, data = self.answers, self.seen_data
        if answers is None or data is None:
            return ""
        true, said = data.classes[answers.labels[place]], data.classes[answers.said[place]]
        sure = answers.probabilities[place, answers.said[place]]
        return f"{true}, called {said} ({sure:.0%})\nclick to see its maps"

    def _describe_mistake(self, index: int) -> str:
        return (
            self._describe_answer(int(self._mistakes[index])) if index < len(self._mistakes) else ""
        )

    def _describe_cell_image(self, index: int) -> str:
        known = index < len(self._cell_images)
        return self._describe_answer(int(self._cell_images[index])) if known else ""


def _of_each_class(
    labels: NDArray[np.int64], rows: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return the first few of `rows` of each class, class after class."""
    found = [rows[labels[rows] == number][:SHOWN_IMAGES] for number in range(min(classes, 20))]
    return np.concatenate(found) if found else np.empty(0, np.int64)
