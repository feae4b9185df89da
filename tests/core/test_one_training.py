"""One model's training without a window: what is kept of it, and when Train goes on with it."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.events import Finished, Steps
from app.core.history import History
from app.core.one_training import Training
from app.core.recipes import AutoencoderRecipe
from app.core.specs import AutoencoderSpec, PreprocessSpec
from tests.core.trained import images, write

SPEC = AutoencoderSpec(hidden_units=4, batch_size=20, epochs=2)


@pytest.fixture
def training(tmp_path):
    file = write(tmp_path / "patches.npy", images(60, side=4))
    data = preprocess(open_patches(file), PreprocessSpec())
    recipe = AutoencoderRecipe()
    return Training(recipe, data, SPEC, History(recipe.term_names))


def run(training: Training) -> None:
    for event in training.events(Control(), "run", 1):
        training.history.take(event)
        if isinstance(event, Finished):
            training.ending = event


def test_it_makes_its_learner_and_trains_to_the_end(training):
    assert not training.continues(training.data, SPEC)
    run(training)
    assert training.ending is not None
    assert len(training.history) == training.progress.step == 6
    assert training.progress.epoch == 2
    assert training.continues(training.data, SPEC)


def test_the_order_in_which_it_is_asked_changes_nothing(training):
    run(training)
    first = training.history.terms
    again = Training(training.recipe, training.data, SPEC, History(training.recipe.term_names))
    found = [e for e in again.events(Control(), "run", 1) if isinstance(e, Steps)]
    np.testing.assert_array_equal(np.concatenate([e.terms for e in found]), first)


@pytest.mark.parametrize(
    ("change", "goes_on"),
    [
        ({"rho": 0.2}, True),
        ({"epochs": 9}, True),
        ({"hidden_units": 5}, False),
        ({"seed": 3}, False),
    ],
)
def test_what_keeps_the_network_as_it_is_goes_on(training, change, goes_on):
    run(training)
    assert training.continues(training.data, SPEC.changed(**change)) is goes_on
    assert not training.continues(object(), SPEC.changed(**change))


def test_what_is_done_goes_on_for_as_many_epochs_and_marks_what_moved(training):
    run(training)
    spec, origin = training.go_on(SPEC.changed(rho=0.2))
    assert spec.epochs == 4
    # It was not recorded: there is nothing to name.
    assert origin is None
    assert training.spec == spec
    ((step, change),) = training.history.changes
    assert (step, change.name, change.new) == (6, "rho", 0.2)
    run(training)
    assert training.progress.epoch == 4
    assert len(training.history) == 12


def test_what_is_not_done_keeps_its_epochs(training):
    run(training)
    assert training.go_on(SPEC.changed(epochs=7))[0].epochs == 7
