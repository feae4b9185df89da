"""The CNN lab: layers and images on the left, what the network sees and says, curves below."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.core.events import Snapshot
from app.core.learners.own_model import OwnModelLearner
from app.core.nn.description import describe_network, first_without
from app.core.one_training import Training
from app.core.own_model.file import ModelFile
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec
from app.ui.image_session import ImageSession
from app.ui.moment import Moment, See
from app.ui.panels.cnn.images_page import ImagesPage
from app.ui.panels.cnn.network_page import NetworkPage
from app.ui.panels.cnn.pictures import NOT_KEPT, Pictures
from app.ui.reading_session import Reading, ReadingSession, Wish
from app.ui.widgets.card import TabbedCard
from app.ui.widgets.splitters import side_by_side

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
        self._step = 0  # of the weights
        # The moment of the past that is seen; None while the newest weights are.
        self.moment: Moment | None = None
        self.answers: Predictions | None = None
        self._last_curves = self._last_look = self._last_behaviour = 0.0
        self._next_answers = self._next_look = 0.0
        self._evaluations_seen = -1
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        parts = {self._build_settings(spec): 352, self._build_pictures(): 1024}
        layout.addWidget(side_by_side(parts, stretch=(0, 1)))
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

    def _build_pictures(self) -> Pictures:
        pictures = self.pictures = Pictures()
        # The cards by their names.
        self.filters, self.filters_card = pictures.filters, pictures.filters_card
        self.maps_card, self.confusion_card = pictures.maps_card, pictures.confusion_card
        self.loss_card, self.curves = pictures.loss_card, pictures.loss_card.plot
        self.accuracy, self.accuracy_card = pictures.accuracy, pictures.accuracy_card
        self.mistakes_card, self.scrub_bar = pictures.mistakes_card, pictures.scrub_bar
        self.maps_card.look_wanted.connect(self._look)
        self.loss_card.behaviour_wanted.connect(self._read_behaviour)
        self.mistakes_card.test_wanted.connect(self.test_wanted)
        return pictures

    # --- what the person does

    def _on_spec(self, spec: ConvNetSpec) -> None:
        self._count_weights()
        self.spec_changed.emit(spec)

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
    def weights(self) -> Any:
        """The weights in sight; None before the first step."""
        return self.pictures.weights

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
        self.pictures.show_possible(model is not None)

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
        self.pictures.show_possible(self.is_own)
        self._leave_moment()
        self._evaluations_seen = -1
        self._next_answers = 0.0
        self.loss_card.set_training(None)
        self.mistakes_card.set_test(None)
        self._show_data()
        self.pictures.set_evaluations([], self.seen_data)

    def _show_data(self) -> None:
        """Show what there is before the first step."""
        data = self.seen_data
        self.answers = None
        self.readings.set_network(data, self.seen_spec)
        self.pictures.clear(data)
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
        self.pictures.veil("" if moment.whole and not self.is_own else NOT_KEPT)
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
        self.pictures.veil("")
        self.maps_card.veil.say("")

    def _place_cursor(self) -> None:
        x = None
        if self.moment is not None and self.training is not None:
            x = self.moment.snapshot.step / max(self.training.steps_per_epoch, 1)
        self.pictures.place_cursor(x)

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
            self.pictures.set_answers(self.answers, self.seen_data, step)

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
            self.pictures.set_answers(reading.answers, self.seen_data, reading.step)

    # --- drawing

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        self._step = snapshot.step
        self.pictures.set_snapshot(snapshot)

    def _draw_curves(self) -> None:
        training = self.training
        if training is None:
            return
        self._last_curves = time.monotonic()
        self.loss_card.set_training(training)
        self.pictures.set_evaluations(training.history.evaluations, self.seen_data)
