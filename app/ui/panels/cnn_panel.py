"""The CNN lab: layers and images on the left, what the network sees and says, curves below."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.core.events import Evaluated, Snapshot
from app.core.learners.own_model import OwnModelLearner
from app.core.nn.description import describe_network, first_without
from app.core.nn.reading import first_filters
from app.core.one_training import Training
from app.core.own_model.file import ModelFile
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec
from app.ui.image_session import ImageSession
from app.ui.moment import Moment, See
from app.ui.panels.cnn.answers_cards import ConfusionCard, MistakesCard
from app.ui.panels.cnn.images_page import ImagesPage
from app.ui.panels.cnn.loss_card import LossCard
from app.ui.panels.cnn.maps_card import MapsCard
from app.ui.panels.cnn.network_page import NetworkPage
from app.ui.reading_session import Reading, ReadingSession, Wish
from app.ui.widgets.accuracy_plot import AccuracyPlot
from app.ui.widgets.card import Card, ChoiceButton, TabbedCard
from app.ui.widgets.layer_list import shape_text
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.scrub_bar import ScrubBar
from app.ui.widgets.veil import Veil

__all__ = ["CnnPanel"]

# The looks at one image follow the weights; what asks about many images comes less often, and
# takes at most this share of the time.
LOOK_SECONDS = 0.2
CURVES_SECONDS = 0.15
# While an older moment is seen, the hand that looks for one comes first.
PATIENT_SECONDS = 0.5
BEHAVIOUR_SECONDS = 1.0
SHARE = 0.08
LOOK_SHARE = 0.2

# Why some pages are not there for a file of the person's.
OWN_MODEL = "Your own network is asked as a whole: what its layers give, it alone knows"
NOT_KEPT = (
    "Of so large a network only the smaller arrays are kept of each moment. "
    "With more room for Keyframes, set before training, all are."
)
SCALES = {"own": "own scale", "common": "common scale"}


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
        self.images, self.readings = images, readings
        self.training: Training | None = None
        self.weights: Any = None
        self._step = 0  # of the weights
        # The moment of the past that is seen; None while the newest weights are.
        self.moment: Moment | None = None
        self.answers: Predictions | None = None
        self._last_curves = self._last_look = self._last_behaviour = 0.0
        self._next_answers = self._next_look = 0.0
        self._evaluations_seen = -1
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        whole = QSplitter(Qt.Orientation.Horizontal)
        whole.setHandleWidth(10)
        whole.setChildrenCollapsible(False)
        whole.addWidget(self._build_settings(spec))
        whole.addWidget(self._build_pictures())
        whole.setSizes([352, 1024])
        whole.setStretchFactor(0, 0)
        whole.setStretchFactor(1, 1)
        layout.addWidget(whole)
        readings.read.connect(self._on_read)
        self.set_spec(spec)

    # --- building

    def _build_settings(self, spec: ConvNetSpec) -> QWidget:
        self.settings_card = TabbedCard(
            ["Network", "Images"],
            "cnnSettings",
            ["What comes after what, and how it is trained", "What it learns from"],
        )
        self.settings_card.setMinimumWidth(320)
        self.settings_card.setMaximumWidth(460)
        self.network_page = NetworkPage(spec)
        self.network_page.spec_changed.connect(self._on_spec)
        self.network_page.preset_chosen.connect(self.preset_chosen)
        self.images_page = ImagesPage(self.images)
        self.settings_card.add_page(self.network_page)
        self.settings_card.add_page(self.images_page)
        return self.settings_card

    def _build_pictures(self) -> QWidget:
        self.filters_card = Card("Filters  W₁", "cnnFilters")
        self.filters = MosaicView(
            "cnnFilters", self._describe_filter, "Filters of the first layer, a tile each"
        )
        self.filters.tile_clicked.connect(self._on_filter)
        self.filters_card.body.addWidget(self.filters)
        self.filters_card.add_tool(
            ChoiceButton(
                "cnnFilterScale", "How weights become colours", SCALES, self.filters.set_scale
            )
        )
        self.maps_card = MapsCard()
        self.maps_card.look_wanted.connect(self._look)
        self.maps_card.maps.tile_clicked.connect(self._on_map)
        self.confusion_card = ConfusionCard()
        self.confusion_card.image_chosen.connect(self.choose_image)
        self.loss_card = LossCard()
        self.loss_card.behaviour_wanted.connect(self._read_behaviour)
        self.accuracy_card = Card("Accuracy", "accuracy")
        self.accuracy = AccuracyPlot()
        self.accuracy_card.body.addWidget(self.accuracy)
        self.mistakes_card = MistakesCard()
        self.mistakes_card.image_chosen.connect(self.choose_image)
        self.mistakes_card.test_wanted.connect(self.test_wanted)
        top = _row(
            {
                self.filters_card: (203, 370),
                self.maps_card: (240, 420),
                self.confusion_card: (163, 300),
            }
        )
        bottom = _row(
            {
                self.loss_card: (220, 420),
                self.accuracy_card: (180, 340),
                self.mistakes_card: (206, 330),
            }
        )
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.setObjectName("cnnPictures")
        whole.setHandleWidth(10)
        whole.setChildrenCollapsible(False)
        whole.addWidget(top)
        whole.addWidget(bottom)
        whole.setSizes([440, 300])
        whole.setStretchFactor(0, 1)
        self._tips = self.maps_card.tabs[0].toolTip(), self.loss_card.tabs[1].toolTip()
        self.scrub_bar = ScrubBar("cnn")
        self.curves = self.loss_card.plot
        # What needs all weights of the network, which are not kept of every moment.
        self._veils = [
            Veil(card)
            for card in (self.confusion_card, self.mistakes_card, self.loss_card.behaviour)
        ]
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(whole, 1)
        layout.addWidget(self.scrub_bar)
        return column

    # --- what the person does

    def _on_spec(self, spec: ConvNetSpec) -> None:
        self._count_weights()
        self.spec_changed.emit(spec)

    def _on_filter(self, index: int) -> None:
        self.maps_card.show_map(index)

    def _on_map(self, index: int) -> None:
        # Maps that the first filters gave, one each, also after their ReLU and pool.
        if self.maps_card.maps.count == self.filters.count:
            self.filters.select(index)

    def choose_image(self, row: int) -> None:
        """Look at one of the open images."""
        self.maps_card.choose(row)

    def look_at(self, pixels: NDArray[np.uint8]) -> None:
        """Look at an image (C, H, W) from elsewhere."""
        self.maps_card.look_at(pixels)

    # --- what the sessions say

    @property
    def is_own(self) -> bool:
        """Whether the network in sight is a file of the person's."""
        training = self.training
        return (self.network_page.model if training is None else training.model) is not None

    @property
    def seen_data(self) -> Any:
        """The images of the network in sight."""
        return self.training.data if self.training is not None else self.images.fitted

    @property
    def seen_spec(self) -> ConvNetSpec:
        """The settings of the network in sight."""
        spec: ConvNetSpec
        if self.moment is not None:
            spec = self.moment.spec
            return spec
        spec = self.network_page.spec if self.training is None else self.training.spec
        return spec

    def set_spec(self, spec: ConvNetSpec) -> None:
        """Show other settings."""
        self.network_page.set_spec(spec)
        self._count_weights()

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        self.network_page.set_locked(locked)
        self.images_page.set_locked(locked)

    def _count_weights(self) -> None:
        self.settings_card.note.setText(self.network_page.weights_text)

    def set_model(self, model: ModelFile | None) -> None:
        """Show a person's own network in the place of layers, or layers again."""
        self.network_page.set_model(model)
        self._count_weights()
        self._show_possible(model is not None)

    def _show_possible(self, own: bool) -> None:
        """Offer what can be seen: of a person's own network, what its layers give is not known."""
        for card, page, tip in zip(
            (self.maps_card, self.loss_card), (0, 1), self._tips, strict=True
        ):
            card.tabs[page].setEnabled(not own)
            card.tabs[page].setToolTip(OWN_MODEL if own else tip)
            if own and card.page == page:
                card.show_page(1 - page)

    def set_images(self) -> None:
        """Other images are open, or are prepared in another way."""
        self.images_page.refresh()
        fitted = self.images.fitted
        if fitted is not None:
            self.network_page.layers.set_input(fitted.images.shape, len(fitted.classes))
            self._count_weights()
        if self.training is None:
            self._show_data()

    def set_training(self, training: Training | None) -> None:
        """Another training is the one to be seen; None forgets the last."""
        if training is self.training and training is not None:
            return
        self.training = training
        self._show_possible(self.is_own)
        self._leave_moment()
        self._evaluations_seen = -1
        self._next_answers = 0.0
        self.loss_card.set_training(None)
        self.mistakes_card.set_test(None)
        self._show_data()
        self._draw_accuracy([])

    def _show_data(self) -> None:
        """Show what there is before the first step."""
        data = self.seen_data
        self.weights = self.answers = None
        self.readings.set_network(data, self.seen_spec)
        self.filters.empty_text = "Press Train"
        self.filters.set_tiles(None)
        self.filters_card.note.setText("")
        self.confusion_card.set_answers(None, data)
        self.mistakes_card.set_answers(None, data)
        self.maps_card.set_data(data)
        if self.training is None:
            self.maps_card.show_page(1)
        description = self.network_page.layers.description
        if description is not None and description.error is None:
            self.maps_card.set_network(description)

    def tick(self, snapshot: Snapshot | None, grew: bool) -> None:
        """There is news of the training; draw what is due."""
        training = self.training
        if training is None:
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
            self._take_snapshot(snapshot)
        if now - self._last_look >= LOOK_SECONDS and now >= self._next_look:
            self._look()
        if now - self._last_behaviour >= BEHAVIOUR_SECONDS:
            self._read_behaviour()
        seen = len(training.history.evaluations)
        if seen != self._evaluations_seen and now >= self._next_answers:
            self._evaluations_seen = seen
            self._want(Wish(answers=True))

    def refresh(self) -> None:
        """Draw everything as it stands now, whatever was drawn last."""
        training = self.training
        if training is None or training.snapshot is None:
            return
        self._take_snapshot(training.snapshot if self.moment is None else self.moment.snapshot)
        self._draw_curves()
        self._evaluations_seen = len(training.history.evaluations)
        self._want(Wish(answers=True))
        self._look()
        self._read_behaviour()

    # --- other moments than the newest

    def seer(self, prompt: bool) -> See:
        """Return what works out what is drawn of a moment: the readings do that here."""

        def see(snapshot: Snapshot) -> None:
            return None

        return see

    def show_moment(self, moment: Moment) -> None:
        """Show the network as it was; what is new of the training waits."""
        self.moment = moment
        self._take_snapshot(moment.snapshot)
        self._place_cursor()
        for veil in self._veils:
            veil.say("" if moment.whole and not self.is_own else NOT_KEPT)
        if moment.prompt:
            # What asks about many images waits until the hand rests.
            self._look(hurry=True)
            return
        self._want(Wish(answers=True))
        self._look()
        self._read_behaviour()

    def show_newest(self) -> None:
        """Show the newest weights again."""
        self._leave_moment()
        self.refresh()

    def _leave_moment(self) -> None:
        self.moment = None
        self._place_cursor()
        for veil in (*self._veils, self.maps_card.veil):
            veil.say("")

    def _place_cursor(self) -> None:
        x = None
        if self.moment is not None and self.training is not None:
            x = self.moment.snapshot.step / max(self.training.steps_per_epoch, 1)
        self.loss_card.plot.set_cursor(x)
        self.accuracy.set_cursor(x)

    def _known(self, wish: Wish) -> bool:
        """Return whether enough of the network is known for a wish, and say so where it is not."""
        if self.moment is None or self.moment.whole:
            self.maps_card.veil.say("")
            return True
        if wish.look is None:
            return False
        _, place, view = wish.look
        description = self.network_page.layers.description
        data = self.seen_data
        if data is not None:
            shape, classes = data.images.shape, len(data.classes)
            description = describe_network(self.seen_spec.rows, shape, classes)
        end = None if description is None else first_without(description, self.weights)
        known = view == "maps" and (end is None or place[0] < end)
        self.maps_card.veil.say("" if known else NOT_KEPT)
        return known

    # --- reading

    def _want(self, wish: Wish, *, hurry: bool = False) -> None:
        if self.is_own:
            if wish.answers and self.moment is None:
                self._take_own_answers()
        elif self.weights is not None and self._known(wish):
            self.readings.want(self.weights, wish, self._step, hurry=hurry)

    def _take_own_answers(self) -> None:
        """Show what a person's own network said when it was validated: it alone can be asked."""
        training = self.training
        learner = None if training is None else training.learner
        if isinstance(learner, OwnModelLearner) and learner.answers is not None:
            self.answers = learner.answers
            asked = training.history.evaluations[-1:] if training is not None else []
            step = asked[0].step if asked else self._step
            for card in (self.confusion_card, self.mistakes_card):
                card.set_answers(self.answers, self.seen_data, step)

    def _look(self, *, hurry: bool = False) -> None:
        self._last_look = time.monotonic()
        wanted = self.maps_card.wanted()
        if wanted is not None:
            self._want(Wish(look=wanted), hurry=hurry)

    def _read_behaviour(self) -> None:
        if self.loss_card.page == 1:
            self._last_behaviour = time.monotonic()
            self._want(Wish(behaviour=True))

    def _on_read(self, reading: Reading) -> None:
        if reading.look is not None:
            if reading.look.view != "maps":
                # Ways back through the network cost more: they may have a share of the time.
                self._next_look = time.monotonic() + reading.seconds / LOOK_SHARE
            self.maps_card.set_look(reading.look)
        if reading.behaviour is not None:
            self.loss_card.behaviour.set_readings(reading.behaviour)
        if reading.answers is not None:
            self._next_answers = time.monotonic() + reading.seconds / SHARE
            self.answers = reading.answers
            for card in (self.confusion_card, self.mistakes_card):
                card.set_answers(reading.answers, self.seen_data, reading.step)

    # --- drawing

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        self.weights, self._step = snapshot.weights, snapshot.step
        filters = first_filters(self.weights)
        self.filters.empty_text = "The first layer is no convolution of the image"
        self.filters.set_tiles(filters)
        if filters is not None:
            self.filters_card.note.setText(shape_text(filters.shape).replace(" ", ""))
        self.loss_card.set_snapshot(snapshot)

    def _draw_curves(self) -> None:
        training = self.training
        if training is None:
            return
        self._last_curves = time.monotonic()
        self.loss_card.set_training(training)
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

    def _describe_filter(self, index: int) -> str:
        filters = first_filters(self.weights) if self.weights is not None else None
        if filters is None or index >= len(filters):
            return ""
        norm = float(np.linalg.norm(filters[index]))
        return f"filter {index}: ‖w‖ {norm:.3g}\nclick to see its map"


def _row(cards: dict[Card, tuple[int, int]]) -> QSplitter:
    """Return cards side by side, each at its width and never below its least.

    The least is said here and not asked of what is in them: else cards would move whenever a
    figure in them gets longer. In the smallest window all of them have just these.
    """
    splitter = QSplitter(Qt.Orientation.Horizontal)
    splitter.setHandleWidth(10)
    splitter.setChildrenCollapsible(False)
    for card, (least, _) in cards.items():
        card.setMinimumWidth(least)
        splitter.addWidget(card)
    splitter.setSizes([width for _, width in cards.values()])
    return splitter
